"""What a diagnosis says: the entry that it shows, and each thing once."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gradaudit.adapters.calls import Caller
from gradaudit.adapters.protocol import Inputs
from gradaudit.candidate.audit import Report
from gradaudit.cases.catalogue import case_of, cases
from gradaudit.commands.candidate import tables
from gradaudit.mistakes import MISTAKES, evaluate
from gradaudit.mistakes.diagnosis import diagnose
from gradaudit.reference.problem import Gradients
from gradaudit.suite import audit_implementation
from tests.observed import observed
from tests.places import IMPLEMENTATIONS

#: One unit of this case is dead.
DEAD_UNIT = "5x4x10x3-reg_0.1-first_label-float64-s0"
ENTRY = re.compile(r"for instance on (\S+): (\w+)\[.*\]: got (\S+), exact (\S+), error \S+, bound (\S+), ratio (\S+)$")


def shown(text: str) -> tuple[str, str, float, float, float, float]:
    """The case, tensor, got, exact, bound and ratio of the entry that a diagnosis shows."""
    result = ENTRY.search(text)
    assert result, text
    case, tensor, *numbers = result.groups()
    got, exact, bound, ratio = map(float, numbers)
    return case, tensor, got, exact, bound, ratio


def changed(change: Callable[[Gradients], Gradients]) -> Caller:
    """The right network, whose results are changed."""

    def gradients(inputs: Inputs) -> Gradients:
        loss, grads = evaluate({}, **inputs._asdict())
        return change(Gradients(np.asarray(loss), **grads))

    return Caller(gradients)


def test_the_entry_shown_is_not_one_that_should_be_0_on_one_class() -> None:
    """With one class p - 1 is -1e-8 here where it should be 0: the largest ratio of all."""
    observations = observed(MISTAKES["epsilon_in_softmax"].caller(), cases("quick"))
    worst = max((o.finding for o in observations), key=lambda f: f.ratio or 0)
    assert worst.exact == (0.0, 0.0)
    assert case_of(worst.case).shape.C == 1
    case, _, _, exact, bound, ratio = shown(diagnose(observations).text)
    assert case_of(case).shape.C > 1
    assert exact != 0 < bound
    assert 1 < ratio < np.inf


def test_inside_a_case_the_entry_shown_is_one_whose_exact_value_and_bound_are_not_0() -> None:
    """Dead units have a bound of 0: there any error has an infinite ratio, and is the finding's own."""
    (o,) = observed(changed(lambda g: replace(g, b1=g.b1 + 1e-3)), [case_of(DEAD_UNIT)])
    assert o.finding.ratio == np.inf
    _, tensor, got, exact, bound, ratio = shown(diagnose([o]).text)
    live = o.acceptance.bound.tensors["b1"] > 0
    assert tensor == "b1"
    assert got - exact == pytest.approx(1e-3)
    assert abs(exact) == np.abs(o.acceptance.exact.tensors["b1"].hi[live]).min()  # the largest relative error
    assert bound > 0
    assert ratio < np.inf


def test_an_entry_that_should_be_0_is_shown_where_no_other_is_wrong() -> None:
    def dead_units_moved(g: Gradients) -> Gradients:
        return replace(g, b1=np.where(g.b1 == 0, 1e-3, g.b1))

    (o,) = observed(changed(dead_units_moved), [case_of(DEAD_UNIT)])
    assert shown(diagnose([o]).text)[1:] == ("b1", 1e-3, 0.0, 0.0, np.inf)


def rows_of(report: Report) -> list[list[str]]:
    rows: list[list[str]] = tables(report)["diagnosis"]["rows"]
    return rows


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("triple", ["unknown", "note"]),
        ("centred_in_place", ["inputs_changed", "unknown", "note"]),
    ],
)
def test_the_table_has_a_row_for_each_thing_and_says_it_once(name: str, kinds: list[str]) -> None:
    rows = rows_of(audit_implementation(f"{IMPLEMENTATIONS / 'near_misses'}.py:{name}", cases="quick"))
    assert [row[0] for row in rows] == kinds
    texts = [row[1] for row in rows]
    assert not [(first, other) for first in texts for other in texts if first is not other and first in other]


def test_a_wrong_loss_alone_is_called_unknown_in_one_row() -> None:
    report = audit_implementation(f"{IMPLEMENTATIONS / 'misbehaving'}.py:loss_is_nan", cases="quick")
    assert rows_of(report) == [["unknown", "loss", ""]]


def test_another_convention_is_one_row() -> None:
    report = audit_implementation(f"{IMPLEMENTATIONS / 'misbehaving'}.py:half_l2", cases="quick")
    assert rows_of(report) == [["note", report.diagnosis.remark, ""]]
