"""Every code block and every command of the README, run as a reader would run it, only on fewer cases."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
import tomllib
from configparser import RawConfigParser
from pathlib import Path

import pytest

from gradaudit import command_line
from tests.places import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
#: How a command is made small: an option and its value, by what is there; a word that is absent is added.
SMALLER = {"--count": "48", "--workers": "1"}
#: Selecting few cases, for the commands that select.
FEW = ["--cases", "quick", "-k", "5x4x10x3-reg_0.1-random-float64"]
SELECTING = ("run", "candidate", "cases")
#: What has no end of its own, or is tried by another test in full.
NEEDS_MORE = {
    "replay CASE-ID --framework F": "replay 5x4x10x3-reg_0.1-random-float64-s0 --framework numpy",
    "replay FILE.npz --framework NAME": None,  # FILE.npz is made where a sweep fails: tests/suite/test_sweep.py
    "sweep --resume audit-sweep": None,  # of a sweep that was interrupted: tests/suite/test_sweep.py
}


def blocks() -> list[str]:
    """The README's indented blocks, without their indentation."""
    result = re.findall(r"(?:^    .*\n(?:^[ \t]*\n(?=    ))?)+", README, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in result]


def commands() -> list[str]:
    """The README's commands in their order, those in the text among them, without what is said beside them."""
    lines = [line for block in blocks() for line in block.splitlines() if re.match(r"python -m |gradaudit ", line)]
    inline = re.findall(r"`(python -m [^`]+|gradaudit [^`]+)`", README.replace("\n", " "))
    parts = [part for line in lines + inline for part in re.split(r" && ", re.split(r"\s{2,}", line)[0])]
    return list(dict.fromkeys(parts))


def environments() -> set[str]:
    """The names of tox's environments, the generated ones among them."""
    parser = RawConfigParser()
    parser.read(ROOT / "tox.ini")
    names: set[str] = set()
    for section in parser.sections():
        name = section.removeprefix("testenv:")
        match = re.fullmatch(r"(.*)\{(.*)\}", name)
        names |= {match[1] + part for part in match[2].split(",")} if match else {name}
    return names


def arguments(command: str) -> list[str] | None:
    """What a command gives to the audit; None for another one."""
    words = shlex.split(command)
    if words[0] == "gradaudit":
        return words[1:]
    words = words[2:]
    if words[0] == "gradaudit":
        return words[1:]
    if words[:3] == ["tox", "-e", "audit"]:
        return words[4:]
    return None


def smaller(words: list[str]) -> list[str]:
    """The same command on few cases."""
    words = [SMALLER.get(before, word) for before, word in zip(["", *words], words, strict=False)]
    if "all" in words:
        words += ["--frameworks", "numpy"]
    named = words[0] if words and not words[0].startswith("-") else "run"
    return [*words, *FEW] if named in SELECTING and "--help" not in words and "-k" not in words else words


def example(beginning: str) -> str:
    """The block that begins so."""
    return next(block for block in blocks() if block.startswith(beginning))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it after following the README so far: the example's file, and records."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "mine.py").write_text(example("import numpy as np\n"))
    (folder / "students").mkdir()
    (folder / "students" / "one.py").write_text(example("import numpy as np\n"))
    few = [*FEW, "--frameworks"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for out, who in (("audit-report", "numpy"), ("before-the-upgrade", "numpy")):
            assert command_line.main(["run", *few, who, "--out", out]) == 0
        for out, who in (("audit-report/core", "numpy"), ("audit-report/mlx", "sklearn")):
            assert command_line.main(["run", *few, who, "--variants", "all", "--out", out]) == 0
        for shard, out in (("1/2", "one"), ("2/2", "two")):
            assert command_line.main(["run", *few, "numpy,torch", "--shard", shard, "--out", out]) == 0
    return folder


OF_THE_AUDIT = [command for command in commands() if arguments(command) is not None]
STATUS = {"candidate mine.py:network": 1, "candidate students:network": 1, "sweep --candidate mine.py:network": 1}


@pytest.mark.parametrize("command", OF_THE_AUDIT)
def test_every_command_of_the_readme_runs(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = " ".join(arguments(command) or [])
    instead = NEEDS_MORE.get(words, words)
    if instead is None:
        pytest.skip("tried in full by another test")
    monkeypatch.chdir(folder)
    for module in ("run", "listings", "sweep"):
        room = importlib.import_module(f"gradaudit.commands.{module}")
        monkeypatch.setattr(room, "installed", lambda: ["numpy", "torch"])
    expected = next((status for start, status in STATUS.items() if words.startswith(start)), 0)
    try:
        status = command_line.main(smaller(shlex.split(instead)))
    except SystemExit as stopped:  # --help
        status = int(stopped.code or 0)
    assert status == expected
    assert capsys.readouterr().out


@pytest.mark.parametrize("command", [c for c in commands() if " tox" in c and "install" not in c])
def test_every_environment_of_the_readme_is_there(command: str) -> None:
    words = shlex.split(command)
    if "-e" in words:
        name = words[words.index("-e") + 1]
        assert name in environments() or name == "audit-NAME"


def test_the_example_is_diagnosed_as_the_readme_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All but the digits of the entry that is shown, which differ from one BLAS to the next."""
    monkeypatch.chdir(folder)
    assert command_line.main(["candidate", "mine.py:network", "--out", "whole"]) == 1
    message = " ".join(capsys.readouterr().out.split())
    promised = " ".join(example("NOT as expected").split())
    digits = re.compile(r"\d+\.\d+(e[+-]\d+)?")
    for sentence in re.split(r"(?= there should stand | note: | for instance )", promised):
        assert digits.sub("#", sentence.strip()) in digits.sub("#", message)


def test_the_example_with_its_mistake_mended_passes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mended = (
        (folder / "mine.py").read_text().replace("    p[range(N), y] -= 1\n", "    p[range(N), y] -= 1\n    p /= N\n")
    )
    (folder / "mended.py").write_text(mended)
    monkeypatch.chdir(folder)
    assert command_line.main(["candidate", "mended.py:network", "--cases", "quick", "--out", "mended"]) == 0


def test_the_tests_of_the_readme_run_in_a_suite_of_the_reader(folder: Path) -> None:
    suite = example("from gradaudit.suite import").replace(
        "audit_implementation(network)", "audit_implementation(network, cases='quick')"
    )
    source = (folder / "mine.py").read_text().replace("-= 1\n", "-= 1\n    p /= N\n")
    place = folder / "suite"
    place.mkdir(exist_ok=True)
    (place / "mine.py").write_text(source)
    (place / "test_mine.py").write_text(suite)
    (place / "pytest.ini").write_text(f"[pytest]\npythonpath = . {ROOT}\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=place, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("imported", ["from gradaudit.torch", "from gradaudit.jax", "import gradaudit\n"])
def test_the_library_says_what_the_readme_says(imported: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All but the digits of errors, which differ from one BLAS to the next."""
    number = next(n for n, block in enumerate(blocks()) if imported in block)
    exec(blocks()[number], {})
    printed, promised = capsys.readouterr().out.splitlines(), blocks()[number + 1].splitlines()
    assert [line.split()[:4] for line in printed] == [line.split()[:4] for line in promised]


def test_the_extras_of_the_readme_are_all_that_there_are() -> None:
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    listed = README[README.index("The extras are") : README.index("Without an extra")]
    assert set(re.findall(r"`([a-z]+)`", listed)) == extras
