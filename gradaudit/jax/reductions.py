"""Primitives along axes: sums, the largest, running sums, and those of windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradaudit.graph import Node
from gradaudit.jax.entrywise import marked
from gradaudit.jax.following import RULES, Equation
from gradaudit.jax.operands import Decided, Operand, mask_of, number
from gradaudit.operations import entrywise, factors, orders, statistics
from gradaudit.operations.arrangements import mixed
from gradaudit.operations.largest import largest
from gradaudit.operations.shapes import constant, cumulative_sum, flip, gather, sum_axis, total
from gradaudit.operations.sums import Indices
from gradaudit.operations.windows import LOWEST


def _along(function: Callable[[Node, Sequence[int]], Node]) -> Callable[..., Node]:
    """The rule of a function along axes."""

    def rule(here: Equation, x: Operand) -> Node:
        axes = tuple(here.params["axes"])
        return marked(function(number(x), axes), here) if axes else number(x)

    return rule


def _least(x: Node, axes: Sequence[int]) -> Node:
    return entrywise.negative(statistics.maximum(entrywise.negative(x), axes))


def _any(here: Equation, x: Operand) -> Node:
    return mask_of(statistics.maximum(number(x), here.params["axes"]), whole=True)


def _all(here: Equation, x: Operand) -> Node:
    return mask_of(_least(number(x), here.params["axes"]), whole=True)


def _cumulative(function: Callable[[Node, int], Node]) -> Callable[..., Node]:
    """The rule of a running sum or the like, from either end."""

    def rule(here: Equation, x: Operand) -> Node:
        node, axis = number(x), here.params["axis"]
        if not here.params["reverse"]:
            return marked(function(node, axis), here)
        return marked(flip(function(flip(node, axis), axis), axis), here)

    return rule


def _sorted(here: Equation, *operands: Operand) -> list[Operand]:
    """The first operand sorted; what is sorted by it depends on a decision."""
    if here.params["num_keys"] != 1:
        raise here.refuse("with more than one key")
    result: list[Operand] = [marked(orders.sort(number(operands[0]), here.params["dimension"]), here)]
    return result + [Decided(here.name, here.line)] * (len(operands) - 1)


def _top(here: Equation, x: Operand) -> list[Operand]:
    node = number(x)
    axis = here.params.get("axis", node.ndim - 1)
    return [marked(orders.top(node, here.params["k"], axis), here), Decided(here.name, here.line)]


def _place(here: Equation, x: Operand) -> Operand:  # noqa: ARG001 (a rule)
    return Decided(here.name, here.line)


def _over_mapped(here: Equation, x: Operand) -> Node:
    """A sum over an axis that is mapped, which has become one of the array."""
    axes = here.params["axes"]
    if here.params.get("axis_index_groups") is not None or not all(isinstance(a, (int, np.integer)) for a in axes):
        raise here.refuse("over devices")
    return marked(total(number(x), axes), here)


def windows(params: Mapping[str, Any], shape: tuple[int, ...]) -> Indices:
    """The numbers of the entries in each window, those of one along the last axis; -1 where there is none."""
    index, inside = np.zeros([1] * (2 * len(shape)), dtype=np.int64), np.ones([1] * (2 * len(shape)), dtype=bool)
    for a, length in enumerate(shape):
        size, stride = params["window_dimensions"][a], params["window_strides"][a]
        (low, high), apart = params["padding"][a], params["window_dilation"][a]
        between = params["base_dilation"][a]
        wide, reach = (length - 1) * between + 1, (size - 1) * apart + 1
        first = np.arange(0, wide + low + high - reach + 1, stride) - low
        table = first[:, None] + apart * np.arange(size)
        there = (table >= 0) & (table < wide) & (table % between == 0)
        at = [1] * (2 * len(shape))
        at[a], at[len(shape) + a] = table.shape
        index = index * length + np.where(there, table // between, 0).reshape(at)
        inside = inside & there.reshape(at)
    index = np.where(inside, index, -1)
    return index.reshape(*index.shape[: len(shape)], -1)


def _window_sum(here: Equation, x: Operand) -> Node:
    node = number(x)
    index = windows(here.params, node.shape)
    return sum_axis(gather(node, index=index), axis=node.ndim, line=here.line)


def _window_largest(here: Equation, x: Operand) -> Node:
    return _largest_of(here, number(x))


def _largest_of(here: Equation, node: Node) -> Node:
    index = windows(here.params, node.shape)
    if not (index >= 0).any(axis=-1).all():
        raise here.refuse("has a window of nothing but padding")
    entries = mixed(node, index, constant(np.full(index.shape, LOWEST))) if (index < 0).any() else None
    return largest(entries or gather(node, index=index), axis=node.ndim, line=here.line)


def _window_least(here: Equation, x: Operand) -> Node:
    return entrywise.negative(_largest_of(here, entrywise.negative(number(x))), line=here.line)


RULES.update(
    {
        "reduce_sum": _along(total),
        "reduce_max": _along(statistics.maximum),
        "reduce_min": _along(_least),
        "reduce_or": _any,
        "reduce_and": _all,
        "cumsum": _cumulative(lambda x, axis: cumulative_sum(x, axis=axis)),
        "cumprod": _cumulative(factors.cumulative_product),
        "cummax": _cumulative(orders.cumulative_maximum),
        "cummin": _cumulative(orders.cumulative_minimum),
        "cumlogsumexp": _cumulative(orders.cumulative_logsumexp),
        "reduce_prod": _along(statistics.multiplied),
        "psum": _over_mapped,
        "sort": _sorted,
        "top_k": _top,
        "argmax": _place,
        "argmin": _place,
        "reduce_window_sum": _window_sum,
        "reduce_window_max": _window_largest,
        "reduce_window_min": _window_least,
    }
)
