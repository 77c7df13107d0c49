"""Why a gradient is wrong: the known mistakes that give the same gradient on every case, or none.

Only float64 cases with a small bound take part. An accident would have to give the same numbers in every entry of every
case. If float64 is right, the size of the errors in float32 shows how many bits the products had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from gradaudit.adapters.calls import EARLIER
from gradaudit.mistakes import MISTAKES
from gradaudit.mistakes.composition import Compositions, canonical, differs, equal
from gradaudit.mistakes.observation import Observation
from gradaudit.reference.problem import PARAMETERS, TENSORS
from gradaudit.verdicts.judge import Finding, compare, describe, entry

#: A diagnosis uses a case only if its bound resolves this fraction of the natural size of a tensor.
SHARP_ENOUGH = 1e-6
#: The significands of narrower formats, in bits.
FORMATS = {8: "bfloat16", 11: "TF32 or float16"}
#: A result has several roundings. Together they cost this fraction of a bit more than one rounding.
ROUNDINGS_COST = 0.25
#: Mistake -> the tensors in its sentence. The mistake is not named if one of these tensors is unexplained.
_SUBJECTS = {name: frozenset({"loss"}) for name in MISTAKES if name.startswith("bias_regularised")} | {
    "gradients_zero": frozenset(PARAMETERS),
    "w1_regularised_twice": frozenset({"W1", "W2"}),
}


@dataclass(frozen=True)
class Explanation:
    """A known mistake in an implementation.

    Attributes
    ----------
    mistake : str
        The name of the mistake, a key of MISTAKES.
    tensors : tuple of str
        The wrong tensors that are equal to those of the mistake.
    evidence : str
        The number of cases, and what is wrong.
    """

    mistake: str
    tensors: tuple[str, ...]
    evidence: str


@dataclass(frozen=True)
class Diagnosis:
    """The diagnosis of an implementation.

    Attributes
    ----------
    mistakes : tuple of Explanation
        The known mistakes. Empty if nothing is wrong, or if no known mistake explains it.
    unknown : tuple of str
        The wrong tensors that no known mistake explains.
    misshapen : tuple of str
        The tensors of the wrong shape. Their values are not compared.
    text : str
        The diagnosis in words. Empty if nothing is wrong.
    remark : str
        An explanation that is not a known mistake: another convention, fewer bits in float32. May be empty.
    """

    mistakes: tuple[Explanation, ...] = ()
    unknown: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()
    text: str = ""
    remark: str = ""

    @property
    def brief(self) -> str:
        """The diagnosis without its evidence, which depends on the cases. Empty if nothing is wrong."""
        parts = [f"{explanation.mistake}: {MISTAKES[explanation.mistake].sentence}" for explanation in self.mistakes]
        parts += [f"another shape than expected: {', '.join(self.misshapen)}"] if self.misshapen else []
        parts += [self.remark] if self.remark else []
        return "; ".join(parts + ["unknown"] * bool(self.unknown or not parts)) if self.text else ""


def diagnose(observations: Sequence[Observation], convention: str = "", stateful: bool = False) -> Diagnosis:
    """Compare an implementation with the known mistakes, over all cases.

    Parameters
    ----------
    observations : sequence of Observation
        In the order of the calls. Mistakes with a state depend on this order.
    convention : str
        The convention in which the implementation is right, in words. It is then the whole diagnosis.
    stateful : bool
        Whether the results depend on earlier calls. Then only mistakes with a state are named.
    """
    failures = [o.finding for o in observations if o.finding.verdict in ("wrong", "error")]
    if not failures:
        return Diagnosis()
    if convention:
        return Diagnosis(text=f"{convention}. {_instance(observations)}", remark=convention)
    sharp = [o for o in observations if o.case.dtype == "float64" and o.acceptance.bound.resolution <= SHARP_ENOUGH]
    answers = [o for o in sharp if o.gradients is not None]
    misshapen = tuple(name for name in TENSORS if any(_is_misshapen(o, name) for o in answers))
    wrong = tuple(t for t in TENSORS if t not in misshapen and any(_is_wrong(o, t) for o in answers))
    wrappers = [] if misshapen else [name for name in MISTAKES if _is_wrapped(name, observations, sharp)]
    if wrappers:
        return _in_words([_explanation(wrappers[0], wrong, sharp)], (), (), observations)
    explanations = [_inputs_changed(sharp)] if any(set(o.changed) - {EARLIER} for o in sharp) else []
    if stateful or not (wrong or misshapen):
        return _in_words(
            explanations, wrong if stateful else (), misshapen, observations, _narrower(observations, wrong)
        )
    compositions = Compositions(answers)
    roles, scope = _explain(compositions, (*wrong, *misshapen), complete=True) if misshapen else ([], ())
    if scope:  # the mistakes themselves give tensors of another shape
        explanations += [_explanation(name, tensors, answers) for name, tensors in roles]
        return _in_words(explanations, (), (), observations)
    roles, scope = _explain(compositions, wrong, misshapen)
    explanations += [_explanation(name, tensors, answers) for name, tensors in roles]
    remainder = tuple(t for t in wrong if t not in scope)
    return _in_words(explanations, remainder, misshapen, observations)


def _explain(
    compositions: Compositions, wrong: tuple[str, ...], misshapen: tuple[str, ...] = (), complete: bool = False
) -> tuple[list[tuple[str, tuple[str, ...]]], tuple[str, ...]]:
    """The mistakes that explain as many wrong tensors as possible, each with its tensors; and all explained tensors.

    The right tensors must be right with these mistakes too. If `complete`, all tensors are explained or none.
    """
    right = frozenset(TENSORS) - set(wrong) - set(misshapen)
    for count in range(len(wrong), len(wrong) - 1 if complete else 0, -1):
        for subset in combinations(wrong, count):
            scope = right | set(subset)
            exclusions = [name for name, tensors in _SUBJECTS.items() if not tensors <= scope]
            if count == len(wrong):
                names = compositions.explanation(scope)
            elif count > 1:
                names = compositions.explanation(scope, 2, exclusions)
            else:
                singles = compositions.explanations(scope, exclusions)
                names = singles[0] if len(singles) == 1 else None
            if names is not None:
                order = [name for name in MISTAKES if name in names]
                roles = [(name, _role(compositions, names, name, subset)) for name in order]
                if compositions.narrow & set(subset):
                    roles.append(("float32_inside", tuple(t for t in subset if t in compositions.narrow)))
                return [(name, tensors) for name, tensors in roles if tensors], subset
    return [], ()


def _role(compositions: Compositions, names: frozenset[str], name: str, subset: tuple[str, ...]) -> tuple[str, ...]:
    """The tensors that a set of mistakes does not give without this mistake."""
    rest = names - {name}
    return tuple(t for t in subset if compositions.counterexample(rest, frozenset({t})) is not None)


def _is_wrapped(name: str, observations: Sequence[Observation], sharp: Sequence[Observation]) -> bool:
    """Whether an implementation does the same as a mistake with `wrap`, with the calls in the same order."""
    mistake = MISTAKES[name]
    if mistake.wrap is None or mistake.signature is not None:
        return False
    caller, members, is_telling = mistake.caller(), {id(o) for o in sharp}, False
    for o in observations:
        answer = caller(o.acceptance.problem, o.case.edge.layout, o.case.edge.labels)
        model, changed = answer.gradients, answer.changed
        if id(o) not in members:
            continue
        if changed != o.changed or (model is None) != (o.gradients is None):
            return False
        if model is None or o.gradients is None:
            continue
        right = canonical(o)
        if not all(equal(o, model, right, t) for t in TENSORS):
            return False
        is_telling |= bool(changed) or any(differs(getattr(model, t), o, t) for t in TENSORS)
    return is_telling


def is_right(o: Observation, tensor: str) -> bool:
    """Whether a tensor is within its bound and the inputs are unchanged."""
    return o.gradients is not None and not o.changed and not _is_wrong(o, tensor)


def _is_wrong(o: Observation, tensor: str) -> bool:
    """Whether a tensor of the implementation is wrong on a case."""
    return o.gradients is not None and differs(getattr(o.gradients, tensor), o, tensor)


def _is_misshapen(o: Observation, tensor: str) -> bool:
    """Whether a tensor of the implementation has the wrong shape."""
    return o.gradients is not None and getattr(o.gradients, tensor).shape != o.acceptance.exact.tensors[tensor].hi.shape


def _inputs_changed(sharp: Sequence[Observation]) -> Explanation:
    """The explanation that inputs are changed in place, with its evidence."""
    cases = [o for o in sharp if set(o.changed) - {EARLIER}]
    names = ", ".join(dict.fromkeys(name for o in cases for name in o.changed if name != EARLIER))
    return Explanation("inputs_changed", (), f"{names} changed in place on {len(cases)} of {len(sharp)} cases")


def _explanation(name: str, tensors: tuple[str, ...], sharp: Sequence[Observation]) -> Explanation:
    """The explanation by a mistake, with its evidence."""
    subject = ", ".join("the loss" if t == "loss" else f"d{t}" for t in tensors) or "every call"
    verb = "is" if len(tensors) < 2 else "are"
    evidence = (
        f"{subject} {verb} as this mistake makes it on {len(sharp)} of {len(sharp)} cases: {MISTAKES[name].sentence}"
    )
    if name in ("log_of_softmax", "onehot_times_log_p"):
        nonfinite = sum(not np.isfinite(np.asarray(o.gradients.loss)) for o in sharp if o.gradients is not None)
        evidence += f" (the loss is not finite on {nonfinite} of {len(sharp)})"
    return Explanation(name, tensors, evidence)


def _narrower(observations: Sequence[Observation], wrong: tuple[str, ...]) -> str:
    """What is wrong in float32 only: how many correct bits there are. Empty if float64 is wrong too."""
    double = [o.finding for o in observations if o.case.dtype == "float64"]
    single = [o.finding for o in observations if o.case.dtype == "float32"]
    failures = [f for f in single if f.verdict in ("wrong", "error")]
    if wrong or not double or not failures or any(f.verdict in ("wrong", "error") for f in double):
        return ""
    right = sum(f.verdict == "pass" for f in double)
    text = f"float64 is right on {right} of {len(double)}; float32 is wrong on {len(failures)} of {len(single)}"
    errors = [f.error_u for f in failures if f.error_u is not None and np.isfinite(f.error_u) and f.error_u > 0]
    if len(errors) < 4 or 2 * len(errors) < len(single):
        return text
    bits = round(24 + ROUNDINGS_COST - float(np.log2(np.median(errors))))
    if not 4 <= bits <= 16:
        return text
    return f"{text}, as if products had {bits} bits" + (f" ({FORMATS[bits]})" if bits in FORMATS else "")


def _instance(observations: Sequence[Observation]) -> str:
    """The most informative entry in words, on a case with more than one class if there is one."""
    failures = [o for o in observations if o.finding.verdict in ("wrong", "error")]
    entries = [_telling_entry(o) for o in failures]
    multiclass = [o.acceptance.problem.shape.C > 1 for o in failures]
    best = max(range(len(failures)), key=lambda i: (multiclass[i], *_telling(entries[i])))
    return f"for instance on {failures[best].case.id}: {describe(entries[best])}"


def _telling(f: Finding) -> tuple[bool, bool, float]:
    """A measure of the information in an entry: exact value and bound are not 0; it is finite; its relative error."""
    finite = f.got is not None and bool(np.isfinite(f.got))
    plain = bool(f.bound) and f.exact is not None and bool(f.exact[0])
    return plain, finite, f.error / abs(f.exact[0]) if plain and finite and f.error and f.exact else 0.0


def _telling_entry(o: Observation) -> Finding:
    """The finding on a case. If its exact value or bound is 0: with the most informative of the wrong entries."""
    own = o.finding
    if own.tensor is None or o.gradients is None or _telling(own)[0]:
        return own
    entries = [own]
    for name in TENSORS:
        c = compare(getattr(o.gradients, name), o.acceptance, name)
        with np.errstate(all="ignore"):
            size = np.abs(o.acceptance.exact.tensors[name].hi)
            plain = (c.ratio > 1) & (c.bound > 0) & (size > 0) & np.isfinite(c.got)
            if plain.any():
                largest = int(np.where(plain, c.error / size, -1.0).argmax())
                index = tuple(int(i) for i in np.unravel_index(largest, plain.shape))
                entries.append(replace(own, **entry(c, o.acceptance, name, index)))
    return max(entries, key=_telling)


def _in_words(
    explanations: list[Explanation],
    unknown: tuple[str, ...],
    misshapen: tuple[str, ...],
    observations: Sequence[Observation],
    remark: str = "",
) -> Diagnosis:
    """The diagnosis in words."""
    parts = [f"{e.evidence}; there should stand {MISTAKES[e.mistake].formula}" for e in explanations]
    if misshapen:
        parts.append(f"{', '.join(misshapen)}: another shape than expected")
    if remark:
        parts.append(remark)
    if unknown:
        parts.append(f"{', '.join(unknown)}: explained by no known mistake")
    elif not parts:
        parts.append("unknown: it equals no known mistake")
    return Diagnosis(tuple(explanations), unknown, misshapen, ". ".join([*parts, _instance(observations)]), remark)
