"""Activations, of operations that are there already: each is given a node and returns one of its shape.

Where a definition has a number that is no float (the root of 2 / pi), it is computed in the graph, so that a program
may have it rounded.
"""

from __future__ import annotations

import numpy as np

from gradaudit.graph import Node
from gradaudit.operations.choices import absolute, clip, greater, minimum, relu, where
from gradaudit.operations.entrywise import (
    add,
    arctan,
    divide,
    expm1,
    integer_power,
    log,
    multiply,
    negative,
    sigmoid,
    softplus,
    sqrt,
    subtract,
    tanh,
    times,
)
from gradaudit.operations.shapes import as_shape, constant
from gradaudit.operations.special import normal

#: SELU's two numbers (Klambauer et al., "Self-Normalizing Neural Networks", 2017).
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def full(x: Node, number: float) -> Node:
    """A number in the shape of x."""
    return constant(np.full(x.shape, number))


def zeros(x: Node) -> Node:
    """0 in the shape of x."""
    return full(x, 0.0)


def shifted(x: Node, number: float) -> Node:
    """X and a number."""
    return add(x, full(x, number))


def gelu(x: Node, tanh_form: bool = False) -> Node:
    """Value: x Phi(x) with Phi the normal distribution, or its approximation by tanh (Hendrycks, Gimpel 2016)."""
    if not tanh_form:
        return multiply(x, normal(x))
    pi = times(arctan(constant(1.0)), 4.0)
    factor = as_shape(sqrt(divide(constant(2.0), pi)), x.shape)
    z = multiply(factor, add(x, times(integer_power(x, exponent=3), 0.044715)))
    return multiply(x, times(shifted(tanh(z), 1.0), 0.5))


def silu(x: Node) -> Node:
    """Value: x / (1 + exp -x)."""
    return multiply(x, sigmoid(x))


def mish(x: Node) -> Node:
    """Value: x tanh(log(1 + exp x))."""
    return multiply(x, tanh(softplus(x)))


def elu(x: Node, alpha: float = 1.0, scale: float = 1.0, inner: float = 1.0) -> Node:
    """Value: scale x for x > 0, else scale alpha (exp(inner x) - 1)."""
    below = times(expm1(times(minimum(x, zeros(x)), inner)), alpha)
    return times(where(greater(x, zeros(x)), x, below), scale)


def selu(x: Node) -> Node:
    """ELU with the two numbers for which normalisation keeps itself."""
    return elu(x, SELU_ALPHA, SELU_SCALE)


def celu(x: Node, alpha: float = 1.0) -> Node:
    """max(x, 0) + min(alpha (exp(x / alpha) - 1), 0)."""
    below = times(expm1(divide(minimum(x, zeros(x)), full(x, alpha))), alpha)
    return where(greater(x, zeros(x)), x, below)


def leaky_relu(x: Node, slope: float = 0.01) -> Node:
    """Value: x for x > 0, else slope x."""
    return where(greater(x, zeros(x)), x, times(x, slope))


def prelu(x: Node, slope: Node) -> Node:
    """Value: x for x > 0, else slope x, with a slope for each entry."""
    return where(greater(x, zeros(x)), x, multiply(x, as_shape(slope, x.shape)))


def threshold(x: Node, limit: float, value: float) -> Node:
    """Value: x above a limit, else a value."""
    return where(greater(x, full(x, limit)), x, full(x, value))


def hardtanh(x: Node, low: float = -1.0, high: float = 1.0) -> Node:
    """x, but no less than `low` and no more than `high`."""
    return clip(x, full(x, low), full(x, high))


def hardsigmoid(x: Node) -> Node:
    """(x + 3) / 6 between 0 and 1."""
    return divide(hardtanh(shifted(x, 3.0), 0.0, 6.0), full(x, 6.0))


def hardswish(x: Node) -> Node:
    """Value: x hardsigmoid(x)."""
    return divide(multiply(x, hardtanh(shifted(x, 3.0), 0.0, 6.0)), full(x, 6.0))


def softsign(x: Node) -> Node:
    """Value: x / (1 + |x|)."""
    return divide(x, shifted(absolute(x), 1.0))


def log_sigmoid(x: Node) -> Node:
    """-log(1 + exp -x)."""
    return negative(softplus(negative(x)))


def softplus_of(x: Node, beta: float = 1.0, limit: float | None = None) -> Node:
    """log(1 + exp(beta x)) / beta; x where beta x is above a limit, if there is one."""
    z = times(x, beta)
    smooth = divide(softplus(z), full(x, beta))
    return smooth if limit is None else where(greater(z, full(x, limit)), x, smooth)


def logit(x: Node, eps: float | None = None) -> Node:
    """log(x / (1 - x)), of x between eps and 1 - eps, if there is one."""
    z = x if eps is None else hardtanh(x, eps, 1 - eps)
    return log(divide(z, subtract(full(x, 1.0), z)))


def softshrink(x: Node, limit: float = 0.5) -> Node:
    """Value: x - limit above the limit, x + limit below -limit, else 0."""
    return subtract(relu(shifted(x, -limit)), relu(shifted(negative(x), -limit)))


def hardshrink(x: Node, limit: float = 0.5) -> Node:
    """Value: x where |x| is above a limit, else 0."""
    return where(greater(absolute(x), full(x, limit)), x, zeros(x))


def tanhshrink(x: Node) -> Node:
    """Value: x - tanh x."""
    return subtract(x, tanh(x))
