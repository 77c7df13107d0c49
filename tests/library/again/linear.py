"""Sums, products, quotients and powers (ROUNDING.md, 2)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from mpmath import fdot, fsum, inf, isinf, mpf

from tests.library.again.entry import (
    MARGIN,
    ZERO,
    Again,
    Entry,
    Machine,
    Terms,
    dot,
    lowest_bit,
    objects,
    power_of_two,
    times,
    together,
)

Shape = tuple[int, ...]


def each(x: Again, *others: Again) -> list[tuple[Entry, ...]]:
    """The entries of arrays of one shape side by side."""
    return list(zip(*(a.entries.ravel().tolist() for a in (x, *others)), strict=True))


def add(m: Machine, x: Again, y: Again) -> Again:
    late = x.late if x.late == y.late else mpf(1)
    return Again(objects([m.added(a.x + b.x, [a, b], late) for a, b in each(x, y)], x.shape), late)


def negative(m: Machine, x: Again) -> Again:  # noqa: ARG001
    return Again(objects([negated(a) for (a,) in each(x)], x.shape), x.late)


def negated(a: Entry) -> Entry:
    return Entry(-a.x, a.E, a.terms, a.closed, a.pure, a.g)


def subtract(m: Machine, x: Again, y: Again) -> Again:
    return add(m, x, negative(m, y))


def reduced(m: Machine, x: Again, groups: list[list[Entry]], shape: Shape, in_one: bool = True) -> Again:
    """Sums of groups of entries of an array."""
    whole = x.entries.ravel().tolist()
    return Again(objects([m.reduced(group, whole, x.late, in_one) for group in groups], shape), x.late)


def sum_(m: Machine, x: Again, axis: int | tuple[int, ...]) -> Again:
    """Of several axes one after the other."""
    if not isinstance(axis, int):
        for a in reversed(axis):
            x = sum_(m, x, a)
        return x
    moved = np.moveaxis(x.entries, axis, -1)
    return reduced(m, x, [list(row) for row in rows_of(moved)], moved.shape[:-1])


def rows_of(entries: Any) -> Any:
    """The rows along the last axis."""
    return entries.reshape(math.prod(entries.shape[:-1]), entries.shape[-1])


def cumulative_sum(m: Machine, x: Again, axis: int) -> Again:
    moved = np.moveaxis(x.entries, axis, -1)
    groups = [list(row[: i + 1]) for row in rows_of(moved) for i in range(row.size)]
    result = reduced(m, x, groups, moved.shape)
    return Again(np.moveaxis(result.entries, -1, axis), x.late)


def scatter(m: Machine, x: Again, index: Any, into: Shape) -> Again:
    groups: list[list[Entry]] = [[] for _ in range(math.prod(into))]
    for (a,), place in zip(each(x), np.asarray(index).ravel().tolist(), strict=True):
        if place >= 0:
            groups[place].append(a)
    return reduced(m, x, groups, into, False)


# --- products --------------------------------------------------------------------------------------------------------


def multiply(m: Machine, x: Again, y: Again) -> Again:
    """A sum times what is known is scaled; all else is a product."""
    late = x.late * y.late
    for c, other in ((x, y), (y, x)):
        if known(m, c):
            late = other.late * max(1, 1 / common(c))
            if is_sum(other):
                return scaled(m, other, c, late)
    return Again(objects([product(m, a, b, late) for a, b in each(x, y)], x.shape), late)


def is_sum(x: Again) -> bool:
    return any(a.terms is not None for (a,) in each(x))


def known(m: Machine, x: Again) -> bool:
    """Whether nothing was computed of an array's entries: they are inputs, constants, or chosen from such."""
    return not is_sum(x) and all(a.pure or m.u * abs(a.x) >= a.E for (a,) in each(x))


def common(c: Again) -> Any:
    """The number that all entries are in absolute value; 1 where they differ, or are 0."""
    sizes = {abs(a.x) for (a,) in each(c)}
    return sizes.pop() if len(sizes) == 1 and 0 not in sizes else mpf(1)


def product(m: Machine, a: Entry, b: Entry, late: Any) -> Entry:
    x = a.x * b.x
    if (isinf(a.E) and not b.is_zero) or (isinf(b.E) and not a.is_zero) or inf in (a.E, b.E):
        return Entry(x, inf)
    size = a.r * b.r
    exactly = any(e.is_exact and power_of_two(e.x) for e in (a, b))
    error = abs(a.x) * b.E + abs(b.x) * a.E + a.E * b.E
    normal = (abs(a.x) - a.E) * (abs(b.x) - b.E) >= m.normal * MARGIN and abs(a.x) > a.E
    terms = Terms(int(size > 0), size, mpf(0) if exactly else size, error, mpf(0) if normal or size == 0 else m.eta, 1)
    return m.sum(x, terms, a.pure and b.pure, times(a.g, b.g), late, closed=True)


def scaled(m: Machine, x: Again, c: Again, late: Any) -> Again:
    """A sum times what is known."""
    entries = []
    for a, b in each(x, c):
        terms, factor = a.terms or a.as_terms, abs(b.x)
        if isinf(a.E) or isinf(b.E):
            entries.append(Entry(a.x * b.x, inf))
            continue
        k = 0 if b.is_exact and power_of_two(b.x) else 1
        more = max(terms.N - 1, 0)
        new = Terms(
            terms.count if b.r else 0,
            factor * terms.size,
            factor * (terms.rounded + k * terms.size),
            factor * terms.error + b.E * (terms.size + terms.error),
            (factor * (terms.faint + more * m.eta) + terms.N * m.eta) * (b.r > 0),
            terms.depth + 1,
            terms.addends,
            terms.N if b.r else 0,
        )
        v = a.x * b.x
        alone = v if terms.addends == 1 else None
        entries.append(m.sum(v, new, a.pure and b.pure, times(a.g, b.g), late, closed=True, alone=alone))
    return Again(objects(entries, x.shape), late)


def divide(m: Machine, x: Again, y: Again) -> Again:
    if all(b.is_exact and power_of_two(b.x) and not reciprocal_fails(m, b) for (b,) in each(y)) and any(
        a.pure for (a,) in each(x)
    ):
        return multiply(m, x, Again(objects([m.given(1 / b.x) for (b,) in each(y)], y.shape), y.late))
    late = x.late * (max(1, common(y)) if known(m, y) else 1)
    if is_sum(x) and known(m, y):
        return divided(m, x, y, late)
    return Again(objects([quotient(m, a, b, late) for a, b in each(x, y)], x.shape), late)


def reciprocal_fails(m: Machine, b: Entry) -> bool:
    """Whether the reciprocal may be subnormal or overflow, or there is none."""
    if isinf(b.E) or abs(b.x) <= b.E:
        return True
    return bool(1 / b.r < m.normal or m.overflows(1 / (abs(b.x) - b.E)))


def quotient(m: Machine, a: Entry, b: Entry, late: Any) -> Entry:
    if b.x == 0 or reciprocal_fails(m, b) or isinf(a.E):
        return Entry(a.x / b.x if b.x else mpf(0), inf)
    if a.is_zero:
        return Entry(mpf(0), mpf(0))
    q = abs(a.x / b.x)
    moved = (a.E + q * b.E) / (abs(b.x) - b.E)
    exactly = b.is_exact and power_of_two(b.x)
    faint = mpf(0) if exactly and q - moved >= m.normal * MARGIN else m.eta
    E = moved + (0 if exactly else m.gamma(2) * (q + moved)) + faint
    return Entry(a.x / b.x, inf) if m.overflows(late * (q + E)) else m.entry(a.x / b.x, E)


def divided(m: Machine, x: Again, c: Again, late: Any) -> Again:
    """A sum divided by what is known."""
    entries = []
    for a, b in each(x, c):
        if b.x == 0 or reciprocal_fails(m, b) or isinf(a.E):
            entries.append(Entry(a.x / b.x if b.x else mpf(0), inf))
            continue
        terms = a.terms or a.as_terms
        factor, k = 1 / (abs(b.x) - b.E), 0 if b.is_exact and power_of_two(b.x) else 2
        more = max(terms.N - 1, 0)
        size = factor * terms.size
        new = Terms(
            terms.count,
            size,
            factor * terms.rounded + k * size,
            factor * terms.error + b.E * factor * factor * (terms.size + terms.error),
            factor * (terms.faint + more * m.eta) + 2 * terms.N * m.eta,
            terms.depth + 2,
            terms.addends,
            terms.N,
        )
        v = a.x / b.x
        entries.append(m.sum(v, new, False, inf, late, closed=True, alone=v if terms.addends == 1 else None))
    return Again(objects(entries, x.shape), late)


def matmul(m: Machine, x: Again, y: Again, bias: Again | None = None) -> Again:
    """Shapes (..., n, k) and (..., k, m), and a bias that is repeated to their product."""
    shape = (*x.shape[:-1], y.shape[-1])
    late = x.late * y.late
    together_late = late if not bias or late == bias.late else mpf(1)
    result = np.empty(shape, dtype=object)
    biases: Any = np.broadcast_to(bias.entries, shape) if bias else np.full(shape, None)
    for place in np.ndindex(shape):
        left = list(x.entries[(*place[:-2], place[-2])])
        right = list(y.entries[(*place[:-2], slice(None), place[-1])])
        entry = product_of(m, left, right, biases[place], together_late)
        alone = late * dot([a.r for a in left], [b.r for b in right])
        fails = alone * MARGIN > m.widest
        if m.is_narrow and biases[place]:
            fails = fails or m.overflows(late * (abs(entry.x) + biases[place].r + entry.E))
        result[place] = Entry(entry.x, inf) if fails else entry
    return Again(result, together_late)


def product_of(m: Machine, left: list[Entry], right: list[Entry], bias: Entry | None, late: Any) -> Entry:
    more = [bias] if bias else []
    x = fsum([fdot([a.x for a in left], [b.x for b in right]), *(b.x for b in more)])
    if any(isinf(e.E) for e in (*left, *right, *more)):
        return Entry(x, inf)
    pairs = [(a, b) for a, b in zip(left, right, strict=True) if a.r * b.r != 0]
    size = dot([a.r for a, _ in pairs], [b.r for _, b in pairs])
    error = sum((a.r * b.E + a.E * abs(b.x) for a, b in pairs), mpf(0))
    nz = len(pairs)
    count = 1 + nz * m.w if m.is_narrow and nz else nz
    terms = Terms(count, size, size, error, nz * m.eta, 1, 1, nz)
    for b in more:
        whole = replace(b, closed=True).as_terms
        terms = together([terms, whole])
    pure = all(e.pure for e in (*left, *right, *more))
    finest = [min((own_bit(e) for e in side), default=inf) for side in (left, right)]
    g = min([times(*finest), *(b.g for b in more)])
    return m.sum(x, terms, pure, g, late, closed=True, alone=abs(x) + sum(b.r for b in more))


def own_bit(a: Entry) -> Any:
    """The grid of an operand: its own lowest bit where every program has its value."""
    return lowest_bit(a.x) if a.pure and a.is_exact else a.g


def affine(m: Machine, x: Again, y: Again, b: Again) -> Again:
    return matmul(m, x, y, b)


def sum_of_squares(m: Machine, x: Again) -> Again:
    entries = [a for (a,) in each(x)]
    exact = fsum(a.x**2 for a in entries)
    if any(isinf(a.E) for a in entries):
        return Again(objects([Entry(exact, inf)], ()))
    size = dot([a.r for a in entries], [a.r for a in entries])
    nz = sum(a.r > 0 for a in entries)
    error = dot([a.E for a in entries], [abs(a.x) + a.r for a in entries])
    terms = m.accumulated(Terms(nz, size, 5 * size, error, 2 * nz * m.eta, 5), 1)
    return Again(objects([m.sum(exact, terms, False, inf, mpf(1))], ()))


# --- powers ----------------------------------------------------------------------------------------------------------


def furthest(a: Entry, n: int) -> Any:
    """The largest (n < 0: the smallest) that |x^| may be."""
    return a.r if n >= 0 else max(abs(a.x) - a.E, mpf(0))


def integer_power(m: Machine, x: Again, exponent: int) -> Again:
    if exponent == 1:
        return x
    return Again(objects([power(m, a, exponent) for (a,) in each(x)], x.shape))


def power(m: Machine, a: Entry, n: int) -> Entry:
    x = a.x**n if n >= 0 or a.x != 0 else mpf(0)
    reach = furthest(a, n)
    if isinf(a.E) or (n < 0 and reach**-n < m.normal):
        return Entry(x, inf)
    if n == 0 or (n > 0 and a.is_zero):
        return Entry(x, mpf(0))
    moved = abs(n) * times(a.E, reach ** (n - 1) if n else 0)
    steps = abs(n) - (n > 0) + 6 * m.w if m.is_narrow else abs(n) + 3
    return m.entry(x, moved + m.gamma(steps) * (abs(x) + moved) + abs(n) * lost(m, n))


def lost(m: Machine, n: int) -> Any:
    """What a power may lose: as a reciprocal it is 0 where its divisor overflows."""
    return m.eta if n > 0 else max(m.eta, 1 / m.omega)


def power_gradient(m: Machine, x: Again, g: Again, exponent: int) -> Again:
    """Its derivative ``n x^(n-1) g``, where g may be one number."""
    late = g.late
    repeated = Again(np.broadcast_to(g.entries, x.shape), g.late)
    return Again(objects([slope(m, a, b, exponent, late) for a, b in each(x, repeated)], x.shape), late)


def slope(m: Machine, a: Entry, b: Entry, n: int, late: Any) -> Entry:
    x = n * a.x ** (n - 1) * b.x if n > 0 or a.x != 0 else mpf(0)
    reach = furthest(a, n)
    if inf in (a.E, b.E) or (n < 0 and reach ** (1 - n) < m.normal):
        return Entry(x, inf)
    error = abs(n) * (reach ** (n - 1) * b.E + abs(n - 1) * times(a.E, reach ** (n - 2)) * abs(b.x))
    size, count = abs(x) + error, n if n > 0 else 1
    if m.overflows(abs(n) * reach ** (n - 1), abs(n) * b.r * late):
        return Entry(x, inf)
    k = abs(n) + 2
    if (n > 0 and a.is_zero) or b.is_zero:
        return Entry(x, mpf(0), ZERO._replace(depth=k, addends=count))
    near = furthest(a, -1) ** (n - 1) if n > 0 else a.r ** (n - 1)
    faint = (1 if n > 0 else -n) * lost(m, n)
    faint += abs(n * (n - 1)) * lost(m, n) * b.r if n != 2 and near < m.normal * MARGIN else 0
    return m.sum(x, Terms(count, size, k * size, error, faint, k, count), False, inf, late)
