"""Pairs of floats: their exponential and their quotients by floats, held against balls at the size of their radius."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from flint import arb, ctx
from numpy.typing import NDArray

from gradaudit.exact.enclosure import Enclosure, two_sum
from gradaudit.exact.exponential import ERROR, exponential
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


def test_a_quotient_by_a_float_is_within_its_radius() -> None:
    """At every scale, exact ones, and where products underflow; what is exact has no radius."""
    rng, A = np.random.default_rng(2), Pairs()
    scales = 10.0 ** rng.uniform(-300, 300, 3000)
    tops = [rng.normal(0, 1, 3000) * scales, rng.integers(-9, 10, 3000).astype(float), rng.normal(0, 1, 3000) * 1e-305]
    for top in tops:
        for bottom in (rng.normal(0, 1, 3000) * scales, 2.0 ** rng.integers(-30, 30, 3000), rng.integers(1, 99, 3000)):
            b = A.constant(bottom.astype(float))
            for a in (A.constant(top), pairs(top, rng), pairs(top, rng, 2.0**-80)):
                y = A.divide(a, b)
                with ctx.workprec(300):
                    for hi, lo, radius, by, got, low, around in entries(
                        a.hi, a.lo, a.radius, b.hi, y.hi, y.lo, y.radius
                    ):
                        error = abs((arb(hi) + arb(lo)) / arb(by) - arb(got) - arb(low)) + arb(radius) / abs(arb(by))
                        assert not np.isfinite(around) or error <= arb(around) * arb(1 + 1e-9), (hi, lo, by)
    halves = A.divide(A.constant(np.array([1.0, 3.0, 0.0])), A.constant(np.array([2.0, 4.0, 7.0])))
    assert halves.hi.tolist() == [0.5, 0.75, 0.0]
    assert not halves.radius.any()
