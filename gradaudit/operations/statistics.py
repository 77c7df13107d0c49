"""Means, variances and norms, of sums and what is there already."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradaudit.graph import Node
from gradaudit.operations.choices import absolute, equal, largest, where
from gradaudit.operations.entrywise import divide, integer_power, multiply, negative, sqrt, square, subtract
from gradaudit.operations.factors import product
from gradaudit.operations.planar import power
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

    For the order 0 it is how many entries are not 0, for -infinity the smallest size, for any other order p the p-th
    root of the sum of |x|^p.
    """
    if order == 2:
        return sqrt(total(multiply(x, x), chosen(x, axes), keepdims))
    if order == 1:
        return total(absolute(x), chosen(x, axes), keepdims)
    if order == np.inf:
        return maximum(absolute(x), axes, keepdims)
    if order == -np.inf:
        return negative(maximum(negative(absolute(x)), axes, keepdims))
    over = chosen(x, axes)
    if order == 0:
        zeros, ones = constant(np.zeros(x.shape)), constant(np.ones(x.shape))
        return total(where(equal(x, zeros), zeros, ones), over, keepdims)
    sums = total(raised(absolute(x), order), over, keepdims)
    return power(sums, constant(np.full(sums.shape, 1 / order)))


def raised(x: Node, exponent: float) -> Node:
    """X to one exponent."""
    if exponent == int(exponent) and abs(exponent) <= 64:
        return integer_power(x, exponent=int(exponent))
    return power(x, constant(np.full(x.shape, exponent)))


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


def multiplied(x: Node, axes: Axes = None, keepdims: bool = False) -> Node:
    """The product along some axes, or all."""
    over = chosen(x, axes)
    result = x
    for a in sorted(over, reverse=True):
        result = product(result, axis=a)
    return reshape(result, to=with_ones(x, over)) if keepdims and over else result
