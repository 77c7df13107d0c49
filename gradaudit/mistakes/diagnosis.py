"""Why a gradient is wrong: which known mistakes, together, it equals on every case that can tell, or that it is none.

Only float64 cases take part whose bound has power; there, what equals a mistake by accident has to do so in every
entry of every case. Where float64 is right, the size of float32's errors says how many bits were left.
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

#: Only cases whose bound sees errors of this part of a tensor's natural size take part in a diagnosis.
SHARP_ENOUGH = 1e-6
#: The significands of narrower formats, in bits.
FORMATS = {8: "bfloat16", 11: "TF32 or float16"}
#: A result carries several roundings, whose errors together cost this part of a bit more than one does.
SEVERAL = 0.25
#: Mistakes whose sentence speaks of these tensors: they are not named where one of them is not known.
_SPEAKS_OF = {name: frozenset({"loss"}) for name in MISTAKES if name.startswith("bias_regularised")} | {
    "gradients_zero": frozenset(PARAMETERS),
    "w1_regularised_twice": frozenset({"W1", "W2"}),
}


@dataclass(frozen=True)
class Explanation:
    """A known mistake that was recognised.

    Attributes
    ----------
    mistake : str
        Its name, a key of MISTAKES.
    tensors : tuple of str
        The tensors that equal the mistake's, and are wrong.
    evidence : str
        On how many cases, and what is wrong.
    """

    mistake: str
    tensors: tuple[str, ...]
    evidence: str


@dataclass(frozen=True)
class Diagnosis:
    """What is the matter with an implementation.

    Attributes
    ----------
    mistakes : tuple of Explanation
        The known mistakes; empty if nothing is wrong, or it is none of them.
    unknown : tuple of str
        The wrong tensors that equal no known mistake's.
    misshapen : tuple of str
        The tensors that have another shape than they should, about whose values nothing is said.
    text : str
        All that in words; empty where nothing is wrong.
    remark : str
        What is known without a name: another convention, fewer bits in float32; empty if nothing.
    """

    mistakes: tuple[Explanation, ...] = ()
    unknown: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()
    text: str = ""
    remark: str = ""

    @property
    def brief(self) -> str:
        """The diagnosis without its evidence, which depends on the cases; empty where nothing is wrong."""
        known = [f"{one.mistake}: {MISTAKES[one.mistake].sentence}" for one in self.mistakes]
        known += [f"another shape than expected: {', '.join(self.misshapen)}"] if self.misshapen else []
        known += [self.remark] if self.remark else []
        return "; ".join(known + ["unknown"] * bool(self.unknown or not known)) if self.text else ""


def diagnose(observations: Sequence[Observation], convention: str = "", stateful: bool = False) -> Diagnosis:
    """Compare an implementation with the known mistakes, over all cases.

    Parameters
    ----------
    observations : sequence of Observation
        In the order of the calls, on which mistakes that keep state depend.
    convention : str
        The convention in which it would be right, in words; there is nothing else to say then.
    stateful : bool
        Whether its results depend on earlier calls: then only mistakes that keep state are named.
    """
    failed = [o.finding for o in observations if o.finding.verdict in ("wrong", "error")]
    if not failed:
        return Diagnosis()
    if convention:
        return Diagnosis(text=f"{convention}. {_instance(observations)}", remark=convention)
    used = [o for o in observations if o.case.dtype == "float64" and o.acceptance.bound.resolution <= SHARP_ENOUGH]
    posed = [o for o in used if o.gradients is not None]
    misshapen = tuple(name for name in TENSORS if any(_is_misshapen(o, name) for o in posed))
    wrong = tuple(t for t in TENSORS if t not in misshapen and any(_is_wrong(o, t) for o in posed))
    whole = [] if misshapen else [name for name in MISTAKES if _is_wrapped(name, observations, used)]
    if whole:
        return _in_words([_named(whole[0], wrong, used)], (), (), observations)
    named = [_change(used)] if any(set(o.changed) - {EARLIER} for o in used) else []
    if stateful or not (wrong or misshapen):
        return _in_words(named, wrong if stateful else (), misshapen, observations, _narrower(observations, wrong))
    compositions = Compositions(posed)
    names, explained = _explained(compositions, (*wrong, *misshapen), whole=True) if misshapen else ([], ())
    if explained:  # the mistakes themselves give tensors of another shape
        return _in_words([*named, *(_named(name, tensors, posed) for name, tensors in names)], (), (), observations)
    names, explained = _explained(compositions, wrong, misshapen)
    named += [_named(name, tensors, posed) for name, tensors in names]
    left = tuple(t for t in wrong if t not in explained)
    return _in_words(named, left, misshapen, observations)


def _explained(
    compositions: Compositions, wrong: tuple[str, ...], misshapen: tuple[str, ...] = (), whole: bool = False
) -> tuple[list[tuple[str, tuple[str, ...]]], tuple[str, ...]]:
    """The mistakes that explain as many of the wrong tensors as can be, each with its tensors; and those tensors.

    Tensors that are right have to be right in the explanation too. With `whole`, all or nothing is explained.
    """
    right = frozenset(TENSORS) - set(wrong) - set(misshapen)
    for count in range(len(wrong), len(wrong) - 1 if whole else 0, -1):
        for some in combinations(wrong, count):
            scope = right | set(some)
            without = [name for name, tensors in _SPEAKS_OF.items() if not tensors <= scope]
            if count == len(wrong):
                names = compositions.explanation(scope)
            elif count > 1:
                names = compositions.explanation(scope, 2, without)
            else:
                alone = compositions.explanations(scope, without)
                names = alone[0] if len(alone) == 1 else None
            if names is not None:
                order = [name for name in MISTAKES if name in names]
                roles = [(name, _role(compositions, names, name, some)) for name in order]
                if compositions.narrow & set(some):
                    roles.append(("float32_inside", tuple(t for t in some if t in compositions.narrow)))
                return [(name, tensors) for name, tensors in roles if tensors], some
    return [], ()


def _role(compositions: Compositions, names: frozenset[str], name: str, some: tuple[str, ...]) -> tuple[str, ...]:
    """The tensors that a mistake is needed for in a set of them."""
    fewer = names - {name}
    return tuple(t for t in some if compositions.counterexample(fewer, frozenset({t})) is not None)


def _is_wrapped(name: str, observations: Sequence[Observation], used: Sequence[Observation]) -> bool:
    """Whether an implementation does all that a mistake around the whole computation does, calls in the same order."""
    mistake = MISTAKES[name]
    if mistake.wrap is None or mistake.signature is not None:
        return False
    caller, members, telling = mistake.caller(), {id(o) for o in used}, False
    for o in observations:
        answer = caller(o.acceptance.problem, o.case.edge.layout, o.case.edge.labels)
        mistaken, changed = answer.gradients, answer.changed
        if id(o) not in members:
            continue
        if changed != o.changed or (mistaken is None) != (o.gradients is None):
            return False
        if mistaken is None or o.gradients is None:
            continue
        right = canonical(o)
        if not all(equal(o, mistaken, right, t) for t in TENSORS):
            return False
        telling |= bool(changed) or any(differs(getattr(mistaken, t), o, t) for t in TENSORS)
    return telling


def is_right(o: Observation, tensor: str) -> bool:
    """Whether a tensor was computed, within its bound, and without changing the inputs."""
    return o.gradients is not None and not o.changed and not _is_wrong(o, tensor)


def _is_wrong(o: Observation, tensor: str) -> bool:
    """Whether a tensor of the implementation is wrong on a case."""
    return o.gradients is not None and differs(getattr(o.gradients, tensor), o, tensor)


def _is_misshapen(o: Observation, tensor: str) -> bool:
    """Whether a tensor of the implementation has another shape than it should."""
    return o.gradients is not None and getattr(o.gradients, tensor).shape != o.acceptance.exact.tensors[tensor].hi.shape


def _change(used: Sequence[Observation]) -> Explanation:
    """That inputs are changed in place, with the evidence."""
    changing = [o for o in used if set(o.changed) - {EARLIER}]
    names = ", ".join(dict.fromkeys(name for o in changing for name in o.changed if name != EARLIER))
    return Explanation("inputs_changed", (), f"{names} changed in place on {len(changing)} of {len(used)} cases")


def _named(name: str, tensors: tuple[str, ...], used: Sequence[Observation]) -> Explanation:
    """A mistake with its evidence."""
    what = ", ".join("the loss" if t == "loss" else f"d{t}" for t in tensors) or "every call"
    verb = "is" if len(tensors) < 2 else "are"
    evidence = f"{what} {verb} as this mistake makes it on {len(used)} of {len(used)} cases: {MISTAKES[name].sentence}"
    if name in ("log_of_softmax", "onehot_times_log_p"):
        lost = sum(not np.isfinite(np.asarray(o.gradients.loss)) for o in used if o.gradients is not None)
        evidence += f" (the loss is no number on {lost} of {len(used)})"
    return Explanation(name, tensors, evidence)


def _narrower(observations: Sequence[Observation], wrong: tuple[str, ...]) -> str:
    """What is wrong in float32 alone: how many bits the errors leave; empty where float64 is wrong too."""
    double = [o.finding for o in observations if o.case.dtype == "float64"]
    single = [o.finding for o in observations if o.case.dtype == "float32"]
    bad = [f for f in single if f.verdict in ("wrong", "error")]
    if wrong or not double or not bad or any(f.verdict in ("wrong", "error") for f in double):
        return ""
    right = sum(f.verdict == "pass" for f in double)
    text = f"float64 is right on {right} of {len(double)}; float32 is wrong on {len(bad)} of {len(single)}"
    errors = [f.error_u for f in bad if f.error_u is not None and np.isfinite(f.error_u) and f.error_u > 0]
    if len(errors) < 4 or 2 * len(errors) < len(single):
        return text
    bits = round(24 + SEVERAL - float(np.log2(np.median(errors))))
    if not 4 <= bits <= 16:
        return text
    return f"{text}, as if products had {bits} bits" + (f" ({FORMATS[bits]})" if bits in FORMATS else "")


def _instance(observations: Sequence[Observation]) -> str:
    """The most telling entry in words: on more than one class if there is such a case."""
    failed = [o for o in observations if o.finding.verdict in ("wrong", "error")]
    shown = [_telling_entry(o) for o in failed]
    several = [o.acceptance.problem.shape.C > 1 for o in failed]
    best = max(range(len(failed)), key=lambda i: (several[i], *_telling(shown[i])))
    return f"for instance on {failed[best].case.id}: {describe(shown[best])}"


def _telling(f: Finding) -> tuple[bool, bool, float]:
    """How much an entry tells: neither exact value nor bound is 0; it is a number; its relative error."""
    finite = f.got is not None and bool(np.isfinite(f.got))
    plain = bool(f.bound) and f.exact is not None and bool(f.exact[0])
    return plain, finite, f.error / abs(f.exact[0]) if plain and finite and f.error and f.exact else 0.0


def _telling_entry(o: Observation) -> Finding:
    """The finding on a case; of the most telling of its wrong entries where exact value or bound is 0 on its own."""
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
    named: list[Explanation],
    unknown: tuple[str, ...],
    misshapen: tuple[str, ...],
    observations: Sequence[Observation],
    remark: str = "",
) -> Diagnosis:
    """The diagnosis in words."""
    parts = [f"{one.evidence}; there should stand {MISTAKES[one.mistake].instead}" for one in named]
    if misshapen:
        parts.append(f"{', '.join(misshapen)}: another shape than expected")
    if remark:
        parts.append(remark)
    if unknown:
        parts.append(f"{', '.join(unknown)} equal no known mistake's")
    elif not parts:
        parts.append("unknown: it equals no known mistake")
    return Diagnosis(tuple(named), unknown, misshapen, ". ".join([*parts, _instance(observations)]), remark)
