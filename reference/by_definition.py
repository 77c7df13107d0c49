"""The derivative of the loss by its definition: no gradient formula takes part, so it can convict or confirm one.

One number is moved by t; the loss alone is evaluated on power series in t over balls, truncated after t^1; the
coefficient of t encloses the derivative.
"""

from __future__ import annotations

from flint import arb, arb_series, ctx

from gradaudit.reference.problem import Problem


class KinkError(ArithmeticError):
    """The loss is not differentiable there, or the precision does not show that it is."""


def derivative(problem: Problem, moved: str, index: tuple[int, ...], bits: int = 192) -> arb:
    """Enclose the derivative of the loss by one entry of a parameter or of an intermediate.

    Parameters
    ----------
    problem : Problem
        Inputs and parameters.
    moved : {"W1", "b1", "W2", "b2", "a", "h", "s"}
        What is moved: a parameter, the pre-activations, the hidden units or the logits.
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
        If some pre-activation that is moved cannot be told from 0.

    References
    ----------
    Griewank and Walther, Evaluating Derivatives, 2nd ed. (2008), chapter 13 (univariate Taylor propagation).
    """
    return jacobian(problem, "loss", (), moved, index, bits)


def jacobian(
    problem: Problem, result: str, at: tuple[int, ...], moved: str, index: tuple[int, ...], bits: int = 192
) -> arb:
    """Enclose the derivative of one entry of a result ("a", "h", "s" or "loss") by what is moved; see `derivative`."""
    with ctx.workprec(bits):
        previous, ctx.cap = ctx.cap, 2
        try:
            return _series(problem, moved, index)[result][at][1]
        finally:
            ctx.cap = previous


def _series(problem: Problem, moved: str, index: tuple[int, ...]) -> dict[str, dict[tuple[int, ...], arb_series]]:
    """Intermediates and loss as power series in the displacement, each by its index."""
    t = arb_series([0, 1])

    def displaced(name: str, at: tuple[int, ...], value: arb_series) -> arb_series:
        return value + t if (name, at) == (moved, index) else value

    def entry(name: str, *at: int) -> arb_series:
        return displaced(name, at, arb_series([arb(float(getattr(problem, name)[at]))]))

    N, D, H, C = problem.shape
    W1 = {(d, j): entry("W1", d, j) for d in range(D) for j in range(H)}
    W2 = {(j, c): entry("W2", j, c) for j in range(H) for c in range(C)}
    b1, b2 = [entry("b1", j) for j in range(H)], [entry("b2", c) for c in range(C)]
    zero = arb_series([0])
    a: dict[tuple[int, ...], arb_series] = {}
    h: dict[tuple[int, ...], arb_series] = {}
    s: dict[tuple[int, ...], arb_series] = {}
    loss = zero
    for i, label in enumerate(problem.y.tolist()):
        x = [arb(value) for value in problem.X[i].tolist()]
        for j in range(H):
            a[i, j] = displaced("a", (i, j), sum((W1[d, j] * x[d] for d in range(D)), b1[j]))
            h[i, j] = displaced("h", (i, j), _relu(a[i, j]))
        for c in range(C):
            s[i, c] = displaced("s", (i, c), sum((W2[j, c] * h[i, j] for j in range(H)), b2[c]))
        shift = arb_series(
            [max((s[i, c][0] for c in range(C)), key=float)]
        )  # a constant: the loss does not depend on it
        loss += sum(((s[i, c] - shift).exp() for c in range(C)), zero).log() - (s[i, label] - shift)
    squares = sum((w * w for w in (*W1.values(), *W2.values())), zero)
    return {"a": a, "h": h, "s": s, "loss": {(): loss / N + squares * arb(problem.reg)}}


def _relu(a: arb_series) -> arb_series:
    """max(a, 0) where the sign of a is certain, or a does not move."""
    if a[0] > 0:
        return a
    if a[0] < 0 or (a[0].is_zero() and a[1].is_zero()):
        return arb_series([0])
    raise KinkError(f"a pre-activation is {a[0]}: the loss has a kink there, or it takes more bits to tell")
