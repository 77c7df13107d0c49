"""Normalisations: by layers, groups, batches, instances, root mean squares and norms; of sums and roots.

Means and variances are found in two passes (or Welford's way); not as E[x^2] - E[x]^2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradaudit.graph import Node, Shape
from gradaudit.operations.activations import full, shifted
from gradaudit.operations.choices import maximum
from gradaudit.operations.entrywise import add, divide, multiply, rsqrt, square, subtract
from gradaudit.operations.operation import Operand, Operation, define
from gradaudit.operations.shapes import as_shape, reshape
from gradaudit.operations.statistics import mean, norm, variance
from gradaudit.rounding.arithmetic import Arithmetic
from gradaudit.rounding.bound import Bound, rounded


def scaled(x: Node, weight: Node | None, bias: Node | None) -> Node:
    """Value: x weight + bias, each repeated to the shape of x; either may be missing."""
    if weight is not None:
        x = multiply(x, as_shape(weight, x.shape))
    return x if bias is None else add(x, as_shape(bias, x.shape))


def _averaged_rounding(fp: Arithmetic, value: Any, m: Operand, x: Operand, axes: tuple[int, ...]) -> Bound:  # noqa: ARG001
    """A sum that is divided; or found in one pass, by Welford's updates, and never exact (ROUNDING.md, 2)."""
    N = int(np.prod([x.v.shape[a] for a in axes]))
    size = x.reach.mean(axis=axes, keepdims=True).reshape(m.v.shape)
    more = fp.gamma(fp.steps(2 * N + 8)) * size + (2 * N + 8) * fp.eta
    bound, terms = rounded(fp.unless_overflow((m.E + more) * (1 + 1e-6), N * size)), m.bound.terms
    if terms is None:
        return bound
    return Bound(bound.E, terms=terms._replace(error=terms.error + more), late=m.bound.late, closed=True)


averaged: Operation = define(
    Operation(
        "averaged",
        shape=lambda m, x, axes: m,  # noqa: ARG005
        value=lambda A, m, x, axes: m,  # noqa: ARG005
        derivative=lambda node, h: [h, None],  # noqa: ARG005
        rounding=_averaged_rounding,
        size=lambda m, x, axes: m,  # noqa: ARG005
        algorithms="a sum that is divided, or Welford's updates",
    )
)


def average(x: Node, axes: Sequence[int]) -> Node:
    """The mean over some axes, which remain, however it is found."""
    return averaged(mean(x, axes, keepdims=True), x, axes=tuple(axes))


def standardised(x: Node, axes: Sequence[int], eps: float) -> tuple[Node, Node, Node]:
    """(x - mean) r with r = 1 / sqrt(variance + eps), along some axes; the mean, and r, with their axes.

    As x r - mean r, as programs have it that keep two numbers a channel. They lose what the mean is larger than the
    deviation; the bound of this form covers the other one too.
    """
    m, r = average(x, axes), rsqrt(shifted(variance(x, axes, keepdims=True), eps))
    return subtract(multiply(x, as_shape(r, x.shape)), as_shape(multiply(m, r), x.shape)), m, r


def layer_norm(x: Node, axes: int, weight: Node | None = None, bias: Node | None = None, eps: float = 1e-5) -> Node:
    """Normalised over the last axes, of which `weight` and `bias` have the shape.

    Parameters
    ----------
    x : Node, shape (..., *normalised)
        What is normalised.
    axes : int
        How many axes, from the last one on.
    weight, bias : Node, shape (*normalised,), optional
        Factor and addend.
    eps : float
        Is added to the variance.
    """
    return scaled(standardised(x, range(x.ndim - axes, x.ndim), eps)[0], weight, bias)


def channels(node: Node, shape: Shape) -> Node:
    """Numbers, one a channel, beside arrays (N, C, ...)."""
    return reshape(node, to=(1, shape[1], *(1 for _ in shape[2:])))


def by_channel(x: Node, weight: Node | None, bias: Node | None) -> Node:
    """Value: x weight + bias with one of each a channel."""
    return scaled(x, *(None if n is None else channels(n, x.shape) for n in (weight, bias)))


def group_norm(x: Node, groups: int, weight: Node | None = None, bias: Node | None = None, eps: float = 1e-5) -> Node:
    """(N, C, ...) normalised over C / groups channels and what is behind them; one weight and bias a channel."""
    parts = reshape(x, to=(x.shape[0], groups, int(np.prod(x.shape[1:])) // groups))
    return by_channel(reshape(standardised(parts, (2,), eps)[0], to=x.shape), weight, bias)


def instance_norm(x: Node, weight: Node | None = None, bias: Node | None = None, eps: float = 1e-5) -> Node:
    """(N, C, ...) normalised over what is behind the channels."""
    return by_channel(standardised(x, range(2, x.ndim), eps)[0], weight, bias)


def batch_norm(
    x: Node,
    weight: Node | None = None,
    bias: Node | None = None,
    eps: float = 1e-5,
    running: tuple[Node, Node] | None = None,
) -> Node:
    """(N, C, ...) normalised channel by channel, by the batch or by running statistics.

    Parameters
    ----------
    x : Node, shape (N, C, ...)
        What is normalised.
    weight, bias : Node, shape (C,), optional
        Factor and addend.
    eps : float
        Is added to the variance.
    running : tuple of Node and Node, shape (C,), optional
        Mean and variance to be taken (evaluation); those of the batch if not given (training).
    """
    if running is None:
        return by_channel(standardised(x, (0, *range(2, x.ndim)), eps)[0], weight, bias)
    average, spread = (channels(n, x.shape) for n in running)
    root = rsqrt(shifted(spread, eps))
    return by_channel(
        subtract(multiply(x, as_shape(root, x.shape)), as_shape(multiply(average, root), x.shape)), weight, bias
    )


def rms_norm(x: Node, axes: int, weight: Node | None = None, eps: float = 1e-6) -> Node:
    """Value: x / sqrt(mean of x^2 + eps) over the last axes, times a weight of their shape."""
    over = range(x.ndim - axes, x.ndim)
    root = rsqrt(shifted(mean(square(x), over, keepdims=True), eps))
    return scaled(multiply(x, as_shape(root, x.shape)), weight, None)


def normalised(x: Node, order: float = 2.0, axis: int = 1, eps: float = 1e-12) -> Node:
    """Value: x / max(norm, eps) along an axis."""
    size = norm(x, (axis,), keepdims=True, order=order)
    return divide(x, as_shape(maximum(size, full(size, eps)), x.shape))
