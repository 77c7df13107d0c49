"""What programs of few bits compute for a graph, and the forms in which they do, other than by an operation's value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.arithmetic import Signs
from gradaudit.exact.functions import EXP, LOG
from gradaudit.graph import Node
from gradaudit.operations import factors, orders, planar, powers
from gradaudit.operations.shapes import input_
from tests.few_bits import Program as Way
from tests.library.programs import Program, Value

Array = NDArray[np.float64]


def _by_rows(A: Program, a: Value, shape: tuple[int, ...]) -> Value:
    return A.restructure(lambda y: np.broadcast_to(y[..., None], shape), a)


def _total(A: Program, a: Value) -> Value:
    return _by_rows(A, A.sum(a, a.x.ndim - 1), a.x.shape)


def _shift(A: Program, x: Value) -> tuple[Value, Value, Value]:
    """The rows less their maximum, their exponentials, and the maximum."""
    m = Value(np.broadcast_to(x.x.max(axis=-1, keepdims=True), x.x.shape))
    z = Value(A.way.round(A.way.use(x.x) - A.way.use(m.x)))
    return z, A.function(EXP, z), m


def log_softmax(A: Program, x: Value) -> Value:
    z, e, m = _shift(A, x)
    log_Z = A.function(LOG, _total(A, e))
    if A.way.softmax == "logsumexp" and not loses_more_than_half(A, x.x):
        return A.subtract(Value(x.x), Value(A.add(m, log_Z).x))
    if A.way.softmax == "log of softmax":
        p = A.divide(e, _total(A, e))
        if (p.x >= A.way.fp.normal).all():  # not in the model where the probability underflows
            return A.function(LOG, p)
    return A.subtract(z, log_Z)


def loses_more_than_half(A: Program, x: Array) -> bool:
    """Whether an offset of whole rows may take more than half of the digits: not in the model."""
    lost = A.way.fp.u * (2 * np.abs(x).max(axis=-1, initial=0) + np.abs(x).max(axis=-1, initial=0))
    return bool((lost > np.sqrt(A.way.fp.u)).any())


def softmax(A: Program, x: Value) -> Value:
    if A.way.softmax in ("log_softmax", "logsumexp"):
        log_p = log_softmax(A, x)
        return A.function(EXP, Value(np.minimum(log_p.x, 0)))
    _, e, _ = _shift(A, x)
    return A.divide(e, _total(A, e))


def log_softmax_gradient(A: Program, x: Value, g: Value) -> Value:
    p = softmax(A, x)
    result = A.subtract(g, A.multiply(p, _total(A, g)))
    return with_maximum(A, x, result) if A.way.live_maximum else result


def softmax_gradient(A: Program, x: Value, g: Value) -> Value:
    """By the probabilities, or step by step through their quotient."""
    if A.chance():
        p = softmax(A, x)
        G = _total(A, A.multiply(g, p))
        result = A.multiply(p, A.subtract(g, Value(G.x)))
    else:
        _, e, _ = _shift(A, x)
        Z = Value(_total(A, e).x)
        by_Z = A.divide(A.divide(Value(_total(A, A.multiply(g, e)).x), Z), Z)
        result = A.multiply(e, A.subtract(A.divide(g, Z), by_Z))
    return with_maximum(A, x, result) if A.way.live_maximum else result


def logsumexp(A: Program, x: Value) -> Value:
    _, e, m = _shift(A, x)
    return A.add(A.function(LOG, A.sum(e, x.x.ndim - 1)), Value(m.x[..., 0]))


def cross_entropy(A: Program, x: Value, labels: Value) -> Value:
    index = labels.x.astype(np.int64)[..., None]
    log_p = Value(log_softmax(A, x).x)
    return A.negative(A.restructure(lambda y: np.take_along_axis(y, index, -1)[..., 0], log_p))


def cross_entropy_gradient(A: Program, x: Value, labels: Value, g: Value) -> Value:
    p, onehot = softmax(A, x), A.constant((labels.x[..., None] == np.arange(x.x.shape[-1])).astype(np.float64))
    G = _by_rows(A, g, x.x.shape)
    if A.chance():
        result = A.multiply(Value(A.subtract(p, onehot).x), G)
    else:
        result = A.subtract(A.multiply(p, G), Value(onehot.x * G.x))
    return with_maximum(A, x, result) if A.way.live_maximum else result


def with_maximum(A: Program, x: Value, result: Value) -> Value:
    """The derivative where the maximum was left in the graph: minus the sum of the row, where the maximum is.

    It is added up before it is added to anything.
    """
    top = np.arange(x.x.shape[-1]) == x.x.argmax(axis=-1)[..., None]
    of_maximum = Value(A.negative(_total(A, Value(result.x))).x)
    return Value(np.where(top, A.add(Value(result.x), of_maximum).x, result.x))


def beside_largest(A: Program, d: Value, x: Value, g: Value) -> Value:
    """The same of a softmax, or of log-sum-exp, whose row adds up to g."""
    if not A.way.live_maximum:
        return d
    top = np.arange(x.x.shape[-1]) == x.x.argmax(axis=-1)[..., None]
    of_maximum = A.subtract(_by_rows(A, Value(g.x), x.x.shape), _total(A, Value(d.x)))
    return Value(np.where(top, A.add(Value(d.x), of_maximum).x, d.x))


def power_gradient(A: Program, x: Value, g: Value, exponent: int) -> Value:
    """By a power; or each of the derivatives by the factors of a product, which are added up, or terms of a sum."""
    if exponent < 0 or A.chance():
        return Value(powers.power_gradient.value(A, x, g, exponent).x)
    part = A.multiply(g, A.power(x, exponent - 1) if exponent > 2 else Value(x.x))
    return A.added([np.broadcast_to(part.x, x.x.shape)] * exponent)


def of_library(f: Callable[..., Any], K: float) -> Callable[..., Value]:
    """A function of two numbers by a library, within K u."""

    def form(A: Program, x: Value, y: Value) -> Value:
        z = f(A.way.use(x.x), A.way.use(y.x))
        off = (
            (A.way.fp.library(K) - 1)
            * A.way.fp.u
            * A.rng.choice([-1.0, -0.5, 0.5, 1.0], size=z.shape)
            / (1 + A.way.fp.u)
        )
        return Value(A.way.round(np.where((z == 0) | (z == 1), z, z * (1 + off))))

    return form


def affine(A: Program, x: Value, y: Value, b: Value) -> Value:
    """The bias is one more term of the product."""
    product = A.matmul(x, y)
    bias = np.broadcast_to(A.way.use(b.x), product.x.shape)
    if A.way.fp.is_narrow and A.chance():  # a bias that is added apart
        return A.closed([A.way.use(product.x), bias])
    return A.accumulated([*(product.inner or product.terms), bias], closed=True)


def product(A: Program, x: Value, axis: int, divided: bool = False) -> Value:  # noqa: ARG001
    """One operation: in more bits, if there are any, and rounded once."""
    if not A.way.fp.is_narrow:
        result: Value = factors.product.value(A, x, axis)
        return result
    y, total = A.way.use(x.x), np.ones(np.delete(x.x.shape, axis))
    for i in A.rng.permutation(x.x.shape[axis]):
        total = A.wide.round(total * np.take(y, i, axis=axis))
    return Value(A.way.round(total))


def averaged(A: Program, m: Value, x: Value, axes: tuple[int, ...]) -> Value:  # noqa: ARG001
    """The mean, which is no sum any more where one operation has added it up."""
    return Value(m.x) if A.way.fp.is_narrow else m


def xlogy(A: Program, x: Value, y: Value) -> Value:
    """0 where x is."""
    z = A.multiply(x, A.function(LOG, y))
    return Value(np.where(A.way.use(x.x) == 0, 0.0, z.x))


def tanh_gradient(A: Program, y: Value, g: Value) -> Value:
    """As it is written, or with g in the first factor."""
    one = A.constant(np.ones(y.x.shape))
    if A.chance():
        return A.multiply(g, A.subtract(one, A.multiply(y, y)))
    return A.multiply(A.add(g, A.multiply(g, y)), A.subtract(one, y))


def sort(A: Program, x: Value) -> Value:
    order = np.argsort(A.way.use(x.x), axis=-1)
    return Value(np.take_along_axis(x.x, order, -1))


def is_ranked(A: Program, x: Value) -> Signs:
    """Equal entries in any order, which is one order."""
    y = A.way.use(x.x)
    order = np.lexsort((A.rng.random(y.shape), y), axis=-1)
    signs: Signs = orders.is_ranked.value(A, Value(np.argsort(order, axis=-1).astype(np.float64)))
    return signs


def is_largest(A: Program, x: Value, axis: int) -> Signs:
    """One of the entries that are the largest: of the same numbers always the same."""
    y = A.way.use(x.x)
    drawn = np.where(y == y.max(axis=axis, keepdims=True), np.random.default_rng(A.way.seed).random(y.shape), -1.0)
    first = np.expand_dims(drawn.argmax(axis=axis), axis)
    chosen: Signs = (np.arange(y.shape[axis]).reshape([-1 if a == axis else 1 for a in range(y.ndim)]) == first).astype(
        np.int8
    )
    return chosen


def whole(form: Callable[..., Value]) -> Callable[..., Value]:
    """The form of one operation of the graph: nothing is distributed over the sums inside it."""
    return lambda A, *operands: Value(form(A, *operands).x)


#: What is computed in other forms than the operation's own value.
FORMS: dict[str, Callable[..., Any]] = {
    form.__name__: whole(form)
    for form in (
        softmax,
        softmax_gradient,
        log_softmax,
        logsumexp,
        log_softmax_gradient,
        cross_entropy,
        cross_entropy_gradient,
        beside_largest,
    )
} | {
    "power_gradient": power_gradient,
    "tanh_gradient": whole(tanh_gradient),
    "affine": affine,
    "product": product,
    "xlogy": xlogy,
    "averaged": averaged,
    "sort": sort,
    "is_ranked": is_ranked,
    "is_largest": is_largest,
    "power": of_library(np.power, planar.K_POWER),
    "arctan2": of_library(np.arctan2, planar.K_ANGLE),
}


def run(way: Way, order: Sequence[Node], inputs: Mapping[int, Array]) -> dict[int, Array]:
    """What a program computes for every node of an order; masks as signs."""
    A = Program(way)
    own: dict[int, Any] = {}
    with np.errstate(all="ignore"):
        for node in order:
            if node.operation is input_:
                own[id(node)] = A.constant(inputs[id(node)])
            else:
                value: Any = FORMS.get(node.operation.name, node.operation.value)
                own[id(node)] = value(A, *(own[id(n)] for n in node.inputs), **node.parameters)
    return {key: value.x if isinstance(value, Value) else value for key, value in own.items()}
