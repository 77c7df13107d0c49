"""Softmax and cross-entropy (ROUNDING.md, 4): row by row along the last axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mpmath import exp, expm1, fsum, inf, isinf, log, log1p, mpf, sqrt

from tests.library.again.entry import Again, Entry, Machine, dot, objects
from tests.library.again.linear import rows_of

#: The error of exp and log, in units of u.
K = 4


def remainder(x: list[Any], c: int) -> list[Any]:
    """All entries but one."""
    return x[:c] + x[c + 1 :]


class Row:
    """A row of logits: what sections 4.1 to 4.3 say of it."""

    def __init__(self, m: Machine, logits: list[Entry], offset: str | None = None) -> None:
        self.m, self.logits, self.offset = m, logits, offset or m.offset
        self.s, self.E_s = [e.x for e in logits], [e.E for e in logits]
        self.C, self.Emax = len(logits), max(self.E_s)
        largest = max(self.s)
        self.z = [s - largest for s in self.s]
        rest = fsum(map(exp, remainder(self.z, self.z.index(0))))
        self.Z, self.log_Z = 1 + rest, log1p(rest)
        self.p = [exp(z) / self.Z for z in self.z]
        self.log_p = [z - self.log_Z for z in self.z]
        self.known = not isinf(self.Emax)
        if self.known:
            self._bounds()

    def _bounds(self) -> None:
        k = self.m.library(K)
        m, u, C, z, E, Emax, el = self.m, self.m.u, self.C, self.z, self.E_s, self.Emax, log(self.C)
        self.raised = [max(p, mpf(2) ** -1022) for p in self.p]  # as 4.3 says
        self.dn, self.up = map(list, zip(*map(self._moved, range(C)), strict=True))
        certain = [all(z[j] + E[j] + E[c] < 0 for j in range(C) if j != c) for c in range(C)]
        self.d = [mpf(0) if certain[c] else abs(z[c]) + E[c] + Emax for c in range(C)]
        self.l = min(el, self.log_Z + 2 * Emax)
        q = min(el, dot(self.raised, [abs(x) for x in z]) + (2 + 2 * el) * Emax)
        M = max(abs(s) for s in self.s)
        w = [u * (2 * M + abs(s)) for s in self.s]
        lost = {"half": [min(x, sqrt(u)) for x in w], "whole": w, "none": [mpf(0)] * C}[self.offset]
        self.rho = [
            u * (2 * d + q + (k + 2) * self.l) + m.gamma(m.steps(C) + 3 * k) + x
            for d, x in zip(self.d, lost, strict=True)
        ]
        over = 1 + m.gamma(m.steps(C) + 3 * k)
        self.cap = [exp(min(mpf(0), z[c] + E[c] + Emax + self.rho[c])) * over for c in range(C)]
        self.at_maximum = [z[c] + E[c] + Emax >= 0 for c in range(C)]
        self.E_p = []
        for p, dn, up, rho, cap in zip(self.raised, self.dn, self.up, self.rho, self.cap, strict=True):
            self.E_p.append(min(max(p * expm1(up + rho), -p * expm1(-dn - rho)), cap) + 2 * m.eta)

    def _moved(self, c: int) -> tuple[Any, Any]:
        """By how much log p_c may fall and rise, section 4.1."""
        rest, E, own = remainder(self.raised, c), remainder(self.E_s, c), self.E_s[c]
        if self.Emax <= 1:
            Q, x, y = fsum(rest), expm1(own), -expm1(-own)
            dn = log1p(Q * x + (1 + x) * dot(rest, [expm1(e) for e in E]))
            return dn, -log1p(-(Q * y + (1 - y) * dot(rest, [-expm1(-e) for e in E])))
        logs = remainder(self.log_p, c)
        dn = log1p(fsum(exp(x + e + own) for x, e in zip(logs, E, strict=True)))
        return dn, -log(exp(self.log_p[c]) + fsum(exp(x - e - own) for x, e in zip(logs, E, strict=True)))

    @property
    def sure(self) -> bool:
        """Whether anything is known of it: gamma may have nothing to say of so many classes."""
        return self.known and inf not in self.rho

    def E_log(self, c: int) -> Any:  # noqa: N802 (the derivation's letter)
        """Section 4.4."""
        E = self.dn[c] + self.rho[c] + self.m.library(K) * self.m.u * (self.d[c] + self.l)
        return inf if abs(self.log_p[c]) + E > self.m.omega else E

    def reach(self, j: int) -> Any:
        return self.raised[j] + self.E_p[j]

    def excess(self) -> Any:
        """The first term of R: how far the computed p do not add up to 1."""
        return sum((min(self.reach(j) * expm1(self.rho[j]), self.cap[j]) for j in range(self.C)), mpf(0))


def rows(m: Machine, x: Again, rule: Callable[..., list[Entry]], *others: Any) -> Again:
    """A rule that makes a row of each row."""
    result = [rule(m, list(row), *(o[i] for o in others)) for i, row in enumerate(rows_of(x.entries))]
    return Again(objects([e for row in result for e in row], x.shape))


def softmax(m: Machine, x: Again) -> Again:
    def rule(m: Machine, logits: list[Entry]) -> list[Entry]:
        row = Row(m, logits)
        return [m.entry(row.p[c], row.E_p[c] if row.sure else inf) for c in range(row.C)]

    return rows(m, x, rule)


def log_softmax(m: Machine, x: Again) -> Again:
    def rule(m: Machine, logits: list[Entry]) -> list[Entry]:
        row = Row(m, logits)
        return [m.entry(row.log_p[c], row.E_log(c) if row.sure else inf) for c in range(row.C)]

    return rows(m, x, rule)


def logsumexp(m: Machine, x: Again) -> Again:
    """Section 4.5; shape (..., C) -> (...)."""
    entries = []
    for logits in rows_of(x.entries):
        row = Row(m, list(logits), "none")
        lse, E = max(row.s) + row.log_Z, inf
        if row.sure:
            E = row.Emax + min(row.rho) + (m.library(K) + 1) * m.u * (abs(lse) + log(row.C) + row.Emax)
            E += m.u * max(abs(s) for s in row.s) + m.eta
        entries.append(m.entry(lse, E))
    return Again(objects(entries, x.shape[:-1]))


def labels_of(labels: Again) -> list[int]:
    return [int(e.x) for e in labels.entries.ravel()]


def cross_entropy(m: Machine, x: Again, labels: Again) -> Again:
    entries = []
    for logits, y in zip(rows_of(x.entries), labels_of(labels), strict=True):
        row = Row(m, list(logits))
        entries.append(m.entry(-row.log_p[y], row.E_log(y) if row.sure else inf))
    return Again(objects(entries, x.shape[:-1]))


def cross_entropy_gradient(m: Machine, x: Again, labels: Again, g: Again) -> Again:
    late = g.late

    def rule(m: Machine, logits: list[Entry], y: int, g: Entry) -> list[Entry]:
        row = Row(m, logits)
        exact = [(-fsum(remainder(row.p, c)) if c == y else row.p[c]) * g.x for c in range(row.C)]
        if g.is_zero and row.known:
            return [m.entry(x, mpf(0)) for x in exact]
        if not row.sure or isinf(g.E):
            return [m.entry(x, inf) for x in exact]
        C = row.C
        R = row.excess() + 2 * m.gamma(m.steps(C) + 5) * (
            sum((row.reach(j) for j in range(C) if j != y), mpf(0)) + row.E_p[y]
        )
        result = []
        for c in range(C):
            t = row.raised[c] + (c == y)
            F = row.E_p[c] + m.gamma(6) * (t + row.E_p[c]) + (R if row.at_maximum[c] else 0)
            E = abs(g.x) * F + g.E * (t + F) + m.eta + ((3 * C + 2) * m.eta if row.at_maximum[c] else 0)
            result.append(m.entry(exact[c], inf if m.overflows(late * (t * abs(g.x) + E)) else E))
        return result

    result = rows(m, x, rule, labels_of(labels), list(g.entries.ravel()))
    return Again(result.entries, g.late)


def log_softmax_gradient(m: Machine, x: Again, g: Again) -> Again:
    def rule(m: Machine, logits: list[Entry], gs: Any) -> list[Entry]:
        row, C = Row(m, logits), len(logits)
        G = fsum(e.x for e in gs)
        exact = [gs[c].x - row.p[c] * G for c in range(C)]
        if not row.sure or any(isinf(e.E) for e in gs) or m.overflows(g.late * sum(e.r for e in gs)):
            return [m.entry(x, inf) for x in exact]
        n, p, E_p = sum(e.r > 0 for e in gs), row.raised, row.E_p
        more = max(n - 1, 0)
        E_G = (
            sum((e.E for e in gs), mpf(0))
            + m.gamma(1 + more * m.w if m.is_narrow and more else more) * sum((e.r for e in gs), mpf(0))
            + more * m.eta
        )
        moved = [gs[c].E + E_p[c] * abs(G) + (p[c] + E_p[c]) * E_G for c in range(C)]
        R = row.excess() * (abs(G) + E_G)
        R += m.gamma(m.steps(C) + 5) * sum((abs(exact[c]) + moved[c] for c in range(C)), mpf(0)) + (3 * C + 2) * m.eta
        result = []
        for c in range(C):
            t = abs(gs[c].x) + p[c] * abs(G)
            if m.overflows(g.late * (t + moved[c])) or all(e.is_zero for e in gs):
                result.append(Entry(exact[c], inf if t else mpf(0)))
                continue
            E = moved[c] + m.gamma(8) * (t + moved[c]) + 3 * m.eta + (R if row.at_maximum[c] else 0)
            result.append(m.entry(exact[c], E))
        return result

    result = rows(m, x, rule, rows_of(g.entries))
    return Again(result.entries, g.late)


def onehot(m: Machine, x: Again, columns: int) -> Again:
    """Labels, shape (...) -> (..., columns): exactly 0 or 1."""
    entries = [m.given(mpf(y == c)) for y in labels_of(x) for c in range(columns)]
    return Again(objects(entries, (*np.shape(x.entries), columns)))


def softmax_gradient(m: Machine, x: Again, g: Again) -> Again:
    """Section 4.4, the derivative of the softmax itself."""

    def rule(m: Machine, logits: list[Entry], gs: Any) -> list[Entry]:
        row, C = Row(m, logits), len(logits)
        G = dot(row.p, [e.x for e in gs])
        exact = [row.p[c] * (gs[c].x - G) for c in range(C)]
        if not row.sure or any(isinf(e.E) for e in gs) or m.overflows(g.late * sum(e.r for e in gs)):
            return [Entry(v, inf) for v in exact]
        if all(e.is_zero for e in gs):
            return [Entry(v, mpf(0)) for v in exact]
        return [Entry(v, E * m.of_evaluation) for v, E in zip(exact, inner_bounds(row, list(gs), exact), strict=True)]

    result = rows(m, x, rule, rows_of(g.entries))
    return Again(result.entries, g.late)


def inner_bounds(row: Row, gs: list[Entry], v: list[Any]) -> list[Any]:
    """Moved + steps, and R_max where the maximum may be."""
    m, C, p, E_p = row.m, row.C, row.raised, row.E_p
    P, R, size = [row.reach(c) for c in range(C)], [e.r for e in gs], [abs(e.x) for e in gs]
    T = dot(P, R)
    moved, steps = [], []
    for c in range(C):
        by_g = (fsum(remainder(p, c)) + E_p[c]) * gs[c].E + dot(remainder(P, c), [e.E for e in remainder(gs, c)])
        moved.append(P[c] * (by_g + dot(E_p, size)) + E_p[c] * (size[c] + dot(p, size)))
        steps.append(P[c] * (m.gamma(8) * R[c] + m.gamma(m.steps(C) + 8) * T) + (2 * C + 8) * m.eta)
    off = [min(P[j] * expm1(row.rho[j]), row.cap[j]) for j in range(C)]
    V = [abs(v[c]) + moved[c] + steps[c] for c in range(C)]
    largest = fsum(off) * T + 2 * dot(off, R) + fsum(steps) + m.gamma(m.steps(C) + 5) * fsum(V)
    result = []
    for c in range(C):
        R_max = largest + m.gamma(2) * (V[c] + largest) + (C + 2) * m.eta
        result.append(moved[c] + steps[c] + (R_max if row.at_maximum[c] else 0))
    return result


def beside_largest(m: Machine, d: Again, x: Again, g: Again) -> Again:
    """Section 4.6: d, and beside it where an entry of x may be the largest the maximum's own derivative."""

    def rule(m: Machine, logits: list[Entry], ds: Any, g: Entry) -> list[Entry]:
        row, C = Row(m, logits), len(logits)
        size = sum((e.r for e in ds), mpf(0)) + g.r
        if isinf(size) or m.overflows(size):
            return [Entry(e.x, inf) for e in ds]
        if size == 0:
            return [Entry(e.x, mpf(0)) for e in ds]
        faint = (C + 4) * m.eta
        R = g.E + sum((e.E for e in ds), mpf(0)) + m.gamma(m.steps(C) + 4) * size + faint
        more = [R if not row.known or row.at_maximum[c] else faint for c in range(C)]
        return [Entry(e.x, e.E + y * m.of_evaluation) for e, y in zip(ds, more, strict=True)]

    result = rows(m, x, rule, rows_of(d.entries), list(g.entries.ravel()))
    return Again(result.entries, d.late)


def unshifted(m: Machine, y: Again, x: Again, logarithm: bool) -> Again:
    """Section 4.7: y, computed without a maximum that is subtracted."""

    def rule(m: Machine, logits: list[Entry], ys: Any) -> list[Entry]:
        M, Emax, C = max(e.x for e in logits), max(e.E for e in logits), len(logits)
        far = abs(M) + Emax + log(C)
        size = sum((e.r for e in ys), mpf(0))
        if isinf(far) or isinf(size) or far > log(m.omega) / 2 - 1 or m.overflows(exp(far) * size):
            return [Entry(e.x, inf) for e in ys]
        if M - Emax < 0 and min(e.x - e.E for e in logits) < log(m.normal) + 1:
            return [Entry(e.x, inf) for e in ys]
        E = (C + 4) * m.eta * exp(far) + ((m.library(K) + 1) * m.u * far if logarithm else 0)
        return [Entry(e.x, e.E + E * m.of_evaluation) for e in ys]

    result = rows(m, x, rule, rows_of(y.entries))
    return Again(result.entries, y.late)
