"""Functions of two numbers: powers with any exponent, x log y, the angle of a point."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.functions import ARCTAN, EXP, LOG
from gradaudit.graph import Node
from gradaudit.operations.arithmetic import add, divide, multiply, negative, subtract
from gradaudit.operations.arrangements import stack
from gradaudit.operations.choices import equal, where
from gradaudit.operations.entrywise import log, sqrt
from gradaudit.operations.operation import Operand, Operation, define, same
from gradaudit.operations.powers import square
from gradaudit.operations.shapes import constant
from gradaudit.operations.softmax import logsumexp
from gradaudit.rounding.arithmetic import Arithmetic
from gradaudit.rounding.bound import Bound, rounded

#: What a library's pow and arctan2 may err by, relative to the result, in units of u.
K_POWER, K_ANGLE = 4, 5


def mask_of(holds: Any) -> NDArray[np.int8]:
    """A mask of what is known."""
    return np.asarray(holds).astype(np.int8)


def unknown(A: Any, shape: tuple[int, ...]) -> Any:
    """Numbers of which nothing is known, in an arithmetic."""
    return A.divide(A.constant(np.ones(shape)), A.constant(np.zeros(shape)))


# --- powers -----------------------------------------------------------------------------------------------------------


def _is_whole(v: Any) -> NDArray[np.bool_]:
    return np.asarray(np.floor(v) == v)


def _power_value(A: Any, x: Any, y: Any) -> Any:
    """exp(y log x); of a negative x where y is a whole number; 0^y = 0 for y > 0, and x^0 = 1."""
    shape, signs, e = A.shape(x), A.sign(x), A.enclosure(y)
    known = (e.lo == 0) & (e.radius == 0)
    whole, zeros = known & _is_whole(e.hi), A.constant(np.zeros(shape))
    size = A.select(mask_of(signs == -1), A.negative(x), x)
    power = A.function(EXP, A.multiply(y, A.function(LOG, size)))
    power = A.select(mask_of((signs == -1) & whole & (np.mod(e.hi, 2) == 1)), A.negative(power), power)
    if (signs == 1).all():
        return power
    power = A.select(mask_of((signs == -1) & ~whole), unknown(A, shape), power)
    power = A.select(mask_of((signs == 0) & (A.sign(y) == 1)), zeros, power)
    return A.select(mask_of(whole & (e.hi == 0)), A.constant(np.ones(shape)), power)


def _power_rounding(fp: Arithmetic, value: Any, x: Operand, y: Operand) -> Bound:
    """(x + dx)^(y + dy) = x^y exp(d) with |d| <= |y| D + |dy| |log x| + |dy| D, where D = Ex / (|x| - Ex)."""
    v, a = np.abs(value.hi), np.abs(x.v)
    D = np.where(x.E == 0, 0.0, x.E / (a - x.E))
    of_y = np.where(y.E == 0, 0.0, y.E * (np.abs(np.log(a)) * (1 + 1e-12) + D))
    moved = v * np.expm1(np.abs(y.v) * D + of_y)
    E = moved + fp.library(K_POWER) * fp.u * (v + moved) + fp.eta
    defined = (a > x.E) & ((x.v > 0) | (y.E == 0) & _is_whole(y.v))
    E = np.where(defined, E, np.inf)
    certain = (x.E == 0) & (x.v == 0) & (y.v > y.E) | (y.E == 0) & (y.v == 0)
    E = np.where(certain, 0.0, E)
    return rounded(fp.unless_overflow(E * (1 + 1e-6), v + E))


power: Operation = define(
    Operation(
        "power",
        shape=same,
        value=_power_value,
        derivative=lambda node, g: [_by_base(node, g), _by_exponent(node, g)],
        rounding=_power_rounding,
        algorithms=f"a library's pow, within {K_POWER} u; not exp(y log x) with a rounded product",
    )
)


def _by_base(node: Any, g: Any) -> Any:
    x, y = node.inputs
    return multiply(g, multiply(y, power(x, subtract(y, constant(np.ones(y.shape))))))


def _by_exponent(node: Any, g: Any) -> Any:
    """x^y log x; 0 for 0^y, and nothing is known where x is negative."""
    x, zeros = node.inputs[0], constant(np.zeros(node.shape))
    return multiply(g, where(equal(x, zeros), zeros, multiply(node, log(x))))


# --- x log y ----------------------------------------------------------------------------------------------------------


def _xlogy_value(A: Any, x: Any, y: Any) -> Any:
    product = A.multiply(x, A.function(LOG, y))
    return A.select(mask_of(A.sign(x) == 0), A.constant(np.zeros(A.shape(x))), product)


def _xlogy_rounding(fp: Arithmetic, value: Any, x: Operand, y: Operand) -> Bound:
    """The product with a library's logarithm, rounded once; 0 where x is."""
    moved = np.where(y.E == 0, 0.0, y.E / (y.v - y.E))
    L = np.abs(np.log(y.v)) * (1 + 1e-12)
    E_L = moved + fp.library(LOG.K) * fp.u * (L + moved) + fp.eta
    E = np.abs(x.v) * E_L + x.E * (L + E_L)
    E = E + fp.u * (np.abs(value.hi) + E) + fp.eta
    E = np.where(y.v > y.E, E, np.inf)
    E = np.where((x.v == 0) & (x.E == 0), 0.0, E)
    return rounded(fp.unless_overflow(E * (1 + 1e-6), np.abs(value.hi) + E))


xlogy: Operation = define(
    Operation(
        "xlogy",
        shape=same,
        value=_xlogy_value,
        derivative=lambda node, g: [
            multiply(g, log(node.inputs[1])),
            multiply(g, divide(node.inputs[0], node.inputs[1])),
        ],
        rounding=_xlogy_rounding,
        algorithms="the product with a library's logarithm; 0 for x = 0",
    )
)

# --- the angle --------------------------------------------------------------------------------------------------------


def _angle_value(A: Any, y: Any, x: Any) -> Any:
    """atan(y / x), for x < 0 with pi or -pi, where |x| >= |y|; else pi/2 or -pi/2 less atan(x / y)."""
    shape = A.shape(x)
    s_x, s_y = A.sign(x), A.sign(y)
    pi = A.multiply(A.constant(np.full(shape, 4.0)), A.function(ARCTAN, A.constant(np.ones(shape))))
    pi = A.select(np.where(s_y == -1, 0, np.where(s_y == 1, 1, 2)).astype(np.int8), pi, A.negative(pi))
    size_x, size_y = (A.select(mask_of(s == -1), A.negative(z), z) for s, z in ((s_x, x), (s_y, y)))
    wide = mask_of(A.sign(A.subtract(size_x, size_y)) != -1)
    one = A.constant(np.ones(shape))
    slope = A.divide(A.select(wide, y, x), A.select(wide, A.select(mask_of(wide == 0), one, x), y))
    angle = A.function(ARCTAN, slope)
    beside = A.select(mask_of(s_x == -1), A.add(angle, pi), angle)
    above = A.subtract(A.multiply(pi, A.constant(np.full(shape, 0.5))), angle)
    return A.select(wide, beside, above)


def _angle_rounding(fp: Arithmetic, value: Any, y: Operand, x: Operand) -> Bound:
    """The angle moves by at most (|x| Ey + |y| Ex) / r^2, each as large or small as it may be; a jump at the cut."""
    least = np.maximum(np.abs(x.v) - x.E, 0) ** 2 + np.maximum(np.abs(y.v) - y.E, 0) ** 2
    moved = np.where(x.E + y.E == 0, 0.0, (x.reach * y.E + y.reach * x.E) / least)
    v = np.abs(value.hi)
    E = moved + fp.library(K_ANGLE) * fp.u * (v + moved) + fp.eta
    cut = (x.v <= x.E) & (np.abs(y.v) <= y.E)
    known = (np.inf > x.E) & (np.inf > y.E)
    return rounded(np.where(cut | ~known, np.inf, np.minimum(E, 2 * math.pi) * (1 + 1e-6)))


def _angle_derivative(node: Any, g: Any) -> Any:
    y, x = node.inputs
    r2 = add(square(x), square(y))
    return [multiply(g, divide(x, r2)), negative(multiply(g, divide(y, r2)))]


arctan2: Operation = define(
    Operation(
        "arctan2",
        shape=same,
        value=_angle_value,
        derivative=_angle_derivative,
        rounding=_angle_rounding,
        algorithms=f"a library's arctan2, within {K_ANGLE} u",
    )
)


# --- of squares and exponentials ------------------------------------------------------------------------------------


def hypotenuse(x: Node, y: Node) -> Node:
    """The root of x^2 + y^2; where the squares overflow, nothing is known."""
    return sqrt(add(square(x), square(y)))


def logaddexp(x: Node, y: Node) -> Node:
    """log(exp x + exp y)."""
    return logsumexp(stack([x, y], axis=-1))
