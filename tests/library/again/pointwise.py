"""Choices and arrangements (ROUNDING.md, 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from mpmath import inf, isinf, mpf

from tests.library.again.entry import Again, Entry, Machine, objects
from tests.library.again.linear import each, negative

# --- choices ---------------------------------------------------------------------------------------------------------


class Choice(NamedTuple):
    """An entry of a mask: what it is exactly, and whether it is certain."""

    x: bool
    certain: bool


def comparison(holds: Callable[[Any], bool]) -> Callable[..., Again]:
    """The rule of a comparison, given by the difference."""

    def entry(m: Machine, a: Entry, b: Entry) -> Choice:
        apart = a.x - b.x
        exact = a.is_exact and b.is_exact
        certain = abs(apart) > a.E + b.E or (exact and (apart != 0 or m.strict))
        return Choice(holds(apart), bool(certain))

    return lambda m, x, y: Again(objects([entry(m, a, b) for a, b in each(x, y)], x.shape))


def opposite(m: Machine, mask: Again) -> Again:  # noqa: ARG001
    return Again(objects([Choice(not a.x, a.certain) for a in mask.entries.ravel()], mask.shape))


def both(m: Machine, mask: Again, other: Again) -> Again:  # noqa: ARG001
    """Of two masks, one that is certainly false decides."""

    def entry(a: Choice, b: Choice) -> Choice:
        false = any(c.certain and not c.x for c in (a, b))
        return Choice(a.x and b.x, false or (a.certain and b.certain))

    return Again(objects([entry(a, b) for a, b in each(mask, other)], mask.shape))  # type: ignore[arg-type]


def where(m: Machine, mask: Again, x: Again, y: Again) -> Again:
    def entry(c: Choice, a: Entry, b: Entry) -> Entry:
        chosen = a if c.x else b
        if c.certain:
            return replace(chosen, terms=None, closed=False)
        return m.entry(chosen.x, max(abs(e.x - chosen.x) + e.E for e in (a, b)))

    entries = [entry(c, a, b) for c, a, b in each(mask, x, y)]  # type: ignore[arg-type]
    return Again(objects(entries, x.shape), max(x.late, y.late))


def masked(m: Machine, mask: Again, x: Again) -> Again:
    """A choice between x and 0; as a product of a mask with what may be infinite it is not known."""
    zero = m.given(mpf(0))
    chosen = where(m, mask, x, Again(objects([zero] * x.entries.size, x.shape)))
    entries = [Entry(e.x, inf) if isinf(a.E) else e for e, a in each(chosen, x)]
    return Again(objects(entries, x.shape), x.late)


def subnormal(m: Machine, a: Entry) -> Any:
    """Eta where an operand may be subnormal, and yet be returned as it is."""
    return m.eta if a.E > 0 and abs(a.x) - a.E < m.normal else mpf(0)


def maximum(m: Machine, x: Again, y: Again) -> Again:
    def entry(a: Entry, b: Entry) -> Entry:
        largest = max(a.x, b.x)
        if abs(a.x - b.x) > a.E + b.E:
            return replace(a if a.x > b.x else b, terms=None, closed=False)
        E = max(e.E + subnormal(m, e) for e in (a, b))
        return Entry(largest, E, pure=a.pure and b.pure, g=min(a.g, b.g))

    return Again(objects([entry(a, b) for a, b in each(x, y)], x.shape))


def absolute(m: Machine, x: Again) -> Again:
    """The maximum of x and -x."""
    return maximum(m, x, negative(m, x))


def candidates(row: list[Entry]) -> list[int]:
    """Which entries may be the largest."""
    certain = max(e.x - e.E for e in row)
    return [i for i, e in enumerate(row) if e.x + e.E >= certain]


def largest(m: Machine, x: Again, axis: int) -> Again:
    moved = np.moveaxis(x.entries, axis, -1)
    result = np.empty(moved.shape[:-1], dtype=object)
    for place in np.ndindex(result.shape):
        row = list(moved[place])
        among = [row[i] for i in candidates(row)]
        E = max(e.E + (subnormal(m, e) if len(among) > 1 else 0) for e in among)
        result[place] = Entry(max(e.x for e in row), E, pure=all(e.pure for e in row), g=min(e.g for e in row))
    return Again(result)


def is_largest(m: Machine, x: Again, axis: int) -> Again:
    """The first of the largest."""
    moved = np.moveaxis(x.entries, axis, -1)
    result = np.empty(moved.shape, dtype=object)
    for place in np.ndindex(moved.shape[:-1]):
        row = list(moved[place])
        among = candidates(row)
        first = [e.x for e in row].index(max(e.x for e in row))
        alone = len(among) == 1 or (m.strict and all(row[i].is_exact for i in among))
        for i in range(len(row)):
            result[(*place, i)] = Choice(i == first, i not in among or alone)
    return Again(np.moveaxis(result, -1, axis))


# --- arrangements ----------------------------------------------------------------------------------------------------


def arranged(change: Callable[..., Any]) -> Callable[..., Again]:
    def rule(m: Machine, x: Again, **parameters: Any) -> Again:  # noqa: ARG001
        return Again(change(x.entries, **parameters), x.late)

    return rule


def gather(m: Machine, x: Again, index: Any) -> Again:
    """-1 stands for 0."""
    flat = x.entries.ravel()
    zero = replace(m.given(mpf(0)), pure=any(a.pure for a in flat))
    index = np.asarray(index)
    entries = [flat[i] if i >= 0 else zero for i in index.ravel().tolist()]
    return Again(objects(entries, index.shape), x.late)


def concatenate(m: Machine, *xs: Again, axis: int) -> Again:  # noqa: ARG001
    """If one of them is a sum, each is taken as what it adds to another one."""
    parts = [x.entries for x in xs]
    if any(e.terms is not None for part in parts for e in part.ravel()):
        parts = [objects([replace(e, terms=e.as_terms, closed=False) for e in p.ravel()], p.shape) for p in parts]
    return Again(np.concatenate(parts, axis=axis), max(x.late for x in xs))
