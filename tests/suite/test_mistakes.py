"""The suite's power: every known mistake is caught, and the network they are made from is the canonical one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradaudit import command_line
from gradaudit.adapters.calls import hand_over
from gradaudit.cases.catalogue import Case, case_of, cases
from gradaudit.mistakes import MISTAKES, Mistake, evaluate
from gradaudit.mistakes.detection import detection, gradcheck, uncaught, verdict_on
from gradaudit.reference import network
from gradaudit.reference.problem import Problem
from tests.answers import acceptance_of

QUICK = cases("quick")
#: Shapes do not fit there, unless two sizes happen to be equal.
RAISING = {"x_for_h", "w2_not_transposed"}


def inputs(problem: Problem) -> dict[str, Any]:
    return hand_over(problem)._asdict()


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    """The detection of the quick cases."""
    return detection(tuple(QUICK))


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.id)
def test_without_a_mistake_the_steps_are_the_canonical_network(case: Case) -> None:
    problem = case.problem()
    loss, grads = evaluate({}, **inputs(problem))
    canonical = network.gradients(problem)
    assert np.array_equal(loss, canonical.loss, equal_nan=True)
    assert all(np.array_equal(grads[name], getattr(canonical, name), equal_nan=True) for name in grads)


def test_there_are_at_least_thirty_and_each_says_what_it_is() -> None:
    assert len(MISTAKES) >= 30
    assert all(m.sentence and m.source and m.formula and (m.changes or m.wrap) for m in MISTAKES.values())


def test_every_mistake_is_caught_by_the_quick_cases(table: dict[str, Any]) -> None:
    assert uncaught(table) == []


def test_mistakes_are_wrong_not_broken() -> None:
    """A mistake that only raises would prove nothing of the judge."""
    case = case_of("5x4x10x3-reg_0.1-random-float64-s0")
    verdicts = {n: verdict_on(m.caller(), case, acceptance_of(case)).verdict for n, m in MISTAKES.items()}
    assert {name for name, verdict in verdicts.items() if verdict == "error"} == RAISING


def test_a_wrong_derivative_at_the_kink_is_caught_where_kinks_are(table: dict[str, Any]) -> None:
    """And nowhere else: units are exactly at their kink only in cases made of integers."""
    row = next(row for row in table["rows"] if row[0] == "relu_derivative_1_at_0")
    catching = [column for column, cell in zip(table["columns"], row, strict=True) if isinstance(cell, int) and cell]
    assert [column.partition(" (")[0] for column in catching] == ["kinks", "exact logits"]


def test_a_checker_of_difference_quotients_misses_what_this_one_catches() -> None:
    """It compares a function with itself: it sees a wrong derivative, not a wrong function, and no kink."""
    assert gradcheck("mean_missing") == "fails"
    assert [gradcheck(name) for name in ("relu_derivative_1_at_0", "no_relu", "bias_regularised")] == ["passes"] * 3


def test_the_right_network_passes_the_other_checker_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MISTAKES, "none", Mistake("none", "", "", ""))
    assert gradcheck("none") == "passes"


def test_a_mistake_that_nothing_catches_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(MISTAKES, "harmless", Mistake("harmless", "nothing is wrong", "nowhere", "nothing"))
    detection.cache_clear()
    assert command_line.main(["mistakes", "-k", "5x4x10x3-reg_0.1-random"]) == 1
    printed = capsys.readouterr().out
    assert "not harmless" in printed
    assert "mean_missing: 1/N is missing" in printed


def test_a_case_that_catches_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    detection.cache_clear()
    for name in set(MISTAKES) - {"relu_derivative_1_at_0"}:
        monkeypatch.delitem(MISTAKES, name)
    result = detection(tuple(case_of(f"5x4x10x3-reg_0.1-{edge}-float64-s0") for edge in ("random", "exact_kinks")))
    detection.cache_clear()
    assert "Caught nothing: random." in result["note"]


def test_state_is_a_mistakes_own() -> None:
    """Two uses of the same mistake do not see one another."""
    problem = case_of("5x4x10x3-reg_0.1-random-float64-s0").problem()
    single, two = (MISTAKES["accumulated"].implementation() for _ in range(2))
    first, again = (single(*hand_over(problem))[1]["b2"] for _ in range(2))
    assert (again == 2 * first).all()
    assert (two(*hand_over(problem))[1]["b2"] == first).all()
