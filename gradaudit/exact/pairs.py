"""Pairs of floats, ``hi + lo``, with a radius: about 106 bits at the speed of float64.

References
----------
Dekker, "A floating-point technique for extending the available precision", Numer. Math. 18 (1971); Joldes, Muller,
Popescu, "Tight and rigorous error bounds for basic building blocks of double-word arithmetic", ACM TOMS 44 (2017).
The radii here are computed beside the values, so that no error bound of these algorithms is relied on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.arithmetic import Arithmetic, Signs
from gradaudit.exact.balls import balls, enclosed, working
from gradaudit.exact.enclosure import TINY, UP, Array, Enclosure, U, two_product, two_sum
from gradaudit.exact.exponential import exponential
from gradaudit.exact.functions import EXP, Function
from gradaudit.exact.splitting import PARTS, split_product, split_sum

#: The precision of elementary functions, in bits.
BITS = 128
#: The parts of an enclosure.
_NAMES = ("hi", "lo", "radius")


class Pairs(Arithmetic[Enclosure]):
    """hi + lo within a radius; matrix products by splitting into so many parts, or as few as will do."""

    name = "pairs of float64"

    def __init__(self, parts: int | None = None) -> None:
        self.parts = parts

    def constant(self, values: NDArray[np.floating]) -> Enclosure:
        """Floats, which are exact."""
        return Enclosure.exactly(values)

    def enclosure(self, a: Enclosure) -> Enclosure:
        """The value itself."""
        return a

    def restructure(self, change: Callable[..., Any], *arrays: Enclosure) -> Enclosure:
        """Entries arranged anew."""
        parts = (tuple(getattr(a, name) for a in arrays) for name in _NAMES)
        return Enclosure(*(np.asarray(change(*part)) for part in parts))

    def shape(self, a: Enclosure) -> tuple[int, ...]:
        """The shape of a value."""
        return a.hi.shape

    def add(self, a: Enclosure, b: Enclosure) -> Enclosure:
        """A + b."""
        with np.errstate(all="ignore"):
            hi, error = two_sum(a.hi, b.hi)
            if not a.lo.any() and not b.lo.any():
                return _normal(hi, error, a.radius + b.radius)
            lo = (a.lo + b.lo) + error
            slack = 2 * U * (np.abs(a.lo) + np.abs(b.lo) + np.abs(error))
            return _normal(hi, lo, a.radius + b.radius + slack)

    def negative(self, a: Enclosure) -> Enclosure:
        """-a."""
        return Enclosure(-a.hi, -a.lo, a.radius)

    def multiply(self, a: Enclosure, b: Enclosure) -> Enclosure:
        """A b."""
        with np.errstate(all="ignore"):
            p, error = two_product(a.hi, b.hi)
            if _is_float(a) and _is_float(b):
                faint = (np.abs(p) < 2.0**-960) & (a.hi != 0) & (b.hi != 0)
                return _normal(p, np.where(faint, 0.0, error), np.where(faint, U * np.abs(p) + 4 * TINY, 0.0))
            across, other = a.hi * b.lo, a.lo * b.hi
            lo = error + (across + other)
            slack = 4 * U * (np.abs(error) + np.abs(across) + np.abs(other)) + np.abs(a.lo * b.lo)
            moved = a.radius * b.size + a.size * b.radius
            faint = np.abs(p) < 2.0**-960  # there the error of the product underflows
            slack = np.where(faint, np.where((a.hi != 0) & (b.hi != 0), U * np.abs(p) + 4 * TINY, 0.0) + slack, slack)
            zero = (a.size == 0) | (b.size == 0)
            inexact = (lo != 0) | (a.lo != 0) | (b.lo != 0) | (a.radius != 0) | (b.radius != 0)
            radius = np.where(zero, 0.0, moved + slack + TINY * inexact)
            return _normal(p, np.where(faint, across + other, lo), radius)

    def divide(self, a: Enclosure, b: Enclosure) -> Enclosure:
        """A / b: a quotient q, and what is left, a - q b, of which a.hi less q b.hi is exact, divided by b.hi."""
        with np.errstate(all="ignore"):
            q = a.hi / b.hi
            p, error = two_product(q, b.hi)
            across = q * b.lo
            left = ((a.hi - p) - error) + (a.lo - across)
            size = np.abs(a.hi - p) + np.abs(error) + np.abs(a.lo) + np.abs(across)
            faint = (np.abs(a.hi) < 2.0**-900) | (np.abs(q) < 2.0**-900)  # there the error of the product may underflow
            zero = (a.hi == 0) & (a.lo == 0) & (a.radius == 0)
            exact = (size == 0) & (a.radius == 0) & (b.lo == 0) & (b.radius == 0) & ~faint
            moved = a.radius + np.abs(q) * b.radius
            slack = np.where(faint, 4 * U * (np.abs(a.hi) + np.abs(p)) + np.abs(a.lo) + np.abs(across), 4 * U * size)
            unsure = np.abs(b.lo) + b.radius
            least = np.abs(b.hi) * (1 - 4 * U) - unsure * UP
            r = np.where(faint, 0.0, left / b.hi)
            radius = (
                (moved + slack + 4 * TINY + np.abs(left) * (unsure / np.abs(b.hi))) / least + 4 * U * np.abs(r) + TINY
            )
            radius = np.where(zero | exact, 0.0, radius * UP)
            return _normal(q, r, np.where(least > 0, radius, np.inf))

    def function(self, f: Function, a: Enclosure) -> Enclosure:
        """f(a), on balls; the exponential by a table."""
        if f is EXP:
            return exponential(a)
        with working(BITS):
            return enclosed([f.ball(x) for x in balls(a)], a.hi.shape)

    def matmul(self, a: Enclosure, b: Enclosure) -> Enclosure:
        """The matrix product, by splitting."""
        leading = a.hi.shape[:-2]
        n, m = a.hi.shape[-2], b.hi.shape[-1]
        if not a.hi.size or not b.hi.size:
            return self.constant(np.zeros((*leading, n, m)))
        if not leading:
            return split_product(a, b, self.parts)
        products = [split_product(_at(a, i), _at(b, i), self.parts) for i in np.ndindex(*leading)]
        hi, lo, radius = (np.stack([getattr(product, name) for product in products]) for name in _NAMES)
        return Enclosure(*(array.reshape(*leading, n, m) for array in (hi, lo, radius)))

    def sum(self, a: Enclosure, axis: int) -> Enclosure:
        """The sum over one axis, by splitting."""
        axis %= a.hi.ndim
        if not a.hi.size:
            return self.constant(np.zeros(a.hi.shape[:axis] + a.hi.shape[axis + 1 :]))
        return split_sum(a, axis, self.parts or PARTS)

    def hull(self, a: Enclosure, b: Enclosure) -> Enclosure:
        """An enclosure of both."""
        with np.errstate(all="ignore"):
            middle = 0.5 * a.hi + 0.5 * b.hi
            radius = np.maximum(*(np.abs(e.hi - middle) + np.abs(e.lo) + e.radius for e in (a, b)))
            return _normal(middle, np.zeros_like(middle), radius + U * np.abs(middle) + TINY)

    def sign(self, a: Enclosure) -> Signs:
        """1, 0, -1 or UNKNOWN."""
        return a.sign()


def _is_float(a: Enclosure) -> bool:
    """Whether every number is a float, and known."""
    return not (a.lo.any() or a.radius.any())


def _at(a: Enclosure, index: tuple[int, ...]) -> Enclosure:
    """One matrix of a stack of them."""
    return Enclosure(a.hi[index], a.lo[index], a.radius[index])


def _normal(hi: Array, lo: Array, radius: Array) -> Enclosure:
    """The sum of hi and lo as a rounded number and its error; where it is not finite, nothing is known."""
    hi, lo = two_sum(hi, lo)
    known = np.isfinite(hi) & np.isfinite(lo) & np.isfinite(radius)
    if known.all():
        return Enclosure(hi, lo, radius * UP)
    return Enclosure(np.where(known, hi, 0.0), np.where(known, lo, 0.0), np.where(known, radius * UP, np.inf))
