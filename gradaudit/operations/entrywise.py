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
from gradaudit.operations.shapes import constant
from gradaudit.rounding.arithmetic import Arithmetic
from gradaudit.rounding.bound import Bound, rounded

__all__ = ["add", "divide", "integer_power", "multiply", "negative", "square", "subtract", "times"]


def _function_rounding(f: Function) -> Callable[..., Bound]:
    def rounding(fp: Arithmetic, value: Any, x: Operand) -> Bound:
        with np.errstate(all="ignore"):
            v = np.abs(value.hi)
            low, high = x.v - x.E, x.v + x.E
            moved = np.where(x.E > 0, np.minimum(f.slope(low, high) * x.E, 2 * f.reach), 0.0)
            E = moved + (f.K + f.growth(np.maximum(np.abs(low), np.abs(high)))) * fp.u * (v + moved) + fp.eta
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
arctan: Operation = _elementary(functions.ARCTAN, lambda x, y: divide(_ones(x), add(_ones(x), square(x))))  # noqa: ARG005
