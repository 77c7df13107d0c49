"""Entries arranged anew, and the sums that are their derivatives.

Whatever picks, repeats, pads, flips or puts together entries is one `gather`; its derivative is one `scatter`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from gradaudit.exact.arithmetic import Arithmetic as Exact
from gradaudit.exact.doubles import Doubles
from gradaudit.exact.entries import every, highest, lowest, some
from gradaudit.graph import Node, Shape
from gradaudit.operations.operation import Operand, Operation, define, no_derivative
from gradaudit.operations.sums import Axes, Indices, added, added_up, runs, sources, taken
from gradaudit.rounding.arithmetic import Arithmetic, lowest_bits
from gradaudit.rounding.bound import FINEST, Bound, exact, summed, terms_of

#: So many slices of terms are looked at before all.
SAMPLE = 4
#: What stands for infinity in a graph: a number that loses, or wins, every comparison.
INFINITE = 2.0**1022


def _known(fp: Arithmetic, value: Any, **_: Any) -> Bound:
    """Floats: exact, but rounded once where the dtype has not got them, as 0.1 written into a float32 program.

    What is larger than the dtype's largest number is infinite there; only of INFINITE that is what is meant.
    """
    v = value.hi
    bound, size = exact(fp, v), np.abs(v)
    if not highest(size) <= fp.omega:
        bound = bound.where((size <= fp.omega) | (size == INFINITE))
    if fp.precision >= 53 or (fp.precision == 24 and every(v.astype(np.float32) == v)):
        return bound
    rounded = (v != 0) & (bound.grid < np.frexp(v)[1] - fp.precision)
    if not some(rounded) and fp.eta == fp.normal:
        return bound
    E = np.where(rounded, fp.u * np.abs(v), 0.0)
    if fp.eta < fp.normal:  # it underflows gradually
        rounded = rounded | (v != 0) & (bound.grid < fp.exponents[0] - fp.precision + 1)
        E = np.where(rounded, np.minimum(np.maximum(E, fp.eta), np.abs(v)), 0.0)
    return Bound(bound.E + E, ~rounded, bound.grid)


# --- what a graph begins with -----------------------------------------------------------------------------------------

input_: Operation = define(
    Operation(
        "input",
        shape=lambda size: size,
        value=None,  # type: ignore[arg-type] # it is given
        derivative=no_derivative,
        rounding=_known,
    )
)
constant_: Operation = define(
    Operation(
        "constant",
        shape=lambda values: values.shape,
        value=lambda A, values: A.constant(values),
        derivative=no_derivative,
        rounding=_known,
    )
)


def constant(values: Any) -> Node:
    """Floats that are not differentiated by; a copy, since a definition may write into its own array later."""
    return constant_(values=np.array(values, dtype=np.float64))


#: Its value is its operand's, and its derivative is 0: the user has said that it is to be a constant. It is not in the
#: table of operations, since its rule is no derivative.
stopped: Operation = Operation(
    "stopped",
    shape=lambda x: x,
    value=lambda A, x: x,  # noqa: ARG005
    derivative=lambda node, g: [None],  # noqa: ARG005
    rounding=lambda fp, value, x: x.bound,  # noqa: ARG005
    size=lambda x: x,
)


# --- gather and scatter -----------------------------------------------------------------------------------------------


def _gather_rounding(fp: Arithmetic, value: Any, x: Operand, index: Indices) -> Bound:  # noqa: ARG001
    bound: Bound = x.bound
    return bound.restructured(taken(index))


def _scatter_rounding(fp: Arithmetic, value: Any, x: Operand, index: Indices, into: Shape) -> Bound:  # noqa: ARG001
    """A sum of the entries that go to the same place."""
    size = int(np.prod(into))

    def sums(y: Any) -> Any:
        return added(y, index, into)

    terms = terms_of(x).reduced(sums)
    if x.bound.rough:
        return summed(fp, terms, late=x.bound.late)
    there = index >= 0
    places = index[there]
    grid = np.full(size, FINEST, dtype=np.int64)
    np.minimum.at(grid, places, x.bound.grid[there])
    return summed(fp, terms, sums(~x.bound.pure) == 0, grid.reshape(into), x.bound.late)


def _scattered(A: Exact[Any], x: Any, index: Indices, into: Shape) -> Any:
    table = sources(index, math.prod(into)) if isinstance(A, Doubles) else None
    if table is not None:
        sums = A.sum(A.restructure(taken(table), x), 0)
        return A.restructure(lambda y: y.reshape(into), sums)
    there = index >= 0
    entries = A.restructure(lambda y: y[there], x)
    sums = A.scatter(entries, index[there].astype(np.int64), int(np.prod(into)))
    return A.restructure(lambda y: y.reshape(into), sums)


gather: Operation = define(
    Operation(
        "gather",
        shape=lambda x, index: index.shape,  # noqa: ARG005
        value=lambda A, x, index: A.restructure(taken(index), x),
        derivative=lambda node, g: [scatter(g, index=node.parameters["index"], into=node.inputs[0].shape)],
        rounding=_gather_rounding,
        size=lambda x, index: taken(index)(x),
        algorithms="indexing, slicing, padding with zeros, flipping, repeating: exact",
    )
)
scatter: Operation = define(
    Operation(
        "scatter",
        shape=lambda x, index, into: into,  # noqa: ARG005
        value=_scattered,
        derivative=lambda node, g: [gather(g, index=node.parameters["index"])],
        rounding=_scatter_rounding,
        size=added,
        algorithms="adding to places in any order",
    )
)

# --- reshape, transpose, broadcast and sum ----------------------------------------------------------------------------

reshape: Operation = define(
    Operation(
        "reshape",
        shape=lambda x, to: to,  # noqa: ARG005
        value=lambda A, x, to: A.restructure(lambda y: y.reshape(to), x),
        derivative=lambda node, g: [reshape(g, to=node.inputs[0].shape)],
        rounding=lambda fp, value, x, to: x.bound.restructured(lambda y: y.reshape(to)),  # noqa: ARG005
        size=lambda x, to: x.reshape(to),
    )
)
transpose: Operation = define(
    Operation(
        "transpose",
        shape=lambda x, axes: tuple(x[a] for a in axes),
        value=lambda A, x, axes: A.restructure(lambda y: y.transpose(axes), x),
        derivative=lambda node, g: [transpose(g, axes=tuple(int(a) for a in np.argsort(node.parameters["axes"])))],
        rounding=lambda fp, value, x, axes: x.bound.restructured(lambda y: y.transpose(axes)),  # noqa: ARG005
        size=lambda x, axes: x.transpose(axes),
    )
)
broadcast: Operation = define(
    Operation(
        "broadcast",
        shape=lambda x, to: np.broadcast_shapes(x, to),
        value=lambda A, x, to: A.restructure(lambda y: np.broadcast_to(y, to), x),
        derivative=lambda node, g: [sum_to(g, node.inputs[0].shape)],
        rounding=lambda fp, value, x, to: x.bound.restructured(lambda y: np.broadcast_to(y, to)),  # noqa: ARG005
        size=lambda x, to: np.broadcast_to(x, to),
    )
)


def _accumulated(fp: Arithmetic, value: Any, x: Operand) -> Any:
    """The sum of an array, if it is added up in a wider dtype and in no other way; else None."""
    return value.hi if fp.is_narrow and (x.bound.terms is None or x.bound.closed is True) else None


def _sum_value(A: Exact[Any], x: Any, axis: Axes) -> Any:
    if not isinstance(axis, tuple):
        return A.sum(x, axis)
    for first, last in reversed(runs(axis)):
        shape = A.shape(x)
        to = (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])
        x = A.sum(A.restructure(lambda y, to=to: y.reshape(to), x), first)
    return x


def _is_rounded(fp: Arithmetic, x: Operand, axis: Axes, size: Any) -> bool:
    """Whether a few terms of each sum, known as they are, have already lower bits than a sum of its size can keep."""
    first = _tuple(axis)[0]
    if x.v.shape[first] <= SAMPLE or some(x.E) or some(x.value.radius):
        return False
    if fp.u * lowest(size) < 2.0**40 * x.v.size * fp.eta:  # where nothing is rounded nothing underflows
        return False
    last = lowest_bits(np.take(x.v, range(SAMPLE), axis=first)).min(axis=axis)
    return every(size > np.ldexp(1.0, np.minimum(last + fp.precision, fp.exponents[1])))


def _sum_rounding(fp: Arithmetic, value: Any, x: Operand, axis: Axes) -> Bound:
    """Over several axes it may be one sum, or one after the other: of a narrow dtype each is then rounded."""
    terms, v = terms_of(x), _accumulated(fp, value, x) if not isinstance(axis, tuple) else None
    if fp.is_narrow:
        for a in (axis,) if not isinstance(axis, tuple) else reversed(axis):
            add_up, largest = partial(np.sum, axis=a), partial(np.max, axis=a, initial=0)
            terms = terms.accumulated(fp, add_up, largest)
    else:
        shape = x.v.shape
        count = shape[axis] if not isinstance(axis, tuple) else math.prod(shape[a] for a in axis)
        terms = terms.total(lambda y: added_up(y, axis), count)
    if x.bound.rough or _is_rounded(fp, x, axis, terms.size):
        return summed(fp, terms, late=x.bound.late, v=v)
    pure, bound = x.bound.pure.all(axis=axis), x.bound
    return summed(fp, terms, pure, lambda: bound.grid.min(axis=axis, initial=FINEST), bound.late, v=v)


sum_axis: Operation = define(
    Operation(
        "sum",
        shape=lambda x, axis: tuple(n for a, n in enumerate(x) if a not in _tuple(axis)),
        value=_sum_value,
        derivative=lambda node, g: [_spread(g, node.inputs[0].shape, node.parameters["axis"])],
        rounding=_sum_rounding,
        size=added_up,
        algorithms="any order: one after the other, pairwise, by blocks, Kahan's",
        source="Higham 2002, section 4.2",
    )
)


def _tuple(axis: Axes) -> tuple[int, ...]:
    return (axis,) if not isinstance(axis, tuple) else axis


def _spread(g: Node, shape: Shape, axis: Axes) -> Node:
    """A cotangent repeated along the axes that were added up."""
    if not g.shape:
        return broadcast(g, to=shape)
    axes = _tuple(axis)
    return broadcast(reshape(g, to=tuple(1 if a in axes else n for a, n in enumerate(shape))), to=shape)


def total(x: Node, axes: Sequence[int] | None = None, keepdims: bool = False) -> Node:
    """The sum over some axes, or all."""
    chosen = tuple(sorted({a % x.ndim for a in axes} if axes is not None else range(x.ndim)))
    whole = len(chosen) == x.ndim > 1
    result = reshape(x, to=(int(np.prod(x.shape)),)) if whole else x
    if chosen:
        result = sum_axis(result, axis=0 if whole else chosen[0] if len(chosen) == 1 else chosen)
    if keepdims:
        result = reshape(result, to=tuple(1 if a in chosen else n for a, n in enumerate(x.shape)))
    return result


def sum_to(x: Node, shape: Shape) -> Node:
    """The sum over the axes along which an array of that shape would be repeated to have the shape of `x`."""
    extra = x.ndim - len(shape)
    axes = [*range(extra), *(extra + a for a, n in enumerate(shape) if n == 1 and x.shape[extra + a] != 1)]
    result = total(x, axes) if axes else x
    return result if result.shape == shape else reshape(result, to=shape)


def as_shape(x: Node, shape: Shape) -> Node:
    """`x` repeated to a shape, if it has not got it."""
    return x if x.shape == shape else broadcast(x, to=shape)


def _concatenated_derivative(node: Node, g: Node) -> list[Node | None]:
    axis, places = node.parameters["axis"], np.arange(int(np.prod(g.shape))).reshape(g.shape)
    ends = np.cumsum([x.shape[axis] for x in node.inputs])
    parts = np.split(places, ends[:-1], axis=axis)
    return [gather(g, index=part) for part in parts]


def _concatenated_rounding(fp: Arithmetic, value: Any, *xs: Operand, axis: int) -> Bound:  # noqa: ARG001
    parts: list[Bound] = [x.bound for x in xs]
    if any(bound.terms is not None for bound in parts):
        parts = [x.bound.opened(terms_of(x)) for x in xs]
    return parts[0].restructured(lambda *ys: np.concatenate(ys, axis), *parts[1:])


concatenate: Operation = define(
    Operation(
        "concatenate",
        shape=lambda *xs, axis: (*xs[0][:axis], sum(x[axis] for x in xs), *xs[0][axis + 1 :]),
        value=lambda A, *xs, axis: A.restructure(lambda *ys: np.concatenate(ys, axis), *xs),
        derivative=_concatenated_derivative,
        rounding=_concatenated_rounding,
        size=lambda *xs, axis: np.concatenate(xs, axis),
    )
)


def _cumulative_rounding(fp: Arithmetic, value: Any, x: Operand, axis: int) -> Bound:
    largest = lambda y: np.maximum.accumulate(y, axis=axis)  # noqa: E731
    terms = terms_of(x).accumulated(fp, lambda y: np.cumsum(y, axis=axis), largest)
    v = _accumulated(fp, value, x)
    if x.bound.rough:
        return summed(fp, terms, late=x.bound.late, v=v)
    pure, bound = np.logical_and.accumulate(x.bound.pure, axis=axis), x.bound
    return summed(fp, terms, pure, lambda: np.minimum.accumulate(bound.grid, axis=axis), bound.late, v=v)


def flip(x: Node, axis: int) -> Node:
    """The entries in the other order along an axis."""
    return gather(x, index=np.flip(np.arange(int(np.prod(x.shape))).reshape(x.shape), axis))


cumulative_sum: Operation = define(
    Operation(
        "cumulative_sum",
        shape=lambda x, axis: x,  # noqa: ARG005
        value=lambda A, x, axis: A.accumulate(x, axis),
        derivative=lambda node, g: [
            flip(
                cumulative_sum(flip(g, node.parameters["axis"]), axis=node.parameters["axis"]), node.parameters["axis"]
            )
        ],
        rounding=_cumulative_rounding,
        size=lambda x, axis: np.cumsum(x, axis=axis),
        algorithms="each sum in any order: a running sum, a scan",
    )
)
