"""The command line as its users call it: exit statuses, the record, errors in one line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradaudit import command_line
from gradaudit.records import record
from gradaudit.records.versions import made_by
from gradaudit.reference import network
from gradaudit.reference.problem import Gradients
from gradaudit.verdicts.judge import Finding
from tests.places import ROOT

RUN = ["run", "--cases", "quick", "--frameworks", "numpy"]


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "findings.jsonl").read_text().splitlines()]


def test_help_is_quick_because_it_imports_nothing_heavy() -> None:
    """Neither numbers nor frameworks are needed to print the help."""
    script = (
        "import sys, runpy; sys.argv = ['audit', '--help']\n"
        "try: runpy.run_module('gradaudit', run_name='__main__')\n"
        "except SystemExit as exit: assert exit.code == 0\n"
        "print(sorted({'torch', 'jax', 'matplotlib', 'numpy', 'sklearn', 'flint', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "cases" in done.stdout


def test_a_run_writes_its_record_and_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main([*RUN, "--out", str(tmp_path)]) == 0
    run, result = json.loads((tmp_path / "run.json").read_text()), lines(tmp_path)
    assert run["ok"] is True
    assert run["schema"] == record.SCHEMA
    assert run["counts"]["verdicts"]["pass"] == len(result) > 50
    assert sum(sum(c.values()) for c in run["counts"]["families"].values()) == len(result)
    assert run["versions"]["numpy"] == np.__version__
    assert set(run) == record.KEYS
    assert [list(line) for line in result] == [["id", *(field.name for field in fields(Finding))]] * len(result)
    printed = capsys.readouterr().out
    assert "numpy reference" in printed
    assert "undecidable kinks" in printed


def test_the_version_names_what_makes_a_record() -> None:
    done = subprocess.run([sys.executable, "-m", "gradaudit", "--version"], cwd=ROOT, capture_output=True, text=True)
    words = ", ".join(f"{name} {version}" for name, version in made_by().items())
    assert (done.returncode, done.stdout, done.stderr) == (0, words + "\n", "")
    assert re.fullmatch(r"gradaudit \d+\.\d+\.\d+, commit \S+, python 3\.\d+\.\S+, python-flint \d\S+\n", done.stdout)


def test_without_a_command_it_runs(tmp_path: Path) -> None:
    assert command_line.main([*RUN[1:], "-k", "random float32", "--out", str(tmp_path)]) == 0
    assert {line["case"] for line in lines(tmp_path)} == {
        f"{shape}-reg_0.1-random-float32-s0" for shape in ("1x4x10x3", "5x4x10x3", "6x5x4x4", "17x13x11x5")
    }


def test_the_same_seed_gives_the_same_findings_byte_for_byte(tmp_path: Path) -> None:
    for name in ("one", "two"):
        command_line.main([*RUN, "--seed", "3", "--out", str(tmp_path / name)])
    assert (tmp_path / "one/findings.jsonl").read_bytes() == (tmp_path / "two/findings.jsonl").read_bytes()


def test_a_wrong_gradient_exits_1_and_is_described(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The misprint of the derivation's source: 1/N is missing in db2, so that it is N times what it should be."""

    def misprinted(problem: Any) -> Gradients:
        right = gradients(problem)
        return Gradients(right.loss, right.W1, right.b1, right.W2, right.b2 * problem.shape.N)

    gradients = network.gradients
    monkeypatch.setattr(network, "gradients", misprinted)
    assert command_line.main([*RUN, "-k", "5x4x10x3 random", "--out", str(tmp_path)]) == 1
    assert {(line["verdict"], line["tensor"], line["expected"]) for line in lines(tmp_path)} == {("wrong", "b2", False)}
    assert json.loads((tmp_path / "run.json").read_text())["ok"] is False
    printed = capsys.readouterr().out
    assert "NOT as expected" in printed
    assert "b2[" in printed


def test_an_exception_is_an_error_with_its_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> Gradients:
        raise ZeroDivisionError("no\nbatch")

    monkeypatch.setattr(network, "gradients", broken)
    assert command_line.main([*RUN, "-k", "5x4x10x3 random", "--out", str(tmp_path)]) == 1
    assert {(line["verdict"], line["message"]) for line in lines(tmp_path)} == {
        ("error", "ZeroDivisionError: no batch")
    }


def test_inputs_changed_in_place_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradaudit.adapters import numpy_reference

    def careless(inputs: Any, variant: str) -> Gradients:
        result = gradients(inputs, variant)
        inputs.W2[0, 0] = 0
        return result

    gradients = numpy_reference.gradients
    monkeypatch.setattr(numpy_reference, "gradients", careless)
    assert command_line.main([*RUN, "-k", "5x4x10x3 random", "--out", str(tmp_path)]) == 1
    assert {line["message"] for line in lines(tmp_path)} == {"the call changed its inputs: W2"}


UNUSABLE = {
    "framework": (["run", "--frameworks", "caffe"], "there is no framework 'caffe'; expected one of numpy, torch, jax"),
    "variant": (
        ["run", "--frameworks", "numpy", "--variants", "jit"],
        "no framework has the variant jit; expected one of numpy: reference",
    ),
    "dtype": (["run", "--dtypes", "float16"], "'float16' is not a dtype of a case; expected one of float64, float32"),
    "seed": (["run", "--seed", "-1"], "'-1' is not a seed; expected a whole number >= 0"),
    "selection": (["run", "--cases", "all"], "invalid choice: 'all'"),
    "command": (["judge"], "invalid choice: 'judge'"),
    "out": (["run", "--frameworks", "numpy", "--out", "{file}"], "cannot hold the record"),
}


@pytest.mark.parametrize(("arguments", "message"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_command_line_that_cannot_be_used_exits_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    arguments = [argument.replace("{file}", str(file)) for argument in arguments]
    done = subprocess.run([sys.executable, "-m", "gradaudit", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert file.read_text() == "kept"


@pytest.mark.parametrize("command", [["run", "--frameworks", "numpy"], ["cases"]])
def test_words_that_select_nothing_exit_5(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command_line.main([*command, "-k", "nothing like it"]) == 5
    assert "nothing like it" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_old_record_stays_until_the_new_one_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command_line.main([*RUN, "--out", str(tmp_path)])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(network, "gradients", interrupted)
    assert command_line.main([*RUN, "--out", str(tmp_path)]) == 130
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert json.loads((tmp_path / "partial/run.json").read_text())["partial"] is True


def test_an_interrupted_run_leaves_what_was_found_and_says_that_it_is_partial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def interrupted_later(problem: Any) -> Gradients:
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return gradients(problem)

    gradients = network.gradients
    monkeypatch.setattr(network, "gradients", interrupted_later)
    assert command_line.main([*RUN, "--out", str(tmp_path)]) == 130
    result = record.read(tmp_path)
    assert (result.run["partial"], result.run["ok"], len(result.findings)) == (True, False, 5)
    assert "PARTIAL, interrupted: 5 verdicts" in capsys.readouterr().out
    assert "PARTIAL" in (tmp_path / "index.html").read_text()
    assert command_line.main(["merge", str(tmp_path), "--out", str(tmp_path / "merged")]) == 2


def test_a_full_disk_keeps_the_old_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_line.main([*RUN, "-k", "5x4x10x3 random", "--out", str(tmp_path)])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_text = Path.write_text

    def full(self: Path, text: str, **options: Any) -> int:
        if text.startswith("<!DOCTYPE"):
            raise OSError(28, "No space left on device")
        return write_text(self, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    assert command_line.main([*RUN, "-k", "5x4x10x3 kinks", "--out", str(tmp_path)]) == 2
    assert "cannot hold the record (No space left on device)" in capsys.readouterr().err
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(after.pop("judged.jsonl").splitlines()) == 2
    assert after == before


def test_cases_are_listed_with_their_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["cases", "--cases", "quick"]) == 0
    printed = capsys.readouterr().out
    assert "exact_kinks (kinks): integers whose first sample cancels" in printed
    assert "catches a ReLU derivative of 1 or 1/2 at 0" in printed
    assert "5x4x10x3-reg_0.1-exact_kinks-float32-s0" in printed


def test_frameworks_are_listed_with_their_versions(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["frameworks"]) == 0
    assert f"numpy: numpy {np.__version__}; variants reference" in capsys.readouterr().out


def test_a_framework_that_is_not_installed_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gradaudit import adapters

    monkeypatch.setitem(adapters.FRAMEWORKS, "absent", ("adapters.absent", "absent_package"))
    assert command_line.main(["frameworks"]) == 0
    assert "absent: not installed (needs absent_package)" in capsys.readouterr().out
    assert command_line.main(["run", "--frameworks", "absent"]) == 2
    assert "absent is not installed; expected the package absent_package" in capsys.readouterr().err


def test_numbers_that_are_not_finite_are_strings_in_the_record() -> None:
    result = Finding(
        "c", "f", "n", "v", "float64", "wrong", False, "loss", (), np.nan, (np.inf, 0.0), -np.inf, 1.0, np.inf
    )
    line = json.loads(record.line(result))
    assert (line["got"], line["exact"], line["error"], line["ratio"]) == (
        "NaN",
        ["Infinity", 0.0],
        "-Infinity",
        "Infinity",
    )
    assert line["index"] == []


@pytest.mark.parametrize(
    "command", [["cases"], ["replay", "5x4x10x3-reg_0.1-random-float64-s0", "--framework", "numpy"]]
)
def test_a_reader_that_goes_ends_the_command_without_a_traceback(command: list[str]) -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "gradaudit", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stderr is not None
    program.stdout.close()
    assert "Traceback" not in program.stderr.read()
    program.stderr.close()
    assert program.wait() != 0
