"""Interpolation, adaptive pooling, folding, and the transposed convolution; arrays are (N, C, ...)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradaudit.graph import Node
from gradaudit.operations.activations import full, shifted
from gradaudit.operations.arrangements import mixed, places
from gradaudit.operations.entrywise import add, divide, multiply, subtract
from gradaudit.operations.largest import largest
from gradaudit.operations.shapes import as_shape, constant, gather, reshape, scatter, sum_axis
from gradaudit.operations.sums import Indices
from gradaudit.operations.windows import LOWEST, Padding, Steps, Window, convolution, windows

# --- interpolation ----------------------------------------------------------------------------------------------------


def nearest(x: Node, sizes: Sequence[int], exact: bool = False) -> Node:
    """The entry floor(i n / m) for each i of m, axis by axis; floor((i + 1/2) n / m) if `exact`."""
    index = places(x.shape)
    for axis, m in enumerate(sizes, start=2):
        n, i = x.shape[axis], np.arange(m)
        chosen = (2 * i + 1) * n // (2 * m) if exact else i * n // m
        index = np.take(index, np.minimum(chosen, n - 1), axis=axis)
    return gather(x, index=index)


def interpolated(x: Node, sizes: Sequence[int], corners: bool = False) -> Node:
    """Linear between entries, axis by axis: linear, bilinear, trilinear.

    Parameters
    ----------
    x : Node, shape (N, C, ...)
        What is interpolated.
    sizes : sequence of int
        Of the result, one an axis behind the channels.
    corners : bool
        Whether the first and the last entries stay where they are; else entries are the middles of cells.

    Returns
    -------
    Node
        Where the place that is interpolated at is a fraction, its rounding is in the bound of the weights.
    """
    for axis, m in enumerate(sizes, start=2):
        if m != x.shape[axis]:
            x = _along(x, axis, m, corners)
    return x


def _along(x: Node, axis: int, m: int, corners: bool) -> Node:
    """(1 - t) x_k + t x_(k+1), with t and k the fraction and the whole number of the place."""
    n, i = x.shape[axis], constant(np.arange(m))
    if corners:
        over = max(m - 1, 1)
        at, k = multiply(i, _ratio(i, n - 1, over)), np.arange(m) * (n - 1) // over
    else:
        at = shifted(multiply(shifted(i, 0.5), _ratio(i, n, m)), -0.5)
        k = np.maximum((2 * np.arange(m) + 1) * n - m, 0) // (2 * m)
        before = (2 * np.arange(m) + 1) * n < m
        at = gather(at, index=np.where(before, -1, np.arange(m)))
    k = np.minimum(k, n - 1)
    t = subtract(at, constant(k))
    index = places(x.shape)
    first, second = (gather(x, index=np.take(index, np.minimum(k + s, n - 1), axis=axis)) for s in (0, 1))
    shape = tuple(m if a == axis else 1 for a in range(x.ndim))
    t, rest = (as_shape(reshape(w, to=shape), first.shape) for w in (t, subtract(full(t, 1.0), t)))
    return add(multiply(rest, first), multiply(t, second))


def _ratio(i: Node, n: int, m: int) -> Node:
    """Value: n / m, rounded by a program."""
    return divide(full(i, float(n)), full(i, float(m)))


# --- adaptive pooling -------------------------------------------------------------------------------------------------


def _parts(shape: tuple[int, ...], sizes: Sequence[int]) -> Indices:
    """The places of the entries from floor(i n / m) to ceil((i + 1) n / m), in a last axis; -1 where there are fewer.

    Of each axis a table of entries by window; of all axes every combination of them.
    """
    index = places(shape)
    for axis, m in enumerate(sizes, start=2):
        n, i = shape[axis], np.arange(m)
        first, end = i * n // m, -(-(i + 1) * n // m)
        table = first[:, None] + np.arange(int((end - first).max()))
        inside = table < end[:, None]
        moved = np.moveaxis(index, axis, 0)[np.where(inside, table, 0)]
        moved = np.where(inside.reshape(*inside.shape, *[1] * (moved.ndim - 2)), moved, -1)
        index = np.moveaxis(np.moveaxis(moved, 1, -1), 0, axis)
    return index.reshape(*shape[:2], *sizes, -1)


def adaptive_average_pooling(x: Node, sizes: Sequence[int]) -> Node:
    """The mean of each of so many parts along each axis behind the channels, which may overlap."""
    index = _parts(x.shape, sizes)
    sums = sum_axis(gather(x, index=index), axis=x.ndim)
    return divide(sums, constant((index >= 0).sum(axis=-1)))


def adaptive_maximum_pooling(x: Node, sizes: Sequence[int]) -> Node:
    """The largest entry of each of so many parts along each axis behind the channels."""
    index = _parts(x.shape, sizes)
    return largest(mixed(x, index, constant(np.full(index.shape, LOWEST))), axis=x.ndim)


# --- windows as columns -----------------------------------------------------------------------------------------------


def _columns(shape: tuple[int, ...], window: Window) -> Indices:
    """The places of the entries of every window, (N, C K, P): K entries of a window, P windows."""
    index = windows(shape, window)
    axes = len(window.size)
    K, P = int(np.prod(window.size)), int(np.prod(index.shape[2 : 2 + axes]))
    return index.reshape(*shape[:2], P, K).swapaxes(2, 3).reshape(shape[0], shape[1] * K, P)


def unfold(x: Node, size: Sequence[int], stride: Steps = 1, padding: Padding = 0, dilation: Steps = 1) -> Node:
    """Every window as a column: (N, C K, P) of (N, C, ...), with K entries a window and P windows."""
    return gather(x, index=_columns(x.shape, Window.of(size, stride, padding, dilation)))


def fold(
    x: Node, sizes: Sequence[int], size: Sequence[int], stride: Steps = 1, padding: Padding = 0, dilation: Steps = 1
) -> Node:
    """The sums of columns (N, C K, P) where their windows stand in (N, C, *sizes): what `unfold` is transposed."""
    into = (x.shape[0], x.shape[1] // int(np.prod(size)), *sizes)
    return scatter(x, index=_columns(into, Window.of(size, stride, padding, dilation)), into=into)


def transposed_convolution(
    x: Node,
    w: Node,
    stride: Steps = 1,
    padding: Steps = 0,
    output_padding: Steps = 0,
    dilation: Steps = 1,
    groups: int = 1,
) -> Node:
    """What a convolution is transposed: of (N, C, ...) with kernels (C, O / groups, ...).

    It is the convolution of the array, with stride - 1 zeros between its entries, with the kernels turned round: each
    entry one sum of products.

    Parameters
    ----------
    x, w : Node
        What is convolved, and the kernels.
    stride, padding, dilation : int, or one an axis
        Those of the convolution that is transposed.
    output_padding : int, or one an axis
        How many entries are added behind.
    groups : int
        Into how many parts the channels are divided.
    """
    axes, (C, own) = x.ndim - 2, w.shape[:2]
    steps, pads, more, gaps = (_each(n, axes) for n in (stride, padding, output_padding, dilation))
    index = places(x.shape)
    for a, (n, s) in enumerate(zip(x.shape[2:], steps, strict=True), start=2):
        wide = np.full((*index.shape[:a], (n - 1) * s + 1, *index.shape[a + 1 :]), -1, dtype=np.int64)
        wide[(slice(None),) * a + (slice(None, None, s),)] = index
        index = wide
    kernel = np.flip(places(w.shape), tuple(range(2, w.ndim)))
    kernel = kernel.reshape(groups, C // groups, own, *w.shape[2:]).swapaxes(1, 2)
    kernel = kernel.reshape(groups * own, C // groups, *w.shape[2:])
    around = [(d * (k - 1) - p, d * (k - 1) - p + o) for d, k, p, o in zip(gaps, w.shape[2:], pads, more, strict=True)]
    index = _padded(index, around)
    return convolution(gather(x, index=index), gather(w, index=kernel), 1, 0, gaps, groups)


def _padded(index: Indices, around: Sequence[tuple[int, int]]) -> Indices:
    """An index with zeros added in front and behind, or entries taken away where a number is negative."""
    index = np.pad(index, ((0, 0), (0, 0), *((max(a, 0), max(b, 0)) for a, b in around)), constant_values=-1)
    cuts = (slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(around, index.shape[2:], strict=True))
    return index[(slice(None), slice(None), *cuts)]


def _each(number: Any, axes: int) -> list[int]:
    return [int(n) for n in np.broadcast_to(number, axes)]
