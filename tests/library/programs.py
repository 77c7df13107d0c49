"""Correct programs for any graph, in an arithmetic of few bits: the operations' own values are read in them.

A program chooses, again and again, what the model leaves open: the order of a sum, whether a sum of sums is added up
as one, whether a product is fused, where a scaling is done, the errors of elementary functions, what underflows, and
the form of a softmax. What the operations are is not written down a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.arithmetic import Arithmetic, Signs
from gradaudit.exact.enclosure import Enclosure
from gradaudit.exact.functions import EXP, LOG, Function
from gradaudit.graph import Node
from gradaudit.operations import planar, powers
from gradaudit.operations.shapes import input_
from tests.few_bits import Program as Way

Array = NDArray[np.float64]


class Value(NamedTuple):
    """What a program has computed.

    Attributes
    ----------
    x : ndarray
        The numbers.
    terms : tuple of ndarray
        What they are the sum of, if they are a sum; a fused product is exact.
    closed : bool
        Whether they are added up before anything is added to them; a factor may still be applied to each.
    known : bool
        Whether they were given.
    order : ndarray, optional
        Of a difference, the signs that a comparison of its operands gives.
    """

    x: Array
    terms: tuple[Array, ...] = ()
    closed: bool = False
    known: bool = False
    order: Signs | None = None


class Program(Arithmetic[Value]):
    """A correct program: an arithmetic whose every choice is drawn."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.rng = np.random.default_rng(way.seed)
        self.fused = way.fused and way.sums != "pairwise"

    def chance(self) -> bool:
        return bool(self.rng.integers(2))

    def addends(self, a: Value) -> tuple[Array, ...]:
        """The terms, or the number that they were added to."""
        return a.terms if a.terms and not a.closed and self.chance() else (self.way.use(a.x),)

    def added(self, terms: Sequence[Array]) -> Value:
        """The sum, in the program's order."""
        terms = np.broadcast_arrays(*terms)
        return Value(self.way.sum(np.stack(terms, axis=-1), exact=True), tuple(terms))

    def closed(self, terms: Sequence[Array]) -> Value:
        """The sum, to which nothing was added before it was complete."""
        return self.added(terms)._replace(closed=True)

    # --- the arithmetic -----------------------------------------------------------------------------------------------

    def constant(self, values: Any) -> Value:
        return Value(np.asarray(values, dtype=np.float64), known=True)

    def enclosure(self, a: Value) -> Enclosure:
        return Enclosure.exactly(a.x)

    def restructure(self, change: Callable[..., Any], *arrays: Value) -> Value:
        x = np.asarray(change(*(a.x for a in arrays)))
        terms: tuple[Array, ...] = ()
        if any(a.terms for a in arrays):
            columns = zip_longest(*(a.terms or (a.x,) for a in arrays))
            filled = ([t if t is not None else 0 * a.x for t, a in zip(c, arrays, strict=True)] for c in columns)
            terms = tuple(np.asarray(change(*column)) for column in filled)
        return Value(x, terms, any(a.closed for a in arrays), all(a.known for a in arrays))

    def shape(self, a: Value) -> tuple[int, ...]:
        return a.x.shape

    def add(self, a: Value, b: Value) -> Value:
        return self.added([*self.addends(a), *self.addends(b)])

    def subtract(self, a: Value, b: Value) -> Value:
        order = np.sign(self.way.use(a.x) - self.way.use(b.x)).astype(np.int8)
        return self.add(a, self.negative(b))._replace(order=order)

    def negative(self, a: Value) -> Value:
        return a._replace(x=-a.x, terms=tuple(-t for t in a.terms), order=None)

    def multiply(self, a: Value, b: Value) -> Value:
        """A product, a fused one, or a sum whose terms are scaled by numbers that were given."""
        for scale, other in ((a, b), (b, a)):
            if scale.known and other.terms and self.chance():
                return self.closed([self.way.multiply(scale.x, self.way.round(t)) for t in other.terms])
        exact = self.way.use(a.x) * self.way.use(b.x)
        return Value(self.way.round(exact), (exact,) if self.fused and self.chance() else ())

    def divide(self, a: Value, b: Value) -> Value:
        """A quotient, a product with the reciprocal, or a sum whose terms are divided by numbers that were given."""
        if b.known and a.terms and self.chance():
            return self.closed([self.divided(self.way.round(t), b.x) for t in a.terms])
        return Value(self.divided(a.x, b.x))

    def divided(self, x: Array, y: Array) -> Array:
        if self.chance():
            return self.way.divide(x, y)
        return self.way.multiply(x, self.way.divide(np.ones_like(y), y))

    def function(self, f: Function, a: Value) -> Value:
        """Within K u, and a rounding; exact where the result is 0 or 1."""
        x = self.way.use(a.x)
        y, u = f.plain(x), self.way.fp.u
        off = (f.K - 1 + f.growth(x)) * u * self.rng.choice([-1.0, -0.5, 0.5, 1.0], size=y.shape) / (1 + u)
        return Value(self.way.round(np.where((y == 0) | (y == 1), y, y * (1 + off))))

    def matmul(self, a: Value, b: Value) -> Value:
        x, y = self.way.use(a.x), self.way.use(b.x)
        exact = [x[..., :, i : i + 1] * y[..., i : i + 1, :] for i in range(x.shape[-1])]
        if not exact:
            return Value(np.zeros((*x.shape[:-1], y.shape[-1])))
        return self.closed(exact if self.fused else [self.way.round(t) for t in exact])

    def sum(self, a: Value, axis: int) -> Value:
        terms = [np.take(t, i, axis=axis) for t in self.addends(a) for i in range(a.x.shape[axis])]
        return self.added(terms) if terms else Value(np.zeros(np.delete(a.x.shape, axis)))

    def accumulate(self, a: Value, axis: int) -> Value:
        return super().accumulate(a, axis)._replace(known=False)

    def hull(self, a: Value, b: Value) -> Value:
        raise AssertionError(f"a program decides every sign: {a}, {b}")

    def select(self, mask: Signs, a: Value, b: Value) -> Value:
        return Value(np.where(mask == 1, a.x, b.x))

    def sign(self, a: Value) -> Signs:
        return a.order if a.order is not None else np.sign(a.x).astype(np.int8)


# --- forms of the softmax ---------------------------------------------------------------------------------------------


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
        if (p.x >= A.way.fp.eta).all():  # not in the model where the probability underflows
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
    """The derivative where the maximum was left in the graph: minus the sum of the row, where the maximum is."""
    top = np.arange(x.x.shape[-1]) == x.x.argmax(axis=-1)[..., None]
    of_maximum = A.negative(_total(A, Value(result.x)))
    return Value(np.where(top, A.add(Value(result.x), of_maximum).x, result.x))


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
        off = (K - 1) * A.way.fp.u * A.rng.choice([-1.0, -0.5, 0.5, 1.0], size=z.shape) / (1 + A.way.fp.u)
        return Value(A.way.round(np.where((z == 0) | (z == 1), z, z * (1 + off))))

    return form


def affine(A: Program, x: Value, y: Value, b: Value) -> Value:
    """The bias is one more term of the product."""
    product = A.matmul(x, y)
    return A.closed([*product.terms, np.broadcast_to(A.way.use(b.x), product.x.shape)])


def whole(form: Callable[..., Value]) -> Callable[..., Value]:
    """The form of one operation of the graph: nothing is distributed over the sums inside it."""
    return lambda A, *operands: Value(form(A, *operands).x)


#: What is computed in other forms than the operation's own value.
FORMS: dict[str, Callable[..., Value]] = {
    form.__name__: whole(form)
    for form in (softmax, log_softmax, logsumexp, log_softmax_gradient, cross_entropy, cross_entropy_gradient)
} | {
    "power_gradient": power_gradient,
    "affine": affine,
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
