"""`gradaudit.torch.gradcheck`: what is followed, what is refused, what is said."""

# ruff: noqa: ARG005 (a backward pass is given all there is)
from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gradaudit
from gradaudit.torch import gradcheck
from tests.frameworks.backwards_torch import function, on

DTYPES = {"float64": torch.float64, "float32": torch.float32}


def drawn(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(s, generator=generator, dtype=torch.float64).to(dtype).requires_grad_() for s in shapes)


# --- what is followed -------------------------------------------------------------------------------------------------


def _in_place(x: Any) -> Any:
    y = x * 1.0
    y[0] = 3 * x[1]
    y[1:].mul_(x[1:])
    y.t()[:, 0] += x[0]
    y[torch.tensor([0, 2])] -= 1
    return y


def _into_zeros(x: Any) -> Any:
    y = torch.zeros(5, 4, dtype=x.dtype)
    y[1:4] = x[:3] ** 2
    y[:, 1].copy_(x[:, 0].exp()[[0, 1, 2, 0, 1]])
    y.fill_diagonal_(2.0)
    return y


def _views(x: Any) -> Any:
    y = (x + 0).transpose(0, 1).reshape(2, -1)
    z = y.view(2, 2, -1).permute(2, 0, 1)[::2].unfold(1, 2, 1)
    y.mul_(2)
    return z.flip(0), y.as_strided((2, 3), (3, 1), 1)


def _out(x: Any) -> Any:
    with torch.no_grad():
        y = torch.empty_like(x)
        torch.exp(x, out=y)
    return y * x - y * x + x.exp()


def _split(x: Any) -> Any:
    first, second = x.split([1, 3], dim=1)
    return torch.stack([first.expand(-1, 3), second.sigmoid()]).cumsum(0), torch.cat([second, first], 1)


def _masks(x: Any) -> Any:
    mask = (x > 0) & ~(x > 1) | (x < -1)
    return torch.where(mask, x * x, -x).masked_fill(x > 1.5, 0.0), x[x > 0], mask * x


def _attention(x: Any) -> Any:
    return nn.functional.scaled_dot_product_attention(x[None, None], x[None, None], x[None, None], is_causal=True)


FUNCTIONS = {
    "writes in place": _in_place, "an array that is filled": _into_zeros, "views of what is written to": _views,
    "a result put somewhere": _out, "parts": _split, "masks": _masks, "causal attention": _attention,
    "dropout": lambda x: nn.functional.dropout(x, 0.5, training=True) * 2,
    "einsum": lambda x: torch.einsum("ij,kj->ik", x, x),
    "a norm": lambda x: torch.linalg.norm(x) + x.norm(p=3, dim=1).sum(),
    "sorted": lambda x: x.sort(dim=1).values * torch.arange(x.shape[1]),
    "top": lambda x: x.flatten().topk(5).values,
    "a composite activation": lambda x: nn.functional.celu(x) + nn.functional.hardswish(x) + nn.functional.selu(x),
    "a dictionary": lambda x: {"a": x.sin(), "b": [x.cos().sum(), 3]},
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_followed(name: str, dtype: str) -> None:
    """And a factor that is nearly 1 in its backward pass is seen, so that something was judged."""
    f = FUNCTIONS[name]
    x = drawn((4, 4), dtype=DTYPES[dtype])
    assert gradcheck(f, x)
    factor = 1 + {"float64": 1e-9, "float32": 1e-3}[dtype]
    slightly = function(lambda x: x.clone(), on(lambda x, y, g: factor * g))
    with pytest.raises(gradaudit.GradientError, match="input 0"):
        gradcheck(lambda x: f(slightly(x)), x)


def test_a_forward_pass_that_writes_in_place_is_seen_inside_a_custom_function() -> None:
    class Scaled(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any, n: int) -> Any:
            y = x.clone()
            y[:n] *= 3
            ctx.n = n
            return y, n

        @staticmethod
        def backward(ctx: Any, g: Any, _: Any) -> Any:
            g = g.clone()
            g[: ctx.n] *= 3
            return g, None

    assert gradcheck(lambda x: Scaled.apply(x, 2)[0], drawn((4,)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_module_is_differentiated_by_its_parameters_too(dtype: str) -> None:
    torch.manual_seed(1)
    module = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.GELU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 4),
        nn.LayerNorm(4), nn.Softplus(),
    ).to(DTYPES[dtype])  # fmt: skip
    report = gradcheck(module, drawn((3, 2, 4, 4), dtype=DTYPES[dtype]))
    assert [f.array for f in report.findings] == ["output", "input 0", *dict(module.named_parameters())]


def test_a_recurrent_cell_and_a_transformer_layer_are_followed() -> None:
    torch.manual_seed(1)
    assert gradcheck(nn.LSTMCell(3, 4).double(), drawn((2, 3)))
    assert gradcheck(nn.GRUCell(3, 4).double(), drawn((2, 3)))
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True).double()
    assert gradcheck(layer, drawn((2, 3, 8)))


def test_inputs_that_require_no_gradient_are_constants_and_arguments_may_be_named() -> None:
    x, w = drawn((3, 4), (4, 2))
    labels = torch.tensor([1, 0, 1])
    report = gradcheck(
        lambda x, labels, *, w: nn.functional.cross_entropy(x @ w, labels), (x.detach(), labels), kwargs={"w": w}
    )
    assert [f.array for f in report.findings] == ["output", "w"]


def test_several_outputs_are_pulled_back_together_or_one_by_one() -> None:
    wrong = function(lambda x: x * x, on(lambda x, y, g: torch.where(torch.arange(4) == 2, 3 * x * g, 2 * x * g)))
    (x,) = drawn((4,))
    for jacobian in (False, True):
        assert gradcheck(lambda x: (x.exp(), x.sum()), x, jacobian=jacobian)
        with pytest.raises(gradaudit.GradientError, match=r"input 0\[2\] is wrong"):
            gradcheck(lambda x: (wrong(x), x.sum()), x, jacobian=jacobian)


def test_an_output_without_a_gradient_is_judged_by_its_value_and_that_is_said() -> None:
    (x,) = drawn((4,))
    report = gradcheck(lambda x: (x.exp(), x.exp().detach()), x)
    assert report
    assert "output 1 has no gradient for autograd: its value alone is judged" in str(report)
    with pytest.raises(gradaudit.GradientError, match="every entry is 0"):
        gradcheck(lambda x: x.exp().detach(), x)


def test_a_module_that_forgets_a_term_is_convicted_where_it_is_hidden_from_autograd() -> None:
    with pytest.raises(gradaudit.GradientError):
        gradcheck(lambda x: x * x.sum().detach(), drawn((4,)))


def test_running_statistics_that_depend_on_inputs_are_no_constants() -> None:
    norm = nn.BatchNorm1d(3).double()

    def used_later(x: Any) -> Any:
        y = norm(x)
        return y * norm.running_mean

    assert gradcheck(lambda x: norm(norm(x)), drawn((4, 3)))
    with pytest.raises(gradaudit.UnsupportedError, match=r"aten::mul\.Tensor with arguments that are not known"):
        gradcheck(used_later, drawn((4, 3)))


def test_a_derivative_inside_the_function_is_followed() -> None:
    def penalty(x: Any) -> Any:
        (g,) = torch.autograd.grad((x**3).tanh().sum(), x, create_graph=True)
        return (g * g).sum()

    assert gradcheck(penalty, drawn((4,)))


def test_a_tensor_from_outside_is_a_constant_whether_it_requires_a_gradient_or_not() -> None:
    x, w = drawn((3, 4), (4, 2))
    assert gradcheck(lambda x: (x @ w.tanh()).relu(), x)
    assert gradcheck(lambda x: (x @ w.T.T).relu() * torch.rand(2), x)


# --- kinks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [0.0, 0.25, 1.0])
def test_either_side_of_a_kink_is_accepted_and_reported(slope: float) -> None:
    x = torch.tensor([1.0, 0.0, -1.0], requires_grad=True)
    sided = function(torch.relu, on(lambda x, y, g: g * (x > 0) + slope * g * (x == 0)))
    report = gradcheck(sided, x)
    assert report
    assert len(report.kinks) == 1
    assert "backwards_torch.py" in report.kinks[0]


@pytest.mark.parametrize(
    "slope",
    [
        -1.125,
        pytest.param(
            -0.125, marks=pytest.mark.xfail(strict=True, reason="the bound of `where` is the same on both sides")
        ),
        1.125,
    ],
)
def test_outside_of_a_kink_is_wrong(slope: float) -> None:
    x = torch.tensor([1.0, 0.0, -1.0], requires_grad=True)
    sided = function(torch.relu, on(lambda x, y, g: g * (x > 0) + slope * g * (x == 0)))
    with pytest.raises(gradaudit.GradientError, match=r"input 0\[1\] is wrong"):
        gradcheck(sided, x)


TIES = {
    "amax": lambda x: x.amax(0), "max": lambda x: x.max(), "clamp": lambda x: x.clamp(1.0, 2.0),
    "maximum": lambda x: torch.maximum(x, torch.ones_like(x)), "abs": lambda x: (x - 1).abs(),
    "max_pool": lambda x: nn.functional.max_pool1d(x[None], 2), "median": lambda x: x.median(),
    "sort": lambda x: x.sort().values * torch.tensor([1.0, 2, 3, 4]),
    "l1": lambda x: nn.functional.l1_loss(x, x.detach()),
}  # fmt: skip


@pytest.mark.parametrize("name", TIES)
def test_ties_and_ends_are_accepted(name: str) -> None:
    x = torch.tensor([1.0, 2.0, 2.0, 1.0], requires_grad=True)
    assert gradcheck(TIES[name], x)


# --- what is refused --------------------------------------------------------------------------------------------------


class ThroughNumPy(torch.autograd.Function):  # type: ignore[misc]
    """The sine, by NumPy."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return torch.from_numpy(np.sin(x.numpy()))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * x.cos()


class ThroughMemory(ThroughNumPy):
    """The same, written to memory by C."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        y, values = torch.zeros_like(x), np.sin(x.tolist())
        ctypes.memmove(y.data_ptr(), values.ctypes.data, values.nbytes)
        return y


class ThroughNothing(ThroughNumPy):
    """A result of another library, which nobody saw."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return torch.ones(3, dtype=x.dtype)


def _half(x: Any) -> Any:
    return (x.half() * 2).to(x.dtype)


REFUSED = {
    "NumPy": (ThroughNumPy.apply, r"\.numpy\(\) of what depends on an input, which leaves PyTorch"),
    "memory": (ThroughMemory.apply, r"\.tolist\(\) of what depends"),
    "nothing": (ThroughNothing.apply, "a result of ThroughNothing that no operation of PyTorch made"),
    "nothing, used": (lambda x: ThroughNothing.apply(x) * 2, "a result of ThroughNothing"),
    "a number that comes back, changed": (lambda x: x + (3 - abs(x[0].item())) ** 2, "a number that was read"),
    "np.asarray": (lambda x: x * float(np.asarray(x.detach()).sum()), r"np.asarray\(\) of what depends"),
    "a number that comes back": (lambda x: x * x.sum().item(), "a number that was read, as an argument"),
    "a float that comes back": (lambda x: x * (2 * float(x[0].detach())), r"float\(\) of what depends on an input"),
    "an unknown operation": (lambda x: torch.linalg.eigvalsh(x[:, None] * x), "aten::_linalg_eigh"),
    "complex numbers": (lambda x: torch.fft.fft(x).real, "aten::_fft_r2c"),
    "a narrower dtype": (_half, "a conversion to float16"),
    "bits": (lambda x: x.view(torch.int64).view(torch.float64) * 1, "the bits of numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_is_refused_with_its_line(name: str) -> None:
    f, message = REFUSED[name]
    with pytest.raises(gradaudit.UnsupportedError, match=message) as caught:
        gradcheck(f, drawn((3,)))
    assert f"{Path(__file__).name}:" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("f", [ThroughNumPy, ThroughMemory])
def test_a_reference_says_what_is_computed(f: Any) -> None:
    assert gradcheck(f.apply, drawn((3,)), reference=torch.sin)
    with pytest.raises(gradaudit.GradientError, match=r"output.* is wrong"):
        gradcheck(f.apply, drawn((3,)), reference=torch.cos)
    with pytest.raises(gradaudit.InputError, match=r"func returns the shapes \[\(3,\)\], reference \[\(\)\]"):
        gradcheck(f.apply, drawn((3,)), reference=lambda x: x.sum())


def test_a_branch_that_reads_a_number_is_taken_and_reported() -> None:
    report = gradcheck(lambda x: x * 2 if x.sum() > 0 else x * 3, drawn((4,)))
    assert report
    assert "a number was read at" in report.remarks[0]
    assert f"{Path(__file__).name}:" in report.remarks[0]


X = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
BAD = {
    "no gradient": ((torch.sin, X.detach()), {}, "no input requires a gradient"),
    "half": ((torch.sin, X.detach().half().requires_grad_()), {}, "the dtype torch.float16; expected float64 or"),
    "two dtypes": ((torch.add, (X, X.detach().float())), {}, "float32 and float64"),
    "complex": ((torch.add, (X, X.detach() * 1j)), {}, "input 1 is complex"),
    "sparse": ((torch.add, (X, X.detach().to_sparse())), {}, "input 1 is torch.sparse_coo"),
    "infinity": ((torch.add, (X, X.detach() / 0)), {}, "input 1 is not finite"),
    "no function": ((3, X), {}, "func is of the type int"),
    "a number": ((torch.sin, 3.0), {}, "inputs is of the type float"),
    "nothing returned": ((lambda _: None, X), {}, "without a tensor of floats"),
    "forward mode": ((torch.sin, X), {"check_forward_ad": True}, "check_forward_ad is True"),
    "batches": ((torch.sin, X), {"check_batched_grad": True}, "check_batched_grad is True"),
    "an option": ((torch.sin, X), {"tolerance": 3}, "no option 'tolerance'"),
    "steps": ((torch.sin, X), {"steps": "all"}, "steps is 'all'"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_call_gets_one_line(name: str) -> None:
    args, options, message = BAD[name]
    with pytest.raises(gradaudit.InputError, match=message) as caught:
        gradcheck(*args, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_the_call_of_torch_is_taken_as_it_is() -> None:
    assert gradcheck(torch.sin, (X,), eps=1e-6, atol=1e-4, rtol=1e-3, nondet_tol=0.1, fast_mode=True)
    assert torch.autograd.gradcheck(torch.sin, (X,), eps=1e-6, atol=1e-4, fast_mode=True)


def test_inputs_are_not_changed_and_gradients_are_not_left_behind() -> None:
    (x,) = drawn((4,))
    before = x.detach().clone()
    y = torch.zeros(4, dtype=torch.float64)
    assert gradcheck(lambda x, y: y.copy_(x) * 2, (x, y))
    assert torch.equal(x, before)
    assert x.grad is None
    assert not y.any()


# --- what is said -----------------------------------------------------------------------------------------------------

CHANGES = {
    "every entry is 0": on(lambda x, y, g: 0 * g),
    "every entry has the wrong sign": on(lambda x, y, g: -g * y),
    "every entry is 4 times the exact one": on(lambda x, y, g: 4 * g * y),
    "it is transposed": on(lambda x, y, g: (g * y).T),
    "it is shifted by one along axis 0": on(lambda x, y, g: (g * y).roll(1, 0)),
    "it is turned round along axis 1": on(lambda x, y, g: (g * y).flip(1)),
    "no entry has more digits than a float32 has": on(lambda x, y, g: (g * y).float().double()),
    "no entry has more digits than a bfloat16 has": on(lambda x, y, g: (g * y).bfloat16().double()),
    "16 of 16 entries are not finite": on(lambda x, y, g: g * y / 0),
    "": on(lambda x, y, g: g * y + 1),
}


@pytest.mark.parametrize("words", CHANGES)
def test_a_change_that_explains_every_entry_is_named(words: str) -> None:
    with pytest.raises(gradaudit.GradientError) as caught:
        gradcheck(function(torch.exp, CHANGES[words]), drawn((4, 4)))
    first = str(caught.value).splitlines()[0]
    assert "input 0[" in first
    assert first.partition("entries are wrong")[2].removeprefix(": ") == words


def test_what_is_wrong_in_one_entry_has_no_name() -> None:
    def backward(x: Any, y: Any, g: Any) -> Any:  # noqa: ARG001
        r = 2 * g * y
        r[1, 1] += 1
        return r

    with pytest.raises(gradaudit.GradientError) as caught:
        gradcheck(function(torch.exp, on(backward)), drawn((4, 4)))
    assert "times the exact one" not in str(caught.value)
