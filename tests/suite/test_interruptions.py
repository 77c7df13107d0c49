"""Frameworks that end their process, and Ctrl-C at every stage: nothing that was judged is lost, and nothing hangs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gradaudit.records import record
from tests.places import ROOT

RUN = ["run", "--cases", "quick", "-k", "random", "--frameworks", "numpy", "--format", "junit"]
PLANNED = 8
CANDIDATE = ["candidate", f"{ROOT / 'tests/implementations/correct.py'}:textbook", "--cases", "quick", "-k", "random"]

#: The command line with something amiss, in this process and in its workers, which run the program as well.
PROGRAM = """
import os
import runpy
import signal
import sys
import time

sys.path.insert(0, {root!r})
{amiss}
if __name__ == "__main__":
    runpy.run_module("gradaudit", run_name="__main__")
"""
#: NumPy's adapter, to which something happens on the two cases of one sample.
FRAMEWORK = """
from gradaudit.adapters import numpy_reference

gradients = numpy_reference.gradients

def amiss(inputs, variant):
    if len(inputs.y) == 1:
        {happens}
    return gradients(inputs, variant)

numpy_reference.gradients = amiss
"""
#: Ctrl-C as soon as so many verdicts are there.
VERDICTS = """
from gradaudit.records.under_way import UnderWay

add = UnderWay.add

def interrupted(self, number, finding):
    add(self, number, finding)
    if len(self.of_item) == {verdicts}:
        signal.raise_signal(signal.SIGINT)

UnderWay.add = interrupted
"""
#: Ctrl-C while a worker makes the tables, which never ends by itself.
TABLES = """
from gradaudit.runs import tables as room

def tables(*_):
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(10_000)

room.tables = tables
"""
#: Ctrl-C while a candidate's verdicts are explained.
DIAGNOSIS = """
from gradaudit.candidate import audit

audit.diagnose = lambda *_: signal.raise_signal(signal.SIGINT)
"""
#: Ctrl-C as a module is imported.
IMPORT = """
class Interrupting:
    def find_spec(self, name, *_):
        if name == {module!r} and __name__ == "__main__":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
"""


def audit(folder: Path, amiss: str, *command: str) -> subprocess.CompletedProcess[str]:
    """What becomes of a command where something is amiss; its record is in `folder`/out."""
    program = folder / "program.py"
    program.write_text(PROGRAM.format(root=str(ROOT), amiss=amiss))
    arguments = [sys.executable, str(program), *command, "--out", str(folder / "out")]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)


def verdicts(folder: Path) -> list[str]:
    """The verdicts of a record that is one with itself."""
    return [finding.verdict for finding in record.read(folder / "out").findings]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_framework_that_ends_its_process_is_a_crash_of_those_cases_alone(tmp_path: Path, workers: str) -> None:
    ended = audit(tmp_path, FRAMEWORK.format(happens="os._exit(0)"), *RUN, "--workers", workers)
    assert ended.returncode == 3, ended.stderr
    result = record.read(tmp_path / "out")
    assert (result.run["partial"], len(result.findings)) == (False, PLANNED)
    crashes = {finding.case for finding in result.findings if finding.verdict == "crash"}
    assert crashes == {f"1x4x10x3-reg_0.1-random-{dtype}-s0" for dtype in ("float64", "float32")}
    assert {finding.verdict for finding in result.findings if finding.case not in crashes} == {"pass"}


def test_a_framework_that_calls_exit_is_an_error_of_those_cases_alone(tmp_path: Path) -> None:
    ended = audit(tmp_path, FRAMEWORK.format(happens="sys.exit('no more')"), *RUN)
    assert ended.returncode == 1, ended.stderr
    assert sorted(verdicts(tmp_path)) == ["error"] * 2 + ["pass"] * (PLANNED - 2)
    errors = [f.message for f in record.read(tmp_path / "out").findings if f.verdict == "error"]
    assert errors == ["SystemExit: no more"] * 2


@pytest.mark.parametrize("number", [1, 5])
@pytest.mark.parametrize(
    "command",
    [[*RUN, "--workers", "1"], [*RUN, "--workers", "2"], CANDIDATE],
    ids=["one worker", "two workers", "candidate"],
)
def test_ctrl_c_keeps_the_verdicts_so_far(tmp_path: Path, command: list[str], number: int) -> None:
    ended = audit(tmp_path, VERDICTS.format(verdicts=number), *command)
    assert ended.returncode == 130, ended.stderr
    assert verdicts(tmp_path) == ["pass"] * number
    assert f"PARTIAL, interrupted: {number} verdict" in ended.stdout
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out/judged.jsonl").exists()


@pytest.mark.parametrize(("amiss", "command"), [(TABLES, RUN), (DIAGNOSIS, CANDIDATE)], ids=["tables", "diagnosis"])
def test_ctrl_c_after_the_last_verdict_keeps_all_of_them(tmp_path: Path, amiss: str, command: list[str]) -> None:
    ended = audit(tmp_path, amiss, *command)
    assert ended.returncode == 130, ended.stderr
    assert verdicts(tmp_path) == ["pass"] * PLANNED
    assert json.loads((tmp_path / "out/run.json").read_text())["partial"] is True
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("module", ["gradaudit.engines.threads", "numpy", "flint", "gradaudit.commands", "rich.table"])
def test_ctrl_c_during_the_imports_is_said_in_one_line(tmp_path: Path, module: str) -> None:
    ended = audit(tmp_path, IMPORT.format(module=module), *RUN)
    assert (ended.returncode, ended.stderr) == (130, "gradaudit: interrupted; no record was written\n")
    assert not (tmp_path / "out").exists()
