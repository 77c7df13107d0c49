"""Correct programs for any graph, in an arithmetic of few bits: the operations' own values are read in them.

A program chooses, again and again, what the model leaves open: the order of a sum, whether a sum of sums is added up
as one, whether a product is fused, where a scaling is done, the errors of elementary functions, what underflows, and
the form of a softmax. What the operations are is not written down a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.arithmetic import Arithmetic, Signs
from gradaudit.exact.enclosure import Enclosure
from gradaudit.exact.functions import Function
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
        if len({a.closed for a in arrays if a.terms}) > 1 and self.chance():  # what is closed stays whole
            arrays = tuple(a._replace(terms=(), closed=False) if a.closed else a for a in arrays)
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

    def scatter(self, a: Value, places: NDArray[np.int64], size: int) -> Value:
        """Each sum in the program's order."""
        if not size or not len(places):
            return self.constant(np.zeros(size))
        groups = [np.flatnonzero(places == j) for j in range(size)]
        longest = max(map(len, groups))
        table = np.array([[*group, *[len(places)] * (longest - len(group))] for group in groups])
        return self.sum(self.restructure(lambda x: np.append(x, 0.0)[table], a), 1)

    def accumulate(self, a: Value, axis: int) -> Value:
        return super().accumulate(a, axis)._replace(known=False)

    def hull(self, a: Value, b: Value) -> Value:
        raise AssertionError(f"a program decides every sign: {a}, {b}")

    def select(self, mask: Signs, a: Value, b: Value) -> Value:
        return Value(np.where(mask == 1, a.x, b.x))

    def sign(self, a: Value) -> Signs:
        """That of the numbers; at a tie either side of it, or the tie itself."""
        signs = a.order if a.order is not None else np.sign(a.x).astype(np.int8)
        return np.where(signs == 0, self.rng.integers(-1, 2, signs.shape), signs).astype(np.int8)
