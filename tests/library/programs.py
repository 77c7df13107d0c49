"""Correct programs for any graph, in an arithmetic of few bits: the operations' own values are read in them.

A program chooses, again and again, what the model leaves open: the order of a sum, whether a sum of sums is added up
as one, whether a product is fused, where a scaling is done, the errors of elementary functions, what underflows, and
the form of a softmax. What the operations are is not written down a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
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
    inner : tuple of ndarray
        What one operation has accumulated in more bits: a factor may be applied to each.
    """

    x: Array
    terms: tuple[Array, ...] = ()
    closed: bool = False
    known: bool = False
    order: Signs | None = None
    inner: tuple[Array, ...] = ()


class Program(Arithmetic[Value]):
    """A correct program: an arithmetic whose every choice is drawn."""

    def __init__(self, way: Way) -> None:
        self.way, self.wide = way, way.wider
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

    def accumulated(self, terms: Sequence[Array], closed: bool = False) -> Value:
        """What one operation adds up: in more bits, if there are any, and rounded once."""
        if not self.way.fp.is_narrow:
            return self.closed(terms) if closed else self.added(terms)
        terms = np.broadcast_arrays(*terms)
        total = self.wide.sum(np.stack(terms, axis=-1), exact=True)
        return Value(self.way.round(total), (total,), closed, inner=tuple(terms))

    def distributed(self, a: Value, c: Array, change: Callable[[Array], Array]) -> Value:
        """A factor c, or a divisor, that is applied to each term of a sum.

        Where one operation adds up products, it is applied to a factor of each: a power of two rounds nothing.
        """
        if not a.inner:
            return self.closed([change(self.way.round(t)) for t in a.terms])
        if not a.closed:
            return self.accumulated([change(self.way.round(t)) for t in a.inner], closed=True)
        free, one = np.abs(np.frexp(c)[0]) == 0.5, change(np.ones_like(c))
        return self.accumulated([np.where(free, t * one, change(t)) for t in a.inner], closed=True)

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
        inner = tuple(np.asarray(change(t)) for t in arrays[0].inner) if len(arrays) == 1 else ()
        return Value(x, terms, any(a.closed for a in arrays), all(a.known for a in arrays), inner=inner)

    def shape(self, a: Value) -> tuple[int, ...]:
        return a.x.shape

    def add(self, a: Value, b: Value) -> Value:
        return self.added([*self.addends(a), *self.addends(b)])

    def subtract(self, a: Value, b: Value) -> Value:
        order = np.sign(self.way.use(a.x) - self.way.use(b.x)).astype(np.int8)
        return self.add(a, self.negative(b))._replace(order=order)

    def negative(self, a: Value) -> Value:
        inner = tuple(-t for t in a.inner)
        return a._replace(x=-a.x, terms=tuple(-t for t in a.terms), order=None, inner=inner)

    def multiply(self, a: Value, b: Value) -> Value:
        """A product, a fused one, or a sum whose terms are scaled by numbers that were given."""
        for scale, other in ((a, b), (b, a)):
            if scale.known and other.terms and self.chance():
                return self.distributed(other, scale.x, partial(self.way.multiply, scale.x))
        exact = self.way.use(a.x) * self.way.use(b.x)
        return Value(self.way.round(exact), (exact,) if self.fused and self.chance() else ())

    def divide(self, a: Value, b: Value) -> Value:
        """A quotient, a product with the reciprocal, or a sum whose terms are divided by numbers that were given."""
        if b.known and a.terms and self.chance():
            return self.distributed(a, b.x, lambda t: self.divided(t, b.x))
        return Value(self.divided(a.x, b.x))

    def divided(self, x: Array, y: Array) -> Array:
        if self.chance():
            return self.way.divide(x, y)
        return self.way.multiply(x, self.way.divide(np.ones_like(y), y))

    def function(self, f: Function, a: Value) -> Value:
        """Within K u, and a rounding; exact where the result is 0 or 1."""
        x = self.way.use(a.x)
        y, u, K = f.plain(x), self.way.fp.u, self.way.fp.library(f.K)
        K = K + f.narrow - 1 if self.way.fp.is_narrow else K
        off = (K - 1 + f.growth(x)) * u * self.rng.choice([-1.0, -0.5, 0.5, 1.0], size=y.shape) / (1 + u)
        return Value(self.way.round(np.where((y == 0) | (y == 1), y, y * (1 + off))))

    def matmul(self, a: Value, b: Value) -> Value:
        x, y = self.way.use(a.x), self.way.use(b.x)
        exact = [x[..., :, i : i + 1] * y[..., i : i + 1, :] for i in range(x.shape[-1])]
        if not exact:
            return Value(np.zeros((*x.shape[:-1], y.shape[-1])))
        return self.accumulated(exact if self.fused else [self.wide.round(t) for t in exact], closed=True)

    def sum(self, a: Value, axis: int) -> Value:
        addends, n = self.addends(a), a.x.shape[axis]
        rows = [[np.take(t, i, axis=axis) for i in range(n)] for t in addends]
        if not n:
            return Value(np.zeros(np.delete(a.x.shape, axis)))
        if self.way.fp.is_narrow and len(rows) > 1 and self.chance():  # x + y is added up as x and as y
            return self.added([self.accumulated([self.way.round(t) for t in row]).x for row in rows])
        return self.accumulated([t for row in rows for t in row])

    def scatter(self, a: Value, places: NDArray[np.int64], size: int) -> Value:
        """Each sum in the program's order."""
        if not size or not len(places):
            return self.constant(np.zeros(size))
        groups = [np.flatnonzero(places == j) for j in range(size)]
        longest = max(map(len, groups))
        table = np.array([[*group, *[len(places)] * (longest - len(group))] for group in groups])
        entries = self.restructure(lambda x: np.append(x, 0.0)[table], a)
        return self.added([t[:, i] for t in self.addends(entries) for i in range(longest)])

    def accumulate(self, a: Value, axis: int) -> Value:
        if not self.way.fp.is_narrow or not a.x.shape[axis]:
            return super().accumulate(a, axis)._replace(known=False)
        first = (slice(None),) * axis
        sums = [
            self.sum(self.restructure(lambda x, i=i: x[(*first, slice(0, i + 1))], a), axis)
            for i in range(a.x.shape[axis])
        ]
        return self.restructure(lambda *parts: np.stack(parts, axis=axis), *sums)._replace(known=False)

    def hull(self, a: Value, b: Value) -> Value:
        raise AssertionError(f"a program decides every sign: {a}, {b}")

    def select(self, mask: Signs, a: Value, b: Value) -> Value:
        return Value(np.where(mask == 1, a.x, b.x))

    def sign(self, a: Value) -> Signs:
        """That of the numbers; at a tie either side of it, or the tie itself."""
        signs = a.order if a.order is not None else np.sign(a.x).astype(np.int8)
        return np.where(signs == 0, self.rng.integers(-1, 2, signs.shape), signs).astype(np.int8)
