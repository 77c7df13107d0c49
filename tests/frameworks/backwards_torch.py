"""Backward passes for PyTorch as people write them: some right in several ways, some wrong in the usual ones.

A `Case` is a forward pass, with right and wrong backward passes of it; each becomes a custom autograd.Function.
"""

# ruff: noqa: ARG005 (a backward pass is given all there is)
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

#: (inputs, output, cotangent) -> the gradients by the inputs
Backward = Callable[[Sequence[Any], Any, Any], Any]
#: A factor that is nearly 1, by dtype.
NEARLY_1 = {torch.float64: 1 + 1e-9, torch.float32: 1 + 2e-5}
#: The dtype below each.
NARROWER = {torch.float64: torch.float32, torch.float32: torch.bfloat16}


@dataclass(frozen=True)
class Case:
    """A function, with backward passes of it.

    Attributes
    ----------
    shapes : sequence of tuple of int
        Of its inputs.
    forward : callable
        Of tensors.
    right, wrong : dict of str to callable
        Backward passes; the name says how they differ.
    positive : bool
        Whether the inputs are positive.
    """

    shapes: Sequence[tuple[int, ...]]
    forward: Callable[..., Any]
    right: dict[str, Backward]
    wrong: dict[str, Backward]
    positive: bool = False

    def inputs(self, dtype: torch.dtype, seed: int = 0) -> tuple[torch.Tensor, ...]:
        """Inputs of normal distribution, or between 1/4 and 2."""
        generator = torch.Generator().manual_seed(seed)
        draw = torch.rand if self.positive else torch.randn
        given = [draw(s, generator=generator, dtype=torch.float64) for s in self.shapes]
        return tuple((x * 1.75 + 0.25 if self.positive else x).to(dtype).requires_grad_() for x in given)


def function(forward: Callable[..., Any], backward: Backward) -> Callable[..., Any]:
    """A custom autograd.Function of a forward and a backward pass."""

    class Custom(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            y = forward(*inputs)
            ctx.save_for_backward(*inputs, y)
            return y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            *inputs, y = ctx.saved_tensors
            return backward(inputs, y, g)

    return Custom.apply  # type: ignore[no-any-return]


def by_autograd(forward: Callable[..., Any]) -> Backward:
    """The backward pass that autograd makes of the forward pass."""

    def backward(xs: Sequence[Any], _: Any, g: Any) -> Any:
        with torch.enable_grad():
            own = [x.detach().requires_grad_() for x in xs]
            return torch.autograd.grad(forward(*own), own, g)

    return backward


def on(f: Callable[..., Any]) -> Backward:
    """A backward pass of one input."""
    return lambda xs, y, g: f(xs[0], y, g)


def narrow(f: Callable[..., Any]) -> Backward:
    """The same, computed in the dtype below and converted back."""

    def backward(xs: Sequence[Any], y: Any, g: Any) -> Any:
        low = NARROWER[g.dtype]
        result = f([x.to(low) for x in xs], y.to(low), g.to(low))
        return tuple(r.to(g.dtype) for r in (result if isinstance(result, tuple) else (result,)))

    return backward


def last(x: Any) -> Any:
    return x.sum(-1, keepdim=True)


def mean(x: Any) -> Any:
    return x.mean(-1, keepdim=True)


# --- the functions ----------------------------------------------------------------------------------------------------


def unit(x: Any) -> Any:
    return x / x.norm(dim=-1, keepdim=True)


def _length(x: Any) -> Any:
    return x.norm(dim=-1, keepdim=True)


def layer_norm(x: Any) -> Any:
    z = x - mean(x)
    return z * torch.rsqrt(mean(z * z) + 1e-5)


def _deviation(x: Any) -> Any:
    return torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5)


def batch_norm(x: Any) -> Any:
    return torch.nn.functional.batch_norm(x, None, None, training=True)


def _by_columns(x: Any) -> Any:
    return torch.rsqrt(x.var(0, unbiased=False) + 1e-5)


def rms_norm(x: Any) -> Any:
    return x * torch.rsqrt(mean(x * x))


def gelu(x: Any) -> Any:
    return torch.nn.functional.gelu(x)


def _density(x: Any) -> Any:
    return torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _normal(x: Any) -> Any:
    return (1 + torch.erf(x / math.sqrt(2))) / 2


def _gelu_tanh_slope(x: Any) -> Any:
    t = torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    return (1 + t) / 2 + x * (1 - t * t) / 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)


INDEX = torch.tensor([0, 2, 2, 1, 0, 2])
LABELS = torch.tensor([2, 0, 1, 2, 1])
MASK = torch.tensor([1.0, 0, 1, 1, 0, 1])


def _added(x: Any, g: Any) -> Any:
    return torch.zeros_like(x).index_add(0, INDEX, g)


def _overwritten(x: Any, g: Any) -> Any:
    r = torch.zeros_like(x)
    r[INDEX] = g
    return r


def cross_entropy(x: Any) -> Any:
    return torch.nn.functional.cross_entropy(x, LABELS)


def _onehot(x: Any) -> Any:
    return torch.nn.functional.one_hot(LABELS, x.shape[-1]).to(x.dtype)


def affine(x: Any, W: Any, b: Any) -> Any:
    return x @ W + b


def _by_affine(xs: Any, _: Any, g: Any) -> Any:
    x, W, _b = xs
    return g @ W.T, x.T @ g, g.sum(0)


def huber(x: Any) -> Any:
    return torch.where(x.abs() <= 1, x * x / 2, x.abs() - 0.5)


def convolution(x: Any, w: Any) -> Any:
    return torch.nn.functional.conv1d(x, w, padding=1)


def _by_convolution(xs: Any, _: Any, g: Any) -> Any:
    x, w = xs
    by_x = torch.nn.functional.conv_transpose1d(g, w, padding=1)
    by_w = torch.nn.functional.conv1d(x.transpose(0, 1), g.transpose(0, 1), padding=1).transpose(0, 1)
    return by_x, by_w


def _flipped(x: Any, *axes: int) -> Any:
    return torch.flip(x, axes or (-1,))


def _spread_maximum(x: Any, y: Any, g: Any) -> Any:
    return (x == y[:, None]) * g[:, None]


def _by_softmax(x: Any, y: Any, g: Any) -> Any:  # noqa: ARG001
    return y * (g - last(g * y))


def _by_jacobian(x: Any, y: Any, g: Any) -> Any:  # noqa: ARG001
    J = torch.diag_embed(y) - y[..., :, None] * y[..., None, :]
    return (J @ g[..., None])[..., 0]


def _by_layer_norm(x: Any, y: Any, g: Any) -> Any:
    return _deviation(x) * (g - mean(g) - y * mean(g * y))


def _by_batch_norm(x: Any, y: Any, g: Any, N: int | None = None) -> Any:
    N = N or x.shape[0]
    return _by_columns(x) / N * (x.shape[0] * g - g.sum(0) - y * (g * y).sum(0))


R, C = 5, 4
CASES = {
    "unit vectors": Case(
        [(R, C)],
        unit,
        {
            "projection": on(lambda x, y, g: (g - y * last(y * g)) / _length(x)),
            "projection, written out": on(lambda x, y, g: g / _length(x) - x * last(x * g) / _length(x) ** 3),
            "by autograd": by_autograd(unit),
        },
        {
            "no projection": on(lambda x, y, g: g / _length(x)),
            "projection on what has no length 1": on(lambda x, y, g: (g - x * last(x * g)) / _length(x)),
            "a norm of the whole array": on(lambda x, y, g: (g - y * last(y * g)) / x.norm()),
        },
    ),
    "layer norm": Case(
        [(R, 8)],
        layer_norm,
        {
            "the usual form": on(_by_layer_norm),
            "by autograd": by_autograd(layer_norm),
            "sums over n": on(
                lambda x, y, g: _deviation(x) / x.shape[-1] * (x.shape[-1] * g - last(g) - y * last(g * y))
            ),
        },
        {
            "statistics as constants": on(lambda x, y, g: g * _deviation(x)),
            "the variance as a constant": on(lambda x, y, g: _deviation(x) * (g - mean(g))),
            "the mean as a constant": on(lambda x, y, g: _deviation(x) * (g - y * mean(g * y))),
            "the other variance": on(
                lambda x, y, g: torch.rsqrt(x.var(-1, keepdim=True) + 1e-5) * (g - mean(g) - y * mean(g * y))
            ),
            "no eps": on(
                lambda x, y, g: torch.rsqrt(x.var(-1, unbiased=False, keepdim=True)) * (g - mean(g) - y * mean(g * y))
            ),
        },
    ),
    "batch norm": Case(
        [(8, C)],
        batch_norm,
        {"the usual form": on(_by_batch_norm), "by autograd": by_autograd(batch_norm)},
        {
            "statistics as constants": on(lambda x, y, g: g * _by_columns(x)),
            "N - 1 for N": on(lambda x, y, g: _by_batch_norm(x, y, g, x.shape[0] - 1)),
        },
    ),
    "RMS norm": Case(
        [(R, 8)],
        rms_norm,
        {
            "the usual form": on(lambda x, y, g: torch.rsqrt(mean(x * x)) * (g - y * mean(g * y))),
            "by autograd": by_autograd(rms_norm),
        },
        {
            "the root as a constant": on(lambda x, y, g: torch.rsqrt(mean(x * x)) * g),
            "a sum for a mean": on(lambda x, y, g: torch.rsqrt(mean(x * x)) * (g - y * last(g * y))),
        },
    ),
    "gelu": Case(
        [(R, C)],
        gelu,
        {
            "distribution and density": on(lambda x, y, g: g * (_normal(x) + x * _density(x))),
            "by autograd": by_autograd(gelu),
        },
        {
            "of the form with tanh": on(lambda x, y, g: g * _gelu_tanh_slope(x)),
            "no density": on(lambda x, y, g: g * _normal(x)),
            "of the form with sigmoid": on(
                lambda x, y, g: g * torch.sigmoid(1.702 * x) * (1 + 1.702 * x * (1 - torch.sigmoid(1.702 * x)))
            ),
        },
    ),
    "rows picked": Case(
        [(3, C)],
        lambda x: x[INDEX],
        {
            "index_add": on(lambda x, y, g: _added(x, g)),
            "index_put": on(lambda x, y, g: torch.zeros_like(x).index_put((INDEX,), g, accumulate=True)),
            "a product": on(lambda x, y, g: torch.nn.functional.one_hot(INDEX, 3).to(g.dtype).T @ g),
        },
        {
            "overwritten": on(lambda x, y, g: _overwritten(x, g)),
            "a mean of the rows": on(lambda x, y, g: _added(x, g) / torch.bincount(INDEX)[:, None]),
            "shifted": on(lambda x, y, g: _added(x, g).roll(1, 0)),
        },
    ),
    "tanh": Case(
        [(R, C)],
        torch.tanh,
        {
            "of the output": on(lambda x, y, g: g * (1 - y * y)),
            "of the input": on(lambda x, y, g: g * (1 - torch.tanh(x) ** 2)),
            "two factors": on(lambda x, y, g: g * (1 - y) * (1 + y)),
        },
        {
            "no square": on(lambda x, y, g: g * (1 - y)),
            "a factor that is nearly 1": on(lambda x, y, g: g * (1 - y * y) * NEARLY_1[g.dtype]),
            "the input for the output": on(lambda x, y, g: g * (1 - x * x)),
            "a narrower dtype": narrow(on(lambda x, y, g: g * (1 - y * y))),
        },
    ),
    "sigmoid": Case(
        [(R, C)],
        torch.sigmoid,
        {
            "of the output": on(lambda x, y, g: g * y * (1 - y)),
            "of both sides": on(lambda x, y, g: g * y * torch.sigmoid(-x)),
        },
        {
            "the input for the output": on(lambda x, y, g: g * x * (1 - x)),
            "sign": on(lambda x, y, g: -g * y * (1 - y)),
        },
    ),
    "softmax": Case(
        [(R, C)],
        lambda x: torch.softmax(x, -1),
        {"the usual form": on(_by_softmax), "the Jacobian": on(_by_jacobian)},
        {
            "the diagonal": on(lambda x, y, g: g * y * (1 - y)),
            "no sum": on(lambda x, y, g: g * y),
            "a sum over the other axis": on(lambda x, y, g: y * (g - (g * y).sum(0))),
        },
    ),
    "log-softmax": Case(
        [(R, C)],
        lambda x: torch.log_softmax(x, -1),
        {
            "of the output": on(lambda x, y, g: g - y.exp() * last(g)),
            "of the input": on(lambda x, y, g: g - torch.softmax(x, -1) * last(g)),
        },
        {
            "a sum taken for 1": on(lambda x, y, g: g - y.exp()),
            "log p for p": on(lambda x, y, g: g - y * last(g)),
        },
    ),
    "cross-entropy": Case(
        [(R, C)],
        cross_entropy,
        {
            "p - onehot": on(lambda x, y, g: g * (torch.softmax(x, -1) - _onehot(x)) / x.shape[0]),
            "by autograd": by_autograd(cross_entropy),
        },
        {
            "not divided": on(lambda x, y, g: g * (torch.softmax(x, -1) - _onehot(x))),
            "no label": on(lambda x, y, g: g * torch.softmax(x, -1) / x.shape[0]),
            "sign": on(lambda x, y, g: g * (_onehot(x) - torch.softmax(x, -1)) / x.shape[0]),
        },
    ),
    "affine": Case(
        [(R, C), (C, C), (C,)],
        affine,
        {
            "products": _by_affine,
            "einsum": lambda xs, y, g: (
                torch.einsum("nc,dc->nd", g, xs[1]),
                torch.einsum("nd,nc->dc", xs[0], g),
                torch.ones(R).to(g) @ g,
            ),
        },
        {
            "a weight that is not transposed": lambda xs, y, g: (g @ xs[1], xs[0].T @ g, g.sum(0)),
            "a gradient that is transposed": lambda xs, y, g: (g @ xs[1].T, g.T @ xs[0], g.sum(0)),
            "a mean for the bias": lambda xs, y, g: (g @ xs[1].T, xs[0].T @ g, g.mean(0)),
            "a row for the bias": lambda xs, y, g: (g @ xs[1].T, xs[0].T @ g, g[0]),
            "a narrower dtype": narrow(_by_affine),
        },
    ),
    "relu": Case(
        [(R, C)],
        torch.relu,
        {
            "above 0": on(lambda x, y, g: g * (x > 0)),
            "where": on(lambda x, y, g: torch.where(y > 0, g, torch.zeros_like(g))),
        },
        {
            "a mask of the cotangent": on(lambda x, y, g: g * (g > 0)),
            "a slope below 0": on(lambda x, y, g: torch.where(x > 0, g, 0.01 * g)),
            "a threshold": on(lambda x, y, g: g * (x > x[x > 0].min())),
        },
    ),
    "clip": Case(
        [(R, C)],
        lambda x: x.clamp(-0.5, 0.5),
        {
            "inside": on(lambda x, y, g: g * ((x >= -0.5) & (x <= 0.5))),
            "what was not moved": on(lambda x, y, g: g * (x == y)),
        },
        {
            "everywhere": on(lambda x, y, g: g),
            "one side": on(lambda x, y, g: g * (x <= 0.5)),
        },
    ),
    "the largest": Case(
        [(R, C)],
        lambda x: x.amax(1),
        {
            "a mask": on(_spread_maximum),
            "an index": on(lambda x, y, g: torch.zeros_like(x).scatter(1, x.argmax(1, keepdim=True), g[:, None])),
        },
        {
            "spread evenly": on(lambda x, y, g: (g[:, None] / C).expand(R, C)),
            "the smallest": on(lambda x, y, g: _spread_maximum(-x, -x.amin(1), g) * 1.0),
        },
    ),
    "mean": Case(
        [(R, C)],
        lambda x: x.mean(0),
        {"over the count": on(lambda x, y, g: (g / R).expand(R, C)), "by autograd": by_autograd(lambda x: x.mean(0))},
        {
            "not divided": on(lambda x, y, g: g.expand(R, C)),
            "the other count": on(lambda x, y, g: (g / C).expand(R, C)),
        },
    ),
    "variance": Case(
        [(R, C)],
        lambda x: x.var(0),
        {
            "the usual form": on(lambda x, y, g: g * 2 * (x - x.mean(0)) / (R - 1)),
            "by autograd": by_autograd(lambda x: x.var(0)),
        },
        {
            "N for N - 1": on(lambda x, y, g: g * 2 * (x - x.mean(0)) / R),
            "no mean": on(lambda x, y, g: g * 2 * x / (R - 1)),
            "a half": on(lambda x, y, g: g * (x - x.mean(0)) / (R - 1)),
        },
    ),
    "log-sum-exp": Case(
        [(R, C)],
        lambda x: torch.logsumexp(x, -1),
        {
            "of the output": on(lambda x, y, g: g[:, None] * (x - y[:, None]).exp()),
            "softmax": on(lambda x, y, g: g[:, None] * torch.softmax(x, -1)),
        },
        {"not normalised": on(lambda x, y, g: g[:, None] * x.exp())},
    ),
    "1 / sqrt": Case(
        [(R, C)],
        torch.rsqrt,
        {
            "a cube": on(lambda x, y, g: -0.5 * g * y**3),
            "a quotient": on(lambda x, y, g: -0.5 * g * y / x),
        },
        {
            "a square": on(lambda x, y, g: -0.5 * g * y**2),
            "a factor that is nearly 1": on(lambda x, y, g: -0.5 * NEARLY_1[g.dtype] * g * y**3),
        },
        positive=True,
    ),
    "convolution": Case(
        [(2, 3, 7), (4, 3, 3)],
        convolution,
        {"transposed, and correlated": _by_convolution, "by autograd": by_autograd(convolution)},
        {
            "a kernel that is turned round": lambda xs, y, g: (
                _by_convolution([xs[0], _flipped(xs[1])], y, g)[0],
                _by_convolution(xs, y, g)[1],
            ),
            "padding that is forgotten": lambda xs, y, g: (
                _by_convolution(xs, y, g)[0],
                torch.nn.functional.pad(
                    torch.nn.functional.conv1d(xs[0].transpose(0, 1), g.transpose(0, 1)[:, :, 1:-1], padding=0), (0, 0)
                ).transpose(0, 1)[:, :, :3],
            ),
        },
    ),
    "running sum": Case(
        [(R, C)],
        lambda x: x.cumsum(-1),
        {
            "turned round twice": on(lambda x, y, g: _flipped(_flipped(g).cumsum(-1))),
            "the rest of the sum": on(lambda x, y, g: last(g) - g.cumsum(-1) + g),
        },
        {
            "not turned round": on(lambda x, y, g: g.cumsum(-1)),
            "one too few": on(lambda x, y, g: last(g) - g.cumsum(-1)),
        },
    ),
    "quotient": Case(
        [(R, C), (R, C)],
        lambda x, y: x / y,
        {
            "of the output": lambda xs, y, g: (g / xs[1], -g * y / xs[1]),
            "of the inputs": lambda xs, y, g: (g / xs[1], -g * xs[0] / xs[1] ** 2),
        },
        {
            "no square": lambda xs, y, g: (g / xs[1], -g * xs[0] / xs[1]),
            "sign": lambda xs, y, g: (g / xs[1], g * y / xs[1]),
        },
        positive=True,
    ),
    "dropout": Case(
        [(R, 6)],
        lambda x: x * MASK.to(x.dtype) / 0.75,
        {
            "mask and scale": on(lambda x, y, g: g * MASK.to(g.dtype) / 0.75),
            "scale and mask": on(lambda x, y, g: g / 0.75 * MASK.to(g.dtype)),
        },
        {
            "no scale": on(lambda x, y, g: g * MASK.to(g.dtype)),
            "no mask": on(lambda x, y, g: g / 0.75),
        },
    ),
    "silu": Case(
        [(R, C)],
        torch.nn.functional.silu,
        {
            "sum": on(lambda x, y, g: g * (torch.sigmoid(x) + y * (1 - torch.sigmoid(x)))),
            "product": on(lambda x, y, g: g * torch.sigmoid(x) * (1 + x * (1 - torch.sigmoid(x)))),
        },
        {
            "one term": on(lambda x, y, g: g * torch.sigmoid(x)),
            "a narrower dtype": narrow(on(lambda x, y, g: g * torch.sigmoid(x) * (1 + x * (1 - torch.sigmoid(x))))),
        },
    ),
    "huber": Case(
        [(R, C)],
        huber,
        {"clip": on(lambda x, y, g: g * x.clamp(-1, 1)), "by autograd": by_autograd(huber)},
        {
            "no sign": on(lambda x, y, g: g * torch.where(x.abs() <= 1, x, torch.ones_like(x))),
            "twice": on(lambda x, y, g: g * torch.where(x.abs() <= 1, 2 * x, x.sign())),
        },
    ),
}


def table(kind: str) -> dict[str, tuple[Case, Backward]]:
    """The right or the wrong backward passes of all cases, by name."""
    return {f"{name}: {how}": (case, b) for name, case in CASES.items() for how, b in getattr(case, kind).items()}


RIGHT, WRONG = table("right"), table("wrong")
