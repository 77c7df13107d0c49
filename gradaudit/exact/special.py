"""Special functions: the complement and the inverse of the error function, the logarithm of gamma and its derivatives.

References
----------
NIST Digital Library of Mathematical Functions, 5.7, 5.9 and 5.15 (psi and its derivatives), 7.2 (error functions).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from flint import arb, ctx

from gradaudit.exact.functions import BELL, FUNCTIONS, Array, Function, inside, nearest, positive

#: The precision in which a float64 value is found, in bits: what is left is rounded once.
BITS = 128


def _by_balls(ball: Callable[[arb], arb]) -> Callable[[Array], Array]:
    """A function in float64, each entry a ball rounded once."""

    def plain(x: Array) -> Array:
        x = np.asarray(x, dtype=np.float64)
        with ctx.workprec(BITS):
            entries = [float(ball(arb(a))) for a in x.ravel().tolist()]
        return np.array(entries, dtype=np.float64).reshape(x.shape)

    return plain


def _erfc(x: Array) -> Array:
    return np.asarray(np.vectorize(math.erfc, otypes=[np.float64])(x))


def _density(x: Array) -> Array:
    return np.asarray(np.exp(-x * x / 2) * (1 + 1e-12) / math.sqrt(2 * math.pi))


def _steepest(low: Array, high: Array) -> Array:
    """The slope of the inverse of erf where it is largest: sqrt(pi) / 2 exp(y^2)."""
    y = ERFINV.plain(np.maximum(np.abs(low), np.abs(high)))
    return np.asarray(math.sqrt(math.pi) / 2 * np.exp(y * y) * (1 + 1e-12))


ERFC = Function(
    "erfc",
    _erfc,
    lambda x: x.erfc(),
    lambda low, high: BELL.plain(nearest(low, high)) * (1 + 1e-12),
    12,
    2.0,
    growth=lambda x: 3 * np.maximum(x, 0) ** 2,
)
ERFINV = Function("erfinv", _by_balls(lambda x: x.erfinv()), lambda x: x.erfinv(), _steepest, 32, defined=inside)
LGAMMA = Function(
    "lgamma",
    _by_balls(lambda x: x.lgamma()),
    lambda x: x.lgamma(),
    lambda low, high: np.maximum(np.abs(np.log(low)), np.abs(np.log(high))) + 1 / low,
    32,
    defined=positive,
    floor=1.0,
)

NORMAL_DENSITY = Function(
    "normal_density",
    lambda x: np.asarray(np.exp(-x * x / 2) / math.sqrt(2 * math.pi)),
    lambda x: (-(x * x) / 2).exp() / (arb.pi() * 2).sqrt(),
    lambda low, high: np.maximum(np.abs(low), np.abs(high)) * _density(nearest(low, high)),
    8,
    0.4,
    growth=lambda x: 1.5 * x * x,
    narrow=3,
)
#: The distribution of the normal law, by (1 + erf) / 2 or by erfc / 2, which err by some u of 1/2 or of the result.
NORMAL = Function(
    "normal",
    lambda x: _erfc(-x / math.sqrt(2)) / 2,
    lambda x: (x * (-arb(2).rsqrt())).erfc() / 2,
    lambda low, high: _density(nearest(low, high)),
    12,
    1.0,
    floor=0.5,
    narrow=2,
)


@lru_cache(maxsize=32)
def polygamma(n: int) -> Function:
    """The n-th derivative of psi, for positive numbers; psi itself for 0.

    It is (-1)^(n+1) n! zeta(n + 1, x) for n > 0, between (n-1)! / x^n and that and n! / x^(n+1) in size (DLMF 5.9).
    """
    factor = (-1) ** (n + 1) * math.factorial(n)

    def ball(x: Any) -> Any:
        return x.digamma() if n == 0 else (x * 0 + (n + 1)).zeta(x) * factor

    def slope(low: Array, _: Array) -> Array:
        rest = (n + 1) / low
        return np.asarray(math.factorial(n) / low ** (n + 1) * (1 + rest) * (1 + 1e-12))

    return Function(
        f"polygamma {n}", _by_balls(ball), ball, slope, 16 if n == 0 else 32, defined=positive, floor=1.0 * (n == 0)
    )


FUNCTIONS.update({f.name: f for f in (ERFC, ERFINV, LGAMMA, NORMAL, NORMAL_DENSITY)})
