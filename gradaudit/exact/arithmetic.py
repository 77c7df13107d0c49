"""What an arithmetic of certified values offers, and what all of them have in common.

An arithmetic has values of its own (arrays of floats with a radius, pairs of floats, balls); an operation is evaluated
in whichever it is given. Every result encloses the exact one; where nothing is known, the radius is infinite.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.enclosure import UNKNOWN, Array, Enclosure
from gradaudit.exact.entries import some
from gradaudit.exact.functions import Function

V = TypeVar("V")
Signs = NDArray[np.int8]
Indices = NDArray[np.int64]


class OutOfRange(ArithmeticError):
    """Numbers too large or too small for an arithmetic; another one has to be asked."""


class Arithmetic(ABC, Generic[V]):
    """One way to compute with certified values; arguments have equal shapes unless it says otherwise.

    Attributes
    ----------
    name : str
        What it is called where somebody is told at which precision values were found.
    """

    name: str = ""

    def precision(self) -> AbstractContextManager[Any]:
        """The context in which it computes."""
        return nullcontext()

    @abstractmethod
    def constant(self, values: NDArray[np.floating]) -> V:
        """Floats, which are exact."""

    @abstractmethod
    def enclosure(self, a: V) -> Enclosure:
        """The value as hi + lo within a radius."""

    def rounded(self, a: V) -> Array:
        """The value, each entry rounded to a float; 0 where nothing is known."""
        return self.enclosure(a).hi

    def enclosures(self, values: Sequence[V]) -> list[Enclosure]:
        """Those of several values, at once."""
        return [self.enclosure(a) for a in values]

    @abstractmethod
    def restructure(self, change: Callable[..., Any], *arrays: V) -> V:
        """Entries arranged anew: `change` is given arrays and returns one whose entries are among theirs, or 0."""

    @abstractmethod
    def shape(self, a: V) -> tuple[int, ...]:
        """The shape of a value."""

    @abstractmethod
    def add(self, a: V, b: V) -> V:
        """A + b; a shape may be repeated to the other."""

    @abstractmethod
    def negative(self, a: V) -> V:
        """-a."""

    @abstractmethod
    def multiply(self, a: V, b: V) -> V:
        """A b; a shape may be repeated to the other."""

    @abstractmethod
    def divide(self, a: V, b: V) -> V:
        """A / b, unknown where b may be 0; a shape may be repeated to the other."""

    @abstractmethod
    def function(self, f: Function, a: V) -> V:
        """f(a), entry by entry; unknown where f may be undefined."""

    @abstractmethod
    def matmul(self, a: V, b: V) -> V:
        """The matrix product of shapes (..., n, k) and (..., k, m), with the same leading axes."""

    @abstractmethod
    def sum(self, a: V, axis: int) -> V:
        """The sum over one axis, which goes."""

    @abstractmethod
    def hull(self, a: V, b: V) -> V:
        """An enclosure of both."""

    @abstractmethod
    def sign(self, a: V) -> Signs:
        """1, 0, -1 or UNKNOWN."""

    def subtract(self, a: V, b: V) -> V:
        """A - b."""
        return self.add(a, self.negative(b))

    def select(self, mask: Signs, a: V, b: V) -> V:
        """`a` where the mask is 1, `b` where it is 0, and what encloses both where it is UNKNOWN.

        A shape may be repeated to that of the mask.
        """
        first = mask == 1
        chosen = self.restructure(lambda x, y: np.where(first, x, y), a, b)
        if not some(mask == UNKNOWN):
            return chosen
        both = self.hull(*(self.restructure(lambda x: np.broadcast_to(x, mask.shape), x) for x in (a, b)))
        return self.restructure(lambda x, y: np.where(mask == UNKNOWN, x, y), both, chosen)

    def accumulate(self, a: V, axis: int) -> V:
        """The sums of the first 1, 2, ... entries along an axis."""
        count = self.shape(a)[axis]
        if not count:
            return a
        sums = [self.restructure(lambda x: np.take(x, 0, axis=axis), a)]
        for i in range(1, count):
            sums.append(self.add(sums[-1], self.restructure(lambda x, i=i: np.take(x, i, axis=axis), a)))
        return self.restructure(lambda *parts: np.stack(parts, axis=axis), *sums)

    def scatter(self, a: V, places: Indices, size: int) -> V:
        """Sums of the entries of a vector by place: entry j of the result adds up the a[i] with places[i] = j."""
        if not size or not len(places):
            return self.constant(np.zeros(size))
        order, rounds, filled = pairings(places.tobytes())
        a = self.restructure(lambda x: x[order], a)
        for first, rest, at in rounds:
            sums = self.add(*(self.restructure(lambda x, n=n: x[n], a) for n in (first, first + 1)))
            a = self.restructure(lambda x, y, rest=rest, at=at: _put(x[rest], at, y), a, sums)
        return self.restructure(lambda x: _put(np.zeros(size, dtype=x.dtype), filled, x), a)

    def power(self, a: V, n: int) -> V:
        """A to an integer n >= 1."""
        result, factor = None, a
        while True:
            if n & 1:
                result = factor if result is None else self.multiply(result, factor)
            n >>= 1
            if not n:
                break
            factor = self.multiply(factor, factor)
        assert result is not None
        return result


def _put(x: NDArray[Any], places: Indices, values: NDArray[Any]) -> NDArray[Any]:
    x[places] = values
    return x


@lru_cache(maxsize=64)
def pairings(places: bytes) -> tuple[Indices, list[tuple[Indices, Indices, Indices]], Indices]:
    """How to add up entries that go to the same place by halves, with no more memory than they have themselves.

    Returns
    -------
    tuple
        The order in which entries of one place stand side by side. Then for each round the numbers of those that are
        added to the next one; of those that are there after it, in their order; and where among these the sums are.
        At last the place of each entry that is there after all rounds.
    """
    of = np.frombuffer(places, dtype=np.int64)
    order = np.argsort(of, kind="stable")
    of, rounds = of[order], list[tuple[Indices, Indices, Indices]]()
    while True:
        begins = np.flatnonzero(np.append(True, of[1:] != of[:-1]))
        rank = np.arange(len(of)) - np.repeat(begins, np.diff(np.append(begins, len(of))))
        first = np.flatnonzero(rank[1:] % 2)
        if not len(first):
            return order, rounds, of
        rest = np.flatnonzero(rank % 2 == 0)
        rounds.append((first, rest, np.searchsorted(rest, first)))
        of = of[rest]
