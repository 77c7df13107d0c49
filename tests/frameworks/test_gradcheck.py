"""`gradaudit.torch.gradcheck`: what is followed, what is refused, what is said."""

# ruff: noqa: ARG005 (a backward pass is given all there is)
from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import gradaudit
from gradaudit.torch import gradcheck
from tests.frameworks.backwards import drawn, function, on

DTYPES = {"float64": torch.float64, "float32": torch.float32}


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


FUNCTIONS: dict[str, Any] = {
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
    report = gradcheck(module, drawn((3, 2, 4, 4), dtype=DTYPES[dtype]), raise_exception=False)
    assert [f.array for f in report.findings] == ["output", "input 0", *dict(module.named_parameters())]
    assert report.verdict == "pass" or (report.verdict, dtype) == ("undecided", "float32")


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
    assert "backwards.py" in report.kinks[0].place


@pytest.mark.parametrize("slope", [-1.125, -0.125, 1.125])
def test_outside_of_a_kink_is_wrong(slope: float) -> None:
    x = torch.tensor([1.0, 0.0, -1.0], requires_grad=True)
    sided = function(torch.relu, on(lambda x, y, g: g * (x > 0) + slope * g * (x == 0)))
    with pytest.raises(gradaudit.GradientError, match=r"input 0\[1\] is wrong"):
        gradcheck(sided, x)


TIES = {
    "amax": lambda x: x.amax(0), "max": lambda x: x.max(), "clamp": lambda x: x.clamp(1.0, 2.0),
    "maximum": lambda x: torch.maximum(x, torch.ones_like(x)), "abs": lambda x: (x - 1).abs(),
    "max_pool": lambda x: nn.functional.max_pool1d(x[None], 2, 1), "median": lambda x: x.median(),
    "sort": lambda x: x.sort().values * torch.tensor([1.0, 2, 3, 4]),
    "l1": lambda x: nn.functional.l1_loss(x, x.detach()),
}  # fmt: skip


@pytest.mark.parametrize("name", TIES)
def test_ties_and_ends_are_accepted_and_named_by_their_lines(name: str) -> None:
    x = torch.tensor([1.0, 2.0, 2.0, 1.0], requires_grad=True)
    report = gradcheck(TIES[name], x)
    assert report
    assert report.kinks
    assert all(kink.place.startswith(f"{__file__}:") for kink in report.kinks)


def test_whether_given_numbers_are_equal_is_no_kink() -> None:
    """Labels of 1 and -1 choose what is computed, even where they require a gradient."""
    x, y = drawn((5,))[0], torch.tensor([1.0, -1, 1, -1, 1], dtype=torch.float64, requires_grad=True)
    slightly = function(lambda x: x.clone(), on(lambda x, y, g: g * (1 + 1e-6)))
    assert not gradcheck(nn.functional.hinge_embedding_loss, (x, y)).kinks
    with pytest.raises(gradaudit.GradientError, match=r"input 0.* is wrong"):
        gradcheck(lambda x, y: nn.functional.hinge_embedding_loss(slightly(x), y), (x, y))
