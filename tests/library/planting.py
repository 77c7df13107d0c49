"""A fault planted in the rule of an operation, and the gradient that a program computes with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from flint import arb
from numpy.typing import NDArray

from gradaudit.derivative import pulled_back
from gradaudit.exact.balls import Balls
from gradaudit.graph import Node, topological_order
from gradaudit.operations import Operation
from gradaudit.operations.shapes import input_
from tests.library.faults import Variant, of_contribution, of_node
from tests.library.specimens import evaluated

Parts = Sequence[Node | None]
#: How little a factor is off that is nearly right.
NEARLY_ONE = {"float64": 1 + 1e-9, "float32": 1 + 1e-3}
#: The precision in which two gradients are compared, in bits, and how close they are that are equal.
BITS = 320
EQUAL = arb(2) ** -200


@dataclass(frozen=True)
class Fault:
    """Something wrong in one place of a rule.

    Attributes
    ----------
    place : int or str
        The number of the operand whose contribution is wrong, or the name of the node in the rule.
    family, name : str
        What is wrong.
    """

    place: int | str
    family: str
    name: str

    def __str__(self) -> str:
        return f"{self.place}: {self.name} ({self.family})"


def places(node: Node, g: Node, parts: Parts) -> dict[str, Node]:
    """The nodes of a rule by their names: what it computes from the inputs, the result and the cotangent."""
    given = {id(n) for n in (*node.inputs, node, g)}
    order, named, counts = _inner([p for p in parts if p is not None], given), {}, dict[str, int]()
    for inner in order:
        name = inner.operation.name
        counts[name] = counts.get(name, 0) + 1
        named[f"{name} {counts[name]}"] = inner
    return named


def _inner(parts: Sequence[Node], given: set[int]) -> list[Node]:
    """The nodes that parts are computed by, but for what is given, in their order."""
    order: list[Node] = []
    seen = set(given)
    stack = [(node, False) for node in reversed(parts)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((n, False) for n in reversed(node.inputs))
    return order


def variants(node: Node, g: Node, parts: Parts, factor: float) -> Iterator[tuple[int | str, Variant]]:
    """Everything that may be wrong in one place of a rule, with its place."""
    for number, (operand, part) in enumerate(zip(node.inputs, parts, strict=True)):
        yield from ((number, variant) for variant in of_contribution(part, g, operand, factor))
    for name, inner in places(node, g, parts).items():
        yield from ((name, variant) for variant in of_node(inner, factor))


def offered(node: Node, factor: float) -> list[Fault]:
    """The faults that the rule of a node may have; none where no derivative is asked of it, as of a mask."""
    if node.operation.mask:
        return []
    g = input_(size=node.shape)
    parts = node.operation.derivative(node, g)
    return [Fault(place, v.family, v.name) for place, v in variants(node, g, parts, factor)]


def with_fault(operation: Operation, fault: Fault, factor: float, changed: list[Fault]) -> Operation:
    """The operation with a fault in its rule, wherever the rule has that place; each time it is added to `changed`."""

    def derivative(node: Node, g: Node) -> Parts:
        parts = list(operation.derivative(node, g))
        for place, variant in variants(node, g, parts, factor):
            if (place, variant.family, variant.name) == (fault.place, fault.family, fault.name):
                changed.append(fault)
                return _changed(node, g, parts, place, variant)
        return parts

    return replace(operation, derivative=derivative)


def _changed(node: Node, g: Node, parts: list[Node | None], place: int | str, variant: Variant) -> Parts:
    """The contributions of a rule with a variant in its place."""
    wrong = variant.node()
    if isinstance(place, int):
        parts[place] = wrong
        return parts
    assert wrong is not None
    named = places(node, g, parts)
    new: dict[int, Node] = {id(named[place]): wrong}
    for inner in named.values():
        if id(inner) not in new and any(id(n) in new for n in inner.inputs):
            new[id(inner)] = replace(inner, inputs=tuple(new.get(id(n), n) for n in inner.inputs))
    return [None if part is None else new.get(id(part), part) for part in parts]


@dataclass(frozen=True, eq=False)
class Function:
    """A function whose gradient is wrong in a known way: known forms are replaced already.

    Attributes
    ----------
    output : Node
        What it returns.
    sources : list of Node
        Its inputs.
    cotangent : Node
        What it is pulled back with: an input.
    """

    output: Node
    sources: list[Node]
    cotangent: Node

    def gradient(self) -> list[Node]:
        """The right one."""
        return pulled_back([self.output], self.sources, [self.cotangent])

    def planted(self, chosen: Collection[int], fault: Fault, factor: float) -> list[Node]:
        """The gradient with a fault in the rules of some nodes, by their ids.

        Raises
        ------
        LookupError
            If the rule of none of them has such a place.
        """
        changed: list[Fault] = []

        def faulty(node: Node) -> Operation:
            return with_fault(node.operation, fault, factor, changed) if id(node) in chosen else node.operation

        gradient = self._with(faulty)
        if not changed:
            raise LookupError(f"no rule has the place of the fault {fault}")
        return gradient

    def asked(self) -> list[Node]:
        """The nodes whose rules the gradient needs."""
        asked: list[Node] = []

        def noted(node: Node) -> Operation:
            def derivative(new: Node, g: Node) -> Parts:
                asked.append(node)
                return node.operation.derivative(new, g)

            return replace(node.operation, derivative=derivative)

        self._with(noted)
        return asked

    def _with(self, operation: Callable[[Node], Operation]) -> list[Node]:
        """The gradient where the nodes have other operations; what an input is, stays."""
        new: dict[int, Node] = {}
        for node in topological_order([self.output]):
            inputs = tuple(new[id(n)] for n in node.inputs)
            new[id(node)] = replace(node, operation=operation(node), inputs=inputs) if inputs else node
        return pulled_back([new[id(self.output)]], self.sources, [self.cotangent])


def in_balls(nodes: list[Node], inputs: dict[Node, NDArray[Any]]) -> list[Any]:
    """Nodes in balls; to be called in their precision."""
    A = Balls(BITS)
    return evaluated(A, nodes, {id(n): A.constant(np.asarray(x, dtype=np.float64)) for n, x in inputs.items()})


def are_equal(right: list[Node], wrong: list[Node], inputs: dict[Node, NDArray[Any]]) -> bool:
    """Whether two gradients are the same numbers: every digit of some sixty, and no ball is wide."""
    with Balls(BITS).precision():
        for x, y in zip(in_balls(right, inputs), in_balls(wrong, inputs), strict=True):
            for a, b in zip(x.ravel(), y.ravel(), strict=True):
                limit = EQUAL * (1 + abs(a))
                if not (a.rad() < limit and b.rad() < limit and a.overlaps(b)):
                    return False
    return True
