"""The operations of random functions that are entry by entry, as people write them."""

from __future__ import annotations

import numpy as np

from gradaudit.functions import shapes
from gradaudit.functions.growth import square_and_one
from gradaudit.functions.words import Word, by_math, function, of_two, operator, wide
from gradaudit.graph import Node
from gradaudit.operations import activations as act
from gradaudit.operations import choices, entrywise, planar, special, whole
from gradaudit.operations.shapes import constant


def full(x: Node, number: float) -> Node:
    """A number in the shape of x."""
    return constant(np.full(x.shape, number))


def cosh_and_one(x: Node) -> Node:
    """Cosh x + 1."""
    return act.shifted(entrywise.cosh(x), 1.0)


_SIGMOID = "(1 / (1 + np.exp(-{0})))"
_SOFTPLUS = "np.logaddexp({0}, 0)"
_NN = "torch.nn.functional"

FUNCTIONS: dict[str, Word] = {
    "exp": function(entrywise.exp, "exp", "mild"),
    "expm1": function(entrywise.expm1, "expm1", "mild"),
    "exp2": function(entrywise.exp2, "exp2", "mild"),
    "log": function(entrywise.log, "log", "positive"),
    "log1p": function(entrywise.log1p, "log1p", "inside"),
    "log2": function(entrywise.log2, "log2", "positive"),
    "log10": function(entrywise.log10, "log10", "positive"),
    "sqrt": function(entrywise.sqrt, "sqrt", "positive"),
    "rsqrt": Word(entrywise.rsqrt, "1 / np.sqrt({0})", "torch.rsqrt({0})", "jax.lax.rsqrt({0})", domain="positive"),
    "tanh": function(entrywise.tanh, "tanh"),
    "sigmoid": Word(entrywise.sigmoid, _SIGMOID, "torch.sigmoid({0})", "jax.nn.sigmoid({0})"),
    "softplus": Word(entrywise.softplus, _SOFTPLUS, f"{_NN}.softplus({{0}})", "jax.nn.softplus({0})"),
    "erf": Word(entrywise.erf, by_math("erf"), "torch.erf({0})", "jax.scipy.special.erf({0})"),
    "erfc": Word(special.erfc, by_math("erfc"), "torch.erfc({0})", "jax.scipy.special.erfc({0})", domain="mild"),
    "erfinv": Word(special.erfinv, "", "torch.erfinv({0})", "jax.scipy.special.erfinv({0})", domain="inside"),
    "ndtr": Word(special.normal, "", "torch.special.ndtr({0})", "jax.scipy.special.ndtr({0})", domain="mild"),
    "lgamma": Word(
        special.lgamma, by_math("lgamma"), "torch.lgamma({0})", "jax.scipy.special.gammaln({0})", domain="positive"
    ),
    "digamma": Word(special.digamma, "", "torch.digamma({0})", "jax.scipy.special.digamma({0})", domain="positive"),
    "sin": function(entrywise.sin, "sin"),
    "cos": function(entrywise.cos, "cos"),
    "tan": function(entrywise.tan, "tan", "inside"),
    "arcsin": function(entrywise.arcsin, "arcsin", "inside"),
    "arccos": function(entrywise.arccos, "arccos", "inside"),
    "arctan": function(entrywise.arctan, "arctan"),
    "sinh": function(entrywise.sinh, "sinh", "mild"),
    "cosh": function(entrywise.cosh, "cosh", "mild"),
    "arcsinh": function(entrywise.arcsinh, "arcsinh"),
    "arccosh": function(entrywise.arccosh, "arccosh", "outside"),
    "arctanh": function(entrywise.arctanh, "arctanh", "inside"),
    "absolute": function(choices.absolute, "abs"),
    "negative": Word(entrywise.negative, *3 * ("-{0}",)),
    "square": function(entrywise.square, "square"),
    "reciprocal": Word(entrywise.reciprocal, *3 * ("1 / {0}",), domain="positive"),
    "sign": Word(
        lambda x: entrywise.multiply(x, choices.sign(x)),
        "{0} * np.sign({0})",
        "{0} * torch.sign({0})",
        "{0} * jnp.sign({0})",
    ),
    "floor": Word(
        lambda x: entrywise.subtract(x, whole.floor(x)),
        "{0} - np.floor({0})",
        "{0} - torch.floor({0})",
        "{0} - jnp.floor({0})",
    ),
    "square_and_one": Word(square_and_one, "{0} ** 2 + 1", "{0} ** 2 + 1", "{0} ** 2 + 1"),
    "cosh_and_one": Word(cosh_and_one, "np.cosh({0}) + 1", "torch.cosh({0}) + 1", "jnp.cosh({0}) + 1", domain="mild"),
}

ACTIVATIONS: dict[str, Word] = {
    "relu": Word(choices.relu, "np.maximum({0}, 0)", "torch.relu({0})", "jax.nn.relu({0})"),
    "relu6": Word(
        lambda x: act.hardtanh(x, 0.0, 6.0), "np.clip({0}, 0, 6)", f"{_NN}.relu6({{0}})", "jax.nn.relu6({0})"
    ),
    "leaky_relu": Word(
        act.leaky_relu, "np.where({0} > 0, {0}, 0.01 * {0})", f"{_NN}.leaky_relu({{0}})", "jax.nn.leaky_relu({0})"
    ),
    "elu": Word(
        act.elu, "np.where({0} > 0, {0}, np.expm1(np.minimum({0}, 0)))", f"{_NN}.elu({{0}})", "jax.nn.elu({0})"
    ),
    "selu": Word(act.selu, "", f"{_NN}.selu({{0}})", "jax.nn.selu({0})"),
    "celu": Word(lambda x: act.celu(x, 0.7), "", f"{_NN}.celu({{0}}, 0.7)", "jax.nn.celu({0}, 0.7)"),
    "gelu": Word(act.gelu, "", f"{_NN}.gelu({{0}})", "jax.nn.gelu({0}, approximate=False)"),
    "gelu_tanh": Word(
        lambda x: act.gelu(x, tanh_form=True), "", f"{_NN}.gelu({{0}}, approximate='tanh')", "jax.nn.gelu({0})"
    ),
    "silu": Word(act.silu, "{0} * " + _SIGMOID, f"{_NN}.silu({{0}})", "jax.nn.silu({0})"),
    "mish": Word(act.mish, "{0} * np.tanh(" + _SOFTPLUS + ")", f"{_NN}.mish({{0}})", "jax.nn.mish({0})"),
    "softsign": Word(act.softsign, "{0} / (1 + np.abs({0}))", f"{_NN}.softsign({{0}})", "jax.nn.soft_sign({0})"),
    "log_sigmoid": Word(
        act.log_sigmoid, "-np.logaddexp(-{0}, 0)", f"{_NN}.logsigmoid({{0}})", "jax.nn.log_sigmoid({0})"
    ),
    "hardtanh": Word(act.hardtanh, "np.clip({0}, -1, 1)", f"{_NN}.hardtanh({{0}})", "jax.nn.hard_tanh({0})"),
    "hardsigmoid": Word(
        act.hardsigmoid, "np.clip({0} + 3, 0, 6) / 6", f"{_NN}.hardsigmoid({{0}})", "jax.nn.hard_sigmoid({0})"
    ),
    "hardswish": Word(
        act.hardswish, "{0} * np.clip({0} + 3, 0, 6) / 6", f"{_NN}.hardswish({{0}})", "jax.nn.hard_swish({0})"
    ),
    "softshrink": Word(
        act.softshrink, "", f"{_NN}.softshrink({{0}})", "jnp.maximum({0} - 0.5, 0) - jnp.maximum(-{0} - 0.5, 0)"
    ),
    "tanhshrink": Word(act.tanhshrink, "{0} - np.tanh({0})", f"{_NN}.tanhshrink({{0}})", "{0} - jnp.tanh({0})"),
    "logit": Word(
        act.logit, "np.log({0} / (1 - {0}))", "torch.logit({0})", "jax.scipy.special.logit({0})", domain="unit"
    ),
}

ARITHMETIC: dict[str, Word] = {
    "add": operator(entrywise.add, "+"),
    "subtract": operator(entrywise.subtract, "-"),
    "multiply": operator(entrywise.multiply, "*"),
    "divide": operator(entrywise.divide, "/", "positive"),
    "times": Word(
        lambda x, number: entrywise.times(x, number), *3 * ("{number} * {0}",), draw=shapes.with_number
    ),
    "plus": Word(lambda x, number: act.shifted(x, number), *3 * ("{0} + {number}",), draw=shapes.with_number),
    "integer_power": Word(entrywise.integer_power, *3 * ("{0} ** {exponent}",), draw=shapes.powers),
    "negative_power": Word(
        entrywise.integer_power, *3 * ("{0} ** {exponent}",), draw=shapes.negative_powers, domain="positive"
    ),
    "power": Word(wide(planar.power), *3 * ("{0} ** {1}",), draw=shapes.pair, domain="positive"),
    "maximum": of_two(choices.maximum, "maximum"),
    "minimum": of_two(choices.minimum, "minimum"),
    "arctan2": of_two(planar.arctan2, "arctan2"),
    "hypot": of_two(planar.hypotenuse, "hypot"),
    "logaddexp": of_two(planar.logaddexp, "logaddexp"),
    "xlogy": Word(
        wide(planar.xlogy), "{0} * np.log({1})", "torch.xlogy({0}, {1})", "jax.scipy.special.xlogy({0}, {1})",
        draw=shapes.pair, domain="positive",
    ),
    "where": Word(
        wide(lambda x, y: choices.where(choices.greater(x, y), x, entrywise.sin(y))),
        "np.where({0} > {1}, {0}, np.sin({1}))",
        "torch.where({0} > {1}, {0}, torch.sin({1}))",
        "jnp.where({0} > {1}, {0}, jnp.sin({1}))",
        draw=shapes.pair,
    ),
    "clip": Word(
        lambda x, number: choices.clip(x, full(x, -abs(number)), full(x, abs(number))),
        "np.clip({0}, -abs({number}), abs({number}))",
        "torch.clamp({0}, -abs({number}), abs({number}))",
        "jnp.clip({0}, -abs({number}), abs({number}))",
        draw=shapes.with_number,
    ),
}  # fmt: skip
