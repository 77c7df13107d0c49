"""Sums, means, norms and what else goes along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradaudit.graph import Node
from gradaudit.numpy.array import Recorded, marked, number
from gradaudit.numpy.lines import line, refused
from gradaudit.operations import entrywise, factors, orders, shapes, statistics
from gradaudit.operations.arrangements import flat
from gradaudit.operations.shapes import total

Function = Callable[..., Node]


def reduction(function: Function) -> Callable[..., Recorded]:
    """A function of NumPy with `axis` and `keepdims`, from one of a node, its axes and `keepdims`."""

    def called(x: Any, axis: Any = None, *rest: Any, keepdims: Any = False, **options: Any) -> Recorded:
        left = _changing(options)
        if rest and (rest[0] is not None or len(rest) > 1):
            raise refused("arguments behind the axis that are not named", "name them: keepdims=, ddof=")
        keep = bool(keepdims) and keepdims is not np._NoValue
        axes = None if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
        return Recorded(marked(function(number(x), axes, keep, **left)))

    return called


def _changing(options: dict[str, Any]) -> dict[str, Any]:
    """The options that are given; those that are as if they were not are left out."""
    return {
        name: value
        for name, value in options.items()
        if name not in ("dtype", "out") or value is not None
        if value is not None and value is not np._NoValue and not (name in ("initial", "where") and value is True)
    }


def _sum(x: Node, axes: Any, keepdims: bool) -> Node:
    return total(x, statistics.chosen(x, axes), keepdims) if x.ndim else x


def _minimum(x: Node, axes: Any, keepdims: bool) -> Node:
    return entrywise.negative(statistics.maximum(entrywise.negative(x), axes, keepdims))


def _variance(x: Node, axes: Any, keepdims: bool, ddof: float = 0, correction: float | None = None) -> Node:
    return statistics.variance(x, axes, keepdims, ddof if correction is None else correction)


def _deviation(x: Node, axes: Any, keepdims: bool, **options: Any) -> Node:
    return entrywise.sqrt(_variance(x, axes, keepdims, **options))


sum_, maximum, minimum = reduction(_sum), reduction(statistics.maximum), reduction(_minimum)


def _cumulative(name: str, function: Callable[[Node, int], Node]) -> Callable[..., Recorded]:
    """A function of NumPy that goes along one axis, or along all entries."""

    def called(x: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Recorded:
        if dtype is not None or out is not None:
            raise refused(f"{name} with dtype or out")
        node = number(x)
        if axis is None:
            node, axis = flat(node), 0
        return Recorded(marked(function(node, statistics.chosen(node, (axis,))[0])))

    return called


cumsum = _cumulative("np.cumsum", lambda x, axis: shapes.cumulative_sum(x, axis=axis, line=line()))
cumprod = _cumulative("np.cumprod", factors.cumulative_product)
product = reduction(statistics.multiplied)


def sort(x: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Recorded:  # noqa: ARG001
    """As np.sort."""
    if order is not None:
        raise refused("np.sort with order")
    node = number(x)
    return Recorded(orders.sort(flat(node), 0) if axis is None else orders.sort(node, axis))


def median(x: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Recorded:
    """As np.median, along one axis or of all entries."""
    if out is not None or overwrite_input or np.ndim(axis):
        raise refused("np.median with out, overwrite_input or several axes")
    node = number(x)
    if axis is None:
        result, shape = orders.median(flat(node), 0), (1,) * node.ndim
    else:
        over = statistics.chosen(node, (axis,))
        result, shape = orders.median(node, over[0]), statistics.with_ones(node, over)
    return Recorded(marked(shapes.reshape(result, to=shape) if keepdims and keepdims is not np._NoValue else result))


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Recorded:  # noqa: A002 (NumPy's)
    """As np.linalg.norm: of vectors, and Frobenius'."""
    node = number(x)
    is_matrix = (node.ndim if axis is None else np.size(axis)) == 2
    known = ord in (None, "fro") if is_matrix else ord is None or np.isreal(ord)
    if not known and not (axis is None and ord is None):
        raise refused(f"np.linalg.norm of {'matrices' if is_matrix else 'vectors'} with ord={ord!r}")
    axes = None if axis is None else tuple(axis) if np.ndim(axis) else (axis,)
    return Recorded(marked(statistics.norm(node, axes, keepdims, 2 if ord in (None, "fro") else ord)))


def average(x: Any, axis: Any = None, weights: Any = None, returned: bool = False, keepdims: Any = False) -> Any:
    """As np.average."""
    if returned:
        raise refused("np.average with returned=True")
    if weights is None:
        return np.mean(x, axis=axis, keepdims=bool(keepdims) and keepdims is not np._NoValue)
    if np.shape(weights) != np.shape(x):
        raise refused("np.average with weights of another shape", "repeat them with np.broadcast_to")
    return np.sum(x * weights, axis=axis) / np.sum(weights, axis=axis)


def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    """As np.diff."""
    for _ in range(n):
        moved = np.moveaxis(x, axis, -1)
        x = np.moveaxis(moved[..., 1:] - moved[..., :-1], -1, axis)
    return x


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """As np.trace."""
    return np.sum(np.diagonal(x, offset, axis1, axis2), axis=-1)


#: What ufunc.reduce and ufunc.accumulate do: along the first axis if none is given.
REDUCED: dict[Any, Callable[..., Recorded]] = {
    np.add: lambda x, axis=0, **options: sum_(x, axis, **options),
    np.maximum: lambda x, axis=0, **options: maximum(x, axis, **options),
    np.minimum: lambda x, axis=0, **options: minimum(x, axis, **options),
    np.multiply: lambda x, axis=0, **options: product(x, axis, **options),
}
ACCUMULATED: dict[Any, Callable[..., Recorded]] = {
    np.add: lambda x, axis=0, **options: cumsum(x, axis, **options),
    np.multiply: lambda x, axis=0, **options: cumprod(x, axis, **options),
    np.maximum: lambda x, axis=0: _cumulative("np.maximum.accumulate", orders.cumulative_maximum)(x, axis),
    np.minimum: lambda x, axis=0: _cumulative("np.minimum.accumulate", orders.cumulative_minimum)(x, axis),
    np.logaddexp: lambda x, axis=0: _cumulative("np.logaddexp.accumulate", orders.cumulative_logsumexp)(x, axis),
}
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: sum_,
    np.max: maximum,
    np.amax: maximum,
    np.min: minimum,
    np.amin: minimum,
    np.mean: reduction(statistics.mean),
    np.var: reduction(_variance),
    np.std: reduction(_deviation),
    np.average: average,
    np.cumsum: cumsum,
    np.cumprod: cumprod,
    np.prod: product,
    np.sort: sort,
    np.median: median,
    np.diff: diff,
    np.trace: trace,
    np.linalg.norm: norm,
}
