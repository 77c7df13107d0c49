"""Step by step: how it is asked for, and what is shown."""

# mypy: disable-error-code="no-untyped-call,no-untyped-def,misc"
# ruff: noqa: ARG005, PT018 (custom functions as people write them)
from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from gradaudit.errors import GradientError, InputError
from gradaudit.torch import gradcheck
from tests.frameworks.test_gradcheck_steps import X, tanh


def layers(depth: int, fault: Any = torch.tanh) -> nn.Module:
    class Act(nn.Module):
        def forward(self, x):
            return fault(x)

    parts = [nn.Sequential(nn.Linear(5, 5), nn.Tanh()) for _ in range(depth)]
    parts[depth // 2].append(Act())
    return nn.Sequential(*parts)


def test_auto_goes_by_steps_where_the_end_tells_little() -> None:
    report = gradcheck(layers(20), (X,))
    assert report and report.steps and "judged step by step" in str(report)
    assert not gradcheck(layers(1), (X,)).steps
    with pytest.raises(GradientError, match=r"^the backward pass of MineBackward in 10\.2 at "):
        gradcheck(layers(20, tanh(lambda g, x, y: g * (1 - y * y) * 1.0001)), (X,))
    assert not gradcheck(layers(20), (X,), steps=False, raise_exception=False).steps


def test_a_wrong_end_is_explained_by_its_step() -> None:
    with pytest.raises(GradientError, match=r"^the backward pass of MineBackward") as error:
        gradcheck(lambda x: tanh(lambda g, x, y: g)(x), (X,))
    assert "input 0[" in str(error.value)


def test_steps_of_some_modules_alone() -> None:
    net = layers(20, tanh(lambda g, x, y: g * (1 - y * y) * 1.0001))
    report = gradcheck(net, (X,), steps=["3", "4.0"], raise_exception=False)
    assert report.verdict == "undecided" and "only the steps of 3, 4.0 were judged" in str(report)
    assert {step.module.split(".")[0] for step in report.steps if step.module} == {"3", "4"}
    report = gradcheck(net, (X,), steps=["10"], raise_exception=False)
    assert report.steps[0].name == "MineBackward" and report.verdict == "wrong"


def test_modules_and_lines_are_named() -> None:
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.ModuleList([nn.Linear(5, 5), nn.LayerNorm(5)])

        def forward(self, x):
            for part in self.encoder:
                x = part(x)
            return torch.sin(x)

    report = gradcheck(Net(), (X,), steps=True)
    names = {(step.kind, step.name, step.module) for step in report.steps}
    assert ("forward", "addmm", "encoder.0") in names and ("forward", "native_layer_norm", "encoder.1") in names
    assert ("backward", "NativeLayerNormBackward0", "encoder.1") in names and ("backward", "SinBackward0", "") in names
    assert all(__file__ in step.line for step in report.steps if step.name == "sin")


@pytest.mark.parametrize("steps", ["all", 2, [], [1], None])
def test_what_steps_may_be(steps: Any) -> None:
    with pytest.raises(InputError, match="expected 'auto', True, False, or the names of modules"):
        gradcheck(torch.sin, (X,), steps=steps)


def test_a_reference_has_no_steps() -> None:
    with pytest.raises(InputError, match="steps of a function with a reference"):
        gradcheck(torch.sin, (X,), reference=torch.sin, steps=True)


def test_every_entry_of_the_jacobian_step_by_step() -> None:
    report = gradcheck(lambda x: torch.tanh(x[:2, :2]), (X,), jacobian=True, steps=True)
    assert report and len([step for step in report.steps if step.name == "TanhBackward0"]) == 4


def test_nothing_is_shown_in_a_pipe() -> None:
    script = (
        "import torch; from gradaudit.torch import gradcheck;"
        "gradcheck(torch.sin, (torch.ones(2, requires_grad=True),), steps=True)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
