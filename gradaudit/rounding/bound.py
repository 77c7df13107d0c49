"""The bound of an array, and the one rule of rounded sums: however many terms, in whatever order, fused or not.

Additions that feed only additions are bounded together, as one sum of all their terms, since a program may add them in
any order. Two things close a sum: a matrix product, which takes nothing but its bias into its accumulation, and a
scaling. What is closed counts as few terms in the next sum: a product or a reduction as one, and of a scaled x + y
(c x + c y, too) each addend. ROUNDING.md, in this folder, says why.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.entries import entrywise, every, highest, lowest, repeated, some
from gradaudit.rounding.arithmetic import (
    NO_BIT,
    OF_EVALUATION,
    OF_OVERFLOW,
    Arithmetic,
    Array,
    lowest_bits,
    or_infinite,
)

Exponents = NDArray[np.int64]
#: The exponent of the grid of zeros: every power of two divides them.
FINEST = NO_BIT


class Terms(NamedTuple):
    """What an array is the sum of, entry by entry.

    Attributes
    ----------
    count : ndarray, or float
        How many terms there are that may differ from 0; of any shape that is repeated to the array's. Of what is
        accumulated in a wider dtype as many as would be rounded as much by additions in the dtype itself.
    size : ndarray
        The sum of what their absolute values can be.
    rounded : ndarray, or 0.0
        The same sum, each term times the number of roundings that it has had beyond its own error.
    error : ndarray
        The sum of their own errors.
    faint : ndarray, or 0.0
        What underflow may add, apart from that of partial sums.
    depth : float
        The largest number of such roundings.
    groups : float
        How many addends there are, a reduction counted as one: as many terms are there where a scaling is distributed.
    more : ndarray, or 0.0
        How many terms there are beyond `count`.
    """

    count: Any
    size: Any
    rounded: Any
    error: Any
    faint: Any
    depth: float
    groups: float = 1.0
    more: Any = 0.0

    @property
    def number(self) -> Any:
        """How many terms there are."""
        return self.count + self.more

    def changed(self, change: Any, *remainder: Terms) -> Terms:
        """The terms with `change` applied to each array, with those of others; what is 0 everywhere stays 0.0."""
        whole = (self, *remainder)
        parts: list[Any] = []
        for n in (*range(5), 7):
            arrays = [terms[n] for terms in whole]
            nothing = all(type(x) is float and x == 0 for x in arrays)
            full = (_repeated(x, t.size.shape) for x, t in zip(arrays, whole, strict=True))
            parts.append(0.0 if nothing else change(*full))
        count, size, rounds, error, faint, more = parts
        depth, groups = max(t.depth for t in whole), max(t.groups for t in whole)
        return Terms(count, size, rounds, error, faint, depth, groups, more)

    def reduced(self, change: Any) -> Terms:
        """The terms of a reduction, which `change` adds up array by array."""
        return self.changed(change)._replace(groups=1.0)

    def total(self, change: Any, entries: int) -> Terms:
        """The terms of sums of so many entries, as `change` adds them up; what is one number remains one."""
        full = self.size.shape
        parts = [x * entries if isinstance(x, float) else change(_repeated(x, full)) for x in self[:5]]
        count, size, rounds, error, faint = parts
        return Terms(count, size, rounds, error, faint, self.depth)

    def accumulated(self, fp: Arithmetic, change: Any, largest: Any) -> Terms:
        """The same of a reduction that one operation accumulates, rounded once (ROUNDING.md, section 9).

        `largest` is to the largest count of a term what `change` is to their sum.
        """
        terms = self.reduced(change)
        if not fp.is_narrow:
            return terms
        most = np.maximum(largest(_repeated(self.count, self.size.shape)), self.groups)
        count = np.where(terms.count > 1, most + 1 + (terms.number - 1) * fp.part, terms.count)
        return terms._replace(count=count, more=terms.number - count)


def _repeated(x: Any, shape: tuple[int, ...]) -> Any:
    if type(x) is float:
        return np.ndarray(shape, np.float64, np.array(x), 0, (0,) * len(shape))
    return x if x.shape == shape else np.broadcast_to(x, shape)


class Bound:
    """How far a computed array may be from the exact one.

    Attributes
    ----------
    E : ndarray
        The bound of each entry's error; infinite where nothing can be said.
    pure : ndarray, bool
        Where nothing was rounded: the error, if any, is that of flushed inputs alone.
    grid : ndarray, int64
        Where pure, the exponent of a power of two that divides every value that a program may have there.
    terms : Terms or None
        What the array is the sum of, if it is a sum.
    late : float
        How much larger a program's array may be that applies a scaling (1/N) only later: what may overflow.
    closed : bool, or ndarray
        Whether a sum that it is added to takes it as a whole; a scaling may still be applied to its terms. Of entries
        that were put together it may be so for some.
    rough : bool
        Whether it is known to be pure nowhere.
    """

    __slots__ = ("E", "_grid", "_pure", "closed", "late", "terms")

    def __init__(
        self,
        E: Array,
        pure: NDArray[np.bool_] | None = None,
        grid: Exponents | Callable[[], Exponents] | None = None,
        terms: Terms | None = None,
        late: float = 1.0,
        closed: Any = False,
    ) -> None:
        self.E, self.terms, self.late, self.closed, self._grid = E, terms, late, closed, grid
        self._pure = pure if pure is not None and some(pure) else None

    @property
    def rough(self) -> bool:
        return self._pure is None

    @property
    def pure(self) -> NDArray[np.bool_]:
        return _nowhere(self.E.shape) if self._pure is None else self._pure

    @property
    def grid(self) -> Exponents:
        if self._pure is None or self._grid is None:
            return np.full(self.E.shape, -FINEST)
        if callable(self._grid):
            self._grid = self._grid()
        return self._grid

    def restructured(self, change: Any, *remainder: Bound) -> Bound:
        """The bound of arrays whose entries are arranged anew by `change` (as in the exact arithmetics).

        `change` may fill in zeros, which are exact and on every grid.
        """
        if not remainder and self.terms is None:
            return self._alone(change)
        bounds = (self, *remainder)
        E = change(*(b.E for b in bounds))
        pure, grid, terms = None, None, None
        if not all(b.rough for b in bounds):
            pure = entrywise(np.logical_not, change(*(entrywise(np.logical_not, b.pure) for b in bounds)))

            def grid() -> Exponents:
                return np.asarray(change(*(b.grid - FINEST for b in bounds)) + FINEST)

        if all(b.terms is not None for b in bounds):
            first, *rest = (b.terms for b in bounds if b.terms is not None)
            terms = first.changed(change, *rest)
        closed = self.closed
        if isinstance(closed, np.ndarray) or any(b.closed is not closed for b in remainder):
            closed = change(*(np.broadcast_to(b.closed, b.E.shape) for b in bounds))
        return Bound(E, pure, grid, terms, max(b.late for b in bounds), closed)

    def _alone(self, change: Any) -> Bound:
        """The bound of what is no sum."""
        if self._pure is None:
            return Bound(change(self.E), late=self.late)
        pure = entrywise(np.logical_not, change(entrywise(np.logical_not, self._pure)))
        return Bound(change(self.E), pure, lambda: change(self.grid - FINEST) + FINEST, None, self.late)

    def where(self, known: NDArray[np.bool_]) -> Bound:
        """The bound where the exact value is known; infinite elsewhere. What is a sum remains one."""
        if every(known):
            return self
        E, terms = np.where(known, self.E, np.inf), self.terms
        if terms is not None:
            size, error = (np.where(known, t, np.inf) for t in (terms.size, terms.error))
            terms = terms._replace(size=size, error=error)
        pure = None if self.rough else self.pure & known
        return Bound(E, pure, lambda: np.where(known, self.grid, -FINEST), terms, self.late, self.closed)

    def opened(self, terms: Terms) -> Bound:
        """The same bound of a sum; of these terms, if none are known."""
        return self if self.terms is not None else Bound(self.E, self._pure, self._grid, terms, self.late)


def exact(fp: Arithmetic, v: Array) -> Bound:
    """The bound of an input: none but that it may be flushed to zero where it is subnormal."""
    return Bound(fp.subnormal(np.abs(v)), _everywhere(v.shape), lambda: lowest_bits(v))


@lru_cache(maxsize=256)
def _everywhere(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    return repeated(np.array(True), shape)


@lru_cache(maxsize=256)
def _nowhere(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    return repeated(np.array(False), shape)


def rounded(E: Array, late: float = 1.0) -> Bound:
    """A bound of which nothing more is known."""
    return Bound(or_infinite(np.asarray(E, dtype=np.float64)), late=late)


def terms_of(x: Any, closed: Any = False) -> Terms:
    """The terms of an operand that is added: its own, if it is a sum itself and not closed, or the operand."""
    own: Terms | None = x.bound.terms
    closed = closed or x.bound.closed
    if own is not None and closed is False:
        return own
    groups = own.groups if own is not None else 1.0
    reach = x.reach
    count = groups if every(reach) else (reach != 0) * groups
    whole = Terms(count, reach, 0.0, x.E, 0.0, 0.0, groups)
    return whole if own is None or closed is True else own.changed(lambda x, y: np.where(closed, y, x), whole)


def together(single: Terms, other: Terms) -> Terms:
    """The terms of a sum of two sums."""
    count, size, rounds = single.count + other.count, single.size + other.size, single.rounded + other.rounded
    error, faint = single.error + other.error, single.faint + other.faint
    depth, groups, more = max(single.depth, other.depth), single.groups + other.groups, single.more + other.more
    return Terms(count, size, rounds, error, faint, depth, groups, more)


def summed(
    fp: Arithmetic,
    terms: Terms,
    pure: NDArray[np.bool_] | None = None,
    grid: Any = None,
    late: float = 1.0,
    closed: bool = False,
    v: Any = None,
) -> Bound:
    """The bound of a sum of terms (ROUNDING.md, 1 to 3).

    Parameters
    ----------
    fp : Arithmetic
        The dtype's.
    terms : Terms
        What is added.
    pure, grid : ndarray, optional
        Where no term was rounded itself (nowhere, if not given), and the finest of their grids, or what computes it:
        where it and the size of the sum leave no more digits than the dtype has, no partial sum is rounded. Nor is a
        term alone that is scaled by a power of two, unless the result is subnormal.
    late : float
        How much larger the sum may be in a program that applies a scaling later.
    closed : bool
        Whether a sum that this one is added to takes it as a whole.
    v : ndarray, optional
        The sum, if one operation accumulates it in a wider dtype: its partial sums may be as large as that allows.
    """
    count, size, error, unrounded, fine = terms.count, terms.size, terms.error, None, None
    additions = max(count - 1, 0.0) if isinstance(count, float) else np.maximum(count - 1, 0.0)
    amount = terms.rounded if type(additions) is float and additions == 0 else additions * size + terms.rounded
    faint = terms.faint + (additions + terms.more) * fp.eta
    if pure is not None and some(pure):
        low, high = fp.exponents
        fine = grid() if callable(grid) else np.asarray(grid)
        on_grid = pure & (fine >= low)
        faint = np.where(on_grid, terms.faint, faint)
        limit = np.ldexp(1.0, np.minimum(np.maximum(fine + fp.precision, low), high))
        unrounded = on_grid & (size * OF_OVERFLOW <= limit)
        free = pure & (amount == 0)
        if some(free):
            single = (error == 0) & (size >= fp.normal)
            unrounded = unrounded | free & (on_grid | (terms.faint == 0) | single)
    E = fp.unit(additions + terms.depth) * amount
    full = np.shape(E)
    if full and full == np.shape(error) and np.shape(faint) in (full, ()):
        E += error
        E += faint
    else:
        E = E + error + faint
    if unrounded is not None and some(unrounded):
        E = np.where(unrounded, error, E)
    E = np.multiply(E, OF_EVALUATION, out=E) if np.shape(E) else E * OF_EVALUATION
    largest = OF_OVERFLOW * late
    if not (highest(size) * largest <= fp.omega and lowest(E) >= 0):
        fits = size * largest <= fp.omega
        if v is not None:
            fits = fits | (size * largest <= fp.widest) & ((np.abs(v) + E) * largest <= fp.omega)
        if fp.is_narrow:  # the size of a larger sum need not tell
            terms = terms._replace(error=np.where(fits, error, np.inf))
        E = np.where(fits & (E >= 0), E, np.inf)
    return Bound(E, unrounded, fine, terms, late, closed)
