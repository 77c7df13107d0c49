"""Every operation of the table: its derivative by its definition, and its rounding against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx

from gradaudit.derivative import gradient
from gradaudit.exact.balls import Balls
from gradaudit.exact.functions import FUNCTIONS, PLAIN_K
from gradaudit.graph import Node, ordered
from gradaudit.operations import OPERATIONS, choices, entrywise, products, shapes
from gradaudit.operations import softmax as soft
from gradaudit.operations.shapes import constant, input_
from gradaudit.readings import bounds, values
from gradaudit.rounding.arithmetic import Arithmetic

Maker = Callable[..., Node]
INDEX = np.array([[0, 5, -1], [5, 2, 7]])


def positive(rng: np.random.Generator) -> list[Any]:
    return [np.exp(rng.standard_normal((2, 4)))]


def one(rng: np.random.Generator) -> list[Any]:
    return [rng.standard_normal((2, 4))]


def two(rng: np.random.Generator) -> list[Any]:
    return [rng.standard_normal((2, 4)), rng.standard_normal((2, 4))]


def matrices(rng: np.random.Generator) -> list[Any]:
    return [rng.standard_normal((3, 2, 4)), rng.standard_normal((3, 4, 5))]


def shifted(x: Any) -> Any:
    return x - x.max(axis=1, keepdims=True)


def program_softmax(x: Any) -> Any:
    e = np.exp(shifted(x))
    return e / e.sum(axis=1, keepdims=True)


def program_log_softmax(x: Any) -> Any:
    z = shifted(x)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


#: Operation -> (its node from those of its operands, random operands, the same in NumPy).
TABLE: dict[str, tuple[Maker, Callable[[np.random.Generator], list[Any]], Callable[..., Any]]] = {
    "add": (entrywise.add, two, np.add),
    "subtract": (entrywise.subtract, two, np.subtract),
    "negative": (entrywise.negative, one, np.negative),
    "multiply": (entrywise.multiply, two, np.multiply),
    "divide": (entrywise.divide, two, np.divide),
    "integer_power": (lambda x: entrywise.integer_power(x, exponent=-3), one, lambda x: x**-3),
    "exp": (entrywise.exp, one, np.exp),
    "expm1": (entrywise.expm1, one, np.expm1),
    "log": (entrywise.log, positive, np.log),
    "log1p": (entrywise.log1p, positive, np.log1p),
    "sqrt": (entrywise.sqrt, positive, np.sqrt),
    "rsqrt": (entrywise.rsqrt, positive, lambda x: 1 / np.sqrt(x)),
    "tanh": (entrywise.tanh, one, np.tanh),
    "sigmoid": (entrywise.sigmoid, one, lambda x: 1 / (1 + np.exp(-x))),
    "softplus": (entrywise.softplus, one, lambda x: np.logaddexp(x, np.zeros_like(x))),
    "erf": (entrywise.erf, one, lambda x: FUNCTIONS["erf"].plain(x.astype(np.float64)).astype(x.dtype)),
    "bell": (entrywise.bell, one, lambda x: (x.dtype.type(2 / np.sqrt(np.pi)) * np.exp(-x * x)).astype(x.dtype)),
    "sin": (entrywise.sin, one, np.sin),
    "cos": (entrywise.cos, one, np.cos),
    "arctan": (entrywise.arctan, one, np.arctan),
    "maximum": (choices.maximum, two, np.maximum),
    "where": (lambda x, y: choices.where(choices.greater(x, y), x, y), two, lambda x, y: np.where(x > y, x, y)),
    "greater": (lambda x, y: choices.where(choices.greater(x, y), y, x), two, lambda x, y: np.where(x > y, y, x)),
    "greater_equal": (
        lambda x, y: choices.where(choices.greater_equal(x, y), y, x), two, lambda x, y: np.where(x >= y, y, x)
    ),
    "equal": (lambda x, y: choices.where(choices.equal(x, y), y, x), two, lambda x, y: np.where(x == y, y, x)),
    "opposite": (
        lambda x, y: choices.where(choices.opposite(choices.greater(x, y)), y, x), two,
        lambda x, y: np.where(x > y, x, y),
    ),
    "both": (
        lambda x, y: choices.where(choices.both(choices.greater(x, y), choices.equal(y, y)), x, y), two,
        lambda x, y: np.where((x > y) & (y == y), x, y),
    ),
    "largest": (lambda x: choices.largest(x, axis=1), one, lambda x: x.max(axis=1)),
    "is_largest": (
        lambda x, g: choices.at_largest(x, g, axis=1), two,
        lambda x, g: np.where(x == x.max(axis=1, keepdims=True), g, 0),
    ),
    "sum": (lambda x: shapes.sum_axis(x, axis=0), one, lambda x: x.sum(axis=0)),
    "cumulative_sum": (lambda x: shapes.cumulative_sum(x, axis=1), one, lambda x: np.cumsum(x, axis=1)),
    "reshape": (lambda x: shapes.reshape(x, to=(4, 2)), one, lambda x: x.reshape(4, 2)),
    "transpose": (lambda x: shapes.transpose(x, axes=(1, 0)), one, np.transpose),
    "broadcast": (lambda x: shapes.broadcast(x, to=(3, 2, 4)), one, lambda x: np.broadcast_to(x, (3, 2, 4))),
    "gather": (
        lambda x: shapes.gather(x, index=INDEX), one, lambda x: np.where(INDEX < 0, 0, x.reshape(-1)[INDEX])
    ),
    "scatter": (
        lambda x: shapes.scatter(x, index=np.array([[0, 2, 2, 0], [1, -1, 2, 0]]), into=(3,)), one,
        lambda x: np.array([x[0, 0] + x[0, 3] + x[1, 3], x[1, 0], x[0, 1] + x[0, 2] + x[1, 2]]),
    ),
    "concatenate": (lambda x, y: shapes.concatenate(x, y, axis=1), two, lambda x, y: np.concatenate((x, y), axis=1)),
    "matmul": (products.matmul, matrices, np.matmul),
    "softmax": (soft.softmax, one, program_softmax),
    "log_softmax": (soft.log_softmax, one, program_log_softmax),
    "logsumexp": (soft.logsumexp, one, lambda x: x.max(axis=1) + np.log(np.exp(shifted(x)).sum(axis=1))),
    "log_softmax_gradient": (
        soft.log_softmax_gradient, two,
        lambda x, g: g - program_softmax(x) * g.sum(axis=1, keepdims=True),
    ),
}  # fmt: skip
#: What a graph begins with has no operands.
LEAVES = {"input", "constant"}
STEP = arb(2) ** -240


def test_every_operation_is_in_the_table() -> None:
    assert set(TABLE) == set(OPERATIONS) - LEAVES


def posed(name: str, seed: int) -> tuple[Node, list[Node], list[Any], np.random.Generator]:
    rng = np.random.default_rng([seed, len(name)])
    make, draw, _ = TABLE[name]
    arrays = draw(rng)
    nodes = [input_(size=x.shape) for x in arrays]
    return make(*nodes), nodes, arrays, rng


@pytest.mark.parametrize("name", TABLE)
def test_a_derivative_is_that_of_the_definition(name: str) -> None:
    """Balls of 1,200 bits at a step of 2^-240 along a random direction: the quotient is the derivative to 2^-150."""
    for seed in range(5):
        output, nodes, arrays, rng = posed(name, seed)
        weights = constant(rng.standard_normal(output.shape))
        scalar = shapes.total(entrywise.multiply(output, weights))
        by = gradient(scalar, nodes)
        directions = [rng.standard_normal(x.shape) for x in arrays]
        balls = Balls(1200)
        with balls.precision():
            base = {id(n): balls.constant(x) for n, x in zip(nodes, arrays, strict=True)}
            moved = {id(n): base[id(n)] + STEP * balls.constant(d) for n, d in zip(nodes, directions, strict=True)}
            quotient = (evaluated(balls, [scalar], moved)[0] - evaluated(balls, [scalar], base)[0]) / STEP
            slopes = evaluated(balls, by, base)
            expected = sum((g * balls.constant(d)).sum() for g, d in zip(slopes, directions, strict=True))
            difference = abs(quotient - expected)
        assert difference.rad() < arb(2) ** -150
        assert difference < arb(2) ** -150


def evaluated(balls: Balls, outputs: list[Node], given: dict[int, Any]) -> list[Any]:
    """The outputs on balls, the inputs given as balls."""
    own: dict[int, Any] = dict(given)
    for node in ordered(outputs):
        if id(node) not in own:
            own[id(node)] = node.operation.value(balls, *(own[id(n)] for n in node.inputs), **node.parameters)
    return [own[id(node)] for node in outputs]


def drawn(name: str, dtype: str, seed: int) -> list[Any]:
    """Operands of many kinds: random, whole numbers (ties and kinks), large, small, subnormal, zero."""
    rng = np.random.default_rng([seed, len(name)])
    arrays = TABLE[name][1](rng)
    kind = seed % 6
    if kind == 1:
        arrays = [np.round(x) if name not in ("log", "sqrt", "rsqrt", "divide", "integer_power") else x for x in arrays]
    elif kind == 2:
        arrays = [x * 2.0 ** rng.integers(-8, 8) for x in arrays]
    elif kind == 3:
        arrays = [x * 10.0 ** rng.integers(-30, 3) for x in arrays]
    elif kind == 4:
        arrays = [np.where(rng.random(x.shape) < 0.2, np.finfo(dtype).tiny / 8, x) for x in arrays]
    elif kind == 5 and name not in ("log", "sqrt", "rsqrt", "divide", "integer_power"):
        arrays = [np.where(rng.random(x.shape) < 0.5, 0.0, x) for x in arrays]
    return [x.astype(dtype) for x in arrays]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", TABLE)
def test_numpy_stays_within_the_bound(name: str, dtype: str, figure: Callable[[str], None]) -> None:
    """400 problems each; the largest error over bound is printed."""
    make, _, program = TABLE[name]
    fp, worst = Arithmetic.of(np.dtype(dtype)), 0.0
    balls = Balls(256)
    for seed in range(400):
        arrays = drawn(name, dtype, seed)
        nodes = [input_(size=x.shape) for x in arrays]
        output = make(*nodes)
        order = ordered([output])
        with balls.precision():
            read = values(balls, order, {id(n): x for n, x in zip(nodes, arrays, strict=True)})
        E, exact = bounds(fp, order, read)[id(output)].E, read[id(output)]
        with np.errstate(all="ignore"):
            got = np.asarray(program(*arrays)).astype(np.float64)
            error = np.abs((got - exact.hi) - exact.lo)
            outside = ~(error <= E + exact.radius) & np.isfinite(E)
            assert not outside.any(), (seed, got[outside], exact.hi[outside], E[outside])
            ratio = np.where((E > 0) & np.isfinite(E), error / np.where(E > 0, E, 1), 0)
        worst = max(worst, float(ratio.max()))
    figure(f"largest error/bound of {name} in NumPy, {dtype}: {worst:.2f}")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_in_float64_are_as_accurate_as_the_radii_assume(name: str) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal(300), rng.standard_normal(300) * 30, rng.standard_normal(300) * 1e-5])
    f = FUNCTIONS[name]
    x = np.abs(x) + 1e-300 if name in ("log", "sqrt", "rsqrt", "log1p") else x
    with np.errstate(all="ignore"):
        got = f.plain(x)
    growth = f.growth(x)
    with ctx.workprec(200):
        for a, b, more in zip(x.tolist(), got.tolist(), growth.tolist(), strict=True):
            exact = f.ball(arb(a))
            if np.isfinite(b) and b:
                assert abs(arb(b) - exact) <= abs(exact) * (PLAIN_K + more) * 2.0**-53 + arb(2) ** -1070
