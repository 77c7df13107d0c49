"""Deep networks in JAX, and what is planted in them: after each layer there is a place, `at(layer, h)`."""

# mypy: ignore-errors

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.frameworks.custom_rules import vjp

LAYOUT = ("NHWC", "HWIO", "NHWC")


def nothing(layer, h):  # noqa: ARG001
    return h


def dense(act):
    def network(x, weights, at=nothing):
        for n, W in enumerate(weights):
            x = at(n, act(x @ W))
        return x

    return network


def normalised(x, axes):
    m = x.mean(axes, keepdims=True)
    return (x - m) / jnp.sqrt(((x - m) ** 2).mean(axes, keepdims=True) + 1e-5)


def convolutional(x, kernels, W, at=nothing):
    for n, k in enumerate(kernels):
        x = lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=LAYOUT)
        x = at(n, jax.nn.relu(normalised(x, (0, 1, 2))))
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return -jax.nn.log_softmax(x.reshape(len(x), -1) @ W)[:, 0].mean()


def residual(x, blocks, at=nothing):
    for n, (A, B) in enumerate(blocks):
        x = at(n, x + jax.nn.relu(x @ A) @ B)
    return (x**2).mean()


def transformer(x, blocks, at=nothing):
    for n, (Q, K, V, A, B) in enumerate(blocks):
        h = normalised(x, -1)
        x = x + jax.nn.softmax((h @ Q) @ (h @ K).T / Q.shape[1] ** 0.5) @ (h @ V)
        x = at(n, x + jax.nn.gelu(normalised(x, -1) @ A) @ B)
    return jax.nn.logsumexp(normalised(x, -1), axis=-1).mean()


def lstm(xs, W, U, at=nothing):
    def step(carry, x):
        h, c = carry
        i, f, o, g = jnp.split(x @ W + h @ U, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = at(0, jax.nn.sigmoid(o) * jnp.tanh(c))
        return (h, c), h

    zeros = jnp.zeros((xs.shape[1], len(U)), xs.dtype)
    return (lax.scan(step, (zeros, zeros), xs)[1] ** 2).mean()


def arguments(name: str, layers: int, dtype: str, seed: int = 0) -> tuple[Any, ...]:
    """What a network of so many layers is called with."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int, size: float = 1.0) -> Any:
        return (size * rng.standard_normal(shape)).astype(dtype)

    if name == "convolutional":
        return normal(2, 4, 4, 2), [normal(3, 3, 2, 2, size=0.3) for _ in range(layers)], normal(8, 3)
    if name == "residual":
        return normal(3, 4), [(normal(4, 4, size=0.3), normal(4, 4, size=0.3)) for _ in range(layers)]
    if name == "transformer":
        shapes = [(4, 4)] * 3 + [(4, 8), (8, 4)]
        return normal(3, 4), [tuple(normal(*s, size=0.4) for s in shapes) for _ in range(layers)]
    if name == "lstm":
        return normal(layers, 2, 2), normal(2, 12), normal(3, 12, size=0.5)
    return normal(3, 6), [normal(6, 6, size=6**-0.5) for _ in range(layers)]


NETWORKS: dict[str, tuple[Callable[..., Any], int]] = {
    "tanh": (dense(jnp.tanh), 50),
    "relu": (dense(jax.nn.relu), 50),
    "gelu": (dense(jax.nn.gelu), 12),
    "gelu by erf": (dense(lambda x: jax.nn.gelu(x, approximate=False)), 12),
    "convolutional": (convolutional, 2),
    "residual": (residual, 20),
    "transformer": (transformer, 2),
    "lstm": (lstm, 6),
}


def slip(error: float) -> Callable[..., Any]:
    """A function with a rule that is wrong by a factor."""

    def bend(x):
        return 0.75 * x + 0.25 * jnp.tanh(x)

    return vjp(bend, lambda g, x: g * (1 + error) * (0.75 + 0.25 * (1 - jnp.tanh(x) ** 2)))


def planted(name: str, layer: int, error: float) -> Callable[..., Any]:
    """A network with such a function in one of its layers."""
    network, bent = NETWORKS[name][0], slip(error)
    return lambda *args: network(*args, at=lambda n, h: bent(h) if n == layer else h)
