"""How near a tensor has to be to a known mistake's before it is called that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradaudit.cases.catalogue import case_of
from gradaudit.mistakes import MISTAKES, Mistake
from gradaudit.mistakes.composition import equal
from gradaudit.mistakes.diagnosis import diagnose
from gradaudit.mistakes.observation import Observation
from gradaudit.verdicts.judge import Subject, judge
from tests.answers import acceptance_of
from tests.observed import observed

#: The canonical network, in which nothing is replaced.
RIGHT = Mistake("none", "", "", "")


@pytest.mark.parametrize(("bounds", "known"), [(1.5, True), (5.0, False)])
def test_what_differs_from_a_mistake_by_more_than_twice_the_bound_is_not_it(bounds: float, known: bool) -> None:
    case = case_of("5x4x10x3-reg_0-random-float64-s0")
    accepted = acceptance_of(case)
    answer = MISTAKES["mask_forgotten"].caller()(accepted.problem, "C", "int64")
    mistaken, changed = answer.gradients, answer.changed
    assert mistaken is not None
    assert abs(mistaken.b1).max() <= accepted.bound.sizes["b1"]  # so that nothing is scaled up
    moved = replace(mistaken, b1=mistaken.b1 + bounds * accepted.bound.tensors["b1"])
    finding = judge(Subject(case.id, "", "candidate", "", "float64"), moved, accepted)
    result = diagnose([Observation(case, accepted, moved, changed, finding)])
    assert ("b1" not in result.unknown) == known


def test_where_a_mistake_is_no_number_only_what_is_none_equals_it() -> None:
    """The loss of log of softmax is infinite where p underflows, where the right one is a number."""
    case = case_of("5x4x10x3-reg_0.1-grid_logits_1e8-float64-s0")
    mistaken, right = (mistake.caller() for mistake in (MISTAKES["log_of_softmax"], RIGHT))
    (infinite,), (finite,) = observed(mistaken, [case]), observed(right, [case])
    assert infinite.gradients is not None
    assert finite.gradients is not None
    assert not np.isfinite(infinite.gradients.loss)
    assert equal(infinite, infinite.gradients, finite.gradients, "loss")
    assert not equal(finite, infinite.gradients, finite.gradients, "loss")
    assert not equal(infinite, finite.gradients, finite.gradients, "loss")
