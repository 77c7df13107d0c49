"""Sums, products and quotients, entry by entry; operands have one shape (`shapes.as_shape` repeats them)."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradaudit.exact.enclosure import Enclosure, zeros
from gradaudit.exact.entries import core, entrywise, every, highest, lowest, pick, repeated, some
from gradaudit.graph import Node
from gradaudit.memory import remembered
from gradaudit.operations.operation import Operand, Operation, define, same
from gradaudit.operations.shapes import constant, constant_
from gradaudit.rounding.arithmetic import OF_OVERFLOW, Arithmetic, or_infinite
from gradaudit.rounding.bound import Bound, Terms, exact, rounded, summed, terms_of, together

# --- sums -------------------------------------------------------------------------------------------------------------


def _add_rounding(fp: Arithmetic, value: Any, x: Operand, y: Operand) -> Bound:  # noqa: ARG001
    terms = together(terms_of(x), terms_of(y))
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


def _multiply_rounding(fp: Arithmetic, value: Any, x: Operand, y: Operand) -> Bound:
    """One rounding; a sum times what is known is bounded with the factor anywhere on its way through the additions.

    Of 0 times what may be infinite nothing is known: it may be NaN.
    """
    late = x.bound.late * y.bound.late
    for factor, other in ((x, y), (y, x)):
        if _is_known(fp, factor):
            late = other.bound.late * _late(factor)
            if other.bound.terms is not None:
                return _scaled(fp, value, factor, other, late)
    size = x.reach * y.reach
    error = _error_of_product(x, y)
    there = every(x.reach) and every(y.reach)
    count = 1.0 if there else ((x.reach != 0) & (y.reach != 0)).astype(np.float64)
    size = size if there else pick(count > 0, size, 0.0)
    (low_x, low_y), normal = (_least(n) for n in (x, y)), fp.normal * OF_OVERFLOW
    if lowest(low_x) * lowest(low_y) >= normal:
        faint: Any = 0.0
    else:
        faint = pick(low_x * low_y >= normal, 0.0, count * fp.eta)
    own = pick(x.power | y.power, 0.0, size) if some(x.power) or some(y.power) else size
    terms = Terms(count, size, own, error, faint, 1.0)
    if x.bound.rough or y.bound.rough:
        return summed(fp, terms, late=late, closed=True)
    grid = lambda: x.bound.grid + y.bound.grid  # noqa: E731
    if _only_zeros_are_floats(fp, value, x, y):
        bound = summed(fp, terms, late=late, closed=True)
        return Bound(bound.E, value.hi == 0, grid, bound.terms, late, closed=True)
    return summed(fp, terms, x.bound.pure & y.bound.pure, grid, late, closed=True)


def _only_zeros_are_floats(fp: Arithmetic, value: Any, x: Operand, y: Operand) -> bool:
    """Whether each product of two known floats of float32, which float64 has as it is, is no float32, or is 0."""
    if fp.precision != 24 or some(x.E) or some(y.E) or some(x.value.radius) or some(y.value.radius):
        return False
    if not all(every(entrywise(lambda v: v.astype(np.float32) == v, n.v)) for n in (x, y)):
        return False
    return every((value.hi.astype(np.float32) != value.hi) | (value.hi == 0))


def _error_of_product(x: Operand, y: Operand) -> Any:
    """|x| Ey + |y| Ex + Ex Ey; infinite where it is undefined."""
    if not some(x.E):
        return or_infinite(x.size * y.E) if some(y.E) else zeros(x.E.shape)
    return or_infinite(x.size * y.E + y.size * x.E + x.E * y.E if some(y.E) else y.size * x.E)


def _least(x: Operand) -> Any:
    """The smallest absolute value that a program may have there."""
    if not some(x.E):
        return x.size
    size, E = core(x.size), core(x.E)
    least = np.maximum(size - E, 0)
    return least if least.shape == x.size.shape else repeated(least, x.size.shape)


def _late(factor: Operand) -> float:
    """How much larger a product may be before a factor is applied that is the same number everywhere."""
    first = float(factor.size.flat[0]) if factor.size.size else 1.0
    return 1 / first if 0 < first < 1 and every(factor.size == first) else 1.0


def _is_known(fp: Arithmetic, x: Operand) -> bool:
    """Whether an operand is known to a program but for the rounding to its dtype, flushing apart."""
    if x.bound.terms is not None:
        return False
    if x.bound.rough:
        E, size = core(x.E), core(x.size)
        return every(fp.u * size >= E)
    return every(x.bound.pure) or every(x.bound.pure | (fp.u * x.size >= x.E))


def _scaled(fp: Arithmetic, value: Any, factor: Operand, x: Operand, late: float) -> Bound:
    """A sum times numbers that are known: scaled before or after it is added up, or on the way."""
    t, scale = x.bound.terms, factor.size
    size = scale * t.size
    own = pick(factor.power, 0.0, size)
    error = or_infinite(scale * t.error + factor.E * (t.size + t.error))
    count, more = t.count, t.more
    if not every(factor.reach):
        count, more = (pick(factor.reach == 0, 0.0, n) for n in (count, more))
    faint = scale * (t.faint + np.maximum(t.number - 1, 0) * fp.eta) + (count + more) * fp.eta
    terms = Terms(count, size, scale * t.rounded + own, error, faint, t.depth + 1, t.groups, more)
    pure, grid = None, None
    if not (x.bound.rough or factor.bound.rough):
        pure, grid = factor.bound.pure & x.bound.pure, lambda: factor.bound.grid + x.bound.grid
    bound = summed(fp, terms, pure, grid, late, closed=True, v=_accumulated(fp, value, t))
    return bound if highest(x.E) < np.inf else bound.where(np.isfinite(x.E))


def _accumulated(fp: Arithmetic, value: Any, terms: Terms) -> Any:
    """The values, if they are what one operation accumulates in a wider dtype; else None."""
    return value.hi if fp.is_narrow and terms.groups == 1 else None


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
    """Two roundings: a compiler may multiply by the reciprocal; a sum may also be divided before it is added up.

    A power of two has an exact reciprocal.
    """
    if not x.bound.rough and every(y.power & (_reciprocal(fp, y) == 0)):
        inverse = 1 / y.v
        return _multiply_rounding(fp, value, x, Operand(Enclosure.exactly(inverse), exact(fp, inverse)))
    known = _is_known(fp, y)
    if x.bound.terms is not None and known:
        return _divided(fp, value, x, y)
    v = np.abs(value.hi)
    least = y.size - y.E
    moved = pick((x.E == 0) & (y.E == 0), 0.0, (x.E + v * y.E) / least)
    free = y.power
    faint = pick(free & (v - moved >= fp.normal * OF_OVERFLOW), 0.0, fp.eta)
    E = moved + pick(free, 0.0, fp.gamma(2) * (v + moved)) + faint
    E = pick((x.v == 0) & (x.E == 0), 0.0, E)
    E = pick(least > 0, E, np.inf)
    late = x.bound.late * (_late_divisor(y) if known else 1.0)
    return rounded(fp.unless_overflow((E + _reciprocal(fp, y)) * (1 + 1e-6), (v + E) * late), late)


@remembered
def _reciprocal(fp: Arithmetic, y: Operand) -> Any:
    """0 where a program may multiply by the reciprocal of y, which is a normal number; else infinite."""
    least = np.maximum(y.size - y.E, 0)
    normal = (1.001 / least <= fp.omega) & (y.reach * fp.normal * 1.001 <= 1)
    return pick(normal | (y.power & (y.reach * fp.normal <= 1)), 0.0, np.inf)


def _divided(fp: Arithmetic, value: Any, x: Operand, y: Operand) -> Bound:
    """A sum divided by numbers that are known: each of its terms, or the whole."""
    t, least = x.bound.terms, np.maximum(y.size - y.E, 0)
    scale = 1 / least
    size = or_infinite(scale * t.size)
    own = pick(y.power, 0.0, 2 * size)
    error = or_infinite(scale * t.error)
    error = or_infinite(error + scale * y.E * (size + error))
    faint = or_infinite(scale * (t.faint + np.maximum(t.number - 1, 0) * fp.eta)) + 2 * t.number * fp.eta
    terms = Terms(t.count, size, or_infinite(scale * t.rounded) + own, error, faint, t.depth + 2, t.groups, t.more)
    bound = summed(fp, terms, late=x.bound.late * _late_divisor(y), closed=True, v=_accumulated(fp, value, t))
    return bound.where(np.isfinite(x.E) & ((size == 0) & (not fp.is_narrow) | (_reciprocal(fp, y) == 0)))


def _late_divisor(y: Operand) -> float:
    """How much larger a quotient may be before it is divided by what is one and the same number everywhere."""
    first = float(y.size.flat[0]) if y.size.size else 1.0
    return first if first > 1 and every(y.size == first) else 1.0


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
