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
from gradaudit.exact.enclosure import UP, Array, Enclosure, U, is_zero, two_sum

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
    k, many = A.hi.shape[1], A.hi.size * B.hi.shape[1] >= MANY
    for parts in (number,) if number else (FEW_PARTS, PARTS) if many else (PARTS,):
        bits = (53 - int(k * (parts - 1) - 1).bit_length()) // 2
        left, right = _split(A, 1, parts, bits), _split(B, 0, parts, bits)
        hi, lo, radius = _product(left, right, k, parts)
        if parts != FEW_PARTS or number or _is_sharp(left.size, right.size, radius):
            break
    if not is_zero(A.radius):
        radius = radius + (A.radius @ (right.size + B.radius) + k * TINY)
    if not is_zero(B.radius):
        radius = radius + (left.size @ B.radius + k * TINY)
    if not hi.all() and radius.any():  # where nothing was multiplied the product is 0
        there = (A.size != 0).astype(np.float32) @ (B.size != 0).astype(np.float32)
        radius = np.where(there, radius, 0.0)
    return Enclosure(hi, lo, radius * (UP + 4 * k * U))


def split_sum(A: Enclosure, axis: int, number: int = PARTS) -> Enclosure:
    """The sum over an axis, which goes: of slices, which is exact, and of what they leave, which is rounded.

    Raises
    ------
    OutOfRange
        If the numbers are too large to be split.
    """
    k = A.hi.shape[axis]
    split = _split(A, axis, number, min(50, 53 - int(k - 1).bit_length()))
    first, *others = (part.sum(axis=axis) for part in (*split.slices, split.rests[-1]))
    hi, lo, slack = first, np.zeros(()), k * k * U * (1 + 2 * k * U) * split.largest[-1].reshape(first.shape)
    for part in others:
        hi, error = two_sum(hi, part)
        lo = lo + error
        slack = slack + U * np.abs(lo)
    hi, lo = two_sum(hi, lo)
    radius = slack if is_zero(A.radius) else slack + A.radius.sum(axis=axis)
    return Enclosure(hi, lo, radius * (UP + 4 * k * U))


class _Split(NamedTuple):
    """A factor in parts.

    Attributes
    ----------
    slices, sums : list of ndarray
        Its slices, and at least the sums of their absolute values in each row of a left factor, column of a right one;
        the last sums are those of the factor itself.
    rests, largest : list of ndarray
        What 0, 1, 2 and so on slices leave of it, and their largest absolute values in each row or column.
    size : ndarray
        The absolute values of the factor.
    """

    slices: list[Array]
    sums: list[Array]
    rests: list[Array]
    largest: list[Array]
    size: Array


def _product(left: _Split, right: _Split, k: int, number: int) -> tuple[Array, Array, Array]:
    """A product of factors without a radius, as hi + lo, and the radius."""
    first = [*left.slices, left.rests[-1]]
    hi = first[0] @ right.slices[0]
    lo, slack = np.zeros(()), np.zeros(())
    for s in range(1, number):
        second = right.slices[s::-1] if s < number - 1 else right.rests[::-1]
        hi, error = two_sum(hi, _total(first[: s + 1], second, hi.shape))
        lo = lo + error
        slack = slack + U * np.abs(lo) if s > 1 else slack
    hi, lo = two_sum(hi, lo) if number > 2 else (hi, lo)
    return hi, lo, _of_rounding(left, right, k, number) + slack


def _total(first: list[Array], second: list[Array], shape: tuple[int, ...]) -> Array:
    """The sum of products of parts, without those that are 0."""
    products = [a @ b for a, b in zip(first, second, strict=True) if a.any() and b.any()]
    return np.asarray(sum(products[1:], start=products[0])) if products else np.zeros(shape)


def _is_sharp(A: Array, B: Array, radius: Array) -> bool:
    """Whether a product of such absolute values is known well enough: float64 loses up to n u of a sum of n terms."""
    n = np.count_nonzero(A, axis=1)[:, None] + np.count_nonzero(B, axis=0) - A.shape[1]  # at least
    return bool((radius <= SHARP * U * np.maximum(n, 1) * (A @ B)).all())


def _of_rounding(left: _Split, right: _Split, k: int, number: int) -> Array:
    """What is lost in a sum of products of parts: the sums over one factor times the largest of the other.

    There are as many products as parts, of k terms, whose factors were rounded once.
    """
    roundings = (k + number + 8) * U
    loss = roundings / (1 - 2 * roundings)
    rows, columns = [*left.sums[:-1], left.largest[-1]], [*right.largest[:0:-1], right.sums[-1]]
    faint = [k * TINY / loss * (row > 0) for row in rows]
    return loss * (np.concatenate((*rows, *faint), 1) @ np.concatenate((*columns, *(c > 0 for c in columns)), 0))


def _split(A: Enclosure, axis: int, number: int, bits: int) -> _Split:
    """Numbers in parts: slices of so many bits, relative to the largest along an axis, and what they leave."""
    hi, lo, single, k = A.hi, A.lo, is_zero(A.lo), A.hi.shape[axis]
    size = np.abs(hi)
    largest, sums = size.max(axis=axis, keepdims=True), size.sum(axis=axis, keepdims=True)
    exponent = np.frexp(largest)[1]
    if exponent.max() > HIGHEST or not (is_zero(A.radius) or np.isfinite(A.radius).all()):
        raise OutOfRange
    small = exponent < LOWEST if exponent.min() < LOWEST else None  # slices would underflow: all is left
    unit = np.ldexp(1.0, exponent - bits)  # of the first slice; adding 1.5 * 2^52 of them rounds to multiples of it
    split = _Split([], [], [hi], [largest], size)
    for s in range(1, number):
        if s * bits > 52 and not single:  # the slice is fine enough for lo to be seen in it
            hi, lo = two_sum(hi, lo)
        grid = unit * (1.5 * 2.0**52)
        part = hi + grid
        part -= grid
        if small is not None:
            part = np.where(small, 0.0, part)
        split.slices.append(part)
        split.sums.append((1 + k * 2.0**-bits) * sums if s == 1 else unit * (k * 2.0**bits * part.any()))
        hi = hi - part
        split.rests.append(hi if single else hi + lo)
        split.largest.append(np.abs(split.rests[-1]).max(axis=axis, keepdims=True))
        unit = unit * 2.0**-bits
    split.sums.append(sums)
    return split
