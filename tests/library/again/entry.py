"""One entry of an array and what is known of it: its value, its bound, the sum that it is (ROUNDING.md, 1 to 3, 6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from mpmath import fsum, inf, mpf

from gradaudit.rounding.arithmetic import Arithmetic

#: Digits of the evaluation.
DIGITS = 60
#: Section 7: what every E is multiplied by; sections 3 and 6: what a size is multiplied by before it is compared.
OF_EVALUATION, MARGIN = 1 + mpf(10) ** -6, mpf("1.001")


class Terms(NamedTuple):
    """A sum, in the letters of section 2, and the number of its addends, a reduction counting as one."""

    count: Any
    size: Any
    rounded: Any
    error: Any
    faint: Any
    depth: Any
    addends: Any = 1
    number: Any = None

    @property
    def N(self) -> Any:  # noqa: N802 (the derivation's letter)
        """How many terms there are: section 9."""
        return self.count if self.number is None else self.number


ZERO = Terms(0, mpf(0), mpf(0), mpf(0), mpf(0), 0)


@dataclass(frozen=True)
class Entry:
    """An exact value x, its bound E, the sum that it is, whether a larger sum takes it as a whole, and section 3."""

    x: Any
    E: Any
    terms: Terms | None = None
    closed: bool = False
    pure: bool = False
    g: Any = inf

    @cached_property
    def r(self) -> Any:
        """How large a program's value may be."""
        return abs(self.x) + self.E

    @property
    def as_terms(self) -> Terms:
        """What it adds to a sum."""
        if self.terms is None or self.closed:
            addends = self.terms.addends if self.terms else 1
            return Terms(addends if self.r else 0, self.r, mpf(0), self.E, mpf(0), 0, addends)
        return self.terms

    @property
    def is_exact(self) -> bool:
        """Whether every program has this value."""
        return bool(self.E == 0)

    @property
    def is_zero(self) -> bool:
        """Whether it is certainly 0."""
        return bool(self.r == 0)


@dataclass(frozen=True)
class Again:
    """An array: its entries, and how much larger they may be on the way (section 6)."""

    entries: Any
    late: Any = 1

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.entries.shape)


def times(*factors: Any) -> Any:
    """A product in which 0 wins: what is not there cannot overflow."""
    product = mpf(1)
    for factor in factors:
        if factor == 0:
            return mpf(0)
        product *= factor
    return product


def dot(x: Iterable[Any], y: Iterable[Any]) -> Any:
    """The sum of products."""
    return sum((times(a, b) for a, b in zip(x, y, strict=True)), mpf(0))


def objects(entries: Any, shape: tuple[int, ...]) -> Any:
    """An array of objects in a shape."""
    result = np.empty(len(entries), dtype=object)
    result[:] = entries
    return result.reshape(shape)


def lowest_bit(x: Any) -> Any:
    """The largest power of two that a number is a multiple of."""
    return inf if x == 0 else mpf(2) ** mpf(x).man_exp[1]


def power_of_two(x: Any) -> bool:
    return bool(x != 0 and abs(x) == lowest_bit(x))


def levelled(array: Again) -> Again:
    """Depth and addends are those of the whole array: the largest of its entries'."""
    sums = [e.terms for e in array.entries.ravel() if e.terms is not None]
    depth, addends = max((t.depth for t in sums), default=0), max((t.addends for t in sums), default=1)

    def level(e: Entry) -> Entry:
        return replace(e, terms=e.terms._replace(depth=depth, addends=addends)) if e.terms is not None else e

    return replace(array, entries=objects([level(e) for e in array.entries.ravel()], array.shape))


class Machine:
    """What a program computes in, and the rules of sections 1 to 3."""

    def __init__(self, fp: Arithmetic, of_evaluation: Any = OF_EVALUATION) -> None:
        self.p, self.low, self.high = fp.precision, *fp.exponents
        self.u, self.normal, self.eta = mpf(2) ** -self.p, mpf(2) ** self.low, mpf(fp.eta)
        self.largest_power = mpf(2) ** self.high
        self.omega = self.largest_power * (2 - 2 * self.u)
        self.w, self.is_narrow, self.is_flushed = mpf(fp.part), fp.part != 1, self.eta == self.normal
        self.widest = max(self.omega, mpf(2) ** 128 - mpf(2) ** 104) if self.is_narrow else self.omega
        self.offset, self.strict, self.of_evaluation = fp.offset, fp.strict, of_evaluation

    def gamma(self, n: Any) -> Any:
        return n * self.u / (1 - n * self.u) if n * self.u < 1 else inf

    def steps(self, n: Any) -> Any:
        """What stands for a length, section 9."""
        return 2 + n * self.w if self.is_narrow else n

    def library(self, K: Any, k: int = 1) -> Any:
        return k + 2 * K * self.w if self.is_narrow else K

    def overflows(self, *sizes: Any) -> bool:
        """Section 6."""
        return any(bool(size * MARGIN > self.omega) for size in sizes)

    def entry(self, x: Any, E: Any) -> Entry:
        """An entry that is no sum, with the factor of section 7, infinite where it may overflow."""
        return Entry(x, inf if self.overflows(abs(x) + E) else E * self.of_evaluation)

    # 1. Inputs and constants

    def given(self, x: Any) -> Entry:
        """An input, or a constant, which the dtype may not have."""
        if abs(x) > self.omega:
            return Entry(x, inf)
        flushed = abs(x) if self.is_flushed and abs(x) < self.eta else mpf(0)
        if abs(x) >= 2**self.p * lowest_bit(x):
            E = self.u * abs(x)
            return Entry(x, flushed + (E if self.is_flushed else min(abs(x), max(E, self.eta))))
        if not self.is_flushed and x != 0 and lowest_bit(x) < 2 * self.eta:
            return Entry(x, min(abs(x), max(self.u * abs(x), self.eta)))
        return Entry(x, flushed, pure=True, g=lowest_bit(x))

    # 2. Sums, and 3. exact arithmetic

    def sum(
        self, x: Any, terms: Terms, pure: bool, g: Any, late: Any, closed: bool = False, alone: Any = None
    ) -> Entry:
        """The entry that a sum is; `pure` and `g` are those of its terms, `alone` is what one operation adds up."""
        if inf in terms:
            return Entry(x, inf, terms, closed)
        entry = self._sum(x, terms, pure, g, closed)
        wide = self.is_narrow and alone is not None and not self.overflows(late * (abs(alone) + entry.E))
        fits = not self.overflows(late * terms.size) or (wide and late * terms.size * MARGIN <= self.widest)
        if fits:
            return entry
        return replace(entry, E=inf, terms=terms._replace(error=inf) if self.is_narrow else terms)

    def _sum(self, x: Any, terms: Terms, pure: bool, g: Any, closed: bool) -> Entry:
        a, on_grid = max(terms.count - 1, 0), pure and g >= self.normal
        fits = on_grid and terms.size * MARGIN <= min(2**self.p * g, self.largest_power)
        alone = (
            pure
            and a == terms.rounded == 0
            and (on_grid or terms.faint == 0 or (terms.error == 0 and terms.size >= self.normal))
        )
        if fits or alone:
            return Entry(x, terms.error * self.of_evaluation, terms, closed, True, g)
        left = 1 - (a + terms.depth) * self.u
        if left <= 0:
            return Entry(x, inf, terms, closed)
        E = (
            self.u * (a * terms.size + terms.rounded) / left
            + terms.error
            + terms.faint
            + (0 if on_grid else max(terms.N - 1, 0) * self.eta)
        )
        return Entry(x, E * self.of_evaluation, terms, closed)

    def added(self, x: Any, entries: list[Entry], late: Any) -> Entry:
        """The sum of entries."""
        terms = together([e.as_terms for e in entries])
        return self.sum(x, terms, all(e.pure for e in entries), min((e.g for e in entries), default=inf), late)

    def reduced(self, entries: list[Entry], whole: list[Entry], late: Any, in_one: bool = True) -> Entry:
        """The sum of some entries of a whole array, which counts as one addend; whether one operation adds them up."""
        terms = together([e.as_terms for e in entries])
        parts = [e.as_terms for e in whole]
        terms = terms._replace(addends=1, depth=max((t.depth for t in parts), default=0))
        pure = all(e.pure for e in entries) and any(e.pure for e in whole)
        x, alone = fsum(e.x for e in entries), None
        if self.is_narrow and in_one:
            most = max([*(e.as_terms.count for e in entries), *(t.addends for t in parts)], default=0)
            terms = self.accumulated(terms, most)
            alone = x if all(e.terms is None or e.closed for e in whole) else None
        return self.sum(x, terms, pure, min((e.g for e in entries), default=inf), late, alone=alone)

    def accumulated(self, terms: Terms, most: Any) -> Terms:
        """The sum of one operation, section 9."""
        if not self.is_narrow or terms.count <= 1:
            return terms
        return terms._replace(count=most + 1 + (terms.N - 1) * self.w, number=terms.N)


def together(parts: list[Terms]) -> Terms:
    """Sums added up to one."""
    columns = list(zip(*parts, strict=True)) or [()] * 8
    count, size, rounded, error, faint = (sum(column, mpf(0)) for column in columns[:5])
    return Terms(
        count, size, rounded, error, faint, max(columns[5], default=0), sum(columns[6]), sum(t.N for t in parts)
    )
