"""What a function did on cases, called in this process: what a diagnosis is made from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from gradaudit.adapters.calls import Caller
from gradaudit.cases.catalogue import Case
from gradaudit.mistakes.observation import Observation
from gradaudit.reference.acceptance import Acceptance, accept
from gradaudit.verdicts.judge import Subject, judge_answer


@lru_cache(maxsize=512)
def _acceptance(case: Case) -> Acceptance:
    return accept(case.problem())


def observed(caller: Caller, cases: Sequence[Case]) -> list[Observation]:
    """An observation a case, in their order."""
    observations = []
    for case in cases:
        acceptance, subject = _acceptance(case), Subject(case.id, case.family, "", "", case.dtype)
        answer = caller(acceptance.problem, case.edge.layout, case.edge.labels)
        finding = judge_answer(subject, answer, acceptance)
        observations.append(Observation(case, acceptance, answer.gradients, answer.changed, finding))
    return observations
