"""A candidate that cheats: the answers are out of its reach, and so are the checkout, the record, and later times."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from gradaudit import command_line
from gradaudit.candidate import cage
from gradaudit.candidate.cage import NOTES, Kind, best
from gradaudit.candidate.isolation import Isolated
from gradaudit.cases.catalogue import case_of
from gradaudit.suite import audit_implementation
from tests.places import IMPLEMENTATIONS, ROOT

CHEATS = IMPLEMENTATIONS / "cheats.py"
TOY = "5x4x10x3-reg_0.1-random-float64"
#: What can be had on this system, best first; "none" always can.
KINDS: tuple[Kind, ...] = ("bubblewrap", "user", "none")


def works(kind: Kind) -> bool:
    """Whether a kind of cage can be had here."""
    with pytest.MonkeyPatch.context() as patch:
        if kind == "user":
            patch.setattr(shutil, "which", lambda _: None)
        best.cache_clear()
        there = cage.cage([cage.private(), IMPLEMENTATIONS], 0).kind == kind
    best.cache_clear()
    return there


@pytest.fixture(params=[kind for kind in KINDS if kind == "none" or works(kind)])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each kind of cage that can be had here."""
    monkeypatch.setattr(cage, "best", lambda: request.param)
    return str(request.param)


def needs_a_cage(kind: Kind) -> None:
    if kind == "none":
        pytest.skip("nothing keeps a candidate in on such a system: its note says so")


@pytest.mark.usefixtures("kind")
def test_the_answers_cannot_be_imported() -> None:
    (finding,) = audit_implementation(f"{CHEATS}:imports_the_answers", words=TOY).findings
    assert finding.verdict == "error"
    assert "No module named 'gradaudit.reference.network'" in finding.message


@pytest.mark.parametrize("cheat", ["finds_the_checkout", "reads_the_parent", "takes_the_walls_down"])
def test_the_checkout_cannot_be_searched_for_them(kind: Kind, cheat: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind != "bubblewrap":
        pytest.skip("files that everybody may read can be read there")
    monkeypatch.setenv("CHEAT_ROOT", str(ROOT))
    (finding,) = audit_implementation(f"{CHEATS}:{cheat}", words=TOY).findings
    assert finding.verdict == "error"


@pytest.mark.usefixtures("kind")
def test_a_process_that_died_is_a_crash_although_a_child_of_it_lives() -> None:
    (finding,) = audit_implementation(f"{CHEATS}:leaves_a_child_and_dies", words=TOY, timeout=1.0).findings
    assert (finding.verdict, finding.message) == ("crash", "the process ended with status 7")


@pytest.mark.usefixtures("kind")
def test_a_file_that_only_its_owner_reads_is_judged_in_every_cage(tmp_path: Path) -> None:
    shutil.copyfile(IMPLEMENTATIONS / "correct.py", tmp_path / "mine.py")
    (tmp_path / "mine.py").chmod(0o600)
    assert audit_implementation(f"{tmp_path / 'mine.py'}:textbook", words=TOY).ok


def test_what_can_be_imported_once_only_is_a_crash_and_ends_no_audit(tmp_path: Path) -> None:
    problem = case_of(f"{TOY}-s0").problem()
    file = tmp_path / "once.py"
    file.write_text("import os\n\ndef f(*arguments):\n    os._exit(7)\n")
    with Isolated(f"{file}:f") as process:
        first = process.call(problem, problem.reg)
        file.write_text("raise RuntimeError('not again')\n")
        again = process.call(problem, problem.reg)
    assert (first.outcome, again.outcome) == ("crash", "crash")
    assert again.message.startswith("it cannot be imported again")


@pytest.mark.usefixtures("kind")
def test_a_daemon_ends_with_the_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "alive"
    monkeypatch.setenv("CHEAT_FILE", str(file))
    audit_implementation(f"{CHEATS}:leaves_a_daemon", words=TOY)
    for _ in range(600):  # it would live twice as long as this waits
        alive = [command for command in commands() if str(file).encode() in command]
        if not alive:
            break
        time.sleep(0.1)
    assert alive == []


def commands() -> list[bytes]:
    """The command lines of all processes, those in namespaces of their own among them."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has gone meanwhile
            lines.append(file.read_bytes())
    return lines


@pytest.mark.parametrize("name", ["reference/network.py", "gradaudit/verdicts/judge.py", "README.md"])
def test_the_checkout_cannot_be_overwritten(kind: Kind, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_a_cage(kind)
    before = (ROOT / name).read_bytes()
    monkeypatch.setenv("CHEAT_FILE", str(ROOT / name))
    audit_implementation(f"{CHEATS}:overwrites_the_checkout", words=TOY)
    after = (ROOT / name).read_bytes()
    if after != before:
        (ROOT / name).write_bytes(before)
    assert after == before


@pytest.mark.parametrize("name", ["run.json", "findings.jsonl", "judged.jsonl"])
def test_the_record_cannot_be_overwritten(
    kind: Kind, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_a_cage(kind)
    monkeypatch.setenv("CHEAT_FILE", str(tmp_path / name))
    command = ["candidate", f"{CHEATS}:overwrites_the_checkout", "-k", TOY, "--out", str(tmp_path)]
    assert command_line.main(command) == 1
    assert json.loads((tmp_path / "run.json").read_text())["ok"] is False
    (line,) = (tmp_path / "findings.jsonl").read_text().splitlines()
    assert json.loads(line)["verdict"] in ("error", "wrong")


def test_what_cannot_be_had_is_said_in_a_line(kind: Kind) -> None:
    notes = audit_implementation(f"{IMPLEMENTATIONS / 'correct.py'}:textbook", words=TOY).notes
    assert [note for note in notes if "bubblewrap" in note] == [text for text in [NOTES[kind]] if text]


@pytest.mark.usefixtures("kind")
def test_a_right_implementation_passes_in_every_cage() -> None:
    assert audit_implementation(f"{IMPLEMENTATIONS / 'correct.py'}:textbook", words="random float32").ok


@pytest.mark.usefixtures("kind")
def test_a_signal_is_named_in_every_cage() -> None:
    (finding,) = audit_implementation(f"{IMPLEMENTATIONS / 'misbehaving.py'}:segfaults", words=TOY).findings
    assert (finding.verdict, finding.message) == ("crash", "the process died of SIGSEGV")


def test_a_file_at_the_root_of_a_checkout_is_judged() -> None:
    """As in the README: the folder of the file is the one whose rooms are hidden."""
    file = ROOT / f"mine_{os.getpid()}.py"
    shutil.copyfile(IMPLEMENTATIONS / "correct.py", file)
    try:
        assert audit_implementation(f"{file}:textbook", words=TOY).ok
    finally:
        file.unlink()


def test_nothing_is_left_of_a_process_that_was_stopped() -> None:
    with Isolated(f"{IMPLEMENTATIONS / 'correct.py'}:textbook") as process:
        process.start()
        assert process._process is not None
        number = process._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
