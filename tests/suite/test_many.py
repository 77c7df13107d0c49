"""Many files at once: one table, and no file takes another's row with it."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from gradaudit import command_line
from gradaudit.adapters.candidate import CandidateError
from gradaudit.candidate.audit import INTERRUPTED, Report, audit_implementation
from gradaudit.candidate.conventions import Convention, Poser
from gradaudit.cases.catalogue import cases
from gradaudit.commands import table
from gradaudit.commands.table import NOT_JUDGED, Row, as_csv, as_page, files, is_many, rows, status
from gradaudit.reference.acceptance import Acceptance
from gradaudit.reference.problem import Problem
from tests.places import IMPLEMENTATIONS

RIGHT = (IMPLEMENTATIONS / "correct.py").read_text().replace("textbook", "network")
TOY = "5x4x10x3-reg_0.1-random-float64"
STUDENTS = {
    "anna.py": RIGHT,
    "bert.py": RIGHT.replace("    ds /= N\n", ""),
    "cleo.py": "def f(:\n",
    "dora.py": "def network(*arguments):\n    while True:\n        pass\n",
    "emil.py": "import os\n\ndef network(*arguments):\n    os._exit(3)\n",
    "fred.py": "print 'hello'\n",
    "gina.py": "def network(images, labels): pass\n",
    "hugo.py": "import os\nos._exit(4)\n",
    "iris.py": 'def network(*arguments):\n    raise ValueError("\\x1b[31m <script>")\n',
}
VERDICTS = {
    "anna.py": "pass",
    "bert.py": "wrong",
    "cleo.py": NOT_JUDGED,
    "dora.py": "timeout",
    "emil.py": "crash",
    "fred.py": NOT_JUDGED,
    "gina.py": NOT_JUDGED,
    "hugo.py": NOT_JUDGED,
    "iris.py": "error",
}


@pytest.fixture
def students(tmp_path: Path) -> Path:
    folder = tmp_path / "students"
    folder.mkdir()
    for name, text in STUDENTS.items():
        (folder / name).write_text(text)
    (folder / "_shared.py").write_text("raise RuntimeError('not a student')\n")
    return folder


def table_of(out: Path) -> dict[str, dict[str, str]]:
    """The rows of table.csv by file."""
    return {row["file"]: row for row in csv.DictReader((out / "table.csv").read_text().splitlines())}


def test_whatever_a_file_does_it_is_a_row_and_the_others_are_judged(
    students: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["candidate", f"{students}:network", "-k", TOY, "--timeout", "5", "--out", str(out)]
    assert command_line.main(command) == 3
    table = table_of(out)
    assert {name: row["verdict"] for name, row in table.items()} == VERDICTS
    assert table["bert.py"]["diagnosis"].startswith("mean_missing: ")
    assert "is Python 2 (print statement, line 1)" in table["fred.py"]["diagnosis"]
    assert "expected f(X, y, W1, b1, W2, b2, reg)" in table["gina.py"]["diagnosis"]
    assert (table["anna.py"]["W1 right"], table["bert.py"]["loss right"]) == (table["anna.py"]["cases"],) * 2
    printed = capsys.readouterr()
    assert "1 of 9 files are right." in printed.out
    assert "9 of 9 iris.py: error" in printed.err
    assert "\x1b" not in printed.out + printed.err
    page = (out / "index.html").read_text()
    assert '<a href="bert/index.html">bert.py</a>' in page
    assert "<script>" not in page


def test_a_file_that_hangs_as_it_is_imported_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "jens.py").write_text("import time\ntime.sleep(600)\n")
    out = tmp_path / "out"
    command = ["candidate", f"{tmp_path}/*.py:network", "-k", TOY, "--timeout", "0.1", "--out", str(out)]
    assert command_line.main(command) == 2
    assert "is not imported after 10.1 s" in table_of(out)["jens.py"]["diagnosis"]


def test_each_file_has_the_record_that_it_would_have_alone(students: Path, tmp_path: Path) -> None:
    """Byte for byte: exact values that are kept from one file to the next change nothing."""
    options = ["--cases", "quick", "-k", "random", "--out"]
    together, alone = tmp_path / "together", tmp_path / "alone"
    assert command_line.main(["candidate", f"{students}/[ab]*.py:network", *options, str(together)]) == 1
    for name in ("anna", "bert"):
        command_line.main(["candidate", f"{students}/{name}.py:network", *options, str(alone / name)])
        first, other = (folder / name / "findings.jsonl" for folder in (together, alone))
        assert first.read_bytes() == other.read_bytes()
        tables = [json.loads((folder / name / "run.json").read_text())["tables"] for folder in (together, alone)]
        assert tables[0] == tables[1]


def test_exact_values_are_found_once_for_all_files(students: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result: list[Problem] = []
    accept = Convention.accept

    def counted(convention: Convention, problem: Problem) -> Acceptance:
        result.append(problem)
        return accept(convention, problem)

    monkeypatch.setattr(Convention, "accept", counted)
    poser = Poser(Convention(), keep=True)
    for _ in range(3):
        audit_implementation(f"{students}/anna.py:network", cases="quick", words="random", poser=poser)
    assert len(result) == len([case for case in cases("quick") if case.step is None and "random" in case.id])


def test_a_convention_is_that_of_all_files(students: Path, tmp_path: Path) -> None:
    for name in ("anna", "bert"):
        code = RIGHT.replace("    N = len(y)\n", "    N, reg = len(y), X.dtype.type(reg) / 2\n", 1)
        (students / f"{name}.py").write_text(code)
    command = ["candidate", f"{students}/[ab]*.py:network", "--cases", "quick", "-k", "random", "--out"]
    assert command_line.main([*command, str(tmp_path / "half"), "--l2", "half", "--format", "junit"]) == 0
    page = (tmp_path / "half" / "index.html").read_text()
    assert [(tmp_path / "half" / link).is_file() for link in re.findall('href="([^":]*l)"', page)] == [True, True]
    assert command_line.main([*command, str(tmp_path / "full")]) == 1
    assert "accept it with --l2 half" in table_of(tmp_path / "full")["anna.py"]["notes"]


def test_files_of_the_same_name_have_records_of_their_own(tmp_path: Path) -> None:
    for name, text in (("anna", STUDENTS["anna.py"]), ("bert", STUDENTS["bert.py"])):
        (tmp_path / "students" / name).mkdir(parents=True)
        (tmp_path / "students" / name / "net.py").write_text(text)
    out = tmp_path / "out"
    target = f"{tmp_path}/students/*/net.py:network"
    assert command_line.main(["candidate", target, "-k", TOY, "--out", str(out)]) == 1
    assert {name: row["verdict"] for name, row in table_of(out).items()} == {
        "anna/net.py": "pass",
        "bert/net.py": "wrong",
    }
    assert (out / "anna" / "net" / "run.json").is_file()
    assert (out / "bert" / "net" / "run.json").is_file()


@pytest.mark.parametrize(
    ("target", "message"),
    [("{}:network", "names no file; expected a folder of .py files"), ("{}/*.txt:network", "names no file; expected")],
)
def test_a_folder_without_files_exits_2(
    target: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["candidate", target.format(tmp_path), "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_words_that_no_case_has_exit_5(students: Path, tmp_path: Path) -> None:
    assert command_line.main(["candidate", f"{students}:network", "-k", "nowhere", "--out", str(tmp_path / "out")]) == 5


def test_the_files_of_a_folder_come_in_order_and_what_is_hidden_is_left_out(students: Path) -> None:
    assert [file.name for file in files(f"{students}:network")] == list(STUDENTS)


def test_a_file_with_a_star_in_its_name_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "net[1]*.py").write_text(RIGHT)
    assert not is_many(f"{tmp_path}/net[1]*.py:network")
    assert is_many(f"{tmp_path}/net*.py:network")


def row(verdict: str, diagnosis: str = "", file: str = "a.py") -> Row:
    return Row(file, verdict, (1, 1, 1, 1, 1), 1, diagnosis, "", "a")


STATUSES = {
    ("pass", "pass"): 0,
    ("pass", "wrong"): 1,
    ("error", "pass"): 1,
    ("undecided", "pass"): 1,
    (NOT_JUDGED, "wrong"): 2,
    ("crash", NOT_JUDGED): 3,
    ("timeout", "wrong"): 3,
}


@pytest.mark.parametrize(("verdicts", "expected"), STATUSES.items(), ids=map("-".join, STATUSES))
def test_the_exit_status_is_that_of_the_worst_file(verdicts: tuple[str, ...], expected: int) -> None:
    assert status([row(verdict) for verdict in verdicts], 130) == expected


def test_ctrl_c_leaves_a_table_of_what_was_judged(students: Path) -> None:
    """And says that the others were not."""

    def judged(file: Path, _: Path) -> Report:
        if file.name == "cleo.py":
            raise KeyboardInterrupt
        return audit_implementation(f"{file}:network", words=TOY)

    result = list(rows(files(f"{students}:network")[:5], judged))
    assert [first.verdict for first in result] == ["pass", "wrong", NOT_JUDGED, NOT_JUDGED, NOT_JUDGED]
    assert [first.diagnosis for first in result[2:]] == [INTERRUPTED] * 3
    assert status(result, 130) == 130


def test_a_spreadsheet_takes_nothing_for_a_formula() -> None:
    text = as_csv([row("error", "=cmd|' /C calc'!A0", "@sum.py"), row("wrong", "-1; +2")])
    for cells in csv.reader(text.splitlines()):
        assert not any(cell.startswith(table.FORMULA) for cell in cells)


def test_a_page_shows_a_name_and_runs_nothing() -> None:
    page = as_page([row("wrong", "<img src=x onerror=alert(1)>", "<b>.py")], "network")
    assert "<img" not in page
    assert "<b>.py" not in page
    assert "&lt;b&gt;.py" in page


def test_one_that_cannot_be_judged_says_why() -> None:
    def refused(*_: Path) -> Report:
        raise CandidateError("no such\x1b thing")

    (only,) = rows([Path("a.py")], refused)
    assert (only.file, only.verdict, only.diagnosis, only.record) == ("a.py", NOT_JUDGED, "no such\ufffd thing", "")
