"""Entries taken by their places, and the sums of them: of arrays, not of nodes."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.entries import core, repeated
from gradaudit.graph import Shape
from gradaudit.memory import remembered_of_array

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
#: An axis, or several in their order.
Axes = int | tuple[int, ...]


def taken(index: Indices) -> Any:
    """What arranges the entries of an array by an index; -1 stands for 0."""

    def change(x: NDArray[Any]) -> NDArray[Any]:
        if x.size and not core(x).any():
            return repeated(np.zeros((), dtype=x.dtype), index.shape)
        entries = np.append(x.reshape(-1), np.zeros(1, dtype=x.dtype))
        return np.asarray(np.take(entries, index, mode="wrap"))  # -1 is the last

    return change


@remembered_of_array
def sources(index: Indices, size: int) -> Indices | None:
    """For each place the entries that go there, one a row, -1 for none; None if that is far more than the entries."""
    flat = index.reshape(-1)
    entries = np.argsort(flat, kind="stable")[np.count_nonzero(flat < 0) :]
    places = flat[entries]
    if not len(entries):
        return None
    numbers = np.bincount(places, minlength=size)
    if numbers.max() * size > 2 * len(flat):
        return None
    table = np.full((numbers.max(), size), -1, dtype=np.int64)
    table[np.arange(len(places)) - np.repeat(np.cumsum(numbers) - numbers, numbers), places] = entries
    return table


@remembered_of_array
def counts(index: Indices, size: int) -> Array:
    """How many entries go to each place."""
    return np.bincount(index[index >= 0], minlength=size).astype(np.float64)


def added(x: Array, index: Indices, into: Shape) -> Array:
    """The sums of the entries that go to the same place."""
    size = math.prod(into)
    if x.size and core(x).size == 1 and math.isfinite(core(x).item()):
        return np.asarray(core(x).item() * counts(index, size).reshape(into))
    table = sources(index, size)
    if table is not None:
        return np.asarray(taken(table)(x).sum(axis=0).reshape(into))
    there = index >= 0
    return np.bincount(index[there], weights=x[there], minlength=size).astype(np.float64).reshape(into)


def added_up(x: Any, axis: Axes) -> Any:
    """The sum over an axis, or some in their order; neighbours are one axis."""
    if not isinstance(axis, tuple):
        return x.sum(axis=axis)
    for first, last in reversed(runs(axis)):
        x = x.reshape(*x.shape[:first], -1, *x.shape[last + 1 :]).sum(axis=first)
    return x


@lru_cache(maxsize=256)
def runs(axes: tuple[int, ...]) -> list[tuple[int, int]]:
    """The first and the last of neighbouring axes."""
    begins = [a for a in axes if a - 1 not in axes]
    ends = [a for a in axes if a + 1 not in axes]
    return list(zip(begins, ends, strict=True))
