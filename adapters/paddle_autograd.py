"""PaddlePaddle: the forward pass as in its tutorials, differentiated by its autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from numpy.typing import NDArray

from gradaudit.adapters.idioms import spellings
from gradaudit.adapters.protocol import Inputs, normalised
from gradaudit.reference.problem import Gradients

paddle.set_device("cpu")

RELUS = {
    "relu": F.relu,
    "maximum_x_0": lambda x: paddle.maximum(x, paddle.zeros_like(x)),
    "maximum_0_x": lambda x: paddle.maximum(paddle.zeros_like(x), x),
    "clip": lambda x: paddle.clip(x, min=0),
    "where": lambda x: paddle.where(x > 0, x, paddle.zeros_like(x)),
    "absolute": lambda x: (x + x.abs()) / 2,
    "product": lambda x: x * (x > 0).astype(x.dtype),
}


def _of_labels(s: Any, y: Any) -> Any:
    return paddle.take_along_axis(s, y.unsqueeze(1), axis=1)


LOSSES = {
    "fused": F.cross_entropy,
    "log_softmax": lambda s, y: -_of_labels(F.log_softmax(s, axis=1), y).mean(),
    "logsumexp": lambda s, y: (paddle.logsumexp(s, axis=1, keepdim=True) - _of_labels(s, y)).mean(),
    "log_of_softmax": lambda s, y: -_of_labels(F.softmax(s, axis=1), y).log().mean(),
}
SPELLINGS = spellings(("eager",), RELUS, LOSSES)

name = "paddle"
variants = tuple(SPELLINGS)
dtypes = ("float64", "float32")
modes = ("eager",)


def versions() -> dict[str, str]:
    """The version of PaddlePaddle."""
    return {"paddlepaddle": paddle.__version__}


def gradients(inputs: Inputs, variant: str) -> Gradients:
    """The loss and its gradients by `paddle.grad`."""
    X, y, *parameters = (paddle.to_tensor(a) for a in normalised(inputs)[:6])
    for p in parameters:
        p.stop_gradient = False
    W1, b1, W2, b2 = parameters
    _, relu, cross_entropy = SPELLINGS[variant]
    s = RELUS[relu](X @ W1 + b1) @ W2 + b2
    loss = LOSSES[cross_entropy](s, y) + paddle.to_tensor(inputs.reg, X.dtype) * ((W1**2).sum() + (W2**2).sum())
    return Gradients(*(np.array(t.numpy()) for t in (loss, *paddle.grad(loss, parameters))))


def slopes(x: NDArray[Any], mode: str) -> dict[str, NDArray[Any]]:
    """The derivative of every ReLU at each entry of x."""
    derivatives = {}
    for idiom, relu in RELUS.items():
        point = paddle.to_tensor(x, stop_gradient=False)
        derivatives[idiom] = paddle.grad(relu(point).sum(), point)[0].numpy()
    return derivatives
