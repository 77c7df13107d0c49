"""Backward passes entry by entry, and of sums and the largest, right and wrong."""

# ruff: noqa: ARG005 (a backward pass is given all there is)
from __future__ import annotations

import math
from typing import Any

import torch

from tests.frameworks.backwards import NEARLY_1, Case, by_autograd, last, narrow, on

R, C = 5, 4


def gelu(x: Any) -> Any:
    return torch.nn.functional.gelu(x)


def _density(x: Any) -> Any:
    return torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _normal(x: Any) -> Any:
    return (1 + torch.erf(x / math.sqrt(2))) / 2


def _gelu_tanh_slope(x: Any) -> Any:
    t = torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    return (1 + t) / 2 + x * (1 - t * t) / 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)


def huber(x: Any) -> Any:
    return torch.where(x.abs() <= 1, x * x / 2, x.abs() - 0.5)


def _flipped(x: Any, *axes: int) -> Any:
    return torch.flip(x, axes or (-1,))


def _spread_maximum(x: Any, y: Any, g: Any) -> Any:
    return (x == y[:, None]) * g[:, None]


CASES = {
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
