"""What is noticed about an implementation beside the verdict: state, dtypes, conventions, whose derivative it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradaudit.adapters.calls import Answer
from gradaudit.candidate.conventions import CONVENTIONS, Convention
from gradaudit.candidate.isolation import Isolated
from gradaudit.cases.catalogue import Case
from gradaudit.mistakes.observation import Observation
from gradaudit.reference.problem import TENSORS
from gradaudit.verdicts.judge import Subject

#: On so many cases a convention is tried.
TRIED = 6
#: The step of difference quotients of an implementation's own loss; their error is estimated, not assumed.
STEP = 1e-4
#: The subject of a finding of which only the verdict counts.
NOBODY = Subject("", "", "", "", "")


def on_answer(answer: Answer, dtype: str) -> list[str]:
    """What is noticed about an answer."""
    notes = [f"raises {warning}" for warning in answer.warnings]
    if answer.gradients is not None:
        dtypes = {str(getattr(answer.gradients, name).dtype) for name in TENSORS[1:]} - {dtype}
        notes += [f"returns {other} where it is given {dtype}" for other in sorted(dtypes)]
    return notes


def on_state(process: Isolated, case: Case) -> list[str]:
    """Whether the same call gives the same result: again, and in a new process."""
    problem = case.problem()

    def result() -> list[Any]:
        answer = process.call(problem, problem.reg, case.edge.layout, case.edge.labels)
        return [] if answer.gradients is None else [getattr(answer.gradients, name).tolist() for name in TENSORS]

    process.stop()
    first, again = result(), result()
    process.stop()
    anew = result()
    if str(first) != str(anew):
        return ["its results are not repeatable: two fresh processes give different ones"]
    if str(first) != str(again):
        return ["it keeps state between calls: the second call differs from the first"]
    return []


def on_order(process: Isolated, observations: Sequence[Observation]) -> list[str]:
    """Whether a call in the midst of others gave what a new process gives, where sizes differ from the first call's."""
    first = observations[0].acceptance.problem.shape.N if observations else 0
    later = [o for o in observations if first != o.acceptance.problem.shape.N and o.gradients is not None]
    process.stop()
    for o in later[:1]:
        problem = o.case.problem()
        alone = process.call(problem, problem.reg, o.case.edge.layout, o.case.edge.labels).gradients
        process.stop()
        process.call(observations[0].acceptance.problem, problem.reg)
        after = process.call(problem, problem.reg, o.case.edge.layout, o.case.edge.labels).gradients
        if alone is not None and after is not None:
            one, other = ([getattr(g, name).tolist() for name in TENSORS] for g in (alone, after))
            if str(one) != str(other):
                return ["it keeps state between calls: a call depends on the sizes of the first"]
    return []


def on_convention(process: Isolated, observations: Sequence[Observation], given: Convention) -> list[str]:
    """The convention in which the implementation would be right wherever it is wrong, if there is one.

    A convention is tried on a few of the cases that it changes, and then on every case that failed.
    """
    failed = [o for o in observations if o.finding.verdict in ("wrong", "error")]
    shown = [o for o in failed if o.acceptance.problem.reg > 0 and o.acceptance.problem.shape.N > 1]
    for convention in CONVENTIONS:
        tried = sorted(failed, key=lambda o: o not in shown[:TRIED])
        if convention != given and shown and all(_passes(process, o, convention) for o in tried):
            asked = f"with {convention.options}" if convention.options else "without these options"
            return [
                f"it is right on {len(failed)} of {len(failed)} failed cases in another convention; accept it {asked}"
            ]
    return []


def _passes(process: Isolated, o: Observation, convention: Convention) -> bool:
    """Whether the implementation passes a case in a convention, or nobody can tell there."""
    problem, reg = convention.posed(o.case.problem())
    answer = process.call(problem, reg, o.case.edge.layout, o.case.edge.labels)
    return convention.judged(NOBODY, answer, convention.accept(problem))[0].verdict in ("pass", "undecided")


def on_own_loss(process: Isolated, observations: Sequence[Observation], convention: Convention) -> list[str]:
    """Whether a wrong gradient is that of the implementation's own loss: then it is another network.

    The worst wrong entry is held against difference quotients of that loss; what they say counts where their own
    uncertainty (the difference between two steps) is small beside the error in question.
    """
    for o in observations:
        f = o.finding
        at_kink = (o.acceptance.exact.sign == 0).any() or o.acceptance.bound.kinks.any()
        if o.case.dtype != "float64" or f.verdict != "wrong" or at_kink or o.changed:
            continue  # at a kink a difference quotient tells nothing
        if f.tensor is None or f.index is None or f.got is None or f.exact is None:
            continue
        if f.tensor == "loss" or not np.isfinite(f.got):
            continue
        coarse, fine = (_quotient(process, o, f.tensor, f.index, convention, step) for step in (2 * STEP, STEP))
        doubt = abs(coarse - fine) + _rounding(o) / STEP
        if not doubt < abs(f.got - f.exact[0]) / 8:
            continue
        if abs(fine - f.got) <= doubt + abs(f.got - f.exact[0]) / 8:
            return [f"the gradient is that of its own loss, which is another network's ({f.tensor} on {o.case.id})"]
        return [f"the gradient is not that of its own loss ({f.tensor}{list(f.index)} on {o.case.id}: {fine:.9g})"]
    return []


def _rounding(o: Observation) -> float:
    """How far rounding may put the implementation's loss off: a float64 that float32 holds was rounded to that."""
    loss = np.float64(0.0 if o.gradients is None else o.gradients.loss)
    return float(abs(loss) * (2.0**-22 if loss == np.float32(loss) else 2.0**-50))


def _quotient(
    process: Isolated, o: Observation, tensor: str, index: tuple[int, ...], convention: Convention, step: float
) -> float:
    """A central difference quotient of the implementation's own loss."""
    losses = []
    for sign in (1, -1):
        moved = getattr(o.acceptance.problem, tensor).copy()
        moved[index] += sign * step
        problem = replace(o.acceptance.problem, **{tensor: moved})
        answer = process.call(problem, convention.posed(problem)[1], "C", o.case.edge.labels)
        if answer.gradients is None:
            return float("nan")
        losses.append(float(convention.read(answer.gradients, problem.shape.N).loss))
    return (losses[0] - losses[1]) / (2 * step)
