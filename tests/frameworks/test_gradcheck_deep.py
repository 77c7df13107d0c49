"""Deep networks are certified step by step, and one wrong backward pass somewhere in them is named."""

# ruff: noqa: PT018
from __future__ import annotations

import pytest
import torch

from gradaudit.torch import gradcheck
from tests.frameworks.deep import FAMILIES, network, planted

NAMES = (*FAMILIES, "LSTM")
DEEPEST = {**{name: deepest for name, (_, deepest) in FAMILIES.items()}, "LSTM": 30}
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


@pytest.mark.parametrize("dtype", ERRORS, ids=str)
@pytest.mark.parametrize("family", NAMES)
def test_a_planted_fault_is_named(family: str, dtype: torch.dtype, request: pytest.FixtureRequest) -> None:
    for seed in range(request.config.getoption("--plantings")):
        net, x = network(family, seed, dtype, fault=planted(ERRORS[dtype]))
        report = gradcheck(net, (x,), steps=True, raise_exception=False)
        wrong = [step for step in report.steps if step.verdict == "wrong"]
        assert [(step.kind, step.name) for step in wrong] == [("backward", "PlantedBackward")], f"{seed}: {report}"
        assert "deep.py" in wrong[0].line and "its formula is wrong" in wrong[0].message
