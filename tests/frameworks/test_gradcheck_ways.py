"""The ways in which PyTorch runs a function, each followed by `gradaudit.torch.gradcheck`, or refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.checkpoint import checkpoint

import gradaudit
from gradaudit.torch import gradcheck


def wave(x: Any) -> Any:
    return torch.tanh(x * x) * 2


def drawn(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


@torch.library.custom_op("gradaudit_tests::sine", mutates_args=())  # type: ignore[untyped-decorator]
def sine(x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.sin(x.numpy(force=True)))


sine.register_autograd(
    lambda ctx, g: g * ctx.x.cos(),
    setup_context=lambda ctx, inputs, output: setattr(ctx, "x", inputs[0]),  # noqa: ARG005
)


@torch.library.custom_op("gradaudit_tests::fill", mutates_args=("y",))  # type: ignore[untyped-decorator]
def fill(x: torch.Tensor, y: torch.Tensor) -> None:
    y.copy_(x.sin())


def _filled(x: Any) -> Any:
    y = torch.zeros_like(x)
    fill(x.detach(), y)
    return y * x


torch.manual_seed(0)
_LSTM, _ATTENTION = nn.LSTM(3, 4).double(), nn.MultiheadAttention(3, 1, batch_first=True).double()
WAYS = {
    "compiled": torch.compile(wave, backend="eager"),
    "traced": torch.jit.trace(wave, drawn(3).detach()),
    "mapped": torch.vmap(lambda row: (row * row).sum()),
    "computed twice": lambda x: checkpoint(wave, x, use_reentrant=False),
    "by torch.func": lambda x: torch.func.grad(lambda y: wave(y).sum())(x),
    "a recurrent network": lambda x: nn.functional.softmax(_LSTM(x[None])[0], -1),
    "attention": lambda x: _ATTENTION(x[None], x[None], x[None])[0],
    "itself": lambda x: x,
}


@pytest.mark.parametrize("name", WAYS)
def test_a_way_is_followed(name: str) -> None:
    report = gradcheck(WAYS[name], drawn(4, 3))
    assert report
    assert all(f.resolution < 1e-8 for f in report.findings)


def test_a_parametrised_module_is_followed() -> None:
    names = [f.array for f in gradcheck(weight_norm(nn.Linear(3, 2).double()), drawn(4, 3)).findings]
    assert "parametrizations.weight.original0" in names


def test_lists_of_tensors_and_one_tensor_given_twice() -> None:
    x = drawn(3)
    report = gradcheck(lambda xs, y: xs[0] * xs[1] / y, ([x, x], x))
    assert [f.array for f in report.findings] == ["output", "input 0[0]", "input 0[1]", "input 1"]


def test_what_an_unknown_operation_computes_or_writes_is_refused_by_name() -> None:
    x = drawn(3)
    for f, name in ((sine, "gradaudit_tests::sine"), (_filled, "gradaudit_tests::fill")):
        with pytest.raises(gradaudit.UnsupportedError, match=f"the operation {name}, which is not known, at "):
            gradcheck(f, x)
    assert gradcheck(lambda x: sine(x) * 2, x, reference=lambda x: x.sin() * 2)


def _hooked(x: Any) -> Any:
    y = x * 1
    y.register_hook(lambda g: 2 * g)
    return y


def _behind_autograd(x: Any) -> Any:
    y = x * 1
    y.data.mul_(2)
    return y


@pytest.mark.parametrize(("f", "factor"), [(_hooked, "2"), (_behind_autograd, "0.5")])
def test_what_is_done_behind_autograd_is_convicted(f: Any, factor: str) -> None:
    with pytest.raises(gradaudit.GradientError, match=f"every entry is {factor} times the exact one"):
        gradcheck(f, drawn(3))


def test_autocast_is_refused_by_the_dtype_that_it_chooses() -> None:
    def product(x: Any) -> Any:
        with torch.autocast("cpu"):
            return x @ x.T

    with pytest.raises(gradaudit.UnsupportedError, match="a conversion to bfloat16"):
        gradcheck(product, drawn(3, 3).detach().float().requires_grad_())
