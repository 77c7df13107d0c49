"""TensorFlow: the forward pass as in its tutorials, recorded by a GradientTape; eager, as a graph, and by XLA."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gradaudit.adapters.idioms import spellings
from gradaudit.adapters.protocol import Inputs, normalised
from gradaudit.reference.problem import Gradients

RELUS = {
    "relu": tf.nn.relu,
    "maximum_x_0": lambda x: tf.maximum(x, tf.zeros_like(x)),
    "maximum_0_x": lambda x: tf.maximum(tf.zeros_like(x), x),
    "clip": lambda x: tf.clip_by_value(x, 0, x.dtype.max),
    "where": lambda x: tf.where(x > 0, x, tf.zeros_like(x)),
    "absolute": lambda x: (x + tf.abs(x)) / 2,
    "product": lambda x: x * tf.cast(x > 0, x.dtype),
}


LOSSES = {
    "fused": lambda s, y: tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, s)),
    "log_softmax": lambda s, y: -tf.reduce_mean(tf.gather(tf.nn.log_softmax(s), y, axis=1, batch_dims=1)),
    "logsumexp": lambda s, y: tf.reduce_mean(tf.reduce_logsumexp(s, axis=1) - tf.gather(s, y, axis=1, batch_dims=1)),
    "log_of_softmax": lambda s, y: -tf.reduce_mean(tf.math.log(tf.gather(tf.nn.softmax(s), y, axis=1, batch_dims=1))),
}
SPELLINGS = spellings(("eager", "function", "xla"), RELUS, LOSSES)

name = "tensorflow"
variants = tuple(SPELLINGS)
dtypes = ("float64", "float32")
narrow = ("float16", "bfloat16")
modes = ("eager", "compiled")


def versions() -> dict[str, str]:
    """The version of TensorFlow."""
    return {"tensorflow": tf.__version__}


def gradients(inputs: Inputs, variant: str) -> Gradients:
    """The loss and its gradients, in the way and with the idioms of the variant."""
    X, y, *parameters = (tf.constant(a) for a in normalised(inputs)[:6])
    loss, grads = _WAYS[SPELLINGS[variant].way](variant, X, y, parameters, tf.constant(inputs.reg, X.dtype))
    return Gradients(*(np.array(tf.cast(t, tf.float32) if t.dtype == tf.bfloat16 else t) for t in (loss, *grads)))


def slopes(x: NDArray[Any], mode: str) -> dict[str, NDArray[Any]]:
    """The derivative of every ReLU at each entry of x."""
    derivatives = {}
    for idiom, relu in RELUS.items():
        point = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(point)
            out = (tf.function(relu, jit_compile=True) if mode == "compiled" else relu)(point)
        derivatives[idiom] = tape.gradient(out, point).numpy()
    return derivatives


def _differentiate(variant: str, X: Any, y: Any, parameters: Any, reg: Any) -> tuple[Any, Any]:
    _, relu, cross_entropy = SPELLINGS[variant]
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        W1, b1, W2, b2 = parameters
        s = RELUS[relu](X @ W1 + b1) @ W2 + b2
        loss = LOSSES[cross_entropy](s, y) + reg * (tf.reduce_sum(W1**2) + tf.reduce_sum(W2**2))
    return loss, tape.gradient(loss, parameters)


_WAYS = {
    "eager": _differentiate,
    "function": tf.function(_differentiate),
    "xla": tf.function(_differentiate, jit_compile=True),
}
