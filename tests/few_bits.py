"""Correct programs in an arithmetic of few bits: every form and order that the model of ROUNDING.md allows.

With 5 bits a rounding error is 3 %, so that a bound that forgets one is left at once. Numbers are float64 that hold few
bits; an operation is done in float64 and rounded, which is right for up to 24 bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from gradaudit.reference.problem import WEIGHTS, Gradients, Problem
from gradaudit.rounding.arithmetic import Arithmetic
from gradaudit.rounding.softmax import K

Array = NDArray[np.float64]

SUMS = ("sequential", "pairwise", "ascending", "descending", "too large", "too small")
SOFTMAXES = ("shift", "log_softmax", "logsumexp", "log of softmax")
UNDERFLOWS = ("gradual", "results flushed", "inputs flushed", "all flushed")


@dataclass(frozen=True)
class Program:
    """One way to write a correct program.

    Attributes
    ----------
    fp : Arithmetic
        The arithmetic.
    sums, softmax, underflow : str
        The order of sums, the form of the softmax, what happens below the smallest normal number.
    fused : bool
        Whether products are fused with additions.
    bias_first : bool
        Whether a bias starts its sum, or ends it.
    live_maximum : bool
        Whether the maximum is left in the graph.
    mean : {"first", "reciprocal", "last"}
        Where 1/N is applied.
    penalty : {"2 reg", "twice"}
        How 2 reg W is computed.
    seed : int
        Of the order of sequential sums and of the errors of exp and log.
    decayed : tuple of str
        The parameters that the regulariser covers.
    """

    fp: Arithmetic
    sums: str
    softmax: str
    underflow: str
    fused: bool
    bias_first: bool
    live_maximum: bool
    mean: str
    penalty: str
    seed: int
    decayed: tuple[str, ...] = WEIGHTS

    def round(self, x: Any) -> Array:
        """The result of an operation: x rounded to the nearest, or flushed, or infinite."""
        fp = self.fp
        magnitude = np.maximum(np.abs(np.where(np.isfinite(x), x, 1)), fp.normal)
        spacing = np.ldexp(1.0, np.frexp(magnitude)[1] - fp.precision)
        rounded = np.where(np.isfinite(x), np.rint(x / spacing) * spacing, x)
        rounded = np.where(np.abs(rounded) > fp.omega, np.copysign(np.inf, rounded), rounded)
        if self.underflow in ("results flushed", "all flushed"):
            rounded = np.where(np.abs(rounded) < fp.normal, 0.0, rounded)
        return np.asarray(rounded)

    @property
    def wider(self) -> Program:
        """The same program in the arithmetic in which one operation accumulates."""
        fp = self.fp
        if not fp.is_narrow:
            return self
        u, end = fp.u * fp.part, math.frexp(fp.widest)[1] - 1
        low = fp.exponents[0] if fp.eta == fp.normal else -126
        wide = replace(fp, u=u, eta=2.0**low, omega=fp.widest, exponents=(low, end), part=1.0)
        return replace(self, fp=replace(wide, precision=-int(math.log2(u))))

    def use(self, x: Any) -> Array:
        """An operand as the operation sees it."""
        if self.underflow in ("inputs flushed", "all flushed"):
            return np.where(np.abs(x) < self.fp.normal, 0.0, x)
        return np.asarray(x)

    def add(self, x: Any, y: Any) -> Array:
        """The rounded sum."""
        return self.round(self.use(x) + self.use(y))

    def multiply(self, x: Any, y: Any) -> Array:
        """The rounded product."""
        return self.round(self.use(x) * self.use(y))

    def divide(self, x: Any, y: Any) -> Array:
        """The rounded quotient."""
        return self.round(self.use(x) / self.use(y))

    def elementary(self, function: np.ufunc, x: Array) -> Array:
        """Exp or log with an error of up to K u; exact where the result is 0 or 1."""
        y = function(self.use(x))
        rng = np.random.default_rng(self.seed)
        off = (K - 1) * self.fp.u * rng.choice([-1.0, -0.5, 0.5, 1.0], size=y.shape) / (1 + self.fp.u)
        return self.round(np.where((y == 0) | (y == 1), y, y * (1 + off)))

    def sum(self, terms: Array, exact: bool = False) -> Array:
        """The sum over the last axis in the program's order; `exact` terms are products that are fused."""
        terms = terms if exact else self.use(terms)
        n = terms.shape[-1]
        if self.sums == "pairwise":
            while terms.shape[-1] > 1:
                odd = terms[..., 2 * (terms.shape[-1] // 2) :]
                terms = np.concatenate([self.add(terms[..., :-1:2], terms[..., 1::2]), odd], axis=-1)
            return self.round(terms[..., 0])
        if self.sums == "sequential":
            order = np.random.default_rng(self.seed).permutation(n)
            terms = terms[..., order]
        if self.sums in ("ascending", "descending"):
            key = np.abs(terms) * (1 if self.sums == "ascending" else -1)
            terms = np.take_along_axis(terms, np.argsort(key, axis=-1), axis=-1)
        if self.sums in ("too large", "too small"):
            return self._greedy(terms, 1.0 if self.sums == "too large" else -1.0)
        total = np.zeros(terms.shape[:-1])
        for k in range(n):
            total = self.round(self.use(total) + terms[..., k])
        return total

    def _greedy(self, terms: Array, direction: float) -> Array:
        """Each addition is the one that rounds furthest in the direction."""
        total, left = np.zeros(terms.shape[:-1]), np.ones(terms.shape, dtype=bool)
        for _ in range(terms.shape[-1]):
            tried = self.use(total)[..., None] + terms
            gain = np.where(left, direction * (self.round(tried) - tried), -np.inf)
            chosen = gain.argmax(axis=-1)[..., None]
            total = self.round(np.take_along_axis(tried, chosen, axis=-1)[..., 0])
            np.put_along_axis(left, chosen, False, axis=-1)
        return total

    def product(self, A: Array, B: Array, b: Array | None = None) -> Array:
        """``A . B``, and a bias if there is one."""
        terms = self.use(A)[:, None, :] * self.use(B).T[None, :, :]
        fused = self.fused and self.sums != "pairwise"
        terms = terms if fused else self.round(terms)
        if b is not None and self.bias_first:
            bias = np.broadcast_to(self.use(b)[None, :, None], (*terms.shape[:2], 1))
            return self.sum(np.concatenate([bias, terms], axis=-1), exact=fused)
        total = self.sum(terms, exact=fused)
        return total if b is None else self.add(total, np.broadcast_to(b, total.shape))

    def gradients(self, problem: Problem) -> Gradients:
        """The loss and its gradients, as this program computes them."""
        with np.errstate(all="ignore"):
            return self._gradients(problem)

    def _gradients(self, problem: Problem) -> Gradients:
        X, W1, b1, W2, b2, N = problem.X, problem.W1, problem.b1, problem.W2, problem.b2, problem.shape.N
        a = self.product(X, W1, b1)
        h = np.maximum(self.use(a), 0)
        s = self.product(h, W2, b2)
        ds, losses = self._cross_entropy(s, problem.y)
        dh = self.product(ds, W2.T)
        da = np.where(self.use(a) > 0, dh, 0.0)
        ones = np.ones((1, N))
        data = {
            "W1": self.product(X.T, da),
            "b1": self.product(ones, da)[0],
            "W2": self.product(h.T, ds),
            "b2": self.product(ones, ds)[0],
        }
        if self.mean == "last":
            data = {name: self.divide(array, np.float64(N)) for name, array in data.items()}
        reg = np.float64(problem.reg)
        squares = self.sum(self.multiply(*(2 * [np.concatenate([getattr(problem, P).ravel() for P in self.decayed])])))
        mean = self.divide(self.sum(losses), np.float64(N))
        data |= {P: self.add(data[P], self._penalty(reg, getattr(problem, P))) for P in self.decayed}
        return Gradients(loss=self.add(mean, self.multiply(reg, squares)), **data)

    def _penalty(self, reg: np.float64, W: Array) -> Array:
        if self.penalty == "2 reg":
            return self.multiply(self.round(2 * self.use(reg)), W)
        return self.add(self.multiply(reg, W), self.multiply(reg, W))

    def _cross_entropy(self, s: Array, y: NDArray[np.int64]) -> tuple[Array, Array]:
        """The derivatives by the logits, over N unless the mean comes last, and each sample's loss."""
        N, C = s.shape
        rows = np.arange(N)
        onehot = np.eye(C)[y]
        m = s.max(axis=1, keepdims=True)
        z = self.round(self.use(s) - self.use(m))
        e = self.elementary(np.exp, z)
        Z = self.sum(e)[:, None]
        log_Z = self.elementary(np.log, Z)
        if self.softmax == "log_softmax":
            log_p = self.add(z, -log_Z)
            p, losses = self.elementary(np.exp, log_p), -log_p[rows, y]
        elif self.softmax == "logsumexp":
            total = self.add(m, log_Z)
            p = self.elementary(np.exp, np.minimum(self.add(s, -total), 0))
            losses = self.add(total[:, 0], -s[rows, y])
        else:
            p = self.divide(e, Z)
            losses = -self.add(z, -log_Z)[rows, y]
        of_probability = self.softmax == "log of softmax" and bool((p[rows, y] >= self.fp.eta).all())
        if of_probability:  # not in the model where the probability underflows
            losses = -self.elementary(np.log, p[rows, y])

        weight = np.asarray(1.0) if self.mean == "last" else self.round(np.float64(1.0 / N))
        if of_probability:
            g = self.divide(-weight, p[rows, y])[:, None]
            weighted = self.multiply(g, p[rows, y][:, None])
            ds = self.multiply(p, self.add(onehot * g, -weighted))
        elif self.mean == "first":
            ds = self.divide(self.add(p, -onehot), np.float64(N))
        else:
            ds = self.add(self.multiply(p, np.full_like(p, weight)), -onehot * weight)
        if self.live_maximum:
            if self.softmax == "logsumexp" and self.mean != "first":
                of_maximum = self.add(weight, -self.sum(self.multiply(p, np.full_like(p, weight))))
            else:
                of_maximum = -self.sum(ds)
            top = np.eye(C)[s.argmax(axis=1)]
            ds = np.where(top > 0, self.add(ds, of_maximum[:, None] * top), ds)
        return ds, losses


def arithmetic(precision: int, low: int, high: int, wide: int = 0, gradual: bool = False) -> Arithmetic:
    """An arithmetic of so many bits with normal numbers from 2^low to below 2^(high + 1).

    What one operation accumulates has `wide` bits, if there are any; `gradual` underflow is never flushed.
    """
    u = 2.0**-precision
    part = 2.0 ** (precision - wide) if wide else 1.0
    eta, omega = 2.0**low * (u if gradual else 1), 2.0**high * (2 - 2 * u)
    return Arithmetic(u=u, eta=eta, omega=omega, precision=precision, exponents=(low, high), part=part)


def stored(fp: Arithmetic) -> Program:
    """What rounds numbers to those that the arithmetic holds."""
    return Program(fp, "sequential", "shift", "gradual", *3 * (False,), "first", "twice", 0)


#: From 5 bits to float32's 24; with all the exponents one could want, and with few.
ARITHMETICS = (
    arithmetic(5, -500, 500),
    arithmetic(8, -500, 500),
    arithmetic(11, -500, 500),
    arithmetic(24, -126, 127),
    arithmetic(8, -14, 15),
    arithmetic(11, -14, 15),
)


#: The same with what is accumulated in more bits: few more, and as many as bfloat16 and float16 have in float32.
NARROW = (
    arithmetic(5, -500, 500, 11),
    arithmetic(5, -126, 127, 11),
    arithmetic(8, -126, 127, 24),
    arithmetic(11, -14, 15, 24, gradual=True),
    arithmetic(6, -14, 15, 13, gradual=True),
)


def narrow_program(rng: Generator) -> Program:
    """Any of the programs that accumulate in more bits."""
    program, fp = random_program(rng), NARROW[rng.integers(len(NARROW))]
    return replace(program, fp=fp, underflow=program.underflow if fp.eta == fp.normal else "gradual")


def random_program(rng: Generator) -> Program:
    """Any of the programs."""
    return Program(
        fp=ARITHMETICS[rng.integers(len(ARITHMETICS))],
        sums=SUMS[rng.integers(len(SUMS))],
        softmax=SOFTMAXES[rng.integers(len(SOFTMAXES))],
        underflow=UNDERFLOWS[rng.integers(len(UNDERFLOWS))],
        fused=bool(rng.integers(2)),
        bias_first=bool(rng.integers(2)),
        live_maximum=bool(rng.integers(2)),
        mean=("first", "reciprocal", "last")[rng.integers(3)],
        penalty=("2 reg", "twice")[rng.integers(2)],
        seed=int(rng.integers(2**32)),
    )


def random_network(rng: Generator, fp: Arithmetic) -> Problem:
    """A small network whose numbers the arithmetic holds: integers or not, zeros, kinks, ties, all sizes."""
    N, D, H, C = (int(n) for n in (rng.integers(1, 5), rng.integers(1, 6), rng.integers(1, 6), rng.integers(1, 8)))
    whole = rng.random() < 0.3
    store = Program(fp, *("sequential", "shift", "gradual"), *3 * (False,), "first", "twice", 0).round
    spread = 2.0 if fp.exponents[1] < 100 else 4.0

    def draw(*size: int) -> Array:
        numbers = rng.integers(-3, 4, size).astype(float) if whole else rng.standard_normal(size)
        numbers = np.where(rng.random(size) < 0.1, 0.0, numbers)
        return store(numbers * 2.0 ** (0 if whole else np.rint(rng.normal(0, spread))))

    numbers: dict[str, Any] = {"X": draw(N, D), "W1": draw(D, H), "b1": draw(H), "W2": draw(H, C), "b2": draw(C)}
    twist = rng.random()
    if twist < 0.15:
        numbers["b1"] = store(-(numbers["X"][0] @ numbers["W1"]))
    elif twist < 0.25:
        numbers["b2"] = store(numbers["b2"] + 2.0 ** rng.integers(0, 8))
    elif twist < 0.35:
        numbers["W2"] = np.repeat(numbers["W2"][:, :1], C, axis=1)
    elif twist < 0.45:
        name = ("X", "W1", "b1", "W2", "b2")[rng.integers(5)]
        numbers[name] = store(numbers[name] * 2.0 ** (fp.exponents[0] + rng.integers(-3, 8)))
    reg = float(store(np.float64(rng.choice([0.0, 0.1, 1.0, 2.0 ** rng.integers(-12, 4)]))))
    return Problem(**numbers, y=rng.integers(0, C, N), reg=reg)
