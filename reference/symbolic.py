"""The source's formulas proved or refuted for all numbers: SymPy differentiates the loss of small networks.

For every pattern of active and inactive units (away from its kinks the ReLU is linear), and labels that agree or
differ, the loss is an expression in symbols. Its derivative minus a formula is a rational function of the exponentials
of the logits; if its numerator vanishes as a polynomial, the formula holds for all numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import sympy

from gradaudit.reference.ledger import FACTORS, Formula, Letters
from gradaudit.reference.problem import Shape

#: The networks that every formula is proved on.
SHAPES = tuple(Shape(*sizes) for sizes in ((1, 1, 1, 2), (2, 1, 1, 2), (1, 2, 2, 3), (2, 2, 2, 3)))


@dataclass(frozen=True, eq=False)
class Network:
    """A network of symbols: its letters, its loss without and with regularisation, what it is differentiated by.

    Attributes
    ----------
    letters : Letters
        Matrices of symbols and expressions; the exponentials of the logits are symbols of their own in `probs`.
    data_loss, penalty : expression
        The two terms of the loss.
    variables : dict of str to matrix
        W1, b1 (1 x H), W2, b2 (1 x C).
    exponentials : dict
        exp of each logit -> its symbol.
    """

    letters: Letters
    data_loss: Any
    penalty: Any
    variables: dict[str, Any]
    exponentials: dict[Any, Any]


def network(shape: Shape, pattern: tuple[int, ...], y: tuple[int, ...], free: str = "") -> Network:
    """The network whose units are active (1) or not (0) as the pattern says; `free`, "h" or "s", becomes a variable."""
    N, D, H, C = shape
    X, W1, b1, W2, b2 = (
        sympy.Matrix(rows, columns, sympy.symbols(f"{name}:{rows * columns}", real=True))
        for name, rows, columns in (("X", N, D), ("W", D, H), ("b", 1, H), ("V", H, C), ("c", 1, C))
    )
    reg = sympy.Symbol("reg", positive=True)
    relu = sympy.Matrix(N, H, pattern)
    ones = sympy.ones(1, N)
    h = (X * W1 + ones.T * b1).multiply_elementwise(relu)
    if free == "h":
        h = sympy.Matrix(N, H, sympy.symbols(f"h:{N * H}", real=True))
    s = h * W2 + ones.T * b2
    if free == "s":
        s = sympy.Matrix(N, C, sympy.symbols(f"s:{N * C}", real=True))
    exponentials: dict[Any, Any] = {}  # equal logits share one symbol
    for i, c in product(range(N), range(C)):
        exponentials.setdefault(sympy.exp(s[i, c]), sympy.Symbol(f"E{i}_{c}", positive=True))
    E = s.applyfunc(lambda logit: exponentials[sympy.exp(logit)])
    losses = [sympy.log(sum(sympy.exp(s[i, c]) for c in range(C))) - s[i, y[i]] for i in range(N)]
    return Network(
        letters=Letters(
            X=X,
            W1=W1,
            W2=W2,
            h1=h,
            probs=sympy.Matrix(N, C, lambda i, c: E[i, c] / sum(E[i, :])),
            onehot=sympy.Matrix(N, C, lambda i, c: int(c == y[i])),
            relu=relu,
            ones=ones,
            reg=reg,
            entrywise=lambda A, B: A.multiply_elementwise(B),
        ),
        data_loss=sum(losses) / N,
        penalty=reg * (sum(w**2 for w in W1) + sum(w**2 for w in W2)),
        variables={"W1": W1, "b1": b1, "W2": W2, "b2": b2, "h": h, "s": s},
        exponentials=exponentials,
    )


def holds(formula: Formula, factor: str, shape: Shape) -> bool:
    """Whether a printed formula, times a factor of the ledger, is the derivative of the loss for all numbers.

    Parameters
    ----------
    formula : Formula
        A row of the ledger.
    factor : str
        A key of FACTORS, such as "1/N".
    shape : Shape
        The sizes of the network.
    """
    times = FACTORS[factor](shape)
    return all(_vanishes(formula, times, first) for first in _networks(formula, shape))


def patterns(shape: Shape) -> int:
    """How many patterns of active and inactive units a network of that shape has."""
    return int(2 ** (shape.N * shape.H))


def _networks(formula: Formula, shape: Shape) -> Iterator[Network]:
    """Every pattern and choice of labels; for a derivative by h or s the pattern does not matter."""
    free = formula.by if formula.by in ("h", "s") else ""
    units = [1] * (shape.N * shape.H)
    labels = {tuple(0 for _ in range(shape.N)), tuple(i % shape.C for i in range(shape.N))}
    for y in sorted(labels):
        for pattern in [tuple(units)] if free else product((0, 1), repeat=len(units)):
            yield network(shape, pattern, y, free)


def _vanishes(formula: Formula, factor: Fraction, first: Network) -> bool:
    """Whether derivative - factor * formula is 0, entry by entry."""
    printed = formula.value(first.letters) * sympy.Rational(factor.numerator, factor.denominator)
    loss = first.penalty if formula.regularisation else first.data_loss
    variables = first.variables[formula.by]
    return all(
        sympy.expand(sympy.fraction(sympy.together(loss.diff(variable).xreplace(first.exponentials) - entry))[0]) == 0
        for variable, entry in zip(variables, printed, strict=True)
    )
