"""Sums, means, norms, softmax, the largest, and what else goes along axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradaudit.graph import Node
from gradaudit.operations import softmax as rows
from gradaudit.operations import statistics
from gradaudit.operations.arrangements import flat, mixed
from gradaudit.operations.entrywise import add, divide, negative, sqrt, subtract
from gradaudit.operations.entrywise import exp as exponential
from gradaudit.operations.entrywise import log as logarithm
from gradaudit.operations.factors import cumulative_product, product
from gradaudit.operations.orders import median, sort, top
from gradaudit.operations.shapes import (
    as_shape,
    concatenate,
    constant,
    cumulative_sum,
    gather,
    reshape,
    total,
    transpose,
)
from gradaudit.torch.memory import numbers
from gradaudit.torch.tables.arrangements import by_places
from gradaudit.torch.tables.rules import INFINITE, infinite, number, rule


def axes_of(x: Node, dim: Any) -> Any:
    """The axes that PyTorch's `dim` names: all of them for None and for none."""
    if dim is None or (isinstance(dim, (list, tuple)) and not dim):
        return None
    axes = tuple(dim) if isinstance(dim, (list, tuple)) else (int(dim),)
    return axes if x.ndim else None


@rule("sum")
def _sum(x: Any, dim: Any = None, keepdim: bool = False, **_: Any) -> Node:
    x = number(x)
    return total(x, statistics.chosen(x, axes_of(x, dim)), keepdim) if x.ndim else x


@rule("nansum")
def _sum_without_nan(x: Any, dim: Any = None, keepdim: bool = False, **_: Any) -> Node:
    return _sum(x, dim, keepdim)


@rule("mean")
def _mean(x: Any, dim: Any = None, keepdim: bool = False, **_: Any) -> Node:
    x = number(x)
    return statistics.mean(x, axes_of(x, dim), keepdim)


def _less(unbiased: Any, correction: Any) -> float:
    if unbiased is not None:
        return float(bool(unbiased))
    return 1.0 if correction is None else float(correction)


def _spread(x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Node:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    x = number(x)
    return statistics.variance(x, axes_of(x, dim), keepdim, _less(unbiased, correction))


@rule("var")
def _variance(*args: Any, **kwargs: Any) -> Node:
    return _spread(*args, **kwargs)


@rule("std")
def _deviation(*args: Any, **kwargs: Any) -> Node:
    return sqrt(_spread(*args, **kwargs))


def _mean_of(x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, **_: Any) -> Node:  # noqa: ARG001
    return _mean(x, None if isinstance(dim, bool) else dim, keepdim)


@rule("var_mean")
def _variance_and_mean(*args: Any, **kwargs: Any) -> list[Node]:
    return [_spread(*args, **kwargs), _mean_of(*args, **kwargs)]


@rule("std_mean")
def _deviation_and_mean(*args: Any, **kwargs: Any) -> list[Node]:
    return [sqrt(_spread(*args, **kwargs)), _mean_of(*args, **kwargs)]


# --- norms ------------------------------------------------------------------------------------------------------------


@rule("linalg_vector_norm", "norm")
def _norm(x: Any, order: Any = 2, dim: Any = None, keepdim: bool = False, **_: Any) -> Node:
    x = number(x)
    order = 2 if order is None else float(order)
    axes = axes_of(x, dim)
    return statistics.norm(x, axes, keepdim, order)


@rule("prod")
def _product(x: Any, dim: Any = None, keepdim: bool = False, **_: Any) -> Node:
    x = number(x)
    if dim is None or not x.ndim:
        return product(flat(x), axis=0)
    axis = dim % x.ndim
    result = product(x, axis=axis)
    return reshape(result, to=statistics.with_ones(x, (axis,))) if keepdim else result


@rule("cumprod")
def _running_product(x: Any, dim: int, **_: Any) -> Node:
    x = number(x)
    return cumulative_product(x, dim % x.ndim) if x.ndim else x


# --- softmax ----------------------------------------------------------------------------------------------------------


def last(x: Node, axis: int, function: Any) -> Node:
    """A function of the last axis, of another one."""
    axis = axis % x.ndim
    if axis == x.ndim - 1:
        result: Node = function(x)
        return result
    order = (*(a for a in range(x.ndim) if a != axis), axis)
    back = tuple(int(a) for a in np.argsort(order))
    return transpose(function(transpose(x, axes=order)), axes=back)


def visible_rows(x: Node, function: Any, rest: float = 0.0) -> Node:
    """A function of rows, without those entries of which a mask has made minus infinity: their result is known."""
    hidden = infinite(x)
    if hidden is None:
        return function(x)  # type: ignore[no-any-return]
    columns = x.shape[-1]
    seen = ~hidden.reshape(-1, columns)
    places = np.arange(seen.size).reshape(seen.shape)
    index = np.full(seen.size, -1)
    parts: list[Node] = []
    start = 0
    for count in np.unique(seen.sum(axis=1)):
        chosen = places[seen.sum(axis=1) == count][seen[seen.sum(axis=1) == count]].reshape(-1, count)
        if count:
            parts.append(flat(function(gather(x, index=chosen))))
            index[chosen.reshape(-1)] = start + np.arange(chosen.size)
            start += chosen.size
    whole = concatenate(*parts, axis=0) if parts else constant(np.zeros(1))
    shaped = index.reshape(x.shape)
    return gather(whole, index=shaped) if rest == 0 else mixed(whole, shaped, constant(np.full(x.shape, rest)))


@rule("_softmax", "softmax", "_safe_softmax")
def _softmax(x: Any, dim: int, *_: Any, **__: Any) -> Node:
    x = number(x)
    return last(x, dim, lambda y: visible_rows(y, rows.softmax)) if x.ndim else divide(x, x)


@rule("_log_softmax", "log_softmax")
def _log_softmax(x: Any, dim: int, *_: Any, **__: Any) -> Node:
    x = number(x)
    return last(x, dim, lambda y: visible_rows(y, rows.log_softmax, -INFINITE)) if x.ndim else subtract(x, x)


@rule("logsumexp")
def _logsumexp(x: Any, dim: Any, keepdim: bool = False) -> Node:
    x = number(x)
    if not x.ndim:
        return reshape(x, to=())
    axes = statistics.chosen(x, axes_of(x, dim))
    other = [a for a in range(x.ndim) if a not in axes]
    shape = tuple(x.shape[a] for a in other)
    flat = reshape(transpose(x, axes=(*other, *axes)), to=(*shape, int(np.prod([x.shape[a] for a in axes]))))
    result = rows.logsumexp(flat)
    return reshape(result, to=statistics.with_ones(x, axes)) if keepdim else result


# --- the largest ------------------------------------------------------------------------------------------------------


@rule("amax")
def _largest(x: Any, dim: Any = None, keepdim: bool = False) -> Node:
    x = number(x)
    return statistics.maximum(x, axes_of(x, dim), keepdim)


@rule("amin")
def _smallest(x: Any, dim: Any = None, keepdim: bool = False) -> Node:
    return negative(_largest(negative(number(x)), dim, keepdim))


@rule("aminmax")
def _both_ends(x: Any, *, dim: Any = None, keepdim: bool = False) -> list[Node]:
    return [_smallest(x, dim, keepdim), _largest(x, dim, keepdim)]


@rule("max")
def _maximum(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    result = _largest(x, dim, keepdim)
    return result if dim is None else [result, None]


@rule("min")
def _minimum(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    result = _smallest(x, dim, keepdim)
    return result if dim is None else [result, None]


def _at(x: Node, axis: int, index: Any, keepdim: bool) -> Node:
    """The entries that an index along an axis names."""
    if not x.ndim:
        return x
    places = np.arange(int(np.prod(x.shape))).reshape(x.shape)
    index = index if keepdim else np.expand_dims(index, axis)
    taken = np.take_along_axis(places, index, axis)
    return gather(x, index=taken if keepdim else np.squeeze(taken, axis))


#: Where more entries are sorted than that, they are taken in the order that the run had, ties as they fell.
MANY = 128


@rule("sort", of_result=True)
def _sorted(result: Any, x: Any, *args: Any, dim: int | None = None, descending: bool = False, **_: Any) -> list[Any]:
    x = number(x)
    named = [a for a in args if a is not None and not isinstance(a, bool)]
    axis = dim if dim is not None else named[0] if named else -1
    if not x.ndim or x.shape[axis] > MANY:
        return [_at(x, axis, numbers(result[1]), keepdim=True), None]
    return [sort(x, axis, descending or (bool(args) and args[-1] is True)), None]


@rule("topk", of_result=True)
def _highest(result: Any, x: Any, k: int, dim: int = -1, highest: bool = True, ordered: bool = True) -> list[Any]:
    x = number(x)
    if not x.ndim or x.shape[dim] > MANY or not ordered or not highest:
        return [_at(x, dim, numbers(result[1]), keepdim=True), None]
    return [top(x, k, dim), None]


@rule("kthvalue", of_result=True)
def _kth(result: Any, x: Any, k: int, dim: int = -1, keepdim: bool = False) -> list[Any]:  # noqa: ARG001
    return [_at(number(x), dim, numbers(result[1]), keepdim), None]


@rule("median", "nanmedian", "mode", of_result=True)
def _median(result: Any, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    x = number(x)
    if isinstance(result, (tuple, list)):
        return [_at(x, -1 if dim is None else dim, numbers(result[1]), keepdim), None]
    return median(flat(x), mean=False)


@rule("cummax", "cummin", of_result=True)
def _running(result: Any, x: Any, dim: int) -> list[Any]:
    return [_at(number(x), dim, numbers(result[1]), keepdim=True), None]


# --- running sums -----------------------------------------------------------------------------------------------------


@rule("cumsum")
def _cumulative(x: Any, dim: int, **_: Any) -> Node:
    x = number(x)
    return cumulative_sum(x, axis=dim % x.ndim) if x.ndim else x


@rule("logcumsumexp")
def _cumulative_log(x: Any, dim: int) -> Node:
    x = number(x)
    if not x.ndim:
        return reshape(x, to=())
    m = statistics.maximum(x, (dim,), keepdims=True)
    m = as_shape(m, x.shape)
    return add(m, logarithm(cumulative_sum(exponential(subtract(x, m)), axis=dim % x.ndim)))


@rule("trace")
def _trace(x: Any) -> Node:
    return total(by_places("diagonal_copy", number(x)))
