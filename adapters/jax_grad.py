"""JAX: the forward pass as in its tutorials, differentiated in each way of JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
from jax import Array
from numpy.typing import NDArray

from gradaudit.adapters.cache import private_folder
from gradaudit.adapters.idioms import Spelling, spellings
from gradaudit.adapters.protocol import Inputs, normalised
from gradaudit.reference.problem import Gradients

if jax.config.jax_compilation_cache_dir is None and (folder := private_folder(f"jax-{jaxlib.__version__}")):
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)

RELUS = {
    "relu": jax.nn.relu,
    "maximum_x_0": lambda x: jnp.maximum(x, 0),
    "maximum_0_x": lambda x: jnp.maximum(0, x),
    "clip": lambda x: jnp.clip(x, min=0),
    "where": lambda x: jnp.where(x > 0, x, 0),
    "absolute": lambda x: (x + jnp.abs(x)) / 2,
    "product": lambda x: x * (x > 0),
}


def _of_labels(s: Array, y: Array) -> Array:
    return s[jnp.arange(y.shape[0]), y]


def _own_maximum(s: Array, y: Array) -> Array:
    z = s - s.max(axis=1, keepdims=True)
    return (jnp.log(jnp.exp(z).sum(axis=1)) - _of_labels(z, y)).mean()


LOSSES = {
    "log_softmax": lambda s, y: -_of_labels(jax.nn.log_softmax(s), y).mean(),
    "logsumexp": lambda s, y: (jax.nn.logsumexp(s, axis=1) - _of_labels(s, y)).mean(),
    "log_of_softmax": lambda s, y: -jnp.log(_of_labels(jax.nn.softmax(s), y)).mean(),
    "own_maximum": _own_maximum,
}
WAYS = ("jit", "eager", "per_sample", "forward", "checkpoint")
SPELLINGS = spellings(WAYS, RELUS, LOSSES)

name = "jax"
variants = tuple(SPELLINGS)
dtypes = ("float64", "float32")
narrow = ("float16", "bfloat16")
modes = ("eager", "compiled")


def versions() -> dict[str, str]:
    """The versions of JAX and of its compiler."""
    return {"jax": jax.__version__, "jaxlib": jaxlib.__version__}


def gradients(inputs: Inputs, variant: str) -> Gradients:
    """The loss and its gradients, in the way and with the idioms of the variant."""
    X, y, *parameters, reg = normalised(inputs)
    with jax.enable_x64(X.dtype == np.float64):
        loss, grads = jax.block_until_ready(_DIFFERENTIATED[variant](parameters, X, y, X.dtype.type(reg)))
        return Gradients(*(_array(t) for t in (loss, *grads)))


def slopes(x: NDArray[Any], mode: str) -> dict[str, NDArray[Any]]:
    """The derivative of every ReLU at each entry of x."""
    with jax.enable_x64(x.dtype == np.float64):
        functions = {idiom: jax.grad(lambda x, relu=relu: relu(x).sum()) for idiom, relu in RELUS.items()}
        return {idiom: np.array((jax.jit(f) if mode == "compiled" else f)(x)) for idiom, f in functions.items()}


def intermediates(inputs: Inputs) -> dict[str, NDArray[Any]]:
    """The derivatives of the loss by the logits, the hidden units and the pre-activations: ds (N, C), dh, da (N, H)."""
    X, y, W1, b1, W2, b2, _ = normalised(inputs)
    cross_entropy = LOSSES["log_softmax"]
    with jax.enable_x64(X.dtype == np.float64):
        a = jnp.asarray(X) @ W1 + b1
        h = jax.nn.relu(a)
        derivatives = {
            "ds": jax.grad(lambda s: cross_entropy(s, y))(h @ W2 + b2),
            "dh": jax.grad(lambda h: cross_entropy(h @ W2 + b2, y))(h),
            "da": jax.grad(lambda a: cross_entropy(jax.nn.relu(a) @ W2 + b2, y))(a),
        }
        return {name: np.array(jax.block_until_ready(derivatives[name])) for name in derivatives}


def _array(result: Array) -> NDArray[Any]:
    """A copy as a NumPy array. bfloat16 becomes float32, because NumPy has no bfloat16."""
    return np.array(result.astype(np.float32) if result.dtype.name == "bfloat16" else result)


def _loss(spelling: Spelling) -> Callable[..., Array]:
    """The loss in the idioms of a variant, as a function of parameters, X, y and reg."""
    relu, cross_entropy = RELUS[spelling.relu], LOSSES[spelling.loss]

    def loss(parameters: list[Array], X: Array, y: Array, reg: Array) -> Array:
        W1, b1, W2, b2 = parameters
        return cross_entropy(relu(X @ W1 + b1) @ W2 + b2, y) + reg * ((W1**2).sum() + (W2**2).sum())

    return loss


def _per_sample(parameters: list[Array], X: Array, y: Array, reg: Array) -> tuple[Array, list[Array]]:
    """The mean of the gradients of the samples, with the regularisation added."""

    def sample_loss(parameters: list[Array], x: Array, label: Array) -> Array:
        W1, b1, W2, b2 = parameters
        return -jax.nn.log_softmax(jax.nn.relu(x @ W1 + b1) @ W2 + b2)[label]

    losses, grads = jax.vmap(jax.value_and_grad(sample_loss), in_axes=(None, 0, 0))(parameters, X, y)
    W1, _, W2, _ = parameters
    dW1, db1, dW2, db2 = (g.mean(axis=0) for g in grads)
    return losses.mean() + reg * ((W1**2).sum() + (W2**2).sum()), [dW1 + 2 * reg * W1, db1, dW2 + 2 * reg * W2, db2]


def _differentiate(spelling: Spelling) -> Callable[..., tuple[Array, list[Array]]]:
    """Loss and gradients as a function of parameters, X, y and reg."""
    loss = _loss(spelling)
    if spelling.way == "eager":
        return jax.value_and_grad(loss)
    if spelling.way == "per_sample":
        return jax.jit(_per_sample)
    if spelling.way == "forward":
        return jax.jit(lambda *inputs: (loss(*inputs), jax.jacfwd(loss)(*inputs)))
    return jax.jit(jax.value_and_grad(jax.checkpoint(loss) if spelling.way == "checkpoint" else loss))


_DIFFERENTIATED = {variant: _differentiate(spelling) for variant, spelling in SPELLINGS.items()}
