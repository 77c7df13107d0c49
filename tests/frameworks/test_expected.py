"""What is known of the frameworks: neither more nor less is expected than what shows, and it can be reproduced."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gradaudit import command_line
from gradaudit.adapters import FRAMEWORKS, adapter, installed
from gradaudit.cases.edge_cases import EDGE_CASES
from gradaudit.functions.running import VARIANTS
from gradaudit.functions.vocabulary import WORDS
from gradaudit.verdicts.expected import (
    FILE,
    REPRODUCTIONS,
    Expectation,
    ExpectedError,
    Scope,
    entries_of,
    expectations,
    explain,
    reproduce,
    stale,
)
from gradaudit.verdicts.judge import FUNCTIONS, Finding

ENTRIES = [*entries_of(), *entries_of(kind="aside")]
ENTRY = Expectation("torch", "because", variants=("relu_clip",), families=("kinks",), dtypes=("float64",))
JUDGED = Scope("torch", "relu_clip", "kinks", "float64")
WRONG = Finding("case", "kinks", "torch", "relu_clip", "float64", "wrong", expected=False, tensor="W1")


def test_a_known_finding_is_expected_and_says_why() -> None:
    assert explain(WRONG, [ENTRY]) == replace(WRONG, expected=True, diagnosis="because")


@pytest.mark.parametrize(
    "change",
    [{"framework": "jax"}, {"variant": "relu_where"}, {"family": "random"}, {"dtype": "float32"}, {"verdict": "crash"}],
    ids=str,
)
def test_any_other_finding_is_not_expected(change: dict[str, str]) -> None:
    other = replace(WRONG, **change)  # type: ignore[arg-type]
    assert explain(other, [ENTRY]) == other


def test_an_entry_may_name_the_tensor_of_the_worst_entry() -> None:
    assert explain(WRONG, [replace(ENTRY, tensors=("W1",))]).expected
    assert not explain(WRONG, [replace(ENTRY, tensors=("loss",))]).expected


def test_an_entry_may_say_how_the_message_begins() -> None:
    lost = replace(WRONG, message="digits lost to a common offset of the logits")
    entry = replace(ENTRY, message="digits lost")
    assert explain(lost, [entry]).expected
    assert not explain(WRONG, [entry]).expected


def test_an_entry_whose_cases_all_pass_is_stale() -> None:
    passed = replace(WRONG, verdict="pass", expected=True)
    assert stale([JUDGED], [passed], [ENTRY]) == [(ENTRY, "relu_clip", "kinks")]
    assert stale([JUDGED], [WRONG], [ENTRY]) == []


def test_an_entry_whose_cases_were_not_all_judged_is_not_stale() -> None:
    """The other shard may have them."""
    passed = replace(WRONG, verdict="pass", expected=True)
    assert stale([JUDGED, JUDGED], [passed], [ENTRY]) == []
    assert stale([], [], [ENTRY]) == []


def test_each_variant_and_family_of_an_entry_can_be_stale() -> None:
    entry = replace(ENTRY, variants=("relu_clip", "relu_where"))
    other = replace(WRONG, variant="relu_where", verdict="pass", expected=True)
    planned = [JUDGED, JUDGED._replace(variant="relu_where")]
    assert stale(planned, [WRONG, other], [entry]) == [(entry, "relu_where", "kinks")]


def test_a_stale_entry_of_a_file_of_ones_own_fails_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[[expected]]\nframework = "numpy"\nreason = "not so"\nfamilies = ["kinks"]\n')
    options = ["run", "--frameworks", "numpy", "--cases", "quick", "--out", str(tmp_path), "--expected", str(file)]
    assert command_line.main(options) == 1
    assert "1 expected that did not occur" in capsys.readouterr().out
    assert command_line.main([*options, "-k", "kinks"]) == 0


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.framework}: {entry.reason[:40]}")
def test_an_entry_speaks_of_what_there_is(entry: Expectation) -> None:
    assert entry.framework in FRAMEWORKS
    assert set(entry.families) <= {edge.family for edge in EDGE_CASES.values()} | {FUNCTIONS}
    assert set(entry.operations) <= set(WORDS)
    assert bool(entry.operations) == (entry.families == (FUNCTIONS,))
    assert not entry.link or entry.link.startswith("https://github.com/")
    assert not entry.reproduction or (REPRODUCTIONS / entry.reproduction).is_file()
    if entry.framework in installed():
        variants = VARIANTS[entry.framework] if entry.operations else adapter(entry.framework).variants
        assert set(entry.variants) <= set(variants)


def test_no_reproduction_is_left_over() -> None:
    assert {path.name for path in REPRODUCTIONS.glob("*.py")} == {e.reproduction for e in ENTRIES if e.reproduction}


REPRODUCED = list({e.reproduction: e for e in ENTRIES if e.reproduction and e.framework in installed()}.values())


@pytest.mark.parametrize("entry", REPRODUCED, ids=lambda entry: entry.reproduction)
def test_a_fault_of_an_installed_framework_is_reproduced_on_its_own(entry: Expectation) -> None:
    assert reproduce(entry).startswith("reproduced: ")


def test_at_least_five_faults_are_reproduced() -> None:
    assert len(REPRODUCED) >= 5


def test_a_file_of_expected_findings_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    damaged = tmp_path / "expected.toml"
    damaged.write_text(FILE.read_text() + "\n[[expected]]\nframework = 'numpy'\nreasons = 'none'\n")
    with pytest.raises(ExpectedError, match="cannot be read"):
        expectations([str(damaged)])
