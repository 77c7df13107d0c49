"""Deep networks are certified step by step, and one wrong backward pass somewhere in them is named."""

# ruff: noqa: PT018
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from gradaudit.judge import Report
from gradaudit.torch import gradcheck
from tests.frameworks.deep import FAMILIES, network, planted

NAMES = (*FAMILIES, "LSTM")
DEEPEST = {**{name: deepest for name, (_, deepest) in FAMILIES.items()}, "LSTM": 30}
#: What adds up in bfloat16 itself in PyTorch, a finding (ROUNDING.md, 9).
ADD_IN_THE_DTYPE = {("backward", "NativeLayerNormBackward0")}
#: What is planted, by dtype.
ERRORS = {torch.float32: 1e-4, torch.float64: 1e-11}


@pytest.mark.parametrize("dtype", ERRORS, ids=str)
@pytest.mark.parametrize("family", NAMES)
def test_the_deepest_network_is_certified(family: str, dtype: torch.dtype) -> None:
    net, x = network(family, 1, dtype, DEEPEST[family])
    report = gradcheck(net, (x,), steps=True)
    assert len(report.steps) > 4 * DEEPEST[family] and {s.kind for s in report.steps} == {"forward", "backward", "sum"}


def test_random_deep_networks_pass(request: pytest.FixtureRequest) -> None:
    largest: dict[tuple[str, str], float] = {}
    for seed in range(request.config.getoption("--deep-networks")):
        net, x = network(NAMES[seed % len(NAMES)], seed, (torch.float32, torch.float64)[seed // len(NAMES) % 2])
        report = gradcheck(net, (x,), steps=True, raise_exception=False)
        assert report.ok, f"{NAMES[seed % len(NAMES)]} {seed}: {report.steps[0].message}"
        for step in report.steps:
            key = step.kind, step.name
            largest[key] = max(largest.get(key, 0.0), step.worst.ratio)
    print()
    for (kind, name), ratio in sorted(largest.items(), key=lambda item: -item[1]):
        print(f"{ratio:8.3f}  {kind}  {name}")
    assert max(largest.values()) <= 1


def planting(family: str, dtype: torch.dtype, fault: Any, count: int) -> Iterator[tuple[int, Report]]:
    """So many networks with a fault at a random place, where the gradient has not died away."""
    for seed in range(2 * count):
        net, x = network(family, seed, dtype, fault=fault)
        report = gradcheck(net, (x,), steps=True, raise_exception=False)
        (own,) = (step for step in report.steps if step.name == "PlantedBackward")
        if own.worst.exact != 0:
            yield seed, report
            count -= 1
        if not count:
            return


@pytest.mark.parametrize("dtype", ERRORS, ids=str)
@pytest.mark.parametrize("family", NAMES)
def test_a_planted_fault_is_named(family: str, dtype: torch.dtype, request: pytest.FixtureRequest) -> None:
    count = request.config.getoption("--plantings")
    for seed, report in planting(family, dtype, planted(ERRORS[dtype]), count):
        wrong = [step for step in report.steps if step.verdict == "wrong"]
        assert [(step.kind, step.name) for step in wrong] == [("backward", "PlantedBackward")], f"{seed}: {report}"
        assert "deep.py" in wrong[0].line and "its formula is wrong" in wrong[0].message


@pytest.mark.parametrize("family", NAMES)
def test_a_planted_fault_in_bfloat16_is_named(family: str, request: pytest.FixtureRequest) -> None:
    count = request.config.getoption("--plantings")
    for seed, report in planting(family, torch.bfloat16, planted(3e-2, linear=True), count):
        wrong = {(step.kind, step.name) for step in report.steps if step.verdict == "wrong"}
        assert ("backward", "PlantedBackward") in wrong, f"{family} {seed}"
        assert wrong <= {("backward", "PlantedBackward"), *ADD_IN_THE_DTYPE}, f"{family} {seed}: {wrong}"
        assert "in bfloat16 each operation is taken to add up in float32" in str(report)
