"""Step by step: what is judged, what it is called, and what is said of it."""

# mypy: disable-error-code="no-untyped-call,no-untyped-def,misc"
# ruff: noqa: ARG005, PT018 (custom functions as people write them)
from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from gradaudit.errors import GradientError
from gradaudit.judge import Step
from gradaudit.torch import gradcheck

torch.manual_seed(0)
X = torch.randn(6, 5, requires_grad=True)
W = torch.randn(5, 5, requires_grad=True)


def tanh(backward: Any, forward: Any = torch.tanh) -> Any:
    """A custom function of one array: y = f(x)."""

    class Mine(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = forward(x)
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx, *grads):
            return backward(grads[0], *ctx.saved_tensors)

    return Mine.apply


def right(g, x, y):  # noqa: ARG001
    return g * (1 - y * y)


def wrong_steps(func: Any, *inputs: Any, **options: Any) -> list[Step]:
    report = gradcheck(func, inputs, raise_exception=False, **{"steps": True, **options})
    return [step for step in report.steps if step.verdict == "wrong"]


def deep(f: Any) -> Any:
    def func(x, w):
        for _ in range(6):
            x = torch.tanh(x @ w)
        return torch.sin(f(x) @ w)

    return func


# --- what is right passes ---------------------------------------------------------------------------------------------


def in_place(x):
    y = x.clone()
    y[0].mul_(3.0)
    y[:, 1] = y[:, 0] * 2
    z = torch.exp(y * y * 0.1) + 1
    z += x
    return (z.t()[1:] * x.t()[1:].sin()).sum()


def chunks(x):
    a, b = (x * 2).chunk(2, dim=0)
    return torch.cat([a.sigmoid() * b, b.unsqueeze(0).squeeze(0).tanh()], 1)


def parts_of_one(x):
    y = x * 2
    rows = y.unbind(0)
    return sum(row.sin() * k for k, row in enumerate(rows)) + y.t().t()[2]


class Pair(torch.autograd.Function):
    """Two outputs, one of them without a gradient."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        largest, index = x.max(1)
        ctx.mark_non_differentiable(index)
        ctx.index = index
        return largest, index, x * x

    @staticmethod
    def backward(ctx, g, _, h):
        (x,) = ctx.saved_tensors
        return 2 * x * h + torch.zeros_like(x).scatter_(1, ctx.index[:, None], g[:, None])


def two_outputs(x):
    largest, index, square = Pair.apply(x)
    return largest.sin() + square.sum(1) * index


def recomputed(x):
    return checkpoint(lambda y: torch.tanh(y @ y.t()).sum(1), x, use_reentrant=False)


def returned_on_the_way(x):
    u = (x * 2).unsqueeze(0)
    return u, u.squeeze(0), u * u


def frozen(x):
    w = W.detach().to(x.dtype)
    y = w
    for _ in range(30):
        y = torch.tanh(y @ w)
    return x @ y


def overwritten(g, x, y):  # noqa: ARG001
    return g.mul_(1 - y * y)


RIGHT = {
    "views and writes in place": in_place,
    "chunks": chunks,
    "padding with its own other end": lambda x: nn.functional.pad(x[None], (2, 1), mode="circular"),
    "a mask of attention": lambda x: nn.functional.scaled_dot_product_attention(*[x[None]] * 3, is_causal=True),
    "parts": parts_of_one,
    "two outputs": two_outputs,
    "recomputed": recomputed,
    "views that are returned on the way": returned_on_the_way,
    "a part that is frozen": frozen,
    "a backward pass that writes into what it is given": deep(tanh(overwritten)),
    "an output that is an input": lambda x: (x, x.t(), x * 2),
    "one parameter, many times": lambda x: x @ x.t() @ x + x.sum() * x,
    "no gradient at all": lambda x: torch.sign(x) + x.detach() * 0,
    "a kink": lambda x: torch.relu(x - x) + x.abs(),
    "empty": lambda x: x[:0].sum() + x.mean(),
    "numbers that are no tensor": lambda x: x.item() * x if x.ndim == 0 else x * 2.0 - 1,
}  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(name: str, dtype: torch.dtype) -> None:
    func, arrays = RIGHT[name], [X, W] if "writes into" in name else [X]
    report = gradcheck(func, [x.detach().to(dtype).requires_grad_() for x in arrays], steps=True)
    assert report and report.steps and all(f.verdict == "pass" for f in report.findings)


LSTMS = [{"num_layers": 2, "bidirectional": True}, {"bias": False, "batch_first": True}]


@pytest.mark.parametrize("options", LSTMS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_an_lstm(options: dict[str, Any], dtype: torch.dtype) -> None:
    layer = nn.LSTM(3, 4, dtype=dtype, **options)
    report = gradcheck(lambda x: layer(x)[0], (torch.randn(5, 2, 3, dtype=dtype, requires_grad=True),))
    assert report and max(f.resolution for f in report.findings) < 1e-2


# --- what is wrong is named -------------------------------------------------------------------------------------------


def test_a_wrong_formula_is_named_where_it_stands() -> None:
    (step,) = wrong_steps(deep(tanh(lambda g, x, y: g * (1 - y * y) * (1 + 1e-4))), X, W)
    assert (step.kind, step.name) == ("backward", "MineBackward") and __file__ in step.line
    assert "every entry is 1.0001" in step.message and "its formula is wrong" in step.message


@pytest.mark.parametrize(
    "backward",
    [
        lambda g, x, y: (g.half() * (1 - y * y).half()).float(),
        lambda g, x, y: g * ((1e4 + (1 - y * y)) - 1e4),
        lambda g, x, y: g.bfloat16().float() * (1 - y * y),
    ],
    ids=["half precision", "cancellation", "bfloat16"],
)
def test_rounding_is_told_from_formula(backward: Any) -> None:
    (step,) = wrong_steps(deep(tanh(backward)), X, W)
    assert step.name == "MineBackward" and "its formula is right" in step.message


def test_a_softmax_without_its_projection_is_wrong_by_formula() -> None:
    (step,) = wrong_steps(deep(tanh(lambda g, x, y: g * y, lambda x: x.softmax(-1))), X, W)
    assert "its formula is wrong" in step.message


def test_a_wrong_value_is_named() -> None:
    def value(x):
        y = torch.tanh(x)
        return y * (1 + 1e-4)

    steps = wrong_steps(deep(tanh(lambda g, x, y: g * (1 - y * y), value)), X, W)
    assert steps and {s.name for s in steps} == {"MineBackward"}  # for the value itself is what forward says


def hooked(x, w):
    y = torch.tanh(x @ w)
    y.register_hook(lambda g: g * 1.001)
    return (y @ w).sum()


def hooked_leaf(x, w):
    w.register_hook(lambda g: g * 1.001)
    return torch.tanh(x @ w)


def hooked_function(x, w):
    y = torch.tanh(x @ w)
    y.grad_fn.register_hook(lambda returned, received: (returned[0] * 1.001,))
    return y @ w


def test_a_hook_that_scales_a_gradient_is_a_fault_of_the_sum() -> None:
    (step,) = wrong_steps(hooked, X, W)
    assert step.kind == "sum" and "gradient by the result of tanh" in step.message
    (step,) = wrong_steps(hooked_leaf, X, W)
    assert step.kind == "sum" and "input 1" in step.message
    (step,) = wrong_steps(hooked_function, X, W)
    assert (step.kind, step.name) == ("backward", "TanhBackward0")


def hooked_in_place(x, w):
    y = torch.tanh(x @ w)
    y.register_hook(lambda g: g.mul_(1.001) and None)
    return y @ w


def test_a_hook_that_writes_into_a_gradient_is_a_fault_of_the_sum() -> None:
    (step,) = wrong_steps(hooked_in_place, X[:1, :1].detach().requires_grad_(), W[:1, :1].detach().requires_grad_())
    assert step.kind == "sum"


def test_a_backward_pass_that_writes_over_what_others_need_is_seen_there() -> None:
    def vandal(g, x, y):
        x.data.mul_(1.5)
        return g * (1 - y * y)

    def func(x):
        y = torch.sin(x)
        z = y**3
        return tanh(vandal)(y) + z

    report = gradcheck(lambda x: func(func(x)), (X,), steps=True, raise_exception=False)
    assert report.verdict == "wrong" and report.steps[0].name == "PowBackward0"
    with pytest.raises(GradientError):
        gradcheck(lambda x: func(func(x)), (X,))


class Once(torch.autograd.Function):
    """A product whose first factor is forgotten."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a @ b

    @staticmethod
    def backward(ctx, *grads):
        a, _ = ctx.saved_tensors
        return None, a.t() @ grads[0]


def test_a_parameter_that_is_used_twice_and_counted_once() -> None:
    (step,) = wrong_steps(lambda w: torch.tanh(Once.apply(w, w) @ w), W)
    assert (step.kind, step.name) == ("backward", "OnceBackward") and "gradient by input 0" in step.message
    (step,) = wrong_steps(lambda w: torch.tanh(w) * torch.tanh(w).detach(), W)
    assert step.name == "MulBackward0" and "gradient by the result of tanh" in step.message


def test_a_gradient_for_what_is_not_used_is_wrong() -> None:
    class Ghost(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):  # noqa: ARG004
            return x * 2

        @staticmethod
        def backward(ctx, *grads):  # noqa: ARG004
            return grads[0] * 2, grads[0][:5] * 0 + 1e-3

    steps = wrong_steps(lambda x, w: Ghost.apply(x, torch.tanh(w)).sin(), X, W)
    assert [step.kind for step in steps] == ["backward"] and "GhostBackward" in steps[0].name


def test_a_gradient_out_of_nothing_is_wrong() -> None:
    class Invented(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, *grads):  # noqa: ARG004
            return (0 if grads[0] is None else grads[0] * 2) + torch.full((6, 5), 1e-3) + 3 * grads[1]

    steps = wrong_steps(lambda x: Invented.apply(torch.tanh(x))[1], X)
    assert [step.name for step in steps] == ["InventedBackward"]
