"""The conventions in which the same network is implemented: how the regularisation is scaled, mean or sum over samples.

A candidate of another convention is called with the factor that makes its loss the canonical one (or N times it), so
that it is held against the same exact values. The factor is exact: `reg` is first rounded to so few bits that
it can be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from audit.isolation import Answer
from audit.judge import Finding, Subject, judge
from reference.acceptance import Acceptance
from reference.problem import TENSORS, Gradients, Problem

L2 = ("full", "half", "half-mean")
REDUCTIONS = ("mean", "sum")


@dataclass(frozen=True)
class Convention:
    """A way to write the loss.

    Attributes
    ----------
    l2 : {"full", "half", "half-mean"}
        ``reg |W|^2``, ``reg/2 |W|^2`` or ``reg/(2 N) |W|^2``.
    reduction : {"mean", "sum"}
        Mean or sum of the samples' losses.
    """

    l2: str = "full"
    reduction: str = "mean"

    @property
    def options(self) -> str:
        """The command line's options that accept it."""
        l2 = "" if self.l2 == "full" else f"--l2 {self.l2}"
        reduction = "" if self.reduction == "mean" else f"--reduction {self.reduction}"
        return " ".join(part for part in (l2, reduction) if part)

    def posed(self, problem: Problem) -> tuple[Problem, float]:
        """The problem with a `reg` that can be multiplied exactly, and the `reg` to call a candidate with."""
        N = problem.shape.N
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
        return judge(subject, gradients, acceptance, answer.changed), gradients


#: Every convention, the canonical one first.
CONVENTIONS = tuple(Convention(l2, reduction) for reduction, l2 in product(REDUCTIONS, L2))
