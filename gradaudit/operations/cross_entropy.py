"""The cross-entropy of the softmax of rows with their labels, and its derivative: bounded in every usual form.

The labels are an operand, whole numbers: one graph serves any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.entries import some
from gradaudit.exact.functions import LOG
from gradaudit.graph import Node, Shape
from gradaudit.operations.entrywise import multiply, subtract
from gradaudit.operations.operation import Array, Operand, Operation, define, no_derivative
from gradaudit.operations.shapes import sum_axis
from gradaudit.operations.softmax import column, parts, rows, softmax
from gradaudit.rounding import softmax as rules
from gradaudit.rounding.arithmetic import OF_EVALUATION, Arithmetic
from gradaudit.rounding.bound import Bound, exact, rounded

Labels = NDArray[np.int64]


def _onehot(labels: Array, shape: Shape) -> NDArray[np.bool_]:
    """Where a column is its row's label."""
    return np.asarray(labels[..., None] == np.arange(shape[-1]))


def _picked(x: Any, labels: Array) -> Any:
    """The entry of the label of each row."""
    return rules.picked(x, labels.astype(np.int64))


# --- the loss of each row ---------------------------------------------------------------------------------------------


def _shape(x: Shape, labels: Shape) -> Shape:
    if labels != x[:-1]:
        raise ValueError(f"labels of the shape {labels} for rows of the shape {x}; expected one label a row")
    return labels


def _value(A: Any, x: Any, labels: Any) -> Any:
    z, _, Z, _ = parts(A, x)
    numbers = A.rounded(labels)
    return A.subtract(A.function(LOG, Z), A.restructure(lambda y: _picked(y, numbers), z))


def _rounding(fp: Arithmetic, value: Any, x: Operand, labels: Operand) -> Bound:
    """As log p at the label, whichever of the forms computes it (ROUNDING.md, 4.2 and 4.4)."""
    E = _picked(rules.errors(fp, rules.rows(x.value), x.E).E_log, labels.v) * OF_EVALUATION
    return rounded(fp.unless_overflow(E, np.abs(value.hi) + E))


cross_entropy: Operation = define(
    Operation(
        "cross_entropy",
        shape=_shape,
        value=_value,
        derivative=lambda node, g: [cross_entropy_gradient(*node.inputs, g), None],
        rounding=_rounding,
        natural=lambda fp, value, sizes: 1 + np.abs(value.hi),  # noqa: ARG005
        algorithms=rules.__doc__ or "",
        source="gradaudit/rounding/ROUNDING.md, section 4",
    )
)


# --- its derivative by the logits -------------------------------------------------------------------------------------


def _gradient_value(A: Any, x: Any, labels: Any, g: Any) -> Any:
    """P - 1 at a label with the largest logit is minus the sum of the others: no digit is lost when p is close to 1."""
    shape = A.shape(x)
    z, e, Z, _ = parts(A, x)
    at_label = _onehot(A.rounded(labels), shape)
    leads = at_label & (A.rounded(z) == 0)
    others = A.restructure(lambda y: np.where(at_label, 0, y), e)
    rest = A.negative(A.sum(others, len(shape) - 1))
    top = A.restructure(lambda y, r: np.where(leads, r[..., None], y), e, rest)
    p = A.divide(top, column(A, Z))
    off = A.subtract(p, A.constant((at_label & ~leads).astype(np.float64)))
    return A.multiply(off, column(A, g))


def _gradient_rounding(fp: Arithmetic, value: Any, x: Operand, labels: Operand, g: Operand) -> Bound:  # noqa: ARG001
    """(p - onehot) g by any route, and the maximum's own gradient where it was left in the graph (ROUNDING.md, 4.4).

    Of the eight roundings there two are those of 1/N, which is g here and has a bound of its own.
    """
    of = rules.errors(fp, rules.rows(x.value), x.E)
    at_label, reach = _onehot(labels.v, x.v.shape), of.p + of.E_p
    t = of.p + at_label
    rest = np.where(at_label, of.E_p, reach).sum(axis=-1, keepdims=True)
    spread = np.fmin(reach * np.expm1(of.rho), of.cap).sum(axis=-1, keepdims=True)
    C = x.v.shape[-1]
    of_maximum = spread + 2 * fp.gamma(fp.steps(C) + 5) * rest
    E = of.E_p + fp.gamma(6) * (t + of.E_p) + np.where(of.top, of_maximum, 0.0)
    G, E_G = g.size[..., None], g.E[..., None]
    nothing = (G + E_G == 0) & np.isfinite(of.E_p)
    E = G * E + E_G * (t + E) + np.where(of.top, (3 * C + 3) * fp.eta, fp.eta)
    E = (np.where(nothing, 0.0, E) if some(nothing) else E) * OF_EVALUATION
    return rounded(fp.unless_overflow(E, g.bound.late * (t * G + E)), g.bound.late)


def _gradient_derivative(node: Node, h: Node) -> Sequence[Node | None]:
    x, labels, g = node.inputs
    last, p = node.ndim - 1, softmax(x)
    by_x = softmax.derivative(p, multiply(h, rows(g, node.shape)))[0]
    by_g = sum_axis(multiply(h, subtract(p, onehot(labels, columns=x.shape[-1]))), axis=last)
    return [by_x, None, by_g]


def _gradient_size(fp: Arithmetic, value: Any, sizes: Sequence[Array]) -> Array:
    """(p + onehot) |g|; below eta / u a probability counts as that: underflow takes its digits."""
    _, labels, g = sizes
    G, at_label = g[..., None], _onehot(labels, value.hi.shape)
    p = np.abs(np.abs(value.hi) / np.where(G > 0, G, 1) - at_label)
    return np.asarray(np.maximum(p + at_label, fp.normal / fp.u) * G)


def _gradient_shape(x: Shape, labels: Shape, g: Shape) -> Shape:
    if g != _shape(x, labels):
        raise ValueError(f"a cotangent of the shape {g} for labels of the shape {labels}; expected one shape")
    return x


cross_entropy_gradient: Operation = define(
    Operation(
        "cross_entropy_gradient",
        shape=_gradient_shape,
        value=_gradient_value,
        derivative=_gradient_derivative,
        rounding=_gradient_rounding,
        natural=_gradient_size,
        algorithms=rules.__doc__ or "",
        source="gradaudit/rounding/ROUNDING.md, section 4.4",
    )
)
onehot: Operation = define(
    Operation(
        "onehot",
        shape=lambda labels, columns: (*labels, columns),
        value=lambda A, x, columns: A.constant(_onehot(A.rounded(x), (columns,)).astype(np.float64)),
        derivative=no_derivative,
        rounding=lambda fp, value, x, columns: exact(fp, value.hi),  # noqa: ARG005
        algorithms="exact",
    )
)
