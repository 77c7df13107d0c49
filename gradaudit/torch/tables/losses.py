"""Losses that are one operation of ATen."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradaudit.graph import Node
from gradaudit.operations import entrywise as ops
from gradaudit.operations import losses
from gradaudit.operations.choices import maximum
from gradaudit.operations.entrywise import add, divide, multiply, negative, subtract
from gradaudit.operations.shapes import constant, gather, total
from gradaudit.torch.tables.rules import alike, constants, number, rule

#: What PyTorch's numbers stand for.
REDUCTIONS = ("none", "mean", "sum")


def reduced(x: Node, reduction: int) -> Node:
    """As it is (0), its mean (1) or its sum (2)."""
    return losses.reduced(x, REDUCTIONS[reduction]) if x.ndim else x


@rule("mse_loss")
def _squared(x: Any, y: Any, reduction: int = 1) -> Node:
    x, y = alike(x, y)
    return reduced(losses.mse(x, y, reduction="none"), reduction)


@rule("l1_loss")
def _absolute(x: Any, y: Any, reduction: int = 1) -> Node:
    x, y = alike(x, y)
    return reduced(losses.l1(x, y, reduction="none"), reduction)


@rule("smooth_l1_loss")
def _smooth(x: Any, y: Any, reduction: int = 1, beta: float = 1.0) -> Node:
    x, y = alike(x, y)
    return reduced(losses.smooth_l1(x, y, beta=beta, reduction="none"), reduction)


@rule("huber_loss")
def _huber(x: Any, y: Any, reduction: int = 1, delta: float = 1.0) -> Node:
    x, y = alike(x, y)
    return reduced(losses.huber(x, y, delta=delta, reduction="none"), reduction)


@rule("soft_margin_loss")
def _soft_margin(x: Any, y: Any, reduction: int = 1) -> Node:
    x, y = alike(x, y)
    return reduced(losses.soft_margin(x, y, reduction="none"), reduction)


@rule("binary_cross_entropy")
def _cross_entropy_of_two(x: Any, y: Any, weight: Any = None, reduction: int = 1) -> Node:
    """The logarithms are at least -100, as PyTorch has it."""
    x, y = alike(x, y)
    logs = [maximum(n, constants(n, -100)) for n in (ops.log(x), ops.log1p(negative(x)))]
    value = negative(add(multiply(y, logs[0]), multiply(subtract(constants(y, 1), y), logs[1])))
    return reduced(value if weight is None else multiply(*alike(value, weight)), reduction)


@rule("binary_cross_entropy_with_logits")
def _cross_entropy_of_logits(x: Any, y: Any, weight: Any = None, pos_weight: Any = None, reduction: int = 1) -> Node:
    """L softplus(x) - t x, with t = p y and L = t + 1 - y: its derivative is L sigmoid(x) - t, as PyTorch has it."""
    x, y = alike(x, y)
    if pos_weight is None:
        value = subtract(ops.softplus(x), multiply(y, x))
    else:
        y, factor = alike(y, pos_weight)
        t = multiply(factor, y)
        value = subtract(multiply(subtract(add(t, constants(t, 1)), y), ops.softplus(x)), multiply(t, x))
    return reduced(value if weight is None else multiply(*alike(value, weight)), reduction)


@rule("nll_loss_forward", "nll_loss2d_forward", plain=True)
def _negative_log_likelihood(x: Node, labels: Any, weight: Any, reduction: int, ignore: int) -> list[Any]:
    """Of log-probabilities, classes along the second axis, or the first if there is one sample."""
    axis = 1 if x.ndim > 1 else 0
    used = labels != ignore
    safe = np.where(used, labels, 0)
    places = np.arange(int(np.prod(x.shape))).reshape(x.shape)
    index = np.squeeze(np.take_along_axis(places, np.expand_dims(safe, axis), axis), axis)
    taken = negative(gather(x, index=np.where(used, index, -1)))
    weights = None
    if weight is not None:
        weights = gather(number(weight), index=np.where(used, safe, -1))
        taken = multiply(taken, weights)
    if reduction == 0:
        return [taken, None]
    loss = total(taken) if taken.ndim else taken
    if reduction == 2:
        return [loss, None]
    count = constant(float(used.sum())) if weights is None else total(weights) if weights.ndim else weights
    return [divide(loss, count), None]


@rule("glu")
def _gated(x: Node, dim: int = -1) -> Node:
    places = np.arange(int(np.prod(x.shape))).reshape(x.shape)
    first, second = np.split(places, 2, axis=dim)
    return multiply(gather(x, index=first), ops.sigmoid(gather(x, index=second)))
