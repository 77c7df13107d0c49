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
from gradaudit.rounding.arithmetic import OF_OVERFLOW, Arithmetic, or_infinite
from gradaudit.rounding.bound import Bound, rounded


def rows(x: Node, shape: Shape) -> Node:
    """Numbers, one a row, repeated along the rows."""
    return broadcast(reshape(x, to=(*x.shape, 1)), to=shape)


@remembered
def parts(A: Any, x: Any) -> tuple[Any, Any, Any, Any]:
    """Z = x - m, exp z and their sum Z by rows, for m an entry near the maximum; and m.

    There z is 0 and exp z is 1, whatever the radius of m: so a probability close to 1 is known as well as it may be.
    """
    shape = A.shape(x)
    top = A.rounded(x).argmax(axis=-1)
    at_top = np.arange(shape[-1]) == top[..., None]
    m = A.restructure(lambda y: rules.picked(y, top), x)
    z = A.restructure(lambda y: np.where(at_top, 0, y), A.subtract(x, column(A, m)))
    e = A.restructure(lambda y, unit: np.where(at_top, unit, y), A.function(EXP, z), A.constant(np.ones(())))
    return z, e, A.sum(e, len(shape) - 1), m


def column(A: Any, x: Any) -> Any:
    """Numbers, one a row, as rows of one entry."""
    return A.restructure(lambda y: y[..., None], x)


def _softmax_value(A: Any, x: Any) -> Any:
    _, e, Z, _ = parts(A, x)
    return A.divide(e, column(A, Z))


def _log_softmax_value(A: Any, x: Any) -> Any:
    z, _, Z, _ = parts(A, x)
    return A.subtract(z, column(A, A.function(LOG, Z)))


def _logsumexp_value(A: Any, x: Any) -> Any:
    _, _, Z, m = parts(A, x)
    return A.add(A.function(LOG, Z), m)


def _softmax_derivative(node: Node, g: Node) -> Sequence[Node | None]:
    return [softmax_gradient(node.inputs[0], g)]


def _weighted(x: Node, g: Node) -> Node:
    return multiply(softmax(x), rows(g, x.shape))


def _beside_largest_rounding(fp: Arithmetic, value: Any, d: Operand, x: Operand, g: Operand) -> Bound:  # noqa: ARG001
    """Where an entry of x may be the largest, g less the sum of d is added, which would be 0 (ROUNDING.md, 4.6).

    By the other forms of a softmax what underflows on the way is not scaled by p.
    """
    top, C = rules.errors(fp, rules.rows(x.value), x.E).top, x.v.shape[-1]
    size = d.reach.sum(axis=-1, keepdims=True) + g.reach[..., None]
    error = d.E.sum(axis=-1, keepdims=True) + g.E[..., None]
    R = np.where(size == 0, 0.0, error + fp.gamma(fp.steps(C) + 4) * size + (C + 4) * fp.eta)
    faint = np.where(size == 0, 0.0, (C + 4) * fp.eta)
    E = fp.unless_overflow(d.E + np.where(top, R, faint) * (1 + 1e-6), size)
    return rounded(E, d.bound.late)


def _unshifted_rounding(fp: Arithmetic, value: Any, y: Operand, x: Operand, logarithm: bool) -> Bound:  # noqa: ARG001
    """Rows whose exponentials neither overflow nor underflow nor have a square that does (ROUNDING.md, 4.7)."""
    M, Emax, C = x.v.max(axis=-1, keepdims=True), x.E.max(axis=-1, keepdims=True), x.v.shape[-1]
    far, least = np.abs(M) + Emax + np.log(C), (x.v - x.E).min(axis=-1, keepdims=True)
    whole = (M - Emax >= 0) | (least >= np.log(fp.normal) + 1)
    size = np.exp(far) * y.reach.sum(axis=-1, keepdims=True)
    sure = whole & (far <= np.log(fp.omega) / 2 - 1) & (size * OF_OVERFLOW <= fp.omega)
    of_logarithm = (fp.library(rules.K) + 1) * fp.u * far if logarithm else 0.0
    E = y.E + ((C + 4) * fp.eta * np.exp(far) + of_logarithm) * (1 + 1e-6)
    return rounded(np.where(sure, E, np.inf), y.bound.late)


def _unshifted_derivative(node: Node, g: Node) -> Sequence[Node | None]:
    return [unshifted(g, node.inputs[1], logarithm=False), None]


def _softmax_rounding(fp: Arithmetic, value: Any, x: Operand) -> Bound:  # noqa: ARG001
    return rounded(rules.errors(fp, rules.rows(x.value), x.E).E_p * (1 + 1e-6))


def _log_softmax_rounding(fp: Arithmetic, value: Any, x: Operand) -> Bound:
    E = rules.errors(fp, rules.rows(x.value), x.E).E_log * (1 + 1e-6)
    return rounded(fp.unless_overflow(E, np.abs(value.hi) + E))


def _logsumexp_rounding(fp: Arithmetic, value: Any, x: Operand) -> Bound:
    """Within Emax of its inputs', the logarithm's own error, and a rounding of the result."""
    of = rules.errors(replace(fp, offset="none"), rules.rows(x.value), x.E)
    Emax = x.E.max(axis=-1)
    E = (
        Emax
        + of.rho.min(axis=-1)
        + (fp.library(rules.K) + 1) * fp.u * (np.abs(value.hi) + np.log(x.v.shape[-1]) + Emax)
    )
    E = E + fp.u * np.abs(x.v).max(axis=-1) + fp.eta
    return rounded(fp.unless_overflow(E * (1 + 1e-6), np.abs(value.hi) + E))


beside_largest: Operation = define(
    Operation(
        "beside_largest",
        shape=lambda d, x, g: d,  # noqa: ARG005
        value=lambda A, d, x, g: d,  # noqa: ARG005
        derivative=lambda node, h: [h, None, None],  # noqa: ARG005
        rounding=_beside_largest_rounding,
        size=lambda d, x, g: d,  # noqa: ARG005
        algorithms="the derivative of a softmax or log-sum-exp, whose maximum may have been left in the graph",
    )
)
unshifted: Operation = define(
    Operation(
        "unshifted",
        shape=lambda y, x, logarithm: y,  # noqa: ARG005
        value=lambda A, y, x, logarithm: y,  # noqa: ARG005
        derivative=_unshifted_derivative,
        rounding=_unshifted_rounding,
        size=lambda y, x, logarithm: y,  # noqa: ARG005
        algorithms="a softmax whose exponentials are those of x itself: no maximum was subtracted",
    )
)
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
        derivative=lambda node, g: [beside_largest(_weighted(node.inputs[0], g), node.inputs[0], g)],
        rounding=_logsumexp_rounding,
    )
)


def _gradient_value(A: Any, x: Any, g: Any) -> Any:
    G = column(A, A.sum(g, len(A.shape(x)) - 1))
    return A.subtract(g, A.multiply(_softmax_value(A, x), G))


def _gradient_derivative(node: Node, h: Node) -> Sequence[Node | None]:
    x, g = node.inputs
    last, p = node.ndim - 1, softmax(x)
    G = rows(sum_axis(g, axis=last), node.shape)
    by_x = softmax.derivative(p, multiply(negative(h), G))[0]
    return [by_x, subtract(h, rows(sum_axis(multiply(h, p), axis=last), node.shape))]


def _gradient_rounding(fp: Arithmetic, value: Any, x: Operand, g: Operand) -> Bound:
    """G - p sum(g) by any route; where the maximum was left in the graph, its own derivative's error beside it."""
    of = rules.errors(fp, rules.rows(x.value), x.E)
    C = x.v.shape[-1]
    E_G = g.E.sum(axis=-1, keepdims=True)
    size_G = (np.abs(g.v) + g.E).sum(axis=-1, keepdims=True)
    additions = np.maximum((np.abs(g.v) + g.E != 0).sum(axis=-1, keepdims=True) - 1, 0)
    G = np.abs(g.v.sum(axis=-1, keepdims=True)) + additions * U * size_G  # terms of both signs
    E_G = (
        E_G
        + fp.gamma(additions if not fp.is_narrow else np.where(additions > 0, 1 + additions * fp.part, 0.0)) * size_G
        + additions * fp.eta
    )
    reach = of.p + of.E_p
    moved = g.E + of.E_p * G + reach * E_G
    t = np.abs(g.v) + of.p * G
    spread = np.fmin(reach * np.expm1(of.rho), of.cap).sum(axis=-1, keepdims=True)
    sizes = (np.abs(value.hi) + moved).sum(axis=-1, keepdims=True)
    of_maximum = spread * (G + E_G) + fp.gamma(fp.steps(C) + 5) * sizes + (3 * C + 2) * fp.eta
    E = moved + fp.gamma(8) * (t + moved) + np.where(of.top, of_maximum, 0.0) + 3 * fp.eta
    E = np.where((G + E_G == 0) & (np.abs(g.v) + g.E == 0) & np.isfinite(of.E_p), 0.0, E)
    late = g.bound.late
    return rounded(fp.unless_overflow(E * (1 + 1e-6), late * np.maximum(t + moved, size_G)), late)


def _gradient_size(fp: Arithmetic, value: Any, sizes: Sequence[Array]) -> Array:  # noqa: ARG001
    """Where g and p sum(g) cancel, they are of one size."""
    return np.asarray(np.maximum(np.abs(value.hi), sizes[1]))


log_softmax_gradient: Operation = define(
    Operation(
        "log_softmax_gradient",
        shape=same,
        value=_gradient_value,
        derivative=_gradient_derivative,
        rounding=_gradient_rounding,
        natural=_gradient_size,
        algorithms=rules.__doc__ or "",
    )
)


def _inner_value(A: Any, x: Any, g: Any) -> Any:
    p = _softmax_value(A, x)
    G = A.sum(A.multiply(g, p), len(A.shape(x)) - 1)
    return A.multiply(p, A.subtract(g, column(A, G)))


def _inner_derivative(node: Node, h: Node) -> Sequence[Node | None]:
    """Of sum(h p g) - sum(h p) sum(p g) by p it is h g - h sum(p g) - g sum(h p)."""
    x, g = node.inputs
    p, last = softmax(x), node.ndim - 1
    G, H = (rows(sum_axis(multiply(n, p), axis=last), node.shape) for n in (g, h))
    by_p = subtract(subtract(multiply(h, g), multiply(h, G)), multiply(g, H))
    return [softmax_gradient(x, by_p), softmax_gradient(x, h)]


def _inner_rounding(fp: Arithmetic, value: Any, x: Operand, g: Operand) -> Bound:
    """P (g - sum(p g)) by any route; where the maximum was left in the graph, its own derivative's error beside it."""
    of = rules.errors(fp, rules.rows(x.value), x.E)
    C, G = x.v.shape[-1], np.abs(g.v)
    reach, R = of.p + of.E_p, G + g.E

    def total(y: Array) -> Array:
        return np.asarray(y.sum(axis=-1, keepdims=True))

    T, rest = total(reach * R), rules.over_rest(np.add, of.p, 0.0)
    by_g = (rest + of.E_p) * g.E + rules.over_rest(np.add, reach * g.E, 0.0)
    moved = reach * (by_g + total(of.E_p * G)) + of.E_p * (G + total(of.p * G))
    steps = reach * (fp.gamma(8) * R + fp.gamma(fp.steps(C) + 8) * T) + (2 * C + 8) * fp.eta
    off = np.fmin(reach * np.expm1(of.rho), of.cap)
    sizes = np.abs(value.hi) + moved + steps
    of_maximum = total(off) * T + 2 * total(off * R) + total(steps) + fp.gamma(fp.steps(C) + 5) * total(sizes)
    of_maximum = of_maximum + fp.gamma(2) * (sizes + of_maximum) + (C + 2) * fp.eta
    E = moved + steps + np.where(of.top, of_maximum, 0.0)
    E = np.where((total(R) == 0) & np.isfinite(of.E_p), 0.0, E)
    late = g.bound.late
    return rounded(fp.unless_overflow(or_infinite(E) * (1 + 1e-6), total(R) * late), late)


softmax_gradient: Operation = define(
    Operation(
        "softmax_gradient",
        shape=same,
        value=_inner_value,
        derivative=_inner_derivative,
        rounding=_inner_rounding,
        natural=_gradient_size,
        algorithms=rules.__doc__ or "",
        source="gradaudit/rounding/ROUNDING.md, section 4.4",
    )
)
