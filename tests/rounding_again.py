"""The acceptance bound a second time: sections 2 to 6 of ROUNDING.md and the sizes of section 7, in plain loops.

Written from the text alone, in decimal arithmetic of 60 digits (mpmath), with exact values of its own; nothing of
`reference` takes part but the problem. A matrix is a list of rows. Quick to read, and slow.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import mpmath
from mpmath import exp, expm1, inf, log, log1p, mpf

from gradaudit.reference.problem import Problem

#: Digits of the evaluation.
DIGITS = 60
#: Section 1: the error of exp and log, in units of u.
K = 4
#: Section 7: what E_a and E_s, and every bound in the end, are multiplied by; and what may overflow.
OF_EVALUATION, OF_OVERFLOW = mpf(1) + mpf(10) ** -6, mpf("1.001")

Matrix = list[list[Any]]


class Again(NamedTuple):
    """The bound of each tensor, row by row and a vector as one row, and the natural sizes."""

    tensors: dict[str, Matrix]
    sizes: dict[str, Any]

    @property
    def power(self) -> Any:
        """The largest bound relative to its tensor's natural size."""
        largest = {name: max(map(max, E)) for name, E in self.tensors.items()}
        sizes = self.sizes
        return max(0 if E == 0 else inf if inf in (E, sizes[n]) else E / sizes[n] for n, E in largest.items())


def bound_again(problem: Problem, offset: str = "half", of_evaluation: Any = OF_EVALUATION) -> Again:
    """The bound of a problem; `of_evaluation` of 1 leaves out what section 7 adds for an evaluation in float64."""
    with mpmath.workdps(DIGITS):
        return _Evaluation(problem, offset, of_evaluation).bound()


def times(x: Any, y: Any) -> Any:
    """A product, in which an infinite bound stays one."""
    return inf if inf in (x, y) else x * y


def column(A: Matrix, j: int) -> list[Any]:
    """The column of a matrix."""
    return [row[j] for row in A]


def dot(x: list[Any], y: list[Any]) -> Any:
    """The sum of products."""
    return mpmath.fsum(times(a, b) for a, b in zip(x, y, strict=True))


def plus(x: list[Any], y: list[Any]) -> list[Any]:
    """The sum of two vectors."""
    return [a + b for a, b in zip(x, y, strict=True)]


def remainder(x: list[Any], c: int) -> list[Any]:
    """All entries but one."""
    return x[:c] + x[c + 1 :]


def lowest_bit(numbers: list[Any]) -> Any:
    """The largest power of two that all numbers are multiples of."""
    return min((mpf(2) ** x.man_exp[1] for x in numbers if x != 0), default=inf)  # the mantissa is odd


class _Evaluation:
    def __init__(self, problem: Problem, offset: str, of_evaluation: Any) -> None:
        self.p, self.low, self.high = (53, -1022, 1023) if problem.dtype == "float64" else (24, -126, 127)
        self.u, self.eta = mpf(2) ** -self.p, mpf(2) ** self.low
        self.omega = (2 - 2 * self.u) * mpf(2) ** self.high
        self.offset, self.of_evaluation = offset, of_evaluation
        self.N, self.D, self.H, self.C = problem.shape
        self.X, self.W1, self.W2 = (
            [[mpf(x) for x in row] for row in A.tolist()] for A in (problem.X, problem.W1, problem.W2)
        )
        self.b1, self.b2 = ([mpf(x) for x in b.tolist()] for b in (problem.b1, problem.b2))
        self.y, self.reg = problem.y.tolist(), mpf(problem.reg)

    # 1. The model

    def gamma(self, n: Any) -> Any:
        return n * self.u / (1 - n * self.u) if n * self.u < 1 else inf

    def subnormal(self, x: Any) -> Any:
        return abs(x) if abs(x) < self.eta else mpf(0)

    def unless_overflow(self, E: Any, *sizes: Any) -> Any:
        return inf if any(size * OF_OVERFLOW > self.omega for size in sizes) else E

    # 2. The layers, and 3. exact arithmetic

    def affine(self, A: list[Any], E_A: list[Any], B: list[Any], b: Any) -> Any:
        """The bound of one entry of ``A . B + b``: a row of A, a column of B."""
        reach = [abs(x) + e for x, e in zip(A, E_A, strict=True)]
        size = dot(reach, [abs(x) for x in B]) + abs(b)
        flushed = dot(reach, [self.subnormal(x) for x in B]) + self.subnormal(b)
        nz = sum(x != 0 and w != 0 for x, w in zip(reach, B, strict=True))
        n = nz + 1 if nz and b != 0 else nz
        E = self.gamma(n) * size if size != inf else inf
        E += dot(E_A, [abs(x) for x in B]) + 3 * nz * self.eta + flushed
        g = min(times(lowest_bit(A), lowest_bit(B)), lowest_bit([b]))
        fits = size * OF_OVERFLOW <= min(times(mpf(2) ** self.p, g), mpf(2) ** self.high)
        if fits and g >= self.eta and not any(E_A):
            E = dot([abs(x) for x in A], [self.subnormal(x) for x in B]) + self.subnormal(b)
        return self.unless_overflow(E * self.of_evaluation, size)

    # 4. Softmax and cross-entropy

    def softmax(self, s: list[Any], E_s: list[Any], y: int) -> dict[str, Any]:
        """One sample: p, ds and -log p_y, and the bounds of the two last."""
        C, u, N = self.C, self.u, self.N
        m, M = max(s), max(abs(x) for x in s)
        z = [x - m for x in s]
        log_Z = log1p(mpmath.fsum(map(exp, remainder(z, z.index(0)))))
        exact_p = [exp(x - log_Z) for x in z]
        exact_ds = [(-mpmath.fsum(remainder(exact_p, c)) if c == y else exact_p[c]) / N for c in range(C)]
        loss = log_Z - z[y]
        values = {"p": exact_p, "ds": exact_ds, "loss": loss}
        Emax = max(E_s)
        if Emax == inf:
            return {**values, "E_ds": [inf] * C, "E_loss": inf}
        p = [max(x, mpf(2) ** -1022) for x in exact_p]  # as 4.3 says
        # 4.1
        dn, up = [], []
        for c in range(C):
            rest, E_rest, own = remainder(p, c), remainder(E_s, c), E_s[c]
            if Emax <= 1:
                Q, x = mpmath.fsum(rest), expm1(own)
                dn.append(log1p(Q * x + (1 + x) * dot(rest, [expm1(e) for e in E_rest])))
            else:
                logs = [x - log_Z for x in remainder(z, c)]
                dn.append(log1p(exp(own) * mpmath.fsum(exp(x + e) for x, e in zip(logs, E_rest, strict=True))))
            up.append(-log(exact_p[c] + dot(remainder(exact_p, c), [exp(-e - own) for e in E_rest])))
            if Emax <= 1:
                Q, x = mpmath.fsum(rest), -expm1(-own)
                up[c] = -log1p(-(Q * x + (1 - x) * dot(rest, [-expm1(-e) for e in E_rest])))
        # 4.2
        certain = [all(z[j] + E_s[j] + E_s[c] < 0 for j in range(C) if j != c) for c in range(C)]
        d = [mpf(0) if certain[c] else abs(z[c]) + E_s[c] + Emax for c in range(C)]
        el = min(log(C), log_Z + 2 * Emax)
        q = min(log(C), dot(p, [abs(x) for x in z]) + (2 + 2 * log(C)) * Emax)
        w = [u * (2 * M + abs(x)) for x in s]
        lost = {"half": [min(x, mpmath.sqrt(u)) for x in w], "whole": w, "none": [mpf(0)] * C}[self.offset]
        rho = [u * (2 * d[c] + q + (K + 2) * el) + self.gamma(C + 3 * K) + lost[c] for c in range(C)]
        # 4.3
        over = 1 + self.gamma(C + 3 * K)
        cap = [exp(min(mpf(0), z[c] + E_s[c] + Emax + rho[c])) * over for c in range(C)]
        E_p = []
        for c in range(C):
            larger, smaller = p[c] * expm1(up[c] + rho[c]), -p[c] * expm1(-dn[c] - rho[c])
            E_p.append(min(max(larger, smaller), cap[c]) + 2 * self.eta)
        # 4.4
        reach = plus(p, E_p)
        R = mpmath.fsum(min(reach[j] * expm1(rho[j]), cap[j]) for j in range(C))
        R += 2 * self.gamma(C + 5) * (mpmath.fsum(remainder(reach, y)) + E_p[y])
        E_ds = []
        for c in range(C):
            t = p[c] + (c == y)
            E = (E_p[c] + self.gamma(8) * (t + E_p[c])) / N + self.eta
            E_ds.append(E + R / N if z[c] + E_s[c] + Emax >= 0 else E)
        return {**values, "E_ds": E_ds, "E_loss": dn[y] + rho[y] + K * u * (d[y] + el)}

    # 5. Backward

    def backward(self, A: list[Any], E_A: list[Any], B: list[Any], E_B: list[Any]) -> Any:
        """M of one entry, a column of A and a column of B."""
        A, B = [abs(x) for x in A], [abs(x) for x in B]
        reach_A, reach_B = plus(A, E_A), plus(B, E_B)
        nz = sum(x != 0 and w != 0 for x, w in zip(reach_A, reach_B, strict=True))
        size = dot(reach_A, reach_B)
        E = times(self.gamma(nz), size) + dot(E_A, B) + dot(A, E_B) + dot(E_A, E_B) + 3 * nz * self.eta
        return self.unless_overflow(E, self.N * size)

    def regularised(self, E: Any, W: Any, dW: Any) -> Any:
        """The bound of an entry of a weight's gradient, from that of its data part."""
        if self.reg == 0:
            return E
        r = 2 * self.reg * abs(W)
        part = abs(dW) + r
        E += self.gamma(4) * r + self.gamma(2) * (part + E + r) + 2 * self.eta * (r > 0)
        E += 2 * self.reg * self.subnormal(W) + 2 * self.subnormal(self.reg) * abs(W)
        return self.unless_overflow(E, 2 * self.reg, 2 * abs(W), part)

    def bound(self) -> Again:
        """All together, and 6. the loss."""
        N, D, H, C, reg, f = self.N, self.D, self.H, self.C, self.reg, self.of_evaluation
        X, W1, W2 = self.X, self.W1, self.W2
        sub_X, sub_W2 = ([[self.subnormal(x) for x in row] for row in A] for A in (X, W2))
        a = [[dot(X[i], column(W1, j)) + self.b1[j] for j in range(H)] for i in range(N)]
        E_a = [[self.affine(X[i], sub_X[i], column(W1, j), self.b1[j]) for j in range(H)] for i in range(N)]
        h = [[max(x, mpf(0)) for x in row] for row in a]
        E_h = [[E_a[i][j] if a[i][j] > -E_a[i][j] else mpf(0) for j in range(H)] for i in range(N)]
        kink = [[abs(a[i][j]) <= E_a[i][j] and E_a[i][j] > 0 for j in range(H)] for i in range(N)]
        s = [[dot(h[i], column(W2, c)) + self.b2[c] for c in range(C)] for i in range(N)]
        E_s = [[self.affine(h[i], E_h[i], column(W2, c), self.b2[c]) for c in range(C)] for i in range(N)]
        samples = [self.softmax(s[i], E_s[i], self.y[i]) for i in range(N)]
        ds, E_ds, p = ([sample[name] for sample in samples] for name in ("ds", "E_ds", "p"))
        dh = [[dot(ds[i], W2[j]) for j in range(H)] for i in range(N)]
        E_dh = [[self.backward(ds[i], E_ds[i], W2[j], sub_W2[j]) for j in range(H)] for i in range(N)]
        da = [[dh[i][j] if a[i][j] > 0 else mpf(0) for j in range(H)] for i in range(N)]
        E_da = [
            [abs(dh[i][j]) + E_dh[i][j] if kink[i][j] else E_dh[i][j] * (a[i][j] > 0) for j in range(H)]
            for i in range(N)
        ]
        ones, zeros = [mpf(1)] * N, [mpf(0)] * N

        def weight(A: Matrix, E_A: Matrix, B: Matrix, E_B: Matrix, W: Matrix) -> Matrix:
            rows = []
            for k in range(len(W)):
                row = []
                for j in range(len(W[0])):
                    E = self.backward(column(A, k), column(E_A, k), column(B, j), column(E_B, j))
                    dW = dot(column(A, k), column(B, j)) + 2 * reg * W[k][j]
                    row.append(self.regularised(E, W[k][j], dW) * f)
                rows.append(row)
            return rows

        def bias(B: Matrix, E_B: Matrix, width: int) -> Matrix:
            return [[self.backward(ones, zeros, column(B, j), column(E_B, j)) * f for j in range(width)]]

        n, S2 = D * H + H * C, mpmath.fsum(w**2 for W in (W1, W2) for row in W for w in row)
        losses, lam = ([sample[name] for sample in samples] for name in ("loss", "E_loss"))
        total = mpmath.fsum(plus(losses, lam))
        E_d = (times(self.gamma(N + 1), total) + mpmath.fsum(lam)) / N + 2 * self.eta
        E_r = self.gamma(n + 6) * reg * S2 + reg * (2 * n + 2) * self.eta + 2 * self.eta + self.subnormal(reg) * S2
        E_L = E_d + E_r + self.gamma(2) * (mpmath.fsum(losses) / N + reg * S2 + E_d + E_r)
        tensors = {
            "loss": [[self.unless_overflow(E_L, S2, reg * S2, total) * f]],
            "W1": weight(X, sub_X, da, E_da, W1),
            "b1": bias(da, E_da, H),
            "W2": weight(h, E_h, ds, E_ds, W2),
            "b2": bias(ds, E_ds, C),
        }
        # 7. The natural sizes
        t = [[max(p[i][c] + (c == self.y[i]), self.eta / self.u) / N for c in range(C)] for i in range(N)]
        active = [[a[i][j] > 0 or kink[i][j] for j in range(H)] for i in range(N)]
        S_da = [[dot(t[i], [abs(w) for w in W2[j]]) * active[i][j] for j in range(H)] for i in range(N)]
        sizes = {
            "loss": mpmath.fsum(1 + x for x in losses) / N + reg * S2,
            "W1": max(
                dot([abs(x) for x in column(X, k)], column(S_da, j)) + 2 * reg * abs(W1[k][j])
                for k in range(D)
                for j in range(H)
            ),
            "b1": max(mpmath.fsum(column(S_da, j)) for j in range(H)),
            "W2": max(dot(column(h, j), column(t, c)) + 2 * reg * abs(W2[j][c]) for j in range(H) for c in range(C)),
            "b2": max(mpmath.fsum(column(t, c)) for c in range(C)),
        }
        return Again(tensors, sizes)
