"""Powers, x log y, the angle, whole numbers, products along an axis, averages (ROUNDING.md, 2 and 5)."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
from mpmath import expm1, fprod, fsum, inf, isinf, ln, mpf, pi

from tests.library.again.entry import Again, Entry, Machine, lowest_bit, objects, times
from tests.library.again.linear import each, rows_of


def power(m: Machine, x: Again, y: Again) -> Again:
    return Again(objects([one_power(m, a, b) for a, b in each(x, y)], x.shape))


def is_whole(x: Any) -> bool:
    return bool(mpmath.floor(x) == x)


def one_power(m: Machine, a: Entry, b: Entry) -> Entry:
    if b.is_zero or (a.is_zero and b.x > b.E):
        return Entry(mpf(b.is_zero), mpf(0))
    if a.x == 0 or (a.x < 0 and not is_whole(b.x)):
        return Entry(mpf(0), inf)
    v = abs(a.x) ** b.x
    x = -v if a.x < 0 and b.x % 2 == 1 else v
    if isinf(a.E) or isinf(b.E) or abs(a.x) <= a.E or (a.x < 0 and not b.is_exact):
        return Entry(x, inf)
    D = a.E / (abs(a.x) - a.E)
    moved = v * expm1(abs(b.x) * D + b.E * (abs(ln(abs(a.x))) + D))
    return m.entry(x, moved + m.library(4) * m.u * (v + moved) + m.eta)


def xlogy(m: Machine, x: Again, y: Again) -> Again:
    return Again(objects([of_logarithm(m, a, b) for a, b in each(x, y)], x.shape))


def of_logarithm(m: Machine, a: Entry, b: Entry) -> Entry:
    if a.is_zero:
        return Entry(mpf(0), mpf(0))
    if isinf(a.E) or isinf(b.E) or b.x <= b.E:
        return Entry(a.x * ln(b.x) if b.x > 0 else mpf(0), inf)
    L, moved = abs(ln(b.x)), b.E / (b.x - b.E)
    E_L = moved + m.library(4) * m.u * (L + moved) + m.eta
    E = abs(a.x) * E_L + a.E * (L + E_L)
    return m.entry(a.x * ln(b.x), E + m.u * (abs(a.x) * L + E) + m.eta)


def arctan2(m: Machine, y: Again, x: Again) -> Again:
    return Again(objects([angle(m, b, a) for b, a in each(y, x)], x.shape))


def angle(m: Machine, y: Entry, x: Entry) -> Entry:
    v = mpmath.atan2(y.x, x.x) if x.x > 0 or y.x != 0 else mpf(0)
    if isinf(x.E) or isinf(y.E) or (x.x <= x.E and abs(y.x) <= y.E):
        return Entry(v, inf)
    least = max(abs(x.x) - x.E, 0) ** 2 + max(abs(y.x) - y.E, 0) ** 2
    moved = (x.r * y.E + y.r * x.E) / least
    return Entry(v, min(moved + m.library(5) * m.u * (abs(v) + moved) + m.eta, 2 * pi) * m.of_evaluation)


# --- whole numbers ----------------------------------------------------------------------------------------------------


def trunc(x: Any) -> Any:
    return mpmath.floor(x) if x > 0 else mpmath.ceil(x)


#: MPmath rounds a half to the even number, as programs do.
STEPS = {"floor": mpmath.floor, "ceil": mpmath.ceil, "trunc": trunc, "round": mpmath.nint}


def step(m: Machine, x: Again, to: str) -> Again:  # noqa: ARG001
    f = STEPS[to]

    def entry(a: Entry) -> Entry:
        v = f(a.x)
        E = inf if isinf(a.E) else max(abs(f(a.x + a.E) - v), abs(f(a.x - a.E) - v)) if a.E else mpf(0)
        return Entry(v, E, pure=E == 0, g=lowest_bit(v))

    return Again(objects([entry(a) for (a,) in each(x)], x.shape))


# --- along axes -------------------------------------------------------------------------------------------------------


def product(m: Machine, x: Again, axis: int, divided: bool = False) -> Again:
    moved = np.moveaxis(x.entries, axis, -1)
    if moved.size == 0:
        return Again(objects([Entry(mpf(1), mpf(0))] * math.prod(moved.shape[:-1]), moved.shape[:-1]))
    return Again(objects([of_factors(m, list(row), divided) for row in rows_of(moved)], moved.shape[:-1]))


def of_factors(m: Machine, row: list[Entry], divided: bool) -> Entry:
    v, large = fprod(e.x for e in row), fprod(max(e.r, mpf(1)) for e in row)
    if isinf(large) or m.overflows(large):
        return Entry(v, inf)
    if any(e.is_zero for e in row):
        return Entry(v, mpf(0))
    n = sum(abs(e.x) != 1 or e.E != 0 for e in row)
    moved = fsum(times(e.E, *(f.r for j, f in enumerate(row) if j != i)) for i, e in enumerate(row))
    E = moved
    if n > 1 or divided:
        E += m.gamma(m.steps(n) + 3) * (abs(v) + moved) + n * m.eta * large
    return Entry(v, E * m.of_evaluation)


def averaged(m: Machine, mean: Again, x: Again, axes: tuple[int, ...]) -> Again:
    """The bound of a mean by Welford's updates; `mean` has axes of one entry in place of those of x."""
    remaining = [a for a in range(x.entries.ndim) if a not in axes]
    N = math.prod(x.shape[a] for a in axes)
    table = x.entries.transpose(*remaining, *axes).reshape(-1, N)
    entries = []
    for (a,), row in zip(each(mean), table, strict=True):
        total = fsum(e.r for e in row)
        more = m.gamma(m.steps(2 * N + 8)) * total / N + (2 * N + 8) * m.eta
        E = inf if isinf(a.E) or m.overflows(total) else (a.E + more) * m.of_evaluation
        terms = a.terms._replace(error=a.terms.error + more) if a.terms else None
        entries.append(Entry(a.x, E, terms, closed=terms is not None))
    return Again(objects(entries, mean.shape), mean.late if any(e.terms for e in entries) else 1)
