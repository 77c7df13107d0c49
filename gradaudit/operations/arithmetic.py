"""Sums, products and quotients, entry by entry; operands have one shape (`shapes.as_shape` repeats them)."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradaudit.graph import Node
from gradaudit.operations.operation import Array, Operand, Operation, define, same
from gradaudit.operations.shapes import constant, constant_
from gradaudit.rounding.arithmetic import OF_OVERFLOW, Arithmetic
from gradaudit.rounding.bound import Bound, Terms, rounded, summed, terms_of, together

# --- sums -------------------------------------------------------------------------------------------------------------


def _add_rounding(fp: Arithmetic, value: Any, x: Operand, y: Operand) -> Bound:  # noqa: ARG001
    terms = together(terms_of(x.bound, x.v), terms_of(y.bound, y.v))
    late = x.bound.late if x.bound.late == y.bound.late else 1.0
    if x.bound.rough or y.bound.rough:
        return summed(fp, terms, late=late)
    return summed(fp, terms, x.bound.pure & y.bound.pure, lambda: np.minimum(x.bound.grid, y.bound.grid), late)


add: Operation = define(
    Operation(
        "add",
        shape=same,
        value=lambda A, x, y: A.add(x, y),
        derivative=lambda node, g: [g, g],  # noqa: ARG005
        rounding=_add_rounding,
        size=np.add,
        algorithms="additions that feed only additions, in any order",
    )
)
subtract: Operation = define(
    Operation(
        "subtract",
        shape=same,
        value=lambda A, x, y: A.subtract(x, y),
        derivative=lambda node, g: [g, negative(g)],  # noqa: ARG005
        rounding=_add_rounding,
        size=np.add,
    )
)
negative: Operation = define(
    Operation(
        "negative",
        shape=same,
        value=lambda A, x: A.negative(x),
        derivative=lambda node, g: [negative(g)],  # noqa: ARG005
        rounding=lambda fp, value, x: x.bound,  # noqa: ARG005
        size=lambda x: x,
    )
)

# --- products ---------------------------------------------------------------------------------------------------------


def _multiply_rounding(fp: Arithmetic, value: Any, x: Operand, y: Operand) -> Bound:  # noqa: ARG001
    """One rounding; a sum times what is known is bounded with the factor anywhere on its way through the additions."""
    late = x.bound.late * y.bound.late
    for scale, other in ((x, y), (y, x)):
        if _is_input(scale):
            late = other.bound.late * _late(scale)
            if other.bound.terms is not None:
                return _scaled(fp, np.abs(scale.v), scale, other, late)
    reach_x, reach_y = x.reach, y.reach
    with np.errstate(all="ignore"):
        size = reach_x * reach_y
        error = nothing(np.abs(x.v), y.E) + nothing(np.abs(y.v), x.E) + nothing(x.E, y.E)
        free = _is_power(x) | _is_power(y)
        count = ((reach_x != 0) & (reach_y != 0)).astype(np.float64)
        size = np.where(count > 0, size, 0.0)
        certainly_normal = (np.abs(x.v) - x.E) * (np.abs(y.v) - y.E) >= fp.eta * OF_OVERFLOW
        faint = np.where(certainly_normal & (np.abs(x.v) > x.E) & (np.abs(y.v) > y.E), 0.0, count * fp.eta)
        terms = Terms(count, size, np.where(free, 0.0, size), error, faint, 1.0)
        if x.bound.rough or y.bound.rough:
            return summed(fp, terms, late=late).whole()
        return summed(fp, terms, x.bound.pure & y.bound.pure, lambda: x.bound.grid + y.bound.grid, late).whole()


def _late(factor: Operand) -> float:
    """How much larger a product may be before a factor is applied that is one and the same number everywhere."""
    v = np.abs(factor.v)
    first = float(v.flat[0]) if v.size else 1.0
    return 1 / first if 0 < first < 1 and bool((v == first).all()) else 1.0


def nothing(a: Array, b: Array) -> Array:
    """A b, where 0 times infinity is 0: what is certainly 0 stays 0 whatever it is multiplied by."""
    return np.where((a == 0) | (b == 0), 0.0, a * b)


def _is_input(x: Operand) -> bool:
    """Whether an operand is known exactly to a program, flushing apart."""
    return x.bound.terms is None and not x.bound.rough and bool(x.bound.pure.all())


def _is_power(x: Operand) -> Any:
    """Where an operand is certainly a power of two: multiplying by it rounds nothing."""
    return (np.abs(np.frexp(x.v)[0]) == 0.5) & (x.E == 0)


def _scaled(fp: Arithmetic, scale: Array, factor: Operand, x: Operand, late: float) -> Bound:
    """A sum times numbers that are known: scaled before or after it is added up, or on the way."""
    with np.errstate(all="ignore"):
        t = x.bound.terms
        size = nothing(scale, t.size)
        own = np.where(_is_power(factor), 0.0, size)
        error = nothing(scale, t.error) + nothing(factor.E, t.size)
        count = np.where(scale == 0, 0.0, t.count)
        faint = nothing(scale, t.faint) + count * fp.eta
        terms = Terms(count, size, nothing(scale, t.rounded) + own, error, faint, t.depth + 1, t.groups)
        if x.bound.rough:
            return summed(fp, terms, late=late).whole()
        pure = factor.bound.pure & x.bound.pure
        return summed(fp, terms, pure, lambda: factor.bound.grid + x.bound.grid, late).whole()


multiply: Operation = define(
    Operation(
        "multiply",
        shape=same,
        value=lambda A, x, y: A.multiply(x, y),
        derivative=lambda node, g: [product_of(g, node.inputs[1]), product_of(g, node.inputs[0])],
        rounding=_multiply_rounding,
        size=np.multiply,
        algorithms="one rounding, none by a power of two; a constant factor anywhere on its way through a sum",
    )
)


def _divide_rounding(fp: Arithmetic, value: Any, x: Operand, y: Operand) -> Bound:
    """Two roundings: a compiler may multiply by the reciprocal; of a sum also before it is added up."""
    if x.bound.terms is not None and _is_input(y):
        return _divided(fp, x, y)
    with np.errstate(all="ignore"):
        v = np.abs(value.hi)
        least = np.abs(y.v) - y.E
        moved = np.where((x.E == 0) & (y.E == 0), 0.0, (x.E + v * y.E) / least)
        free = _is_power(y)
        faint = np.where(free & (v - moved >= fp.eta * OF_OVERFLOW), 0.0, fp.eta)
        E = moved + np.where(free, 0.0, fp.gamma(2) * (v + moved)) + faint
        E = np.where((x.v == 0) & (x.E == 0), 0.0, E)
        E = np.where(least > 0, E, np.inf)
        reciprocal = np.where(1 / np.maximum(least, 0) * 1.001 <= fp.omega, 0.0, np.inf)
        late = x.bound.late * (_late_divisor(y) if _is_input(y) else 1.0)
        return rounded(fp.unless_overflow((E + np.where(free, 0.0, reciprocal)) * (1 + 1e-6), v + E), late)


def _divided(fp: Arithmetic, x: Operand, y: Operand) -> Bound:
    """A sum divided by what is known: each of its terms, or the whole."""
    with np.errstate(all="ignore"):
        t, least = x.bound.terms, np.abs(y.v) - y.E
        scale = np.where(least > 0, 1 / least, np.inf)
        size = nothing(scale, t.size)
        own = np.where(_is_power(y), 0.0, 2 * size)
        faint = nothing(scale, t.faint) + t.count * fp.eta
        rounds = nothing(scale, t.rounded) + own
        terms = Terms(t.count, size, rounds, nothing(scale, t.error), faint, t.depth + 2, t.groups)
        bound = summed(fp, terms, late=x.bound.late * _late_divisor(y)).whole()
        finite = _is_power(y) | (scale * OF_OVERFLOW <= fp.omega)
        bound.E = np.where(finite | (size == 0), bound.E, np.inf)
        return bound


def _late_divisor(y: Operand) -> float:
    """How much larger a quotient may be before it is divided by what is one and the same number everywhere."""
    v = np.abs(y.v)
    first = float(v.flat[0]) if v.size else 1.0
    return first if first > 1 and bool((v == first).all()) else 1.0


divide: Operation = define(
    Operation(
        "divide",
        shape=same,
        value=lambda A, x, y: A.divide(x, y),
        derivative=lambda node, g: [
            divide(g, node.inputs[1]),
            negative(multiply(g, divide(node, node.inputs[1]))),
        ],
        rounding=_divide_rounding,
        natural=lambda fp, value, sizes: np.maximum(np.abs(value.hi), sizes[0] / sizes[1]),  # noqa: ARG005
        algorithms="a division, or the product with the rounded reciprocal",
    )
)


def product_of(g: Node, x: Node) -> Node:
    """G x, which is x where g is 1 everywhere."""
    one = g.operation is constant_ and bool((g.parameters["values"] == 1).all())
    return x if one else multiply(g, x)


def times(x: Node, factor: float) -> Node:
    """A multiple."""
    return multiply(x, constant(np.full(x.shape, factor)))
