"""The misprint of the derivation's source: its formulas, letter for letter, before the judge.

What the judge holds them against is proved in test_certified.py to be the derivative of the loss by definition.
"""

from __future__ import annotations

import numpy as np
import pytest

from gradaudit.cases.catalogue import case_of
from gradaudit.reference import network
from gradaudit.reference.acceptance import accept
from gradaudit.reference.problem import PARAMETERS, Gradients, Problem
from gradaudit.verdicts.judge import Finding, Subject, describe, judge

SHAPES = ("5x4x10x3", "4x1x6x3", "17x13x11x5")


def as_printed(problem: Problem, over: int = 1) -> Gradients:
    """The gradients by the source's formulas, products in the order in which they have one; ds divided by `over`."""
    f = network.forward(problem)
    dscores = (f.p - np.eye(problem.shape.C)[problem.y]) / over
    through_relu = (dscores @ problem.W2.T) * np.where(f.h > 0, 1, 0)
    return Gradients(
        loss=network.loss(problem, f),
        W1=problem.X.T @ through_relu + 2 * problem.reg * problem.W1,
        b1=through_relu.sum(axis=0),
        W2=f.h.T @ dscores + 2 * problem.reg * problem.W2,
        b2=dscores.sum(axis=0),
    )


def judged(problem: Problem, gradients: Gradients) -> Finding:
    return judge(Subject("", "", "source", "as printed", "float64"), gradients, accept(problem))


@pytest.mark.parametrize("reg", ["0", "0.1"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_printed_gradients_are_wrong(shape: str, reg: str) -> None:
    problem = case_of(f"{shape}-reg_{reg}-random-float64-s0").problem()
    result = judged(problem, as_printed(problem))
    assert result.verdict == "wrong"
    assert result.ratio is not None
    assert result.ratio > 1e10


@pytest.mark.parametrize("reg", ["0", "0.1"])
@pytest.mark.parametrize("shape", SHAPES)
def test_with_1_over_n_put_back_they_are_right(shape: str, reg: str) -> None:
    problem = case_of(f"{shape}-reg_{reg}-random-float64-s0").problem()
    result = judged(problem, as_printed(problem, over=problem.shape.N))
    assert result.verdict == "pass", describe(result)


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_tensor_is_n_times_too_large(name: str) -> None:
    """N is 4, so that dividing by it rounds nothing."""
    problem = case_of("4x1x6x3-reg_0-random-float64-s0").problem()
    printed, mended = as_printed(problem), as_printed(problem, over=problem.shape.N)
    assert (getattr(printed, name) == problem.shape.N * getattr(mended, name)).all()
    assert getattr(printed, name).any()


def test_a_batch_of_one_does_not_show_the_misprint() -> None:
    problem = case_of("1x4x10x3-reg_0.1-random-float64-s0").problem()
    assert judged(problem, as_printed(problem)).verdict == "pass"


def test_with_regularisation_no_multiple_of_the_loss_has_the_printed_gradient() -> None:
    """The ratio printed / true would have to be one number; over W2 it is not."""
    problem = case_of("4x1x6x3-reg_0.1-random-float64-s0").problem()
    assert np.ptp(as_printed(problem).W2 / accept(problem).exact.tensors["W2"].hi) > 1
