"""Attacks on the certificate step by step: right programs that look wrong, and wrong ones that look right."""

# mypy: disable-error-code="no-untyped-call,no-untyped-def,misc"
# ruff: noqa: ARG001, ARG004, ARG005 (custom functions as people write them)
from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch import nn
from torch.autograd import Function
from torch.autograd.graph import saved_tensors_hooks

from gradaudit.errors import UnsupportedError
from gradaudit.judge import Report
from gradaudit.torch import gradcheck

torch.manual_seed(0)
X = torch.randn(6, 5)


def custom(forward: Any, backward: Any) -> Any:
    """A custom function of its two methods; forward saves what it is given."""

    def saving(ctx: Any, *args: Any) -> Any:
        ctx.save_for_backward(*args)
        return forward(*args)

    own = {"forward": staticmethod(saving), "backward": staticmethod(backward)}
    return type("Mine", (Function,), own).apply  # type: ignore[attr-defined]


def report(func: Any, dtype: torch.dtype = torch.float32, **options: Any) -> Report:
    x = X.detach().to(dtype, copy=True).requires_grad_()
    return gradcheck(func, (x,), raise_exception=False, **{"steps": True, **options})


# --- right programs ---------------------------------------------------------------------------------------------------


def kinks_in_a_row_that_is_written_to(x):
    y = x * 2
    y.clamp_(-1, 1)
    y[0].clamp_(min=0)
    return y * x


def writes_to_views_that_are_returned(x):
    y = x.clone()
    a, b = y[:3], y[2:5]
    a.mul_(2)
    b.add_(x[0])
    a.mul_(x[1])
    return a, b, y


def a_row_of_a_transposed_part(x):
    y = x.clone()
    v = y.view(30)[5:25].view(4, 5).t()[1:]
    v.mul_(2)
    v[0].sin_()
    return y.view(30) * x.reshape(-1), v.exp()


def shapes_changed_in_place(x):
    y = x.clone().unsqueeze(0)
    y.squeeze_(0)
    y.t_()
    y.mul_(2)
    y.unsqueeze_(1)
    return y * y


def rows_copied_between_views(x):
    y = x.clone()
    for k in range(4):
        y[k : k + 2].mul_(y[k + 1 : k + 3].clone())
        y.t()[k].sin_()
    return y.sum(0), y[2:4]


def a_layer_of_its_own(x):
    layer = nn.Linear(5, 5, dtype=x.dtype)
    return layer(layer(x).tanh())


def a_recurrent_layer_of_its_own(x):
    return nn.GRU(5, 3, dtype=x.dtype)(x[:, None])


def constants_beside_what_depends(x):
    both = torch.cat([x.sin(), torch.ones_like(x)])
    return both[6:] * x, both[5:7] * 2


def a_leaf_that_nobody_asks_for(x):
    y = x * 2
    return y.detach().requires_grad_() * 0 + y


def gradients_that_are_summed_by_autograd(x):
    add = custom(lambda a, b: a + b, lambda ctx, g: (g, g))
    return add(x.sin(), x[0].cos()) * 2


def gradients_of_another_dtype(x):
    sine = custom(torch.sin, lambda ctx, g: g.double() * ctx.saved_tensors[0].double().cos())
    y = x * 2
    return sine(y) + sine(y) + sine(x)


def a_softmax_whose_maximum_is_detached(x):
    e = (x - x.max(1, keepdim=True)[0].detach()).exp()
    return e / e.sum(1, keepdim=True)


def a_logarithm_whose_maximum_is_detached(x):
    m = x.max(1, keepdim=True)[0].detach()
    return (x - m).exp().sum(1, keepdim=True).log() + m


def zeros(x):
    return x + torch.sin(torch.relu(x - 10)) * 2


def a_backward_pass_that_writes_into_the_first_cotangent(x):
    double = custom(lambda a: a * 2, lambda ctx, g: g.mul_(2))
    y = x.sin()
    z = double(y)
    return z + y * 3


RIGHT = [
    kinks_in_a_row_that_is_written_to, writes_to_views_that_are_returned, a_row_of_a_transposed_part,
    shapes_changed_in_place, rows_copied_between_views, a_layer_of_its_own, a_recurrent_layer_of_its_own,
    constants_beside_what_depends, a_leaf_that_nobody_asks_for, gradients_that_are_summed_by_autograd,
    gradients_of_another_dtype, a_softmax_whose_maximum_is_detached, a_logarithm_whose_maximum_is_detached, zeros,
    a_backward_pass_that_writes_into_the_first_cotangent,
]  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("func", RIGHT, ids=lambda f: f.__name__)
def test_what_is_right_passes(func: Any, dtype: torch.dtype) -> None:
    result = report(func, dtype)
    assert any(step.kind == "backward" for step in result.steps)
    assert [result.verdict, report(func, dtype, steps=False).verdict] == ["pass", "pass"]


def test_every_cotangent_has_the_same_places() -> None:
    x = X[:2, :2].detach().requires_grad_()

    def func(x):
        y = x.clone()
        y[0].mul_(x[1])
        return y[1] * y[0]

    result = gradcheck(func, (x,), steps=True, jacobian=True)
    assert sum(step.name == "MulBackward0" for step in result.steps) == 2


# --- programs that are drawn ------------------------------------------------------------------------------------------


def drawn(seed: int, factor: float) -> Any:
    """A program of views, copies, writes in place and custom functions; those are off by a factor."""

    class Dirty(Function):
        @staticmethod
        def forward(ctx, a):
            ctx.mark_dirty(a)
            return a.mul_(2)

        @staticmethod
        def backward(ctx, *g):
            return g[0] * 2 * factor

    own = [
        Dirty.apply,
        custom(torch.sin, lambda ctx, g: g * ctx.saved_tensors[0].cos() * factor),
        custom(lambda a: a.view_as(a), lambda ctx, g: g * factor),
    ]

    def func(x):
        draw = random.Random(seed)
        arrays = [x * 1.0, x.sin()]
        for _ in range(draw.randint(4, 12)):
            t = draw.choice([a for a in arrays if a.ndim])
            row, change = draw.randrange(len(t)), draw.choice(CHANGES)
            result = draw.choice(own)(t) if change is None else change(t, row)
            arrays += [result] if isinstance(result, torch.Tensor) else []
        return draw.sample(arrays, 2)

    return func


CHANGES: list[Any] = [
    lambda t, k: t[k], lambda t, k: t[k:], lambda t, k: t.t() if t.ndim == 2 else t.unsqueeze(0),
    lambda t, k: t.mul_(1.5) * 1, lambda t, k: t.sin_() + 0, lambda t, k: t[k].mul_(0.5) * 1, lambda t, k: t.clone(),
    lambda t, k: t.__setitem__(k, t[0].clone() * 0.7), lambda t, k: t[:1].copy_(t[-1:].clone()) * 1,
    lambda t, k: t.tanh(), lambda t, k: t.reshape(-1), lambda t, k: t.unsqueeze_(0).squeeze_(0) * 1,
    lambda t, k: t.masked_fill_(t.detach() > 0.8, 0.3) * 1, lambda t, k: t.unbind(0)[k], None, None,
]  # fmt: skip


def runs(func: Any, x: torch.Tensor) -> bool:
    """Whether PyTorch itself can differentiate it."""
    try:
        torch.autograd.grad(sum(t.sum() for t in func(x.clone())), x)
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize("factor", [1.0, 1.001])
def test_views_and_writes_in_any_order(factor: float) -> None:
    verdicts = []
    for seed in range(150):
        dtype = torch.float64 if seed % 2 else torch.float32
        x = torch.randn(3, 4, dtype=dtype, generator=torch.Generator().manual_seed(seed)).requires_grad_()
        func = drawn(seed, factor)
        if runs(func, x):
            steps, end = (gradcheck(func, (x,), steps=s, raise_exception=False) for s in (True, False))
            assert end.verdict != "wrong" or steps.verdict == "wrong", seed
            assert factor != 1 or steps.verdict == end.verdict, seed
            own = ("Mine", "Dirty", "CopySlices")
            assert all(any(n in s.name for n in own) for s in steps.steps if s.verdict == "wrong"), seed
            verdicts.append(steps.verdict)
    assert verdicts.count("pass") > 20
    assert ("wrong" in verdicts) == (factor != 1)


# --- wrong programs ---------------------------------------------------------------------------------------------------


def hidden(x):
    return x.sin() * x.cos().detach()


def captured(x):
    y = x.sin()
    return custom(lambda a: a * y, lambda ctx, g: g * y.detach())(x.cos())


def hook_before(x):
    y = x.sin()
    y.grad_fn.register_prehook(lambda g: (g[0] * 1.001,))
    return y * x


def hook_of_saved(x):
    with saved_tensors_hooks(lambda t: t, lambda t: t * 1.001):
        return (x.sin() * x).tanh()


def data_between(x):
    y = x.sin()
    a = y * 2
    y.data.mul_(1.001)
    return a + y * 3


def saved_is_written_over(x):
    y = x.sin()

    def backward(ctx, g):
        ctx.saved_tensors[0].data.mul_(1.001)
        return g * 2

    z = y * y
    return custom(lambda a: a * 2, backward)(y) + z


def returned_is_written_over(x):
    handed: list[Any] = []

    def first(ctx, g):
        handed[0].mul_(1.5)
        return g.clone()

    def second(ctx, g):
        handed.append(g * 2)
        return handed[0]

    y = x.sin()
    a = custom(lambda a: a.clone(), first)(y)
    return custom(lambda a: a * 2, second)(y) + a


def not_the_same_twice(x):
    times = []

    def backward(ctx, g):
        times.append(1)
        return g * 2 * (1.001 if len(times) == 1 else 1)

    return custom(lambda a: a * 2, backward)(x.sin())


def crossed(x):
    y = x.sin()
    return custom(lambda a, b: a * 2 + b * 3, lambda ctx, g: (g * 3, g * 2))(y, y * 1)


def two_that_cancel(x):
    larger = custom(lambda a: a.view_as(a), lambda ctx, g: g * 1.001)
    smaller = custom(lambda a: a.view_as(a), lambda ctx, g: g / 1.001)
    return smaller(larger(x.sin())) * x


def used_twice_in_half(x):
    multiply = custom(
        lambda a, b: a * b,
        lambda ctx, g: tuple((g.half() * t.half()).to(g.dtype) for t in (ctx.saved_tensors[1], ctx.saved_tensors[0])),
    )
    y = x.sin()
    return multiply(y, y).cos()


WRONG = {
    hidden: ("MulBackward0", "autograd has no way to there"),
    captured: ("MineBackward", "autograd has no way to there"),
    hook_before: ("the only contribution", ""),
    hook_of_saved: ("MulBackward0", "PyTorch itself wrote it"),
    data_between: ("MulBackward0", "PyTorch itself wrote it"),
    saved_is_written_over: ("MulBackward0", "written over since the forward pass"),
    returned_is_written_over: ("the sum of 2 contributions", ""),
    not_the_same_twice: ("MineBackward", "run once more it does not return the same"),
    crossed: ("MineBackward", "its formula is wrong"),
    two_that_cancel: ("MineBackward", "its formula is wrong"),
    used_twice_in_half: ("MineBackward", "its formula is right"),
}


@pytest.mark.parametrize("func", WRONG, ids=lambda f: f.__name__)
def test_what_is_wrong_has_its_name(func: Any) -> None:
    name, opinion = WRONG[func]
    wrong = [step for step in report(func).steps if step.verdict == "wrong"]
    assert any(step.name == name and opinion in step.message for step in wrong), wrong


def test_nothing_that_requires_a_gradient_is_judged_at_the_end() -> None:
    assert report(lambda x: x.sin().detach()).verdict == "wrong"


def test_memory_that_is_changed_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="set_"):
        report(lambda x: x.clone().set_(x.sin()))
