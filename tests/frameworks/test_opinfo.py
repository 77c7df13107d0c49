"""PyTorch's own suite: the table that was written, and a few of its operations anew."""

from __future__ import annotations

import csv
from functools import cache

import pytest

from tests.frameworks.opinfo import DTYPES, FINDINGS, TABLE, VERDICTS, row

#: At least so many operations have all of their samples judged.
ENOUGH = 250
ANEW = ("add", "nn.functional.gelu", "nn.functional.conv2d", "sort", "cumsum", "index_put", "nn.functional.layer_norm")


@cache
def table() -> list[dict[str, str]]:
    with TABLE.open() as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_enough_operations_are_judged() -> None:
    complete = {r["operation"] for r in table()}
    assert len(complete) >= 540
    complete -= {r["operation"] for r in table() if any(int(r[v]) for v in VERDICTS if v != "pass") or r["pass"] == "0"}
    assert len(complete) >= ENOUGH


def test_each_operation_was_asked_in_each_dtype() -> None:
    assert [(r["operation"], r["dtype"]) for r in table()] == [
        (name, dtype) for name in dict.fromkeys(r["operation"] for r in table()) for dtype in DTYPES
    ]


def test_what_is_called_wrong_has_a_written_reason_and_a_reason_stands_for_something() -> None:
    assert {r["operation"] for r in table() if int(r["wrong"])} <= set(FINDINGS)
    assert set(FINDINGS) <= {r["operation"] for r in table() if any(int(r[v]) for v in VERDICTS if v != "pass")}


def test_nothing_crashes_and_what_is_not_judged_says_why() -> None:
    for r in table():
        assert r["crash"] == "0", r["operation"]
        if any(int(r[v]) for v in VERDICTS if v != "pass"):
            assert r["note"], r["operation"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ANEW)
def test_operations_are_judged_anew(name: str, dtype: str) -> None:
    pytest.importorskip("expecttest", reason="PyTorch's own suite needs it")
    assert row(name, dtype).is_judged


@pytest.mark.parametrize("name", ["as_strided_scatter", "nn.functional.hardsigmoid"])
def test_findings_are_still_there(name: str) -> None:
    pytest.importorskip("expecttest", reason="PyTorch's own suite needs it")
    assert row(name, "float64").verdicts["wrong"]
