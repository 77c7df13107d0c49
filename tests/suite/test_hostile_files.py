"""Files and ids from elsewhere: read as they are, or refused in one line with exit status 2; nothing is invented."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradaudit import command_line
from gradaudit.cases.catalogue import case_of
from gradaudit.cases.random_problems import BATCH, Sweep
from gradaudit.engines.base import Here
from gradaudit.records.progress import Progress, digest
from gradaudit.records.record import RecordError, read
from gradaudit.reference.problem import ProblemError
from gradaudit.runs.shrink import load, save
from gradaudit.runs.sweep import judge_rest
from tests.places import ROOT
from tests.suite.test_hostile_problems import ARCHIVES

HOSTILE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("record")
    assert (
        command_line.main(["run", "--cases", "quick", "-k", "random", "--frameworks", "numpy", "--out", str(out)]) == 0
    )
    return out


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sweep")
    running = judge_rest(Progress.begun(out, Sweep(3 * BATCH, 0, (("numpy", "reference"),))), Here())
    assert next(running) == 1
    return out


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("problem") / "p.npz"
    save(file, case_of("5x4x10x3-reg_0.1-random-float64-s0").problem())
    return file


def paths(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON document."""
    keys = content.keys() if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    return [path, *(deeper for key in keys for deeper in paths(content[key], (*path, key)))]


def put(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at a place."""
    if not path:
        return value
    copy = dict(content) if isinstance(content, dict) else list(content)
    copy[path[0]] = put(content[path[0]], path[1:], value)
    return copy


def read_or_refused(folder: Path) -> None:
    try:
        again = read(folder)
    except RecordError:
        return
    assert command_line.main(["compare", str(folder), str(folder)]) == 0
    assert sum(again.run["counts"]["verdicts"].values()) == len(again.findings)


@HOSTILE
@given(chance=st.data(), value=JSON)
def test_a_record_with_a_value_of_any_other_kind_is_read_or_refused(
    record: Path, tmp_path: Path, chance: st.DataObject, value: Any
) -> None:
    folder = shutil.copytree(record, tmp_path / "copy", dirs_exist_ok=True)
    if chance.draw(st.booleans()):
        run = json.loads((record / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(put(run, chance.draw(st.sampled_from(paths(run))), value)))
    else:
        lines = (record / "findings.jsonl").read_text().splitlines()
        finding = json.loads(lines[0])
        lines[0] = json.dumps(put(finding, chance.draw(st.sampled_from(paths(finding))), value))
        (folder / "findings.jsonl").write_text("\n".join(lines) + "\n")
    read_or_refused(folder)


@HOSTILE
@given(chance=st.data(), insert=st.binary(max_size=20))
def test_damaged_bytes_never_end_in_a_traceback(
    record: Path, sweep: Path, problem: Path, tmp_path: Path, chance: st.DataObject, insert: bytes
) -> None:
    folder = tmp_path / "copy"
    for source in (record, sweep):
        shutil.copytree(source, folder, dirs_exist_ok=True)
    shutil.copy(problem, folder / "p.npz")
    name = chance.draw(st.sampled_from(["run.json", "findings.jsonl", "progress.json", "sweep.jsonl", "p.npz"]))
    content = (folder / name).read_bytes()
    at = chance.draw(st.integers(0, len(content)))
    length = chance.draw(st.integers(0, 30) | st.just(len(content)))
    damaged = content[:at] + insert + content[at + length :]
    (folder / name).write_bytes(damaged)
    if name == "p.npz":
        with contextlib.suppress(ProblemError):
            assert load(folder / "p.npz").shape == (5, 4, 10, 3)
    elif name in ("run.json", "findings.jsonl"):
        read_or_refused(folder)
    else:
        try:
            resumed = Progress.resumed(folder)
        except RecordError:
            return
        assert resumed.done == 1
        assert name == "sweep.jsonl" or json.loads(damaged) == json.loads(content)


RECORDS: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "a verdict that is a list": ("findings.jsonl", lambda t: t.replace(b'"pass"', b'["pass"]', 1), "$.verdict"),
    "an unknown verdict": ("findings.jsonl", lambda t: t.replace(b'"pass"', b'"fine"', 1), "$.verdict"),
    "an index of texts": ("findings.jsonl", lambda t: t.replace(b'"index": [', b'"index": ["a", ', 1), "$.index"),
    "a line twice": ("findings.jsonl", lambda t: t + t.splitlines(True)[0], "is there twice"),
    "a line that is lost": ("findings.jsonl", lambda t: t.split(b"\n", 1)[1], "its counts are not those"),
    "deep nesting": ("run.json", lambda _: b"[" * 10**6, "nested too deeply"),
    "invalid UTF-8": ("run.json", lambda t: t + b"\xff", "can't decode"),
    "NULs": ("findings.jsonl", lambda t: t[:-100] + bytes(100), "is damaged"),
    "invented counts": ("run.json", lambda t: t.replace(b'"pass": ', b'"pass": 9', 1), "its counts are not those"),
    "8 MiB of it": ("run.json", lambda t: t + b" " * (1 << 23), "at most 8388608 are read"),
    "a line of 2 MB": ("findings.jsonl", lambda t: b" " * 2_000_000 + t, "more than 1048576 bytes"),
}


@pytest.mark.parametrize(("name", "damage", "message"), RECORDS.values(), ids=RECORDS.keys())
def test_a_damaged_record_is_refused_in_one_line(
    record: Path, tmp_path: Path, name: str, damage: Any, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(record, tmp_path / "copy")
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    for command in (["compare", str(record), str(folder)], ["merge", str(folder), "--out", str(tmp_path / "out")]):
        assert command_line.main(command) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


SETTINGS: dict[str, tuple[str, Any, str]] = {
    "a framework that was not asked for": ("who", [["torch", "autograd"]], "which its settings do not select"),
    "a variant that was not asked for": ("who", [["numpy", "jit"]], "which its settings do not select"),
    "a dtype that was not asked for": ("dtypes", ["float32"], "which its settings do not select"),
    "nobody": ("who", [], "select nothing"),
    "who is no pair": ("who", [["numpy"]], "$.who[0]"),
    "a name that is a number": ("who", [["numpy", 1]], "$.who[0][1]"),
    "no dtype": ("dtypes", [], "select nothing"),
    "an unknown dtype": ("dtypes", ["float64", "float32", "float8"], "select nothing"),
    "an unknown selection": ("cases", "all", "unknown selection of cases; expected quick, standard, full"),
    "another unknown selection": ("noncanonical", "all", "unknown selection of cases; expected quick, standard, full"),
    "no selection": ("cases", "", "unknown selection of cases; expected quick, standard, full"),
    "a list of words": ("words", ["random"], "$.words"),
    "a seed below 0": ("seed", -1, "$.seed"),
    "a seed that is too large": ("seed", 10**19, "$.seed"),
    "strictness in words": ("strict", "no", "$.strict"),
    "a key beside them": ("engine", "local", "unknown field `engine`"),
}


@pytest.mark.parametrize(("key", "value", "message"), SETTINGS.values(), ids=SETTINGS.keys())
def test_settings_that_are_none_are_refused_in_one_line(
    record: Path, tmp_path: Path, key: str, value: Any, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(record, tmp_path / "copy")
    run = json.loads((record / "run.json").read_text())
    run["settings"] |= {key: value}
    (folder / "run.json").write_text(json.dumps(run))
    for command in (["compare", str(record), str(folder)], ["merge", str(folder), "--out", str(tmp_path / "out")]):
        assert command_line.main(command) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_settings_that_lack_one_are_refused(record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shutil.copytree(record, tmp_path / "copy")
    run = json.loads((record / "run.json").read_text())
    for key in run["settings"]:
        left = {name: value for name, value in run["settings"].items() if name != key}
        (folder / "run.json").write_text(json.dumps(run | {"settings": left}))
        assert command_line.main(["compare", str(record), str(folder)]) == 2
        assert f"missing required field `{key}`" in capsys.readouterr().err


@settings(HOSTILE, max_examples=60)
@given(chance=st.data(), value=JSON | st.sampled_from(["sweep", "full", "jit", "float32", 10**17]))
def test_settings_of_any_kind_are_merged_or_refused(
    record: Path, tmp_path: Path, chance: st.DataObject, value: Any
) -> None:
    folder = shutil.copytree(record, tmp_path / "copy", dirs_exist_ok=True)
    run = json.loads((record / "run.json").read_text())
    path = chance.draw(st.sampled_from(paths(run["settings"])))
    (folder / "run.json").write_text(json.dumps(put(run, ("settings", *path), value)))
    read_or_refused(folder)
    assert command_line.main(["merge", str(folder), "--out", str(tmp_path / "out")]) in (0, 2)


PROGRESSES: dict[str, tuple[tuple[str, ...], Any, str]] = {
    "a count that is a text": (("done",), "1", "$.done"),
    "a negative one": (("size",), -1, "$.size"),
    "a fraction": (("losses",), 0.5, "$.losses"),
    "done beyond the end": (("done",), 4, "4 of 3 batches are done"),
    "another catalogue": (("sweep", "catalogue"), "0" * 64, "another catalogue"),
    "another gradaudit": (("made_by", "gradaudit"), "0.0", "it was started with gradaudit 0.0"),
    "invented counts": (("tally", "families"), {"random": {"pass": 10**6}}, "more findings than the sweep can have"),
    "wrong ones that are not kept": (("tally", "families"), {"random": {"wrong": 1}}, "are not those of sweep.jsonl"),
    "an unknown key": (("more",), 1, "unknown field"),
}


@pytest.mark.parametrize("forged", [False, True], ids=["by accident", "with its digest"])
@pytest.mark.parametrize(("path", "value", "message"), PROGRESSES.values(), ids=PROGRESSES.keys())
def test_a_changed_progress_is_refused(
    sweep: Path, tmp_path: Path, path: tuple[str, ...], value: Any, message: str, forged: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = shutil.copytree(sweep, tmp_path / "copy")
    progress = json.loads((folder / "progress.json").read_text())
    content = progress["content"] | {"more": None} if path == ("more",) else progress["content"]
    content = put(content, path, value)
    statement = digest(json.dumps(content, sort_keys=True)) if forged else progress["digest"]
    (folder / "progress.json").write_text(json.dumps({"digest": statement, "content": content}))
    assert command_line.main(["sweep", "--resume", str(folder)]) == 2
    error = capsys.readouterr().err
    assert (message if forged else "its digest is not that of its content") in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["run.json", "findings.jsonl", "progress.json", "sweep.jsonl", "p.npz"])
def test_a_pipe_in_place_of_a_file_is_refused_at_once(
    record: Path, sweep: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "copy"
    for source in (record, sweep):
        shutil.copytree(source, folder, dirs_exist_ok=True)
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    commands = {"p.npz": ["replay", str(folder / name), "--framework", "numpy"]}
    commands |= {key: ["sweep", "--resume", str(folder)] for key in ("progress.json", "sweep.jsonl")}
    assert command_line.main(commands.get(name, ["compare", str(folder), str(folder)])) == 2
    assert "is not a regular file" in capsys.readouterr().err


LARGE: dict[str, Callable[[Path, Path], list[str]]] = {
    "run.json of lists": lambda record, folder: large(record, folder, "run.json", b"[" + b"[]," * 2_700_000 + b"[]]"),
    "findings of 127 MiB": lambda record, folder: large(
        record, folder, "findings.jsonl", (record / "findings.jsonl").read_bytes().splitlines(True)[0] * 250_000
    ),
    "a bomb": lambda _, folder: ["replay", str(bomb(folder)), "--framework", "numpy"],
}


def large(record: Path, folder: Path, name: str, content: bytes) -> list[str]:
    shutil.copytree(record, folder)
    (folder / name).write_bytes(content)
    return ["compare", str(folder), str(folder)]


def bomb(folder: Path) -> Path:
    folder.mkdir()
    (folder / "p.npz").write_bytes(ARCHIVES["a bomb"]())
    return folder / "p.npz"


@pytest.mark.parametrize("made", LARGE.values(), ids=LARGE.keys())
def test_no_file_takes_a_gigabyte(record: Path, tmp_path: Path, made: Callable[[Path, Path], list[str]]) -> None:
    program = "import resource, runpy; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
    program += 'runpy.run_module("gradaudit", run_name="__main__")'
    command = [sys.executable, "-c", program, *made(record, tmp_path / "copy")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "not enough memory" not in ended.stderr


UNPRINTABLE = ["\x1b[31mred", "\u202eright to left", "bell\x07", "\udcff", "\x9b31m"]


@pytest.mark.parametrize("text", UNPRINTABLE, ids=["escape", "direction", "bell", "surrogate", "C1"])
def test_nothing_unprintable_is_printed(
    record: Path, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(record, tmp_path / "copy")
    run = json.loads((folder / "run.json").read_text())
    run["versions"] |= {text: text}
    run["tables"]["mistakes"]["note"] = text
    (folder / "run.json").write_text(json.dumps(run))
    lines = [json.loads(line) | {"message": text} for line in (folder / "findings.jsonl").read_text().splitlines()]
    (folder / "findings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert command_line.main(["compare", str(record), str(folder)]) == 0
    assert command_line.main(["replay", text, "--framework", "numpy"]) == 2
    assert command_line.main(["run", "--frameworks", text, "--out", str(tmp_path / "out")]) == 2
    assert command_line.main(["merge", str(tmp_path / text)]) == 2
    with pytest.raises(SystemExit):
        command_line.main(["run", "--seed", text])
    with pytest.raises(SystemExit):
        command_line.main([text])
    printed = capsys.readouterr()
    assert all(c.isprintable() or c == "\n" for c in printed.out + printed.err)
    assert text not in printed.out + printed.err
