"""Arithmetic and elementary functions, entry by entry; operands have one shape (`shapes.as_shape` repeats them)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradaudit.exact import functions
from gradaudit.exact.functions import Function
from gradaudit.graph import Node
from gradaudit.operations.operation import Array, Operand, Operation, define, same
from gradaudit.operations.shapes import constant, constant_
from gradaudit.rounding.arithmetic import OF_OVERFLOW, Arithmetic, certainly
from gradaudit.rounding.bound import FINEST, Bound, Terms, rounded, summed, terms_of, together

# --- sums -------------------------------------------------------------------------------------------------------------


def _add_rounding(fp: Arithmetic, value: Any, x: Operand, y: Operand) -> Bound:  # noqa: ARG001
    terms = together(terms_of(x.bound, x.v), terms_of(y.bound, y.v))
    late = x.bound.late if x.bound.late == y.bound.late else 1.0
    return summed(fp, terms, x.bound.pure & y.bound.pure, np.minimum(x.bound.grid, y.bound.grid), late)


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
        error = _nothing(np.abs(x.v), y.E) + _nothing(np.abs(y.v), x.E) + _nothing(x.E, y.E)
        free = _is_power(x) | _is_power(y)
        count = ((reach_x != 0) & (reach_y != 0)).astype(np.float64)
        size = np.where(count > 0, size, 0.0)
        certainly_normal = (np.abs(x.v) - x.E) * (np.abs(y.v) - y.E) >= fp.eta * OF_OVERFLOW
        faint = np.where(certainly_normal & (np.abs(x.v) > x.E) & (np.abs(y.v) > y.E), 0.0, count * fp.eta)
        terms = Terms(count, size, np.where(free, 0.0, size), error, faint, 1.0)
        return summed(fp, terms, x.bound.pure & y.bound.pure, x.bound.grid + y.bound.grid, late).whole()


def _late(factor: Operand) -> float:
    """How much larger a product may be before a factor is applied that is one and the same number everywhere."""
    v = np.abs(factor.v)
    first = float(v.flat[0]) if v.size else 1.0
    return 1 / first if 0 < first < 1 and bool((v == first).all()) else 1.0


def _nothing(a: Array, b: Array) -> Array:
    """A b, where 0 times infinity is 0: what is certainly 0 stays 0 whatever it is multiplied by."""
    return np.where((a == 0) | (b == 0), 0.0, a * b)


def _is_input(x: Operand) -> bool:
    """Whether an operand is known exactly to a program, flushing apart."""
    return bool(x.bound.pure.all()) and x.bound.terms is None


def _is_power(x: Operand) -> Any:
    """Where an operand is certainly a power of two: multiplying by it rounds nothing."""
    return (np.abs(np.frexp(x.v)[0]) == 0.5) & (x.E == 0)


def _scaled(fp: Arithmetic, scale: Array, factor: Operand, x: Operand, late: float) -> Bound:
    """A sum times numbers that are known: scaled before or after it is added up, or on the way."""
    with np.errstate(all="ignore"):
        t = x.bound.terms
        size = _nothing(scale, t.size)
        own = np.where(_is_power(factor), 0.0, size)
        error = _nothing(scale, t.error) + _nothing(factor.E, t.size)
        count = np.where(scale == 0, 0.0, t.count)
        faint = _nothing(scale, t.faint) + count * fp.eta
        terms = Terms(count, size, _nothing(scale, t.rounded) + own, error, faint, t.depth + 1, t.groups)
        pure, grid = factor.bound.pure & x.bound.pure, factor.bound.grid + x.bound.grid
        return summed(fp, terms, pure, grid, late).whole()


multiply: Operation = define(
    Operation(
        "multiply",
        shape=same,
        value=lambda A, x, y: A.multiply(x, y),
        derivative=lambda node, g: [_product(g, node.inputs[1]), _product(g, node.inputs[0])],
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
        size = _nothing(scale, t.size)
        own = np.where(_is_power(y), 0.0, 2 * size)
        faint = _nothing(scale, t.faint) + t.count * fp.eta
        rounds = _nothing(scale, t.rounded) + own
        terms = Terms(t.count, size, rounds, _nothing(scale, t.error), faint, t.depth + 2, t.groups)
        nowhere = np.zeros(size.shape, dtype=bool)
        bound = summed(fp, terms, nowhere, np.full(size.shape, -FINEST), x.bound.late * _late_divisor(y)).whole()
        finite = _is_power(y) | (scale * OF_OVERFLOW <= fp.omega)
        return replace(bound, E=np.where(finite | (size == 0), bound.E, np.inf))


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


def _power_rounding(fp: Arithmetic, value: Any, x: Operand, exponent: int) -> Bound:
    """x^n by products in any order, or exp(n log x) in the library's accuracy."""
    n = abs(exponent)
    with np.errstate(all="ignore"):
        v = np.abs(value.hi)
        low, high = np.maximum(np.abs(x.v) - x.E, 0), np.abs(x.v) + x.E
        steep = n * (high ** (n - 1) if exponent > 0 else low ** (exponent - 1.0))
        moved = np.where(x.E == 0, 0.0, steep * x.E)
        E = moved + (fp.gamma(n + 3) if n > 1 or exponent < 0 else 0.0) * (v + moved) + (n > 1) * n * fp.eta
        E = np.where((x.v == 0) & (x.E == 0) & (exponent > 0), 0.0, E)
        return rounded(fp.unless_overflow(E * (1 + 1e-6), v + E))


def _power_value(A: Any, x: Any, exponent: int) -> Any:
    if exponent == 0:
        return A.constant(np.ones(A.shape(x)))
    result = A.power(x, abs(exponent))
    return result if exponent > 0 else A.divide(A.constant(np.ones(A.shape(x))), result)


def _power_derivative(node: Node, g: Node) -> Sequence[Node | None]:
    x, n = node.inputs[0], node.parameters["exponent"]
    if n == 0:
        return [None]
    if n == 1:
        return [g]
    return [power_gradient(x, g, exponent=n)]


def _power_gradient_value(A: Any, x: Any, g: Any, exponent: int) -> Any:
    inner = x if exponent == 2 else _power_value(A, x, exponent - 1)
    return A.multiply(A.multiply(g, inner), A.constant(np.full(A.shape(x), float(exponent))))


def _power_gradient_rounding(fp: Arithmetic, value: Any, x: Operand, g: Operand, exponent: int) -> Bound:
    """N x^(n-1) g: by a power, or as the n derivatives by the factors of a product, which are terms of their own.

    At most n + 2 roundings of each, as many as the power itself has; for squares, those of the square of a norm too
    (2 |x| g, x / |x|, and their product).
    """
    n, m = abs(exponent), exponent - 1
    with np.errstate(all="ignore"):
        low, high = np.maximum(np.abs(x.v) - x.E, 0), np.abs(x.v) + x.E
        steep = abs(m) * (high ** (m - 1) if m > 0 else low ** (m - 1.0))
        error = n * (_nothing(np.where(x.E > 0, steep * x.E, 0.0), g.reach) + _nothing(np.abs(x.v) ** m, g.E))
        terms_count = n if exponent > 0 else 1
        size = np.abs(value.hi) + error
        size = np.where(certainly(size) == 0, 0.0, size)
        there = ((x.reach != 0) | (m < 0)) & (g.reach != 0)
        count = np.where(there, float(terms_count), 0.0)
        terms = Terms(count, size, (n + 2) * size, error, there * (n - terms_count + 1) * fp.eta, n + 2, terms_count)
        nowhere = np.zeros(size.shape, dtype=bool)
        return summed(fp, terms, nowhere, np.full(size.shape, -FINEST), g.bound.late)


def _power_gradient_derivative(node: Node, h: Node) -> Sequence[Node | None]:
    (x, g), n = node.inputs, node.parameters["exponent"]
    by_g = times(multiply(h, integer_power(x, exponent=n - 1)), float(n))
    return [times(multiply(multiply(h, g), integer_power(x, exponent=n - 2)), float(n * (n - 1))), by_g]


power_gradient: Operation = define(
    Operation(
        "power_gradient",
        shape=lambda x, g, exponent: same(x, g),  # noqa: ARG005
        value=_power_gradient_value,
        derivative=_power_gradient_derivative,
        rounding=_power_gradient_rounding,
        size=lambda x, g, exponent: abs(exponent) * x ** (exponent - 1.0) * g,
        algorithms="a library's pow, or products in any order, differentiated factor by factor",
    )
)


def _product(g: Node, x: Node) -> Node:
    """G x, which is x where g is 1 everywhere."""
    one = g.operation is constant_ and bool((g.parameters["values"] == 1).all())
    return x if one else multiply(g, x)


integer_power: Operation = define(
    Operation(
        "integer_power",
        shape=lambda x, exponent: x,  # noqa: ARG005
        value=_power_value,
        derivative=_power_derivative,
        rounding=_power_rounding,
        algorithms="repeated products in any order, or a library's pow",
    )
)

# --- elementary functions ---------------------------------------------------------------------------------------------


def _function_rounding(f: Function) -> Callable[..., Bound]:
    def rounding(fp: Arithmetic, value: Any, x: Operand) -> Bound:
        with np.errstate(all="ignore"):
            v = np.abs(value.hi)
            low, high = x.v - x.E, x.v + x.E
            moved = np.where(x.E > 0, np.minimum(f.slope(low, high) * x.E, 2 * f.reach), 0.0)
            E = moved + (f.K + f.growth(high)) * fp.u * (v + moved) + fp.eta
            E = np.where(f.defined(low, high), E, np.inf)
            return rounded(fp.unless_overflow(E * (1 + 1e-6), v + E))

    return rounding


def _elementary(f: Function, derivative: Callable[[Node, Node], Node], algorithms: str = "") -> Operation:
    """The operation of a function; `derivative` gives f' from the node of x and that of f(x)."""
    return define(
        Operation(
            f.name,
            shape=same,
            value=lambda A, x: A.function(f, x),
            derivative=lambda node, g: [multiply(g, derivative(node.inputs[0], node))],
            rounding=_function_rounding(f),
            algorithms=algorithms or f"a library function with a relative error of {f.K:g} u",
        )
    )


def _ones(x: Node) -> Node:
    return constant(np.ones(x.shape))


def times(x: Node, factor: float) -> Node:
    """A multiple."""
    return multiply(x, constant(np.full(x.shape, factor)))


def square(x: Node) -> Node:
    """X x."""
    return integer_power(x, exponent=2)


exp: Operation = _elementary(functions.EXP, lambda x, y: y)  # noqa: ARG005
expm1: Operation = _elementary(functions.EXPM1, lambda x, y: add(y, _ones(x)))
log: Operation = define(
    Operation(
        "log",
        shape=same,
        value=lambda A, x: A.function(functions.LOG, x),
        derivative=lambda node, g: [divide(g, node.inputs[0])],
        rounding=_function_rounding(functions.LOG),
        algorithms="a library function with a relative error of 4 u",
    )
)
log1p: Operation = define(
    Operation(
        "log1p",
        shape=same,
        value=lambda A, x: A.function(functions.LOG1P, x),
        derivative=lambda node, g: [divide(g, add(node.inputs[0], _ones(g)))],
        rounding=_function_rounding(functions.LOG1P),
    )
)
sqrt: Operation = define(
    Operation(
        "sqrt",
        shape=same,
        value=lambda A, x: A.function(functions.SQRT, x),
        derivative=lambda node, g: [divide(times(g, 0.5), node)],
        rounding=_function_rounding(functions.SQRT),
    )
)
rsqrt: Operation = _elementary(functions.RSQRT, lambda x, y: times(integer_power(y, exponent=3), -0.5))  # noqa: ARG005
tanh: Operation = _elementary(functions.TANH, lambda x, y: subtract(_ones(x), square(y)))
sigmoid: Operation = _elementary(functions.SIGMOID, lambda x, y: multiply(y, subtract(_ones(x), y)))
softplus: Operation = _elementary(functions.SOFTPLUS, lambda x, y: sigmoid(x))  # noqa: ARG005
erf: Operation = _elementary(functions.ERF, lambda x, y: bell(x))  # noqa: ARG005
bell: Operation = _elementary(functions.BELL, lambda x, y: times(multiply(x, y), -2.0))
sin: Operation = _elementary(functions.SIN, lambda x, y: cos(x))  # noqa: ARG005
cos: Operation = _elementary(functions.COS, lambda x, y: negative(sin(x)))  # noqa: ARG005
