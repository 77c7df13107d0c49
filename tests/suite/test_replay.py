"""One finding again, entry by entry."""

from __future__ import annotations

from typing import Any

import pytest

from gradaudit import command_line
from gradaudit.cases.catalogue import case_of
from gradaudit.cases.plan import Item
from gradaudit.reference import network
from gradaudit.reference.problem import Gradients
from gradaudit.runs.replay import replay

KINKS = "5x4x10x3-reg_0.1-exact_kinks-float64-s0"


def test_a_right_gradient_has_no_entry_outside_its_bound() -> None:
    result = replay(Item(case_of(KINKS), "torch", "autograd"), number=7)
    assert (result.finding.verdict, result.outside, result.total, len(result.entries)) == (
        "pass",
        0,
        1 + 40 + 10 + 30 + 3,
        7,
    )
    ratios = [entry.ratio for entry in result.entries]
    assert ratios == sorted(ratios, reverse=True)
    assert result.entries[0].ratio == result.finding.ratio


def test_a_wrong_entry_is_the_first_and_says_where_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Derivative 1 at the kink: the units of sample 0, which are at it, are wrong, and nothing else is."""

    def careless(problem: Any) -> Gradients:
        f = network.forward(problem)
        back = network.backward(problem, f)
        da = back.dh * (f.a >= 0)
        right = gradients(problem)
        dW1 = problem.X.T @ da + 2 * problem.reg * problem.W1
        return Gradients(right.loss, dW1, da.sum(axis=0), right.W2, right.b2)

    gradients = network.gradients
    monkeypatch.setattr(network, "gradients", careless)
    result = replay(Item(case_of(KINKS), "numpy", "reference"), number=3)
    assert result.finding.verdict == "wrong"
    assert {entry.tensor for entry in result.entries} <= {"W1", "b1"}
    assert all("exactly at its kink in sample" in entry.place for entry in result.entries)
    assert command_line.main(["replay", KINKS, "--framework", "numpy", "--entries", "2"]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("wrong numpy.reference " + KINKS)
    assert printed.count("got ") == 2


def test_an_undecidable_kink_is_named() -> None:
    result = replay(Item(case_of("1000x8x8x3-reg_0.1-rounded_kinks-float64-s0"), "torch", "autograd"), number=1)
    assert "at a kink that rounding decides in sample 0" in result.entries[0].place


def test_the_entries_of_biases_and_loss_say_where_they_come_from() -> None:
    places = {entry.tensor: entry.place for entry in replay(Item(case_of(KINKS), "numpy", "reference"), 84).entries}
    assert places["b2"].startswith("class ")
    assert places["b1"].startswith("unit ")
    assert "the largest loss is that of sample" in places["loss"]


def test_an_exception_is_replayed_as_such(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_: Any) -> Gradients:
        raise ZeroDivisionError("no batch")

    monkeypatch.setattr(network, "gradients", broken)
    assert command_line.main(["replay", KINKS, "--framework", "numpy"]) == 1
    assert "ZeroDivisionError: no batch" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([KINKS, "--framework", "caffe"], "there is no framework 'caffe'"),
        ([KINKS, "--framework", "numpy", "--variant", "jit"], "no framework has the variant jit"),
        (["nonsense", "--framework", "numpy"], "'nonsense' is not a case id"),
    ],
)
def test_what_cannot_be_replayed_exits_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["replay", *arguments]) == 2
    assert message in capsys.readouterr().err
