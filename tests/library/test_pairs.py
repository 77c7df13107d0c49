"""Pairs of floats: their exponential, quotients and sums, held against balls at the size of their radius."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx
from numpy.typing import NDArray

from gradaudit.exact.enclosure import Enclosure, two_sum
from gradaudit.exact.exponential import ERROR, exponential
from gradaudit.exact.functions import LOG
from gradaudit.exact.pairs import Pairs

Array = NDArray[np.float64]


def pairs(hi: Array, rng: np.random.Generator, radius: float = 0.0) -> Enclosure:
    """Numbers with digits in their low parts."""
    lo = hi * rng.uniform(-(2.0**-54), 2.0**-54, hi.shape)
    return Enclosure(*two_sum(hi, lo), np.abs(hi) * radius)


def entries(*arrays: Array) -> Iterator[Any]:
    return zip(*(array.ravel().tolist() for array in arrays), strict=True)


def test_an_exponential_is_within_its_radius(figure: Callable[[str], None]) -> None:
    """Everywhere, at the ends of the floats, and in the middle between two entries of the table."""
    rng = np.random.default_rng(0)
    ends = [0, -0.0, 709.7, -744.0, -745.2, -800, -800.5, 710.0, 1e308, -1e308]
    parts = (
        rng.uniform(-750, 710, 4000),
        rng.normal(0, 1, 4000),
        rng.normal(0, 1e-5, 2000),
        1e-300 * rng.normal(0, 1, 99),
    )
    x = pairs(np.concatenate([*parts, ends, (np.arange(-2000, 2000) + 0.5) * np.log(2) / 64]), rng)
    y, worst = exponential(x), 0.0
    with ctx.workprec(300):
        for hi, lo, got, low, radius in entries(x.hi, x.lo, y.hi, y.lo, y.radius):
            exact = (arb(hi) + arb(lo)).exp()
            error = abs(exact - arb(got) - arb(low))
            assert not np.isfinite(radius) or error <= arb(radius), hi
            worst = max(worst, float(error / exact)) if -690 < hi < 709 else worst
    assert np.isfinite(y.radius[np.abs(x.hi) < 709]).all()
    assert not np.isfinite(y.radius[x.hi > 709.8]).any()
    figure(
        f"largest relative error of the exponential of pairs: 2^{np.log2(worst):.1f}; allowed 2^{np.log2(ERROR):.0f}"
    )
    assert ERROR / 64 < worst <= ERROR


def test_an_exponential_of_what_is_known_within_a_radius_holds_both_ends() -> None:
    rng = np.random.default_rng(1)
    for width in (1e-20, 1e-9, 1e-2, 1.0):
        x = pairs(rng.normal(0, 10, 300), rng, width)
        y = exponential(x)
        with ctx.workprec(300):
            for hi, lo, radius, got, low, around in entries(x.hi, x.lo, x.radius, y.hi, y.lo, y.radius):
                for end in (arb(hi) + arb(lo) - arb(radius), arb(hi) + arb(lo) + arb(radius)):
                    assert abs(end.exp() - arb(got) - arb(low)) <= arb(around)


def bottoms(scales: Array, rng: np.random.Generator) -> list[Enclosure]:
    """What is divided by: numbers of every scale, powers of two and whole numbers; as they are, and with low parts."""
    n, A = len(scales), Pairs()
    floats = [rng.normal(0, 1, n) * scales, 2.0 ** rng.integers(-30, 30, n), rng.integers(1, 99, n).astype(float)]
    return [*map(A.constant, floats), *(pairs(b, rng) for b in floats), *(pairs(b, rng, 2.0**-70) for b in floats)]


def test_a_quotient_is_within_its_radius(figure: Callable[[str], None]) -> None:
    """At every scale, exact ones, and where products underflow; what is exact has no radius."""
    rng, A, n, worst = np.random.default_rng(2), Pairs(), 500, 0.0
    scales = 10.0 ** rng.uniform(-300, 300, n)
    tops = [rng.normal(0, 1, n) * scales, rng.integers(-9, 10, n).astype(float), rng.normal(0, 1, n) * 1e-305]
    for top in tops:
        for b in bottoms(scales, rng):
            for a in (A.constant(top), pairs(top, rng), pairs(top, rng, 2.0**-80)):
                y = A.divide(a, b)
                parts = (*(getattr(e, name) for e in (a, b, y) for name in ("hi", "lo", "radius")),)
                with ctx.workprec(400):
                    for a1, a2, ra, b1, b2, rb, got, low, around in entries(*parts):
                        if not np.isfinite(around):
                            continue
                        for sign in (-1, 1):
                            exact = (abs(arb(a1) + arb(a2)) + arb(ra)) / (abs(arb(b1) + arb(b2)) + sign * arb(rb))
                            error = abs(exact - abs(arb(got) + arb(low)))
                            assert error <= arb(around) * arb(1 + 1e-9), (a1, b1)
                        if not (ra or rb) and 1e-200 < abs(a1) < 1e200 and 1e-100 < abs(got) < 1e100:
                            worst = max(worst, around / abs(got))
    figure(f"largest radius of a quotient of pairs, relative to it: 2^{np.log2(worst):.1f}")
    assert worst < 2.0**-98
    halves = A.divide(A.constant(np.array([1.0, 3.0, 0.0])), A.constant(np.array([2.0, 4.0, 7.0])))
    assert halves.hi.tolist() == [0.5, 0.75, 0.0]
    assert not halves.radius.any()


def test_a_quotient_by_what_may_be_zero_is_not_known() -> None:
    A = Pairs()
    b = Enclosure(np.array([0.0, 1e-30, -1.0]), np.zeros(3), np.array([0.0, 1e-30, 2.0]))
    assert not np.isfinite(A.divide(A.constant(np.array([0.0, 1.0, 1.0])), b).radius).any()


@pytest.mark.parametrize("number", [2, 3, 5, None])
def test_a_sum_is_within_its_radius(number: int | None) -> None:
    """Numbers of very different sizes, sums that cancel, subnormal and huge ones, whole ones; over any axis."""
    rng, A = np.random.default_rng(number), Pairs(number)
    for k in (1, 2, 3, 7, 64, 1000):
        for widths in ((0, 1), (-40, 40), (-300, 300), (-1060, -1000), (330, 340)):
            hi = rng.normal(0, 1, (3, k, 2)) * 2.0 ** rng.integers(*widths, (3, k, 2))
            hi[0, :, 0] = rng.uniform(1, 2, k) * 2.0 ** widths[0]  # sums as large as they may be
            hi[1] = np.round(hi[1])
            hi[2, k // 2 :] = -hi[2, : k - k // 2]
            for a in (A.constant(hi), pairs(hi, rng), pairs(hi, rng, 2.0**-90)):
                y = A.sum(a, 1)
                with ctx.workprec(3000):
                    for i, j in np.ndindex(3, 2):
                        exact = sum((arb(hi) + arb(lo) for hi, lo in entries(a.hi[i, :, j], a.lo[i, :, j])), arb(0))
                        around = sum(map(arb, a.radius[i, :, j].tolist()), arb(0))
                        error = abs(exact - arb(float(y.hi[i, j])) - arb(float(y.lo[i, j]))) + around
                        assert error <= arb(float(y.radius[i, j])) * arb(1 + 1e-9), (k, widths, i)


def test_a_sum_of_whole_numbers_is_exact() -> None:
    """Where float64 adds them without rounding, so does a sum of pairs; over the first axis, the last and between."""
    x = np.random.default_rng(0).integers(-(2**40), 2**40, (5, 60, 7)).astype(float)
    for axis in range(3):
        y = Pairs().sum(Enclosure.exactly(x), axis)
        assert (y.hi == x.sum(axis=axis)).all()
        assert not y.lo.any()
        assert not y.radius.any()


def test_what_pairs_compute_is_a_rounded_number_and_its_error() -> None:
    """Products by splitting rely on it: the low part is nothing beside the high one."""
    rng, A = np.random.default_rng(3), Pairs()
    x, y = (pairs(rng.normal(0, 1, (40, 40)) * 2.0 ** rng.integers(-60, 60, (40, 40)), rng) for _ in range(2))
    results = [A.add(x, y), A.multiply(x, y), A.divide(x, y), A.matmul(x, y), A.sum(x, 0), A.hull(x, y)]
    results += [exponential(pairs(rng.normal(0, 9, 900), rng)), A.function(LOG, pairs(rng.uniform(0.1, 9, 900), rng))]
    for z in results:
        assert (np.abs(z.lo) <= 2.0**-52 * np.abs(z.hi)).all()
