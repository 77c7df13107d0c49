"""The canonical gradient beside PyTorch, JAX and its five matrix products alone (the limit), on one thread and on all.

How many threads a library takes is settled when it is imported: the measuring is done in processes of their own.
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

from adapters import adapter
from adapters.protocol import hand_over
from audit.catalogue import case_of
from audit.threads import THREADS
from reference import network
from reference.problem import Problem
from tests.benchmarks.commands import ROOT

SHAPES = ("64x32x48x10", "256x784x256x10")
ROUNDS = 100


def products(problem: Problem) -> Callable[[], object]:
    """The gradient's five matrix products alone."""
    f = network.forward(problem)
    b = network.backward(problem, f)
    X, W1, W2 = problem.X, problem.W1, problem.W2
    return lambda: (X @ W1, f.h @ W2, f.h.T @ b.ds, b.ds @ W2.T, X.T @ b.da)


def by_framework(name: str, problem: Problem) -> Callable[[], object]:
    """The gradient by a framework's first variant."""
    judged, inputs = adapter(name), hand_over(problem)
    return lambda: judged.gradients(inputs, judged.variants[0])


CONTENDERS: dict[str, Callable[[Problem], Callable[[], object]]] = {
    "products_baseline": products,
    "numpy": lambda problem: lambda: network.gradients(problem),
    "torch": lambda problem: by_framework("torch", problem),
    "jax": lambda problem: by_framework("jax", problem),
}


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


@pytest.mark.parametrize("who", CONTENDERS)
@pytest.mark.parametrize("threads", ["one", "all"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", SHAPES)
def bench_gradient(benchmark: Any, shape: str, dtype: str, threads: str, who: str) -> None:
    benchmark.group = f"the gradient at {shape} in {dtype}, threads: {threads}"
    found = benchmark.pedantic(measured, args=(shape, dtype, threads), rounds=1)
    benchmark.extra_info["seconds"] = found[who]


if __name__ == "__main__":
    posed = case_of(f"{sys.argv[1]}-reg_0.1-random-{sys.argv[2]}-s0").problem()
    print(json.dumps({who: fastest(contender(posed)) for who, contender in CONTENDERS.items()}))
