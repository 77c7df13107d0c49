"""The arithmetic that a correct program may use: a dtype's constants, and rounded sums of products.

The model (ROUNDING.md, section 1): IEEE arithmetic with unit roundoff u, any summation order, FMA or not, gradual
underflow or flush to zero of inputs and results. Of float16 and bfloat16 (section 9): what one operation adds up or
evaluates is computed in float32 at least, and rounded to the dtype.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.enclosure import zeros
from gradaudit.exact.entries import every, highest, lowest, some

Array = NDArray[np.float64]
#: What a program may lose to an offset that all entries of a row share: by policy at most half of the digits
#: ("half"), as much as logsumexp(x) - x would lose ("whole"), or nothing ("none").
Offset = Literal["half", "whole", "none"]

#: Bounds are evaluated in float64 themselves; this factor covers that (ROUNDING.md, section 7).
OF_EVALUATION = 1 + 1e-6
#: The same for sums that are compared with a number: the largest one, or the end of exact arithmetic.
OF_OVERFLOW = 1.001
#: Unit roundoff, least exponent and largest number of float32, in which narrower dtypes are accumulated.
WIDE_U, WIDE_EXPONENT, WIDE_OMEGA = 2.0**-24, -126, float(np.finfo(np.float32).max)
#: What NumPy has no `finfo` of.
BFLOAT16 = SimpleNamespace(
    eps=2.0**-7, smallest_normal=2.0**-126, max=2.0**127 * (2 - 2.0**-7), nmant=7, minexp=-126, maxexp=128
)
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
        What underflow may take: the smallest positive normal number, or of float16 half of the last bit.
    omega : float
        Largest finite number.
    precision : int
        Bits of the significand, the implicit one included: 53, 24, 11 or 8.
    exponents : tuple of int
        The exponents of the smallest normal number and of the largest power of two.
    offset : {"half", "whole", "none"}
        How many digits a softmax may lose to an offset that a row shares.
    strict : bool
        Whether a program that stands exactly on a kink has to take the side that the operation defines.
    part : float
        The unit roundoff of what one operation accumulates, in units of u: 1, or less if in a wider dtype.
    """

    u: float
    eta: float
    omega: float
    precision: int
    exponents: tuple[int, int]
    offset: Offset = "half"
    strict: bool = False
    part: float = 1.0

    @classmethod
    def of(cls, dtype: Any) -> Arithmetic:
        """The arithmetic of a floating-point dtype, or of its name."""
        return _described(dtype if isinstance(dtype, str) else np.dtype(dtype).name)

    @classmethod
    def described(cls, info: Any) -> Arithmetic:
        """The arithmetic that a `finfo` describes, NumPy's or that of a package of other dtypes."""
        u, normal = float(info.eps) / 2, float(info.smallest_normal)
        return cls(
            u=u,
            eta=normal if int(info.minexp) <= WIDE_EXPONENT else u * normal,
            omega=float(info.max),
            precision=int(info.nmant) + 1,
            exponents=(int(info.minexp), int(info.maxexp) - 1),
            part=min(1.0, WIDE_U / u),
        )

    @property
    def is_narrow(self) -> bool:
        """Whether one operation accumulates in a wider dtype."""
        return self.part != 1

    @property
    def normal(self) -> float:
        """The smallest positive normal number."""
        return float(2.0 ** self.exponents[0])

    @property
    def inverse(self) -> float:
        """What a reciprocal may lose: it is 0 where its divisor overflows; no more than `eta`, but of float16."""
        return max(self.eta, 1 / self.omega)

    @property
    def widest(self) -> float:
        """The largest number that a partial sum inside one operation may be."""
        return max(self.omega, WIDE_OMEGA) if self.is_narrow else self.omega

    def steps(self, n: Any) -> Any:
        """What n - 1 additions inside one operation and one more rounding count as, in roundings of the dtype."""
        return 2 + n * self.part if self.is_narrow else n

    def library(self, K: float) -> float:
        """The error of a library's function, in units of u, if it is K in units of its own arithmetic's."""
        return 1 + 2 * K * self.part if self.is_narrow else K

    def gamma(self, n: Any) -> Any:
        """The relative error of n roundings, n u / (1 - n u); infinite where n u >= 1 (Higham 2002, lemma 3.1)."""
        return n * self.unit(n)

    def unit(self, n: Any) -> Any:
        """What each of n roundings adds to the relative error of all of them, u / (1 - n u)."""
        if isinstance(n, (int, float)):
            return self.u / (1 - n * self.u) if n * self.u < 1 else math.inf
        return self.u / np.maximum(1 - n * self.u, 0.0)

    def subnormal(self, A: Any) -> Any:
        """|A| where it is subnormal, so that a program may flush it to zero; else 0. Float16 is not flushed."""
        if lowest(A) >= self.eta:
            return zeros(A.shape)
        return np.where(self.eta > A, np.minimum(A, self.eta * (self.eta == self.normal)), 0.0)

    def unless_overflow(self, E: Array, size: Array) -> Array:
        """E, but infinite where sums of absolute values of that size may overflow."""
        if highest(size) * OF_OVERFLOW <= self.omega:
            return E
        return np.where(size * OF_OVERFLOW <= self.omega, E, np.inf)


@lru_cache(maxsize=16)
def _described(name: str) -> Arithmetic:
    return Arithmetic.described(BFLOAT16 if name == "bfloat16" else np.finfo(name))


def is_float(dtype: Any) -> bool:
    """Whether a dtype of NumPy is one of floats; bfloat16, which NumPy has not got itself, is known by its name."""
    return bool(dtype.kind == "f" or dtype.name == "bfloat16")


def remarks(fp: Arithmetic) -> tuple[str, ...]:
    """What a report says of the model: of float64 and float32 nothing."""
    name = {8: "bfloat16", 11: "float16"}.get(fp.precision, "this arithmetic")
    return (f"in {name} each operation is taken to add up in float32, and to round its result once",) * fp.is_narrow


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
