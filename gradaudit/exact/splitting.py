"""Matrix products with a rigorous radius, most of each from float64 products that are exact.

A factor is split, without error, into slices of so few bits that every sum of products of two slices is exact in
float64, in whatever order it is added (Ozaki, Ogita, Oishi, Rump 2012, "Error-free transformations of matrix
multiplication by using fast routines of matrix multiplication"), and a rest. With slices A_i and B_j, A_(n-1) what
n - 1 slices leave of A, and R_s what s slices leave of B, the product in n parts is the sum of

    A_i B_j for i + j < n - 1, which is exact, and A_i R_(n-1-i) for i < n, which is rounded.

What is rounded is small. The radius is its rounding, that of sums of products in any order (Higham 2002, section 3.1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gradaudit.exact.arithmetic import OutOfRange
from gradaudit.exact.enclosure import UP, Array, Enclosure, U, two_sum

#: Parts of a factor, the rest among them. Of what float64 loses in a product of a thousand terms two leave 2^-21 or so,
#: each one more 2^-21 of that: they are for factors whose entries differ much in size.
FEW_PARTS, PARTS, MORE_PARTS = 2, 3, 5
#: Products of so many multiplications are tried with few parts first. These will do if each entry is then known to so
#: small a part of what float64 would lose: four times better than a bound asks for.
MANY, SHARP = 1 << 20, 2.0**-12
#: What products of numbers too small to be told from 0 may have lost, at most, in each of them.
TINY = 2.0**-1000
#: Below and above these exponents slices would underflow or overflow.
LOWEST, HIGHEST = -350, 350


def split_product(A: Enclosure, B: Enclosure, number: int | None = None) -> Enclosure:
    """``A . B`` of shapes (n, k) and (k, m), each factor split into a number of parts, two or more; else into a few.

    Raises
    ------
    OutOfRange
        If the numbers are too large to be split.
    """
    many = A.hi.size * B.hi.shape[1] >= MANY
    for parts in (number,) if number else (FEW_PARTS, PARTS) if many else (PARTS,):
        left, right = _split(A, 1, parts, A.hi.shape[1]), _split(B, 0, parts, A.hi.shape[1])
        hi, lo, radius = _product(left, right, A.hi.shape[1], parts)
        if parts != FEW_PARTS or number or _is_sharp(left.size, right.size, radius):
            break
    if A.radius.any():
        radius = radius + A.radius @ (right.size + B.radius)
    if B.radius.any():
        radius = radius + left.size @ B.radius
    if not hi.all() and radius.any():  # where nothing was multiplied the product is 0
        there = (A.size != 0).astype(np.float32) @ (B.size != 0).astype(np.float32)
        radius = np.where(there, radius, 0.0)
    return Enclosure(hi, lo, radius * (UP + 4 * A.hi.shape[1] * U))


class _Part(NamedTuple):
    """A slice of a factor, or what slices leave of it.

    Attributes
    ----------
    array : ndarray
        Its entries.
    largest, sums : ndarray
        The largest absolute value, and at least the sum of them, in each row of a left factor, column of a right one.
    """

    array: Array
    largest: Array
    sums: Array


class _Split(NamedTuple):
    """The slices of a factor, what 0, 1, 2 and so on of them leave of it, and its absolute values."""

    slices: list[_Part]
    rests: list[_Part]
    size: Array


def _product(left: _Split, right: _Split, k: int, number: int) -> tuple[Array, Array, Array]:
    """A product of factors without a radius, as hi + lo, and the radius."""
    first = [*left.slices, left.rests[-1]]
    hi = first[0].array @ right.slices[0].array
    lo, slack = np.zeros(()), np.zeros(())
    for s in range(1, number):
        second = right.slices[s::-1] if s < number - 1 else right.rests[::-1]
        hi, error = two_sum(hi, _total(first[: s + 1], second, hi.shape))
        lo = lo + error
        slack = slack + U * np.abs(lo) if s > 1 else slack
    hi, lo = two_sum(hi, lo) if number > 2 else (hi, lo)
    return hi, lo, _of_rounding(first, right.rests[::-1], k) + slack


def _total(first: list[_Part], second: list[_Part], shape: tuple[int, ...]) -> Array:
    """The sum of products of parts, without those that are 0."""
    pairs = zip(first, second, strict=True)
    products = [a.array @ b.array for a, b in pairs if a.largest.any() and b.largest.any()]
    return np.asarray(sum(products[1:], start=products[0])) if products else np.zeros(shape)


def _is_sharp(A: Array, B: Array, radius: Array) -> bool:
    """Whether a product of such absolute values is known well enough: float64 loses up to n u of a sum of n terms."""
    n = np.count_nonzero(A, axis=1)[:, None] + np.count_nonzero(B, axis=0) - A.shape[1]  # at least
    return bool((radius <= SHARP * U * np.maximum(n, 1) * (A @ B)).all())


def _of_rounding(first: list[_Part], second: list[_Part], k: int) -> Array:
    """What is lost in a sum of products of parts: the sums over one factor times the largest of the other.

    There are `len(first)` products of k terms, of factors that were rounded once.
    """
    roundings = (k + len(first) + 8) * U
    loss = roundings / (1 - 2 * roundings)
    rows = [*(a.sums for a in first[:-1]), first[-1].largest]
    columns = [*(b.largest for b in second[:-1]), second[-1].sums]
    faint = [k * TINY / loss * (row > 0) for row in rows]
    return loss * (np.hstack([*rows, *faint]) @ np.vstack([*columns, *(column > 0 for column in columns)]))


def _split(A: Enclosure, axis: int, number: int, k: int) -> _Split:
    """A left factor (axis 1) or a right one (0), of which k entries are added, in parts relative to the largest."""
    bits = (53 - int(k * (number - 1) - 1).bit_length()) // 2
    hi, lo, single = A.hi, A.lo, not A.lo.any()
    size = np.abs(hi)
    largest, sums = size.max(axis=axis, keepdims=True), size.sum(axis=axis, keepdims=True)
    exponent = np.frexp(largest)[1]
    if exponent.max() > HIGHEST or not np.isfinite(A.radius).all():
        raise OutOfRange
    small = exponent < LOWEST  # slices would underflow: all is left
    grid = np.ldexp(1.5, exponent + 52 - bits)  # adding 1.5 * 2^e rounds to multiples of 2^(e - 52)
    slices, rests = list[_Part](), [_Part(hi, largest, sums)]
    for s in range(1, number):
        if s * bits > 52 and not single:  # the slice is fine enough for lo to be seen in it
            hi, lo = two_sum(hi, lo)
        part = hi + grid
        part -= grid
        if small.any():
            part = np.where(small, 0.0, part)
        slices.append(_part(part, axis) if s > 1 else _Part(part, largest, (1 + k * 2.0**-bits) * sums))
        hi = hi - part
        rests.append(_part(hi if single else hi + lo, axis))
        grid *= 2.0**-bits
    return _Split(slices, rests, size)


def _part(array: Array, axis: int) -> _Part:
    """A part of a factor."""
    largest = np.maximum(array.max(axis=axis, keepdims=True), -array.min(axis=axis, keepdims=True))
    return _Part(array, largest, array.shape[axis] * largest)
