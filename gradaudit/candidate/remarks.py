"""Remarks on an implementation in addition to the verdicts: state, dtypes, conventions, gradient of its own loss."""

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

#: A convention is first tried on this number of cases.
TRIALS = 6
#: The step of difference quotients of the implementation's own loss. Their error is estimated.
STEP = 1e-4
#: The subject of a finding that is used for its verdict only.
NOBODY = Subject("", "", "", "", "")


def on_answer(answer: Answer, dtype: str) -> list[str]:
    """Remarks on an answer: its warnings and its dtypes."""
    notes = [f"raises {warning}" for warning in answer.warnings]
    if answer.gradients is not None:
        dtypes = {str(getattr(answer.gradients, name).dtype) for name in TENSORS[1:]} - {dtype}
        notes += [f"returns {name} where it is given {dtype}" for name in sorted(dtypes)]
    return notes


def on_state(process: Isolated, case: Case) -> list[str]:
    """A remark if the same call gives another result: a second time, or in a new process."""
    problem = case.problem()

    def result() -> list[Any]:
        answer = process.call(problem, problem.reg, case.edge.layout, case.edge.labels)
        return [] if answer.gradients is None else [getattr(answer.gradients, name).tolist() for name in TENSORS]

    process.stop()
    first, second = result(), result()
    process.stop()
    fresh = result()
    if str(first) != str(fresh):
        return ["its results are not repeatable: two fresh processes give different ones"]
    if str(first) != str(second):
        return ["it keeps state between calls: the second call differs from the first"]
    return []


def on_order(process: Isolated, observations: Sequence[Observation]) -> list[str]:
    """A remark if a call with other sizes than the first call gives another result than in a new process."""
    first = observations[0].acceptance.problem.shape.N if observations else 0
    later = [o for o in observations if first != o.acceptance.problem.shape.N and o.gradients is not None]
    process.stop()
    for o in later[:1]:
        problem = o.case.problem()
        fresh = process.call(problem, problem.reg, o.case.edge.layout, o.case.edge.labels).gradients
        process.stop()
        process.call(observations[0].acceptance.problem, problem.reg)
        late = process.call(problem, problem.reg, o.case.edge.layout, o.case.edge.labels).gradients
        if fresh is not None and late is not None:
            first_results, late_results = ([getattr(g, name).tolist() for name in TENSORS] for g in (fresh, late))
            if str(first_results) != str(late_results):
                return ["it keeps state between calls: a call depends on the sizes of the first"]
    return []


def on_convention(process: Isolated, observations: Sequence[Observation], own: Convention) -> list[str]:
    """A remark if the implementation is right in another convention on every case that failed.

    A convention is tried first on a few cases where it makes a difference, then on every failed case.
    """
    failures = [o for o in observations if o.finding.verdict in ("wrong", "error")]
    examples = [o for o in failures if o.acceptance.problem.reg > 0 and o.acceptance.problem.shape.N > 1]
    for convention in CONVENTIONS:
        order = sorted(failures, key=lambda o: o not in examples[:TRIALS])
        if convention != own and examples and all(_passes(process, o, convention) for o in order):
            options = f"with {convention.options}" if convention.options else "without these options"
            number = f"{len(failures)} of {len(failures)}"
            return [f"it is right on {number} failed cases in another convention; accept it {options}"]
    return []


def _passes(process: Isolated, o: Observation, convention: Convention) -> bool:
    """Whether the implementation passes a case in a convention, or is undecided there."""
    problem, reg = convention.pose(o.case.problem())
    answer = process.call(problem, reg, o.case.edge.layout, o.case.edge.labels)
    return convention.judge(NOBODY, answer, convention.accept(problem))[0].verdict in ("pass", "undecided")


def on_own_loss(process: Isolated, observations: Sequence[Observation], convention: Convention) -> list[str]:
    """A remark on whether a wrong gradient is that of the implementation's own loss. If so, it is another network.

    The worst wrong entry is compared with difference quotients of that loss. They are used only if their uncertainty
    (the difference between two steps) is small in comparison with the error of the entry.
    """
    for o in observations:
        f = o.finding
        at_kink = (o.acceptance.exact.sign == 0).any() or o.acceptance.bound.kinks.any()
        if o.case.dtype != "float64" or f.verdict != "wrong" or at_kink or o.changed:
            continue  # at a kink a difference quotient is not a derivative
        if f.tensor is None or f.index is None or f.got is None or f.exact is None:
            continue
        if f.tensor == "loss" or not np.isfinite(f.got):
            continue
        coarse, fine = (_quotient(process, o, f.tensor, f.index, convention, step) for step in (2 * STEP, STEP))
        uncertainty = abs(coarse - fine) + _rounding(o) / STEP
        if not uncertainty < abs(f.got - f.exact[0]) / 8:
            continue
        if abs(fine - f.got) <= uncertainty + abs(f.got - f.exact[0]) / 8:
            return [f"the gradient is that of its own loss, which is another network's ({f.tensor} on {o.case.id})"]
        return [f"the gradient is not that of its own loss ({f.tensor}{list(f.index)} on {o.case.id}: {fine:.9g})"]
    return []


def _rounding(o: Observation) -> float:
    """The rounding error of the implementation's loss. A float32 number in float64 counts as rounded to float32."""
    loss = np.float64(0.0 if o.gradients is None else o.gradients.loss)
    return float(abs(loss) * (2.0**-22 if loss == np.float32(loss) else 2.0**-50))


def _quotient(
    process: Isolated, o: Observation, tensor: str, index: tuple[int, ...], convention: Convention, step: float
) -> float:
    """A central difference quotient of the implementation's own loss."""
    losses = []
    for sign in (1, -1):
        parameter = getattr(o.acceptance.problem, tensor).copy()
        parameter[index] += sign * step
        problem = replace(o.acceptance.problem, **{tensor: parameter})
        answer = process.call(problem, convention.pose(problem)[1], "C", o.case.edge.labels)
        if answer.gradients is None:
            return float("nan")
        losses.append(float(convention.read(answer.gradients, problem.shape.N).loss))
    return (losses[0] - losses[1]) / (2 * step)
