"""Backward passes for PyTorch as people write them: some right in several ways, some wrong in the usual ones.

A `Case` is a forward pass, with right and wrong backward passes of it; each becomes a custom autograd.Function.
"""

from __future__ import annotations

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


def drawn(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    """Tensors of normal distribution that require a gradient."""
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(s, generator=generator, dtype=torch.float64).to(dtype).requires_grad_() for s in shapes)
