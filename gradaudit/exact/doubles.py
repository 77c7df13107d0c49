"""Floats with a running error bound: the cheapest certified values, sharp enough for float32 and narrower.

References
----------
Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.3 (running error analysis).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.arithmetic import Arithmetic, Signs
from gradaudit.exact.enclosure import NORMAL, TINY, UNKNOWN, UP, Array, Enclosure, U, is_zero, two_sum, zeros
from gradaudit.exact.entries import every, highest, plus, some
from gradaudit.exact.functions import PLAIN_K, Function

#: Errors of products of so many multiplications are bounded by largest entries and sums, where that is near enough.
MANY = 1 << 20


class Approximate(NamedTuple):
    """Numbers within `radius` of the exact ones."""

    x: Array
    radius: Array


class Doubles(Arithmetic[Approximate]):
    """float64 with a radius."""

    name = "float64"

    def precision(self) -> AbstractContextManager[Any]:
        """The context in which the arithmetic computes."""
        return np.errstate(all="ignore")

    def constant(self, values: NDArray[np.floating]) -> Approximate:
        """Floats, which are exact."""
        x = np.asarray(values, dtype=np.float64)
        return Approximate(x, zeros(x.shape))

    def enclosure(self, a: Approximate) -> Enclosure:
        """The value as hi + lo within a radius."""
        x = np.asarray(a.x)
        return Enclosure(x, zeros(x.shape), np.asarray(a.radius))

    def restructure(self, change: Callable[..., Any], *arrays: Approximate) -> Approximate:
        """Entries arranged anew."""
        return Approximate(change(*(a.x for a in arrays)), change(*(a.radius for a in arrays)))

    def shape(self, a: Approximate) -> tuple[int, ...]:
        """The shape of a value."""
        return a.x.shape

    def add(self, a: Approximate, b: Approximate) -> Approximate:
        """A + b; a float's sum never underflows."""
        if is_zero(a.radius) and is_zero(b.radius):
            s, error = two_sum(a.x, b.x)
            return _of(s, np.abs(error))
        s = a.x + b.x
        rounded = U * np.abs(s)
        if not (a.x.all() and b.x.all()):
            rounded = rounded * ((a.x != 0) & (b.x != 0))
        return _of(s, plus(plus(rounded, a.radius), b.radius))

    def negative(self, a: Approximate) -> Approximate:
        """-a."""
        return Approximate(-a.x, a.radius)

    def multiply(self, a: Approximate, b: Approximate) -> Approximate:
        """A b."""
        p = a.x * b.x
        size = np.abs(p)
        radius = U * size + TINY
        if not is_zero(a.radius):
            radius = radius + (np.abs(b.x) + b.radius) * a.radius
        if not is_zero(b.radius):
            radius = radius + np.abs(a.x) * b.radius
        return _of(p, radius if every(size) else np.where(_zero(a) | _zero(b), 0.0, radius))

    def divide(self, a: Approximate, b: Approximate) -> Approximate:
        """A / b."""
        q = a.x / b.x
        least = np.abs(b.x) - b.radius * UP
        size = np.abs(q)
        unrounded = (np.abs(np.frexp(b.x)[0]) == 0.5) & (size > NORMAL)
        radius = (a.radius + size * b.radius) / least + np.where(unrounded, 0.0, U * size + TINY)
        if not every(size):
            radius = np.where(_zero(a), 0.0, radius)
        return _of(q, radius if every(least) else np.where(least > 0, radius, np.inf))

    def function(self, f: Function, a: Approximate) -> Approximate:
        """f(a)."""
        low, high = a.x - a.radius * UP, a.x + a.radius * UP
        y = f.plain(a.x)
        moved = np.where(a.radius > 0, f.slope(low, high) * a.radius, 0.0)
        roundings = (PLAIN_K + f.growth(a.x)) * U
        radius = np.minimum(moved, 2 * f.reach) + roundings * np.maximum(np.abs(y), f.floor) + TINY
        defined = f.defined(low, high)
        return _of(y, radius if every(defined) else np.where(defined, radius, np.inf))

    def matmul(self, a: Approximate, b: Approximate) -> Approximate:
        """The matrix product."""
        x, loss = a.x @ b.x, a.x.shape[-1] * U * UP
        size_a, size_b = np.abs(a.x), np.abs(b.x)
        radius = _product_of_sizes(size_a, size_b + b.radius / loss if some(b.radius) else size_b) * loss
        if some(a.radius):
            radius = radius + _product_of_sizes(a.radius, size_b + b.radius)
        radius = radius + a.x.shape[-1] * TINY
        if np.count_nonzero(x) < x.size:  # where nothing was multiplied the product is 0
            there = (size_a + a.radius != 0).astype(np.float32) @ (size_b + b.radius != 0).astype(np.float32)
            radius = np.where(there, radius, 0.0)
        return _of(x, radius)

    def sum(self, a: Approximate, axis: int) -> Approximate:
        """The sum over one axis."""
        roundings = max(0, a.x.shape[axis] - 1) * (U * UP)
        size: Array = np.abs(a.x)
        radius = size.sum(axis=axis) * roundings
        return _of(a.x.sum(axis=axis), radius if is_zero(a.radius) else radius + a.radius.sum(axis=axis))

    def hull(self, a: Approximate, b: Approximate) -> Approximate:
        """An enclosure of both."""
        middle = 0.5 * a.x + 0.5 * b.x
        radius = np.maximum(np.abs(a.x - middle) + a.radius, np.abs(b.x - middle) + b.radius)
        return _of(middle, radius + U * np.abs(middle) + TINY)

    def sign(self, a: Approximate) -> Signs:
        """1, 0, -1 or UNKNOWN."""
        decided = np.abs(a.x) > a.radius * UP
        signs = np.sign(a.x)
        return (signs if every(decided) else np.where(decided | _zero(a), signs, UNKNOWN)).astype(np.int8)


def _product_of_sizes(A: Array, B: Array) -> Array:
    """At least the product of two factors that are not negative; if it is large, at most 2^16 times that.

    Between the least and the largest of a row of A, times the sums of the columns of B, lies the row of A B.
    """
    if A.ndim > 2 or A.size * B.shape[1] < MANY:
        return A @ B
    largest = A.max(axis=1)
    wide = A.min(axis=1) < 2.0**-16 * largest
    if 4 * np.count_nonzero(wide) > len(A):
        return A @ B
    product: Array = largest[:, None] * B.sum(axis=0)
    product[wide] = A[wide] @ B
    return product


def _zero(a: Approximate) -> NDArray[np.bool_]:
    """Where a number is certainly 0."""
    return np.asarray((a.x == 0) & (a.radius == 0))


def _of(x: Any, radius: Any) -> Approximate:
    """A result; where it is not finite, and then its radius is not, nothing is known."""
    radius = radius * UP
    if highest(radius) < np.inf:
        return Approximate(x, radius)
    known = np.isfinite(x + radius)
    return Approximate(np.where(known, x, 0.0), np.where(known, radius, np.inf))
