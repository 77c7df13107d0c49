"""CasADi: the network as a symbolic expression, differentiated by source transformation; in float64 only."""

from __future__ import annotations

from functools import lru_cache, reduce
from typing import Any

import casadi as ca
import numpy as np
from numpy.typing import NDArray

from gradaudit.adapters.idioms import spellings
from gradaudit.adapters.protocol import Inputs, normalised
from gradaudit.reference.problem import Gradients

RELUS = {
    "maximum_x_0": lambda x: ca.fmax(x, 0),
    "maximum_0_x": lambda x: ca.fmax(0, x),
    "where": lambda x: ca.if_else(x > 0, x, 0),
    "absolute": lambda x: (x + ca.fabs(x)) / 2,
    "product": lambda x: x * (x > 0),
}
SPELLINGS = spellings(("mx",), RELUS, ("own_maximum",))

name = "casadi"
variants = tuple(SPELLINGS)
dtypes = ("float64",)
onehot = True
modes = ("eager",)


def versions() -> dict[str, str]:
    """The version of CasADi."""
    return {"casadi": ca.__version__}


def gradients(inputs: Inputs, variant: str) -> Gradients:
    """The loss and its gradients by `gradient` of one expression."""
    X, y, *parameters, reg = normalised(inputs)
    (N, D), (H, C) = X.shape, parameters[2].shape
    onehot = np.zeros((N, C))
    onehot[np.arange(N), y] = 1
    tensors = _function(variant, N, D, H, C)(X, onehot, *(p.reshape(-1, p.shape[-1]) for p in parameters), reg)
    shapes = [(), *(p.shape for p in parameters)]
    return Gradients(*(np.array(t.full()).reshape(shape) for t, shape in zip(tensors, shapes, strict=True)))


def slopes(x: NDArray[Any], mode: str) -> dict[str, NDArray[Any]]:
    """The derivative of every ReLU at each entry of x."""
    point = ca.MX.sym("x", len(x))
    functions = {
        idiom: ca.Function("slope", [point], [ca.gradient(ca.sum1(f(point)), point)]) for idiom, f in RELUS.items()
    }
    return {idiom: function(x.astype(float)).full().ravel() for idiom, function in functions.items()}


@lru_cache(maxsize=64)
def _function(variant: str, N: int, D: int, H: int, C: int) -> Any:
    X, onehot = ca.MX.sym("X", N, D), ca.MX.sym("onehot", N, C)
    W1, b1, W2, b2 = (
        ca.MX.sym(n, *size) for n, size in (("W1", (D, H)), ("b1", (1, H)), ("W2", (H, C)), ("b2", (1, C)))
    )
    reg = ca.MX.sym("reg")
    h = RELUS[SPELLINGS[variant].relu](X @ W1 + ca.repmat(b1, N, 1))
    s = h @ W2 + ca.repmat(b2, N, 1)
    z = s - ca.repmat(reduce(ca.fmax, ca.horzsplit(s)), 1, C)
    losses = ca.log(ca.sum2(ca.exp(z))) - ca.sum2(onehot * z)
    loss = ca.sum1(losses) / N + reg * (ca.sumsqr(W1) + ca.sumsqr(W2))
    parameters = [W1, b1, W2, b2]
    return ca.Function("network", [X, onehot, *parameters, reg], [loss, *(ca.gradient(loss, p) for p in parameters)])
