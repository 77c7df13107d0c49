"""Every step of a training of ResNet-20 is certified, operation by operation."""

from __future__ import annotations

import pytest
import torch

from gradaudit.torch import gradcheck
from tests.frameworks.deep import planted
from tests.frameworks.residual import ResNet, training

#: Convolutions, normalisations and what is between them, forward and backward, and the sums of contributions.
STEPS = 223


def test_every_step_of_a_training_is_certified(request: pytest.FixtureRequest) -> None:
    losses: list[float] = []
    for trained in training(request.config.getoption("--resnet-steps"), batch=32):
        report = trained.report
        assert report.ok, f"step {len(losses)}: {report.steps[0].message}"
        assert len(report.steps) == STEPS
        assert all(step.verdict == "pass" for step in report.steps)
        losses.append(trained.loss)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("at", [0, 4, 8])
def test_a_fault_in_a_block_is_named(at: int) -> None:
    torch.manual_seed(at)
    net = ResNet()
    fault = planted(1e-4)
    net.blocks[at].around = torch.nn.Sequential(net.blocks[at].around, fault)
    x, labels = torch.randn(8, 1, 8, 8), torch.arange(8)
    report = gradcheck(net, (x, labels), steps=True, raise_exception=False)
    wrong = [step.name for step in report.steps if step.verdict == "wrong"]
    assert wrong == ["PlantedBackward"], str(report)
