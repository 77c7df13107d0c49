"""An enclosure: numbers known as ``hi + lo`` within a radius."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.entries import highest

Array = NDArray[np.float64]

#: Unit roundoff of float64.
U = 2.0**-53
#: What is computed of radii in float64 is made larger by this factor, which covers its own rounding.
UP = 1 + 2.0**-30
#: More than a single operation may lose by underflow, many times over.
TINY = 2.0**-1060
#: The smallest number that float64 has with all its digits.
NORMAL = 2.0**-1022


@dataclass(frozen=True, eq=False)
class Enclosure:
    """``hi + lo`` within `radius` of the exact value, entry by entry; float64 arrays of one shape.

    `hi` is the sum rounded, so that `lo` is 2^-52 of it or less. A radius of infinity says that nothing is known; it is
    never NaN.
    """

    hi: Array
    lo: Array
    radius: Array

    @classmethod
    def exactly(cls, values: Any) -> Enclosure:
        """Floats, which are exact."""
        hi = np.asarray(values, dtype=np.float64)
        zero = zeros(hi.shape)
        exact = cls(hi, zero, zero)
        exact.__dict__.update(spread=zero, is_known=True)
        return exact

    def __add__(self, other: Enclosure) -> Enclosure:
        """The sum, entry by entry; shapes may broadcast."""
        hi, error = two_sum(self.hi, other.hi)
        lo = (self.lo + other.lo) + error
        slack = 2 * U * (np.abs(self.lo) + np.abs(other.lo) + np.abs(error))
        return Enclosure(*two_sum(hi, lo), (self.radius + other.radius + slack) * UP)

    @property
    def size(self) -> Array:
        """An upper bound of the absolute values."""
        return np.asarray((np.abs(self.hi) + np.abs(self.lo) + self.radius) * UP)

    @cached_property
    def spread(self) -> Array:
        """How far the exact values may be from hi + lo before these were rounded to floats."""
        return self.radius

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where the radius is finite."""
        return np.isfinite(self.radius)

    @cached_property
    def is_known(self) -> bool:
        """Whether every radius is finite."""
        return bool(highest(self.radius) < np.inf)

    def sign(self) -> NDArray[np.int8]:
        """1, 0 (exactly zero) or -1 where the enclosure decides it, else UNKNOWN."""
        decided = np.abs(self.hi) > (np.abs(self.lo) + self.radius) * UP
        zero = (self.hi == 0) & (self.lo == 0) & (self.radius == 0)
        return np.where(decided, np.sign(self.hi), np.where(zero, 0, UNKNOWN)).astype(np.int8)


#: The sign of a number that an enclosure does not decide.
UNKNOWN = 2


_ZERO = np.zeros(1)
_ZERO.flags.writeable = False


def zeros(shape: tuple[int, ...]) -> Array:
    """Zeros that take no memory, and that nobody may write to."""
    return np.ndarray(shape, np.float64, _ZERO, 0, (0,) * len(shape))


def is_zero(a: Array) -> bool:
    """Whether an array has nothing but zeros."""
    return not (a.any() if any(a.strides) else a.flat[:1].any())


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """The rounded sum of two numbers and its error, exactly (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """The rounded product of two numbers and its error, exact where nothing under- or overflows (Dekker, Veltkamp)."""
    p = a * b
    (a1, a2), (b1, b2) = halves(a), halves(b)
    return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2


def halves(a: Any) -> tuple[Any, Any]:
    """A float as the sum of two of 26 bits."""
    c = 134217729.0 * a
    first = c - (c - a)
    return first, a - first
