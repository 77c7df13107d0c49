"""The derivative of the loss by its definition: no gradient formula takes part, so it can convict or confirm one.

One parameter is moved by t; the loss alone is evaluated on power series in t over balls, truncated after t^1; the
coefficient of t encloses the derivative.
"""

from __future__ import annotations

import flint
from flint import arb, arb_series, ctx

from reference.problem import Problem


class KinkError(ArithmeticError):
    """The loss is not differentiable there, or the precision does not show that it is."""


def derivative(problem: Problem, parameter: str, index: tuple[int, ...], bits: int = 192) -> arb:
    """Enclose the derivative of the loss by one entry of one parameter.

    Parameters
    ----------
    problem : Problem
        Inputs and parameters.
    parameter : {"W1", "b1", "W2", "b2"}
        Which parameter.
    index : tuple of int
        Which entry of it.
    bits : int
        Working precision in bits.

    Returns
    -------
    arb
        A ball that contains the derivative.

    Raises
    ------
    KinkError
        If some pre-activation that the parameter moves cannot be told from 0.

    References
    ----------
    Griewank and Walther, Evaluating Derivatives, 2nd ed. (2008), chapter 13 (univariate Taylor propagation).
    """
    with ctx.workprec(bits):
        return loss_series(problem, parameter, index)[1]


def loss_series(problem: Problem, parameter: str, index: tuple[int, ...]) -> arb_series:
    """The loss as a power series in the displacement of one entry, at the current precision, truncated after t^1."""
    previous, ctx.cap = ctx.cap, 2
    try:
        return _loss(problem, parameter, index)
    finally:
        ctx.cap = previous


def _loss(problem: Problem, parameter: str, index: tuple[int, ...]) -> arb_series:
    def entry(name: str, *at: int) -> arb_series:
        value = arb(float(getattr(problem, name)[at]))
        return arb_series([value, 1] if (name, at) == (parameter, index) else [value])

    N, D, H, C = problem.shape
    W1 = [[entry("W1", d, j) for j in range(H)] for d in range(D)]
    b1 = [entry("b1", j) for j in range(H)]
    W2 = [[entry("W2", j, c) for c in range(C)] for j in range(H)]
    b2 = [entry("b2", c) for c in range(C)]
    zero = arb_series([0])
    loss = zero
    for i, label in enumerate(problem.y.tolist()):
        x = [arb(value) for value in problem.X[i].tolist()]
        h = [_relu(sum((W1[d][j] * x[d] for d in range(D)), b1[j])) for j in range(H)]
        s = [sum((W2[j][c] * h[j] for j in range(H)), b2[c]) for c in range(C)]
        top = max(range(C), key=lambda c: float(s[c][0]))
        shift = arb_series([s[top][0]])  # a constant: the loss does not depend on it
        loss += sum(((s[c] - shift).exp() for c in range(C)), zero).log() - (s[label] - shift)
    squares = sum((w * w for matrix in (W1, W2) for row in matrix for w in row), zero)
    return loss / N + squares * arb(problem.reg)


def _relu(a: arb_series) -> arb_series:
    """max(a, 0) where the sign of a is certain, or a does not move."""
    if a[0] > 0:
        return a
    if a[0] < 0 or (a[0].is_zero() and a[1].is_zero()):
        return flint.arb_series([0])
    raise KinkError(f"a pre-activation is {a[0]}: the loss has a kink there, or it takes more bits to tell")
