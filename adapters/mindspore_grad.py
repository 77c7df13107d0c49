"""MindSpore on the CPU: the forward pass as in its tutorials, differentiated by `value_and_grad`."""

from __future__ import annotations

from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops
from numpy.typing import NDArray

from gradaudit.adapters.idioms import spellings
from gradaudit.adapters.protocol import Inputs, normalised
from gradaudit.reference.problem import Gradients

ms.set_context(mode=ms.PYNATIVE_MODE)
ms.set_device("CPU")

RELUS = {
    "relu": ops.relu,
    "maximum_x_0": lambda x: ops.maximum(x, ops.zeros_like(x)),
    "maximum_0_x": lambda x: ops.maximum(ops.zeros_like(x), x),
    "clip": lambda x: ops.clamp(x, min=0),
    "where": lambda x: ops.where(x > 0, x, ops.zeros_like(x)),
    "absolute": lambda x: (x + ops.abs(x)) / 2,
    "product": lambda x: x * (x > 0).astype(x.dtype),
}


def _of_labels(s: Any, y: Any) -> Any:
    return ops.gather_elements(s, 1, y.expand_dims(1))


LOSSES = {
    "fused": lambda s, y: ops.cross_entropy(s, y.astype(ms.int32)),
    "logsumexp": lambda s, y: (ops.logsumexp(s, 1, True) - _of_labels(s, y)).mean(),
    "log_of_softmax": lambda s, y: -ops.log(_of_labels(ops.softmax(s, axis=1), y)).mean(),
}
SPELLINGS = spellings(("pynative",), RELUS, LOSSES)

name = "mindspore"
variants = tuple(SPELLINGS)
dtypes = ("float64", "float32")
modes = ("eager",)


def versions() -> dict[str, str]:
    """The version of MindSpore."""
    return {"mindspore": ms.__version__}


def gradients(inputs: Inputs, variant: str) -> Gradients:
    """The loss and its gradients by `mindspore.value_and_grad`."""
    X, y, *parameters = (Tensor(a) for a in normalised(inputs)[:6])
    _, relu, cross_entropy = SPELLINGS[variant]
    reg = Tensor(inputs.reg, X.dtype)

    def loss(W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        s = ops.matmul(RELUS[relu](ops.matmul(X, W1) + b1), W2) + b2
        return LOSSES[cross_entropy](s, y) + reg * ((W1**2).sum() + (W2**2).sum())

    value, grads = ms.value_and_grad(loss, grad_position=(0, 1, 2, 3))(*parameters)
    return Gradients(*(np.array(t.asnumpy()) for t in (value, *grads)))


def slopes(x: NDArray[Any], mode: str) -> dict[str, NDArray[Any]]:
    """The derivative of every ReLU at each entry of x."""
    return {idiom: ms.grad(lambda x, f=f: f(x).sum())(Tensor(x)).asnumpy() for idiom, f in RELUS.items()}
