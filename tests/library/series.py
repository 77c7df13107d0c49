"""Truncated series whose coefficients are balls: the derivative by its definition.

An operation's value is read in them unchanged, at x + t d: the coefficient of t of the result is the derivative along
d, the coefficient of t^2 half of the second one. FLINT composes the elementary functions; no derivative rule of the
library takes part.

References
----------
Griewank, Walther, "Evaluating Derivatives", 2nd ed., chapter 13 (Taylor coefficients).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from flint import arb, arb_series, ctx
from numpy.typing import NDArray

from gradaudit.exact.arithmetic import Arithmetic, Signs
from gradaudit.exact.balls import enclosed
from gradaudit.exact.enclosure import UNKNOWN, Enclosure
from gradaudit.exact.functions import Function

#: Coefficients of 1, t and t^2.
LENGTH = 3
Jets = NDArray[np.object_]


class Jet:
    """One number as a series. It has the methods of `arb` that the library's functions are written with."""

    def __init__(self, series: Any) -> None:
        self.series = series if isinstance(series, arb_series) else arb_series([series], prec=LENGTH)

    @classmethod
    def of(cls, *coefficients: Any) -> Jet:
        """The series of these coefficients."""
        return cls(arb_series(list(coefficients), prec=LENGTH))

    def __getitem__(self, k: int) -> arb:
        """The coefficient of t^k."""
        return self.series[k]

    def __add__(self, other: Any) -> Jet:
        return Jet(self.series + _series(other))

    def __sub__(self, other: Any) -> Jet:
        return Jet(self.series - _series(other))

    def __mul__(self, other: Any) -> Jet:
        return Jet(self.series * _series(other))

    def __truediv__(self, other: Any) -> Jet:
        return Jet(self.series / _series(other))

    def __rtruediv__(self, other: Any) -> Jet:
        return Jet(_series(other) / self.series)

    def __rsub__(self, other: Any) -> Jet:
        return Jet(_series(other) - self.series)

    def __neg__(self) -> Jet:
        return Jet(-self.series)

    __radd__, __rmul__ = __add__, __mul__

    def __lt__(self, other: Any) -> bool:
        """Which branch a function takes: decided by the value."""
        return bool(self[0] < other)

    def __gt__(self, other: Any) -> bool:
        return bool(self[0] > other)

    def __getattr__(self, name: str) -> Callable[..., Jet]:
        """What FLINT knows of series: exp, log, sqrt, rsqrt, sin, cos, erf, ..."""
        method = getattr(self.series, name)
        return lambda *arguments: Jet(method(*arguments))

    def expm1(self) -> Jet:
        """Exp - 1."""
        return self.exp() - 1

    def log1p(self) -> Jet:
        """Log of 1 + x."""
        return (self + 1).log()

    def sinh(self) -> Jet:
        """(exp x - exp -x) / 2."""
        return (self.exp() - (-self).exp()) / 2

    def cosh(self) -> Jet:
        """(exp x + exp -x) / 2."""
        return (self.exp() + (-self).exp()) / 2

    def tanh(self) -> Jet:
        """Sinh / cosh."""
        return self.sinh() / self.cosh()

    def digamma(self) -> Jet:
        """The derivative of the logarithm of gamma."""
        return self.derivative_of(lambda x: x.lgamma(), 1)

    def zeta(self, a: Jet) -> Jet:
        """Hurwitz's function of a whole number s and a: (-1)^s / (s - 1)! times the s-th derivative of lgamma."""
        s = int(float(self[0]))
        return a.derivative_of(lambda x: x.lgamma(), s) * (arb((-1) ** s) / math.factorial(s - 1))

    def erfinv(self) -> Jet:
        """Newton's method, from the value: each step doubles the coefficients that are right."""
        y = Jet(self[0].erfinv())
        for _ in range(2):
            y = y - (y.erf() - self) / ((-(y * y)).exp() * (2 / arb.pi().sqrt()))
        return y

    def derivative_of(self, f: Callable[[Any], Any], n: int) -> Jet:
        """The n-th derivative of a function that FLINT knows as a series, at this series: Taylor's formula."""
        local = f(arb_series([self[0], 1], prec=LENGTH + n))
        for _ in range(n):
            local = local.derivative()
        moved = self - self[0]
        result: Jet = Jet(local[0]) + moved * local[1] + moved * moved * local[2]
        return result

    def asinh(self) -> Jet:
        """Log of x + sqrt(x^2 + 1)."""
        return (self + (self * self + 1).sqrt()).log()

    def acosh(self) -> Jet:
        """Log of x + sqrt(x^2 - 1)."""
        return (self + (self * self - 1).sqrt()).log()

    def atanh(self) -> Jet:
        """Half of the log of (1 + x) / (1 - x)."""
        return ((self + 1) / (1 - self)).log() / 2

    def root(self, n: int) -> Jet:
        """The n-th root of what is positive."""
        return (self.log() / n).exp()


def _series(x: Any) -> arb_series:
    return x.series if isinstance(x, Jet) else arb_series([x], prec=LENGTH)


class Series(Arithmetic[Jets]):
    """Arrays of jets; to be used inside `precision`."""

    def __init__(self, bits: int) -> None:
        self.bits = bits

    def precision(self) -> Any:
        """The context in which the arithmetic computes."""
        return ctx.workprec(self.bits)

    def along(self, x: NDArray[np.floating], d: NDArray[np.floating]) -> Jets:
        """The series x + t d."""
        pairs = zip(np.ravel(x).tolist(), np.ravel(d).tolist(), strict=True)
        return _array([Jet.of(a, b) for a, b in pairs], np.shape(x))

    def constant(self, values: NDArray[np.floating]) -> Jets:
        """Floats, which are exact and do not depend on t."""
        return _array([Jet(x) for x in np.ravel(values).tolist()], np.shape(values))

    def enclosure(self, a: Jets) -> Enclosure:
        """The value, at t = 0."""
        return enclosed([x[0] for x in a.ravel()], a.shape)

    def restructure(self, change: Callable[..., Any], *arrays: Jets) -> Jets:
        """Entries arranged anew; what was 0 in the arrangement becomes a jet."""
        changed = np.asarray(change(*arrays), dtype=object)
        return _array([x if isinstance(x, Jet) else Jet(x) for x in changed.ravel()], changed.shape)

    def shape(self, a: Jets) -> tuple[int, ...]:
        """The shape of a value."""
        return a.shape

    def add(self, a: Jets, b: Jets) -> Jets:
        """A + b."""
        return np.asarray(a + b, dtype=object)

    def negative(self, a: Jets) -> Jets:
        """-a."""
        return np.asarray(-a, dtype=object)

    def multiply(self, a: Jets, b: Jets) -> Jets:
        """A b."""
        return np.asarray(a * b, dtype=object)

    def divide(self, a: Jets, b: Jets) -> Jets:
        """A / b."""
        return np.asarray(a / b, dtype=object)

    def function(self, f: Function, a: Jets) -> Jets:
        """f(a), as it is written for balls; its value must be that on balls."""
        results: list[Any] = [f.ball(x) for x in a.ravel()]  # a jet is used like a ball
        for x, y in zip(a.ravel(), results, strict=True):
            assert y[0].overlaps(f.ball(x[0])), f"{f.name} of a series has another value than {f.name} of a ball"
        return _array(results, a.shape)

    def matmul(self, a: Jets, b: Jets) -> Jets:
        """The matrix product."""
        return self.sum(np.asarray(a[..., :, :, None] * b[..., None, :, :], dtype=object), a.ndim - 1)

    def sum(self, a: Jets, axis: int) -> Jets:
        """The sum over one axis."""
        return np.asarray(np.add.reduce(a, axis=axis, initial=Jet(0)), dtype=object)

    def hull(self, a: Jets, b: Jets) -> Jets:
        """An enclosure of both."""
        pairs = zip(a.ravel(), b.ravel(), strict=True)
        return _array([Jet.of(*(x[k].union(y[k]) for k in range(LENGTH))) for x, y in pairs], a.shape)

    def sign(self, a: Jets) -> Signs:
        """1, 0, -1 or UNKNOWN for small t > 0: that of the first coefficient that is not 0."""
        return np.array([_sign(x) for x in a.ravel()], dtype=np.int8).reshape(a.shape)


def _sign(x: Jet) -> int:
    for k in range(LENGTH):
        if not x[k].is_zero():
            return 1 if x[k] > 0 else -1 if x[k] < 0 else UNKNOWN
    return 0


def _array(entries: Sequence[Any], shape: tuple[int, ...]) -> Jets:
    array = np.empty(len(entries), dtype=object)
    array[:] = entries
    return array.reshape(shape)
