"""PyTensor: the network as a symbolic graph, differentiated by `pytensor.grad` and compiled."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from numpy.typing import NDArray

from gradaudit.adapters.idioms import spellings
from gradaudit.adapters.protocol import Inputs, normalised
from gradaudit.reference.problem import Gradients

RELUS = {
    "maximum_x_0": lambda x: pt.maximum(x, 0),
    "maximum_0_x": lambda x: pt.maximum(0, x),
    "clip": lambda x: pt.clip(x, 0, np.inf),
    "where": lambda x: pt.where(x > 0, x, 0),
    "absolute": lambda x: (x + pt.abs(x)) / 2,
    "product": lambda x: x * (x > 0),
}
LOSSES = {
    "log_softmax": lambda s, y: -_of_labels(pt.special.log_softmax(s, axis=1), y).mean(),
    "logsumexp": lambda s, y: (pt.logsumexp(s, axis=1) - _of_labels(s, y)).mean(),
    "log_of_softmax": lambda s, y: -pt.log(_of_labels(pt.special.softmax(s, axis=1), y)).mean(),
}
SPELLINGS = spellings(("compiled",), RELUS, LOSSES)

name = "pytensor"
variants = tuple(SPELLINGS)
dtypes = ("float64", "float32")
modes = ("compiled",)


def versions() -> dict[str, str]:
    """The version of PyTensor."""
    return {"pytensor": pytensor.__version__}


def gradients(inputs: Inputs, variant: str) -> Gradients:
    """The loss and its gradients by `pytensor.grad`."""
    X, y, *parameters, reg = normalised(inputs)
    tensors = _function(variant, X.dtype.name)(X, y, *parameters, X.dtype.type(reg))
    return Gradients(*(np.array(t) for t in tensors))


def slopes(x: NDArray[Any], mode: str) -> dict[str, NDArray[Any]]:
    """The derivative of every ReLU at each entry of x."""
    point = pt.vector("x", dtype=x.dtype.name)
    return {idiom: pytensor.function([point], pytensor.grad(f(point).sum(), point))(x) for idiom, f in RELUS.items()}


def _of_labels(s: Any, y: Any) -> Any:
    return s[pt.arange(y.shape[0]), y]


@lru_cache(maxsize=64)
def _function(variant: str, dtype: str) -> Any:
    _, relu, cross_entropy = SPELLINGS[variant]
    X, W1, W2 = (pt.matrix(n, dtype=dtype) for n in ("X", "W1", "W2"))
    b1, b2 = (pt.vector(n, dtype=dtype) for n in ("b1", "b2"))
    y, reg = pt.lvector("y"), pt.scalar("reg", dtype=dtype)
    s = RELUS[relu](X @ W1 + b1) @ W2 + b2
    loss = LOSSES[cross_entropy](s, y) + reg * ((W1**2).sum() + (W2**2).sum())
    parameters = [W1, b1, W2, b2]
    return pytensor.function([X, y, *parameters, reg], [loss, *pytensor.grad(loss, parameters)])
