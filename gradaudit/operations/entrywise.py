"""Elementary functions, entry by entry; and by their names the operations of arithmetic and powers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradaudit.exact import functions
from gradaudit.exact.functions import Function
from gradaudit.graph import Node
from gradaudit.operations.arithmetic import add, divide, multiply, negative, subtract, times
from gradaudit.operations.operation import Operand, Operation, define, same
from gradaudit.operations.powers import integer_power, square
from gradaudit.operations.shapes import as_shape, constant
from gradaudit.rounding.arithmetic import Arithmetic, or_infinite
from gradaudit.rounding.bound import Bound, rounded

__all__ = ["add", "divide", "integer_power", "multiply", "negative", "square", "subtract", "times"]


def function_rounding(f: Function) -> Callable[..., Bound]:
    def rounding(fp: Arithmetic, value: Any, x: Operand) -> Bound:
        v = np.abs(value.hi)
        low, high = x.v - x.E, x.v + x.E
        moved = np.where(x.E > 0, np.minimum(f.slope(low, high) * x.E, 2 * f.reach), 0.0)
        growth = np.maximum(f.growth(low), f.growth(high))
        K = f.narrow - 1 + fp.library(f.K) if fp.is_narrow else f.K
        E = moved + (K + growth) * fp.u * np.maximum(v + moved, f.floor) + (fp.inverse if f.inverse else fp.eta)
        E = np.where(f.defined(low, high) & (np.inf > x.E), E, np.inf)
        return rounded(fp.unless_overflow(E * (1 + 1e-6), v + E))

    return rounding


def elementary(f: Function, derivative: Callable[[Node, Node], Node], algorithms: str = "") -> Operation:
    """The operation of a function; `derivative` gives f' from the node of x and that of f(x)."""
    return of_function(f, lambda node, g: multiply(g, derivative(node.inputs[0], node)), algorithms)


def of_function(f: Function, derivative: Callable[[Node, Node], Node], algorithms: str = "") -> Operation:
    """The same, where `derivative` gives f' g as a whole, from the node of f(x) and g."""
    return define(
        Operation(
            f.name,
            shape=same,
            value=lambda A, x: A.function(f, x),
            derivative=lambda node, g: [derivative(node, g)],
            rounding=function_rounding(f),
            algorithms=algorithms or f"a library function with a relative error of {f.K:g} u",
        )
    )


def _ones(x: Node) -> Node:
    return constant(np.ones(x.shape))


exp: Operation = elementary(functions.EXP, lambda x, y: y)  # noqa: ARG005
expm1: Operation = elementary(functions.EXPM1, lambda x, y: add(y, _ones(x)))
log: Operation = of_function(functions.LOG, lambda node, g: divide(g, node.inputs[0]))
log1p: Operation = of_function(functions.LOG1P, lambda node, g: divide(g, add(node.inputs[0], _ones(g))))
sqrt: Operation = of_function(functions.SQRT, lambda node, g: divide(times(g, 0.5), node))
rsqrt: Operation = elementary(functions.RSQRT, lambda x, y: times(integer_power(y, exponent=3), -0.5))  # noqa: ARG005


def _tanh_gradient_rounding(fp: Arithmetic, value: Any, y: Operand, g: Operand) -> Bound:
    """G (1 - y^2), or (g + g y) (1 - y), which rounds g y (ROUNDING.md, 5)."""
    v, G, R = np.abs(value.hi), g.reach, 1 + y.reach
    s = y.E * (2 * y.size + y.E)
    moved = g.E * (np.abs(1 - y.v * y.v) + s) + g.size * s
    E = moved + fp.gamma(4) * (v + moved) + fp.unit(4) * G * y.reach * R + fp.eta * R * (3 + 2 * G)
    E = np.where((G == 0) & (np.inf > y.E), 0.0, or_infinite(E)) * (1 + 1e-6)
    return rounded(fp.unless_overflow(E, np.maximum(G * g.bound.late, 1) * R * R), g.bound.late)


def _tanh_gradient_value(A: Any, y: Any, g: Any) -> Any:
    one = A.constant(np.ones(A.shape(y)))
    return A.multiply(g, A.subtract(one, A.multiply(y, y)))


tanh_gradient: Operation = define(
    Operation(
        "tanh_gradient",
        shape=same,
        value=_tanh_gradient_value,
        derivative=lambda node, h: [
            times(multiply(multiply(h, node.inputs[1]), node.inputs[0]), -2.0),
            tanh_gradient(node.inputs[0], h),
        ],
        rounding=_tanh_gradient_rounding,
        natural=lambda fp, value, sizes: np.maximum(np.abs(value.hi), (1 + sizes[0] ** 2) * sizes[1]),  # noqa: ARG005
        algorithms="g (1 - y^2), or (g + g y) (1 - y), from y = tanh x",
    )
)
tanh: Operation = of_function(functions.TANH, lambda node, g: tanh_gradient(node, g))
sigmoid: Operation = elementary(functions.SIGMOID, lambda x, y: multiply(y, subtract(_ones(x), y)))
softplus: Operation = elementary(functions.SOFTPLUS, lambda x, y: sigmoid(x))  # noqa: ARG005
erf: Operation = elementary(functions.ERF, lambda x, y: bell(x))  # noqa: ARG005
bell: Operation = elementary(functions.BELL, lambda x, y: times(multiply(x, y), -2.0))
sin: Operation = elementary(functions.SIN, lambda x, y: cos(x))  # noqa: ARG005
cos: Operation = elementary(functions.COS, lambda x, y: negative(sin(x)))  # noqa: ARG005
arctan: Operation = elementary(functions.ARCTAN, lambda x, y: divide(_ones(x), add(_ones(x), square(x))))  # noqa: ARG005
tan: Operation = elementary(functions.TAN, lambda x, y: add(_ones(x), square(y)))
arcsin: Operation = elementary(functions.ARCSIN, lambda x, y: rsqrt(subtract(_ones(x), square(x))))  # noqa: ARG005
arccos: Operation = elementary(
    functions.ARCCOS,
    lambda x, y: negative(rsqrt(subtract(_ones(x), square(x)))),  # noqa: ARG005
)
sinh: Operation = elementary(functions.SINH, lambda x, y: cosh(x))  # noqa: ARG005
cosh: Operation = elementary(functions.COSH, lambda x, y: sinh(x))  # noqa: ARG005
arcsinh: Operation = elementary(functions.ARCSINH, lambda x, y: rsqrt(add(square(x), _ones(x))))  # noqa: ARG005
arccosh: Operation = elementary(functions.ARCCOSH, lambda x, y: rsqrt(subtract(square(x), _ones(x))))  # noqa: ARG005
arctanh: Operation = elementary(functions.ARCTANH, lambda x, y: reciprocal(subtract(_ones(x), square(x))))  # noqa: ARG005
exp2: Operation = elementary(functions.EXP2, lambda x, y: multiply(y, logarithm_of(2, x)))
log2: Operation = elementary(functions.LOG2, lambda x, y: reciprocal(multiply(x, logarithm_of(2, x))))  # noqa: ARG005
log10: Operation = elementary(functions.LOG10, lambda x, y: reciprocal(multiply(x, logarithm_of(10, x))))  # noqa: ARG005
cbrt: Operation = elementary(functions.CBRT, lambda x, y: divide(y, times(x, 3.0)))


def reciprocal(x: Node) -> Node:
    """1 / x."""
    return divide(_ones(x), x)


def logarithm_of(number: float, x: Node) -> Node:
    """log(number), which is no float, in the shape of x: a program may have it rounded."""
    return as_shape(log(constant(number)), x.shape)
