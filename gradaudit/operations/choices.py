"""Comparisons and what is chosen by them: kinks, ties, masks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.enclosure import UNKNOWN
from gradaudit.graph import Node
from gradaudit.memory import remembered
from gradaudit.operations.entrywise import negative
from gradaudit.operations.operation import Operand, Operation, define, no_derivative, same
from gradaudit.operations.shapes import broadcast, constant, reshape
from gradaudit.rounding.arithmetic import Arithmetic
from gradaudit.rounding.bound import Bound

Signs = NDArray[np.int8]


def _mask(sign: Signs, truth: dict[int, int]) -> Signs:
    """1 where a comparison holds, 0 where it does not, UNKNOWN where nothing is decided."""
    table = np.array([truth[0], truth[1], UNKNOWN, truth[-1]], dtype=np.int8)  # UNKNOWN is 2, and -1 the last
    return np.asarray(table[sign])


@remembered
def _compared(A: Any, x: Any, y: Any) -> Signs:
    """The sign of x - y."""
    signs: Signs = A.sign(A.subtract(x, y))
    return signs


def _unsure(fp: Arithmetic, value: Signs, x: Operand, y: Operand) -> Any:
    """Where rounding decides, or a tie stands on the kink itself (unless the side is prescribed there)."""
    with np.errstate(all="ignore"):
        certain = (x.E + y.E == 0) & ((x.v != y.v) | fp.strict)
        return ~(np.abs(x.v - y.v) > x.E + y.E) & ~certain | (value == UNKNOWN)


def _comparison(name: str, truth: dict[int, int]) -> Operation:
    return define(
        Operation(
            name,
            shape=same,
            value=lambda A, x, y: _mask(_compared(A, x, y), truth),
            derivative=no_derivative,
            rounding=_unsure,
            mask=True,
        )
    )


greater: Operation = _comparison("greater", {1: 1, 0: 0, -1: 0})
greater_equal: Operation = _comparison("greater_equal", {1: 1, 0: 1, -1: 0})
equal: Operation = _comparison("equal", {1: 0, 0: 1, -1: 0})


def _not(mask: Signs) -> Signs:
    return np.where(mask == UNKNOWN, UNKNOWN, 1 - mask).astype(np.int8)


def _and(mask: Signs, other: Signs) -> Signs:
    both = np.where((mask == 1) & (other == 1), 1, UNKNOWN)
    return np.where((mask == 0) | (other == 0), 0, both).astype(np.int8)


def _certainly_false(mask: Operand) -> Any:
    return (mask.value == 0) & ~mask.bound


opposite: Operation = define(
    Operation(
        "opposite",
        shape=same,
        value=lambda A, mask: _not(mask),  # noqa: ARG005
        derivative=no_derivative,
        rounding=lambda fp, value, mask: mask.bound,  # noqa: ARG005
        mask=True,
    )
)
both: Operation = define(
    Operation(
        "both",
        shape=same,
        value=lambda A, mask, other: _and(mask, other),  # noqa: ARG005
        derivative=no_derivative,
        rounding=lambda fp, value, mask, other: (  # noqa: ARG005
            (mask.bound | other.bound) & ~_certainly_false(mask) & ~_certainly_false(other)
        ),
        mask=True,
    )
)


def either(mask: Node, other: Node) -> Node:
    """Where one mask holds or the other."""
    return opposite(both(opposite(mask), opposite(other)))


def _where_rounding(fp: Arithmetic, value: Any, mask: Operand, x: Operand, y: Operand) -> Bound:  # noqa: ARG001
    """Where the mask is not certain, either branch is right, and what lies between them."""
    with np.errstate(all="ignore"):
        either = np.maximum(np.abs(x.v - value.hi) + x.E, np.abs(y.v - value.hi) + y.E) * (1 + 1e-6)
    chosen, late = mask.value == 1, max(x.bound.late, y.bound.late)
    certain = ~mask.bound
    E = np.where(certain, np.where(chosen, x.E, y.E), either)
    if x.bound.rough and y.bound.rough:
        return Bound(E, late=late)
    pure = np.where(chosen, x.bound.pure, y.bound.pure) & certain
    return Bound(E, pure, lambda: np.where(chosen, x.bound.grid, y.bound.grid), late=late)


where: Operation = define(
    Operation(
        "where",
        shape=same,
        value=lambda A, mask, x, y: A.select(mask, x, y),
        derivative=lambda node, g: [
            None,
            where(node.inputs[0], g, constant(np.zeros(g.shape))),
            where(node.inputs[0], constant(np.zeros(g.shape)), g),
        ],
        rounding=_where_rounding,
        size=lambda mask, x, y: np.where(mask == 1, x, np.where(mask == 0, y, np.maximum(x, y))),
    )
)


def _maximum_value(A: Any, x: Any, y: Any) -> Any:
    return A.select(_mask(_compared(A, x, y), {1: 1, 0: 1, -1: 0}), x, y)


def _maximum_rounding(fp: Arithmetic, value: Any, x: Operand, y: Operand) -> Bound:  # noqa: ARG001
    """The maximum moves no further than its operands; where one is certainly larger, no further than that."""
    with np.errstate(all="ignore"):
        first, second = x.v - x.E > y.v + y.E, y.v - y.E > x.v + x.E
        second = second | ((x.E == 0) & (y.v - y.E >= x.v))  # a tie of normal numbers: either is right

    def chosen(a: Any, b: Any, either: Any) -> Any:
        return np.where(first, a, np.where(second, b, either))

    E = chosen(x.E, y.E, np.maximum(_flushed(fp, x), _flushed(fp, y)))
    if x.bound.rough and y.bound.rough:
        return Bound(E)
    pure = chosen(x.bound.pure, y.bound.pure, x.bound.pure & y.bound.pure)
    return Bound(E, pure, lambda: chosen(x.bound.grid, y.bound.grid, np.minimum(x.bound.grid, y.bound.grid)))


def _flushed(fp: Arithmetic, x: Operand) -> Any:
    """The bound of what a comparison chose: it may have flushed what is put out as it was."""
    with np.errstate(all="ignore"):
        return x.E + np.where((x.E > 0) & (np.abs(x.v) - x.E < fp.eta), fp.eta, 0.0)


maximum: Operation = define(
    Operation(
        "maximum",
        shape=same,
        value=_maximum_value,
        derivative=lambda node, g: [
            where(greater(*node.inputs, line=node.line), g, constant(np.zeros(g.shape))),
            where(greater(*node.inputs, line=node.line), constant(np.zeros(g.shape)), g),
        ],
        rounding=_maximum_rounding,
    )
)


def relu(x: Node) -> Node:
    """max(x, 0)."""
    return maximum(x, constant(np.zeros(x.shape)))


def minimum(x: Node, y: Node) -> Node:
    """The smaller of two."""
    return negative(maximum(negative(x), negative(y)))


def clip(x: Node, low: Node, high: Node) -> Node:
    """x, but no less than `low` and no more than `high`."""
    return minimum(maximum(x, low), high)


def sign(x: Node) -> Node:
    """1, 0 or -1."""
    zero, unit = constant(np.zeros(x.shape)), constant(np.ones(x.shape))
    return where(greater(x, zero), unit, where(greater(zero, x), negative(unit), zero))


def absolute(x: Node) -> Node:
    """|x|."""
    return maximum(x, negative(x))


# --- the largest along an axis ----------------------------------------------------------------------------------------


def _part(A: Any, x: Any, axis: int, start: int, stop: int) -> Any:
    return A.restructure(lambda y: y[(slice(None),) * axis + (slice(start, stop),)], x)


def _largest_value(A: Any, x: Any, axis: int) -> Any:
    """By halves."""
    while (count := A.shape(x)[axis]) > 1:
        half = count // 2
        both = _maximum_value(A, _part(A, x, axis, 0, half), _part(A, x, axis, half, 2 * half))
        rest = _part(A, x, axis, 2 * half, count)
        x = both if count == 2 * half else A.restructure(lambda y, z: np.concatenate((y, z), axis), both, rest)
    return A.restructure(lambda y: y.reshape(y.shape[:axis] + y.shape[axis + 1 :]), x)


def _largest_rounding(fp: Arithmetic, value: Any, x: Operand, axis: int) -> Bound:  # noqa: ARG001
    """The largest moves no further than the furthest of those that may be the largest."""
    may = _candidates(x, axis)
    alone = may.sum(axis=axis, keepdims=True) == 1
    E = np.where(may, np.where(alone, x.E, _flushed(fp, x)), 0.0).max(axis=axis)
    return Bound(E, x.bound.pure.all(axis=axis), x.bound.grid.min(axis=axis))


def _candidates(x: Operand, axis: int) -> Any:
    """Which entries may be the largest."""
    with np.errstate(all="ignore"):
        return ~(x.v + x.E < (x.v - x.E).max(axis=axis, keepdims=True))


largest: Operation = define(
    Operation(
        "largest",
        shape=lambda x, axis: x[:axis] + x[axis + 1 :],
        value=_largest_value,
        derivative=lambda node, g: [_picked(node, g)],
        rounding=_largest_rounding,
    )
)


def _picked(node: Node, g: Node) -> Node:
    x, axis = node.inputs[0], node.parameters["axis"]
    column = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    return at_largest(x, broadcast(reshape(g, to=column), to=x.shape), axis=axis, line=node.line)


def at_largest(x: Node, g: Node, axis: int, line: str = "") -> Node:
    """G where x is the first of the largest entries along an axis, else 0."""
    return where(is_largest(x, axis=axis, line=line), g, constant(np.zeros(g.shape)))


def _running(A: Any, x: Any, axis: int) -> Any:
    """The largest of each entry and those before it, by doubling: no entry is compared with itself."""
    count, step = A.shape(x)[axis], 1
    while step < count:
        later = _maximum_value(A, _part(A, x, axis, step, count), _part(A, x, axis, 0, count - step))
        x = A.restructure(lambda y, z: np.concatenate((y, z), axis), _part(A, x, axis, 0, step), later)
        step *= 2
    return x


def _is_largest_value(A: Any, x: Any, axis: int) -> Signs:
    """The first of the largest entries: it is above all before it, and not below any after it."""
    count = A.shape(x)[axis]
    mask = np.ones(A.shape(x), dtype=np.int8)
    if count <= 1:
        return mask
    before = _part(A, _running(A, x, axis), axis, 0, count - 1)
    back = _running(A, A.restructure(lambda y: np.flip(y, axis), x), axis)
    after = _part(A, A.restructure(lambda y: np.flip(y, axis), back), axis, 1, count)
    above = _mask(A.sign(A.subtract(_part(A, x, axis, 1, count), before)), {1: 1, 0: 0, -1: 0})
    level = _mask(A.sign(A.subtract(_part(A, x, axis, 0, count - 1), after)), {1: 1, 0: 1, -1: 0})
    first = np.take(mask, [0], axis=axis)
    return _and(np.concatenate((first, above), axis), np.concatenate((level, first), axis))


def _is_largest_rounding(fp: Arithmetic, value: Signs, x: Operand, axis: int) -> Any:  # noqa: ARG001
    """Where more than one entry may be the largest, rounding decides which, or a tie leaves it open."""
    may = _candidates(x, axis)
    return may & (may.sum(axis=axis, keepdims=True) > 1) | (value == UNKNOWN)


is_largest: Operation = define(
    Operation(
        "is_largest",
        shape=lambda x, axis: x,  # noqa: ARG005
        value=_is_largest_value,
        derivative=no_derivative,
        rounding=_is_largest_rounding,
        mask=True,
    )
)
