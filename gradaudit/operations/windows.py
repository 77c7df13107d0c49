"""What slides over an array: convolution and pooling, made of gather, the matrix product, sums and the largest.

Arrays are (N, C, ...): samples, channels, and one or more axes along which a window slides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from gradaudit.graph import Node, Shape
from gradaudit.operations.arrangements import mixed
from gradaudit.operations.entrywise import divide
from gradaudit.operations.largest import largest
from gradaudit.operations.products import affine, matmul
from gradaudit.operations.shapes import INFINITE, constant, gather, reshape, sum_axis, transpose
from gradaudit.operations.sums import Indices

Steps = int | Sequence[int]
#: Entries added in front and behind: one number for all, one an axis, or a pair an axis.
Padding = int | Sequence[int | Sequence[int]]
#: Lower than every number that may win; not the lowest of all, so that a difference from it is a float with a radius.
LOWEST = -INFINITE

#: Places of at most so many entries are kept.
KEPT = 1 << 21


class Window(NamedTuple):
    """A window that slides along axes; one entry an axis.

    Attributes
    ----------
    size, stride, dilation : tuple of int
        How many entries it has, how far it moves, how far apart its entries are.
    padding : tuple of (int, int)
        How many zeros are added in front of the array and behind it.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]

    @classmethod
    def of(cls, size: Sequence[int], stride: Steps, padding: Padding, dilation: Steps) -> Window:
        """A window from what people write.

        Raises
        ------
        ValueError
            If a number is missing, or a size, stride or dilation is not positive.
        """
        axes = len(size)
        pairs = [np.broadcast_to(p, 2).tolist() for p in _each(padding, axes, "padding")]
        window = cls(
            tuple(int(n) for n in size),
            tuple(int(n) for n in _each(stride, axes, "stride")),
            tuple((int(low), int(high)) for low, high in pairs),
            tuple(int(n) for n in _each(dilation, axes, "dilation")),
        )
        if min(*window.size, *window.stride, *window.dilation) < 1:
            raise ValueError(
                f"a window of size {window.size}, stride {window.stride}, dilation {window.dilation}; "
                "expected positive numbers"
            )
        return window

    def positions(self, axis: int, length: int) -> Indices:
        """Which entries each window has along an axis, one row a window; -1 outside of the array.

        Raises
        ------
        ValueError
            If the window is longer than the padded axis.
        """
        (low, high), reach = self.padding[axis], self.dilation[axis] * (self.size[axis] - 1) + 1
        if length + low + high < reach:
            raise ValueError(f"a window of {reach} entries on {length + low + high}, padding included; expected fewer")
        first = np.arange(0, length + low + high - reach + 1, self.stride[axis]) - low
        table = first[:, None] + self.dilation[axis] * np.arange(self.size[axis])
        return np.where((table >= 0) & (table < length), table, -1)


def _each(numbers: Steps | Padding, axes: int, name: str) -> list[Any]:
    if isinstance(numbers, (int, np.integer)):
        return [int(numbers)] * axes
    if len(numbers) != axes:
        raise ValueError(f"{name} has {len(numbers)} entries; expected {axes}, one an axis, or one number")
    return list(numbers)


def windows(shape: Shape, window: Window) -> Indices:
    """The places of every window's entries, of shape (N, C, *windows, *size); -1 where there is padding.

    Raises
    ------
    ValueError
        If the array has not two axes more than the window.
    """
    axes = len(window.size)
    if len(shape) != axes + 2:
        raise ValueError(f"an array of the shape {shape} and a window of {axes} axes; expected (N, C) and {axes} more")
    wide = np.arange(shape[0] * shape[1]).reshape(*shape[:2], *[1] * (2 * axes))
    inside = np.ones([1] * wide.ndim, dtype=bool)
    for a, length in enumerate(shape[2:]):
        table = window.positions(a, length)
        at = [1] * wide.ndim
        at[2 + a], at[2 + axes + a] = table.shape
        wide = wide * length + np.maximum(table, 0).reshape(at)
        inside = inside & (table >= 0).reshape(at)
    return np.where(inside, wide, -1)


def patches(shape: Shape, window: Window, groups: int) -> tuple[Indices, Shape]:
    """The places of every window's entries, a row a window, for each group of channels; and the shape of all windows.

    Those of small arrays are kept for the next convolution of such an array.
    """
    small = math.prod(shape) * math.prod(window.size) <= KEPT
    return (_patches if small else _patches.__wrapped__)(shape, window, groups)


@lru_cache(maxsize=16)
def _patches(shape: Shape, window: Window, groups: int) -> tuple[Indices, Shape]:
    (N, C), axes = shape[:2], len(window.size)
    index = windows(shape, window)
    over = index.shape[2 : 2 + axes]
    index = index.reshape(N, groups, C // groups, math.prod(over), math.prod(window.size))
    index = index.transpose(1, 0, 3, 2, 4).reshape(groups, N * math.prod(over), -1)
    index.flags.writeable = False
    return index, over


def convolution(
    x: Node,
    w: Node,
    stride: Steps = 1,
    padding: Padding = 0,
    dilation: Steps = 1,
    groups: int = 1,
    bias: Node | None = None,
    line: str = "",
) -> Node:
    """A convolution as networks have it: the kernel is not flipped.

    Parameters
    ----------
    x : Node, shape (N, C, ...)
        Samples with their channels.
    w : Node, shape (O, C / groups, ...)
        One kernel for each channel of the result.
    stride, dilation : int, or one an axis
        How far a kernel moves, and how far apart its entries are.
    padding : int, or one an axis, or a pair an axis
        How many zeros are added in front and behind.
    groups : int
        Into how many parts the channels are divided; each sees only its own.
    bias : Node, shape (O,), optional
        What is added to each channel of the result; it takes part in the accumulation.

    Returns
    -------
    Node, shape (N, O, ...)
        Each entry one sum of kernel size times C / groups products, whose rounding is that of the matrix product: not
        that of Winograd or FFT.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    window = Window.of(w.shape[2:], stride, padding, dilation)
    (N, C), (outputs, own) = x.shape[:2], w.shape[:2]
    if own * groups != C or outputs % groups:
        raise ValueError(
            f"a convolution of {C} channels with kernels of the shape {w.shape} in {groups} groups; "
            f"expected kernels for {C / groups:g} channels, and a multiple of {groups} of them"
        )
    index, over = patches(x.shape, window, groups)
    P, K = int(np.prod(over)), int(np.prod(window.size))
    kernels = transpose(reshape(w, to=(groups, outputs // groups, own * K)), axes=(0, 2, 1))
    entries = gather(x, index=index)
    if bias is None:
        sums = matmul(entries, kernels, line=line)
    else:
        sums = affine(entries, kernels, reshape(bias, to=(groups, 1, outputs // groups)), line=line)
    by_sample = transpose(reshape(sums, to=(groups, N, P, outputs // groups)), axes=(1, 0, 3, 2))
    return reshape(by_sample, to=(N, outputs, *over), line=line)


def _pooled(x: Node, size: Sequence[int], stride: Steps | None, padding: Padding, dilation: Steps) -> Indices:
    """The places of the entries that are pooled, those of a window along the last axis."""
    window = Window.of(size, size if stride is None else stride, padding, dilation)
    index = windows(x.shape, window)
    return index.reshape(*index.shape[: x.ndim], -1)


def average_pooling(
    x: Node,
    size: Sequence[int],
    stride: Steps | None = None,
    padding: Padding = 0,
    include_padding: bool = True,
    line: str = "",
) -> Node:
    """The mean of each window.

    Parameters
    ----------
    x : Node, shape (N, C, ...)
        What is pooled.
    size : sequence of int
        Of the window.
    stride : int, or one an axis, optional
        How far it moves; its size if not given.
    padding : int, or one an axis, or a pair an axis
        How many zeros are added in front and behind.
    include_padding : bool
        Whether added zeros are counted in the mean.
    """
    index = _pooled(x, size, stride, padding, 1)
    sums = sum_axis(gather(x, index=index), axis=x.ndim)
    counts = np.full(sums.shape, index.shape[-1]) if include_padding else (index >= 0).sum(axis=-1)
    if not counts.all():
        raise ValueError(f"a window of size {tuple(size)} with padding {padding} has no entry; expected less padding")
    return divide(sums, constant(counts), line=line)


def maximum_pooling(
    x: Node,
    size: Sequence[int],
    stride: Steps | None = None,
    padding: Padding = 0,
    dilation: Steps = 1,
    line: str = "",
) -> Node:
    """The largest entry of each window; `x`, `size`, `stride` as in `average_pooling`.

    Parameters
    ----------
    padding : int, or one an axis, or a pair an axis
        How many entries are added in front and behind, which never are the largest.
    dilation : int, or one an axis
        How far apart the entries of a window are.

    Raises
    ------
    ValueError
        If a window has nothing but padding.
    """
    index = _pooled(x, size, stride, padding, dilation)
    if not (index >= 0).any(axis=-1).all():
        raise ValueError(f"a window of size {tuple(size)} with padding {padding} has no entry; expected less padding")
    entries = mixed(x, index, constant(np.full(index.shape, LOWEST))) if (index < 0).any() else gather(x, index=index)
    return largest(entries, axis=x.ndim, line=line)
