"""The canonical gradient beside PyTorch, JAX and its five matrix products alone (the limit), on one thread and on all.

How many threads a library takes is settled when it is imported: the measuring is done in processes of their own.
There, every gradient is judged before it is timed. (That also leaves the allocator as it is in an audit. In a process
that never had larger arrays, glibc gives these back to the system after each call, and page faults are timed too.)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest

from gradaudit.adapters import adapter
from gradaudit.adapters.calls import hand_over
from gradaudit.cases.catalogue import case_of
from gradaudit.engines.threads import THREADS
from gradaudit.reference import network
from gradaudit.reference.acceptance import accept
from gradaudit.reference.problem import Gradients, Problem
from gradaudit.verdicts.judge import Subject, judge
from tests.places import ROOT

SHAPES = ("64x32x48x10", "256x784x256x10")
ROUNDS = 100


#: Who computes the gradient; the products are what they are held against.
WHO = ("numpy", "torch", "jax")


def products(problem: Problem) -> Callable[[], object]:
    """The gradient's five matrix products alone."""
    f = network.forward(problem)
    b = network.backward(problem, f)
    X, W1, W2 = problem.X, problem.W1, problem.W2
    return lambda: (X @ W1, f.h @ W2, f.h.T @ b.ds, b.ds @ W2.T, X.T @ b.da)


def gradient(who: str, problem: Problem) -> Callable[[], Gradients]:
    """The gradient by the canonical network, or by a framework's first variant."""
    if who == "numpy":
        return lambda: network.gradients(problem)
    judged, inputs = adapter(who), hand_over(problem)
    return lambda: judged.gradients(inputs, judged.variants[0])


def fastest(call: Callable[[], object]) -> float:
    """The seconds of the fastest call of many."""
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


@lru_cache(maxsize=16)
def measured(shape: str, dtype: str, threads: str) -> dict[str, float]:
    """The seconds of every contender, in one process of so many threads."""
    environment = {name: value for name, value in os.environ.items() if name not in THREADS}
    if threads == "one":
        environment |= dict.fromkeys(THREADS, "1")
    command = [sys.executable, "-m", "tests.benchmarks.bench_gradient", shape, dtype]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)
    seconds: dict[str, float] = json.loads(done.stdout)
    return seconds


@pytest.mark.parametrize("who", ["products_baseline", *WHO])
@pytest.mark.parametrize("threads", ["one", "all"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", SHAPES)
def bench_gradient(benchmark: Any, shape: str, dtype: str, threads: str, who: str) -> None:
    benchmark.group = f"the gradient at {shape} in {dtype}, threads: {threads}"
    result = benchmark.pedantic(measured, args=(shape, dtype, threads), rounds=1)
    benchmark.extra_info["seconds"] = result[who]


def measure(shape: str, dtype: str) -> dict[str, float]:
    """The seconds of the products and of every gradient, all of which pass."""
    problem = case_of(f"{shape}-reg_0.1-random-{dtype}-s0").problem()
    acceptance = accept(problem)
    calls = {who: gradient(who, problem) for who in WHO}
    for who, call in calls.items():
        finding = judge(Subject("", "", who, "", dtype), call(), acceptance)
        assert finding.verdict == "pass", finding
    return {"products_baseline": fastest(products(problem))} | {who: fastest(call) for who, call in calls.items()}


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
