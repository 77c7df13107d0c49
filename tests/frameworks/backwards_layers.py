"""Backward passes of the layers of networks, right and wrong."""

# ruff: noqa: ARG005 (a backward pass is given all there is)
from __future__ import annotations

from typing import Any

import torch

from tests.frameworks.backwards import Case, by_autograd, last, mean, narrow, on

R, C = 5, 4


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


def convolution(x: Any, w: Any) -> Any:
    return torch.nn.functional.conv1d(x, w, padding=1)


def _by_convolution(xs: Any, _: Any, g: Any) -> Any:
    x, w = xs
    by_x = torch.nn.functional.conv_transpose1d(g, w, padding=1)
    by_w = torch.nn.functional.conv1d(x.transpose(0, 1), g.transpose(0, 1), padding=1).transpose(0, 1)
    return by_x, by_w


def _flipped(x: Any, *axes: int) -> Any:
    return torch.flip(x, axes or (-1,))


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
}
