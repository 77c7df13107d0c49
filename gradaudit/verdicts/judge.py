"""The judge compares gradients with the values that a correct program may return. Pure, and without a tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradaudit.adapters.calls import EARLIER, Answer
from gradaudit.exact.entries import highest, lowest
from gradaudit.judge import USEFUL
from gradaudit.reference.acceptance import Acceptance
from gradaudit.reference.problem import TENSORS, Gradients
from gradaudit.rounding.arithmetic import Arithmetic

Verdict = Literal["pass", "wrong", "undecided", "error", "crash", "timeout", "skipped", "unsupported"]
#: Every verdict, worst first.
VERDICTS: tuple[Verdict, ...] = ("crash", "timeout", "wrong", "error", "skipped", "undecided", "unsupported", "pass")


#: The family of findings on random functions.
FUNCTIONS = "functions"
#: An error above this part of a tensor's natural size leaves no digit of it (ROUNDING.md, section 8).
NO_DIGIT = 2.0**-4
#: The message where digits are lost to an offset: some of them (`undecided`), or all of them (`wrong`).
OFFSET_MESSAGE = "digits lost to a common offset of the logits"


class Subject(NamedTuple):
    """The implementation that is judged, and the case."""

    case: str
    family: str
    framework: str
    variant: str
    dtype: str


def finding_id(subject: Subject | Finding) -> str:
    """The name of a finding: framework and variant, then the case."""
    return f"{subject.framework}.{subject.variant}-{subject.case}"


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
        Whether the finding is known and explained. It is true for every pass.
    tensor : str or None
        The tensor of the worst entry: the largest error / bound.
    index : tuple of int or None
        Its index; () for the loss.
    got : float or None
        The computed value there.
    exact : tuple of float or None
        The exact value there, as hi + lo.
    error, bound, ratio : float or None
        ``|got - exact|``, the largest error that is allowed, and error / bound.
    error_u : float or None
        The largest error relative to its tensor's largest exact entry, in units of the unit roundoff.
    resolution : float or None
        The smallest error that is certain to be seen, relative to the natural size of the tensor.
    blind : float or None
        The fraction of the nonzero entries, of all tensors together, whose bound is larger than their exact value: not
        even their sign is judged. None if every entry is exactly 0.
    message, diagnosis : str
        The reason, if the numbers do not give it; and the mistake, if it is known. May be empty.
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
        """The name of the finding: framework and variant, then the case."""
        return finding_id(self)


class Comparison(NamedTuple):
    """Tensors compared with their exact values, each rounded once: error, bound and ratio of every entry."""

    got: NDArray[np.float64]
    error: NDArray[np.float64]
    bound: NDArray[np.float64]
    ratio: NDArray[np.float64]
    exact: NDArray[np.float64]


def compare(got: NDArray[Any], acceptance: Acceptance, name: str) -> Comparison:
    """Compare one tensor with its exact values.

    A ratio is infinite where the bound is finite and the value is not, and where there is an error and the bound is 0.
    A ratio is 0 where the bound is infinite.
    """
    exact, E = acceptance.exact.tensors[name], acceptance.bound.tensors[name]
    return _compared(got.astype(np.float64), exact.hi, exact.lo, E)


def _compared(got: Any, hi: Any, lo: Any, E: Any) -> Comparison:
    with np.errstate(all="ignore"):
        error = np.abs((got - hi) - lo)
        ratio = error / E
        if not (lowest(E) > 0 and highest(error) < np.inf and highest(E) < np.inf):
            ratio = np.where(E > 0, ratio, np.where(error == 0, 0, np.inf))
            ratio = np.where(np.isfinite(E), np.where(np.isfinite(got), ratio, np.inf), 0)
    return Comparison(got, error, E, ratio, hi)


def _compared_at_once(gradients: Gradients, acceptance: Acceptance) -> tuple[Comparison, dict[str, slice]]:
    """All tensors compared, their entries in one row; and where in it each tensor is."""
    got, exact = [getattr(gradients, name) for name in TENSORS], [acceptance.exact.tensors[name] for name in TENSORS]
    parts = got, [e.hi for e in exact], [e.lo for e in exact], [acceptance.bound.tensors[name] for name in TENSORS]
    whole = _compared(*(np.concatenate([x.ravel() for x in part]).astype(np.float64, copy=False) for part in parts))
    ends = list(accumulate(array.size for array in got))
    return whole, dict(zip(TENSORS, map(slice, [0, *ends], ends), strict=True))


def _tensor(whole: Comparison, place: slice, shape: tuple[int, ...]) -> Comparison:
    """One tensor of those that were compared at once."""
    return Comparison(*(x[place].reshape(shape) for x in whole))


def judge(subject: Subject, gradients: Gradients, acceptance: Acceptance, changed: tuple[str, ...] = ()) -> Finding:
    """The finding on one gradient.

    Parameters
    ----------
    subject : Subject
        The implementation that is judged, and the case.
    gradients : Gradients
        The gradients that the implementation returned.
    acceptance : Acceptance
        The exact values of the problem, and the bound around them.
    changed : tuple of str
        The arrays that the call changed. If there are any, the gradient is wrong.
    """
    misfit = _misfit(gradients, acceptance)
    if misfit:
        return Finding(
            *subject, verdict="wrong", expected=False, resolution=acceptance.bound.resolution, message=misfit
        )
    whole, places = _compared_at_once(gradients, acceptance)
    at = int(whole.ratio.argmax())
    name = next(tensor for tensor in TENSORS if at < places[tensor].stop)
    worst = _tensor(whole, places[name], getattr(gradients, name).shape)
    index = np.unravel_index(at - places[name].start, worst.ratio.shape)
    if highest(worst.ratio) > 1 and not changed:
        tensors = {tensor: _tensor(whole, places[tensor], getattr(gradients, tensor).shape) for tensor in TENSORS}
        verdict, message = _refusal(gradients, tensors, acceptance)
    else:
        verdict, message = _verdict(acceptance, changed)
    return Finding(
        *subject,
        verdict=verdict,
        expected=verdict == "pass",
        **entry(worst, acceptance, name, tuple(int(i) for i in index)),
        error_u=_normwise(whole, places, acceptance),
        resolution=acceptance.bound.resolution,
        blind=_blind(whole),
        message=message,
    )


def judge_answer(subject: Subject, answer: Answer, acceptance: Acceptance) -> Finding:
    """The finding on the result of a call, with or without gradients."""
    if answer.gradients is not None:
        return judge(subject, answer.gradients, acceptance, answer.changed)
    verdict: Verdict = answer.outcome if answer.outcome in ("crash", "timeout") else "error"
    return Finding(*subject, verdict=verdict, expected=False, message=answer.message)


def entry(c: Comparison, acceptance: Acceptance, tensor: str, index: tuple[int, ...]) -> dict[str, Any]:
    """The fields of a finding for one entry of a tensor."""
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
    """The worst entry of a finding in words: the value, the exact value, the error and the bound."""
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


def _refusal(gradients: Gradients, comparisons: dict[str, Comparison], acceptance: Acceptance) -> tuple[Verdict, str]:
    """The verdict on gradients of the right shapes that are outside of the bound, and the reason if it is known."""
    if not _lost_to_an_offset(gradients, comparisons, acceptance):
        return "wrong", ""
    tensors = [name for name in TENSORS if _no_digit_left(name, comparisons[name], acceptance)]
    if not tensors:
        return "undecided", OFFSET_MESSAGE
    return "wrong", OFFSET_MESSAGE if tensors == ["loss"] else ""


def _verdict(acceptance: Acceptance, changed: tuple[str, ...]) -> tuple[Verdict, str]:
    """The verdict on gradients within the bound, or of a call that changed arrays, and the reason if it is no pass."""
    if changed:
        return "wrong", f"the call changed {'its inputs: ' * (changed != (EARLIER,))}{', '.join(changed)}"
    resolution = acceptance.bound.resolution
    if not np.isfinite(resolution):
        return "undecided", "the bound is infinite: a correct program may overflow here"
    if resolution > USEFUL:
        return "undecided", f"the bound resolves nothing here: it allows {resolution:.2g} of the natural size"
    return "pass", ""


def _lost_to_an_offset(gradients: Gradients, comparisons: dict[str, Comparison], acceptance: Acceptance) -> bool:
    """Whether all errors may come from logsumexp(s) - s[y], where the logits of a sample have a large common offset.

    Then every error is within the bound that allows for this. The data part of db2 still has the sum 0, as for any
    softmax, and so have its errors.
    """
    offset_bound = acceptance.bound_allowing("whole")
    is_within = all(bool((c.error <= offset_bound.tensors[name]).all()) for name, c in comparisons.items())
    plain_bound = acceptance.bound_allowing("none")
    exact = acceptance.exact.tensors["b2"]
    errors = (gradients.b2.astype(np.float64) - exact.hi) - exact.lo
    return is_within and bool(abs(errors.sum()) <= plain_bound.tensors["b2"].sum())


def _no_digit_left(name: str, c: Comparison, acceptance: Acceptance) -> bool:
    """Whether a tensor is so far outside its bound that no digit of its data part is correct."""
    return bool((c.error > c.bound + NO_DIGIT * acceptance.bound.data_sizes[name]).any())


def _blind(c: Comparison) -> float | None:
    """The fraction of the nonzero entries whose bound is larger than their size; None if all are 0."""
    size = np.abs(c.exact)
    count = np.count_nonzero(size)
    return float(np.count_nonzero((c.bound > size) & (size != 0)) / count) if count else None


def _normwise(c: Comparison, places: dict[str, slice], acceptance: Acceptance) -> float:
    """The largest normwise relative error of a tensor, in units of u. For 0: relative to its natural size."""
    errors, exact = [0.0], np.abs(c.exact)
    for name, place in places.items():
        size = float(highest(exact[place])) or acceptance.bound.sizes[name]
        error = float(highest(c.error[place]))
        errors.append(error / size if size else (0.0 if error == 0 else float("inf")))
    worst = float("nan") if any(map(math.isnan, errors)) else max(errors)
    return worst / Arithmetic.of(acceptance.problem.dtype).u
