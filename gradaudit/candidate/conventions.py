"""The conventions in which the same network is implemented: what is regularised and how much, mean or sum over samples.

A candidate of another convention is called with the factor that makes its loss the canonical one (or N times it), so
that it is held against the same exact values. The factor is exact: `reg` is first rounded to so few bits that
it can be. Where the biases decay too, the exact values are those of that loss (reference/ROUNDING.md, section 8).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np

from gradaudit.adapters.calls import Answer
from gradaudit.cases.catalogue import Case
from gradaudit.reference.acceptance import Acceptance, accept
from gradaudit.reference.problem import PARAMETERS, TENSORS, WEIGHTS, Gradients, Problem
from gradaudit.verdicts.judge import Finding, Subject, judge

L2 = ("full", "half", "half-mean", "none")
REDUCTIONS = ("mean", "sum")


@dataclass(frozen=True)
class Convention:
    """A way to write the loss.

    Attributes
    ----------
    l2 : {"full", "half", "half-mean", "none"}
        ``reg |W|^2``, ``reg/2 |W|^2``, ``reg/(2 N) |W|^2`` or nothing, whatever `reg` is.
    reduction : {"mean", "sum"}
        Mean or sum of the samples' losses.
    bias_decay : bool
        Whether b1 and b2 are regularised like W1 and W2.
    """

    l2: str = "full"
    reduction: str = "mean"
    bias_decay: bool = False

    @property
    def options(self) -> str:
        """The command line's options that accept it."""
        l2 = "" if self.l2 == "full" else f"--l2 {self.l2}"
        reduction = "" if self.reduction == "mean" else f"--reduction {self.reduction}"
        return " ".join(part for part in (l2, reduction, "--bias-decay" * self.bias_decay) if part)

    def accept(self, problem: Problem) -> Acceptance:
        """The exact values of a problem that was posed in this convention, and the bound around them."""
        return accept(problem, decayed=PARAMETERS if self.bias_decay else WEIGHTS)

    def posed(self, problem: Problem) -> tuple[Problem, float]:
        """The problem with a `reg` that can be multiplied exactly, and the `reg` to call a candidate with."""
        N = problem.shape.N
        if self.l2 == "none":
            return replace(problem, reg=0.0), problem.reg
        factor = {"full": 1, "half": 2, "half-mean": 2 * N}[self.l2] * (N if self.reduction == "sum" else 1)
        if factor == 1 or problem.reg == 0:
            return problem, problem.reg
        significand, exponent = math.frexp(problem.reg)
        bits = np.finfo(problem.dtype).nmant + 1 - factor.bit_length()
        reg = math.ldexp(round(significand * 2**bits), exponent - bits)
        return replace(problem, reg=reg), factor * reg

    def read(self, gradients: Gradients, N: int) -> Gradients:
        """The candidate's answer in the canonical convention: over N where it is a sum."""
        if self.reduction == "mean":
            return gradients
        return Gradients(**{name: getattr(gradients, name).astype(np.float64) / N for name in TENSORS})

    def judged(self, subject: Subject, answer: Answer, acceptance: Acceptance) -> tuple[Finding, Gradients | None]:
        """The finding on an answer in this convention, and its gradients, if any, in the canonical one."""
        if answer.gradients is None:
            return Finding(*subject, verdict="error", expected=False, message=answer.message), None
        gradients = self.read(answer.gradients, acceptance.problem.shape.N)
        if self.bias_decay and acceptance.decayed != PARAMETERS:
            acceptance = self.accept(acceptance.problem)
        return judge(subject, gradients, acceptance, answer.changed), gradients

    def undecayed(self, acceptance: Acceptance, gradients: Gradients) -> tuple[Acceptance, Gradients]:
        """What a diagnosis is made from, whose mistakes regularise no bias: the decay of b1 and b2 taken off, rounded.

        The bound is that of the gradients with it; it is larger than what taking it off rounds.
        """
        problem = acceptance.problem
        biases = {name: getattr(problem, name).astype(np.float64) for name in ("b1", "b2")}
        if not self.bias_decay or any(getattr(gradients, name).shape != b.shape for name, b in biases.items()):
            return acceptance, gradients
        with np.errstate(all="ignore"):  # what is not finite stays so
            less = {name: getattr(gradients, name) - 2 * problem.reg * b for name, b in biases.items()}
            less["loss"] = gradients.loss - problem.reg * sum((b**2).sum() for b in biases.values())
        canonical = accept(problem)
        return replace(canonical, bound=acceptance.bound), replace(gradients, **less)


class Posed:
    """The cases as a convention poses them.

    Parameters
    ----------
    convention : Convention
        The convention.
    keep : bool
        Whether problems and exact values are kept, for those who judge many implementations.
    """

    def __init__(self, convention: Convention, keep: bool = False) -> None:
        self.convention = convention
        if keep:
            self.problem = cache(self.problem)  # type: ignore[method-assign]
            self.acceptance = cache(self.acceptance)  # type: ignore[method-assign]

    def problem(self, case: Case) -> tuple[Problem, float]:
        """The problem, and the `reg` to call an implementation with."""
        return self.convention.posed(case.problem())

    def acceptance(self, case: Case) -> Acceptance:
        """Its exact values, and the bound around them."""
        return self.convention.accept(self.problem(case)[0])


#: Every convention, the canonical one first; without a regulariser it does not matter what decays.
CONVENTIONS = tuple(
    Convention(l2, reduction, bias_decay)
    for bias_decay, reduction, l2 in product((False, True), REDUCTIONS, L2)
    if not (bias_decay and l2 == "none")
)
