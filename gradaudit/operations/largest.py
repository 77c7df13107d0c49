"""The largest along an axis, and which of the entries it is."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradaudit.exact.enclosure import UNKNOWN
from gradaudit.graph import Node
from gradaudit.operations.choices import Signs, both_of, ends, flushed, mask_of, masked, maximum_value
from gradaudit.operations.operation import Operand, Operation, define, no_derivative
from gradaudit.operations.shapes import broadcast, reshape
from gradaudit.rounding.arithmetic import Arithmetic
from gradaudit.rounding.bound import Bound


def _part(A: Any, x: Any, axis: int, start: int, stop: int) -> Any:
    return A.restructure(lambda y: y[(slice(None),) * axis + (slice(start, stop),)], x)


def _largest_value(A: Any, x: Any, axis: int) -> Any:
    """By halves."""
    while (count := A.shape(x)[axis]) > 1:
        half = count // 2
        both = maximum_value(A, _part(A, x, axis, 0, half), _part(A, x, axis, half, 2 * half))
        rest = _part(A, x, axis, 2 * half, count)
        x = both if count == 2 * half else A.restructure(lambda y, z: np.concatenate((y, z), axis), both, rest)
    return A.restructure(lambda y: y.reshape(y.shape[:axis] + y.shape[axis + 1 :]), x)


def _largest_rounding(fp: Arithmetic, value: Any, x: Operand, axis: int) -> Bound:  # noqa: ARG001
    """The largest moves no further than the furthest of those that may be the largest."""
    may = _candidates(x, axis)
    alone = may.sum(axis=axis, keepdims=True) == 1
    E = np.where(may, np.where(alone, x.E, flushed(fp, x)), 0.0).max(axis=axis)
    return Bound(E, x.bound.pure.all(axis=axis), x.bound.grid.min(axis=axis))


def _candidates(x: Operand, axis: int) -> Any:
    """Which entries may be the largest."""
    low, high = ends(x)
    return ~(high < low.max(axis=axis, keepdims=True))


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
    return masked(is_largest(x, axis=axis, line=line), g)


def _running(A: Any, x: Any, axis: int) -> Any:
    """The largest of each entry and those before it, by doubling: no entry is compared with itself."""
    count, step = A.shape(x)[axis], 1
    while step < count:
        later = maximum_value(A, _part(A, x, axis, step, count), _part(A, x, axis, 0, count - step))
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
    above = mask_of(A.sign(A.subtract(_part(A, x, axis, 1, count), before)), {1: 1, 0: 0, -1: 0})
    level = mask_of(A.sign(A.subtract(_part(A, x, axis, 0, count - 1), after)), {1: 1, 0: 1, -1: 0})
    first = np.take(mask, [0], axis=axis)
    return both_of(np.concatenate((first, above), axis), np.concatenate((level, first), axis))


def _is_largest_rounding(fp: Arithmetic, value: Signs, x: Operand, axis: int) -> Any:
    """Where more than one entry may be the largest, rounding decides which, or a tie leaves it open."""
    may = _candidates(x, axis)
    open_ = may.sum(axis=axis, keepdims=True) > 1
    if fp.strict:  # a tie of numbers that are known exactly has a first one
        open_ = open_ & (may & (x.E > 0)).any(axis=axis, keepdims=True)
    return may & open_ | (value == UNKNOWN)


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
