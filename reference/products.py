"""Matrix products with a rigorous radius, from float64 products that are exact.

A factor is split, without error, into slices of so few bits that every sum of products of two slices is exact in
float64, in whatever order it is added (Ozaki, Ogita, Oishi, Rump 2012, "Error-free transformations of matrix
multiplication by using fast routines of matrix multiplication"). BLAS does the work; what the omitted products of low
slices could have added is bounded and goes into the radius.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Slices of a factor, and from so many multiplications on one less. Of the products of slices those are computed whose
#: numbers (from 0) add up to less: fifteen of 25, or ten of 16.
SLICES, MANY = 5, 1_000_000
#: What is computed of radii in float64 is made larger by this factor, which covers its own rounding.
UP = 1 + 2.0**-30
#: What products of numbers too small to be told from 0 may have lost, at most, in each of them.
TINY = 2.0**-1000
#: Below and above these exponents slices would underflow or overflow.
LOWEST, HIGHEST = -350, 350
#: Unit roundoff of float64.
U = 2.0**-53


class OutOfRange(ArithmeticError):
    """Numbers so large that their slices are not exact."""


@dataclass(frozen=True, eq=False)
class Known:
    """Numbers known as ``hi + lo`` within `radius`; float64 arrays of one shape, ``|lo| <= ulp(hi)``."""

    hi: Array
    lo: Array
    radius: Array

    @classmethod
    def exactly(cls, values: NDArray[np.floating]) -> Known:
        """Floats, which are exact."""
        hi = values.astype(np.float64)
        return cls(hi, np.zeros_like(hi), np.zeros_like(hi))

    def transposed(self) -> Known:
        """The transpose."""
        return Known(self.hi.T, self.lo.T, self.radius.T)

    def where(self, mask: NDArray[np.bool_]) -> Known:
        """The numbers where the mask holds, else exactly 0."""
        return Known(*(np.where(mask, part, 0.0) for part in (self.hi, self.lo, self.radius)))

    def size(self) -> Array:
        """An upper bound of the absolute values."""
        return (np.abs(self.hi) + np.abs(self.lo) + self.radius) * UP

    def __add__(self, other: Known) -> Known:
        """The sum, entry by entry; shapes may broadcast."""
        hi, error = two_sum(self.hi, other.hi)
        lo = (self.lo + other.lo) + error
        slack = 2 * U * (np.abs(self.lo) + np.abs(other.lo) + np.abs(error))
        return _normal(hi, lo, (self.radius + other.radius + slack) * UP)


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """The rounded sum of two numbers and its error, exactly (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def product(A: Known, B: Known) -> Known:
    """``A . B`` of shapes (n, k) and (k, m).

    Raises
    ------
    OutOfRange
        If the numbers are too large to be split.
    """
    (n, k), m = A.hi.shape, B.hi.shape[1]
    number = SLICES - (n * k * m >= MANY)
    bits = (53 - int(k - 1).bit_length()) // 2
    left, left_sizes, left_rest = _slices(A, 1, bits, number)
    right, right_sizes, right_rest = _slices(B, 0, bits, number)
    hi = lo = slack = np.zeros((n, m))
    omitted = np.zeros_like(hi)
    for s in range(number):
        for t in range(number):
            if not left_sizes[s].any() or not right_sizes[t].any():
                continue
            if s + t < number:
                hi, error = two_sum(hi, left[s] @ right[t])
                slack = slack + U * (np.abs(lo) + np.abs(error))
                lo = lo + error
            else:
                omitted = omitted + left_sizes[s] * right_sizes[t]
    radius = k * omitted + 2 * slack
    if left_rest.any() or right_rest.any():
        rest = left_rest * (right_sizes.sum(axis=0) + right_rest) + left_sizes.sum(axis=0) * right_rest
        radius = radius + k * (rest + TINY)
    if A.radius.any():
        radius = radius + A.radius @ B.size() + k * TINY
    if B.radius.any():
        radius = radius + A.size() @ B.radius + k * TINY
    some = (A.size() != 0).astype(np.float64) @ (B.size() != 0).astype(np.float64)
    return _normal(hi, lo, np.where(some, radius * UP, 0.0))


def _slices(A: Known, axis: int, bits: int, number: int) -> tuple[list[Array], Array, Array]:
    """A factor in a number of slices of so many bits, relative to the largest entry along `axis`.

    Returns
    -------
    list of ndarray
        The slices; their sum is ``hi + lo`` but for the rest.
    ndarray, shape (number, ...)
        The largest absolute value of each slice along `axis`, which is kept.
    ndarray
        A bound of what is left along `axis`.
    """
    largest = np.abs(A.hi).max(axis=axis, keepdims=True)
    exponent = np.frexp(largest)[1]
    if exponent.max() > HIGHEST:
        raise OutOfRange
    small = exponent < LOWEST  # their slices would underflow: all of them is left
    hi, lo = np.where(small, 0.0, A.hi), np.where(small, 0.0, A.lo)
    slices, sizes = [], []
    for number in range(1, SLICES + 1):
        grid = np.ldexp(
            1.5, exponent - number * bits + 52
        )  # rounds what is added to multiples of 2^(its exponent - 52)
        part = (hi + grid) - grid
        hi, lo = two_sum(hi - part, lo)
        slices.append(part)
        sizes.append(np.abs(part).max(axis=axis, keepdims=True))
    rest = ((np.abs(hi) + np.abs(lo)) * UP).max(axis=axis, keepdims=True) + np.where(small, 2 * largest, 0.0)
    return slices, np.stack(sizes), rest


def _normal(hi: Array, lo: Array, radius: Array) -> Known:
    """The sum of hi and lo as a rounded number and its error."""
    return Known(*two_sum(hi, lo), radius)
