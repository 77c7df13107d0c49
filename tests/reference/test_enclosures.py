"""Enclosures hold the exact values, at the size of their own radius, and are not wider than they must be."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from flint import arb, arb_mat, ctx

from gradaudit.cases.catalogue import cases
from gradaudit.exact.arithmetic import Arithmetic, OutOfRange
from gradaudit.exact.balls import Balls, enclosed
from gradaudit.exact.doubles import Doubles
from gradaudit.exact.enclosure import UNKNOWN, Enclosure, two_sum
from gradaudit.exact.pairs import Pairs
from gradaudit.reference.acceptance import CertifiedValues, accept, accept_in
from gradaudit.reference.problem import TENSORS, Problem
from tests.problems import random_problem

#: What decides every sum of the problems here.
ENOUGH = 4096
PROBLEMS = [random_problem(seed) for seed in range(40)] + [
    case.problem() for case in cases("quick") if case.step is None and case.shape.N < 10
]


def outside(values: CertifiedValues, exact: CertifiedValues) -> list[str]:
    """The tensors with an entry whose exact value is farther from ``hi + lo`` than the radius says."""
    names = []
    for name in TENSORS:
        single, other = values.tensors[name], exact.tensors[name]
        parts = (single.hi, single.lo, single.radius, other.hi, other.lo, other.radius)
        for hi, lo, radius, its_hi, its_lo, its_radius in zip(*(p.ravel().tolist() for p in parts), strict=True):
            apart = abs(arb(its_hi) + arb(its_lo) - arb(hi) - arb(lo))
            if not apart <= arb(radius) + arb(its_radius):
                names.append(name)
    return names


@pytest.mark.parametrize("A", [Doubles(), Pairs(), Balls(128)], ids=lambda A: A.name)
def test_exact_values_are_within_the_radius(A: Arithmetic[Any]) -> None:
    compared = 0
    for problem in PROBLEMS:
        with suppress(OutOfRange):
            values, exact = accept_in(A, problem).exact, accept_in(Balls(ENOUGH), problem).exact
            with ctx.workprec(ENOUGH):
                assert outside(values, exact) == []
            compared += 1
    assert compared > 50


def thirds() -> list[arb]:
    """Numbers that no pair of floats holds."""
    return [arb(n) / d for n in range(1, 40) for d in (3, 7, 11, 13)]


def test_a_radius_holds_what_rounding_to_a_pair_takes_away_and_at_most_ten_times_that() -> None:
    with ctx.workprec(ENOUGH):
        exact = thirds()
        pairs = enclosed(exact, (len(exact),))
        errors = [abs(x - arb(h) - arb(o)) for x, h, o in zip(exact, pairs.hi.tolist(), pairs.lo.tolist(), strict=True)]
        radii = pairs.radius.tolist()
        assert all(error <= arb(radius) for error, radius in zip(errors, radii, strict=True))
        assert max(radii) <= 10 * max(float(error) for error in errors)


def test_the_sum_of_pairs_is_within_its_radius_and_that_is_at_most_ten_times_too_wide() -> None:
    rng = np.random.default_rng(0)
    first, second = (
        Enclosure(*two_sum(hi, hi * rng.uniform(-(2.0**-54), 2.0**-54, hi.shape)), np.zeros_like(hi))
        for hi in rng.standard_normal((2, 40, 40))
    )
    total = first + second
    with ctx.workprec(ENOUGH):

        def exact(A: Enclosure) -> list[arb]:
            return [arb(h) + arb(o) for h, o in zip(A.hi.ravel().tolist(), A.lo.ravel().tolist(), strict=True)]

        sums = zip(exact(first), exact(second), exact(total), strict=True)
        errors = [abs(single + other - both) for single, other, both in sums]
        radii = total.radius.ravel().tolist()
        assert all(error <= arb(radius) for error, radius in zip(errors, radii, strict=True))
        assert np.median(radii) <= 10 * max(float(error) for error in errors)


def cancelling(seed: int) -> Problem:
    """A pre-activation that cancels to about the radius of a product by splitting."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(12) * 2.0 ** rng.integers(-30, 30, 12)
    w = rng.standard_normal(12)
    with ctx.workprec(ENOUGH):
        left = (arb_mat([x.tolist()]) * arb_mat([[v] for v in w.tolist()]))[0, 0]
        parts = []
        for _ in range(2 + seed % 2):
            parts.append(float(left))
            left -= parts[-1]
    X, W1 = np.array([[*x, *parts]]), np.array([*w, *(-1.0 for _ in parts)])[:, None]
    W2 = np.array([[1.0, -1.0]])
    return Problem(X=X, y=np.array([0]), W1=W1, b1=np.zeros(1), W2=W2, b2=np.zeros(2), reg=0.0)


def test_a_sign_that_splitting_decides_is_the_right_one() -> None:
    undecided = 0
    for seed in range(200):
        problem = cancelling(seed)
        fast, slow = (accept_in(A, problem).exact.sign for A in (Pairs(), Balls(ENOUGH)))
        decided = fast != UNKNOWN
        undecided += not decided.all()
        assert (fast == slow)[decided].all(), seed
    assert undecided > 0


def test_a_settled_sample_keeps_its_digits_at_few_bits() -> None:
    """At a lead of 300, p differs from 1 by 2^-433; its derivative is known at 128 bits all the same."""
    ones = np.ones((1, 1))
    settled = Problem(ones, np.array([0]), ones, np.zeros(1), np.zeros((1, 2)), np.array([300.0, 0.0]), 0.0)
    ds = accept(settled).exact.ds
    assert ds.hi[0, 0] == -ds.hi[0, 1] == pytest.approx(-np.exp(-300), rel=1e-15, abs=0)
    assert (ds.radius <= 1e-30 * np.abs(ds.hi)).all()
