"""The audit of an implementation of a user: in this process, or in a separate process."""

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
from gradaudit.candidate import remarks
from gradaudit.candidate.conventions import Convention, Poser
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

#: The message for cases that were not judged because Ctrl-C ended the audit.
INTERRUPTED = "interrupted before its turn"
#: The beginning of the message of a CallError, and of the warning of an Adaptation.
_CALL_ERROR, _ADAPTATION = f"{CallError.__name__}: ", f"{Adaptation.__name__}: "


class WrongGradientError(AssertionError):
    """An implementation fails its audit; the message says why."""


@dataclass(frozen=True)
class Report:
    """The result of the audit of an implementation.

    Attributes
    ----------
    findings : tuple of Finding
        One finding for each case.
    diagnosis : Diagnosis
        What is wrong, if anything is wrong.
    notes : tuple of str
        Remarks in addition to the verdicts: state, warnings, dtypes, conventions.
    ok : bool
        Whether no finding is a failure (`undecided` is a failure only if the audit is strict).
    right : dict of str to int
        For each tensor: the number of cases where it is within its bound and the inputs are unchanged.
    interrupted : bool
        Whether Ctrl-C ended the audit. The cases that were not judged are `skipped`.
    """

    findings: tuple[Finding, ...]
    diagnosis: Diagnosis
    notes: tuple[str, ...]
    ok: bool
    right: dict[str, int]
    interrupted: bool = False

    def raise_on_failure(self) -> None:
        """Raise a `WrongGradientError` with the diagnosis, if the audit failed."""
        if not self.ok:
            failures = [f for f in self.findings if not f.expected and f.verdict != "undecided"]
            text = self.diagnosis.text or "; ".join(f"{f.verdict} on {f.case}: {describe(f)}" for f in failures[:1])
            raise WrongGradientError(f"{len(failures)} of {len(self.findings)} cases fail. {text}")


def check(function: Callable[..., Any], problem: Problem) -> Finding:
    """Judge one call of an implementation, in this process.

    Parameters
    ----------
    function : callable
        ``f(X, y, W1, b1, W2, b2, reg) -> (loss, grads)``, or a class like that of cs231n.
    problem : Problem
        The arguments of the call.
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
    poser: Poser | None = None,
    keep: Callable[[Finding], None] = lambda _: None,
) -> Report:
    """Judge an implementation on the catalogue, in a separate process.

    Parameters
    ----------
    target : str or callable
        ``FILE.py:NAME``, or a function or class at the top level of a file.
    cases, dtypes, words, seed, shard, strict
        As on the command line.
    l2 : {"full", "half", "half-mean", "none"}
        The convention of its loss: ``reg |W|^2``, ``reg/2 |W|^2``, ``reg/(2 N) |W|^2`` or no regulariser.
    reduction : {"mean", "sum"}
        The convention of its loss: mean or sum over the samples.
    bias_decay : bool
        The convention of its loss: whether the biases are regularised too.
    path : sequence of str
        More folders for its imports, in addition to its own folder.
    timeout : float
        The limit of a call, in seconds.
    memory : int
        The limit of the memory that calls allocate, in MiB.
    poser : Poser, optional
        The problems and exact values of the cases in this convention, if they are kept for the next implementation.
    keep : callable
        It is called with each finding, before the diagnosis.

    Raises
    ------
    CandidateError
        If it cannot be imported or called.
    ValueError
        If a callable is not at the top level of a file.
    """
    full_name, convention = target_name(target), Convention(l2, reduction, bias_decay)
    settings = settings_for(full_name, cases=cases, dtypes=dtypes, words=words, seed=seed, strict=strict)
    selection = [item.case for item in plan(settings) if belongs(item.case.id, shard)]
    folders = tuple(str(Path(folder).resolve()) for folder in path)
    state: list[str] = []
    in_convention: list[str] = []
    with Isolated(full_name, timeout, memory, folders) as process:
        process.start()
        observations, findings, notes = _judge_cases(selection, process, full_name, poser or Poser(convention), keep)
        notes += process.notes
        is_alive = not any(f.verdict in ("crash", "timeout", "skipped") for f in findings)
        has_errors = any(f.verdict in ("wrong", "error") for f in findings)
        if is_alive and selection:
            state = remarks.on_state(process, selection[0])
        if is_alive and has_errors:
            state += remarks.on_order(process, observations)
        notes += state
        if is_alive and has_errors:
            in_convention = remarks.on_convention(process, observations, convention)
            own_loss = [] if in_convention else remarks.on_own_loss(process, observations, convention)
            notes = in_convention + notes + own_loss
    without_decay = [_canonical(o, convention) for o in observations] if has_errors else observations
    diagnosis = diagnose(without_decay, "".join(in_convention), bool(state))
    final = [replace(f, diagnosis=diagnosis.brief) if f.verdict in ("wrong", "error") else f for f in findings]
    harmless = () if strict else ("undecided",)
    ok = all(f.expected or f.verdict in harmless for f in final)
    right = {name: sum(is_right(observation, name) for observation in observations) for name in TENSORS}
    interrupted = any(finding.message == INTERRUPTED for finding in findings)
    return Report(tuple(final), diagnosis, tuple(dict.fromkeys(notes)), ok, right, interrupted)


def parametrize_with_cases(
    cases: str = "quick", dtypes: tuple[str, ...] = DTYPES, seed: int = 0
) -> Callable[[Callable[..., Any]], Any]:
    """A decorator that makes one pytest test of each case. The test has the argument `problem`."""
    import pytest

    selection = [case for case in catalogue_cases(cases, dtypes, seed) if case.step is None]
    return pytest.mark.parametrize("problem", [pytest.param(case.problem(), id=case.id) for case in selection])


def settings_for(target: str, **options: Any) -> Settings:
    """The settings of a run that judges one implementation."""
    return Settings(who=((CANDIDATE, target.rpartition(":")[2]),), training=False, **options)


def target_name(target: str | Callable[..., Any]) -> str:
    """The name ``FILE.py:NAME`` of a target.

    Raises
    ------
    ValueError
        If a callable is not at the top level of a file.
    """
    if isinstance(target, str):
        return target
    name = getattr(target, "__qualname__", "")
    try:
        file = inspect.getsourcefile(target)
    except TypeError:
        file = None
    if not file or not name.isidentifier():
        raise ValueError(
            f"{target!r} is not at the top level of a file; expected a function or class that is, or use check()"
        )
    return f"{file}:{name}"


def _judge_cases(
    selection: Sequence[Case], process: Isolated, full_name: str, poser: Poser, keep: Callable[[Finding], None]
) -> tuple[list[Observation], list[Finding], list[str]]:
    """A finding for each case, with the observations and notes."""
    observations: list[Observation] = []
    findings: list[Finding] = []
    notes: list[str] = []
    patience, reason = Patience(), ""
    for number, case in enumerate(selection):
        for finding in findings[max(0, number - 1) : number]:
            keep(finding)
        subject = Subject(case.id, case.family, CANDIDATE, full_name.rpartition(":")[2], case.dtype)
        if reason:
            findings.append(Finding(*subject, verdict="skipped", expected=False, message=reason))
            continue
        try:
            problem, reg = poser.problem(case)
            answer = process.call(problem, reg, case.edge.layout, case.edge.labels)
            if answer.outcome == "crash" or answer.outcome == "timeout":
                patience.count((), answer.outcome)
                reason = str(skipped()) if patience.spent(()) else ""
                findings.append(Finding(*subject, verdict=answer.outcome, expected=False, message=answer.message))
                continue
            if not findings and answer.message.startswith(_CALL_ERROR):
                raise CandidateError(f"{full_name}: {answer.message.removeprefix(_CALL_ERROR)}")
            acceptance = poser.acceptance(case)
        except KeyboardInterrupt:
            reason = INTERRUPTED
            findings.append(Finding(*subject, verdict="skipped", expected=False, message=reason))
            continue
        finding, gradients = poser.convention.judge(subject, answer, acceptance)
        findings.append(finding)
        observations.append(Observation(case, acceptance, gradients, answer.changed, finding))
        notes += _adaptations(answer)
        texts = tuple(warning for warning in answer.warnings if not warning.startswith(_ADAPTATION))
        notes += remarks.on_answer(replace(answer, warnings=texts), case.dtype)
    for finding in findings[-1:]:
        keep(finding)
    return observations, findings, notes


def _adaptations(answer: Answer) -> list[str]:
    """Notes on what was done to judge the implementation without a change of it."""
    return [warning.removeprefix(_ADAPTATION) for warning in answer.warnings if warning.startswith(_ADAPTATION)]


def _canonical(o: Observation, convention: Convention) -> Observation:
    """An observation for the diagnosis, without the decay of the biases."""
    if o.gradients is None or not convention.bias_decay:
        return o
    acceptance, gradients = convention.without_decay(o.acceptance, o.gradients)
    return o._replace(acceptance=acceptance, gradients=gradients)
