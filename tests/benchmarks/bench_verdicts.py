"""How many verdicts a second, how long until the first, how long the standard audit takes, and how the cost grows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gradaudit.cases.catalogue import case_of
from gradaudit.cases.random_problems import Sweep, batches
from gradaudit.engines.base import Here, Lost, Name, Names, in_order
from gradaudit.engines.local import Workers
from gradaudit.reference.acceptance import accept
from gradaudit.runs.run import judge_names
from tests.benchmarks.commands import audit

WHO = (("numpy", "reference"), ("torch", "autograd"), ("jax", "jit"))
FRAMEWORKS = ("--frameworks", "numpy,torch,jax")
COUNT = 12_000
BASE = {"N": 64, "D": 32, "H": 48, "C": 10}


def bench_first_verdict(benchmark: Any, tmp_path: Path) -> None:
    benchmark.group = "whole commands"
    options = ["-k", "torch 5x4x10x3-reg_0.1-random-float64", "--out", str(tmp_path), *FRAMEWORKS]
    benchmark.pedantic(audit, args=options, rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("workers", ["1", "2"])
def bench_standard_audit(benchmark: Any, tmp_path: Path, workers: str) -> None:
    benchmark.group = "whole commands"
    options = [*FRAMEWORKS, "--workers", workers, "--out", str(tmp_path)]
    benchmark.pedantic(audit, args=options, rounds=1, warmup_rounds=1)


def say(benchmark: Any, verdicts: int) -> None:
    """Put the speed beside the time."""
    benchmark.extra_info["verdicts a second"] = round(verdicts / benchmark.stats.stats.min)


@pytest.mark.parametrize("workers", ["1_baseline", "2"])
def bench_verdicts_cold(benchmark: Any, tmp_path: Path, workers: str) -> None:
    """A whole sweep, with nothing compiled before."""
    benchmark.group = "verdicts on small shapes, three frameworks, cold: start, imports and compilation included"
    options = [*FRAMEWORKS, "--count", str(COUNT), "--out", str(tmp_path / "sweep"), "--workers", workers[0]]
    benchmark.pedantic(audit, args=["sweep", *options], kwargs={"cache": tmp_path}, rounds=1)
    record = json.loads((tmp_path / "sweep" / "run.json").read_text())
    say(benchmark, sum(record["counts"]["verdicts"].values()))


@pytest.mark.parametrize("workers", ["1_baseline", "2"])
def bench_verdicts_warm(benchmark: Any, workers: str) -> None:
    """The same in processes that have done it once."""
    benchmark.group = "verdicts on small shapes, three frameworks, warm"
    taken: list[Names] = list(batches(Sweep(COUNT // 4, 0, WHO)))
    engine = Workers(2) if workers == "2" else Here()

    def judge_all() -> None:
        for _ in in_order(engine, judge_names, taken, fail):
            pass

    try:
        benchmark.pedantic(judge_all, rounds=3, warmup_rounds=2)
    finally:
        engine.close()
    say(benchmark, sum(map(len, taken)))


def fail(name: Name, lost: Lost) -> None:
    """Nothing may be lost while time is taken."""
    raise AssertionError(name, lost)


@pytest.mark.parametrize("letter", ["", "N", "D", "H", "C"])
def bench_growth(benchmark: Any, letter: str) -> None:
    """Exact values and bound, from a base with one size four times as large."""
    benchmark.group = "exact values and bound as one size grows to four times itself"
    sizes = {name: size * (4 if name == letter else 1) for name, size in BASE.items()}
    benchmark.name = f"bench_growth_of_{letter}" if letter else "bench_growth_baseline"
    problem = case_of(f"{'x'.join(map(str, sizes.values()))}-reg_0.1-random-float64-s0").problem()
    benchmark.pedantic(accept, args=[problem], rounds=10, warmup_rounds=1)
