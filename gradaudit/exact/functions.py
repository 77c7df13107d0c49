"""Elementary functions: each in float64, on balls, and how steep it is.

What a correct program's library may err by is in `K`, in units of u: a policy, what good libraries reach.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from flint import arb
from numpy.typing import NDArray

Array = NDArray[np.float64]


def _everywhere(low: Array, high: Array) -> NDArray[np.bool_]:
    return np.isfinite(low) & np.isfinite(high)


@dataclass(frozen=True)
class Function:
    """An elementary function.

    Attributes
    ----------
    name : str
        What it is called.
    plain : callable
        float64 array -> float64 array, with a relative error of a few u.
    ball : callable
        arb -> arb.
    slope : callable
        (low, high) -> an upper bound of |f'| between them, up to the factor 1 + 2^-40.
    K : float
        How far a correct program's result may be off, relative to the result, in units of u.
    reach : float
        An upper bound of |f|, infinite where there is none.
    defined : callable
        (low, high) -> whether f and f' exist everywhere between them.
    growth : callable
        x -> what is added to K at x, where a rounded intermediate is magnified.
    floor : float
        K is relative to the result, or to this where it is larger: near a root a library errs by so much.
    narrow : float
        How many roundings a program of float16 or bfloat16 has in that dtype: more than one where it is computed by
        parts. K comes on top, in units of float32's u.
    inverse : bool
        Whether a program may compute it as a reciprocal, which is 0 where its divisor overflows.
    """

    name: str
    plain: Callable[[Array], Array]
    ball: Callable[[arb], arb]
    slope: Callable[[Array, Array], Array]
    K: float
    reach: float = math.inf
    defined: Callable[[Array, Array], NDArray[np.bool_]] = _everywhere
    growth: Callable[[Array], Array] = np.zeros_like
    floor: float = 0.0
    narrow: float = 1.0
    inverse: bool = False


def nearest(low: Array, high: Array) -> Array:
    """The number nearest to 0 between two."""
    return np.where(low > 0, low, np.where(high < 0, high, 0.0))


def _furthest(low: Array, high: Array) -> Array:
    """The largest absolute value between two."""
    return np.maximum(np.abs(low), np.abs(high))


def positive(low: Array, high: Array) -> NDArray[np.bool_]:
    """Where both are positive and finite."""
    return np.asarray((low > 0) & np.isfinite(high))


def inside(low: Array, high: Array) -> NDArray[np.bool_]:
    """Between -1 and 1."""
    return np.asarray((low > -1) & (high < 1))


def _between_poles(low: Array, high: Array) -> NDArray[np.bool_]:
    """No pole of the tangent lies between: the cosine has one sign, over less than a period."""
    return np.asarray((high - low < 3) & (np.cos(low) * np.cos(high) > 0))


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, e) / (1 + e))


def _softplus(x: Array) -> Array:
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def _sech2(x: Array) -> Array:
    e = np.exp(-2 * np.abs(x))
    return np.asarray(4 * e / (1 + e) ** 2)


def _erf(x: Array) -> Array:
    return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(x))


def _ball_sigmoid(x: arb) -> arb:
    return 1 / (1 + (-x).exp())


def _ball_softplus(x: arb) -> arb:
    return x.exp().log1p() if x < 0 else x + (-x).exp().log1p()


def _ball_bell(x: arb) -> arb:
    return 2 / arb.pi().sqrt() * (-x * x).exp()


def _root(x: Array) -> Array:
    """1 / sqrt(x), of what was computed with a few roundings."""
    return np.asarray((1 + 2.0**-40) / np.sqrt(x))


def _bell(low: Array, high: Array) -> Array:
    return np.asarray(2 / math.sqrt(math.pi) * np.exp(-(nearest(low, high) ** 2)))


EXP = Function("exp", np.exp, lambda x: x.exp(), lambda _, high: np.exp(high), 4)
EXPM1 = Function("expm1", np.expm1, lambda x: x.expm1(), lambda _, high: np.exp(high), 8, narrow=3)
LOG = Function("log", np.log, lambda x: x.log(), lambda low, _: 1 / low, 4, defined=positive)
LOG1P = Function(
    "log1p", np.log1p, lambda x: x.log1p(), lambda low, _: 1 / (1 + low), 4, defined=lambda a, b: positive(1 + a, b)
)
SQRT = Function("sqrt", np.sqrt, lambda x: x.sqrt(), lambda low, _: 0.5 / np.sqrt(low), 2, defined=positive)
RSQRT = Function(
    "rsqrt", lambda x: 1 / np.sqrt(x), lambda x: x.rsqrt(), lambda low, _: 0.5 / low**1.5, 4, defined=positive, narrow=2
)
TANH = Function("tanh", np.tanh, lambda x: x.tanh(), lambda low, high: _sech2(nearest(low, high)), 8, 1.0)
SIGMOID = Function(
    "sigmoid",
    _sigmoid,
    _ball_sigmoid,
    lambda low, high: _sech2(nearest(low, high) / 2) / 4,
    4,
    1.0,
    narrow=3,
    inverse=True,
)
SOFTPLUS = Function("softplus", _softplus, _ball_softplus, lambda _, high: _sigmoid(high), 5, narrow=2)
ERF = Function("erf", _erf, lambda x: x.erf(), _bell, 5, 1.0)
#: The derivative of erf, 2 / sqrt(pi) exp(-x^2): it has a name of its own, since its factor is no float. The rounding
#: of the square is magnified by the exponential.
BELL = Function(
    "bell",
    lambda x: _bell(x, x),
    _ball_bell,
    lambda low, high: 2 * _furthest(low, high) * _bell(low, high),
    8,
    1.13,
    growth=lambda x: 3 * x * x,
    narrow=3,
)
SIN = Function("sin", np.sin, lambda x: x.sin(), lambda low, _: np.ones_like(low), 3, 1.0)
COS = Function("cos", np.cos, lambda x: x.cos(), lambda low, high: np.minimum(1.0, _furthest(low, high)), 3, 1.0)
ARCTAN = Function(
    "arctan", np.arctan, lambda x: x.atan(), lambda low, high: 1 / (1 + nearest(low, high) ** 2), 4, math.pi / 2
)
TAN = Function(
    "tan",
    np.tan,
    lambda x: x.tan(),
    lambda low, high: 1 / np.minimum(np.cos(low) ** 2, np.cos(high) ** 2),
    5,
    defined=_between_poles,
)
ARCSIN = Function(
    "arcsin",
    np.arcsin,
    lambda x: x.asin(),
    lambda a, b: _root(1 - _furthest(a, b) ** 2),
    8,
    math.pi / 2,
    inside,
    narrow=3,
)
ARCCOS = Function(
    "arccos", np.arccos, lambda x: x.acos(), lambda a, b: _root(1 - _furthest(a, b) ** 2), 4, math.pi, inside, narrow=3
)
SINH = Function("sinh", np.sinh, lambda x: x.sinh(), lambda low, high: np.cosh(_furthest(low, high)), 4)
COSH = Function("cosh", np.cosh, lambda x: x.cosh(), lambda low, high: np.sinh(_furthest(low, high)), 5)
ARCSINH = Function("arcsinh", np.arcsinh, lambda x: x.asinh(), lambda a, b: _root(1 + nearest(a, b) ** 2), 6, narrow=3)
ARCCOSH = Function(
    "arccosh",
    np.arccosh,
    lambda x: x.acosh(),
    lambda low, _: _root((low - 1) * (low + 1)),
    6,
    defined=lambda low, high: positive(low - 1, high),
    narrow=3,
)
ARCTANH = Function(
    "arctanh", np.arctanh, lambda x: x.atanh(), lambda a, b: 1 / (1 - _furthest(a, b) ** 2), 4, defined=inside, narrow=3
)
EXP2 = Function("exp2", np.exp2, lambda x: (x * arb(2).log()).exp(), lambda _, high: math.log(2) * np.exp2(high), 4)
LOG2 = Function(
    "log2",
    np.log2,
    lambda x: x.log() / arb(2).log(),
    lambda low, _: 1 / (math.log(2) * low),
    4,
    defined=positive,
    narrow=3,
)
LOG10 = Function(
    "log10",
    np.log10,
    lambda x: x.log() / arb(10).log(),
    lambda low, _: 1 / (math.log(10) * low),
    4,
    defined=positive,
    narrow=3,
)
CBRT = Function(
    "cbrt",
    np.cbrt,
    lambda x: x.root(3) if x > 0 else -(-x).root(3),
    lambda low, high: np.cbrt(nearest(low, high)) ** -2.0 / 3,
    6,
    defined=lambda low, high: np.asarray((low > 0) | (high < 0)),
)

#: Every function by its name.
FUNCTIONS = {
    f.name: f
    for f in (
        *(EXP, EXPM1, EXP2, LOG, LOG1P, LOG2, LOG10, SQRT, RSQRT, CBRT, TANH, SIGMOID, SOFTPLUS, ERF, BELL),
        *(SIN, COS, TAN, ARCSIN, ARCCOS, ARCTAN, SINH, COSH, ARCSINH, ARCCOSH, ARCTANH),
    )
}
#: The relative error of `plain` in float64, in units of u; a test holds it against balls.
PLAIN_K = 16.0
