"""Comparisons and what is chosen by them: kinks, ties, masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.enclosure import UNKNOWN
from gradaudit.graph import Node, Shape
from gradaudit.memory import remembered
from gradaudit.operations.entrywise import multiply, negative
from gradaudit.operations.operation import Operand, Operation, define, no_derivative, same
from gradaudit.operations.shapes import broadcast, constant, reshape
from gradaudit.rounding.arithmetic import Arithmetic
from gradaudit.rounding.bound import Bound, rounded

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
    """Where rounding decides, or a tie stands on the kink itself (unless it is strict)."""
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
    return Bound(E, pure, lambda: np.where(chosen, x.bound.grid, y.bound.grid), None, late)


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
        first, second = x.v - x.E > y.v + y.E, y.v - y.E >= x.v + x.E

    def chosen(a: Any, b: Any, either: Any) -> Any:
        return np.where(first, a, np.where(second, b, either))

    one, other = x.bound, y.bound
    E = chosen(x.E, y.E, np.maximum(x.E, y.E))
    if one.rough and other.rough:
        return Bound(E)
    pure = chosen(one.pure, other.pure, one.pure & other.pure)
    return Bound(E, pure, lambda: chosen(one.grid, other.grid, np.minimum(one.grid, other.grid)))


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
    zero, one = constant(np.zeros(x.shape)), constant(np.ones(x.shape))
    return where(greater(x, zero), one, where(greater(zero, x), negative(one), zero))


def absolute(x: Node) -> Node:
    """|x|."""
    return maximum(x, negative(x))


# --- the largest along an axis ----------------------------------------------------------------------------------------


def _largest_value(A: Any, x: Any, axis: int) -> Any:
    parts = [A.restructure(lambda y, i=i: np.take(y, i, axis=axis), x) for i in range(A.shape(x)[axis])]
    result = parts[0]
    for part in parts[1:]:
        result = _maximum_value(A, result, part)
    return result


def _largest_rounding(fp: Arithmetic, value: Any, x: Operand, axis: int) -> Bound:  # noqa: ARG001
    """The largest moves no further than the furthest of those that may be the largest."""
    may = _candidates(x, axis)
    E = np.where(may, x.E, 0.0).max(axis=axis)
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
    kept = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    return at_largest(x, broadcast(reshape(g, to=kept), to=x.shape), axis=axis)


def _at_largest_value(A: Any, x: Any, g: Any, axis: int) -> Any:
    """G at the first of the largest entries, else 0."""
    count = A.shape(x)[axis]
    columns = [A.restructure(lambda y, i=i: np.take(y, i, axis=axis), x) for i in range(count)]
    masks: list[Any] = [np.ones(A.shape(columns[0]), dtype=np.int8) for _ in range(count)]
    for i in range(count):
        for j in range(count):
            if i != j:
                truth = {1: 1, 0: int(i < j), -1: 0}
                beats = _mask(A.sign(A.subtract(columns[i], columns[j])), truth)
                masks[i] = np.where((masks[i] == 0) | (beats == 0), 0, np.maximum(masks[i], beats)).astype(np.int8)
    mask = np.stack(masks, axis=axis)
    return A.select(mask, g, A.constant(np.zeros(A.shape(g))))


def _at_largest_rounding(fp: Arithmetic, value: Any, x: Operand, g: Operand, axis: int) -> Bound:  # noqa: ARG001
    """Where more than one entry may be the largest, each of them gets anything from 0 to g."""
    may = _candidates(x, axis)
    alone = may.sum(axis=axis, keepdims=True) == 1
    with np.errstate(all="ignore"):
        either = np.maximum(np.abs(g.v - value.hi) + g.E, np.abs(value.hi))
    return rounded(np.where(may, np.where(alone, g.E, either), 0.0))


def _at_largest_derivative(node: Node, g: Node) -> Sequence[Node | None]:
    x = node.inputs[0]
    mask = at_largest(x, constant(np.ones(x.shape)), axis=node.parameters["axis"])
    return [None, multiply(mask, g)]


def _at_largest_shape(x: Shape, g: Shape, axis: int) -> Shape:  # noqa: ARG001
    return same(x, g)


at_largest: Operation = define(
    Operation(
        "at_largest",
        shape=_at_largest_shape,
        value=_at_largest_value,
        derivative=_at_largest_derivative,
        rounding=_at_largest_rounding,
        size=lambda x, g, axis: g,  # noqa: ARG005
    )
)
