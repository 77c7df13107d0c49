"""JAX: the forward pass as its tutorials write it, differentiated by `jax.grad` and compiled."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
from jax import Array
from numpy.typing import NDArray

from adapters.protocol import Inputs, normalised
from reference.problem import Gradients

name = "jax"
variants = ("jit", "eager")
dtypes = ("float64", "float32")


def versions() -> dict[str, str]:
    """The versions of JAX and of its compiler."""
    return {"jax": jax.__version__, "jaxlib": jaxlib.__version__}


def gradients(inputs: Inputs, variant: str) -> Gradients:
    """The loss and its gradients by `jax.value_and_grad`: compiled (jit) or operation by operation (eager)."""
    X, y, *parameters, reg = normalised(inputs)
    with jax.enable_x64(X.dtype == np.float64):
        differentiate = {"jit": _compiled, "eager": _differentiated}[variant]
        loss, grads = jax.block_until_ready(differentiate(parameters, X, y, X.dtype.type(reg)))
        return Gradients(*(np.array(t) for t in (loss, *grads)))


def intermediates(inputs: Inputs) -> dict[str, NDArray[Any]]:
    """The derivatives of the loss by the logits, the hidden units and the pre-activations: ds (N, C), dh, da (N, H)."""
    X, y, W1, b1, W2, b2, _ = normalised(inputs)
    with jax.enable_x64(X.dtype == np.float64):
        a = jnp.asarray(X) @ W1 + b1
        h = jax.nn.relu(a)
        found = {
            "ds": jax.grad(lambda s: _cross_entropy(s, y))(h @ W2 + b2),
            "dh": jax.grad(lambda h: _cross_entropy(h @ W2 + b2, y))(h),
            "da": jax.grad(lambda a: _cross_entropy(jax.nn.relu(a) @ W2 + b2, y))(a),
        }
        return {name: np.array(jax.block_until_ready(found[name])) for name in found}


def _cross_entropy(s: Array, y: Array) -> Array:
    return -jax.nn.log_softmax(s)[jnp.arange(y.shape[0]), y].mean()


def _loss(parameters: list[Array], X: Array, y: Array, reg: Array) -> Array:
    W1, b1, W2, b2 = parameters
    h = jax.nn.relu(X @ W1 + b1)
    return _cross_entropy(h @ W2 + b2, y) + reg * ((W1**2).sum() + (W2**2).sum())


_differentiated = jax.value_and_grad(_loss)
_compiled = jax.jit(_differentiated)
