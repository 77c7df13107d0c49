"""rounding.py is ROUNDING.md: every tensor of the bound, evaluated twice, on small problems of every kind."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from gradaudit.cases.catalogue import cases
from gradaudit.cases.edge_cases import EDGE_CASES
from gradaudit.reference.acceptance import accept
from gradaudit.reference.problem import TENSORS, Problem, Shape
from gradaudit.reference.rounding import bound
from gradaudit.rounding.arithmetic import Offset
from tests.problems import random_problem
from tests.reference.test_rounding import ATTACKS, problem
from tests.rounding_again import bound_again

#: More than float64 loses in sums of this length, and far less than any term of the bound.
CLOSE = 1e-12
SMALL = (Shape(1, 4, 10, 3), Shape(2, 3, 5, 2), Shape(7, 5, 3, 1))
#: Every edge case in its small shape, where an adversary looks, and random problems with kinks, offsets and zeros.
PROBLEMS: dict[str, Problem] = {
    **{case.id: case.problem() for case in cases("quick") if case.step is None and case.shape.N < 10},
    **{name: attack for name, attack in ATTACKS.items() if attack.shape.C <= 100},
    **{f"random {seed}": random_problem(seed, SMALL) for seed in range(30)},
}
#: Where one term of the bound decides that is nothing elsewhere.
PROBLEMS |= {
    "squares that underflow under a large reg": problem(reg=1e37, W1=[[2.0**-80]], W2=[[2.0**-80, -(2.0**-80)]]),
    "dh that overflows before 1/N": problem(X=[[1], [1]], W1=[[2.0**-126]], W2=[[3.3e38] * 3], b2=[0] * 3, y=[0, 1]),
    "an exact unit beside a rounded one": problem(
        X=[[2.0**24, -(2.0**24), 1]], W1=[[1, 0]] * 3, b1=[0, -1], W2=[[1, 0], [0, 1]]
    ),
    "a settled sample beside a weight of 0": problem(W2=[[1, 0]], b2=[-1000, 0], y=[1]),
}
#: Evaluated in float64, the bound of these numbers overflows, which makes it larger than the text's.
BEYOND = PROBLEMS.pop("the largest float64")


def apart(E: Any, again: Any) -> float:
    """The relative difference of a bound and its second evaluation; infinite where only one is 0 or infinite."""
    if again == E:
        return 0.0
    if mpmath.inf in (E, again) or again == 0:
        return float("inf") if again < E else float("-inf")
    return float((mpmath.mpf(E) - again) / again)


def differences(posed: Problem, offset: Offset, of_evaluation: Any) -> list[float]:
    """Of every entry of every tensor."""
    accepted = accept(posed)
    mine, again = bound(posed, accepted.exact, offset), bound_again(posed, offset, of_evaluation)
    pairs = [
        (float(E), its)
        for name in TENSORS
        for row, their in zip(np.atleast_2d(mine.tensors[name]), again.tensors[name], strict=True)
        for E, its in zip(row, their, strict=True)
    ]
    sizes = [(mine.sizes[name], again.sizes[name]) for name in TENSORS if np.isfinite(mine.sizes[name])]
    return [apart(E, its) for E, its in pairs + (sizes if of_evaluation != 1 else [])]


OF_EVALUATION = mpmath.mpf(1) + mpmath.mpf(10) ** -6


def test_every_kind_is_among_the_problems() -> None:
    kinds = {name for name, edge in EDGE_CASES.items() if edge.family not in ("images", "training")}
    missing = {kind for kind in kinds if not any(f"-{kind}-" in name for name in PROBLEMS)}
    assert missing == {"rounded_kinks"}  # posed in large shapes only; the random problems have some
    assert any(accept(posed).bound.kinks.any() for posed in PROBLEMS.values())
    assert len(PROBLEMS) > 100


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_bound_is_what_the_text_says(name: str) -> None:
    assert max(map(abs, differences(PROBLEMS[name], "half", OF_EVALUATION))) <= CLOSE


@pytest.mark.parametrize("offset", ["whole", "none"])
@pytest.mark.parametrize("name", [name for name in PROBLEMS if name in ATTACKS or "logits" in name])
def test_the_bound_with_another_offset_is_what_the_text_says(name: str, offset: Offset) -> None:
    assert max(map(abs, differences(PROBLEMS[name], offset, OF_EVALUATION))) <= CLOSE


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_evaluation_in_float64_only_enlarges_the_bound_and_little(name: str) -> None:
    """Section 7: what the multiplications by 1 + 1e-6 add is more than the evaluation loses, and below 1e-5."""
    apart = differences(PROBLEMS[name], "half", mpmath.mpf(1))
    assert min(apart) >= 0
    assert max(apart) <= 1e-5


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_power_is_what_the_text_says(name: str) -> None:
    mine, again = accept(PROBLEMS[name]).bound.resolution, bound_again(PROBLEMS[name]).power
    assert abs(apart(mine, again)) <= CLOSE


@pytest.mark.parametrize("offset", ["half", "whole", "none"])
def test_an_evaluation_that_overflows_makes_the_bound_larger(offset: Offset) -> None:
    assert min(differences(BEYOND, offset, OF_EVALUATION)) >= -CLOSE
