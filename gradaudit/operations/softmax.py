"""Softmax, its logarithm and log-sum-exp along the last axis; each bounded as a whole, in every usual form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradaudit.exact.enclosure import U
from gradaudit.exact.functions import EXP, LOG
from gradaudit.graph import Node, Shape
from gradaudit.memory import remembered
from gradaudit.operations.entrywise import multiply, negative, subtract
from gradaudit.operations.operation import Array, Operand, Operation, define, same
from gradaudit.operations.shapes import broadcast, reshape, sum_axis
from gradaudit.rounding import softmax as rules
from gradaudit.rounding.arithmetic import Arithmetic
from gradaudit.rounding.bound import Bound, rounded


def rows(x: Node, shape: Shape) -> Node:
    """Numbers, one a row, repeated along the rows."""
    return broadcast(reshape(x, to=(*x.shape, 1)), to=shape)


@remembered
def parts(A: Any, x: Any) -> tuple[Any, Any, Any]:
    """Z = x - m, exp z and their sum Z by rows, for floats m near the maximum, which are exact."""
    shape = A.shape(x)
    z = A.subtract(x, A.restructure(lambda y: np.broadcast_to(y[..., None], shape), largest(A, x)))
    e = A.function(EXP, z)
    return z, e, A.sum(e, len(shape) - 1)


def largest(A: Any, x: Any) -> Any:
    """Floats near the maximum of each row."""
    return A.constant(A.enclosure(x).hi.max(axis=-1))


def _repeated(A: Any, x: Any, shape: Shape) -> Any:
    return A.restructure(lambda y: np.broadcast_to(y[..., None], shape), x)


def _softmax_value(A: Any, x: Any) -> Any:
    _, e, Z = parts(A, x)
    return A.divide(e, _repeated(A, Z, A.shape(x)))


def _log_softmax_value(A: Any, x: Any) -> Any:
    z, _, Z = parts(A, x)
    return A.subtract(z, _repeated(A, A.function(LOG, Z), A.shape(x)))


def _logsumexp_value(A: Any, x: Any) -> Any:
    _, _, Z = parts(A, x)
    return A.add(A.function(LOG, Z), largest(A, x))


def _softmax_derivative(node: Node, g: Node) -> Sequence[Node | None]:
    weighted = sum_axis(multiply(g, node), axis=node.ndim - 1)
    return [multiply(node, subtract(g, rows(weighted, node.shape)))]


def _softmax_rounding(fp: Arithmetic, value: Any, x: Operand) -> Bound:  # noqa: ARG001
    return rounded(rules.errors(fp, rules.rows(x.value), x.E).E_p * (1 + 1e-6))


def _log_softmax_rounding(fp: Arithmetic, value: Any, x: Operand) -> Bound:
    E = rules.errors(fp, rules.rows(x.value), x.E).E_log * (1 + 1e-6)
    return rounded(fp.unless_overflow(E, np.abs(value.hi) + E))


def _logsumexp_rounding(fp: Arithmetic, value: Any, x: Operand) -> Bound:
    """Within Emax of its inputs', the logarithm's own error, and a rounding of the result."""
    with np.errstate(all="ignore"):
        of = rules.errors(replace(fp, offset="none"), rules.rows(x.value), x.E)
        Emax = x.E.max(axis=-1)
        E = Emax + of.rho.min(axis=-1) + (rules.K + 1) * fp.u * (np.abs(value.hi) + np.log(x.v.shape[-1]) + Emax)
        E = E + fp.u * np.abs(x.v).max(axis=-1) + fp.eta
        return rounded(fp.unless_overflow(E * (1 + 1e-6), np.abs(value.hi) + E))


softmax: Operation = define(
    Operation(
        "softmax",
        shape=same,
        value=_softmax_value,
        derivative=_softmax_derivative,
        rounding=_softmax_rounding,
        algorithms=rules.__doc__ or "",
    )
)
log_softmax: Operation = define(
    Operation(
        "log_softmax",
        shape=same,
        value=_log_softmax_value,
        derivative=lambda node, g: [log_softmax_gradient(node.inputs[0], g)],
        rounding=_log_softmax_rounding,
        size=lambda x: x,
        algorithms=rules.__doc__ or "",
    )
)
logsumexp: Operation = define(
    Operation(
        "logsumexp",
        shape=lambda x: x[:-1],
        value=_logsumexp_value,
        derivative=lambda node, g: [multiply(softmax(node.inputs[0]), rows(g, node.inputs[0].shape))],
        rounding=_logsumexp_rounding,
    )
)


def _gradient_value(A: Any, x: Any, g: Any) -> Any:
    shape = A.shape(x)
    G = _repeated(A, A.sum(g, len(shape) - 1), shape)
    return A.subtract(g, A.multiply(_softmax_value(A, x), G))


def _gradient_derivative(node: Node, h: Node) -> Sequence[Node | None]:
    x, g = node.inputs
    last, p = node.ndim - 1, softmax(x)
    G = rows(sum_axis(g, axis=last), node.shape)
    by_x = softmax.derivative(p, multiply(negative(h), G))[0]
    return [by_x, subtract(h, rows(sum_axis(multiply(h, p), axis=last), node.shape))]


def _gradient_rounding(fp: Arithmetic, value: Any, x: Operand, g: Operand) -> Bound:
    """G - p sum(g) by any route; where the maximum was left in the graph, its own derivative's error beside it."""
    with np.errstate(all="ignore"):
        of = rules.errors(fp, rules.rows(x.value), x.E)
        C = x.v.shape[-1]
        E_G = g.E.sum(axis=-1, keepdims=True)
        size_G = (np.abs(g.v) + g.E).sum(axis=-1, keepdims=True)
        additions = np.maximum((np.abs(g.v) + g.E != 0).sum(axis=-1, keepdims=True) - 1, 0)
        G = np.abs(g.v.sum(axis=-1, keepdims=True)) + additions * U * size_G  # terms of both signs
        E_G = E_G + fp.gamma(additions) * size_G + additions * fp.eta
        reach = of.p + of.E_p
        moved = g.E + of.E_p * G + reach * E_G
        t = np.abs(g.v) + of.p * G
        spread = np.fmin(reach * np.expm1(of.rho), of.cap).sum(axis=-1, keepdims=True)
        sizes = (np.abs(value.hi) + moved).sum(axis=-1, keepdims=True)
        of_maximum = spread * (G + E_G) + fp.gamma(C + 5) * sizes + (3 * C + 2) * fp.eta
        E = moved + fp.gamma(8) * (t + moved) + np.where(of.top, of_maximum, 0.0) + 3 * fp.eta
        E = np.where((G + E_G == 0) & (np.abs(g.v) + g.E == 0), 0.0, E)
        late = g.bound.late
        return rounded(fp.unless_overflow(E * (1 + 1e-6), late * np.maximum(t + moved, size_G)), late)


def _gradient_size(x: Array, g: Array) -> Array:
    p = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(g + p / p.sum(axis=-1, keepdims=True) * g.sum(axis=-1, keepdims=True))


log_softmax_gradient: Operation = define(
    Operation(
        "log_softmax_gradient",
        shape=same,
        value=_gradient_value,
        derivative=_gradient_derivative,
        rounding=_gradient_rounding,
        size=_gradient_size,
        algorithms=rules.__doc__ or "",
    )
)
