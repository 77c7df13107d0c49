"""Why a gradient is wrong: which known mistake it equals, on every case that can tell, or that it equals none.

A tensor *equals* a mistake's where both differ by no more than twice the acceptance bound, scaled up by as much as the
mistaken tensor is larger than the right one could be. Only float64 cases take part whose bound has power; there, what
equals a mistake by accident has to do so in every entry of every case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audit.catalogue import Case
from audit.judge import Finding, compare, describe
from audit.mistakes import MISTAKES
from reference.acceptance import Acceptance
from reference.problem import TENSORS, Gradients

#: Only cases whose bound sees errors of this part of a tensor's natural size take part in a diagnosis.
SHARP_ENOUGH = 1e-6


class Observation(NamedTuple):
    """What an implementation did on a case; `gradients` is None where it raised."""

    case: Case
    acceptance: Acceptance
    gradients: Gradients | None
    changed: tuple[str, ...]
    finding: Finding


@dataclass(frozen=True)
class Named:
    """A known mistake that was recognised.

    Attributes
    ----------
    mistake : str
        Its name, a key of MISTAKES.
    tensors : tuple of str
        The tensors that equal the mistake's, and are wrong.
    evidence : str
        On how many cases, and the worst entry.
    """

    mistake: str
    tensors: tuple[str, ...]
    evidence: str


@dataclass(frozen=True)
class Diagnosis:
    """What is the matter with an implementation.

    Attributes
    ----------
    named : tuple of Named
        The known mistakes; empty if nothing is wrong, or it is none of them.
    unknown : tuple of str
        The wrong tensors that equal no known mistake's.
    misshapen : tuple of str
        The tensors that have another shape than they should, about whose values nothing is said.
    text : str
        All that in words; empty where nothing is wrong.
    """

    named: tuple[Named, ...] = ()
    unknown: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()
    text: str = ""

    @property
    def brief(self) -> str:
        """The diagnosis without its evidence, which depends on the cases; empty where nothing is wrong."""
        known = [f"{one.mistake}: {MISTAKES[one.mistake].sentence}" for one in self.named]
        known += [f"another shape than expected: {', '.join(self.misshapen)}"] if self.misshapen else []
        return "; ".join(known + ["unknown"] * bool(self.unknown or not known)) if self.text else ""


def diagnose(observations: Sequence[Observation]) -> Diagnosis:
    """Compare an implementation with each known mistake, over all cases.

    Parameters
    ----------
    observations : sequence of Observation
        In the order of the calls, on which mistakes that keep state depend.
    """
    if not any(o.finding.verdict in ("wrong", "error") for o in observations):
        return Diagnosis()
    used = [o for o in observations if o.case.dtype == "float64" and o.acceptance.bound.power <= SHARP_ENOUGH]
    misshapen = tuple(name for name in TENSORS if any(_is_misshapen(o, name) for o in used))
    wrong = tuple(name for name in TENSORS if name not in misshapen and any(_is_wrong(o, name) for o in used))
    likenesses = {name: _likeness(name, observations, used) for name in MISTAKES}
    same = [name for name, likeness in likenesses.items() if likeness.whole]
    if same:
        return _said([_named(same[0], wrong, used)], (), (), observations)
    named: list[Named] = []
    left = wrong
    for _ in range(2):
        explained = {name: tuple(t for t in left if t in likeness.tensors) for name, likeness in likenesses.items()}
        best = max(explained, key=lambda name: (len(explained[name]), -len(likenesses[name].unlike)))
        if explained[best]:
            named.append(_named(best, explained[best], used))
            left = tuple(tensor for tensor in left if tensor not in explained[best])
    return _said(named, left, misshapen, observations)


class Likeness(NamedTuple):
    """How an implementation is like a mistake.

    Attributes
    ----------
    tensors : tuple of str
        In which wrong tensors they agree.
    unlike : tuple of str
        In which tensors the mistake is wrong in a way that the implementation is not.
    whole : bool
        Whether they agree in everything that they do.
    """

    tensors: tuple[str, ...]
    unlike: tuple[str, ...]
    whole: bool


def _likeness(name: str, observations: Sequence[Observation], used: Sequence[Observation]) -> Likeness:
    """Compare an implementation with a mistake: tensors, inputs changed, exceptions raised.

    A tensor in which neither is ever wrong says nothing; neither does a case in which both raise.
    """
    mistake = MISTAKES[name]
    caller = mistake.caller()
    equal, telling, missed, changing = dict.fromkeys(TENSORS, True), set(), set(), False
    members, alike = {id(o) for o in used}, True
    for o in observations:  # also those not used: some mistakes keep state
        mistaken, _, changed = caller(o.acceptance.problem, o.case.edge.layout, o.case.edge.labels)
        if id(o) not in members:
            continue
        alike &= changed == o.changed and (mistaken is None) == (o.gradients is None)
        changing |= bool(changed)
        if mistaken is None or o.gradients is None:
            continue
        for tensor in TENSORS:
            if mistake.signature is None:
                equal[tensor] &= _equal(o, mistaken, tensor)
            else:
                equal[tensor] &= mistake.signature(getattr(o.gradients, tensor))
            if _is_wrong(o, tensor) and (mistake.signature is None or _has_numbers(o, tensor)):
                telling.add(tensor)
            if _differs(getattr(mistaken, tensor), o, tensor):
                missed.add(tensor)
    tensors = tuple(tensor for tensor in TENSORS if equal[tensor] and tensor in telling)
    unlike = tuple(tensor for tensor in TENSORS if tensor in missed and not equal[tensor])
    return Likeness(tensors, unlike, alike and all(equal.values()) and bool(telling or changing))


def _equal(o: Observation, mistaken: Gradients, tensor: str) -> bool:
    """Whether the implementation's tensor is the mistake's, up to rounding."""
    one, other = (np.asarray(getattr(g, tensor), dtype=np.float64) for g in (o.gradients, mistaken))
    if one.shape != other.shape:
        return False
    size = o.acceptance.bound.sizes[tensor]
    with np.errstate(all="ignore"):
        finite = np.isfinite(other)
        larger = max(1.0, float(np.abs(other[finite]).max(initial=0.0)) / size) if size else 1.0
        near = np.abs(one - other) <= 2 * larger * o.acceptance.bound.tensors[tensor]
    return bool(np.where(finite, near, ~np.isfinite(one)).all())


def is_right(o: Observation, tensor: str) -> bool:
    """Whether a tensor was computed, within its bound, and without changing the inputs."""
    return o.gradients is not None and not o.changed and not _differs(getattr(o.gradients, tensor), o, tensor)


def _is_wrong(o: Observation, tensor: str) -> bool:
    """Whether a tensor of the implementation is wrong on a case."""
    return o.gradients is not None and _differs(getattr(o.gradients, tensor), o, tensor)


def _is_misshapen(o: Observation, tensor: str) -> bool:
    """Whether a tensor of the implementation has another shape than it should."""
    return o.gradients is not None and getattr(o.gradients, tensor).shape != o.acceptance.exact.tensors[tensor].hi.shape


def _has_numbers(o: Observation, tensor: str) -> bool:
    """Whether a tensor of the implementation has any finite entry, in which a signature could show."""
    return bool(np.isfinite(getattr(o.gradients, tensor)).any())


def _differs(got: NDArray[Any], o: Observation, tensor: str) -> bool:
    """Whether a tensor is outside its bound on a case, or of another shape."""
    if got.shape != o.acceptance.exact.tensors[tensor].hi.shape:
        return True
    return bool((compare(got, o.acceptance, tensor).ratio > 1).any())


def _named(name: str, tensors: tuple[str, ...], used: Sequence[Observation]) -> Named:
    """A mistake with its evidence."""
    mistake = MISTAKES[name]
    said = ", ".join("the loss" if t == "loss" else f"d{t}" for t in tensors) or "every call"
    verb = "is" if len(tensors) < 2 else "are"
    evidence = f"{said} {verb} as this mistake makes it on {len(used)} of {len(used)} cases: {mistake.sentence}"
    return Named(name, tensors, evidence)


def _said(
    named: list[Named], unknown: tuple[str, ...], misshapen: tuple[str, ...], observations: Sequence[Observation]
) -> Diagnosis:
    """The diagnosis in words."""
    parts = [f"{one.evidence}; there should stand {MISTAKES[one.mistake].instead}" for one in named]
    failed = [o.finding for o in observations if o.finding.verdict in ("wrong", "error")]
    if misshapen:
        parts.append(f"{', '.join(misshapen)}: another shape than expected")
    if unknown or not (named or misshapen):
        what = f"{', '.join(unknown)} equal no known mistake's" if unknown else "unknown: it equals no known mistake"
        parts.append(what)
    worst = max(failed, key=lambda finding: finding.ratio or 0.0)
    parts.append(f"for instance on {worst.case}: {describe(worst)}")
    return Diagnosis(tuple(named), unknown, misshapen, ". ".join(parts))
