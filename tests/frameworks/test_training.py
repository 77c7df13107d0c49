"""A real training: every step's gradient judge_items at the framework's own parameters, and where it led."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradaudit.adapters import adapter
from gradaudit.cases.catalogue import STEPS, Case, CaseError, case_of, cases
from gradaudit.cases.plan import Item
from gradaudit.cases.training import trajectory
from gradaudit.runs.run import judge_items
from gradaudit.runs.tables import tables
from gradaudit.verdicts.judge import describe
from tests.answers import FRAMEWORKS

TRAINING = [case for case in cases("standard") if case.step is not None]
TEN_STEPS = [case for case in TRAINING if (case.step or 0) % 10 == 0]
STARTS = [case for case in TRAINING if case.step == 0]


def item(case: Case, framework: str) -> Item:
    return Item(case, framework, adapter(framework).variants[0])


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("case", TEN_STEPS, ids=lambda case: case.id)
def test_ten_steps_of_a_training_are_right(case: Case, framework: str) -> None:
    steps = [replace(case, step=(case.step or 0) + n) for n in range(10)]
    result = [f for f in judge_items([item(step, framework) for step in steps]) if f.verdict != "pass"]
    assert [describe(f) for f in result] == []


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("case", STARTS, ids=lambda case: case.dtype)
def test_the_trained_network_classifies_images_it_has_not_seen(case: Case, framework: str) -> None:
    trained = trajectory(framework, adapter(framework).variants[0], case, STEPS)
    seen = {tuple(row) for problem in trained.problems for row in problem.X.tolist()}
    assert len(trained.held_out) == 360
    assert len(seen) > 1000
    assert trained.accuracy() > 0.95


@pytest.mark.parametrize("case", STARTS, ids=lambda case: case.dtype)
def test_the_trainings_start_together_and_see_the_same_batches(case: Case) -> None:
    first, other = (trajectory(name, adapter(name).variants[0], case, STEPS) for name in ("numpy", "torch"))
    assert all(np.array_equal(a.X, b.X) for a, b in zip(first.problems, other.problems, strict=True))
    assert np.array_equal(first.problems[0].W1, other.problems[0].W1)
    assert np.array_equal(first.problems[0].X, case.problem().X)


def test_the_table_tells_how_far_the_trainings_drift_apart() -> None:
    start = next(case for case in STARTS if case.dtype == "float32")
    table = tables([item(start, framework) for framework in FRAMEWORKS])["training"]
    drift = [row[2:] for row in table["rows"]]
    assert table["columns"] == ["trained by", "accuracy", "drift 1", "drift 10", "drift 100", "drift 200"]
    assert drift[0] == [0.0] * 4
    assert all(0 < row[-1] < 0.01 for row in drift[1:])
    assert "training" not in tables([item(case_of("5x4x10x3-reg_0.1-random-float64-s0"), "numpy")])


@pytest.mark.parametrize(
    "wrong", ["128x64x32x10-reg_0.0001-training-float64-s0", "5x4x10x3-reg_0.1-random-float64-s0-t1"]
)
def test_a_step_belongs_to_a_training_and_to_nothing_else(wrong: str) -> None:
    with pytest.raises(CaseError, match="a step"):
        case_of(wrong)
