"""How far a long work is: a bar on a terminal, a line now and then elsewhere, nothing where it is to be quiet."""

from __future__ import annotations

import io
import itertools
import re
from pathlib import Path

import pytest

from gradaudit import command_line
from gradaudit.report import terminal

RUN = ["run", "--cases", "quick", "-k", "random", "--frameworks", "numpy", "--format", "junit"]


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """What stderr is; a second passes each time that somebody looks at the clock."""
    seconds = itertools.count()
    monkeypatch.setattr("rich.console.monotonic", lambda: float(next(seconds)))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    made = Screen()
    monkeypatch.setattr("sys.stderr", made)
    return made


def test_a_terminal_shows_a_bar_with_verdicts_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = screen(monkeypatch)
    assert command_line.main([*RUN, "--out", str(tmp_path)]) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue())
    assert re.search(r"8/8 \d+ verdicts/s", text)
    assert "verdicts/s" not in capsys.readouterr().out


def test_a_quiet_run_shows_nothing_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = screen(monkeypatch)
    assert command_line.main([*RUN, "--quiet", "--out", str(tmp_path)]) == 0
    assert shown.getvalue() == ""


def test_elsewhere_a_line_is_printed_each_thousand_verdicts(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.progress(5000, quiet=False) as show:
        for number in range(1, 2500):
            show(number, 2 * number)
    lines = [f"{500 * n} of 5000, {1000 * n} verdicts" for n in range(1, 5)]
    assert capsys.readouterr().err.splitlines() == lines


@pytest.mark.parametrize("quiet", [False, True])
def test_a_run_that_is_quiet_prints_no_line(
    tmp_path: Path, quiet: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "REPORTED", 3)
    assert command_line.main([*RUN, *["--quiet"] * quiet, "--out", str(tmp_path)]) == 0
    lines = [] if quiet else ["3 of 8, 3 verdicts", "6 of 8, 6 verdicts"]
    assert capsys.readouterr().err.splitlines() == lines
