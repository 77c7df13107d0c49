"""MLX on the CPU: the forward pass as in its tutorials, differentiated by `value_and_grad`, compiled or not."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from numpy.typing import NDArray

from gradaudit.adapters.idioms import Spelling, spellings
from gradaudit.adapters.protocol import Inputs, normalised
from gradaudit.reference.problem import Gradients

mx.set_default_device(mx.cpu)

RELUS = {
    "relu": nn.relu,
    "maximum_x_0": lambda x: mx.maximum(x, 0),
    "maximum_0_x": lambda x: mx.maximum(0, x),
    "clip": lambda x: mx.clip(x, 0, None),
    "where": lambda x: mx.where(x > 0, x, mx.zeros_like(x)),
    "absolute": lambda x: (x + mx.abs(x)) / 2,
    "product": lambda x: x * (x > 0),
}


def _of_labels(s: Any, y: Any) -> Any:
    return mx.take_along_axis(s, y[:, None], axis=1)


LOSSES = {
    "fused": lambda s, y: nn.losses.cross_entropy(s, y, reduction="mean"),
    "logsumexp": lambda s, y: (mx.logsumexp(s, axis=1, keepdims=True) - _of_labels(s, y)).mean(),
    "log_of_softmax": lambda s, y: -mx.log(_of_labels(mx.softmax(s, axis=1), y)).mean(),
}
SPELLINGS = spellings(("eager", "compiled"), RELUS, LOSSES)

name = "mlx"
variants = tuple(SPELLINGS)
dtypes = ("float64", "float32")
modes = ("eager", "compiled")


def versions() -> dict[str, str]:
    """The version of MLX."""
    return {"mlx": version("mlx")}


def gradients(inputs: Inputs, variant: str) -> Gradients:
    """The loss and its gradients, in the way and with the idioms of the variant."""
    X, y, *parameters = (mx.array(a, dtype=getattr(mx, a.dtype.name)) for a in normalised(inputs)[:6])
    loss, grads = _DIFFERENTIATED[variant](*parameters, X, y, mx.array(inputs.reg, X.dtype))
    return Gradients(*(np.array(t) for t in (loss, *grads)))


def slopes(x: NDArray[Any], mode: str) -> dict[str, NDArray[Any]]:
    """The derivative of every ReLU at each entry of x."""
    derivatives, point = {}, mx.array(x, dtype=getattr(mx, x.dtype.name))
    for idiom, relu in RELUS.items():
        slope = mx.grad(lambda x, relu=relu: relu(x).sum())
        derivatives[idiom] = np.array((mx.compile(slope) if mode == "compiled" else slope)(point))
    return derivatives


def _differentiate(spelling: Spelling) -> Callable[..., Any]:
    def loss(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, y: Any, reg: Any) -> Any:
        s = RELUS[spelling.relu](X @ W1 + b1) @ W2 + b2
        return LOSSES[spelling.loss](s, y) + reg * ((W1**2).sum() + (W2**2).sum())

    function = mx.value_and_grad(loss, argnums=(0, 1, 2, 3))
    return mx.compile(function) if spelling.way == "compiled" else function


_DIFFERENTIATED = {variant: _differentiate(spelling) for variant, spelling in SPELLINGS.items()}
