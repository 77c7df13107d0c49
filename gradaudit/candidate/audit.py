"""Somebody's own implementation before the judge: in this process, or in one of its own."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradaudit.adapters.calls import Answer, Caller
from gradaudit.adapters.candidate import Adaptation, CandidateError, Implementation, call
from gradaudit.adapters.networks import CallError
from gradaudit.candidate import notes as noticed
from gradaudit.candidate.conventions import Convention, Posed
from gradaudit.candidate.isolation import CANDIDATE, Isolated
from gradaudit.cases.catalogue import Case
from gradaudit.cases.catalogue import cases as catalogue_cases
from gradaudit.cases.plan import Settings, plan
from gradaudit.cases.shards import belongs
from gradaudit.engines.base import Patience, skipped
from gradaudit.mistakes.diagnosis import Diagnosis, diagnose, is_right
from gradaudit.mistakes.observation import Observation
from gradaudit.reference.acceptance import accept
from gradaudit.reference.problem import DTYPES, TENSORS, Problem
from gradaudit.verdicts.judge import Finding, Subject, describe, judge_answer

#: What is said of the cases that were left when Ctrl-C ended an audit.
INTERRUPTED = "interrupted before its turn"
#: How the message of a call in no known way begins, and the warning of what was inferred.
_NOT_CALLED, _ADAPTED = f"{CallError.__name__}: ", f"{Adaptation.__name__}: "


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
    right : dict of str to int
        On how many cases each tensor is within its bound, and its inputs unchanged.
    interrupted : bool
        Whether Ctrl-C ended it; the cases that were left are `skipped`.
    """

    findings: tuple[Finding, ...]
    diagnosis: Diagnosis
    notes: tuple[str, ...]
    ok: bool
    right: dict[str, int]
    interrupted: bool = False

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
    implementation = Implementation(function)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Adaptation)
        answer = Caller(lambda inputs: call(implementation, inputs))(problem)
    return judge_answer(subject, answer, accept(problem))


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
    bias_decay: bool = False,
    path: Sequence[str] = (),
    timeout: float = 10.0,
    memory: int = 4096,
    strict: bool = False,
    posed: Posed | None = None,
    keep: Callable[[Finding], None] = lambda _: None,
) -> Report:
    """Judge an implementation on the catalogue, in a process of its own.

    Parameters
    ----------
    target : str or callable
        ``FILE.py:NAME``, or a function or class that stands at the top of a file.
    cases, dtypes, words, seed, shard, strict
        As on the command line.
    l2 : {"full", "half", "half-mean", "none"}
        Its convention: ``reg |W|^2``, ``reg/2 |W|^2``, ``reg/(2 N) |W|^2`` or no regulariser.
    reduction : {"mean", "sum"}
        Its convention: mean or sum of the samples' losses.
    bias_decay : bool
        Its convention: whether the biases are regularised too.
    path : sequence of str
        Folders in which its imports are looked for, beside its own.
    timeout : float
        The limit of a call, in seconds.
    memory : int
        The limit of what calls allocate, in MiB.
    posed : Posed, optional
        The cases in that convention with what is known of them, if it is kept for the next implementation.
    keep : callable
        Is given each finding as it is found, before the diagnosis.

    Raises
    ------
    CandidateError
        If it cannot be imported, or not be called.
    ValueError
        If a callable does not stand at the top of a file.
    """
    named, convention = named_target(target), Convention(l2, reduction, bias_decay)
    settings = settings_for(named, cases=cases, dtypes=dtypes, words=words, seed=seed, strict=strict)
    chosen = [item.case for item in plan(settings) if belongs(item.case.id, shard)]
    folders = tuple(str(Path(folder).resolve()) for folder in path)
    state: list[str] = []
    other: list[str] = []
    with Isolated(named, timeout, memory, folders) as process:
        process.start()
        observations, found, notes = _judged(chosen, process, named, posed or Posed(convention), keep)
        notes += process.notes
        alive = not any(f.verdict in ("crash", "timeout", "skipped") for f in found)
        failing = any(f.verdict in ("wrong", "error") for f in found)
        if alive and chosen:
            state = noticed.on_state(process, chosen[0])
        if alive and failing:
            state += noticed.on_order(process, observations)
        notes += state
        if alive and failing:
            other = noticed.on_convention(process, observations, convention)
            notes = other + notes if other else notes + noticed.on_own_loss(process, observations, convention)
    decayless = [_canonical(o, convention) for o in observations] if failing else observations
    diagnosis = diagnose(decayless, "".join(other), bool(state))
    explained = [replace(f, diagnosis=diagnosis.brief) if f.verdict in ("wrong", "error") else f for f in found]
    tolerated = () if strict else ("undecided",)
    ok = all(f.expected or f.verdict in tolerated for f in explained)
    right = {name: sum(is_right(observation, name) for observation in observations) for name in TENSORS}
    interrupted = any(finding.message == INTERRUPTED for finding in found)
    return Report(tuple(explained), diagnosis, tuple(dict.fromkeys(notes)), ok, right, interrupted)


def parametrize_with_cases(
    cases: str = "quick", dtypes: tuple[str, ...] = DTYPES, seed: int = 0
) -> Callable[[Callable[..., Any]], Any]:
    """A decorator that gives a pytest test one item a case, as the argument `problem`."""
    import pytest

    chosen = [case for case in catalogue_cases(cases, dtypes, seed) if case.step is None]
    return pytest.mark.parametrize("problem", [pytest.param(case.problem(), id=case.id) for case in chosen])


def settings_for(target: str, **options: Any) -> Settings:
    """The settings of a run that judges one implementation."""
    return Settings(who=((CANDIDATE, target.rpartition(":")[2]),), training=False, **options)


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
    chosen: Sequence[Case], process: Isolated, named: str, posed: Posed, keep: Callable[[Finding], None]
) -> tuple[list[Observation], list[Finding], list[str]]:
    """A finding a case, with what was seen on the way."""
    observations: list[Observation] = []
    found: list[Finding] = []
    notes: list[str] = []
    patience, given_up = Patience(), ""
    for number, case in enumerate(chosen):
        for finding in found[max(0, number - 1) : number]:
            keep(finding)
        subject = Subject(case.id, case.family, CANDIDATE, named.rpartition(":")[2], case.dtype)
        if given_up:
            found.append(Finding(*subject, verdict="skipped", expected=False, message=given_up))
            continue
        try:
            problem, reg = posed.problem(case)
            answer = process.call(problem, reg, case.edge.layout, case.edge.labels)
            if answer.outcome == "crash" or answer.outcome == "timeout":
                patience.count((), answer.outcome)
                given_up = str(skipped()) if patience.spent(()) else ""
                found.append(Finding(*subject, verdict=answer.outcome, expected=False, message=answer.message))
                continue
            if not found and answer.message.startswith(_NOT_CALLED):
                raise CandidateError(f"{named}: {answer.message.removeprefix(_NOT_CALLED)}")
            acceptance = posed.acceptance(case)
        except KeyboardInterrupt:
            given_up = INTERRUPTED
            found.append(Finding(*subject, verdict="skipped", expected=False, message=given_up))
            continue
        finding, gradients = posed.convention.judged(subject, answer, acceptance)
        found.append(finding)
        observations.append(Observation(case, acceptance, gradients, answer.changed, finding))
        notes += _adaptations(answer)
        others = tuple(warning for warning in answer.warnings if not warning.startswith(_ADAPTED))
        notes += noticed.on_answer(replace(answer, warnings=others), case.dtype)
    for finding in found[-1:]:
        keep(finding)
    return observations, found, notes


def _adaptations(answer: Answer) -> list[str]:
    """What was done so that the implementation could be judged as it is."""
    return [warning.removeprefix(_ADAPTED) for warning in answer.warnings if warning.startswith(_ADAPTED)]


def _canonical(o: Observation, convention: Convention) -> Observation:
    """An observation as the diagnosis takes it, without the decay of biases."""
    if o.gradients is None or not convention.bias_decay:
        return o
    acceptance, gradients = convention.undecayed(o.acceptance, o.gradients)
    return o._replace(acceptance=acceptance, gradients=gradients)
