"""Powers with whole exponents, and sums of squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradaudit.exact.entries import every, highest, lowest, some
from gradaudit.graph import Node
from gradaudit.operations.arithmetic import multiply, times
from gradaudit.operations.operation import Operand, Operation, define, same
from gradaudit.operations.shapes import as_shape, sum_to
from gradaudit.rounding.arithmetic import OF_OVERFLOW, Arithmetic, or_infinite
from gradaudit.rounding.bound import Bound, Terms, rounded, summed


def _power_rounding(fp: Arithmetic, value: Any, x: Operand, exponent: int) -> Bound:
    """x^n by products in any order, or exp(n log x) in the library's accuracy; 1 / x^n where x^n is not subnormal."""
    n = abs(exponent)
    if exponent == 1:  # it is x itself, a sum if x is one
        bound: Bound = x.bound
        return bound
    v = np.abs(value.hi)
    steep = n * (x.reach ** (n - 1) if exponent > 0 else np.maximum(x.size - x.E, 0) ** (exponent - 1.0))
    moved = steep * x.E
    if exponent == 0 or lowest(x.E) == 0:
        moved = np.where((x.E == 0) | (exponent == 0), 0.0, moved)
    E = moved + (fp.gamma(_steps(fp, exponent)) if n else 0.0) * (v + moved)
    E = E + n * (fp.inverse if exponent < 0 else fp.eta)
    if exponent > 0 and lowest(x.reach) == 0:
        E = np.where((x.v == 0) & (x.E == 0), 0.0, E)
    if exponent < 0:
        E = np.where((v + E) * fp.normal * 1.001 > 1, np.inf, E)
    return rounded(fp.unless_overflow(E * (1 + 1e-6), v + E))


def _steps(fp: Arithmetic, exponent: int) -> float:
    """How many roundings a power has: those of its products and of a reciprocal; and what a library's pow has more."""
    n = abs(exponent)
    return n - (exponent > 0) + fp.library(3.0) - 1 if fp.is_narrow else n + 3


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
    return A.multiply(A.multiply(g, A.constant(np.full(A.shape(g), float(exponent)))), inner)


def _power_gradient_rounding(fp: Arithmetic, value: Any, x: Operand, g: Operand, exponent: int) -> Bound:
    """The derivative n x^(n-1) g, where g may be one number.

    By a power, or as the n derivatives by the factors of a product, which are terms of their own. At most n + 2
    roundings of each, as many as the power itself has; for squares, those of the square of a norm too (2 |x| g, x / |x|
    and their product).
    """
    n, m = abs(exponent), exponent - 1
    a = x.size
    power = x.reach if m == 1 else x.reach**m if m > 0 else np.maximum(a - x.E, 0) ** float(m)
    error = np.where(g.E == 0, 0.0, n * power * g.E) if some(g.E) else np.zeros(x.v.shape)
    if some(x.E):
        steep = abs(m) * (x.reach ** (m - 1) if m > 0 else np.maximum(a - x.E, 0) ** (m - 1.0))
        error = error + np.where(x.E > 0, n * steep * x.E * np.abs(g.v), 0.0)
    size = or_infinite(np.abs(value.hi) + error)
    factors, lost = float(n if exponent > 0 else 1), fp.eta if exponent > 0 else fp.inverse
    there = 1.0 if every(x.reach) and every(g.reach) else (((x.reach != 0) | (m < 0)) & (g.reach != 0)) * 1.0
    faint = there * ((n - factors + 1) * lost)
    if abs(m) > 1:
        least = np.maximum(a - x.E, 0) ** m if m > 0 else x.reach ** float(m)
        faint = faint + np.where((there != 0) & (least < fp.normal * OF_OVERFLOW), n * abs(m) * lost * g.reach, 0.0)
    terms = Terms(there * factors, size, (n + 2) * size, or_infinite(error), faint, n + 2, factors)
    largest = n * np.maximum(power, g.bound.late * g.reach)
    bound = summed(fp, terms, late=g.bound.late)
    if m > 0 and highest(largest) * OF_OVERFLOW <= fp.omega:
        return bound
    return bound.where((largest * OF_OVERFLOW <= fp.omega) & ((m > 0) | (power * fp.normal * OF_OVERFLOW <= 1)))


def _power_gradient_derivative(node: Node, h: Node) -> Sequence[Node | None]:
    (x, g), n = node.inputs, node.parameters["exponent"]
    by_g = times(multiply(h, integer_power(x, exponent=n - 1)), float(n))
    g = as_shape(g, h.shape)
    by_x = times(multiply(multiply(h, g), integer_power(x, exponent=n - 2)), float(n * (n - 1)))
    return [by_x, sum_to(by_g, node.inputs[1].shape)]


power_gradient: Operation = define(
    Operation(
        "power_gradient",
        shape=lambda x, g, exponent: same(x, g or x),  # noqa: ARG005
        value=_power_gradient_value,
        derivative=_power_gradient_derivative,
        rounding=_power_gradient_rounding,
        size=lambda x, g, exponent: abs(exponent) * g * (x if exponent == 2 else x ** (exponent - 1.0)),
        algorithms="a library's pow, or products in any order, differentiated factor by factor",
    )
)


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


def square(x: Node) -> Node:
    """X x."""
    return integer_power(x, exponent=2)


def _squares_value(A: Any, x: Any) -> Any:
    row = A.restructure(lambda y: y.reshape(1, -1), x)
    squares = A.matmul(row, A.restructure(lambda y: y.reshape(-1, 1), x))
    return A.restructure(lambda y: y.reshape(()), squares)


def _squares_rounding(fp: Arithmetic, value: Any, x: Operand) -> Bound:  # noqa: ARG001
    """Each square as the power has it, and their sum; the square of its rounded root has no more roundings."""
    v, E, reach = x.size.ravel(), x.E.ravel(), x.reach.ravel()
    size, count = reach.dot(reach), float(np.count_nonzero(reach))
    error = E.dot(v + reach) if some(E) else 0.0
    terms = Terms(count, size, 5 * size, error, 2 * fp.eta * count, 5.0)
    once = lambda y: y  # noqa: E731
    return summed(fp, terms.accumulated(fp, once, lambda y: np.minimum(y, 1)) if fp.is_narrow else terms)


sum_of_squares: Operation = define(
    Operation(
        "sum_of_squares",
        shape=lambda x: (),  # noqa: ARG005
        value=_squares_value,
        derivative=lambda node, g: [power_gradient(node.inputs[0], g, exponent=2)],
        rounding=_squares_rounding,
        algorithms="a sum in any order of products, or of a library's pow",
    )
)
