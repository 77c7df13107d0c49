"""The certified values: narrow, exact where they must be, and equal to the derivative by definition."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from flint import arb, ctx

from gradaudit.cases.catalogue import case_of
from gradaudit.certify import BITS, SHARP
from gradaudit.exact.balls import Balls
from gradaudit.reference.acceptance import PrecisionExhausted, accept, accept_in
from gradaudit.reference.by_definition import KinkError, derivative
from gradaudit.reference.problem import PARAMETERS, TENSORS, Problem, Shape

#: By definition costs a loss an entry; these shapes have few.
SMALL = ("1x1x1x2", "2x3x5x2", "4x1x6x3", "3x7x1x4")


@pytest.mark.parametrize("edge", ["random", "wide_columns", "right_by_37", "exact_kinks"])
@pytest.mark.parametrize("shape", SMALL)
def test_certified_gradient_overlaps_the_derivative_by_definition(shape: str, edge: str) -> None:
    """No gradient formula takes part in the second; both balls are narrower than 1e-30: none passes by width."""
    problem = case_of(f"{shape}-reg_0.1-{edge}-float64-s0").problem()
    certified = accept_in(Balls(192), problem).exact
    compared = 0
    for name in PARAMETERS:
        enclosure = certified.tensors[name]
        for index in np.ndindex(enclosure.hi.shape):
            try:
                by_definition = derivative(problem, name, index)
            except KinkError:
                assert (certified.sign == 0).any()
                continue
            with ctx.workprec(256):
                pair = arb(float(enclosure.hi[index])) + arb(float(enclosure.lo[index]))
                scale = max(1.0, abs(float(enclosure.hi[index])))
                ball = arb(pair.mid(), scale * 1e-30)
            assert enclosure.radius[index] < 1e-30 * scale
            assert float(by_definition.rad()) < 1e-30 * scale
            assert ball.overlaps(by_definition)
            compared += 1
    assert compared > 0


def test_derivative_by_definition_refuses_a_kink_that_moves() -> None:
    problem = Problem(
        X=np.ones((1, 1)),
        y=np.array([0]),
        W1=np.ones((1, 1)),
        b1=-np.ones(1),
        W2=np.ones((1, 2)),
        b2=np.zeros(2),
        reg=0.0,
    )
    with pytest.raises(KinkError, match="kink"):
        derivative(problem, "b1", (0,))


def kink_beyond(bits: int) -> Problem:
    """A pre-activation of 1 - 1 + 2^-bits, whose sign shows only beyond that precision."""
    X = np.array([[2.0 ** (bits // 2), 2.0 ** -(bits // 2), -(2.0 ** (bits // 2))]])
    W1 = np.array([[1.0], [2.0 ** -(bits // 2)], [1.0]])
    return Problem(X=X, y=np.array([0]), W1=W1, b1=np.zeros(1), W2=np.array([[1.0, -1.0]]), b2=np.zeros(2), reg=0.0)


def test_a_sign_that_takes_more_bits_is_found_with_more_bits() -> None:
    accepted = accept(kink_beyond(400))
    assert accepted.exact.precision in {f"balls of {bits} bits" for bits in BITS[1:]}
    assert accepted.exact.sign.tolist() == [[1]]


@pytest.mark.parametrize("last_bits", [256, 1023])
def test_a_precision_that_does_not_suffice_is_said(last_bits: int) -> None:
    with pytest.raises(PrecisionExhausted, match=f"more than {last_bits} bits"):
        accept(kink_beyond(400), last_bits=last_bits)


@pytest.mark.parametrize(
    "edge", ["random", "exact_kinks", "logits_1e300", "grid_logits_1e8", "zero_parameters", "wrong_by_1000"]
)
def test_every_radius_is_far_below_its_bound(edge: str) -> None:
    accepted = accept(case_of(f"5x4x10x3-reg_0.1-{edge}-float64-s0").problem())
    for name in TENSORS:
        assert (accepted.exact.tensors[name].radius <= SHARP * accepted.bound.tensors[name]).all()


def test_hi_and_lo_hold_106_bits() -> None:
    """1/3 does not fit a float64; the pair holds it to 2^-106."""
    problem = Problem(
        X=np.ones((1, 1)),
        y=np.array([0]),
        W1=np.zeros((1, 1)),
        b1=np.zeros(1),
        W2=np.zeros((1, 3)),
        b2=np.zeros(3),
        reg=0.0,
    )
    b2 = accept(problem).exact.tensors["b2"]
    with ctx.workprec(200):
        error = abs(arb(b2.hi[1]) + arb(b2.lo[1]) - arb(1) / 3)
        assert error < arb(2) ** -106
        assert error > 0


def test_saturated_probabilities_keep_their_digits() -> None:
    """At a lead of 37, p is 1 to about an ulp; p - 1 is minus the sum of the others, to all digits."""
    problem = case_of("5x4x10x3-reg_0-right_by_37-float64-s0").problem()
    ds, label = accept_in(Balls(128), problem).exact.ds, (np.arange(5), problem.y)
    rest = ds.hi.copy()
    rest[label] = 0
    assert (-5 * ds.hi[label] <= 2.0**-52).all()
    assert -ds.hi[label] == pytest.approx(rest.sum(axis=1), rel=1e-15, abs=0)


def test_shape_prints_as_in_the_case_ids() -> None:
    assert str(Shape(5, 4, 10, 3)) == "5x4x10x3"


def loss_by_mpmath(problem: Problem, moved: str, at: tuple[int, ...], by: Any) -> Any:
    """The loss with one parameter moved, in decimal arithmetic of another library, sample by sample."""
    N, D, H, C = problem.shape
    value = {
        name: {i: mpmath.mpf(float(v)) for i, v in np.ndenumerate(getattr(problem, name))}
        for name in ("X", *PARAMETERS)
    }
    value[moved][at] += by
    total = mpmath.mpf(0)
    for i in range(N):
        a = [mpmath.fsum(value["X"][i, d] * value["W1"][d, j] for d in range(D)) + value["b1"][(j,)] for j in range(H)]
        s = [mpmath.fsum(max(a[j], 0) * value["W2"][j, c] for j in range(H)) + value["b2"][(c,)] for c in range(C)]
        total += mpmath.log(mpmath.fsum(mpmath.exp(x) for x in s)) - s[problem.y[i]]
    squares = mpmath.fsum(w**2 for name in ("W1", "W2") for w in value[name].values())
    return total / N + mpmath.mpf(problem.reg) * squares


@pytest.mark.parametrize("edge", ["random", "wide_columns", "wrong_by_20", "logits_1e4"])
@pytest.mark.parametrize("shape", SMALL)
def test_certified_gradient_agrees_with_difference_quotients_of_another_library(shape: str, edge: str) -> None:
    """Central quotients with a step of 1e-40 at 150 digits are off by 1e-80 times a third derivative."""
    problem = case_of(f"{shape}-reg_0.1-{edge}-float64-s0").problem()
    certified = accept_in(Balls(192), problem).exact
    assert np.abs(certified.a.hi).min() > 1e-12  # the step does not cross a kink
    with mpmath.workdps(150):
        step = mpmath.mpf(10) ** -40
        for name in PARAMETERS:
            enclosure = certified.tensors[name]
            for index in np.ndindex(enclosure.hi.shape):
                up, down = (loss_by_mpmath(problem, name, index, by) for by in (step, -step))
                pair = mpmath.mpf(float(enclosure.hi[index])) + mpmath.mpf(float(enclosure.lo[index]))
                assert abs((up - down) / (2 * step) - pair) <= 1e-30 * max(1, abs(pair))
