"""What the frameworks answer on the cases, and what a correct answer may be, each found once a process."""

from __future__ import annotations

from functools import lru_cache

from gradaudit.adapters import adapter
from gradaudit.adapters.calls import hand_over
from gradaudit.cases.catalogue import Case
from gradaudit.reference.acceptance import Acceptance, accept
from gradaudit.reference.problem import Gradients, Problem

#: The frameworks, each with its canonical variant.
CANONICAL = {"numpy": "reference", "torch": "autograd", "jax": "jit"}
FRAMEWORKS = tuple(CANONICAL)


@lru_cache(maxsize=4)
def acceptance_of(case: Case) -> Acceptance:
    """The exact values of a case and the bound around them."""
    return accept(case.problem())


@lru_cache(maxsize=12)
def answer(framework: str, case: Case) -> Gradients:
    """What the canonical variant of a framework computes on a case."""
    inputs = hand_over(acceptance_of(case).problem, case.edge.layout, case.edge.labels)
    return adapter(framework).gradients(inputs, adapter(framework).variants[0])


def canonical(framework: str, problem: Problem) -> Gradients:
    """What the canonical variant of a framework computes on a problem."""
    return adapter(framework).gradients(hand_over(problem), adapter(framework).variants[0])
