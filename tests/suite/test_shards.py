"""Workers, shards and their merging: the same findings, byte for byte, and nothing lost, added or counted twice."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gradaudit import command_line
from gradaudit.cases.catalogue import cases
from gradaudit.cases.shards import belongs, parse
from gradaudit.records.consistency import counts, finding_of
from tests.places import ROOT

RUN = ["run", "--cases", "quick", "--frameworks", "numpy,torch"]


def record(out: Path, *options: str) -> Path:
    assert command_line.main([*RUN, *options, "--out", str(out)]) == 0
    return out


def findings(folder: Path) -> bytes:
    return (folder / "findings.jsonl").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of a run in one process."""
    return record(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The records of its two shards."""
    return [record(tmp_path_factory.mktemp(f"shard{i}"), "--shard", f"{i}/2") for i in (1, 2)]


def test_two_workers_find_the_same_as_one(whole: Path, tmp_path: Path) -> None:
    assert findings(record(tmp_path, "--workers", "2")) == findings(whole)


def test_two_shards_merged_are_the_whole(whole: Path, shards: list[Path], tmp_path: Path) -> None:
    """In whatever order they are named."""
    assert command_line.main(["merge", *map(str, reversed(shards)), "--out", str(tmp_path)]) == 0
    assert findings(tmp_path) == findings(whole)
    merged, direct = (json.loads((folder / "run.json").read_text()) for folder in (tmp_path, whole))
    assert {k: v for k, v in merged.items() if k != "timings"} == {k: v for k, v in direct.items() if k != "timings"}
    assert all(0 < len(findings(shard)) < len(findings(whole)) for shard in shards)


def test_a_wrong_finding_fails_the_merged_run(shards: list[Path], tmp_path: Path) -> None:
    spoiled = copied(
        shards[0], tmp_path / "spoiled", lambda lines: [altered(lines[0], verdict="wrong", expected=False), *lines[1:]]
    )
    assert command_line.main(["merge", str(spoiled), str(shards[1]), "--out", str(tmp_path / "out")]) == 1
    assert json.loads((tmp_path / "out/run.json").read_text())["counts"]["verdicts"]["wrong"] == 1


def copied(shard: Path, to: Path, change: Any) -> Path:
    """A copy of a record with its lines changed."""
    to.mkdir()
    run = json.loads((shard / "run.json").read_text())
    lines = change((shard / "findings.jsonl").read_text().splitlines())
    with contextlib.suppress(ValueError):
        run |= {"counts": counts([finding_of(json.loads(line)) for line in lines]), "ok": False}
    (to / "run.json").write_text(json.dumps(run))
    (to / "findings.jsonl").write_text("".join(line + "\n" for line in lines))
    return to


def altered(line: str, **changes: Any) -> str:
    """A line of findings.jsonl with other values, and the id that they make."""
    finding = json.loads(line) | changes
    return json.dumps(finding | {"id": "{framework}.{variant}-{case}".format(**finding)})


SPOILED = {
    "a finding is missing": (lambda lines: lines[:-1], f"1 of {2 * len(cases('quick'))} findings are missing"),
    "a finding is there twice": (lambda lines: [*lines, lines[0]], "is there twice"),
    "a finding is foreign": (
        lambda lines: [*lines, altered(lines[0], case="2x2x2x2-reg_0.1-random-float64-s0")],
        "does not belong to this run",
    ),
    "a framework is foreign": (
        lambda lines: [*lines, altered(lines[0], framework="caffe")],
        "which its settings do not select",
    ),
    "a line is cut": (lambda lines: [*lines[:-1], lines[-1][:40]], "is damaged; run that shard again"),
    "a key is missing": (lambda lines: ['{"case": "c"}', *lines[1:]], "line 1 is damaged"),
}


@pytest.mark.parametrize(("change", "message"), SPOILED.values(), ids=SPOILED.keys())
def test_merge_refuses_what_is_not_the_whole_run(
    change: Any, message: str, shards: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoiled = copied(shards[0], tmp_path / "spoiled", change)
    assert command_line.main(["merge", str(spoiled), str(shards[1]), "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_merge_refuses_a_missing_shard(shards: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["merge", str(shards[0]), "--out", str(tmp_path)]) == 2
    assert "the shards are 1/2; expected every I of I/N" in capsys.readouterr().err


def test_merge_refuses_another_run(shards: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = record(tmp_path / "other", "--shard", "2/2", "--seed", "1")
    assert command_line.main(["merge", str(shards[0]), str(other), "--out", str(tmp_path / "out")]) == 2
    assert "are different runs" in capsys.readouterr().err


def test_merge_refuses_a_folder_without_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["merge", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "holds no record that can be read" in capsys.readouterr().err


def test_an_empty_shard_succeeds(tmp_path: Path) -> None:
    """One case cannot fill two shards."""
    options = ["-k", "5x4x10x3-reg_0.1-random-float64"]
    sizes = sorted(len(findings(record(tmp_path / str(i), *options, "--shard", f"{i}/2"))) for i in (1, 2))
    assert sizes[0] == 0 < sizes[1]


def test_every_case_belongs_to_one_shard() -> None:
    names = [case.id for case in cases("standard")]
    parts = [sum(belongs(name, (i, 3)) for i in (1, 2, 3)) for name in names]
    assert parts == [1] * len(names)
    assert all(sum(belongs(name, (i, 3)) for name in names) > len(names) / 4 for i in (1, 2, 3))


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", ""])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a shard; expected I/N"):
        parse(text)


def test_pytest_divides_the_tests_as_the_command_line_divides_the_cases() -> None:
    collected = []
    for shard in ("1/2", "2/2", "1/1"):
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "--shard", shard]
        done = subprocess.run(
            [*command, "tests/frameworks/test_frameworks.py"], cwd=ROOT, capture_output=True, text=True
        )
        collected.append({line for line in done.stdout.splitlines() if "::" in line})
    first, two, both = collected
    assert first | two == both
    assert not first & two
    held = "gradient_is_within_the_bound_of_the_certified_values[torch.autograd-5x4x10x3-reg_0.1-random-float64-s0]"
    number = 1 if belongs("5x4x10x3-reg_0.1-random-float64-s0", (1, 2)) else 2
    assert any(held in line for line in collected[number - 1])


def test_a_shard_without_a_test_is_a_success() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/suite/test_shards.py::test_every_case_belongs_to_one_shard",
    ]
    statuses = [
        subprocess.run([*command, "--shard", f"{i}/2"], cwd=ROOT, capture_output=True).returncode for i in (1, 2)
    ]
    assert statuses == [0, 0]
