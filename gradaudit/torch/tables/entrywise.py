"""Entry by entry: arithmetic, elementary functions, activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradaudit.graph import Node
from gradaudit.operations import entrywise as ops
from gradaudit.operations import planar, special, whole
from gradaudit.operations.arrangements import mixed, places, stack
from gradaudit.operations.choices import absolute, clip, maximum, minimum, relu, where
from gradaudit.operations.choices import greater as above
from gradaudit.operations.entrywise import add, divide, integer_power, multiply, negative, square, subtract, times
from gradaudit.operations.softmax import logsumexp
from gradaudit.torch.tables.rules import alike, constant_where, constants, infinite, node, number, rule, scaled

# --- arithmetic -------------------------------------------------------------------------------------------------------


@rule("add")
def _add(x: Any, y: Any, alpha: Any = 1) -> Node:
    x, y = alike(x, scaled(y, alpha))
    return masked_sum(x, y)


def masked_sum(x: Node, y: Node) -> Node:
    """The sum; infinite where a mask is."""
    for term, other in ((x, y), (y, x)):
        chosen = infinite(term)
        if chosen is not None:
            rest = add(other, constant_where(chosen, 0.0, term))
            return mixed(rest, np.where(chosen, -1, places(rest.shape)), term)
    return add(x, y)


@rule("sub")
def _subtract(x: Any, y: Any, alpha: Any = 1) -> Node:
    return subtract(*alike(x, scaled(y, alpha)))


@rule("rsub")
def _subtracted(x: Any, y: Any, alpha: Any = 1) -> Node:
    return subtract(*alike(y, scaled(x, alpha)))


@rule("mul")
def _multiply(x: Any, y: Any) -> Node:
    x, y = alike(x, y)
    return square(x) if x is y else multiply(x, y)


@rule("div", "true_divide")
def _divide(x: Any, y: Any, rounding_mode: str | None = None) -> Node:
    quotient = divide(*alike(x, y))
    return quotient if rounding_mode is None else whole.step(quotient, to=rounding_mode)


@rule("lerp")
def _between(x: Any, y: Any, weight: Any) -> Node:
    x, y, weight = alike(x, y, weight)
    return add(x, multiply(weight, subtract(y, x)))


@rule("addcmul")
def _product_added(x: Any, y: Any, z: Any, value: Any = 1) -> Node:
    x, y, z = alike(x, y, z)
    return add(x, scaled(multiply(y, z), value))


@rule("addcdiv")
def _quotient_added(x: Any, y: Any, z: Any, value: Any = 1) -> Node:
    x, y, z = alike(x, y, z)
    return add(x, scaled(divide(y, z), value))


@rule("reciprocal")
def _reciprocal(x: Node) -> Node:
    return divide(constants(x, 1), x)


@rule("square")
def _square(x: Node) -> Node:
    return square(x)


@rule("pow", "float_power")
def power(x: Any, y: Any) -> Node:
    exponent = _one_number(y)
    if exponent is not None:
        x = number(x)
        if exponent == int(exponent) and abs(exponent) <= 64:
            return x if exponent == 1 else integer_power(x, exponent=int(exponent))
        if 2 * exponent == int(2 * exponent) and abs(exponent) <= 32:
            root = ops.sqrt(x) if exponent > 0 else ops.rsqrt(x)
            whole = int(abs(exponent) - 0.5)
            return root if whole == 0 else integer_power(root, exponent=2 * whole + 1)
    return planar.power(*alike(x, y))


def _one_number(y: Any) -> float | None:
    """The number that an operand is, where it is one."""
    if isinstance(y, Node):
        values = y.parameters.get("values") if y.operation.name == "constant" else None
        return float(values) if values is not None and values.ndim == 0 else None
    return float(y) if np.ndim(y) == 0 else None


# --- elementary functions ---------------------------------------------------------------------------------------------


def _elementary(name: str, function: Callable[[Node], Node]) -> None:
    rule(name)(lambda x: function(number(x)))


for _name, _function in {
    "exp": ops.exp, "expm1": ops.expm1, "log": ops.log, "log1p": ops.log1p, "sqrt": ops.sqrt, "rsqrt": ops.rsqrt,
    "tanh": ops.tanh, "sigmoid": ops.sigmoid, "erf": ops.erf, "sin": ops.sin, "cos": ops.cos, "atan": ops.arctan,
    "neg": negative, "relu": relu, "tan": ops.tan, "asin": ops.arcsin, "acos": ops.arccos, "sinh": ops.sinh,
    "cosh": ops.cosh, "asinh": ops.arcsinh, "acosh": ops.arccosh, "atanh": ops.arctanh, "exp2": ops.exp2,
    "log2": ops.log2, "log10": ops.log10, "erfc": special.erfc, "special_erfc": special.erfc, "erfinv": special.erfinv,
    "lgamma": special.lgamma, "digamma": special.digamma,
}.items():  # fmt: skip
    _elementary(_name, _function)


@rule("polygamma")
def _polygamma(n: int, x: Node) -> Node:
    return special.polygamma(x, n=n)


@rule("log_sigmoid_forward", of_result=True)
def _log_sigmoid(result: Any, x: Node) -> list[Any]:  # noqa: ARG001
    return [negative(ops.softplus(negative(x))), None]


# --- activations ------------------------------------------------------------------------------------------------------


@rule("silu")
def _silu(x: Node) -> Node:
    return multiply(x, ops.sigmoid(x))


@rule("gelu")
def _gelu(x: Node, approximate: str = "none") -> Node:
    if approximate == "tanh":
        factor = ops.sqrt(divide(constants(x, 2), _pi(x)))
        inner = multiply(factor, add(x, times(integer_power(x, exponent=3), 0.044715)))
        return multiply(times(x, 0.5), add(constants(x, 1), ops.tanh(inner)))
    return multiply(times(x, 0.5), add(constants(x, 1), ops.erf(multiply(x, ops.rsqrt(constants(x, 2))))))


def _pi(x: Node) -> Node:
    return times(ops.arctan(constants(x, 1)), 4)


@rule("mish")
def _mish(x: Node) -> Node:
    return multiply(x, ops.tanh(ops.softplus(x)))


@rule("softplus")
def _softplus(x: Node, beta: Any = 1, threshold: Any = 20) -> Node:
    """The linear branch above the threshold is part of PyTorch's definition."""
    soft = scaled(ops.softplus(scaled(x, beta)), 1 / beta)
    return where(above(scaled(x, beta), constants(x, threshold)), x, soft)


@rule("elu")
def _elu(x: Node, alpha: Any = 1, scale: Any = 1, input_scale: Any = 1) -> Node:
    low = minimum(x, constants(x, 0))
    bent = scaled(ops.expm1(scaled(low, input_scale)), alpha * scale)
    return where(above(x, constants(x, 0)), scaled(x, scale), bent)


@rule("leaky_relu")
def _leaky_relu(x: Node, slope: Any = 0.01) -> Node:
    return where(above(x, constants(x, 0)), x, scaled(x, slope))


@rule("_prelu_kernel")
def _prelu(x: Node, weight: Node) -> Node:
    x, weight = alike(x, weight)
    return where(above(x, constants(x, 0)), x, multiply(weight, x))


@rule("threshold")
def _threshold(x: Node, threshold: Any, value: Any) -> Node:
    return where(above(x, constants(x, threshold)), x, constants(x, value))


@rule("hardtanh")
def _hardtanh(x: Node, low: Any = -1, high: Any = 1) -> Node:
    return clip(x, constants(x, low), constants(x, high))


@rule("relu6")
def _relu6(x: Node) -> Node:
    return _hardtanh(x, 0, 6)


@rule("hardsigmoid")
def _hardsigmoid(x: Node) -> Node:
    return divide(_hardtanh(add(x, constants(x, 3)), 0, 6), constants(x, 6))


@rule("hardswish")
def _hardswish(x: Node) -> Node:
    return divide(multiply(x, _hardtanh(add(x, constants(x, 3)), 0, 6)), constants(x, 6))


@rule("hardshrink")
def _hardshrink(x: Node, width: Any = 0.5) -> Node:
    zero = constants(x, 0)
    return where(above(x, constants(x, width)), x, where(above(constants(x, -width), x), x, zero))


@rule("softshrink")
def _softshrink(x: Node, width: Any = 0.5) -> Node:
    w, zero = constants(x, width), constants(x, 0)
    return add(maximum(subtract(x, w), zero), minimum(add(x, w), zero))


@rule("xlogy", "special_xlogy")
def _xlogy(x: Any, y: Any) -> Node:
    return planar.xlogy(*alike(x, y))


@rule("special_xlog1py")
def _xlog1py(x: Any, y: Any) -> Node:
    x, y = alike(x, y)
    return multiply(x, ops.log1p(y))


@rule("atan2")
def _angle(y: Any, x: Any) -> Node:
    return planar.arctan2(*alike(y, x))


@rule("remainder")
def _remainder(x: Any, n: Any) -> Node:
    return whole.remainder(*alike(x, n))


@rule("fmod")
def _fmod(x: Any, n: Any) -> Node:
    return whole.fmod(*alike(x, n))


@rule("logaddexp")
def _logaddexp(x: Any, y: Any) -> Node:
    return logsumexp(stack(alike(x, y), -1))


@rule("logaddexp2")
def _logaddexp2(x: Any, y: Any) -> Node:
    x, y = alike(x, y)
    unit = ops.logarithm_of(2, x)
    return divide(logsumexp(stack([multiply(x, unit), multiply(y, unit)], -1)), unit)


@rule("hypot")
def _hypot(x: Node, y: Node) -> Node:
    x, y = alike(x, y)
    return ops.sqrt(add(square(x), square(y)))


@rule("deg2rad")
def _radians(x: Node) -> Node:
    return times(x, math.pi / 180)


@rule("rad2deg")
def _degrees(x: Node) -> Node:
    return times(x, 180 / math.pi)


@rule("logit")
def _logit(x: Node, eps: Any = None) -> Node:
    if eps is not None:
        x = clip(x, constants(x, eps), constants(x, 1 - eps))
    return subtract(ops.log(x), ops.log1p(negative(x)))


@rule("clamp")
def _clamp(x: Any, low: Any = None, high: Any = None, *, min: Any = None, max: Any = None) -> Node:  # noqa: A002
    low, high = low if low is not None else min, high if high is not None else max
    result = number(x)
    if low is not None:
        result = maximum(*alike(result, low))
    return result if high is None else minimum(*alike(result, high))


@rule("clamp_min", "maximum", "fmax")
def _at_least(x: Any, low: Any) -> Node:
    return maximum(*alike(x, low))


@rule("clamp_max", "minimum", "fmin")
def _at_most(x: Any, high: Any) -> Node:
    return minimum(*alike(x, high))


@rule("abs")
def _absolute(x: Node) -> Node:
    return absolute(node(x))
