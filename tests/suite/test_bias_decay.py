"""Decay of the biases too: its exact values and its bound, under the same attack as the canonical ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mpmath
import numpy as np
import pytest

from gradaudit.reference.acceptance import accept
from gradaudit.reference.problem import PARAMETERS, TENSORS, WEIGHTS, Gradients, Problem
from gradaudit.verdicts.judge import Subject, compare, judge
from tests.few_bits import random_network, random_program
from tests.implementations.correct import textbook
from tests.problems import random_problem, wide_problem

NOBODY = Subject("", "", "", "", "")


def with_decay(problem: Problem) -> Gradients:
    """What a NumPy program computes whose biases decay."""
    reg = problem.dtype.type(problem.reg)
    loss, g = textbook(problem.X, problem.y, problem.W1, problem.b1, problem.W2, problem.b2, reg)
    loss = loss + reg * (np.sum(problem.b1**2) + np.sum(problem.b2**2))
    return Gradients(loss, **(g | {"b1": g["b1"] + 2 * reg * problem.b1, "b2": g["b2"] + 2 * reg * problem.b2}))


def test_no_program_of_few_bits_whose_biases_decay_leaves_the_bound(
    pytestconfig: pytest.Config, figure: Callable[[str], None]
) -> None:
    """The largest ratio, which is that of b1 and b2, shows that the bound of what decay adds is not slack."""
    largest, number = 0.0, pytestconfig.getoption("--few-bit-networks") // 2
    for seed in range(number):
        rng = np.random.default_rng([seed, 13])
        program = replace(random_program(rng), decayed=PARAMETERS)
        network = random_network(rng, program.fp)
        accepted = accept(network, arithmetic=program.fp, decayed=PARAMETERS)
        offset = "whole" if program.softmax == "logsumexp" else "none"
        within = accepted.bound_allowing(offset)
        accepted, gradients = replace(accepted, bound=within), program.gradients(network)
        ratios = {name: float(compare(getattr(gradients, name), accepted, name).ratio.max()) for name in TENSORS}
        assert max(ratios.values()) <= 1, (seed, ratios, program)
        if not within.kinks.any() and network.reg > 0:
            largest = max(largest, ratios["b1"], ratios["b2"])
    figure(f"largest error/bound of b1, b2 that decay in {number} few-bit networks: {largest:.2f}")
    assert largest > 0.3


def test_a_program_whose_biases_decay_is_within_the_bound_on_random_problems() -> None:
    for seed in range(300):
        posed = random_problem(seed)
        result = judge(NOBODY, with_decay(posed), accept(posed, decayed=PARAMETERS))
        assert result.verdict in ("pass", "undecided"), (seed, result)


def test_one_whose_biases_do_not_is_wrong_there_and_the_other_way_round() -> None:
    posed = next(p for p in map(random_problem, range(20)) if p.reg == 0.1)
    decayed, canonical = accept(posed, decayed=PARAMETERS), accept(posed)
    assert judge(NOBODY, with_decay(posed), canonical).verdict == "wrong"
    reg = posed.dtype.type(posed.reg)
    loss, g = textbook(posed.X, posed.y, posed.W1, posed.b1, posed.W2, posed.b2, reg)
    assert judge(NOBODY, Gradients(loss, **g), decayed).verdict == "wrong"


@pytest.mark.parametrize("seed", range(12))
def test_the_exact_values_are_the_canonical_ones_and_the_decay(seed: int) -> None:
    """By 60 digits of another library; every third problem is of sizes that differ much."""
    posed = wide_problem(seed) if seed % 3 == 0 else random_problem(seed)
    first, other = accept(posed, decayed=PARAMETERS).exact.tensors, accept(posed).exact.tensors
    with mpmath.workdps(400):
        reg = mpmath.mpf(posed.reg)
        for name in ("b1", "b2"):
            for i, b in enumerate(getattr(posed, name).tolist()):
                decay = sum(mpmath.mpf(float(part[i])) for part in (first[name].hi, first[name].lo))
                decay -= sum(mpmath.mpf(float(part[i])) for part in (other[name].hi, other[name].lo))
                radius = mpmath.mpf(float(first[name].radius[i])) + mpmath.mpf(float(other[name].radius[i]))
                assert abs(decay - 2 * reg * mpmath.mpf(b)) <= radius
        squares = sum(mpmath.mpf(b) ** 2 for name in ("b1", "b2") for b in getattr(posed, name).tolist())
        more = [mpmath.mpf(float(e.hi)) + mpmath.mpf(float(e.lo)) for e in (first["loss"], other["loss"])]
        radius = mpmath.mpf(float(first["loss"].radius)) + mpmath.mpf(float(other["loss"].radius))
        assert abs(more[0] - more[1] - reg * squares) <= radius


def test_an_offset_of_decaying_biases_is_told_from_an_error() -> None:
    """db2 sums to 2 reg sum b2, not to 0: logsumexp(s) - s[y] with large biases stays undecided, and is not wrong."""
    rng = np.random.default_rng(3)
    X, W1, W2, b2 = (rng.standard_normal(shape) for shape in ((5, 4), (4, 6), (6, 3), (3,)))
    posed = Problem(X, np.array([0, 1, 2, 0, 1]), W1, np.zeros(6), W2, 1e9 + b2, 0.1)
    accepted = accept(posed, decayed=PARAMETERS)
    h = np.maximum(posed.X @ posed.W1, 0)
    s = h @ posed.W2 + posed.b2
    m = s.max(1, keepdims=True)
    total = m + np.log(np.exp(s - m).sum(1, keepdims=True))
    p = np.exp(s - total)
    losses = (total - s)[np.arange(5), posed.y]
    ds = np.array(p / p.sum(1, keepdims=True) - np.eye(3)[posed.y]) / 5
    da = (ds @ posed.W2.T) * (h > 0)
    data = {"W1": posed.X.T @ da, "b1": da.sum(0), "W2": h.T @ ds, "b2": ds.sum(0)}
    grads = {name: g + 2 * posed.reg * getattr(posed, name) for name, g in data.items()}
    squares = sum((getattr(posed, name) ** 2).sum() for name in PARAMETERS)
    result = judge(NOBODY, Gradients(losses.mean() + posed.reg * squares, **grads), accepted)
    assert result.verdict in ("pass", "undecided"), result
    spoilt = Gradients(losses.mean() + posed.reg * squares, **(grads | {"b2": grads["b2"] * (1 + 1e-14)}))
    assert judge(NOBODY, spoilt, accepted).verdict == "wrong"


def test_without_more_to_decay_the_acceptance_is_the_canonical_one() -> None:
    posed = random_problem(5)
    first, other = accept(posed), accept(posed, decayed=WEIGHTS)
    assert all((first.bound.tensors[n] == other.bound.tensors[n]).all() for n in TENSORS)
