"""The exponential of pairs of floats, by a table: about 64 bits, many times quicker than balls.

With L = log 2 / 64, k the whole number nearest to x / L and r = x - k L, exp x = 2^(k // 64) T[k % 64] exp r, where
T[j] = 2^(j / 64) and |r| <= 0.0055. 36 bits of L (``L1``) make ``k L1`` exact; so is ``x - k L1`` (Sterbenz).

References
----------
Tang, "Table-driven implementation of the exponential function in IEEE floating-point arithmetic", ACM TOMS 15 (1989).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from flint import arb, ctx

from gradaudit.exact.enclosure import TINY, UP, Array, Enclosure, two_product, two_sum

#: Entries of the table, and bits of the part of L that makes k L exact: k has no more than 17.
ENTRIES, BITS = 64, 36
#: Relative error, at most. Two terms of it are rounded relative to r^2 / 2 (2^-17): 2^-67 each. The table, L and the
#: series, which ends with r^7 / 5040, are known to 2^-75 or better.
ERROR = 2.0**-64


class _Table(NamedTuple):
    """L = L1 + L2, and 2^(j / 64) as pairs."""

    L1: float
    L2: float
    hi: Array
    lo: Array


@cache
def _table() -> _Table:
    with ctx.workprec(200):
        L = arb(2).log() / ENTRIES
        L1 = float(np.ldexp(np.rint(np.ldexp(float(L), BITS + 6)), -BITS - 6))
        powers = [arb(2) ** (arb(j) / ENTRIES) for j in range(ENTRIES)]
        hi = [float(power) for power in powers]
        lo = [float(power - value) for power, value in zip(powers, hi, strict=True)]
        return _Table(L1, float(L - L1), np.array(hi), np.array(lo))


def exponential(x: Enclosure) -> Enclosure:
    """Exp x; where it is beyond the floats, nothing is known."""
    table = _table()
    with np.errstate(all="ignore"):
        hi = np.clip(x.hi, -800.0, 800.0)
        k = np.rint(hi * (ENTRIES / np.log(2)))
        p, e = two_product(k, np.full_like(k, table.L2))
        r, t = two_sum(hi - k * table.L1, -p)
        rest = (t - e) + x.lo
        q = r * r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r / 5040)))))
        w = q + rest * (1 + (r + q))
        j = k.astype(np.int64)
        T_hi, T_lo = table.hi[j % ENTRIES], table.lo[j % ENTRIES]
        p, e = two_product(T_hi, r)
        first, error = two_sum(T_hi, p)
        first, second = two_sum(first, error + (e + T_lo + T_hi * w + T_lo * r))
        first, second = (np.ldexp(part, j // ENTRIES) for part in (first, second))
        radius = (first * (ERROR + np.expm1(x.radius) * UP) + TINY) * UP
        known = (np.abs(x.hi) <= 800) & np.isfinite(first) & np.isfinite(radius)
        tiny = x.hi + x.radius < -800
        first, second = np.where(known, first, 0.0), np.where(known, second, 0.0)
        return Enclosure(first, second, np.where(known, radius, np.where(tiny, TINY, np.inf)))
