"""Losses, of operations that are there already; `reduction` is "mean", "sum" or "none" in all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.graph import Node
from gradaudit.operations.activations import full, log_sigmoid, shifted
from gradaudit.operations.choices import absolute, greater, maximum, relu, where
from gradaudit.operations.cross_entropy import cross_entropy as rows_with_labels
from gradaudit.operations.entrywise import add, divide, exp, log, multiply, negative, softplus, square, subtract, times
from gradaudit.operations.planar import xlogy
from gradaudit.operations.shapes import as_shape, constant, gather, sum_axis, total, transpose
from gradaudit.operations.softmax import log_softmax
from gradaudit.operations.statistics import mean, norm

Labels = NDArray[np.integer[Any]]


def reduced(x: Node, reduction: str = "mean") -> Node:
    """The mean of all entries, their sum, or themselves.

    Raises
    ------
    ValueError
        For another name.
    """
    if reduction == "none":
        return x
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction={reduction!r}; expected 'mean', 'sum' or 'none'")
    return mean(x) if reduction == "mean" else total(x)


def mse(x: Node, y: Node, reduction: str = "mean") -> Node:
    """(x - y)^2."""
    return reduced(square(subtract(x, y)), reduction)


def l1(x: Node, y: Node, reduction: str = "mean") -> Node:
    """|x - y|."""
    return reduced(absolute(subtract(x, y)), reduction)


def huber(x: Node, y: Node, delta: float = 1.0, reduction: str = "mean") -> Node:
    """d^2 / 2 for |d| < delta, else delta (|d| - delta / 2), with d = x - y."""
    size = absolute(subtract(x, y))
    straight = times(shifted(size, -delta / 2), delta)
    return reduced(where(greater(full(x, delta), size), times(square(size), 0.5), straight), reduction)


def smooth_l1(x: Node, y: Node, beta: float = 1.0, reduction: str = "mean") -> Node:
    """d^2 / (2 beta) for |d| < beta, else |d| - beta / 2, with d = x - y; |d| for beta = 0."""
    size = absolute(subtract(x, y))
    if beta == 0:
        return reduced(size, reduction)
    curved = divide(times(square(size), 0.5), full(x, beta))
    return reduced(where(greater(full(x, beta), size), curved, shifted(size, -beta / 2)), reduction)


def bce(p: Node, y: Node, weight: Node | None = None, reduction: str = "mean", least: float = -100.0) -> Node:
    """-(y log p + (1 - y) log(1 - p)), the logarithms no less than `least`, as PyTorch has it."""
    one = full(p, 1.0)
    log_p, log_q = (maximum(log(z), full(p, least)) for z in (p, subtract(one, p)))
    loss = negative(add(multiply(y, log_p), multiply(subtract(one, y), log_q)))
    return reduced(loss if weight is None else multiply(loss, as_shape(weight, loss.shape)), reduction)


def bce_with_logits(
    x: Node, y: Node, weight: Node | None = None, positive: Node | None = None, reduction: str = "mean"
) -> Node:
    """-(q y log sigmoid(x) + (1 - y) log(1 - sigmoid(x))) with a weight q of the positive ones, 1 if not given."""
    if positive is None:
        loss = subtract(softplus(x), multiply(x, y))
    else:
        q = as_shape(positive, x.shape)
        rest = multiply(subtract(full(x, 1.0), y), negative(log_sigmoid(negative(x))))
        loss = subtract(rest, multiply(multiply(q, y), log_sigmoid(x)))
    return reduced(loss if weight is None else multiply(loss, as_shape(weight, loss.shape)), reduction)


def kl_div(log_q: Node, p: Node, log_target: bool = False, reduction: str = "mean") -> Node:
    """Value: p (log p - log q), of log q and p or log p; "batchmean" is the sum over the length of the first axis."""
    first = multiply(exp(p), p) if log_target else xlogy(p, p)
    loss = subtract(first, multiply(exp(p) if log_target else p, log_q))
    if reduction != "batchmean":
        return reduced(loss, reduction)
    return divide(total(loss), constant(float(loss.shape[0])))


# --- with labels ------------------------------------------------------------------------------------------------------


def _last(x: Node) -> Node:
    """(N, C, ...) with the classes as the last axis."""
    return transpose(x, axes=(0, *range(2, x.ndim), 1)) if x.ndim > 2 else x


def _weights(labels: Labels, weight: Node | None, ignored: int | None) -> tuple[Any, Node | None]:
    """Labels that are classes, and the weight of each; None where all weights are 1."""
    used = np.ones(labels.shape, dtype=bool) if ignored is None else labels != ignored
    classes = np.where(used, labels, 0).astype(np.int64)
    if weight is not None:
        return classes, gather(weight, index=np.where(used, classes, -1))
    return classes, None if used.all() else constant(used.astype(np.float64))


def _reduced(losses: Node, weights: Node | None, reduction: str) -> Node:
    """The losses with their weights; the mean is over the sum of the weights."""
    if weights is None:
        return reduced(losses, reduction)
    weighted = multiply(losses, weights)
    return divide(total(weighted), total(weights)) if reduction == "mean" else reduced(weighted, reduction)


def nll(
    log_p: Node, labels: Labels, weight: Node | None = None, ignored: int | None = None, reduction: str = "mean"
) -> Node:
    """Minus the entry of each label.

    Parameters
    ----------
    log_p : Node, shape (C,) or (N, C, ...)
        What is picked from, by class.
    labels : ndarray of int, shape () or (N, ...)
        The classes.
    weight : Node, shape (C,), optional
        The weight of each class.
    ignored : int, optional
        A label that counts for nothing.
    reduction : str
        "mean" divides by the sum of the weights.
    """
    x = _last(log_p)
    classes, weights = _weights(np.asarray(labels), weight, ignored)
    rows = np.arange(classes.size).reshape(classes.shape) * x.shape[-1]
    return _reduced(negative(gather(x, index=rows + classes)), weights, reduction)


def cross_entropy(
    x: Node,
    labels: Labels,
    weight: Node | None = None,
    ignored: int | None = None,
    smoothing: float = 0.0,
    reduction: str = "mean",
) -> Node:
    """The cross-entropy of the softmax over the classes with labels; arguments as in `nll`.

    Parameters
    ----------
    smoothing : float
        So much of each label is spread evenly over all classes (Szegedy et al. 2016).
    """
    z = _last(x)
    classes, weights = _weights(np.asarray(labels), weight, ignored)
    losses = rows_with_labels(z, constant(classes))
    if not smoothing:
        return _reduced(losses, weights, reduction)
    C, log_p = z.shape[-1], log_softmax(z)
    spread = log_p if weight is None else multiply(log_p, as_shape(weight, log_p.shape))
    even = negative(sum_axis(spread, axis=z.ndim - 1))
    if ignored is not None:
        even = multiply(even, constant((np.asarray(labels) != ignored).astype(np.float64)))
    own = losses if weights is None else multiply(losses, weights)
    both = add(times(own, 1 - smoothing), times(even, smoothing / C))
    if reduction == "mean" and weights is not None:
        return divide(total(both), total(weights))
    return reduced(both, reduction)


def soft_cross_entropy(x: Node, p: Node, weight: Node | None = None, reduction: str = "mean") -> Node:
    """The cross-entropy of the softmax over the classes with probabilities, both (N, C, ...)."""
    log_p, target = log_softmax(_last(x)), _last(p)
    if weight is not None:
        log_p = multiply(log_p, as_shape(weight, log_p.shape))
    return reduced(negative(sum_axis(multiply(target, log_p), axis=log_p.ndim - 1)), reduction)


# --- of margins and angles --------------------------------------------------------------------------------------------


def hinge(x: Node, y: Node, reduction: str = "mean") -> Node:
    """max(0, 1 - x y), with y = 1 or -1."""
    return reduced(relu(subtract(full(x, 1.0), multiply(x, y))), reduction)


def multiclass_hinge(x: Node, labels: Labels, margin: float = 1.0, power: int = 1, reduction: str = "mean") -> Node:
    """The sum of max(0, margin - x_y + x_j)^power over the other classes j, over their number; x is (N, C)."""
    N, C = x.shape
    own = gather(x, index=np.arange(N)[:, None] * C + np.broadcast_to(np.asarray(labels)[:, None], (N, C)))
    gaps = relu(shifted(subtract(x, own), margin))
    terms = gaps if power == 1 else square(gaps)
    others = constant((np.arange(C) != np.asarray(labels)[:, None]).astype(np.float64))
    return reduced(divide(sum_axis(multiply(terms, others), axis=1), constant(np.full(N, float(C)))), reduction)


def soft_margin(x: Node, y: Node, reduction: str = "mean") -> Node:
    """log(1 + exp(-x y)), with y = 1 or -1."""
    return reduced(softplus(negative(multiply(x, y))), reduction)


def margin_ranking(x: Node, y: Node, order: Node, margin: float = 0.0, reduction: str = "mean") -> Node:
    """max(0, margin - order (x - y)), with order = 1 or -1."""
    return reduced(relu(shifted(negative(multiply(order, subtract(x, y))), margin)), reduction)


def cosine_similarity(x: Node, y: Node, axis: int = 1, eps: float = 1e-8) -> Node:
    """The sum of x y over the product of the norms along an axis, each no less than eps."""
    over = (axis,)
    sizes = (norm(z, over) for z in (x, y))
    size_x, size_y = (maximum(n, full(n, eps)) for n in sizes)
    return divide(total(multiply(x, y), over), multiply(size_x, size_y))
