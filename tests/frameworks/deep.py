"""Deep networks in PyTorch, drawn from a seed; with a place in them where a wrong backward pass can be planted."""

# mypy: disable-error-code="no-untyped-call,misc"

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (PyTorch's own name)

Draw: TypeAlias = torch.Generator


def planted(error: float, linear: bool = False) -> Any:
    """A tanh, or three quarters of what comes in, whose backward pass is off by a factor of 1 + error."""

    class Planted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * 0.75 if linear else torch.tanh(x)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            (x,) = ctx.saved_tensors
            return grads[0] * (0.75 if linear else 1 - torch.tanh(x) ** 2) * (1 + error)

    class Layer(nn.Module):
        def forward(self, x: Any) -> Any:
            return Planted.apply(x)

    return Layer()


def number(draw: Draw, low: int, high: int) -> int:
    """One of low to high."""
    return int(torch.randint(low, high + 1, (), generator=draw))


def choice(draw: Draw, options: Any) -> Any:
    """One of some."""
    return options[number(draw, 0, len(options) - 1)]


class Residual(nn.Module):
    """A part, and what it was given added to it."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Any) -> Any:
        return x + self.part(x)


class Unrolled(nn.Module):
    """A cell, step by step, its state through some layers at one of the steps."""

    def __init__(self, width: int, steps: int) -> None:
        super().__init__()
        self.cell, self.steps = nn.LSTMCell(width, width), steps
        self.at: dict[int, nn.Module] = {}

    def forward(self, x: Any) -> Any:
        h = c = x.new_zeros(x.shape)
        for n in range(self.steps):
            h, c = self.cell(x, (h, c))
            if n in self.at:
                h = self.at[n](h)
        return h


class Flat(nn.Module):
    """The mean over an image."""

    def forward(self, x: Any) -> Any:
        return x.mean((2, 3))


ACTIVATIONS: tuple[Callable[[], nn.Module], ...] = (
    nn.Tanh, nn.ReLU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.ELU, nn.LeakyReLU, lambda: nn.ReLU(inplace=True),
    lambda: nn.GELU(approximate="tanh"), nn.Hardswish, nn.Mish,
)  # fmt: skip


def dense(draw: Draw, depth: int) -> tuple[list[nn.Module], tuple[int, ...]]:
    """Linear layers with activations, norms between some of them."""
    width = number(draw, 2, 24)
    act = choice(draw, ACTIVATIONS)
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(width, width), act()]
        if number(draw, 0, 4) == 0:
            layers.append(choice(draw, (nn.LayerNorm, nn.BatchNorm1d, nn.RMSNorm))(width))
    return layers, (number(draw, 2, 12), width)


def residual(draw: Draw, depth: int) -> tuple[list[nn.Module], tuple[int, ...]]:
    """Blocks that are added to what they are given."""
    width = number(draw, 2, 16)
    act = choice(draw, ACTIVATIONS[:8])

    def block() -> nn.Module:
        return Residual(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), act(), nn.Linear(2 * width, width))
        )

    return [block() for _ in range(depth)], (number(draw, 2, 8), width)


def convolutional(draw: Draw, depth: int) -> tuple[list[nn.Module], tuple[int, ...]]:
    """Convolutions with batch norms and pooling."""
    channels, size = number(draw, 1, 6), number(draw, 4, 8)
    layers: list[nn.Module] = []
    for _ in range(depth):
        groups = choice(draw, (1, channels))
        kernel = choice(draw, (1, 3))
        layers += [
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=groups, bias=bool(number(draw, 0, 1)))
        ]
        layers += [nn.BatchNorm2d(channels), choice(draw, ACTIVATIONS[:9])()]
        if size >= 4 and number(draw, 0, 5) == 0:
            layers.append(choice(draw, (nn.MaxPool2d, nn.AvgPool2d))(2))
            size //= 2
    return layers, (number(draw, 2, 4), channels, int(size) if not layers else _first(layers, size))


def _first(layers: list[nn.Module], size: int) -> int:
    return size << sum(isinstance(layer, (nn.MaxPool2d, nn.AvgPool2d)) for layer in layers)


def transformer(draw: Draw, depth: int) -> tuple[list[nn.Module], tuple[int, ...]]:
    """Encoder layers."""
    heads = number(draw, 1, 3)
    width = heads * number(draw, 2, 5)
    first = bool(number(draw, 0, 1))
    activation = choice(draw, (F.relu, F.gelu))
    layers: list[nn.Module] = [
        nn.TransformerEncoderLayer(width, heads, 2 * width, 0.1, activation, batch_first=True, norm_first=first)
        for _ in range(depth)
    ]
    return layers, (number(draw, 1, 3), number(draw, 2, 6), width)


FAMILIES: dict[str, tuple[Any, int]] = {
    "dense": (dense, 50),
    "residual": (residual, 20),
    "convolutional": (convolutional, 10),
    "transformer": (transformer, 6),
}


def network(
    family: str, seed: int, dtype: torch.dtype, depth: int | None = None, fault: nn.Module | None = None
) -> tuple[nn.Module, torch.Tensor]:
    """A network of a family and its input; with a fault at a place that is drawn as well."""
    torch.manual_seed(seed)
    draw = torch.Generator().manual_seed(seed)
    if family == "LSTM":
        width, steps = number(draw, 2, 8), depth or number(draw, 2, 30)
        net: nn.Module = Unrolled(width, steps)
        if fault is not None and isinstance(net, Unrolled):
            net.at[number(draw, 0, steps - 1)] = fault
        shape: tuple[int, ...] = (number(draw, 1, 4), width)
    else:
        make, deepest = FAMILIES[family]
        layers, shape = make(draw, depth or number(draw, 2, deepest))
        if family == "convolutional":
            shape = (*shape[:2], shape[2], shape[2])
        if fault is not None:
            layers.insert(number(draw, 0, len(layers)), fault)
        net = nn.Sequential(*layers, *([Flat()] if family == "convolutional" else []))
    scale = choice(draw, (0.5, 1.0, 1.0, 3.0))
    x = torch.randn(shape, generator=draw) * scale
    return net.to(dtype), x.to(dtype).requires_grad_()
