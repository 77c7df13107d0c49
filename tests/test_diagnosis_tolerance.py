"""How near a tensor has to be to a known mistake's before it is called that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.catalogue import case_of
from audit.diagnosis import Observation, diagnose
from audit.judge import Subject, judge
from audit.mistakes import MISTAKES
from tests.answers import acceptance_of


@pytest.mark.parametrize(("bounds", "known"), [(1.5, True), (5.0, False)])
def test_what_differs_from_a_mistake_by_more_than_twice_the_bound_is_not_it(bounds: float, known: bool) -> None:
    case = case_of("5x4x10x3-reg_0-random-float64-s0")
    accepted = acceptance_of(case)
    mistaken, _, changed = MISTAKES["mask_forgotten"].caller()(accepted.problem, "C", "int64")
    assert mistaken is not None
    assert abs(mistaken.b1).max() <= accepted.bound.sizes["b1"]  # so that nothing is scaled up
    moved = replace(mistaken, b1=mistaken.b1 + bounds * accepted.bound.tensors["b1"])
    finding = judge(Subject(case.id, "", "candidate", "", "float64"), moved, accepted)
    found = diagnose([Observation(case, accepted, moved, changed, finding)])
    assert ("b1" not in found.unknown) == known
