"""The conventions of the loss of the network: what is regularised and how much, mean or sum over samples.

A candidate in another convention is called with another `reg`, so that its loss is the canonical one (or N times it).
It is compared with the same exact values. The factor is exact, because `reg` is first rounded to fewer bits. If the
biases are regularised too, the exact values are those of that loss (gradaudit/rounding/ROUNDING.md, section 8).
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
from gradaudit.verdicts.judge import Finding, Subject, judge_answer

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
        """The options of the command line for this convention."""
        l2 = "" if self.l2 == "full" else f"--l2 {self.l2}"
        reduction = "" if self.reduction == "mean" else f"--reduction {self.reduction}"
        return " ".join(part for part in (l2, reduction, "--bias-decay" * self.bias_decay) if part)

    def accept(self, problem: Problem) -> Acceptance:
        """The exact values of a problem of this convention (see `pose`), and the bound around them."""
        return accept(problem, decayed=PARAMETERS if self.bias_decay else WEIGHTS)

    def pose(self, problem: Problem) -> tuple[Problem, float]:
        """The problem with a `reg` that can be multiplied exactly, and the `reg` for the call of a candidate."""
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
        """The gradients of the candidate in the canonical convention: divided by N if its loss is a sum."""
        if self.reduction == "mean":
            return gradients
        return Gradients(**{name: getattr(gradients, name).astype(np.float64) / N for name in TENSORS})

    def judge(self, subject: Subject, answer: Answer, acceptance: Acceptance) -> tuple[Finding, Gradients | None]:
        """The finding on an answer in this convention, and its gradients in the canonical convention, if any."""
        if answer.gradients is None:
            return judge_answer(subject, answer, acceptance), None
        gradients = self.read(answer.gradients, acceptance.problem.shape.N)
        if self.bias_decay and acceptance.decayed != PARAMETERS:
            acceptance = self.accept(acceptance.problem)
        return judge_answer(subject, replace(answer, gradients=gradients), acceptance), gradients

    def without_decay(self, acceptance: Acceptance, gradients: Gradients) -> tuple[Acceptance, Gradients]:
        """The exact values and the gradients without the decay of b1 and b2, for a diagnosis: mistakes have no decay.

        The bound is that of the gradients with the decay. It is larger than the rounding of the subtraction here.
        """
        problem = acceptance.problem
        biases = {name: getattr(problem, name).astype(np.float64) for name in ("b1", "b2")}
        if not self.bias_decay or any(getattr(gradients, name).shape != b.shape for name, b in biases.items()):
            return acceptance, gradients
        with np.errstate(all="ignore"):  # NaN and infinity stay
            tensors = {name: getattr(gradients, name) - 2 * problem.reg * b for name, b in biases.items()}
            tensors["loss"] = gradients.loss - problem.reg * sum((b**2).sum() for b in biases.values())
        canonical = accept(problem)
        return replace(canonical, bound=acceptance.bound), replace(gradients, **tensors)


class Poser:
    """The problems and exact values of cases in a convention.

    Parameters
    ----------
    convention : Convention
        The convention.
    keep : bool
        Whether problems and exact values are kept, to judge many implementations.
    """

    def __init__(self, convention: Convention, keep: bool = False) -> None:
        self.convention = convention
        if keep:
            self.problem = cache(self.problem)  # type: ignore[method-assign]
            self.acceptance = cache(self.acceptance)  # type: ignore[method-assign]

    def problem(self, case: Case) -> tuple[Problem, float]:
        """The problem of a case, and the `reg` for the call of an implementation."""
        return self.convention.pose(case.problem())

    def acceptance(self, case: Case) -> Acceptance:
        """The exact values of a case, and the bound around them."""
        return self.convention.accept(self.problem(case)[0])


#: Every convention, first the canonical one. Without a regulariser, `bias_decay` makes no difference.
CONVENTIONS = tuple(
    Convention(l2, reduction, bias_decay)
    for bias_decay, reduction, l2 in product((False, True), REDUCTIONS, L2)
    if not (bias_decay and l2 == "none")
)
