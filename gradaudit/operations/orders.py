"""Entries in their order: sorting, and what is picked by rank; running maxima.

Sorting is a permutation that values decide. Where two entries may change places, by rounding or since they are equal,
the derivative by each of them is anything between the branches.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradaudit.exact.enclosure import UNKNOWN, U
from gradaudit.graph import Node
from gradaudit.operations.arrangements import mixed, places, stack
from gradaudit.operations.choices import Signs, ends, flushed
from gradaudit.operations.entrywise import add, negative, times
from gradaudit.operations.largest import largest
from gradaudit.operations.operation import Operand, Operation, define, no_derivative
from gradaudit.operations.shapes import constant, gather, transpose
from gradaudit.operations.softmax import logsumexp
from gradaudit.operations.windows import LOWEST
from gradaudit.rounding.arithmetic import OF_EVALUATION, Arithmetic
from gradaudit.rounding.bound import Bound, rounded


def _ranks(below: Any, above: Any) -> Any:
    """The least and the largest rank of each entry, of those that are certainly below and certainly above it."""
    return below.sum(axis=-1), below.shape[-1] - 1 - above.sum(axis=-1)


def _ranked(low: Any, high: Any) -> Signs:
    """Entry (k, i): whether entry i is the k-th, 1, 0 or UNKNOWN, of the least and largest ranks."""
    k = np.arange(low.shape[-1])[:, None]
    low, high = low[..., None, :], high[..., None, :]
    return np.where((k < low) | (k > high), 0, np.where(low == high, 1, UNKNOWN)).astype(np.int8)


def _is_ranked_value(A: Any, x: Any) -> Signs:
    """Equal entries are in the order in which they stand."""
    shape = A.shape(x)
    to = (*shape, shape[-1])
    first = A.restructure(lambda y: np.broadcast_to(y[..., :, None], to), x)
    other = A.restructure(lambda y: np.broadcast_to(y[..., None, :], to), x)
    signs, n = A.sign(A.subtract(first, other)), shape[-1]
    earlier = np.tri(n, k=-1, dtype=bool)
    own = np.eye(n, dtype=bool)
    below = (signs == 1) | (signs == 0) & earlier
    above = (signs == -1) | (signs == 0) & earlier.T
    return _ranked(*_ranks(below & ~own, above & ~own))


def _is_ranked_rounding(fp: Arithmetic, value: Signs, x: Operand) -> Any:  # noqa: ARG001
    """Where an entry may have several ranks: its interval meets another one."""
    low, high = ends(x)
    below = high[..., None, :] < low[..., :, None]
    above = low[..., None, :] > high[..., :, None]
    return (_ranked(*_ranks(below, above)) == UNKNOWN) | (value == UNKNOWN)


is_ranked: Operation = define(
    Operation(
        "is_ranked",
        shape=lambda x: (*x, x[-1]),
        value=_is_ranked_value,
        derivative=no_derivative,
        rounding=_is_ranked_rounding,
        mask=True,
    )
)


# --- what a permutation does ------------------------------------------------------------------------------------------


def _chosen(mask: Signs, inverse: bool) -> Signs:
    """Entry (result, operand) of the permutation, or of its inverse, along the last axis."""
    return mask if not inverse else mask.swapaxes(-1, -2)


def _permuted_value(A: Any, mask: Signs, g: Any, inverse: bool) -> Any:
    """The entry that is certain, or the hull of those that may stand there."""
    table = _chosen(mask, inverse)
    place = (table == 1).argmax(axis=-1)
    result = A.restructure(lambda y: np.take_along_axis(y, place, -1), g)
    unsure = (table == UNKNOWN).any(axis=-1)
    if not unsure.any():
        return result
    first = (table != 0).argmax(axis=-1)
    hull = A.restructure(lambda y: np.take_along_axis(y, first, -1), g)
    for i in range(table.shape[-1]):
        entry = A.restructure(lambda y, i=i: np.broadcast_to(y[..., i : i + 1], y.shape), g)
        hull = A.select((table[..., i] != 0).astype(np.int8), A.hull(hull, entry), hull)
    return A.select(unsure.astype(np.int8), hull, result)


def _permuted_rounding(fp: Arithmetic, value: Any, mask: Operand, g: Operand, inverse: bool) -> Bound:  # noqa: ARG001
    """The bound of the entry that is certain; else whatever may stand there, and what lies between."""
    table, unsure = _chosen(mask.value, inverse), _chosen(mask.bound, inverse)
    if not unsure.any():
        bound: Bound = g.bound
        place = (table == 1).argmax(axis=-1)
        return bound.restructured(lambda y: np.take_along_axis(y, place, -1))
    apart = g.v[..., None, :] - value.hi[..., :, None] + (g.value.lo[..., None, :] - value.lo[..., :, None])
    E = np.abs(apart) + g.E[..., None, :]
    return rounded(np.where((table == 1) | unsure, E, 0.0).max(axis=-1, initial=0.0) * OF_EVALUATION)


permuted: Operation = define(
    Operation(
        "permuted",
        shape=lambda mask, g, inverse: g,  # noqa: ARG005
        value=_permuted_value,
        derivative=lambda node, h: [None, permuted(node.inputs[0], h, inverse=not node.parameters["inverse"])],
        rounding=_permuted_rounding,
        algorithms="the entries by an index of the sorted ones: exact",
    )
)


def _sorted_value(A: Any, x: Any) -> Any:
    """In the order of the floats; where that is not certain, of each rank the hull of the entries that may have it."""
    order = np.argsort(A.enclosure(x).hi, axis=-1, kind="stable")
    result = A.restructure(lambda y: np.take_along_axis(y, order, -1), x)
    later, earlier = (A.restructure(lambda y, s=s: y[..., s], result) for s in (slice(1, None), slice(None, -1)))
    if (A.sign(A.subtract(later, earlier)) == 1).all():
        return result
    return _permuted_value(A, _is_ranked_value(A, x), x, False)


def _sorted_rounding(fp: Arithmetic, value: Any, x: Operand) -> Bound:
    """The k-th of all moves no further than that of the least and that of the largest that they may be.

    What is compared may have been flushed, and stand among zeros as it was.
    """
    E = np.where(np.isfinite(x.E), flushed(fp, x), np.inf)
    moved = np.maximum(_end(x, value, E, 1), _end(x, value, E, -1))
    moved = moved + np.where((E > x.E).any(axis=-1, keepdims=True), fp.eta, 0.0)
    moved = np.where((E == 0).all(axis=-1, keepdims=True), 0.0, np.where(moved >= 0, moved, np.inf) * OF_EVALUATION)
    whole = x.bound.pure.all(axis=-1, keepdims=True) & np.ones(x.v.shape, dtype=bool)
    grid = np.broadcast_to(x.bound.grid.min(axis=-1, keepdims=True), x.v.shape)
    return Bound(moved, whole, grid)


def _end(x: Operand, value: Any, E: Any, side: int) -> Any:
    """How far the k-th smallest of x + E (side 1) is above the k-th of x, or that of x - E (side -1) below it.

    No digit of E is lost: what is subtracted are values, not the ends. Where two ends are as close as their rounding,
    either may be the k-th, which is paid for.
    """
    ends = x.v + side * E
    order = np.argsort(ends, axis=-1, kind="stable")
    ends, hi, lo, E = (np.take_along_axis(y, order, -1) for y in (ends, x.v, x.value.lo, E))
    same = (hi[..., 1:] == hi[..., :-1]) & (lo[..., 1:] == lo[..., :-1]) & (E[..., 1:] == E[..., :-1])
    near = ~same & ~(ends[..., 1:] - ends[..., :-1] > 8 * U * np.abs(ends[..., 1:]) + 8 * U * np.abs(ends[..., :-1]))
    edge = np.zeros((*near.shape[:-1], 1), dtype=bool)
    open_ = np.concatenate((edge, near), -1) | np.concatenate((near, edge), -1)
    slack = np.where(open_, 8 * U * np.abs(ends), 0.0)
    return side * ((hi - value.hi) + (lo - value.lo)) + E + slack


sort_last: Operation = define(
    Operation(
        "sort",
        shape=lambda x: x,
        value=_sorted_value,
        derivative=lambda node, g: [permuted(is_ranked(node.inputs[0], line=node.line), g, inverse=True)],
        rounding=_sorted_rounding,
        algorithms="any way of sorting: exact",
    )
)


def _swapped(x: Node, axis: int) -> Node:
    axes = list(range(x.ndim))
    axes[axis], axes[-1] = axes[-1], axes[axis]
    return transpose(x, axes=tuple(axes))


def sort(x: Node, axis: int = -1, descending: bool = False) -> Node:
    """The entries along an axis, the smallest first, or the largest."""
    if descending:
        return negative(sort(negative(x), axis))
    axis %= x.ndim
    return sort_last(x) if axis == x.ndim - 1 else _swapped(sort_last(_swapped(x, axis)), axis)


def of_ranks(x: Node, ranks: Any, axis: int = -1) -> Node:
    """The entries of some ranks along an axis, 0 for the smallest and -1 for the largest; a number for one alone."""
    ordered = sort(x, axis)
    return gather(ordered, index=np.take(places(x.shape), np.asarray(ranks), axis=axis))


def top(x: Node, k: int, axis: int = -1) -> Node:
    """The k largest along an axis, the largest first."""
    return of_ranks(x, -1 - np.arange(k), axis)


def median(x: Node, axis: int = -1, mean: bool = True) -> Node:
    """The middle entry along an axis; of an even number of entries the mean of two, or the lower one."""
    n = x.shape[axis]
    lower = of_ranks(x, (n - 1) // 2, axis)
    return lower if n % 2 or not mean else times(add(lower, of_ranks(x, n // 2, axis)), 0.5)


# --- running ----------------------------------------------------------------------------------------------------------


def _triangle(x: Node, axis: int) -> Any:
    """The places of each entry and of those before it along an axis, in a new last one; -1 for those behind it."""
    index = np.moveaxis(places(x.shape), axis, -1)
    table = np.where(np.tri(index.shape[-1], dtype=bool), index[..., None, :], -1)
    return np.moveaxis(table, -2, axis)


def cumulative_maximum(x: Node, axis: int) -> Node:
    """The largest of the first 1, 2, ... entries along an axis; of n entries, n^2 are laid out."""
    table = _triangle(x, axis)
    return largest(mixed(x, table, constant(np.full(table.shape, LOWEST))), axis=x.ndim)


def cumulative_minimum(x: Node, axis: int) -> Node:
    """The smallest of the first 1, 2, ... entries along an axis."""
    return negative(cumulative_maximum(negative(x), axis))


def cumulative_logsumexp(x: Node, axis: int) -> Node:
    """The logarithm of the sum of the exponentials of the first 1, 2, ... entries along an axis."""
    index = np.moveaxis(places(x.shape), axis, -1)
    sums = [logsumexp(gather(x, index=index[..., : k + 1])) for k in range(index.shape[-1])]
    return stack(sums, axis=axis)
