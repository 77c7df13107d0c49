"""Entry by entry: arithmetic, elementary functions, activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradaudit.graph import Node
from gradaudit.operations import activations, planar, special, whole
from gradaudit.operations import entrywise as ops
from gradaudit.operations.arrangements import mixed, places, stack
from gradaudit.operations.choices import absolute, clip, maximum, minimum, relu
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
def _power(x: Any, y: Any) -> Node:
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


_ELEMENTARY: dict[str, Callable[[Node], Node]] = {
    "exp": ops.exp, "expm1": ops.expm1, "log": ops.log, "log1p": ops.log1p, "sqrt": ops.sqrt, "rsqrt": ops.rsqrt,
    "tanh": ops.tanh, "sigmoid": ops.sigmoid, "erf": ops.erf, "sin": ops.sin, "cos": ops.cos, "atan": ops.arctan,
    "neg": negative, "relu": relu, "tan": ops.tan, "asin": ops.arcsin, "acos": ops.arccos, "sinh": ops.sinh,
    "cosh": ops.cosh, "asinh": ops.arcsinh, "acosh": ops.arccosh, "atanh": ops.arctanh, "exp2": ops.exp2,
    "log2": ops.log2, "log10": ops.log10, "erfc": special.erfc, "special_erfc": special.erfc, "erfinv": special.erfinv,
    "lgamma": special.lgamma, "digamma": special.digamma,
}  # fmt: skip
for _name, _function in _ELEMENTARY.items():
    _elementary(_name, _function)


@rule("polygamma")
def _polygamma(n: int, x: Node) -> Node:
    return special.polygamma(x, n=n)


@rule("log_sigmoid_forward")
def _log_sigmoid(x: Node) -> list[Any]:
    return [activations.log_sigmoid(x), None]


# --- activations ------------------------------------------------------------------------------------------------------

_ACTIVATIONS: dict[str, Callable[..., Node]] = {
    "silu": activations.silu, "mish": activations.mish, "leaky_relu": activations.leaky_relu,
    "threshold": activations.threshold, "hardtanh": activations.hardtanh, "hardsigmoid": activations.hardsigmoid,
    "hardswish": activations.hardswish, "hardshrink": activations.hardshrink, "softshrink": activations.softshrink,
    "elu": activations.elu,
}  # fmt: skip
for _name, _activation in _ACTIVATIONS.items():
    rule(_name)(_activation)


@rule("gelu")
def _gelu(x: Node, approximate: str = "none") -> Node:
    return activations.gelu(x, approximate == "tanh")


@rule("softplus")
def _softplus(x: Node, beta: Any = 1, threshold: Any = 20) -> Node:
    """The linear branch above the threshold is part of PyTorch's definition."""
    return activations.softplus_of(x, float(beta), float(threshold))


@rule("_prelu_kernel")
def _prelu(x: Node, weight: Node) -> Node:
    return activations.prelu(*alike(x, weight))


@rule("relu6")
def _relu6(x: Node) -> Node:
    return activations.hardtanh(x, 0.0, 6.0)


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
