"""Sweeps: the same record wherever the work is done and however often it was interrupted."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradaudit import command_line
from gradaudit.cases.catalogue import case_of
from gradaudit.cases.random_problems import BATCH, KINDS, SHAPES, Sweep, problem_cases
from gradaudit.records.progress import Progress
from gradaudit.records.tally import BINS, QUANTILES, Tally
from gradaudit.runs import sweep as sweeping
from gradaudit.runs.shrink import load
from gradaudit.verdicts.judge import Finding
from tests.copies import file as implementation
from tests.places import IMPLEMENTATIONS, ROOT

COUNT = 5 * BATCH + 7
RUN = ["sweep", "--frameworks", "numpy", "--count", str(COUNT)]


def swept(out: Path, *options: str) -> Path:
    assert command_line.main([*RUN, *options, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of a sweep in this process, without interruption."""
    return swept(tmp_path_factory.mktemp("whole"))


def same(first: Path, other: Path) -> bool:
    """Whether two records are alike: the findings byte for byte, and what run.json says of them."""
    runs = [json.loads((folder / "run.json").read_text()) for folder in (first, other)]
    statement = [{key: run[key] for key in ("ok", "partial", "counts", "settings", "plan", "tables")} for run in runs]
    return (first / "findings.jsonl").read_bytes() == (other / "findings.jsonl").read_bytes() and statement[
        0
    ] == statement[1]


def test_a_problem_is_made_again_from_its_id() -> None:
    for case in problem_cases(12, 3, ("float64", "float32")):
        again = case_of(case.id).problem()
        assert np.array_equal(again.X, case.problem().X)
        assert again.reg == case.problem().reg


def test_problems_differ_and_are_of_every_kind() -> None:
    cases = [case for number in range(2000) for case in problem_cases(number, 0, ("float64", "float32"))]
    assert len({case.id for case in cases}) == len(cases)
    assert {case.edge.name for case in cases} == {"random", *KINDS}
    assert {case.shape for case in cases} == set(SHAPES)


def test_everything_is_counted_and_only_what_did_not_pass_is_kept(whole: Path) -> None:
    run = json.loads((whole / "run.json").read_text())
    verdicts = run["counts"]["verdicts"]
    cases = [case for number in range(COUNT) for case in problem_cases(number, 0, ("float64", "float32"))]
    entries = [json.loads(line)["verdict"] for line in (whole / "findings.jsonl").read_text().splitlines()]
    assert sum(verdicts.values()) == len(cases)
    assert len(entries) == len(cases) - verdicts["pass"] > 0
    assert not (whole / "progress.json").exists()


def test_two_workers_leave_the_same_record(whole: Path, tmp_path: Path) -> None:
    assert same(swept(tmp_path, "--workers", "2"), whole)


def test_two_shards_are_the_whole(whole: Path, tmp_path: Path) -> None:
    parts = [swept(tmp_path / str(i), "--shard", f"{i}/2") for i in (1, 2)]
    lines = [set((folder / "findings.jsonl").read_text().splitlines()) for folder in (*parts, whole)]
    assert lines[0] | lines[1] == lines[2]
    assert not lines[0] & lines[1]


def test_sweeps_are_not_merged(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["merge", str(whole), "--out", str(tmp_path)]) == 2
    assert "is the record of a sweep, which has no passes to merge" in capsys.readouterr().err


def interrupted(out: Path, batches: int) -> Path:
    """A sweep that was left after so many batches."""
    entries = Progress.begun(out, Sweep(COUNT, 0, (("numpy", "reference"),)))
    running = sweeping.judge_rest(entries, sweeping_engine())
    for _ in range(batches):
        next(running)
    return out


def sweeping_engine() -> Any:
    from gradaudit.engines.base import Here

    return Here()


@pytest.mark.parametrize("batches", [0, 1, 4])
def test_an_interrupted_sweep_goes_on_where_it_was(whole: Path, tmp_path: Path, batches: int) -> None:
    interrupted(tmp_path, batches)
    assert command_line.main(["sweep", "--resume", str(tmp_path)]) == 0
    assert same(tmp_path, whole)


OTHERWISE = {
    "--count": ["10"],
    "--frameworks": ["torch"],
    "--variants": ["all"],
    "--candidate": ["mine.py:network"],
    "--dtypes": ["float32"],
    "--seed": ["0"],
    "--shard": ["1/2"],
    "--strict": [],
    "--out": ["elsewhere"],
}


@pytest.mark.parametrize(("option", "value"), OTHERWISE.items(), ids=OTHERWISE.keys())
def test_a_sweep_that_goes_on_is_asked_for_nothing_else(
    tmp_path: Path, option: str, value: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file.name: file.read_bytes() for file in interrupted(tmp_path, 1).iterdir()}
    assert command_line.main(["sweep", "--resume", str(tmp_path), option, *value]) == 2
    message = f"cannot be asked for something else: {option}; leave that out, or begin another sweep without --resume"
    assert message in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


CUTS: dict[str, Callable[[bytes], bytes]] = {
    "in the middle of a line that was not counted": lambda text: text + b'{"case": "5x4x1',
    "behind lines that were not counted": lambda text: text + text,
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
def test_a_record_that_was_cut_goes_on_where_it_was_counted(
    whole: Path, tmp_path: Path, cut: Callable[[bytes], bytes]
) -> None:
    file = interrupted(tmp_path, 3) / "sweep.jsonl"
    file.write_bytes(cut(file.read_bytes()))
    assert command_line.main(["sweep", "--resume", str(tmp_path)]) == 0
    assert same(tmp_path, whole)


@pytest.mark.parametrize("damage", ["shorter", "no progress", "no json"])
def test_a_record_that_lost_what_was_counted_is_refused(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted(tmp_path, 3)
    if damage == "shorter":
        (tmp_path / "sweep.jsonl").write_bytes(b"")
    elif damage == "no progress":
        (tmp_path / "progress.json").unlink()
    else:
        (tmp_path / "progress.json").write_text("{")
    assert command_line.main(["sweep", "--resume", str(tmp_path)]) == 2
    assert "holds no sweep that can be resumed" in capsys.readouterr().err


def test_an_old_record_stays_until_the_new_one_is_complete(whole: Path, tmp_path: Path) -> None:
    out = swept(tmp_path)
    before = (out / "run.json").read_bytes()
    interrupted(out, 2)
    assert (out / "run.json").read_bytes() == before
    assert same(out, whole)


#: The command line, which stops after three batches: it says so, and goes on when it is told to.
PAUSED = """
import runpy
import sys
from gradaudit.records.progress import Progress

add = Progress.add

def paused(self, found):
    add(self, found)
    if self.done == 3:
        print("paused", flush=True)
        sys.stdin.readline()

Progress.add = paused
runpy.run_module("gradaudit", run_name="__main__")
"""


def paused(*command: str) -> subprocess.Popen[str]:
    """A sweep in a process of its own that waits after three batches, however fast or slow the machine is."""
    process = subprocess.Popen(
        [sys.executable, "-c", PAUSED, *command],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while (line := process.stdout.readline()) != "paused\n":
        assert line, "it ended before its third batch"
    return process


def test_ctrl_c_keeps_what_was_judged(whole: Path, tmp_path: Path) -> None:
    process = paused(*RUN, "--workers", "2", "--out", str(tmp_path))
    process.send_signal(signal.SIGINT)
    _, message = process.communicate()
    assert process.returncode == 130
    assert f"go on with --resume {tmp_path}" in message
    assert done(tmp_path) == 3
    assert command_line.main(["sweep", "--resume", str(tmp_path)]) == 0
    assert same(tmp_path, whole)


def done(out: Path) -> int:
    """How many batches of a sweep under way are done."""
    return int(json.loads((out / "progress.json").read_text())["content"]["done"])


@pytest.mark.parametrize("room", [3000, 9000], ids=["while it is judged", "when the record is put together"])
def test_a_full_disk_keeps_what_was_judged(whole: Path, tmp_path: Path, room: int) -> None:
    """No file may grow beyond so many bytes, which is what a full disk does."""
    program = f"""
import resource, runpy, signal

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))
runpy.run_module("gradaudit", run_name="__main__")
"""
    command = [sys.executable, "-B", "-c", program, *RUN, "--out", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stderr
    assert "cannot hold more of the record" in ended.stderr
    assert f"make room, then go on with --resume {tmp_path}" in ended.stderr
    assert (done(tmp_path) == 6) == (room == 9000)
    assert command_line.main(["sweep", "--resume", str(tmp_path)]) == 0
    assert same(tmp_path, whole)


def test_a_candidate_is_swept_in_a_process_of_its_own(tmp_path: Path) -> None:
    command = [
        "sweep",
        "--candidate",
        f"{IMPLEMENTATIONS / 'correct.py'}:textbook",
        "--count",
        "40",
        "--out",
        str(tmp_path),
    ]
    assert command_line.main(command) == 0


@pytest.mark.parametrize(
    ("name", "verdict", "limit"), [("segfaults", "crash", "60"), ("holds_the_interpreter", "timeout", "0.5")]
)
def test_a_candidate_that_ends_its_process_is_given_up(tmp_path: Path, name: str, verdict: str, limit: str) -> None:
    target = f"{IMPLEMENTATIONS / 'misbehaving.py'}:{name}"
    command = ["sweep", "--candidate", target, "--count", str(2 * BATCH), "--timeout", limit, "--out", str(tmp_path)]
    assert command_line.main(command) == 3
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["counts"]["verdicts"][verdict] == 3


def test_a_candidate_that_eats_memory_is_stopped(tmp_path: Path) -> None:
    target = f"{IMPLEMENTATIONS / 'misbehaving.py'}:eats_memory"
    command = ["sweep", "--candidate", target, "--count", "3", "--memory", "128", "--out", str(tmp_path)]
    assert command_line.main(command) in (1, 3)
    verdicts = json.loads((tmp_path / "run.json").read_text())["counts"]["verdicts"]
    assert verdicts["error"] + verdicts["crash"] + verdicts["skipped"] == sum(verdicts.values()) > 0


def test_a_framework_that_fails_leaves_a_small_problem_to_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """That PyTorch's clamp has another derivative at 0 is known; here it is not."""
    monkeypatch.setattr(sweeping, "expectations", lambda _: ())
    command = ["sweep", "--frameworks", "torch", "--variants", "relu_clip", "--count", "150", "--out", str(tmp_path)]
    assert command_line.main(command) == 1
    small = sorted(tmp_path.glob("*.npz"))
    assert len(small) == sweeping.SHRUNK
    assert load(small[0]).shape.H == 1
    capsys.readouterr()
    replayed = ["replay", str(small[0]), "--framework", "torch", "--variant"]
    assert command_line.main([*replayed, "relu_clip"]) == 1
    assert "exactly at its kink" in capsys.readouterr().out
    assert command_line.main([*replayed, "autograd"]) == 0


def test_a_wrong_candidate_fails_the_sweep(tmp_path: Path) -> None:
    target = f"{implementation('mistaken')}:mean_missing"
    command = ["sweep", "--candidate", target, "--count", "30", "--out", str(tmp_path)]
    assert command_line.main(command) == 1


def test_quantiles_are_those_of_the_ratios() -> None:
    tally, rng = Tally(), np.random.default_rng(0)
    ratios = rng.uniform(0, 1, 5000)
    passed = Finding("case", "random", "numpy", "reference", "float64", "pass", expected=True)
    for ratio in ratios:
        tally.add(replace(passed, ratio=float(ratio)))
    (row,) = tally.table()["rows"]
    for part, shown in zip(QUANTILES, row[1:5], strict=True):
        assert 0.99 <= shown / np.quantile(ratios, part) <= 1.01 * 2 ** (1 / BINS)
    assert row[5] == ratios.max()
