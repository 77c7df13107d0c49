"""What a correct gradient may be: the exact values, and the bound around them, each sharp enough for the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from gradaudit.reference.certified import CertifiedValues, certify, certify_by_splitting
from gradaudit.reference.problem import WEIGHTS, Problem
from gradaudit.reference.rounding import Bound, bound
from gradaudit.rounding.arithmetic import Arithmetic, Offset

#: Working precision to begin with, in bits; twice the significand of float64 and some.
FIRST_BITS = 128
#: Working precision to give up beyond, in bits. A sum of products of float64 needs no more than 4,300.
LAST_BITS = 16_384
#: From so many multiplications in the forward pass on, splitting is tried before ball arithmetic: it is quicker there.
LARGE = 16_000
#: A certified value, and each intermediate that the bound is computed from, is known to this part of its bound.
SHARP = 2.0**-24


class PrecisionExhausted(ArithmeticError):
    """The exact values of a problem were not found sharply enough at the last precision."""


@dataclass(frozen=True, eq=False)
class Acceptance:
    """A problem, its exact values, and how far a correct floating-point result may lie from them.

    `decayed` names the parameters that the regulariser covers.
    """

    problem: Problem
    exact: CertifiedValues
    bound: Bound
    decayed: tuple[str, ...] = WEIGHTS

    @lru_cache(maxsize=8)  # noqa: B019 (few, and each is small)
    def bound_allowing(self, offset: Offset) -> Bound:
        """The bound with another allowance for an offset common to a sample's logits."""
        return bound(self.problem, self.exact, offset, decayed=self.decayed)


def accept(
    problem: Problem,
    last_bits: int = LAST_BITS,
    arithmetic: Arithmetic | None = None,
    decayed: tuple[str, ...] = WEIGHTS,
) -> Acceptance:
    """Find the exact values of a problem, at the precision that its acceptance bound asks for.

    Parameters
    ----------
    problem : Problem
        Inputs and parameters.
    last_bits : int
        The precision, in bits, beyond which to give up.
    arithmetic : Arithmetic, optional
        What the program computes in, if not in the arithmetic of the problem's dtype.
    decayed : tuple of str
        The parameters that the regulariser covers.

    Returns
    -------
    Acceptance
        Every radius in it is at most SHARP times its bound.

    Raises
    ------
    PrecisionExhausted
        If that takes more than `last_bits`.
    """
    N, D, H, C = problem.shape
    if N * H * (D + C) >= LARGE:
        exact = certify_by_splitting(problem, decayed)
        if exact is not None:
            within = bound(problem, exact, arithmetic=arithmetic, decayed=decayed)
            acceptance = Acceptance(problem, exact, within, decayed)
            if is_sharp(acceptance):
                return acceptance
    bits = FIRST_BITS
    while bits <= last_bits:
        exact = certify(problem, bits, decayed)
        if exact is not None:
            within = bound(problem, exact, arithmetic=arithmetic, decayed=decayed)
            acceptance = Acceptance(problem, exact, within, decayed)
            if is_sharp(acceptance):
                return acceptance
        bits *= 2
    raise PrecisionExhausted(f"the exact values of this problem need more than {last_bits} bits")


def is_sharp(acceptance: Acceptance) -> bool:
    """Whether every radius is far below its bound, also those of what the bound is computed from (ROUNDING.md, 7)."""
    exact, E = acceptance.exact, acceptance.bound
    radii = [(exact.tensors[name].radius, bound) for name, bound in E.tensors.items()]
    radii += [(exact.radii["a"], E.a), (exact.radii["s"], E.s), (exact.radii["ds"], E.ds), (exact.radii["dh"], E.dh)]
    return all(bool((radius <= SHARP * bound).all()) for radius, bound in radii)
