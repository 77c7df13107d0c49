"""Sums by place: right in every arithmetic, with no more memory than the entries have."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import gradaudit
from gradaudit.exact.balls import Balls
from gradaudit.exact.doubles import Doubles
from gradaudit.exact.pairs import Pairs


@pytest.mark.parametrize("A", [Doubles(), Pairs(), Balls(256)], ids=lambda A: A.name)
def test_sums_by_place_are_those_of_fractions(A: Any) -> None:
    """Places with no entry, one, or most of them; in any order."""
    rng = np.random.default_rng(0)
    for count, size in ((0, 0), (0, 3), (1, 1), (7, 1), (8, 5), (100, 3), (64, 64), (200, 40)):
        places = (
            rng.integers(0, size, count) if rng.random() < 0.5 or not size else rng.integers(0, 1 + size // 2, count)
        )
        x = rng.standard_normal(count) * 10.0 ** rng.integers(-9, 9, count)
        exact = [Fraction(0)] * size
        for j, value in zip(places.tolist(), x.tolist(), strict=True):
            exact[j] += Fraction(value)
        with A.precision():
            sums = A.enclosure(A.scatter(A.constant(x), places.astype(np.int64), size))
        assert sums.hi.shape == (size,)
        for hi, lo, radius, value in zip(sums.hi, sums.lo, sums.radius, exact, strict=True):
            assert abs(Fraction(hi) + Fraction(lo) - value) <= Fraction(radius)
            assert radius <= 2.0**-40 * 1e10


def test_many_entries_of_one_place_need_no_table_of_all_by_all() -> None:
    """A hundred thousand entries, half of them to one of as many places: a table of both has 40 GB."""
    n, rng = 100_000, np.random.default_rng(0)
    places = np.where(rng.random(n) < 0.5, 0, rng.integers(0, n, n))
    x, c = rng.standard_normal(n), rng.standard_normal(n)

    def function(x: Any) -> Any:
        y = np.zeros(n, like=x)
        np.add.at(y, places, x)
        return (y * c).sum()

    tracemalloc.start()
    report = gradaudit.check(function, [x], [c[places]], (np.bincount(places, x, n) * c).sum())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report
    assert peak < 1000 * x.nbytes
