"""HIPS autograd: traced NumPy code. It answers in float64 for every dtype of the inputs."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import autograd.numpy as np
from autograd import elementwise_grad, value_and_grad
from autograd.scipy.special import logsumexp
from numpy.typing import NDArray

from gradaudit.adapters.idioms import spellings
from gradaudit.adapters.protocol import Inputs, normalised
from gradaudit.reference.problem import Gradients

RELUS = {
    "maximum_x_0": lambda x: np.maximum(x, 0),
    "maximum_0_x": lambda x: np.maximum(0, x),
    "clip": lambda x: np.clip(x, 0, np.inf),
    "where": lambda x: np.where(x > 0, x, 0),
    "absolute": lambda x: (x + np.abs(x)) / 2,
    "product": lambda x: x * (x > 0),
}


def _own_maximum(s: Any, y: Any) -> Any:
    z = s - np.max(s, axis=1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(z), axis=1)) - z[np.arange(len(y)), y])


LOSSES = {
    "logsumexp": lambda s, y: np.mean(logsumexp(s, axis=1) - s[np.arange(len(y)), y]),
    "own_maximum": _own_maximum,
}
SPELLINGS = spellings(("eager",), RELUS, LOSSES)

name = "autograd"
variants = tuple(SPELLINGS)
dtypes = ("float64", "float32")
modes = ("eager",)


def versions() -> dict[str, str]:
    """The version of autograd."""
    return {"autograd": version("autograd")}


def gradients(inputs: Inputs, variant: str) -> Gradients:
    """The loss and its gradients by `value_and_grad`."""
    X, y, *parameters, reg = normalised(inputs)
    spelling = SPELLINGS[variant]

    def loss(parameters: list[Any]) -> Any:
        W1, b1, W2, b2 = parameters
        s = np.dot(RELUS[spelling.relu](np.dot(X, W1) + b1), W2) + b2
        return LOSSES[spelling.loss](s, y) + X.dtype.type(reg) * (np.sum(W1**2) + np.sum(W2**2))

    value, grads = value_and_grad(loss)(parameters)
    return Gradients(value, *grads)


def slopes(x: NDArray[Any], mode: str) -> dict[str, NDArray[Any]]:
    """The derivative of every ReLU at each entry of x."""
    return {idiom: elementwise_grad(relu)(x) for idiom, relu in RELUS.items()}
