"""Keras 3 on TensorFlow: the operations and the loss of Keras, recorded by a GradientTape."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from gradaudit.adapters.idioms import spellings
from gradaudit.adapters.protocol import Inputs, normalised
from gradaudit.reference.problem import Gradients

RELUS = {
    "relu": ops.relu,
    "maximum_x_0": lambda x: ops.maximum(x, 0),
    "maximum_0_x": lambda x: ops.maximum(0, x),
    "clip": lambda x: ops.clip(x, 0, np.inf),
    "where": lambda x: ops.where(x > 0, x, 0),
    "absolute": lambda x: (x + ops.abs(x)) / 2,
    "product": lambda x: x * ops.cast(x > 0, x.dtype),
}
LOSSES = {
    "fused": lambda s, y: ops.mean(ops.sparse_categorical_crossentropy(y, s, from_logits=True)),
    "class": lambda s, y: keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, s),
    "log_softmax": lambda s, y: -ops.mean(_of_labels(ops.log_softmax(s), y)),
    "logsumexp": lambda s, y: ops.mean(ops.logsumexp(s, axis=1, keepdims=True) - _of_labels(s, y)),
    "log_of_softmax": lambda s, y: ops.mean(ops.sparse_categorical_crossentropy(y, ops.softmax(s))),
}
SPELLINGS = spellings(("eager",), RELUS, LOSSES)

name = "keras"
variants = tuple(SPELLINGS)
dtypes = ("float64", "float32")
modes = ("eager",)


def versions() -> dict[str, str]:
    """The versions of Keras and of TensorFlow."""
    return {"keras": keras.__version__, "tensorflow": tf.__version__}


def gradients(inputs: Inputs, variant: str) -> Gradients:
    """The loss and its gradients by `GradientTape.gradient`."""
    X, y, *parameters = (tf.constant(a) for a in normalised(inputs)[:6])
    _, relu, cross_entropy = SPELLINGS[variant]
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        W1, b1, W2, b2 = parameters
        s = ops.matmul(RELUS[relu](ops.matmul(X, W1) + b1), W2) + b2
        squares = ops.sum(ops.square(W1)) + ops.sum(ops.square(W2))
        loss = ops.cast(LOSSES[cross_entropy](s, y), X.dtype) + tf.constant(inputs.reg, X.dtype) * squares
    return Gradients(*(np.array(t) for t in (loss, *tape.gradient(loss, parameters))))


def slopes(x: NDArray[Any], mode: str) -> dict[str, NDArray[Any]]:
    """The derivative of every ReLU at each entry of x."""
    derivatives = {}
    for idiom, relu in RELUS.items():
        point = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(point)
            out = relu(point)
        derivatives[idiom] = tape.gradient(out, point).numpy()
    return derivatives


def _of_labels(s: Any, y: Any) -> Any:
    return ops.take_along_axis(s, y[:, None], axis=1)
