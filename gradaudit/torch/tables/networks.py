"""The layers of networks: normalisation, pooling, dropout, attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradaudit.graph import Node
from gradaudit.operations import normalisation, statistics
from gradaudit.operations.arrangements import places, stack
from gradaudit.operations.entrywise import add, divide, multiply, rsqrt, subtract, times
from gradaudit.operations.layers import lstm_cell
from gradaudit.operations.products import matmul
from gradaudit.operations.shapes import as_shape, constant, gather, reshape, sum_axis, transpose
from gradaudit.operations.softmax import softmax
from gradaudit.operations.windows import Window, average_pooling, maximum_pooling, windows
from gradaudit.torch.memory import numbers
from gradaudit.torch.tables.entrywise import masked_sum
from gradaudit.torch.tables.reductions import visible_rows
from gradaudit.torch.tables.rules import INFINITE, alike, constant_where, constants, number, rule

#: PyTorch's number for it among recurrent layers.
LSTM = 2

# --- normalisation ----------------------------------------------------------------------------------------------------


def _scaled_and_moved(x: Node, weight: Any, bias: Any, shape: Sequence[int]) -> Node:
    parts = (None if part is None else reshape(number(part), to=tuple(shape)) for part in (weight, bias))
    return normalisation.scaled(x, *parts)


@rule("native_layer_norm")
def _layer_norm(x: Any, shape: Sequence[int], weight: Any, bias: Any, eps: float) -> list[Node]:
    x = number(x)
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    y, mean, factor = normalisation.standardised(x, axes, eps)
    return [_scaled_and_moved(y, weight, bias, shape), mean, factor]


@rule("native_group_norm")
def _group_norm(x: Any, weight: Any, bias: Any, N: int, C: int, HW: int, groups: int, eps: float) -> list[Node]:
    x = number(x)
    inner = reshape(x, to=(N, groups, C // groups * HW))
    y, mean, factor = normalisation.standardised(inner, (2,), eps)
    y = _scaled_and_moved(reshape(y, to=(N, C, HW)), weight, bias, (C, 1))
    return [reshape(y, to=x.shape), reshape(mean, to=(N, groups)), reshape(factor, to=(N, groups))]


@rule(
    "native_batch_norm",
    "_native_batch_norm_legit",
    "_native_batch_norm_legit_no_training",
    "_native_batch_norm_legit_functional",
    of_result=True,
)
def _batch_norm(result: Any, x: Any, weight: Any, bias: Any, *rest: Any) -> list[Any]:
    x = number(x)
    flags = [r for r in rest if isinstance(r, bool)]
    tracked = [r for r in rest if isinstance(r, (Node, np.ndarray))]
    eps = rest[-1]
    axes = tuple(a for a in range(x.ndim) if a != 1)
    column = tuple(x.shape[1] if a == 1 else 1 for a in range(x.ndim))
    if flags and flags[0]:
        y, mean, factor = normalisation.standardised(x, axes, eps)
        extra: list[Any] = [reshape(mean, to=(x.shape[1],)), reshape(factor, to=(x.shape[1],))]
    else:
        mean, spread = (reshape(number(t), to=column) for t in tracked)
        factor = rsqrt(add(spread, constants(spread, eps)))
        y = multiply(subtract(x, as_shape(mean, x.shape)), as_shape(factor, x.shape))
        extra = [None, None]
    return [_scaled_and_moved(y, weight, bias, column), *extra, *[None] * (len(result) - 3)]


@rule("_fused_rms_norm")
def _rms_norm(x: Any, shape: Sequence[int], weight: Any, eps: Any) -> list[Any]:
    x = number(x)
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    square = statistics.mean(multiply(x, x), axes, keepdims=True)
    factor = rsqrt(add(square, constants(square, eps)))
    return [_scaled_and_moved(multiply(x, as_shape(factor, x.shape)), weight, None, shape), factor]


# --- dropout ----------------------------------------------------------------------------------------------------------


@rule("native_dropout", of_result=True)
def _dropout(result: Any, x: Any, p: float, train: Any) -> list[Any]:
    """With the mask that was drawn."""
    x = number(x)
    if train is False:
        return [x, None]
    kept = constant(numbers(result[1]).astype(np.float64))
    return [times(multiply(x, kept), 1 / (1 - p)) if p < 1 else multiply(x, kept), None]


# --- pooling ----------------------------------------------------------------------------------------------------------


def _each(numbers_: Any, axes: int) -> list[int]:
    given = list(numbers_) if isinstance(numbers_, (list, tuple)) else [numbers_]
    return given * axes if len(given) == 1 else given


def _batched(x: Node, axes: int) -> Node:
    return x if x.ndim == axes + 2 else reshape(x, to=(1,) * (axes + 2 - x.ndim) + x.shape)


@rule("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices", of_result=True)
def _max_pool(
    result: Any, x: Any, size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil: bool = False
) -> list[Any]:
    x = number(x)
    axes = len(size)
    if ceil or not int(np.prod(x.shape)):
        return _picked_pool(result, x, size)
    steps = _each(stride, axes) if stride not in ((), [], None) else list(size)
    y = maximum_pooling(_batched(x, axes), size, steps, _each(padding, axes), _each(dilation, axes))
    return [reshape(y, to=tuple(result[0].shape)), None]


@rule("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "fractional_max_pool2d",
      "fractional_max_pool3d", of_result=True)  # fmt: skip
def _picked_pool(result: Any, x: Any, size: Any, *_: Any) -> list[Any]:
    """The entries that the run took."""
    x, index, axes = number(x), numbers(result[1]), len(size)
    inner = int(np.prod(x.shape[x.ndim - axes :]))
    outer = np.arange(int(np.prod(x.shape[: x.ndim - axes]))).reshape(*x.shape[: x.ndim - axes], *[1] * axes)
    return [gather(x, index=outer * inner + index), None]


@rule("avg_pool1d", "avg_pool2d", "avg_pool3d", of_result=True)
def _average_pool(
    result: Any, x: Any, size: Any, stride: Any = (), padding: Any = 0, ceil: bool = False, include: bool = True,
    divisor: Any = None,
) -> Node:  # fmt: skip
    x = number(x)
    axes = len(size)
    batch = _batched(x, axes)
    if not x.shape or 0 in x.shape:
        return reshape(x, to=tuple(result.shape))
    stride = _each(stride, axes) if stride not in ((), [], None) else list(size)
    if divisor is None and not ceil:
        y = average_pooling(batch, size, stride, _each(padding, axes), include)
        return reshape(y, to=tuple(result.shape))
    return _pooled_by_hand(result, batch, size, stride, _each(padding, axes), include, divisor)


def _pooled_by_hand(result: Any, x: Node, size: Any, stride: Any, padding: Any, include: bool, divisor: Any) -> Node:
    """With more padding behind, as far as the last window reaches; what lies beyond the padding is not counted."""
    axes = len(size)
    out = tuple(result.shape)[-axes:]
    ends = [(o - 1) * s + k - n - p for o, s, k, n, p in zip(out, stride, size, x.shape[2:], padding, strict=True)]
    window = Window.of(size, stride, [(p, max(e, p)) for p, e in zip(padding, ends, strict=True)], 1)
    index = windows(x.shape, window)[(slice(None), slice(None), *(slice(o) for o in out))]
    index = index.reshape(*index.shape[: x.ndim], -1)
    sums = sum_axis(gather(x, index=index), axis=x.ndim)
    counts = (index >= 0).sum(axis=-1)
    if include:
        counts = np.ones(sums.shape)
        for a in range(axes):
            start = np.arange(out[a]) * stride[a] - padding[a]
            length = np.minimum(start + size[a], x.shape[2 + a] + padding[a]) - start
            counts = counts * length.reshape([-1 if b == 2 + a else 1 for b in range(x.ndim)])
    if divisor is not None:
        counts = np.full(sums.shape, divisor)
    return reshape(divide(sums, constant(counts)), to=tuple(result.shape))


@rule("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_avg_pool1d", "mkldnn_adaptive_avg_pool2d")
def _adaptive_average(x: Any, size: Any) -> Node:
    x = number(x)
    for a, n in enumerate(size):
        axis = x.ndim - len(size) + a
        length = x.shape[axis]
        starts, ends = [i * length // n for i in range(n)], [-(-(i + 1) * length // n) for i in range(n)]
        weights = np.array([[float(s <= j < e) for s, e in zip(starts, ends, strict=True)] for j in range(length)])
        moved = transpose(x, axes=(*(b for b in range(x.ndim) if b != axis), axis))
        rows = reshape(moved, to=(int(np.prod(moved.shape[:-1])), length))
        sums = matmul(rows, constant(weights))
        means = divide(sums, as_shape(constant(weights.sum(axis=0)), sums.shape))
        back = reshape(means, to=(*moved.shape[:-1], n))
        order = list(range(x.ndim - 1))
        order.insert(axis, x.ndim - 1)
        x = transpose(back, axes=tuple(order))
    result: Node = x
    return result


# --- attention --------------------------------------------------------------------------------------------------------


@rule("_scaled_dot_product_flash_attention_for_cpu")
def _attention(
    q: Any, k: Any, v: Any, dropout: float = 0.0, causal: bool = False, *, attn_mask: Any = None,
    scale: Any = None,
) -> list[Any]:  # fmt: skip
    if dropout:
        raise ValueError("dropout")
    q, k, v = number(q), number(k), number(v)
    if k.shape[1] != q.shape[1]:
        raise ValueError("grouped queries")
    factor = 1 / np.sqrt(q.shape[-1]) if scale is None else scale
    scores = times(matmul(q, transpose(k, axes=(0, 1, 3, 2))), float(factor))
    if attn_mask is not None:
        scores = masked_sum(*alike(scores, attn_mask))
    if causal:
        hidden = np.triu(np.ones(scores.shape, dtype=bool), 1)
        scores = constant_where(hidden, -INFINITE, scores)
    return [matmul(visible_rows(scores, softmax), v), None]


# --- recurrent layers -------------------------------------------------------------------------------------------------


@rule("mkldnn_rnn_layer")
def _lstm(
    x: Any, w_x: Any, w_h: Any, b_x: Any, b_h: Any, h: Any, c: Any, reverse: bool, batch_sizes: Sequence[int],
    mode: int, _hidden: int, _layers: int, has_biases: bool, *_: Any,
) -> list[Any]:  # fmt: skip
    """One direction of one layer of an LSTM, over all steps."""
    if mode != LSTM or batch_sizes:
        raise NotImplementedError("of an LSTM alone, and of sequences of one length, the layer is known")
    x, w_x, w_h = number(x), number(w_x), number(w_h)
    biases = (number(b_x), number(b_h)) if has_biases else (None, None)
    state, steps = (number(h), number(c)), range(x.shape[0])
    results: dict[int, Node] = {}
    for n in reversed(steps) if reverse else steps:
        state = lstm_cell(gather(x, index=places(x.shape)[n]), state, w_x, w_h, *biases)
        results[n] = state[0]
    return [stack([results[n] for n in steps]), *state, None]
