"""The source's formulas, each as it is printed, whether it holds, what holds instead, and the evidence.

The source is the note that DERIVATION.md corrects. Its formulas are evaluated on balls, as printed, and held against
the derivative by definition (by_definition.py), in which no gradient formula takes part. One that does not hold is
multiplied by every factor of FACTORS; what holds instead is what the evidence singles out. symbolic.py proves the same
for all numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Literal

import numpy as np
from flint import arb, arb_mat, ctx

from gradaudit.exact.balls import Balls
from gradaudit.reference.acceptance import accept_in
from gradaudit.reference.by_definition import derivative, jacobian
from gradaudit.reference.problem import Problem, Shape

Verdict = Literal["holds", "holds up to notation", "does not hold"]
#: Working precision in bits, and the widest ball that counts as evidence.
BITS, NARROW = 192, 1e-30
#: What a formula may have to be multiplied by, as a function of the shape.
FACTORS: dict[str, Callable[[Shape], Fraction]] = {
    "1": lambda _: Fraction(1),
    "1/N": lambda n: Fraction(1, n.N),
    "N": lambda n: Fraction(n.N),
    "1/N^2": lambda n: Fraction(1, n.N**2),
    "1/C": lambda n: Fraction(1, n.C),
    "1/(N C)": lambda n: Fraction(1, n.N * n.C),
    "1/D": lambda n: Fraction(1, n.D),
    "1/H": lambda n: Fraction(1, n.H),
    "2": lambda _: Fraction(2),
    "1/2": lambda _: Fraction(1, 2),
    "-1": lambda _: Fraction(-1),
}


@dataclass(frozen=True)
class Formula:
    """A derivative that the source prints.

    Attributes
    ----------
    name, printed : str
        Of what by what, and how it is printed.
    by : str
        What the loss is differentiated by: a parameter, "s" or "h".
    value : callable
        The printed right-hand side on balls, from the values of a problem.
    regularisation : bool
        Whether it is the derivative of the regularisation term alone.
    """

    name: str
    printed: str
    by: str
    value: Callable[[Letters], Any]
    regularisation: bool = False


@dataclass(frozen=True)
class Row:
    """A line of the ledger: a printed formula, the verdict, what holds instead, and the evidence in a sentence."""

    name: str
    printed: str
    verdict: Verdict
    instead: str
    evidence: str


@dataclass(frozen=True, eq=False)
class Letters:
    """What the printed formulas are made of: the letters of the source as matrices, on balls or of symbols.

    Attributes
    ----------
    X, W1, W2, h1, probs, onehot : matrix
        As in the source.
    relu : matrix, N x H
        The ReLU's derivative: 1 where h1 > 0, else 0.
    ones : matrix, 1 x N
        Adds up the rows of what it is multiplied by.
    reg : number
        The factor of the regularisation.
    entrywise : callable
        The product of two matrices entry by entry.
    """

    X: Any
    W1: Any
    W2: Any
    h1: Any
    probs: Any
    onehot: Any
    relu: Any
    ones: Any
    reg: Any
    entrywise: Callable[[Any, Any], Any]


def as_printed() -> tuple[Formula, ...]:
    """The derivatives as the source prints them."""
    return (
        Formula("dL/dscores", "probs - onehot", "s", lambda v: v.probs - v.onehot),
        Formula("dL/dW2", "h1'.(probs - onehot)", "W2", lambda v: v.h1.transpose() * (v.probs - v.onehot)),
        Formula("dL/db2", "sum_i (probs_i - onehot_i)", "b2", lambda v: v.ones * (v.probs - v.onehot)),
        Formula("dL/dh1", "(probs - onehot).W2'", "h", lambda v: (v.probs - v.onehot) * v.W2.transpose()),
        Formula("dL/dW1", "X'.((probs - onehot).W2' * ReLU')", "W1", lambda v: v.X.transpose() * _through_relu(v)),
        Formula("dL/db1", "sum_i ((probs_i - onehot_i).W2' * ReLU')", "b1", lambda v: v.ones * _through_relu(v)),
        Formula("regularisation, W1", "+= 2 reg W1", "W1", lambda v: v.W1 * (2 * v.reg), regularisation=True),
        Formula("regularisation, W2", "+= 2 reg W2", "W2", lambda v: v.W2 * (2 * v.reg), regularisation=True),
    )


@cache
def problems() -> tuple[Problem, ...]:
    """Small networks, no two sizes alike where it matters, away from kinks, with active and inactive units."""
    return tuple(_network(Shape(*sizes), seed) for seed, sizes in enumerate(((2, 3, 4, 5), (3, 2, 5, 4), (5, 4, 2, 3))))


def _network(shape: Shape, seed: int) -> Problem:
    rng = np.random.default_rng([seed, 20])
    N, D, H, C = shape
    return Problem(
        X=rng.standard_normal((N, D)),
        y=rng.integers(0, C, N),
        W1=rng.standard_normal((D, H)),
        b1=rng.standard_normal(H),
        W2=rng.standard_normal((H, C)),
        b2=rng.standard_normal(C),
        reg=0.25,
    )


def ledger(formulas: Sequence[Formula] | None = None) -> list[Row]:
    """The whole ledger.

    Parameters
    ----------
    formulas : sequence of Formula, optional
        Other derivatives than those that the source prints.

    Raises
    ------
    ArithmeticError
        If a ball is too wide to be evidence.
    """
    derivatives = [_row(formula) for formula in (as_printed() if formulas is None else formulas)]
    return [*derivatives, *_notation(), *_shapes()]


def _row(formula: Formula) -> Row:
    """The verdict on a printed derivative, by trying what it has to be multiplied by."""
    fitting = [name for name, factor in FACTORS.items() if _fits(formula, factor)]
    worst = max(_quotients(formula), key=lambda q: abs(q[2] - 1))
    shape, index, quotient = worst
    if "1" in fitting:
        evidence = f"overlaps the derivative by definition in every entry of {len(problems())} networks"
        return Row(formula.name, formula.printed, "holds", "as printed", evidence)
    evidence = f"printed / true is {quotient:.12g} at {list(index)} for N, D, H, C = {', '.join(map(str, shape))}"
    if not fitting:
        return Row(
            formula.name, formula.printed, "does not hold", "no multiple of it by a factor that was tried", evidence
        )
    instead = " or ".join(f"({factor}) * ({formula.printed})" for factor in fitting)
    return Row(
        formula.name,
        formula.printed,
        "does not hold",
        instead,
        f"{evidence}; times {fitting[0]} it holds in every entry",
    )


def _fits(formula: Formula, factor: Callable[[Shape], Fraction]) -> bool:
    """Whether the printed formula times the factor overlaps the truth in every entry of every network."""
    with ctx.workprec(BITS):
        return all(
            (printed * _ball(factor(problem.shape))).overlaps(true)
            for problem in problems()
            for _, printed, true in _entries(formula, problem)
        )


def _ball(factor: Fraction) -> arb:
    return arb(factor.numerator) / factor.denominator


def _quotients(formula: Formula) -> Iterator[tuple[Shape, tuple[int, ...], float]]:
    """Printed over true, in every entry where the truth is not 0."""
    for problem in problems():
        for index, printed, true in _entries(formula, problem):
            if not true.contains(0):
                yield problem.shape, index, float(printed / true)


@cache
def _entries(formula: Formula, problem: Problem) -> list[tuple[tuple[int, ...], arb, arb]]:
    """Index, printed value and true value of each entry.

    Raises
    ------
    ArithmeticError
        If a ball is too wide to be evidence.
    """
    with ctx.workprec(BITS):
        table = formula.value(_balls(problem))
        vector = formula.by in ("b1", "b2")
        entries: list[tuple[tuple[int, ...], arb, arb]] = []
        for row in range(table.nrows()):
            for column in range(table.ncols()):
                index = (column,) if vector else (row, column)
                entries.append((index, table[row, column], _true(formula, problem, index)))
    if any(float(ball.rad()) > NARROW for _, *pair in entries for ball in pair):
        raise ArithmeticError(f"a ball of {formula.name} is wider than {NARROW}: it would prove nothing")
    return entries


def _true(formula: Formula, problem: Problem, index: tuple[int, ...]) -> arb:
    """The derivative by definition: of the loss without its regularisation, or of the regularisation alone."""
    without = derivative(_unregularised(problem), formula.by, index, BITS)
    if not formula.regularisation:
        return without
    with ctx.workprec(BITS):
        return derivative(problem, formula.by, index, BITS) - without


@cache
def _unregularised(problem: Problem) -> Problem:
    return Problem(problem.X, problem.y, problem.W1, problem.b1, problem.W2, problem.b2, reg=0.0)


@cache
def _balls(problem: Problem) -> Letters:
    """The values of the forward pass, on balls."""
    N, _, H, C = problem.shape
    with ctx.workprec(BITS):
        X, W1, W2 = (arb_mat(M.tolist()) for M in (problem.X, problem.W1, problem.W2))
        a = X * W1 + arb_mat([problem.b1.tolist()] * N)
        signs = [int(ball > 0) for ball in a.entries()]
        h1 = arb_mat(N, H, [ball if sign else arb(0) for ball, sign in zip(a.entries(), signs, strict=True)])
        s = h1 * W2 + arb_mat([problem.b2.tolist()] * N)
        e = [[ball.exp() for ball in row] for row in s.tolist()]
        probs = arb_mat([[ball / sum(row, arb(0)) for ball in row] for row in e])
        onehot = arb_mat([[int(c == label) for c in range(C)] for label in problem.y.tolist()])
        relu, ones = arb_mat(N, H, signs), arb_mat([[1] * N])
        return Letters(X, W1, W2, h1, probs, onehot, relu, ones, arb(problem.reg), _entrywise)


def _through_relu(v: Letters) -> Any:
    """(probs - onehot).W2' * ReLU', the second product entry by entry."""
    return v.entrywise((v.probs - v.onehot) * v.W2.transpose(), v.relu)


def _entrywise(A: arb_mat, B: arb_mat) -> arb_mat:
    return arb_mat(A.nrows(), A.ncols(), [a * b for a, b in zip(A.entries(), B.entries(), strict=True)])


def _notation() -> list[Row]:
    """The factors of the chains, whose Jacobians have more entries than the matrices that are printed for them."""
    v, (N, D, H, C) = _balls(problems()[0]), problems()[0].shape
    zero = arb(0)
    order = "the order of the factors comes from the differential"
    return [
        _chained(
            ("dscores/dW2", "h1'", f"dscores[i, c]/dW2[j, k] = h1[i, j] where c = k, else 0; {order}"),
            ("s", (N, C), "W2", (H, C)),
            lambda at, of: v.h1[at[0], of[0]] if at[1] == of[1] else zero,
        ),
        _chained(
            ("d(X.W1 + b1)/dW1", "X'", f"d(X.W1 + b1)[i, j]/dW1[d, k] = X[i, d] where j = k, else 0; {order}"),
            ("a", (N, H), "W1", (D, H)),
            lambda at, of: v.X[at[0], of[0]] if at[1] == of[1] else zero,
        ),
        _chained(
            (
                "dh1/d(X.W1 + b1)",
                "ReLU', 1 if h1 > 0, else 0",
                "entry by entry; at 0 it is a convention, not a derivative",
            ),
            ("h", (N, H), "a", (N, H)),
            lambda at, of: v.relu[at] if at == of else zero,
        ),
    ]


def _chained(
    message: tuple[str, str, str],
    jacobian_of: tuple[str, tuple[int, int], str, tuple[int, int]],
    expected: Callable[[tuple[int, int], tuple[int, int]], arb],
) -> Row:
    """The row of a factor of a chain: every entry of its Jacobian, by definition, against what is expected."""
    (name, printed, instead), (result, results, moved, movable) = message, jacobian_of
    entries = [(at, of) for at in np.ndindex(results) for of in np.ndindex(movable)]
    with ctx.workprec(BITS):
        outcome = [(jacobian(problems()[0], result, at, moved, of, BITS), expected(at, of)) for at, of in entries]
    holds = all(first.overlaps(other) and float(first.rad()) <= NARROW for first, other in outcome)
    verdict: Verdict = "holds up to notation" if holds else "does not hold"
    return Row(name, printed, verdict, instead, f"{len(entries)} entries of its Jacobian by definition")


def _shapes() -> list[Row]:
    """The shapes that the source states, against those of the arrays."""
    problem = problems()[0]
    N, D, H, C = problem.shape
    exact = accept_in(Balls(BITS), problem).exact
    stated: dict[str, tuple[str, tuple[int, ...], tuple[int, ...]]] = {
        "X": ("N x D", (N, D), problem.X.shape),
        "W1": ("D x H", (D, H), problem.W1.shape),
        "b1": ("H", (H,), problem.b1.shape),
        "W2": ("H x C", (H, C), problem.W2.shape),
        "b2": ("C", (C,), problem.b2.shape),
        "h1": ("N x H", (N, H), exact.h.hi.shape),
        "scores": ("N x C", (N, C), exact.s.hi.shape),
        "dL/dscores": ("N x C", (N, C), exact.ds.hi.shape),
        "h1'": ("H x N", (H, N), exact.h.hi.T.shape),
        "dL/dh1": ("N x H", (N, H), exact.dh.hi.shape),
        "X'": ("D x N", (D, N), problem.X.T.shape),
    }
    return [
        Row(
            f"shape of {name}",
            text,
            "holds" if got == message else "does not hold",
            "as printed",
            f"{got} for {problem.shape}",
        )
        for name, (text, message, got) in stated.items()
    ]
