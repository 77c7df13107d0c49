"""The ledger: which of the source's formulas hold, by two proofs that share no gradient formula."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradaudit import command_line
from gradaudit.reference import ledger as ledger_module
from gradaudit.reference.ledger import Formula, as_printed, ledger
from gradaudit.reference.problem import Shape
from gradaudit.reference.symbolic import SHAPES, holds, patterns

PRINTED = {formula.name: formula for formula in as_printed()}
MISPRINTED = ["dL/dscores", "dL/dW2", "dL/db2", "dL/dh1", "dL/dW1", "dL/db1"]
ROWS = {row.name: row for row in ledger()}


@pytest.mark.parametrize("name", MISPRINTED)
def test_what_misses_1_over_n_is_convicted_and_1_over_n_is_what_the_evidence_finds(name: str) -> None:
    row = ROWS[name]
    assert row.verdict == "does not hold"
    assert row.instead == f"(1/N) * ({row.printed})"
    assert row.evidence.startswith("printed / true is 5 at [")


def test_everything_else_holds() -> None:
    rest = {name: row.verdict for name, row in ROWS.items() if name not in MISPRINTED}
    notation = {"dscores/dW2", "d(X.W1 + b1)/dW1", "dh1/d(X.W1 + b1)"}
    assert {name for name, verdict in rest.items() if verdict == "holds up to notation"} == notation
    assert {verdict for name, verdict in rest.items() if name not in notation} == {"holds"}
    assert len(rest) == 2 + 3 + 11


def over_n(formula: Formula) -> Formula:
    """The formula with 1/N put back."""
    return replace(formula, value=lambda v: formula.value(v) * (v.reg / v.reg / v.ones.ncols()))


@pytest.mark.parametrize("name", MISPRINTED)
def test_with_1_over_n_put_back_a_formula_holds(name: str) -> None:
    row = next(row for row in ledger([over_n(PRINTED[name])]) if row.name == name)
    assert (row.verdict, row.instead) == ("holds", "as printed")


@pytest.mark.parametrize(
    ("change", "instead"),
    [(lambda m: m * (-1), "(-1) * ("), (lambda m: m + m, "(1/2) * ("), (lambda m: m * m.nrows(), "no multiple")],
    ids=["negated", "doubled", "times the number of features"],
)
def test_another_mistake_is_told_from_the_missing_1_over_n(change: object, instead: str) -> None:
    """The last is D times the truth: 1/D of it is tried too, and is what holds."""
    right = over_n(PRINTED["dL/dW1"])
    wrong = replace(right, value=lambda v: change(right.value(v)))  # type: ignore[operator]
    row = next(row for row in ledger([wrong]) if row.name == "dL/dW1")
    assert row.verdict == "does not hold"
    assert row.instead.startswith("(1/D) * (" if instead == "no multiple" else instead)


def test_what_no_factor_mends_is_said_to_be_so() -> None:
    wrong = replace(PRINTED["dL/dW2"], value=lambda v: v.h1.transpose() * v.probs)
    row = next(row for row in ledger([wrong]) if row.name == "dL/dW2")
    assert (row.verdict, row.instead) == ("does not hold", "no multiple of it by a factor that was tried")


def test_a_ball_too_wide_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "BITS", 60)
    with pytest.raises(ArithmeticError, match="it would prove nothing"):
        ledger([replace(PRINTED["dL/db2"], printed="at 60 bits")])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", PRINTED)
def test_symbols_prove_what_the_ledger_says(name: str, shape: Shape) -> None:
    """For all numbers, every pattern of active units: with the factor that the evidence found, and not without it."""
    factor = "1/N" if name in MISPRINTED else "1"
    assert holds(PRINTED[name], factor, shape)
    assert holds(PRINTED[name], "1", shape) == (factor == "1" or shape.N == 1)


def test_every_pattern_of_units_takes_part() -> None:
    assert [patterns(shape) for shape in SHAPES] == [2, 4, 4, 16]


def test_the_ledger_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["ledger"]) == 0
    printed = capsys.readouterr().out
    assert "does not hold" in printed
    assert "(1/N) * (probs - onehot)" in printed
    assert "6 of the source's 22 formulas do not hold" in printed
