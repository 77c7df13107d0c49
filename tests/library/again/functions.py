"""Elementary and special functions (ROUNDING.md, 5): their K, growth and floor are data, their slopes are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath
from mpmath import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atanh,
    cos,
    cosh,
    erfc,
    erfinv,
    exp,
    expm1,
    factorial,
    inf,
    isinf,
    ln,
    log1p,
    loggamma,
    mpf,
    pi,
    psi,
    sin,
    sinh,
    sqrt,
    tan,
)

from gradaudit.exact.functions import FUNCTIONS
from gradaudit.exact.special import polygamma as polygamma_of
from tests.library.again.entry import Again, Entry, Machine, objects
from tests.library.again.linear import each


def nearest(a: Any, b: Any) -> Any:
    """The number nearest to 0 between two."""
    return a if a > 0 else b if b < 0 else mpf(0)


def furthest(a: Any, b: Any) -> Any:
    return max(abs(a), abs(b))


def above(least: Any) -> Callable[[Any, Any], bool]:
    return lambda a, _: bool(a > least)


def inside(a: Any, b: Any) -> bool:
    return bool(a > -1 and b < 1)


def between_poles(a: Any, b: Any) -> bool:
    """Of the tangent, which are pi apart."""
    return bool(b - a < 3 and mpmath.floor(a / pi + mpf(1) / 2) == mpmath.floor(b / pi + mpf(1) / 2))


class Function(NamedTuple):
    """A function, the largest |f'| between two numbers, the largest |f|, and whether it is defined between them."""

    f: Callable[[Any], Any]
    slope: Callable[[Any, Any], Any]
    reach: Any = inf
    defined: Callable[[Any, Any], bool] = lambda _, __: True
    #: What is added to K at a number.
    growth: Callable[[Any], Any] = lambda _: 0
    #: What K is relative to at least.
    floor: Any = 0


def bell(x: Any) -> Any:
    return 2 / sqrt(pi) * exp(-x * x)


def density(x: Any) -> Any:
    return exp(-x * x / 2) / sqrt(2 * pi)


def complement(x: Any) -> Any:
    """Erfc, where a float's square is large by its first term: its relative error is 1 / (2 x^2)."""
    if abs(x) < 10**40:
        return erfc(x)
    return exp(-x * x) / (x * sqrt(pi)) if x > 0 else mpf(2)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))


def softplus(x: Any) -> Any:
    return log1p(exp(x)) if x < 0 else x + log1p(exp(-x))


def sech2(x: Any) -> Any:
    e = exp(-2 * abs(x))
    return 4 * e / (1 + e) ** 2


def cube_root(x: Any) -> Any:
    return mpmath.sign(x) * mpmath.cbrt(abs(x))


def logarithm(base: Any) -> Function:
    return Function(lambda x: ln(x) / ln(base), lambda a, _: 1 / (a * ln(base)), defined=above(0))


def polygamma_function(n: int) -> Function:
    """(-1)^(n+1) n! zeta(n + 1, x): psi for n = 0; the slope is what the text puts in place of the next one."""
    return Function(
        lambda x: psi(n, x),
        lambda a, _: factorial(n) / a ** (n + 1) * (1 + (n + 1) / a),
        defined=above(0),
        floor=int(n == 0),
    )


OURS: dict[str, Function] = {
    "exp": Function(exp, lambda _, b: exp(b)),
    "expm1": Function(expm1, lambda _, b: exp(b)),
    "exp2": Function(lambda x: exp(x * ln(2)), lambda _, b: ln(2) * exp(b * ln(2))),
    "log": Function(ln, lambda a, _: 1 / a, defined=above(0)),
    "log1p": Function(log1p, lambda a, _: 1 / (1 + a), defined=above(-1)),
    "log2": logarithm(2),
    "log10": logarithm(10),
    "sqrt": Function(sqrt, lambda a, _: 1 / (2 * sqrt(a)), defined=above(0)),
    "rsqrt": Function(lambda x: 1 / sqrt(x), lambda a, _: 1 / (2 * a * sqrt(a)), defined=above(0)),
    "cbrt": Function(
        cube_root, lambda a, b: 1 / (3 * cube_root(nearest(a, b)) ** 2), defined=lambda a, b: bool(a > 0 or b < 0)
    ),
    "tanh": Function(mpmath.tanh, lambda a, b: sech2(nearest(a, b)), mpf(1)),
    "sigmoid": Function(sigmoid, lambda a, b: sech2(nearest(a, b) / 2) / 4, mpf(1)),
    "softplus": Function(softplus, lambda _, b: sigmoid(b)),
    "erf": Function(mpmath.erf, lambda a, b: bell(nearest(a, b)), mpf(1)),
    "erfc": Function(complement, lambda a, b: bell(nearest(a, b)), mpf(2), growth=lambda x: 3 * max(x, 0) ** 2),
    "erfinv": Function(erfinv, lambda a, b: sqrt(pi) / 2 * exp(erfinv(furthest(a, b)) ** 2), defined=inside),
    "bell": Function(
        bell, lambda a, b: 2 * furthest(a, b) * bell(nearest(a, b)), mpf("1.13"), growth=lambda x: 3 * x * x
    ),
    "normal": Function(
        lambda x: complement(-x / sqrt(mpf(2))) / 2, lambda a, b: density(nearest(a, b)), mpf(1), floor=mpf(1) / 2
    ),
    "normal_density": Function(
        density, lambda a, b: furthest(a, b) * density(nearest(a, b)), mpf("0.4"), growth=lambda x: 3 * x * x / 2
    ),
    "lgamma": Function(loggamma, lambda a, b: max(abs(ln(a)), abs(ln(b))) + 1 / a, defined=above(0), floor=1),
    "sin": Function(sin, lambda _, __: mpf(1), mpf(1)),
    "cos": Function(cos, lambda a, b: min(mpf(1), furthest(a, b)), mpf(1)),
    "tan": Function(tan, lambda a, b: 1 / min(cos(a) ** 2, cos(b) ** 2), defined=between_poles),
    "arcsin": Function(asin, lambda a, b: 1 / sqrt(1 - furthest(a, b) ** 2), pi / 2, inside),
    "arccos": Function(acos, lambda a, b: 1 / sqrt(1 - furthest(a, b) ** 2), +pi, inside),
    "arctan": Function(atan, lambda a, b: 1 / (1 + nearest(a, b) ** 2), pi / 2),
    "sinh": Function(sinh, lambda a, b: cosh(furthest(a, b))),
    "cosh": Function(cosh, lambda a, b: sinh(furthest(a, b))),
    "arcsinh": Function(asinh, lambda a, b: 1 / sqrt(1 + nearest(a, b) ** 2)),
    "arccosh": Function(acosh, lambda a, _: 1 / sqrt((a - 1) * (a + 1)), defined=above(1)),
    "arctanh": Function(atanh, lambda a, b: 1 / (1 - furthest(a, b) ** 2), defined=inside),
}


#: Roundings in float16 or bfloat16, where there is more than one (section 9).
IN_PARTS = dict.fromkeys(
    (
        "sigmoid",
        "expm1",
        "log2",
        "log10",
        "arcsin",
        "arccos",
        "arcsinh",
        "arccosh",
        "arctanh",
        "bell",
        "normal_density",
    ),
    3,
) | dict.fromkeys(("softplus", "rsqrt", "normal"), 2)


def value(of: Function, x: Any) -> Any:
    """F(x), at the ends of where it is defined too; 0 beyond them, and where it is infinite."""
    try:
        y = of.f(x)
    except (ValueError, ZeroDivisionError):
        return mpf(0)
    return y if isinstance(y, mpf) and not isinf(y) else mpf(0)


def evaluated(m: Machine, of: Function, K: float, a: Entry, k: int = 1) -> Entry:
    """F of an entry."""
    low, high = a.x - a.E, a.x + a.E
    if isinf(a.E) or not of.defined(low, high):
        return Entry(value(of, a.x), inf)
    y = of.f(a.x)
    growth = max(of.growth(low), of.growth(high))
    moved = min(of.slope(low, high) * a.E, 2 * of.reach) if a.E else mpf(0)
    faint = max(m.eta, 1 / m.omega) if of.f is sigmoid else m.eta
    return m.entry(y, moved + (m.library(mpf(K), k) + growth) * m.u * max(abs(y) + moved, of.floor) + faint)


def function(name: str) -> Callable[..., Again]:
    """The rule of an elementary function."""
    of, K, k = OURS[name], FUNCTIONS[name].K, IN_PARTS.get(name, 1)
    return lambda m, x: Again(objects([evaluated(m, of, K, a, k) for (a,) in each(x)], x.shape))


def tanh_gradient(m: Machine, y: Again, g: Again) -> Again:
    """G (1 - y^2) from y, in any of its forms."""
    return Again(objects([_complement(m, a, b, g.late) for a, b in each(y, g)], y.shape), g.late)


def _complement(m: Machine, a: Entry, b: Entry, late: Any) -> Entry:
    x, R = b.x * (1 - a.x**2), 1 + a.r
    if isinf(a.E) or isinf(b.E) or m.overflows(max(b.r * late, mpf(1)) * R**2):
        return Entry(x, inf)
    if b.is_zero:
        return Entry(x, mpf(0))
    s = a.E * (2 * abs(a.x) + a.E)
    moved = b.E * (abs(1 - a.x**2) + s) + abs(b.x) * s
    of_sum = m.gamma(4) / 4 * b.r * a.r * R
    return m.entry(x, moved + m.gamma(4) * (abs(x) + moved) + of_sum + m.eta * R * (3 + 2 * b.r))


def polygamma(m: Machine, x: Again, n: int) -> Again:
    of, K = polygamma_function(n), polygamma_of(n).K
    return Again(objects([evaluated(m, of, K, a) for (a,) in each(x)], x.shape))
