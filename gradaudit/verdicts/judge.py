"""The judge: gradients and what a correct gradient may be, in; a finding, out. Pure, and without a tolerance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradaudit.adapters.calls import EARLIER, Answer
from gradaudit.reference.acceptance import Acceptance
from gradaudit.reference.problem import TENSORS, Gradients
from gradaudit.reference.rounding import USEFUL

Verdict = Literal["pass", "wrong", "undecided", "error", "crash", "timeout", "skipped", "unsupported"]
#: Every verdict, worst first.
VERDICTS: tuple[Verdict, ...] = ("crash", "timeout", "wrong", "error", "skipped", "undecided", "unsupported", "pass")


#: An error above this part of a tensor's natural size leaves no digit of it (ROUNDING.md, 4.2).
NO_DIGIT = 2.0**-4
#: What is said where digits are lost to an offset, whether some are left (`undecided`) or none (`wrong`).
LOST = "digits lost to a common offset of the logits"


class Subject(NamedTuple):
    """Who is judged, and on what."""

    case: str
    family: str
    framework: str
    variant: str
    dtype: str


def finding_id(of: Subject | Finding) -> str:
    """What a finding is called: framework and variant, then the case."""
    return f"{of.framework}.{of.variant}-{of.case}"


@dataclass(frozen=True)
class Finding:
    """A verdict with its reason.

    Attributes
    ----------
    case, family, framework, variant, dtype : str
        The subject.
    verdict : str
        One of VERDICTS.
    expected : bool
        Whether it is known and explained (a pass always is).
    tensor : str or None
        The tensor of the worst entry: the largest error / bound.
    index : tuple of int or None
        Its index; () for the loss.
    got : float or None
        What was computed there.
    exact : tuple of float or None
        What is exact there, as hi + lo.
    error, bound, ratio : float or None
        ``|got - exact|``, how large it may be, and the one over the other.
    error_u : float or None
        The largest error relative to its tensor's largest exact entry, in units of the unit roundoff.
    resolution : float or None
        How small an error is certain to be seen, relative to the tensor's natural size.
    blind : float or None
        The share of the entries not exactly 0, of all tensors together, whose bound exceeds their exact size: not even
        their sign is judged. None if there are none.
    message, diagnosis : str
        What there is to say, if anything.
    """

    case: str
    family: str
    framework: str
    variant: str
    dtype: str
    verdict: Verdict
    expected: bool
    tensor: str | None = None
    index: tuple[int, ...] | None = None
    got: float | None = None
    exact: tuple[float, float] | None = None
    error: float | None = None
    bound: float | None = None
    ratio: float | None = None
    error_u: float | None = None
    resolution: float | None = None
    blind: float | None = None
    message: str = ""
    diagnosis: str = ""

    @property
    def id(self) -> str:
        """What it is called: framework and variant, then the case."""
        return finding_id(self)


class Comparison(NamedTuple):
    """One tensor held against its exact values: error, bound and ratio of every entry, in the tensor's shape."""

    got: NDArray[np.float64]
    error: NDArray[np.float64]
    bound: NDArray[np.float64]
    ratio: NDArray[np.float64]


def compare(got: NDArray[Any], acceptance: Acceptance, name: str) -> Comparison:
    """Hold one tensor against its exact values.

    A ratio is infinite where a non-finite number or any error meets a bound that does not allow for it, and 0 where
    the bound is infinite.
    """
    exact, E = acceptance.exact.tensors[name], acceptance.bound.tensors[name]
    with np.errstate(all="ignore"):
        got = got.astype(np.float64)
        error = np.abs((got - exact.hi) - exact.lo)
        ratio = np.where(E > 0, error / np.where(E > 0, E, 1), np.where(error == 0, 0, np.inf))
        ratio = np.where(np.isfinite(E), np.where(np.isfinite(got), ratio, np.inf), 0)
    return Comparison(got, error, E, ratio)


def judge(subject: Subject, gradients: Gradients, acceptance: Acceptance, changed: tuple[str, ...] = ()) -> Finding:
    """The finding on one gradient.

    Parameters
    ----------
    subject : Subject
        Who is judged, and on what.
    gradients : Gradients
        What was computed.
    acceptance : Acceptance
        The exact values of the problem, and the bound around them.
    changed : tuple of str
        The arrays that the call changed and should not have; any makes the gradient wrong.
    """
    misfit = _misfit(gradients, acceptance)
    if misfit:
        return Finding(
            *subject, verdict="wrong", expected=False, resolution=acceptance.bound.resolution, message=misfit
        )
    compared = {name: compare(getattr(gradients, name), acceptance, name) for name in TENSORS}
    name = max(TENSORS, key=lambda tensor: compared[tensor].ratio.max())
    worst = compared[name]
    index = np.unravel_index(int(worst.ratio.argmax()), worst.ratio.shape)
    verdict, message = _verdict(gradients, compared, acceptance, changed)
    return Finding(
        *subject,
        verdict=verdict,
        expected=verdict == "pass",
        **entry(worst, acceptance, name, tuple(int(i) for i in index)),
        error_u=_normwise(compared, acceptance),
        resolution=acceptance.bound.resolution,
        blind=_blind(compared, acceptance),
        message=message,
    )


def judge_answer(subject: Subject, answer: Answer, acceptance: Acceptance) -> Finding:
    """The finding on what came of a call, gradients or not."""
    if answer.gradients is not None:
        return judge(subject, answer.gradients, acceptance, answer.changed)
    verdict: Verdict = answer.outcome if answer.outcome in ("crash", "timeout") else "error"
    return Finding(*subject, verdict=verdict, expected=False, message=answer.message)


def entry(c: Comparison, acceptance: Acceptance, tensor: str, index: tuple[int, ...]) -> dict[str, Any]:
    """What a finding says of one entry of a tensor, by the names of its fields."""
    exact = acceptance.exact.tensors[tensor]
    return {
        "tensor": tensor,
        "index": index,
        "got": float(c.got[index]),
        "exact": (float(exact.hi[index]), float(exact.lo[index])),
        "error": float(c.error[index]),
        "bound": float(c.bound[index]),
        "ratio": float(c.ratio[index]),
    }


def describe(finding: Finding) -> str:
    """The worst entry of a finding in words: what was got, what is exact, how far apart, how far is allowed."""
    if finding.tensor is None or finding.exact is None:
        return finding.message
    index = ", ".join(map(str, finding.index or ()))
    where = f"{finding.tensor}[{index}]" if finding.index else finding.tensor
    words = (
        f"{where}: got {finding.got!r}, exact {finding.exact[0]!r}, "
        f"error {finding.error:.3g}, bound {finding.bound:.3g}, ratio {finding.ratio:.3g}"
    )
    return f"{finding.message}; {words}" if finding.message else words


def _misfit(gradients: Gradients, acceptance: Acceptance) -> str:
    """Why the gradients cannot be compared entry by entry; empty if they can."""
    for name in TENSORS:
        got, expected = getattr(gradients, name).shape, acceptance.exact.tensors[name].hi.shape
        if got != expected:
            return f"{name} has shape {got}; expected {expected}"
    return ""


def _verdict(
    gradients: Gradients, compared: dict[str, Comparison], acceptance: Acceptance, changed: tuple[str, ...]
) -> tuple[Verdict, str]:
    """The verdict on gradients of the right shapes, and its reason where the numbers do not say it."""
    if changed:
        return "wrong", f"the call changed {'its inputs: ' * (changed != (EARLIER,))}{', '.join(changed)}"
    if any((c.ratio > 1).any() for c in compared.values()):
        if _lost_to_an_offset(gradients, compared, acceptance):
            digitless = [name for name in TENSORS if _no_digit_left(name, compared[name], acceptance)]
            if not digitless:
                return "undecided", LOST
            return "wrong", LOST if digitless == ["loss"] else ""
        return "wrong", ""
    resolution = acceptance.bound.resolution
    if not np.isfinite(resolution):
        return "undecided", "the bound is infinite: a correct program may overflow here"
    if resolution > USEFUL:
        return "undecided", f"the bound resolves nothing here: it allows {resolution:.2g} of the natural size"
    return "pass", ""


def _lost_to_an_offset(gradients: Gradients, compared: dict[str, Comparison], acceptance: Acceptance) -> bool:
    """Whether all that is wrong may come from logsumexp(s) - s[y] with a large offset common to a sample's logits.

    Then every error is within the bound that allows for it, and the data part of db2 still sums to 0 as any softmax
    makes it: so do its errors.
    """
    whole = acceptance.bound_allowing("whole")
    within = all(bool((c.error <= whole.tensors[name]).all()) for name, c in compared.items())
    none = acceptance.bound_allowing("none")
    exact = acceptance.exact.tensors["b2"]
    errors = (gradients.b2.astype(np.float64) - exact.hi) - exact.lo
    return within and bool(abs(errors.sum()) <= none.tensors["b2"].sum())


def _no_digit_left(name: str, c: Comparison, acceptance: Acceptance) -> bool:
    """Whether a tensor is so far outside its bound that nothing of its data part can be used."""
    return bool((c.error > c.bound + NO_DIGIT * acceptance.bound.data_sizes[name]).any())


def _blind(compared: dict[str, Comparison], acceptance: Acceptance) -> float | None:
    """The share of the entries, of those not exactly 0, of which the bound exceeds the size; None if all are 0."""
    exact = np.concatenate([np.abs(acceptance.exact.tensors[name].hi).ravel() for name in compared])
    bound = np.concatenate([c.bound.ravel() for c in compared.values()])
    return float((bound > exact)[exact != 0].mean()) if exact.any() else None


def _normwise(compared: dict[str, Comparison], acceptance: Acceptance) -> float:
    """The largest normwise relative error of a tensor, in units of u; relative to its natural size where it is 0."""
    relative = [0.0]
    for name, c in compared.items():
        size = float(np.abs(acceptance.exact.tensors[name].hi).max()) or acceptance.bound.sizes[name]
        error = float(c.error.max())
        relative.append(error / size if size else (0.0 if error == 0 else float("inf")))
    worst = float("nan") if any(np.isnan(r) for r in relative) else max(relative)
    return worst / acceptance.problem.unit_roundoff
