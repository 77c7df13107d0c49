"""Entries in their order (ROUNDING.md, 5, "Order")."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mpmath import inf, isinf

from tests.library.again.entry import Again, Entry, Machine, objects
from tests.library.again.linear import rows_of
from tests.library.again.pointwise import Choice, subnormal


def is_ranked(m: Machine, x: Again) -> Again:  # noqa: ARG001
    """Entry (..., k, i): whether entry i is the k-th, of equal ones the first at first."""
    entries: list[Choice] = []
    for row in rows_of(x.entries):
        n = len(row)
        order = sorted(range(n), key=lambda i: row[i].x)
        below = [sum(bool(f.x + f.E < e.x - e.E) for f in row) for e in row]
        above = [sum(bool(f.x - f.E > e.x + e.E) for f in row) for e in row]
        for k in range(n):
            for i in range(n):
                possible = below[i] <= k <= n - 1 - above[i]
                entries.append(Choice(order[k] == i, not possible or below[i] == n - 1 - above[i]))
    return Again(objects(entries, (*x.shape, x.shape[-1])))


def permuted(m: Machine, mask: Again, g: Again, inverse: bool) -> Again:
    """The entries of g in the order of a mask, or back; a choice wherever some order is open."""
    table: Any = mask.entries.swapaxes(-1, -2) if inverse else mask.entries
    is_open = not all(c.certain for c in table.ravel())
    rows = table.reshape(-1, *table.shape[-2:])
    entries: list[Entry] = []
    for choices, row in zip(rows, rows_of(g.entries), strict=True):
        for line in choices:
            chosen = row[[c.x for c in line].index(True)]
            if is_open:
                among = [e for c, e in zip(line, row, strict=True) if c.x or not c.certain]
                E = inf if any(isinf(e.E) for e in among) else max(abs(e.x - chosen.x) + e.E for e in among)
                chosen = Entry(chosen.x, E * m.of_evaluation)
            entries.append(replace(chosen))
    return Again(objects(entries, g.shape), 1 if is_open else g.late)


def sort(m: Machine, x: Again) -> Again:
    entries: list[Entry] = []
    for row in rows_of(x.entries):
        faint = [subnormal(m, e) for e in row]
        Es = [e.E + x for e, x in zip(row, faint, strict=True)]
        low = sorted(e.x - E for e, E in zip(row, Es, strict=True))
        high = sorted(e.x + E for e, E in zip(row, Es, strict=True))
        pure, g = all(e.pure for e in row), min((e.g for e in row), default=inf)
        for k, v in enumerate(sorted(e.x for e in row)):
            E = (max(high[k] - v, v - low[k]) + max(faint)) * m.of_evaluation if any(Es) else 0
            entries.append(Entry(v, E, pure=pure, g=g))
    return Again(objects(entries, x.shape))
