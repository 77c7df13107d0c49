"""Matrix products with a rigorous radius, from float64 products that are exact.

A factor is split, without error, into slices of so few bits that every sum of products of two slices is exact in
float64, in whatever order it is added (Ozaki, Ogita, Oishi, Rump 2012, "Error-free transformations of matrix
multiplication by using fast routines of matrix multiplication"). BLAS does the work; what the omitted products of low
slices could have added is bounded and goes into the radius.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gradaudit.exact.arithmetic import OutOfRange
from gradaudit.exact.enclosure import UP, Array, Enclosure, U, two_sum

#: Slices of a factor. Of the products of slices those are computed whose numbers (from 0) add up to less: ten of 16;
#: those with the same sum in one product. More slices are for factors whose entries differ much in size.
SLICES, MORE_SLICES = 4, 5
#: What products of numbers too small to be told from 0 may have lost, at most, in each of them.
TINY = 2.0**-1000
#: Below and above these exponents slices would underflow or overflow.
LOWEST, HIGHEST = -350, 350


def split_product(A: Enclosure, B: Enclosure, number: int = SLICES) -> Enclosure:
    """``A . B`` of shapes (n, k) and (k, m), each factor split into a number of slices.

    Raises
    ------
    OutOfRange
        If the numbers are too large to be split.
    """
    (n, k), m = A.hi.shape, B.hi.shape[1]
    bits = (53 - int(k * number - 1).bit_length()) // 2
    left, right = _split(A, 1, bits, number), _split(B, 0, bits, number)
    along, across = left.parts.reshape(n, -1), right.parts.reshape(-1, m)
    hi, lo, sums = along[:, :k] @ across[-k:], np.zeros((n, m)), min(number, left.used + right.used - 1)
    for width in range(2 * k, (sums + 1) * k, k):  # products of slices whose numbers have one sum, side by side
        hi, error = two_sum(hi, along[:, :width] @ across[-width:])
        lo = lo + error
    reach = np.cumsum(right.sizes, axis=0)  # of what is left and of ever more slices: a slice's omitted partners
    radius = k * (left.sizes @ reach)
    if lo.any():
        radius = radius + (sums * U) ** 2 * k * (left.sizes.sum(axis=1, keepdims=True) * reach[-1])
    if left.sizes[:, -1].any() or right.sizes[0].any() or A.radius.any() or B.radius.any():
        size_A, size_B = A.size, B.size
        radius = radius + A.radius @ size_B + size_A @ B.radius + k * TINY
        radius = np.where((size_A != 0).astype(np.float32) @ (size_B != 0).astype(np.float32), radius, 0.0)
    return _normal(hi, lo, radius * UP)


class _Split(NamedTuple):
    """A factor as a sum of slices and what is left of it.

    Attributes
    ----------
    parts : ndarray
        Slices beside each other and then what is left (its absolute values), along a new axis before `axis`; in the
        order of a left factor, and the other way round for a right one.
    sizes : ndarray
        The largest absolute value of each along `axis`, which is gone.
    used : int
        As many slices are not all 0.
    """

    parts: Array
    sizes: Array
    used: int


def _split(A: Enclosure, axis: int, bits: int, number: int) -> _Split:
    """A left factor (axis 1) or a right one (0) in slices of so many bits, relative to the largest along `axis`."""
    largest = np.abs(A.hi).max(axis=axis, keepdims=True)
    exponent = np.frexp(largest)[1]
    if exponent.max(initial=0) > HIGHEST or not np.isfinite(A.radius).all():
        raise OutOfRange
    shape, forth = A.hi.shape, 1 if axis else -1
    parts = np.empty((*shape[:axis], number + 1, *shape[axis:]))
    *slices, left = parts.swapaxes(0, axis)[::forth]
    hi, lo, single = A.hi, A.lo, not A.lo.any()
    small = exponent < LOWEST  # slices would underflow: all is left
    if small.any():
        hi, lo = np.where(small, 0.0, hi), np.where(small, 0.0, lo)
    grid = np.ldexp(1.5, exponent + 52 - bits)  # adding 1.5 * 2^e rounds to multiples of 2^(e - 52)
    for s, part in enumerate(slices, start=1):
        if s * bits > 52 and not single:  # the slice is fine enough for lo to be seen in it
            hi, lo = two_sum(hi, lo)
        np.subtract(hi + grid, grid, out=part)
        hi = hi - part
        grid *= 2.0**-bits
    np.add(np.abs(hi), np.abs(lo), out=left)
    if small.any():
        np.add(left, np.where(small, 2 * largest, 0.0), out=left)
    sizes = np.abs(parts).max(axis=axis + 1)
    present = sizes.any(axis=1 - axis)[::forth][:number]
    return _Split(parts, sizes, number - int(present[::-1].argmax()))


def _normal(hi: Array, lo: Array, radius: Array) -> Enclosure:
    """The sum of hi and lo as a rounded number and its error."""
    return Enclosure(*two_sum(hi, lo), radius)
