"""Values and gradients of the functions by frameworks, and the random inputs that they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.library.functions import ALL, LAYERS, C, D, H, N

#: Shape and scale of X, W1, b1, W2, b2, and of what deep networks have besides.
SHAPES: list[tuple[tuple[int, ...], float]] = [
    ((N, D), 1), ((D, H), D**-0.5), ((H,), 1), ((H, C), H**-0.5), ((C,), 1)
]  # fmt: skip
DEEP: list[tuple[tuple[int, ...], float]] = [((LAYERS - 1, H, H), H**-0.5), ((LAYERS - 1, H), 1)]
Answer = tuple[Any, list[Any]]


def inputs(name: str, dtype: str, seed: int = 0) -> list[Any]:
    """Random inputs of a function; the second are the labels."""
    rng = np.random.default_rng(seed)
    shapes = SHAPES + (DEEP if name == "eight_layers" else [])
    X, *rest = [(rng.standard_normal(shape) * scale).astype(dtype) for shape, scale in shapes]
    return [X, rng.integers(0, C, N), *rest]


def definition(name: str) -> Callable[..., Any]:
    """The function in NumPy."""
    return lambda *arrays: ALL[name](np, *arrays)


def of_jax(name: str, arrays: list[Any], compiled: bool = True) -> Answer:
    """Value and gradients by the float inputs, of JAX."""
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        X, y, *rest = (jnp.asarray(x) for x in arrays)
        function = jax.value_and_grad(lambda X, *rest: ALL[name](jnp, X, y, *rest), argnums=range(len(arrays) - 1))
        value, gradients = (jax.jit(function) if compiled else function)(X, *rest)
        return np.array(value), [np.array(g) for g in gradients]


def of_torch(name: str, arrays: list[Any]) -> Answer:
    """The same of PyTorch."""
    import torch

    class Spelling:
        """NumPy's names for what PyTorch calls otherwise."""

        exp, log, sqrt, tanh, arange = torch.exp, torch.log, torch.sqrt, torch.tanh, torch.arange

        @staticmethod
        def maximum(a: Any, b: Any) -> Any:
            return torch.clamp_min(a, b)

        @staticmethod
        def max(a: Any, axis: int, keepdims: bool) -> Any:
            return torch.amax(a, dim=axis, keepdim=keepdims)

    X, y, *rest = (torch.tensor(x) for x in arrays)
    floats = [x.requires_grad_() for x in (X, *rest)]
    value = ALL[name](Spelling, X, y, *rest)
    gradients = torch.autograd.grad(value, floats, allow_unused=True, materialize_grads=True)
    return value.detach().numpy(), [g.numpy() for g in gradients]


FRAMEWORKS: dict[str, Callable[[str, list[Any]], Answer]] = {
    "jax": of_jax,
    "jax eager": lambda name, arrays: of_jax(name, arrays, compiled=False),
    "torch": of_torch,
}
