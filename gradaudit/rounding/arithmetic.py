"""The arithmetic that a correct program may use: a dtype's constants, and rounded sums of products.

The model (ROUNDING.md, section 1): IEEE arithmetic with unit roundoff u, any summation order, FMA or not, gradual
underflow or flush to zero of inputs and results.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.entries import every, highest, lowest, some

Array = NDArray[np.float64]
#: What a program may lose to an offset that all entries of a row share: by policy at most half of the digits
#: ("half"), as much as logsumexp(x) - x would lose ("whole"), or nothing ("none").
Offset = Literal["half", "whole", "none"]

#: Bounds are evaluated in float64 themselves; this factor covers that (ROUNDING.md, section 7).
OF_EVALUATION = 1 + 1e-6
#: The same for sums that are compared with a number: the largest one, or the end of exact arithmetic.
OF_OVERFLOW = 1.001
#: The exponent reported for the lowest set bit of nothing but zeros.
NO_BIT = 1 << 20


@dataclass(frozen=True)
class Arithmetic:
    """One dtype's arithmetic.

    Attributes
    ----------
    u : float
        Unit roundoff, 2^-precision.
    eta : float
        Smallest positive normal number.
    omega : float
        Largest finite number.
    precision : int
        Bits of the significand, the implicit one included: 53 or 24.
    exponents : tuple of int
        The exponents of `eta` and of the largest power of two.
    offset : {"half", "whole", "none"}
        How many digits a softmax may lose to an offset that a row shares.
    strict : bool
        Whether a program that stands exactly on a kink has to take the side that the operation defines.
    """

    u: float
    eta: float
    omega: float
    precision: int
    exponents: tuple[int, int]
    offset: Offset = "half"
    strict: bool = False

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> Arithmetic:
        """The arithmetic of a floating-point dtype."""
        return _described(np.dtype(dtype))

    @classmethod
    def described(cls, info: Any) -> Arithmetic:
        """The arithmetic that a `finfo` describes, NumPy's or that of a package of other dtypes."""
        return cls(
            u=float(info.eps) / 2,
            eta=float(info.smallest_normal),
            omega=float(info.max),
            precision=int(info.nmant) + 1,
            exponents=(int(info.minexp), int(info.maxexp) - 1),
        )

    def gamma(self, n: Any) -> Any:
        """The relative error of n roundings, n u / (1 - n u); infinite where n u >= 1 (Higham 2002, lemma 3.1)."""
        return n * self.unit(n)

    def unit(self, n: Any) -> Any:
        """What each of n roundings adds to the relative error of all of them, u / (1 - n u)."""
        if isinstance(n, (int, float)):
            return self.u / (1 - n * self.u) if n * self.u < 1 else math.inf
        return self.u / np.maximum(1 - n * self.u, 0.0)

    def subnormal(self, A: Any) -> Any:
        """|A| where it is subnormal, so that a program may flush it to zero; else 0."""
        return np.where(self.eta > A, A, 0.0) if lowest(A) < self.eta else np.zeros(A.shape)

    def unless_overflow(self, E: Array, size: Array) -> Array:
        """E, but infinite where sums of absolute values of that size may overflow."""
        if highest(size) * OF_OVERFLOW <= self.omega:
            return E
        return np.where(size * OF_OVERFLOW <= self.omega, E, np.inf)


@lru_cache(maxsize=16)
def _described(dtype: np.dtype[Any]) -> Arithmetic:
    return Arithmetic.described(np.finfo(dtype))


def magnitude_product(A: Array, B: Array) -> Array:
    """``A . B`` of non-negative factors, where 0 times infinity counts as infinite."""
    result: Array = A.dot(B)
    if math.isfinite(highest(result)):
        return result
    if (not some(A) and math.isfinite(highest(B))) or (not some(B) and math.isfinite(highest(A))):
        return np.zeros((A.shape[0], B.shape[1]))
    return or_infinite(result)


def count(A: Array, B: Array) -> Any:
    """How many products of two non-zero factors each entry of ``A . B`` adds; of a shape that is repeated to its."""
    if every(B):
        return float(A.shape[1]) if every(A) else (A != 0).sum(axis=1, keepdims=True, dtype=np.float64)
    if every(A):
        return (B != 0).sum(axis=0, keepdims=True, dtype=np.float64)
    return (A != 0).astype(np.float64) @ (B != 0).astype(np.float64)


def or_infinite(E: Array) -> Array:
    """E with infinity in place of what is undefined."""
    return E if highest(E) <= np.inf else np.where(np.isnan(E), np.inf, E)


def lowest_bits(A: Array) -> NDArray[np.int64]:
    """The exponent of the lowest bit set in each entry; NO_BIT where it is 0, or not finite."""
    bits = np.ascontiguousarray(A, dtype=np.float64).view(np.int64)
    exponent, fraction = (bits >> 52) & 0x7FF, bits & 0xFFFFFFFFFFFFF
    normal = exponent > 0
    digits = fraction | (normal.astype(np.int64) << 52)
    lowest = (digits & -digits).astype(np.float64).view(np.int64) >> 52  # a power of two: its exponent, and 1023
    result = lowest + exponent - normal - (1023 + 1074)
    return np.asarray(np.where((digits == 0) | (exponent == 0x7FF), NO_BIT, result)).reshape(np.shape(A))
