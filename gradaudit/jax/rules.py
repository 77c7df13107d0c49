"""The derivative rules of a program one by one, each at the floats that the program has there.

The function is walked through forwards and backwards as reverse mode does it. Of each equation, and of each custom rule
as a whole, JAX's own derivative is held against the library's: so nothing grows with depth, every comparison is one of
floats, and a rule that is wrong is known by its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradaudit.derivative import pulled_back
from gradaudit.errors import UnsupportedError
from gradaudit.graph import Node
from gradaudit.jax.following import Equation, result
from gradaudit.jax.formula import Constants, Reading, compared
from gradaudit.jax.lines import is_of_jax
from gradaudit.jax.operands import is_float, is_random_key, known, number
from gradaudit.jax.walking import CUSTOM, Cell, Walk, computed
from gradaudit.judge import Finding
from gradaudit.operations.shapes import constant, input_


@dataclass(frozen=True, eq=False)
class Entry:
    """One step forwards.

    Attributes
    ----------
    here : Equation or None
        The equation; None where a loop only takes rows of arrays, or puts them together.
    function : callable
        What JAX computes: (*operands) -> list of results.
    operands, results : list of Cell
        Its floats.
    """

    here: Equation | None
    function: Callable[..., list[Any]]
    operands: list[Cell]
    results: list[Cell]


class Tape(Walk):
    """A run of a function that keeps what it does with what depends on its arguments; custom rules are one step each.

    Attributes
    ----------
    entries : list of Entry
        The steps.
    active : set of Cell
        The floats that depend on an argument.
    """

    whole = CUSTOM

    def __init__(self, arguments: Sequence[Cell]) -> None:
        self.entries: list[Entry] = []
        self.active = set(arguments)

    def part(self, cell: Cell, n: int) -> Cell:
        return self._kept(None, lambda x: [x[n]], [cell])[0]

    def stacked(self, cells: Sequence[Cell]) -> Cell:
        return self._kept(None, lambda *rows: [jnp.stack(rows)], list(cells))[0]

    def leaf(self, here: Equation, cells: Sequence[Cell]) -> list[Cell]:
        return self._kept(here, _function(here), list(cells))

    def _kept(self, here: Equation | None, function: Callable[..., list[Any]], cells: list[Cell]) -> list[Cell]:
        results = [Cell(v) for v in function(*(c.value for c in cells))]
        if not self.active.isdisjoint(cells):
            self.entries.append(Entry(here, function, cells, results))
            self.active.update(c for c in results if _is_differentiable(c.value))
        return results


def _function(here: Equation) -> Callable[..., list[Any]]:
    """What JAX computes of an equation, as a function that has its derivative."""

    def function(*values: Any) -> list[Any]:
        if here.name in CUSTOM:
            bound = here.of.primitive.get_bind_params(here.params)
            functions, params = bound if isinstance(bound, tuple) else ((), bound)  # older releases give both
            return list(here.of.primitive.bind(*functions, *values, **params))
        return computed(here, [Cell(v) for v in values])

    return function


@dataclass(frozen=True)
class Rule:
    """The finding on one derivative rule.

    Attributes
    ----------
    name : str
        Of the primitive, or of the function that has the custom rule.
    line : str
        Where it is called in the user's code.
    findings : tuple of Finding
        One a derivative, and of a custom rule one a value.
    """

    name: str
    line: str
    findings: tuple[Finding, ...]


def judged_rules(
    closed: Any, floats: Sequence[Any], weights: Sequence[Any], constants: Constants, dtype: np.dtype[Any]
) -> list[Rule]:
    """The rules of a function, in the order in which reverse mode comes by them.

    Parameters
    ----------
    closed : ClosedJaxpr
        The function.
    floats, weights : sequence of array
        Its arguments, and what its results are pulled back with.
    constants : Constants
        Which constants may be rounded.
    dtype : dtype
        What the program computes in.
    """
    arguments = [Cell(x) for x in floats]
    tape = Tape(arguments)
    outputs = tape.run(closed.jaxpr, closed.consts, arguments)
    by: dict[int, Any] = {}
    for cell, weight in zip(outputs, weights, strict=True):
        by[id(cell)] = by[id(cell)] + weight if id(cell) in by else jnp.asarray(weight)
    back, rules = _Back(constants, dtype), list[Rule]()
    for entry in reversed(tape.entries):
        given = [by.get(id(c)) for c in entry.results]
        if all(g is None for g in given):
            continue
        cotangents = [
            jnp.zeros(np.shape(c.value), c.value.dtype) if g is None else g
            for c, g in zip(entry.results, given, strict=True)
            if is_float(c.value.dtype)
        ]
        rule, parts = back.step(entry, cotangents, tape.active)
        rules += [rule] if rule else []
        for cell, part in parts:
            by[id(cell)] = by[id(cell)] + part if id(cell) in by else part
    return _numbered(rules)


def _numbered(rules: list[Rule]) -> list[Rule]:
    """Calls of the same name at the same line are numbered, in the order of the forward pass."""
    counts = Counter((r.name, r.line) for r in rules)
    left = Counter(counts)
    result_ = []
    for r in rules:
        key = r.name, r.line
        result_.append(Rule(f"{r.name}, call {left[key]}" if counts[key] > 1 else r.name, r.line, r.findings))
        left[key] -= 1
    return result_


class _Back:
    """The steps backwards; what is traced of an equation is traced once."""

    def __init__(self, constants: Constants, dtype: np.dtype[Any]) -> None:
        self.constants, self.dtype = constants, dtype
        self.traced: dict[Any, Any] = {}

    def step(
        self, entry: Entry, cotangents: list[Any], active: set[Cell]
    ) -> tuple[Rule | None, list[tuple[Cell, Any]]]:
        """The finding on the rule, and what it contributes to the cotangents of the operands."""
        chosen = [n for n, c in enumerate(entry.operands) if c in active]
        values = [c.value for c in entry.operands]
        here = entry.here
        if here is None:
            _, pull = jax.vjp(lambda *xs: entry.function(*xs), *values)
            return None, list(zip(entry.operands, pull(cotangents), strict=True))
        key = id(here.of), tuple(chosen)
        if key not in self.traced:
            # the equation is kept: its id is not to be another's
            self.traced[key] = jax.make_jaxpr(_pulled(entry, chosen))(values, cotangents), here.of
        closed, _ = self.traced[key]
        nodes = [input_(size=np.shape(v)) if n in chosen and _is_finite(v) else None for n, v in enumerate(values)]
        cells = [Cell(v, node or known(v)) for v, node in zip(values, nodes, strict=True)]
        reading = Reading(self.constants)
        given = [*cells, *(Cell(g, constant(np.asarray(g)) if _is_finite(g) else known(g)) for g in cotangents)]
        try:
            results = reading.run(closed.jaxpr, closed.consts, given, here.line)
        except UnsupportedError as error:
            parts = _pulled(entry, chosen)(values, cotangents)[len(cotangents) :]
            return _not_followed(here, error), list(zip((entry.operands[n] for n in chosen), parts, strict=True))
        count = len(cotangents)
        parts = [(entry.operands[n], r.value) for n, r in zip(chosen, results[count:], strict=True)]
        finite = all(bool(np.isfinite(np.asarray(g)).all()) for g in cotangents)
        judged = [(n, r) for n, r in zip(chosen, results[count:], strict=True) if nodes[n] is not None]
        if not judged or not finite:
            return None, parts
        rule = self._judged(here, cells, cotangents, results[:count], judged)
        return _open(rule) if reading.decided else rule, parts

    def _judged(
        self, here: Equation, cells: list[Cell], cotangents: list[Any], values: list[Cell], derivatives: Any
    ) -> Rule:
        try:
            operands: list[Any] = [c.operand for c in cells]
            own = [x for x, v in zip(result(here, operands), here.of.outvars, strict=True) if is_float(v.aval.dtype)]
            outputs = [number(x) for x in own]
        except UnsupportedError as error:
            return _not_followed(here, error)
        nodes: dict[int, Node] = {n: c.operand for n, c in enumerate(cells) if isinstance(c.operand, Node)}
        weights = [constant(np.asarray(g)) for g in cotangents]
        exact = pulled_back(outputs, [nodes[n] for n, _ in derivatives], weights)
        names = [f"derivative by operand {n}" if len(cells) > 1 else "derivative" for n, _ in derivatives]
        program = [number(_operand(r)) for _, r in derivatives]
        if here.name in CUSTOM:
            names, exact = [*("value" for _ in outputs), *names], [*outputs, *exact]
            program = [*(number(_operand(r)) for r in values), *program]
        inputs = {node: np.asarray(cells[n].value) for n, node in nodes.items()}
        return _rule(here, compared(names, exact, program, inputs, self.dtype))


def _rule(here: Equation, findings: Sequence[Finding]) -> Rule:
    """What is said of a rule: a custom one has the name of its function, and where nobody called it, its line."""
    if here.name not in CUSTOM:
        return Rule(f"rule of {here.name}", here.line, tuple(findings))
    jaxpr = here.params["call_jaxpr"].jaxpr
    function, _, place = str(jaxpr.debug_info.func_src_info).partition(" at ")
    line = here.line or ("" if is_of_jax(jaxpr) else place)
    of = "" if function == "<unknown>" else f" of {function}"  # what is no function has no name
    return Rule(f"{here.name.removesuffix('_call')} rule{of}", line, tuple(findings))


def _open(rule: Rule) -> Rule:
    """A rule in which floats that were rounded have decided something: what is wrong may be right on the other side."""
    said = "floats that were rounded decide in it which branch is taken"
    findings = (
        replace(f, verdict="undecided", message=f"{f.message}; {said}") if f.verdict == "wrong" else f
        for f in rule.findings
    )
    return replace(rule, findings=tuple(findings))


def _not_followed(here: Equation, error: Exception) -> Rule:
    return _rule(here, [Finding("derivative", "undecided", (), 0.0, 0.0, 0.0, np.inf, 0.0, np.inf, str(error))])


def _pulled(entry: Entry, chosen: list[int]) -> Callable[..., list[Any]]:
    """The results of a step that are floats, and the derivatives by the chosen operands."""

    def run(values: list[Any], cotangents: list[Any]) -> list[Any]:
        results, pull = jax.vjp(
            lambda *xs: _floats(entry.function(*_put(values, chosen, xs))), *(values[n] for n in chosen)
        )
        return [*results, *pull(cotangents)]

    return run


def _put(values: Sequence[Any], chosen: list[int], floats: Sequence[Any]) -> list[Any]:
    whole = list(values)
    for n, x in zip(chosen, floats, strict=True):
        whole[n] = x
    return whole


def _floats(results: Sequence[Any]) -> list[Any]:
    return [r for r in results if is_float(r.dtype)]


def _operand(cell: Cell) -> Any:
    assert cell.operand is not None
    return cell.operand


def _is_differentiable(value: Any) -> bool:
    return not is_random_key(value) and is_float(value.dtype)


def _is_finite(value: Any) -> bool:
    return bool(np.isfinite(np.asarray(value)).all())
