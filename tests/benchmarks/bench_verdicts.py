"""How many verdicts a second, how long until the first, how long the standard audit takes, and how the cost grows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from audit.catalogue import case_of
from audit.sweep import BATCH, Sweep, batches, work
from reference.acceptance import accept

ROOT = Path(__file__).parents[2]
WHO = (("numpy", "reference"), ("torch", "autograd"), ("jax", "jit"))
BASE = {"N": 64, "D": 32, "H": 48, "C": 10}


def audit(*options: str) -> None:
    command = [sys.executable, "-m", "audit", *options]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def bench_first_verdict(benchmark: Any, tmp_path: Path) -> None:
    benchmark.group = "whole commands"
    options = ["-k", "torch 5x4x10x3-reg_0.1-random-float64", "--out", str(tmp_path), "--frameworks", "numpy,torch,jax"]
    benchmark.pedantic(audit, args=options, rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("workers", ["1", "2"])
def bench_standard_audit(benchmark: Any, tmp_path: Path, workers: str) -> None:
    benchmark.group = "whole commands"
    options = ["--frameworks", "numpy,torch,jax", "--workers", workers, "--out", str(tmp_path)]
    benchmark.pedantic(audit, args=options, rounds=1, warmup_rounds=1)


@pytest.mark.parametrize("workers", ["1_baseline", "2"])
def bench_sweep(benchmark: Any, tmp_path: Path, workers: str) -> None:
    benchmark.group = "a sweep of 12,000 problems, imports and compilation included"
    options = ["--frameworks", "numpy,torch,jax", "--count", "12000", "--out", str(tmp_path)]
    benchmark.pedantic(audit, args=["sweep", *options, "--workers", workers[0]], rounds=1)


def bench_verdicts_warm(benchmark: Any) -> None:
    benchmark.group = "verdicts on small shapes, three frameworks, one process, warm"
    taken = [names for names, _ in zip(batches(Sweep(40 * BATCH, 0, WHO)), range(40), strict=False)]
    for names in taken:
        work(names)
    benchmark.pedantic(lambda: [work(names) for names in taken], rounds=3)
    number = sum(map(len, taken))
    benchmark.extra_info["verdicts a second"] = round(number / benchmark.stats.stats.min)


@pytest.mark.parametrize("letter", ["", "N", "D", "H", "C"])
def bench_growth(benchmark: Any, letter: str) -> None:
    """Exact values and bound, from a base with one size four times as large."""
    benchmark.group = "exact values and bound as one size grows to four times itself"
    sizes = {name: size * (4 if name == letter else 1) for name, size in BASE.items()}
    benchmark.name = f"bench_growth_of_{letter}" if letter else "bench_growth_baseline"
    problem = case_of(f"{'x'.join(map(str, sizes.values()))}-reg_0.1-random-float64-s0").problem()
    benchmark.pedantic(accept, args=[problem], rounds=10, warmup_rounds=1)
