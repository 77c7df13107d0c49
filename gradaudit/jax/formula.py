"""Whether a program's own gradient, read without rounding, is the gradient: its jaxpr against the library's rules.

Both are graphs on the same input floats, and both are read as enclosures of real numbers. What the program rounds plays
no part: what is left is its formula. A constant of the gradient alone may be a real number rounded to the dtype
(2 / sqrt(pi) of erf), and is known within one rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal
from numpy.typing import NDArray

from gradaudit.certify import BITS, Certificate, Plan
from gradaudit.exact.arithmetic import Arithmetic as Exact
from gradaudit.exact.arithmetic import OutOfRange
from gradaudit.exact.balls import Balls
from gradaudit.exact.doubles import Doubles
from gradaudit.exact.pairs import Pairs
from gradaudit.exact.splitting import MORE_PARTS
from gradaudit.graph import Node, topological_order
from gradaudit.jax.calls import part, stacked
from gradaudit.jax.following import Equation, draws, result
from gradaudit.jax.operands import Decided, Known, Operand, is_float, known, number
from gradaudit.jax.reductions import windows
from gradaudit.jax.walking import Cell, Walk, computed
from gradaudit.judge import USEFUL, Finding, Verdict
from gradaudit.operations.operation import Operation
from gradaudit.operations.shapes import constant_, scatter
from gradaudit.rounding.arithmetic import Arithmetic
from gradaudit.rounding.bound import Bound

#: Two formulas are one where they differ by no more than this part of a rounding error of the array's natural size.
NOTHING = 2.0**-20
#: Balls of more bits are not asked.
MOST_BITS = 2048
#: Comparisons that no enclosure decides where they hold: the program's own decision is taken.
EQUALITIES = ("eq", "ne", "eq_to")

#: What rounds nothing.
EXACT = (
    "input", "constant", "reshape", "transpose", "broadcast", "gather", "concatenate", "largest", "maximum", "negative",
    "absolute", "stopped",
)  # fmt: skip

#: A constant that may be a real number which was rounded; `error` says how far it may be off.
uncertain: Operation = replace(
    constant_,
    name="rounded constant",
    shape=lambda values, error: values.shape,  # noqa: ARG005
    value=lambda A, values, error: A.constant(values),  # noqa: ARG005
    rounding=lambda fp, value, values, error: Bound(error),  # noqa: ARG005
)


def unrounded() -> Arithmetic:
    """The arithmetic of real numbers, or nearly: what is rounded is far below all that is told apart."""
    return replace(Arithmetic.of(np.dtype(np.float64)), u=2.0**-900, eta=0.0)


class Constants:
    """Which constants of a gradient may be rounded: those that its function has not got, and that use all digits.

    Parameters
    ----------
    closed : ClosedJaxpr
        The function. Whatever numbers stand in it are meant as they are.
    dtype : dtype
        What the program computes in. A number of at most half of its digits is meant as it is.
    """

    def __init__(self, closed: Any, dtype: np.dtype[Any]) -> None:
        self.fp = Arithmetic.of(dtype)
        arrays = [np.abs(a.ravel()) for a in numbers(closed)]
        self.own = np.unique(np.concatenate(arrays)) if arrays else np.zeros(0)

    def known(self, value: Any) -> Known:
        """A constant of the gradient."""
        if not is_float(value.dtype):
            return known(value)
        values = np.asarray(value).astype(np.float64)
        error = np.where(self._is_meant(values), 0.0, self.fp.u * np.abs(values))
        if not error.any():
            return known(value)
        return Known(lambda: value, lambda: uncertain(values=values, error=error))

    def _is_meant(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.asarray(is_short(values, self.fp) | np.isin(np.abs(values), self.own) | ~np.isfinite(values))


def numbers(closed: Any) -> Iterator[NDArray[np.float64]]:
    """The floats that stand in a jaxpr, or that it has closed over."""
    jaxpr, constants = (closed.jaxpr, closed.consts) if hasattr(closed, "consts") else (closed, ())
    literals = [a for e in jaxpr.eqns for a in e.invars if isinstance(a, Literal)]
    arrays = [*constants, *(np.asarray(a.val, a.aval.dtype) for a in literals)]
    yield from (np.asarray(a).astype(np.float64) for a in arrays if is_float(a.dtype))
    for equation in jaxpr.eqns:
        for value in equation.params.values():
            for inner in value if isinstance(value, (tuple, list)) else (value,):
                if hasattr(inner, "eqns") or hasattr(inner, "jaxpr"):
                    yield from numbers(inner)


class Reading(Walk):
    """A gradient's jaxpr as a graph, along the branches that the program takes.

    Attributes
    ----------
    decided : bool
        Whether the graph holds what the program's floats decided, not real numbers: places of the largest entries,
        equalities.
    """

    def __init__(self, constants: Constants) -> None:
        self.constants, self.decided = constants, False

    def constant(self, value: Any) -> Cell:
        return Cell(value, self.constants.known(value))

    def part(self, cell: Cell, n: int) -> Cell:
        assert cell.operand is not None
        return Cell(cell.value[n], part(cell.operand, n))

    def stacked(self, cells: Sequence[Cell]) -> Cell:
        operands: list[Any] = [c.operand for c in cells]
        return Cell(jnp.stack([c.value for c in cells]), stacked(operands))

    def is_whole(self, here: Equation, cells: Sequence[Cell]) -> bool:  # noqa: ARG002
        return draws([c.operand for c in cells if c.operand is not None])

    def leaf(self, here: Equation, cells: Sequence[Cell]) -> list[Cell]:
        values = computed(here, cells)
        operands: list[Any] = [c.operand for c in cells]
        if all(isinstance(x, Known) for x in operands):
            return [Cell(v, x) for v, x in zip(values, result(here, operands, values), strict=True)]
        if here.name in EQUALITIES and is_float(here.operand(0).dtype):
            if operands[0] is not operands[1]:  # else it asks for NaN
                self._decides(operands)
            return [Cell(values[0], known(values[0]))]
        results = made(here, values, cells)
        if here.name == "select_and_scatter_add" or any(isinstance(x, Decided) for x in results):
            self._decides(operands)
        return [Cell(v, known(v) if isinstance(x, Decided) else x) for v, x in zip(values, results, strict=True)]

    def decision(self, cell: Cell) -> Any:
        self._decides([cell.operand])
        return np.asarray(cell.value)

    def _decides(self, operands: Sequence[Any]) -> None:
        self.decided = self.decided or not all(is_exact(x) for x in operands if isinstance(x, Node))


def is_exact(node: Node) -> bool:
    """Whether a node's entries are among the floats that its graph begins with: a program has them exactly."""
    stack, seen = [node], set[int]()
    while stack:
        n = stack.pop()
        if id(n) not in seen:
            seen.add(id(n))
            if n.operation.name not in EXACT:
                return False
            stack.extend(n.inputs)
    return True


def made(here: Equation, values: Sequence[Any], cells: Sequence[Cell]) -> Sequence[Operand]:
    """What an equation makes of its operands, read without rounding."""
    operands: list[Any] = [c.operand for c in cells]
    if here.name == "select_and_scatter_add":
        return [_largest_get(here, cells)]
    if here.name == "convert_element_type" and all(is_float(d) for d in (here.dtype, here.operand(0).dtype)):
        return [number(operands[0])]
    return result(here, operands, values)


def _largest_get(here: Equation, cells: Sequence[Cell]) -> Node:
    """What each window passes on to its largest entry: the first of them, as XLA takes it."""
    source, x = cells
    if here.params["select_prim"].name != "ge":
        raise here.refuse("of other entries than the largest")
    array = np.asarray(x.value).astype(np.float64)
    plain = dict.fromkeys(("base_dilation", "window_dilation"), (1,) * array.ndim)
    index = windows({**here.params, **plain}, array.shape)
    entries = np.append(array.ravel(), -np.inf)[index]
    target = np.take_along_axis(index, entries.argmax(axis=-1)[..., None], axis=-1)[..., 0]
    assert source.operand is not None
    return scatter(number(source.operand), index=target, into=here.shape, line=here.line)


def compared(
    names: Sequence[str],
    exact: Sequence[Node],
    program: Sequence[Node],
    inputs: Mapping[Node, NDArray[Any]],
    dtype: np.dtype[Any],
) -> list[Finding]:
    """Whether the arrays of two graphs are the same real numbers, but for what rounded constants explain.

    The enclosures are sharpened until that is decided to `NOTHING` of a rounding error. At a kink whatever lies
    between the one-sided derivatives is the same.

    Parameters
    ----------
    names : sequence of str
        Of the arrays.
    exact, program : sequence of Node
        What is right, and what is judged.
    inputs : mapping of Node to ndarray
        The floats of their input nodes.
    dtype : dtype
        What the program computes in.
    """
    sure = not any(node.operation is uncertain for node in topological_order(program))
    plan = Plan.of([*(exact if sure else unsure(exact, dtype)), *program])
    given = {id(node): np.asarray(a, dtype=np.float64) for node, a in inputs.items()}
    u, findings, last = Arithmetic.of(dtype).u, list[Finding](), np.inf
    for A in _arithmetics(plan, u):
        with suppress(OutOfRange):
            outputs = plan.read(A, unrounded(), given).outputs
            halves = outputs[: len(names)], outputs[len(names) :]
            findings = [_same(name, a, b, u, sure) for name, a, b in zip(names, *halves, strict=True)]
            spread = max((float(c.exact.radius.max(initial=0.0)) for c in outputs), default=0.0)
            if all(f.verdict != "undecided" for f in findings) or last / 2 <= spread < np.inf:
                break  # sharper enclosures do not help any more
            last = spread
    return findings


def unsure(outputs: Sequence[Node], dtype: np.dtype[Any]) -> list[Node]:
    """The graph of outputs in which numbers that are written in a function are known within one rounding, too.

    Both may come from one real number: 0.044715 in the function, and 3 * 0.044715 in its derivative rule. Arrays of
    different numbers are data, and are what they are.
    """
    fp, new = Arithmetic.of(dtype), dict[int, Node]()
    for node in topological_order(outputs):
        inputs = tuple(new[id(n)] for n in node.inputs)
        new[id(node)] = node.on(inputs)
        values = node.parameters["values"] if node.operation is constant_ else np.zeros(0)
        if values.size and (values == values.flat[0]).all() and not is_short(values, fp).all():
            new[id(node)] = uncertain(values=values, error=fp.u * np.abs(values))
    return [new[id(node)] for node in outputs]


def is_short(values: NDArray[np.float64], fp: Arithmetic) -> NDArray[np.bool_]:
    """Which numbers have at most half of the digits of an arithmetic: they are taken as they are."""
    scaled: Any = np.frexp(values)[0] * 2.0 ** (fp.precision // 2)
    return np.asarray(scaled == np.rint(scaled))


def _arithmetics(plan: Plan, u: float) -> Iterator[Exact[Any]]:
    if u > 2.0**-30:
        yield Doubles()
    if not plan.is_small:
        yield from (Pairs(), Pairs(MORE_PARTS))
    yield from (Balls(bits) for bits in BITS if bits <= MOST_BITS)


def _same(name: str, exact: Certificate, program: Certificate, u: float, sure: bool) -> Finding:
    """The finding on one array: |program - exact| <= E + NOTHING u size, where E is what rounded constants explain."""
    a, b = exact.exact, program.exact
    with np.errstate(all="ignore"):
        signed = (b.hi - a.hi) + (b.lo - a.lo)
        error, spread = np.abs(signed), a.radius + b.radius + 2.0**-52 * np.abs(signed)
        kink = np.maximum(np.where(signed < 0, exact.below, exact.above) - exact.apart, 0)
        least = NOTHING * u * exact.size
        E = (0.0 if sure else program.apart + exact.apart) + kink + least
        wrong = error - spread > E
        undecided = ~wrong & ~((spread <= least) | (kink > 0)) | ~np.isfinite(E)
        ratio = np.where(error > 0, error / E, 0.0)
    with np.errstate(all="ignore"):
        resolution = float(np.divide(E - kink, exact.size).max(initial=0.0)) if exact.size else 0.0
    verdict: Verdict = "wrong" if wrong.any() else "pass"
    if verdict == "pass" and (undecided.any() or not resolution <= USEFUL):
        verdict = "undecided"
    ratio = np.where(wrong if verdict == "wrong" else True, np.nan_to_num(ratio, nan=np.inf), 0.0)
    index = tuple(int(i) for i in np.unravel_index(int(ratio.argmax()), ratio.shape)) if ratio.size else ()
    at = [float(np.broadcast_to(x, ratio.shape)[index]) if ratio.size else 0.0 for x in (b.hi, a.hi, error, E, ratio)]
    where = f"{name}[{', '.join(map(str, index))}]" if index else name
    words = {
        "pass": "",
        "wrong": f"{where} is by the formula {at[0]!r}, exact {at[1]!r}, error {at[2]:.3g}, bound {at[3]:.3g}",
        "undecided": f"{where}: the rounding of constants, or a kink, leaves the formula open",
    }[verdict]
    return Finding(name, verdict, index, at[0], at[1], at[2], at[3], at[4], resolution, words, int((kink > 0).sum()))
