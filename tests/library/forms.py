"""The operations in NumPy, as programs write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact import special
from gradaudit.exact.functions import FUNCTIONS
from gradaudit.graph import Shape

Array = NDArray[Any]


def shifted(x: Array) -> Any:
    return x - x.max(axis=-1, keepdims=True)


def softmax(x: Array) -> Any:
    e = np.exp(shifted(x))
    return e / e.sum(axis=-1, keepdims=True)


def log_softmax(x: Array) -> Any:
    z = shifted(x)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def log_softmax_gradient(x: Array, g: Array) -> Any:
    return g - softmax(x) * g.sum(axis=-1, keepdims=True)


def second_log_softmax_gradient(x: Array, g: Array) -> Any:
    return g - np.exp(log_softmax(x)) * g.sum(axis=-1, keepdims=True)


def logsumexp(x: Array) -> Any:
    return x.max(axis=-1) + np.log(np.exp(shifted(x)).sum(axis=-1))


def picked(x: Array, labels: Array) -> Any:
    return np.take_along_axis(x, labels[..., None], -1)[..., 0]


def onehot(x: Array, labels: Array) -> Any:
    return (labels[..., None] == np.arange(x.shape[-1])).astype(x.dtype)


def cross_entropy_gradient(x: Array, g: Array, labels: Array) -> Any:
    return (softmax(x) - onehot(x, labels)) * g[..., None]


def second_cross_entropy_gradient(x: Array, g: Array, labels: Array) -> Any:
    return np.exp(log_softmax(x)) * g[..., None] - onehot(x, labels) * g[..., None]


def bias_first(x: Array, y: Array, b: Array) -> Any:
    """The product is added to the bias, one after the other."""
    result = np.broadcast_to(b, (*x.shape[:-1], y.shape[-1])).copy()
    for i in range(x.shape[-1]):
        result = result + x[..., :, i : i + 1] * y[..., i : i + 1, :]
    return result


def at_largest(x: Array, g: Array, axis: int) -> Any:
    return np.where(x == x.max(axis=axis, keepdims=True), g, 0)


def gather(x: Array, index: Array) -> Any:
    return np.where(index < 0, 0, np.append(x.reshape(-1), x.dtype.type(0))[index])


def scatter(x: Array, index: Array, into: Shape) -> Any:
    result = np.zeros(int(np.prod(into)), dtype=x.dtype)
    np.add.at(result, index[index >= 0], x[index >= 0])
    return result.reshape(into)


def products(x: Array, exponent: int) -> Any:
    """Repeated products, and one division."""
    result = np.ones_like(x)
    for _ in range(abs(exponent)):
        result = result * x
    return result if exponent >= 0 else 1 / result


def one_by_one(x: Array, axis: int) -> Any:
    """The sum, one after the other."""
    result = np.zeros(x.shape[:axis] + x.shape[axis + 1 :], dtype=x.dtype)
    for i in range(x.shape[axis]):
        result = result + np.take(x, i, axis=axis)
    return result


def in_float64(f: Callable[[Array], Array]) -> Callable[[Array], Any]:
    """A function of which NumPy has none: in float64, and rounded."""
    return lambda x: f(x.astype(np.float64)).astype(x.dtype)


def polygamma(x: Array, n: int) -> Any:
    return in_float64(special.polygamma(n).plain)(x)


def bell(x: Array) -> Any:
    return x.dtype.type(2 / np.sqrt(np.pi)) * np.exp(-x * x)


def factors(x: Array, axis: int) -> Any:
    """The product, one factor after the other."""
    result = np.ones(x.shape[:axis] + x.shape[axis + 1 :], dtype=x.dtype)
    for i in range(x.shape[axis]):
        result = result * np.take(x, i, axis=axis)
    return result


def at_rank(x: Array, g: Array) -> Any:
    """G at the middle one of each row, else 0."""
    place = np.argsort(x, axis=-1, kind="stable")[..., x.shape[-1] // 2]
    return np.where(np.arange(x.shape[-1]) == place[..., None], g, 0)


def normal(x: Array) -> Any:
    """The normal distribution, by erf."""
    half, root = x.dtype.type(0.5), x.dtype.type(np.sqrt(0.5))
    return half * (1 + in_float64(FUNCTIONS["erf"].plain)(x * root))
