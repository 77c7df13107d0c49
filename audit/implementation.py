"""Somebody's own implementation before the judge: in this process, or in one of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from adapters.candidate import call
from adapters.protocol import hand_over
from audit.catalogue import Case
from audit.catalogue import cases as catalogue_cases
from audit.conventions import CONVENTIONS, Convention
from audit.diagnosis import Diagnosis, Observation, diagnose
from audit.isolation import Answer, Isolated
from audit.judge import Finding, Subject, describe, judge
from audit.run import CANDIDATE, Settings, plan
from audit.shards import belongs
from reference.acceptance import Acceptance, accept
from reference.problem import DTYPES, PARAMETERS, TENSORS, Gradients, Problem

#: After so many crashes and timeouts the remaining cases are given up.
PATIENCE = 3
#: On so many cases a convention is tried.
TRIED = 6
#: The step of difference quotients of an implementation's own loss; their error is estimated, not assumed.
STEP = 1e-4


class WrongGradientError(AssertionError):
    """An implementation is not as it should be; the message says why."""


@dataclass(frozen=True)
class Report:
    """What there is to say of an implementation.

    Attributes
    ----------
    findings : tuple of Finding
        One a case.
    diagnosis : Diagnosis
        What is the matter, if anything is.
    notes : tuple of str
        What was noticed beside the verdict: state, warnings, dtypes, conventions.
    ok : bool
        Whether all findings are as expected (`undecided` is tolerated unless the audit is strict).
    """

    findings: tuple[Finding, ...]
    diagnosis: Diagnosis
    notes: tuple[str, ...]
    ok: bool

    def raise_on_failure(self) -> None:
        """Raise a `WrongGradientError` with the diagnosis, unless all is well."""
        if not self.ok:
            failed = [f for f in self.findings if not f.expected and f.verdict != "undecided"]
            text = self.diagnosis.text or "; ".join(f"{f.verdict} on {f.case}: {describe(f)}" for f in failed[:1])
            raise WrongGradientError(f"{len(failed)} of {len(self.findings)} cases fail. {text}")


def check(function: Callable[..., Any], problem: Problem) -> Finding:
    """Judge one call of an implementation, in this process.

    Parameters
    ----------
    function : callable
        ``f(X, y, W1, b1, W2, b2, reg) -> (loss, grads)``, or a class in the cs231n way.
    problem : Problem
        What to call it on.
    """
    name = getattr(function, "__name__", type(function).__name__)
    subject = Subject("", "", CANDIDATE, name, str(problem.dtype))
    acceptance, inputs = accept(problem), hand_over(problem)
    try:
        gradients = call(function, inputs)
    except Exception as error:  # whatever it raises is what there is to report
        return Finding(*subject, verdict="error", expected=False, message=f"{type(error).__name__}: {error}")
    names = ("X", "y", *PARAMETERS)
    changed = tuple(n for n in names if not np.array_equal(getattr(inputs, n), getattr(problem, n)))
    return judge(subject, gradients, acceptance, changed)


def audit_implementation(
    target: str | Callable[..., Any],
    *,
    cases: str = "standard",
    dtypes: tuple[str, ...] = DTYPES,
    words: str = "",
    seed: int = 0,
    shard: tuple[int, int] = (1, 1),
    l2: str = "full",
    reduction: str = "mean",
    timeout: float = 10.0,
    memory: int = 4096,
    strict: bool = False,
) -> Report:
    """Judge an implementation on the catalogue, in a process of its own.

    Parameters
    ----------
    target : str or callable
        ``FILE.py:NAME``, or a function or class that stands at the top of a file.
    cases, dtypes, words, seed, shard, strict
        As on the command line.
    l2 : {"full", "half", "half-mean"}
        Its convention: ``reg |W|^2``, ``reg/2 |W|^2`` or ``reg/(2 N) |W|^2``.
    reduction : {"mean", "sum"}
        Its convention: mean or sum of the samples' losses.
    timeout : float
        The limit of a call, in seconds.
    memory : int
        The limit of what calls allocate, in MiB.

    Raises
    ------
    CandidateError
        If it cannot be imported.
    ValueError
        If a callable does not stand at the top of a file.
    """
    named, convention = named_target(target), Convention(l2, reduction)
    settings = settings_for(named, cases=cases, dtypes=dtypes, words=words, seed=seed, strict=strict)
    chosen = [item.case for item in plan(settings) if belongs(item.case.id, shard)]
    with Isolated(named, timeout, memory) as process:
        process.start()
        observations, found, notes = _judged(chosen, process, named, convention)
        alive = not any(f.verdict in ("crash", "timeout") for f in found)
        failing = any(f.verdict in ("wrong", "error") for f in found)
        if alive and chosen:
            notes += _on_state(process, chosen[0])
        if alive and failing:
            notes += _on_convention(process, observations, convention)
            notes += _on_own_loss(process, observations, convention)
    diagnosis = diagnose(observations)
    text = diagnosis.text
    explained = [replace(f, diagnosis=text) if text and f.verdict in ("wrong", "error") else f for f in found]
    tolerated = () if strict else ("undecided",)
    ok = all(f.expected or f.verdict in tolerated for f in explained)
    return Report(tuple(explained), diagnosis, tuple(dict.fromkeys(notes)), ok)


def parametrize_with_cases(
    cases: str = "quick", dtypes: tuple[str, ...] = DTYPES, seed: int = 0
) -> Callable[[Callable[..., Any]], Any]:
    """A decorator that gives a pytest test one item a case, as the argument `problem`."""
    import pytest

    chosen = [case for case in catalogue_cases(cases, dtypes, seed) if case.step is None]
    return pytest.mark.parametrize("problem", [pytest.param(case.problem(), id=case.id) for case in chosen])


def settings_for(target: str, **options: Any) -> Settings:
    """The settings of a run that judges one implementation."""
    return Settings(who=((CANDIDATE, target.rpartition(":")[2]),), **options)


def named_target(target: str | Callable[..., Any]) -> str:
    """``FILE.py:NAME`` of a target.

    Raises
    ------
    ValueError
        If a callable does not stand at the top of a file.
    """
    if isinstance(target, str):
        return target
    name = getattr(target, "__qualname__", "")
    try:
        file = inspect.getsourcefile(target)
    except TypeError:
        file = None
    if not file or not name.isidentifier():
        raise ValueError(f"{target!r} does not stand at the top of a file; expected one that does, or use check()")
    return f"{file}:{name}"


def _judged(
    chosen: Sequence[Case], process: Isolated, named: str, convention: Convention
) -> tuple[list[Observation], list[Finding], list[str]]:
    """A finding a case, with what was seen on the way."""
    observations: list[Observation] = []
    found: list[Finding] = []
    notes: list[str] = []
    lost = 0
    for case in chosen:
        subject = Subject(case.id, case.family, CANDIDATE, named.rpartition(":")[2], case.dtype)
        if lost == PATIENCE:
            message = f"given up after {PATIENCE} crashes or timeouts"
            found.append(Finding(*subject, verdict="skipped", expected=False, message=message))
            continue
        problem, reg = convention.posed(case.problem())
        answer = process.call(problem, reg, case.edge.layout, case.edge.labels)
        if answer.outcome == "crash" or answer.outcome == "timeout":
            lost += 1
            found.append(Finding(*subject, verdict=answer.outcome, expected=False, message=answer.message))
            continue
        acceptance = accept(problem)
        finding, gradients = _finding(subject, answer, acceptance, convention)
        found.append(finding)
        observations.append(Observation(case, acceptance, gradients, answer.changed, finding))
        notes += _on_answer(answer, case.dtype)
    return observations, found, notes


def _finding(
    subject: Subject, answer: Answer, acceptance: Acceptance, convention: Convention
) -> tuple[Finding, Gradients | None]:
    """The finding on an answer, and the gradients in the canonical convention."""
    if answer.gradients is None:
        return Finding(*subject, verdict="error", expected=False, message=answer.message), None
    gradients = convention.read(answer.gradients, acceptance.problem.shape.N)
    return judge(subject, gradients, acceptance, answer.changed), gradients


def _on_answer(answer: Answer, dtype: str) -> list[str]:
    """What is noticed about an answer."""
    notes = [f"raises {warning}" for warning in answer.warned]
    if answer.gradients is not None:
        dtypes = {str(getattr(answer.gradients, name).dtype) for name in TENSORS[1:]} - {dtype}
        notes += [f"returns {other} where it is given {dtype}" for other in sorted(dtypes)]
    return notes


def _on_state(process: Isolated, case: Case) -> list[str]:
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


def _on_convention(process: Isolated, observations: Sequence[Observation], given: Convention) -> list[str]:
    """The convention in which the implementation would be right, if there is one."""
    telling = [o for o in observations if o.acceptance.problem.reg > 0 and o.acceptance.problem.shape.N > 1]
    failed = [o for o in telling if o.finding.verdict == "wrong"][:TRIED]
    for convention in CONVENTIONS:
        if convention == given or not failed:
            continue
        verdicts = []
        for o in failed:
            problem, reg = convention.posed(o.case.problem())
            answer = process.call(problem, reg, o.case.edge.layout, o.case.edge.labels)
            verdicts.append(_finding(Subject("", "", "", "", ""), answer, accept(problem), convention)[0].verdict)
        if set(verdicts) == {"pass"}:
            asked = f"with {convention.options}" if convention.options else "without --l2 and --reduction"
            return [
                f"it is right on {len(failed)} of {len(failed)} failed cases in another convention; accept it {asked}"
            ]
    return []


def _on_own_loss(process: Isolated, observations: Sequence[Observation], convention: Convention) -> list[str]:
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
