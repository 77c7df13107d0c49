"""The bound of an array, and the one rule of rounded sums: however many terms, in whatever order, fused or not.

Additions that feed only additions are bounded together, as one sum of all their terms: a bias may be fused into a
product, a residual into an accumulation. So a bound remembers the terms that its array is the sum of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
    count : ndarray
        How many terms there are that may differ from 0.
    size : ndarray
        The sum of what their absolute values can be.
    rounded : ndarray
        The same sum, each term times the number of roundings that it has had beyond its own error.
    error : ndarray
        The sum of their own errors.
    faint : ndarray
        What underflow may add, apart from that of partial sums.
    depth : float
        The largest number of such roundings.
    """

    count: Any
    size: Any
    rounded: Any
    error: Any
    faint: Any
    depth: float

    def changed(self, change: Any, *remainder: Terms) -> Terms:
        """The terms with `change` applied to each array, together with those of others."""
        whole = (self, *remainder)
        count, size, rounds, error, faint = (change(*(terms[n] for terms in whole)) for n in range(5))
        return Terms(count, size, rounds, error, faint, max(t.depth for t in whole))


@dataclass(frozen=True, eq=False)
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
    """

    E: Array
    pure: NDArray[np.bool_]
    grid: Exponents
    terms: Terms | None = None

    def restructured(self, change: Any, *remainder: Bound) -> Bound:
        """The bound of arrays whose entries are arranged anew by `change` (as in the exact arithmetics).

        `change` may fill in zeros, which are exact and on every grid.
        """
        bounds = (self, *remainder)
        E = change(*(b.E for b in bounds))
        pure = ~change(*(~b.pure for b in bounds))
        grid = change(*(b.grid - FINEST for b in bounds)) + FINEST
        terms = None
        if all(b.terms is not None for b in bounds):
            first, *rest = (b.terms for b in bounds if b.terms is not None)
            terms = first.changed(change, *rest)
        return Bound(E, pure, grid, terms)

    def where(self, known: NDArray[np.bool_]) -> Bound:
        """The bound where the exact value is known; infinite elsewhere."""
        if known.all():
            return self
        return Bound(np.where(known, self.E, np.inf), self.pure & known, np.where(known, self.grid, -FINEST))


def exact(fp: Arithmetic, v: Array) -> Bound:
    """The bound of an input: none but that it may be flushed to zero where it is subnormal."""
    return Bound(fp.subnormal(np.abs(v)), np.ones(v.shape, dtype=bool), lowest_bits(v))


def rounded(E: Array) -> Bound:
    """A bound of which nothing more is known."""
    E = or_infinite(np.asarray(E, dtype=np.float64))
    return Bound(E, np.zeros(E.shape, dtype=bool), np.full(E.shape, -FINEST))


def terms_of(bound: Bound, v: Array) -> Terms:
    """The terms of an array that is added: its own, if it is a sum itself, or the array."""
    if bound.terms is not None:
        return bound.terms
    reach = np.abs(v) + bound.E
    nothing = np.zeros_like(reach)
    return Terms((reach != 0).astype(np.float64), reach, nothing, bound.E, nothing, 0.0)


def together(single: Terms, other: Terms) -> Terms:
    """The terms of a sum of two sums."""
    return single.changed(np.add, other)


def summed(fp: Arithmetic, terms: Terms, pure: NDArray[np.bool_], grid: Exponents) -> Bound:
    """The bound of a sum of terms (ROUNDING.md: the sum).

    Parameters
    ----------
    fp : Arithmetic
        The dtype's.
    terms : Terms
        What is added.
    pure, grid : ndarray
        Where no term was rounded itself, and the finest of their grids: where it and the size of the sum leave no
        more digits than the dtype has, no partial sum is rounded. Nor is a term alone that is scaled by a power of
        two, unless the result is subnormal.
    """
    with np.errstate(all="ignore"):
        additions = np.maximum(terms.count - 1, 0)
        amount = np.where(additions > 0, additions * terms.size, 0.0) + terms.rounded
        low, high = fp.exponents
        faint = terms.faint + np.where(pure & (grid >= low), 0.0, additions * fp.eta)
        E = fp.u * amount / np.maximum(1 - (additions + terms.depth) * fp.u, 0) + terms.error + faint
        limit = np.ldexp(1.0, np.clip(grid + fp.precision, low, high))
        normal = (grid >= low) | (terms.faint == 0) | (terms.count <= 1) & (terms.error == 0) & (terms.size >= fp.eta)
        unrounded = pure & (grid >= low) & (terms.size * OF_OVERFLOW <= limit) | pure & (amount == 0) & normal
        E = fp.unless_overflow(or_infinite(np.where(unrounded, terms.error, E) * OF_EVALUATION), terms.size)
    return Bound(E, unrounded, np.asarray(grid), terms)
