"""Means, variances and norms, of sums and what is there already."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradaudit.graph import Node
from gradaudit.operations.choices import absolute, largest
from gradaudit.operations.entrywise import divide, multiply, sqrt, square, subtract
from gradaudit.operations.shapes import as_shape, constant, reshape, total

Axes = Sequence[int] | None


def chosen(x: Node, axes: Axes) -> tuple[int, ...]:
    """The axes as numbers from 0 on; all of them for None.

    Raises
    ------
    ValueError
        If there is no such axis, or one is named twice.
    """
    if axes is None:
        return tuple(range(x.ndim))
    if not all(-x.ndim <= a < x.ndim for a in axes):
        raise ValueError(f"the axes {tuple(axes)} of an array of the shape {x.shape}; expected them below {x.ndim}")
    numbers = tuple(a % x.ndim for a in axes)
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"the axes {tuple(axes)}; expected each once")
    return numbers


def with_ones(x: Node, axes: Sequence[int]) -> tuple[int, ...]:
    """The shape with axes of one entry in place of some."""
    return tuple(1 if a in axes else n for a, n in enumerate(x.shape))


def mean(x: Node, axes: Axes = None, keepdims: bool = False, less: float = 0) -> Node:
    """The sum over the number of entries, less a number.

    Raises
    ------
    ValueError
        If that is not positive.
    """
    over = chosen(x, axes)
    count = float(np.prod([x.shape[a] for a in over])) - less
    if count <= 0:
        raise ValueError(f"a mean of the shape {x.shape} over the axes {over} divides by {count:g}; expected more")
    sums = total(x, over, keepdims)
    return divide(sums, constant(np.full(sums.shape, count)))


def variance(x: Node, axes: Axes = None, keepdims: bool = False, ddof: float = 0) -> Node:
    """The mean square of what is left when the mean is subtracted: by two passes; not E[x^2] - E[x]^2."""
    left = subtract(x, as_shape(mean(x, axes, keepdims=True), x.shape))
    return mean(square(left), axes, keepdims, ddof)


def norm(x: Node, axes: Axes = None, keepdims: bool = False, order: float = 2) -> Node:
    """The norm of vectors: the root of the sum of squares, for the order 1 the sum and for infinity the largest.

    Raises
    ------
    ValueError
        For other orders.
    """
    if order == 2:
        return sqrt(total(multiply(x, x), chosen(x, axes), keepdims))
    if order == 1:
        return total(absolute(x), chosen(x, axes), keepdims)
    if order == np.inf:
        return maximum(absolute(x), axes, keepdims)
    raise ValueError(f"the norm of order {order}; expected 1, 2 or infinity")


def maximum(x: Node, axes: Axes = None, keepdims: bool = False) -> Node:
    """The largest entry along some axes, or all.

    Raises
    ------
    ValueError
        If there is no entry.
    """
    over = chosen(x, axes)
    if not over:
        return x
    if not all(x.shape[a] for a in over):
        raise ValueError(f"the largest of no entry: the shape {x.shape}, the axes {over}; expected an entry")
    result = x
    for a in sorted(over, reverse=True):
        result = largest(result, axis=a)
    return reshape(result, to=with_ones(x, over)) if keepdims else result
