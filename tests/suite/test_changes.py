"""What changed between two runs is named, and nothing else; and the runs of several frameworks become one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gradaudit import command_line
from gradaudit.records.consistency import counts, finding_of
from gradaudit.records.versions import MAKERS

RUN = ["run", "--cases", "quick", "-k", "random", "--format", "junit"]


def run(out: Path, *options: str) -> Path:
    assert command_line.main([*RUN, *options, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("before"), "--frameworks", "numpy,torch")


def edited(
    record: Path, to: Path, changes: dict[int, dict[str, object]], tables: dict[str, object] | None = None
) -> Path:
    """A copy of a record with some findings, or its tables, changed."""
    to.mkdir()
    lines = (record / "findings.jsonl").read_text().splitlines()
    for number, change in changes.items():
        lines[number] = json.dumps(json.loads(lines[number]) | change)
    (to / "findings.jsonl").write_text("".join(line + "\n" for line in lines))
    content = json.loads((record / "run.json").read_text())
    content |= {"counts": counts([finding_of(json.loads(line)) for line in lines]), "ok": False}
    (to / "run.json").write_text(json.dumps(content | ({} if tables is None else {"tables": tables})))
    return to


def test_a_run_does_not_differ_from_itself(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["compare", str(before), str(before)]) == 0
    assert "Nothing changed." in capsys.readouterr().out


def test_a_changed_verdict_and_a_changed_ratio_are_named_and_nothing_else(
    before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after = edited(before, tmp_path / "after", {0: {"verdict": "wrong", "expected": False}, 5: {"ratio": 0.875}})
    assert command_line.main(["compare", str(before), str(after)]) == 1
    text = capsys.readouterr().out
    first, sixth = (json.loads((before / "findings.jsonl").read_text().splitlines()[n]) for n in (0, 5))
    names = [f"{f['framework']}.{f['variant']}-{f['case']}" for f in (first, sixth)]
    assert f"verdict {names[0]}: pass, now wrong" in text
    assert f"ratio {names[1]}: {sixth['ratio']:.6g}, now 0.875" in text
    assert "2 changes: 1 verdict, 1 ratio." in text
    assert len(text.splitlines()) == 3


@pytest.mark.parametrize(("fail_on", "status"), [("ratio:2x", 1), ("ratio:4x", 0), ("ratio", 1), ("verdict", 0)])
def test_a_ratio_fails_from_its_factor_on(before: Path, tmp_path: Path, fail_on: str, status: int) -> None:
    ratio = json.loads((before / "findings.jsonl").read_text().splitlines()[3])["ratio"]
    after = edited(before, tmp_path / "after", {3: {"ratio": 3 * ratio}})
    assert command_line.main(["compare", str(before), str(after), "--fail-on", fail_on]) == status
    assert command_line.main(["compare", str(after), str(before), "--fail-on", fail_on]) == status


def test_what_only_one_run_has_is_missing(before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = run(tmp_path / "torch", "--frameworks", "torch")
    assert command_line.main(["compare", str(before), str(other)]) == 1
    text = capsys.readouterr().out
    assert "numpy: 2" in text  # its version, which is not there any more
    assert "8 changes: 8 missing." in text
    assert command_line.main(["compare", str(before), str(other), "--fail-on", "verdict"]) == 0


def test_a_changed_convention_is_named(before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = {
        "title": "kinks",
        "note": "",
        "columns": ["relu", "+0"],
        "rows": [["torch relu(x)", "0"], ["torch clip", "1"]],
    }
    changed = {
        "title": "kinks",
        "note": "",
        "columns": ["relu", "+0"],
        "rows": [["torch relu(x)", "1/2"], ["torch clip", "1"]],
    }
    single, other = (edited(before, tmp_path / str(n), {}, {"kinks": t}) for n, t in enumerate((table, changed)))
    assert command_line.main(["compare", str(single), str(other)]) == 1
    assert "convention torch relu(x), +0: 0, now 1/2\n1 changes: 1 convention." in capsys.readouterr().out


@pytest.mark.parametrize("fail_on", ["speed", "ratio:0.5x", "ratio:much", "verdict:2x"])
def test_what_is_nothing_to_fail_on_is_refused(before: Path, fail_on: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["compare", str(before), str(before), "--fail-on", fail_on]) == 2
    assert "expected" in capsys.readouterr().err


def test_runs_of_other_frameworks_become_one_run(before: Path, tmp_path: Path) -> None:
    parts = [run(tmp_path / name, "--frameworks", name) for name in ("numpy", "torch")]
    assert command_line.main(["merge", *map(str, parts), "--out", str(tmp_path / "both")]) == 0
    assert (tmp_path / "both/findings.jsonl").read_bytes() == (before / "findings.jsonl").read_bytes()
    merged, direct = (json.loads((folder / "run.json").read_text()) for folder in (tmp_path / "both", before))
    assert {k: v for k, v in merged.items() if k != "timings"} == {k: v for k, v in direct.items() if k != "timings"}


def test_a_framework_cannot_be_merged_twice(before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = run(tmp_path / "torch", "--frameworks", "torch")
    assert command_line.main(["merge", str(before), str(other), "--out", str(tmp_path / "out")]) == 2
    assert "was judged by two of these runs" in capsys.readouterr().err


def test_runs_that_were_asked_for_other_cases_cannot_be_merged(
    before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "jax"
    command = ["run", "--cases", "quick", "-k", "one_sample", "--frameworks", "jax", "--out", str(other)]
    assert command_line.main(command) == 0
    assert command_line.main(["merge", str(before), str(other), "--out", str(tmp_path / "out")]) == 2
    assert "they differ in words" in capsys.readouterr().err


@pytest.mark.parametrize("maker", MAKERS)
def test_runs_of_another_maker_are_compared_and_not_merged(
    before: Path, tmp_path: Path, maker: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether they judged the same frameworks or others."""
    for framework in ("numpy", "jax"):
        other = run(tmp_path / framework, "--frameworks", framework)
        content = json.loads((other / "run.json").read_text())
        now = content["versions"][maker]
        content["versions"][maker] = "0.0, commit 1234"
        (other / "run.json").write_text(json.dumps(content))
        capsys.readouterr()
        assert command_line.main(["merge", str(before), str(other), "--out", str(tmp_path / "out")]) == 2
        refused = capsys.readouterr().err
        assert f"was made with {maker} 0.0, commit 1234" in refused
        assert refused.count("\n") == 1
        command_line.main(["compare", str(before), str(other)])
        assert f"{maker}: {now}, now 0.0, commit 1234" in capsys.readouterr().out
