"""The steps of a run in PyTorch and of its backward pass, each held against its own definition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch

from gradaudit.certify import Kink
from gradaudit.exact.doubles import Doubles
from gradaudit.graph import Node, topological_order
from gradaudit.judge import Finding, Step
from gradaudit.readings import values
from gradaudit.rounding.arithmetic import Arithmetic
from gradaudit.steps import added_up, computed, contributed, cut, live, step_finding
from gradaudit.torch.backward import Backward, Edge, Place
from gradaudit.torch.following import Following
from gradaudit.torch.hidden import Reading, settled
from gradaudit.torch.memory import numbers
from gradaudit.torch.opinion import HIDDEN, opinion
from gradaudit.torch.results import Result

#: Whether the steps of a module are judged, by its path.
Wanted = Callable[[str], bool]


class Output(NamedTuple):
    """What a function of autograd has computed.

    Attributes
    ----------
    node : Node
        It.
    is_handed_on : bool
        Whether the function only hands it on.
    cotangent : Tensor, ndarray or None
        What the function was given for it.
    """

    node: Node
    is_handed_on: bool
    cotangent: Any


class Program:
    """A run that was followed, and the floats that it had.

    Parameters
    ----------
    following : Following
        The run.
    sources : mapping of str to Node
        What it is differentiated by.
    fp : Arithmetic
        What it computes in.
    """

    def __init__(self, following: Following, sources: Mapping[str, Node], fp: Arithmetic) -> None:
        following.results.settle(following.node)
        self.results, self.made = following.results.all, dict(following.results.made)
        self.sources, self.fp = sources, fp
        self._following = following
        self.first: dict[int, Result] = {}
        for result in self.results:
            self.first.setdefault(id(result.node), result)
        self.names = {id(node): name for name, node in sources.items()}
        order = topological_order([*self.made.values(), *(r.node for r in self.results)])
        self._live = live(order, list(sources.values()))
        self._passed: dict[Place, Node] = {}
        self._floats = dict[int, Any]()
        self._nodes = dict[int, Node]()

    def floats(self, node: Node) -> Any:
        """What the program had for a node; of a view, or of memory that was written in parts, put together."""
        if node in self._following.inputs:
            return self._following.inputs[node]
        if id(node) in self._floats:
            return self._floats[id(node)]
        if self._is_computed(node):
            return self.first[id(node)].floats
        roots, inputs, origins = cut([node], self._is_computed)
        given = {id(new): self.floats(origins[n]) for n, new in inputs.items()}
        array = values(Doubles(), topological_order(roots), given)[id(roots[0])].hi
        self._floats[id(node)], self._nodes[id(node)] = array, node
        return array

    def is_live(self, node: Node) -> bool:
        """Whether a node depends on what is differentiated by."""
        return id(node) in self._live

    def title(self, node: Node) -> str:
        """What a node is called in a message."""
        if id(node) in self.names:
            return self.names[id(node)]
        result = self.first.get(id(node))
        if result is None:
            return f"{node.operation.name}{list(node.shape)}"
        return f"the result of {result.name}{f' in {result.module}' if result.module else ''}"

    # --- forward ----------------------------------------------------------------------------------------------------

    def forward(self, wanted: Wanted) -> Iterator[Step]:
        """Each operation that computes something, at the floats that it was given; of the modules that are wanted."""
        for call, group in groupby(self.results, key=lambda r: r.call):
            results = [r for r in group if not r.is_view]
            if results and wanted(results[0].module):
                yield self._operation(call, results)

    def _operation(self, call: int, results: Sequence[Result]) -> Step:
        certificates = computed([r.node for r in results], self._before(call), self.floats, self.fp)
        several = len(results) > 1
        findings = tuple(
            step_finding(f"result {n}" if several else "result", r.floats, c, self.fp)
            for n, (r, c) in enumerate(zip(results, certificates, strict=True))
        )
        return Step("forward", results[0].name, results[0].module, results[0].node.line, findings)

    def _before(self, call: int) -> Any:
        return lambda node: self._is_computed(node) and self.first[id(node)].call < call

    def output(self, name: str, tensor: torch.Tensor, node: Node) -> Finding:
        """The finding on what is returned."""
        result = self.first.get(id(node))
        known = self._before(result.call) if result else self._is_computed
        return step_finding(name, numbers(tensor), computed([node], known, self.floats, self.fp)[0], self.fp)

    # --- backward ---------------------------------------------------------------------------------------------------

    def backward(self, of: Backward, wanted: Wanted) -> Iterator[tuple[Step, tuple[Kink, ...]]]:
        """What each function of autograd contributes, at the floats and cotangents that it was given."""
        self.made = {p: node for p, node in self.made.items() if p[0] not in of.idle or not self.is_live(node)}
        self._dissolve(of)
        age = self.ages()
        groups, readings = self._groups(of), []
        for functions in groups:
            if wanted(self._module(of, functions, age)):
                reading = self._contribution(of, functions, age)
                if reading is not None and reading.hidden:
                    readings.append(reading)
                elif reading is not None:
                    yield reading.step, reading.kinks
        yield from settled(self, of, groups, readings)

    def _module(self, of: Backward, functions: Sequence[Any], age: Mapping[int, int]) -> str:
        results = [self.first[id(o.node)] for o in self._outputs(of, functions, age) if id(o.node) in self.first]
        return results[0].module if results else ""

    def _dissolve(self, of: Backward) -> None:
        """Forget places that functions hand cotangents to, but past which they compute: views of what was written to.

        A function is then judged together with the one that it hands on to.
        """
        while True:
            age = self.ages()
            past = {place for functions in self._groups(of) for place in self._past(of, functions, age)}
            if not past:
                return
            for place in past:
                self._passed[place] = self.made.pop(place)

    def _past(self, of: Backward, functions: Sequence[Any], age: Mapping[int, int]) -> list[Place]:
        nodes = {place: self.made[place] for _, _, place in self._edges(of, functions) if place in self.made}
        ids = {id(n) for n in nodes.values()}
        outputs = self._outputs(of, functions, age)
        itself = [o.is_handed_on for o in outputs]
        _, _, origins = cut([o.node for o in outputs], self._begins(functions, ids, age), itself)
        return [place for place, node in nodes.items() if id(node) not in origins]

    def _begins(self, functions: Sequence[Any], ids: set[int], age: Mapping[int, int]) -> Callable[[Node], bool]:
        """Where a part of the program begins: at its targets, and at what is older than it and no view of anything."""
        newest = max(int(f._sequence_nr()) for f in functions)
        return lambda n: id(n) in ids or (age.get(id(n), newest) < newest and self.is_whole(n))

    def _is_computed(self, node: Node) -> bool:
        return id(node) in self.first and not self.first[id(node)].is_view

    def is_whole(self, node: Node) -> bool:
        return self._is_computed(node) and not self.first[id(node)].is_part

    def _outputs(self, of: Backward, functions: Sequence[Any], age: Mapping[int, int]) -> list[Output]:
        """What functions have computed, with the cotangents that they were given.

        Of an array that others compute past, only what it was pulled back with itself.
        """
        targets = {id(self.node(of, edge.place)) for edge in self._edges(of, functions)}

        def is_handed_on(f: Any, node: Node) -> bool:
            return id(node) in targets and age.get(id(node), -1) < int(f._sequence_nr())

        outputs = []
        for f in functions:
            for n, g in enumerate(of.received[f]):
                if (f, n) in self.made:
                    node = self.made[f, n]
                    outputs.append(Output(node, is_handed_on(f, node), g))
                elif (f, n) in self._passed:
                    node = self._passed[f, n]
                    outputs += [Output(node, is_handed_on(f, node), w) for w in of.start.get((f, n), ())]
        return outputs

    def _edges(self, of: Backward, functions: Sequence[Any]) -> list[Edge]:
        return [edge for f in functions for edge in of.of[f]]

    def ages(self) -> dict[int, int]:
        age: dict[int, int] = {}
        for (function, _), node in self.made.items():
            age[id(node)] = min(int(function._sequence_nr()), age.get(id(node), int(function._sequence_nr())))
        return age

    def _groups(self, of: Backward) -> list[list[Any]]:
        """Functions that are judged together: between them there are arrays of which nobody knows the node."""
        leader = {f: f for f in of.functions}

        def lead(f: Any) -> Any:
            while leader[f] is not f:
                f = leader[f]
            return f

        for function, _, place in of.edges:
            if place not in self.made and place[0] in leader:
                leader[lead(place[0])] = lead(function)
        groups: dict[Any, list[Any]] = {}
        for f in of.functions:
            groups.setdefault(lead(f), []).append(f)
        return list(groups.values())

    def node(self, of: Backward, place: Place) -> Node | None:
        name = of.leaves.get(place[0])
        return self.made.get(place) if name is None else self.sources[name]

    def _contribution(self, of: Backward, functions: Sequence[Any], age: Mapping[int, int]) -> Reading | None:
        outputs = [o for o in self._outputs(of, functions, age) if o.cotangent is not None]
        got: dict[int, Any] = {}
        places: dict[int, Node] = {}
        for edge in self._edges(of, functions):
            node = self.node(of, edge.place)
            if node is not None:
                places[id(node)] = node
                part = of.returned[edge.function][edge.number]
                if part is not None:
                    got[id(node)] = got.get(id(node), 0) + numbers(part).reshape(node.shape)
        targets = {n: node for n, node in places.items() if n in got or self.is_live(node)}
        if not targets or not (outputs or got):
            return None
        roots, itself = [o.node for o in outputs], [o.is_handed_on for o in outputs]
        cotangents = [_floats(o.cotangent) for o in outputs]
        begins = self._begins(functions, set(places), age)
        certificates, kinks = contributed(
            roots, itself, cotangents, begins, list(targets.values()), self.is_live, self.floats, self.fp
        )
        findings = []
        for n, certificate in certificates.items():
            array = got[n] if n in got else np.zeros(certificate.exact.hi.shape)
            findings.append(
                step_finding(
                    f"gradient by {self.title(targets[n] if n in targets else self._known(n))}",
                    array,
                    certificate,
                    self.fp,
                )
            )
        name = ", ".join(f.name() for f in functions[:3]) + (" and others" if len(functions) > 3 else "")
        line = _line(functions) or next((node.line for node in roots), "")
        step = Step("backward", name, self._module(of, functions, age), line, tuple(findings))
        wrong = [n for n, finding in zip(certificates, findings, strict=True) if finding.verdict == "wrong"]
        if wrong and not set(wrong) & set(targets):
            step = replace(step, opinion=HIDDEN)
        elif wrong and len(functions) == 1:
            own = [(e.number, id(self.node(of, e.place))) for e in of.of[functions[0]]]
            exact = [([k for k, m in own if m == n], certificates[n]) for n in targets]
            step = replace(
                step, opinion=opinion(self._following, of, functions[0], exact, begins, self.floats, self.fp)
            )
        hidden = {k: self._known(n) for k, n in enumerate(certificates) if n in wrong and n not in targets}
        return Reading(step, kinks, functions, hidden)

    def _known(self, n: int) -> Node:
        """A node that was computed, or is an input, by its id."""
        return self.first[n].node if n in self.first else next(node for node in self.sources.values() if id(node) == n)

    def made_or_passed(self, place: Place) -> Node | None:
        """What a function has computed."""
        return self.made.get(place, self._passed.get(place))

    # --- sums -------------------------------------------------------------------------------------------------------

    def sums(self, of: Backward) -> Iterator[Step]:
        """What each function was given is the sum of what was contributed to it."""
        for function in of.functions:
            for n, given in enumerate(of.received[function]):
                contributions = of.contributions((function, n))
                got = np.zeros(np.shape(contributions[0])) if given is None and contributions else given
                if got is None:
                    continue
                array = _floats(got)
                if len(contributions) == 1 and np.array_equal(contributions[0], array):
                    continue
                node = self.made.get((function, n))
                title = self.title(node) if node is not None else f"what {function.name()} is given"
                result = self.first.get(id(node)) if node is not None else None
                finding = added_up(f"gradient by {title}", contributions, array, self.fp)
                where = (result.module, result.node.line) if result else ("", "")
                yield Step("sum", _sum_of(contributions), *where, (finding,))

    def totals(self, of: Backward) -> Iterator[Step]:
        """What autograd returned is a sum as well."""
        for (leaf, name), gradient in zip(of.leaves.items(), of.gradients, strict=True):
            contributions = of.contributions((leaf, 0))
            got = np.zeros(self.sources[name].shape) if gradient is None else numbers(gradient)
            finding = added_up(name, contributions, got, self.fp)
            yield Step("sum", _sum_of(contributions), "", "", (finding,))


def _floats(cotangent: Any) -> Any:
    return numbers(cotangent) if isinstance(cotangent, torch.Tensor) else cotangent


def _sum_of(contributions: Sequence[Any]) -> str:
    count = len(contributions)
    return f"the sum of {count} contributions" if count > 1 else "the only contribution" if count else "no contribution"


def _line(functions: Sequence[Any]) -> str:
    """Where the backward pass of a custom function stands."""
    for f in functions:
        own = getattr(type(f), "_forward_cls", None)
        code = getattr(getattr(own, "backward", None), "__code__", None)
        if code is not None:
            return f"{code.co_filename}:{code.co_firstlineno}"
    return ""
