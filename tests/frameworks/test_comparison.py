"""The tables of a comparison: that what they measure is there, and what it must be where that is known."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from gradaudit.comparison import curves, kinks, labels, speed
from tests.answers import CANONICAL

PAIRS = list(CANONICAL.items())


def rows(table: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The cells by the names of their row and column."""
    assert all(len(row) == len(table["columns"]) for row in table["rows"])
    return {row[0]: dict(zip(table["columns"][1:], row[1:], strict=True)) for row in table["rows"]}


def test_kinks_name_the_convention_of_every_idiom() -> None:
    result = rows(kinks.table(["jax"]))
    assert result["jax relu(x), eager"]["convention"] == "0"
    assert result["jax maximum(x, 0), eager and compiled"] == {
        "+0": "1/2", "-0": "1/2", "NaN": "0", "subnormal": "1/2", "subnormal float32": "1/2", "convention": "1/2",
    }  # fmt: skip


def test_a_framework_that_shows_no_relu_has_no_row_of_kinks() -> None:
    assert kinks.table(["numpy"])["rows"] == []


def test_digits_are_lost_as_a_softmax_saturates_but_not_where_its_shift_is_derived_through() -> None:
    result = rows(curves.saturation([*PAIRS, ("torch", "loss_own_maximum")]))
    of_entry = [result["numpy reference float64, b2"][str(gap)] for gap in (0, 10, 20, 30, 50)]
    assert of_entry == sorted(of_entry, reverse=True)
    assert of_entry[0] > 15
    assert of_entry[-1] == 0
    assert all(digits >= 15 for digits in result["torch loss_own_maximum float64, b2"].values())


def test_large_logits_are_right_or_say_what_comes_of_them() -> None:
    result = rows(curves.scale([*PAIRS, ("torch", "loss_log_of_softmax")]))
    assert set(result["numpy reference float64"].values()) == {"right"}
    assert set(result["jax jit float32"].values()) == {"right", ""}
    assert result["torch loss_log_of_softmax float64"]["1e+08"] == "NaN"


def test_errors_stay_within_a_few_units_of_roundoff_times_the_size() -> None:
    result = rows(curves.size([("numpy", "reference")]))
    assert [name[-1] for name in result] == ["D", "H", "N"] * 2
    assert all(0 < error < 10 * int(n) + 20 for cells in result.values() for n, error in cells.items())


def test_narrow_dtypes_are_judged_or_undecided() -> None:
    result = rows(curves.narrow(PAIRS))
    assert list(result) == ["torch autograd float16", "torch autograd bfloat16", "jax jit float16", "jax jit bfloat16"]
    verdicts = {name: {cell.split()[0] for cell in cells.values()} for name, cells in result.items()}
    assert all(text <= {"pass", "undecided"} for text in verdicts.values())
    assert "pass" in verdicts["torch autograd float16"]


def test_bad_labels_are_refused_or_taken_for_something() -> None:
    result = rows(labels.table(PAIRS))
    assert all(cell.startswith("refuses") for cell in result["numpy reference"].values())
    assert result["torch autograd"]["label C"] == "refuses: IndexError"
    assert result["torch autograd"]["label -100"] == "as if the sample were not there"
    assert result["jax jit"]["label -1"] == "as label 2"
    assert result["jax jit"]["label C"] == "loss label 2, gradient if only its term were not there"


def test_a_framework_that_dies_of_a_label_is_asked_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def dying(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        """Answer the first question, die of the second."""
        names = command[command.index("reference") + 1 :]
        asked.append(names)
        if len(asked) == 2:
            raise subprocess.TimeoutExpired(command, 1.0)
        return subprocess.CompletedProcess(command, -11 if len(names) > 1 else 0, f'["{names[0]}", "fine"]\n', "")

    monkeypatch.setattr(subprocess, "run", dying)
    (row,) = labels.table([("numpy", "reference")])["rows"]
    assert row[1:] == ["fine", "dies of SIGSEGV", "hangs", "fine", "dies of SIGSEGV"]
    assert [len(names) for names in asked] == [5, 3, 2]


def test_speed_is_a_ratio_to_numpy_in_the_same_run() -> None:
    result = rows(speed.table([("numpy", "reference"), ("torch", "autograd")]))
    assert list(result) == ["numpy reference", "torch autograd"]
    assert all(cells["float64 ratio to numpy"] > 0 for cells in result.values())
    assert all(float(cells["float32 first call, s"]) >= 0 for cells in result.values())
