"""The correct digits of a framework if a softmax saturates, if logits or sizes are large, and in narrow dtypes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import ml_dtypes
import numpy as np

from gradaudit.adapters import adapter
from gradaudit.adapters.calls import hand_over
from gradaudit.cases.catalogue import case_of
from gradaudit.reference.acceptance import Acceptance, PrecisionExhausted, accept
from gradaudit.reference.problem import ARRAYS, DTYPES, FLOATS, TENSORS, Gradients, Problem, Shape
from gradaudit.rounding.arithmetic import Arithmetic
from gradaudit.verdicts.judge import Subject, judge

#: By how much the logit of the label is larger than the others.
GAPS = (0, 1, 5, 10, 15, 20, 25, 30, 37, 50, 100, 500, 700, 1000)
#: The sizes of the logits, up to the limit of a dtype.
SCALES = (1.0, 1e1, 1e2, 1e4, 1e8, 1e16, 1e30, 1e37, 1e100, 1e300)
#: The basic sizes, and the values of the size that varies.
BASE, SIZES = Shape(16, 16, 16, 4), (1, 16, 128, 1024)
#: The shapes for narrow dtypes, with seed 0 as in the catalogue.
NARROW_SHAPES = ("1x4x10x3", "5x4x10x3", "6x5x4x4", "17x13x11x5", "64x32x48x10")

Who = Sequence[tuple[str, str]]


def saturation(who: Who) -> dict[str, Any]:
    """Correct digits of the entry of the label in db2, which is p - 1, and of the loss, for each gap."""

    def digits(framework: str, variant: str, dtype: str) -> list[list[Any]]:
        rows: dict[str, list[float]] = {"b2": [], "loss": []}
        for gap in GAPS:
            acceptance = _acceptance(_logits_problem((float(gap), 0.0, 0.0), dtype))
            gradients = _answer(framework, variant, acceptance.problem)
            for name, row in rows.items():
                row.append(_digits(name, gradients, acceptance))
        return [[f"{framework} {variant} {dtype}, {name}", *row] for name, row in rows.items()]

    return {
        "title": "correct decimal digits, by the gap between the logit of the label and the others",
        "columns": ["of the entry of the label in db2 (p - 1), and of the loss", *map(str, GAPS)],
        "note": "a probability that is rounded before 1 is subtracted loses all digits; float64 has 16, float32 has 7",
        "curve": "digits",
        "rows": _rows([pair for pair in who if _is_loss_variant(*pair)], digits),
    }


def scale(who: Who) -> dict[str, Any]:
    """The outcome for logits of each size: right, wrong, infinite, NaN."""

    def outcomes(framework: str, variant: str, dtype: str) -> list[list[Any]]:
        cells = []
        for size in (*SCALES, float(np.finfo(dtype).max) / 4):
            if size > float(np.finfo(dtype).max):
                cells.append("")
                continue
            cells.append(
                _outcome(framework, variant, _acceptance(_logits_problem((size, size / 2, -size), dtype, label=1)))
            )
        return [[f"{framework} {variant} {dtype}", *cells]]

    return {
        "title": "logits of a size, up to a quarter of the dtype's limit",
        "columns": ["size", *(f"{size:.0e}" for size in SCALES), "limit/4"],
        "note": "right: the loss and every entry of the gradient within the bound of the certified value",
        "rows": _rows([pair for pair in who if _is_loss_variant(*pair)], outcomes),
    }


def size(who: Who) -> dict[str, Any]:
    """The largest normwise error, in units of the dtype's roundoff, as one size grows."""

    def errors(framework: str, variant: str, dtype: str) -> list[list[Any]]:
        rows = []
        for letter in "DHN":
            cells = [_finding(framework, variant, _acceptance(_sized_problem(letter, n, dtype))).error_u for n in SIZES]
            rows.append([f"{framework} {variant} {dtype}, {letter}", *cells])
        return rows

    return {
        "title": "largest error of a tensor, in units of u, as one size grows",
        "columns": ["varied", *map(str, SIZES)],
        "note": f"the other sizes as in N, D, H, C = {', '.join(map(str, BASE))}; relative to the largest entry",
        "curve": "error in u",
        "rows": _rows(who, errors),
    }


def narrow(who: Who) -> dict[str, Any]:
    """float16 and bfloat16: the error in units of their roundoff, and whether the bound can judge it."""
    rows = []
    for framework, variant in who:
        for dtype in getattr(adapter(framework), "narrow", ()):
            cells = [_narrow_cell(framework, variant, shape, dtype) for shape in NARROW_SHAPES]
            rows.append([f"{framework} {variant} {dtype}", *cells])
    return {
        "title": "narrow dtypes: verdict and error in units of their roundoff u",
        "columns": ["dtype", *NARROW_SHAPES],
        "note": "undecided: even a correct program may lose everything in such a dtype at this size",
        "rows": rows,
    }


def _rows(who: Who, rows_of: Callable[[str, str, str], list[list[Any]]]) -> list[list[Any]]:
    """The rows of every variant in every dtype of its framework."""
    return [
        row for pair in who for dtype in DTYPES if dtype in adapter(pair[0]).dtypes for row in rows_of(*pair, dtype)
    ]


def _is_loss_variant(framework: str, variant: str) -> bool:
    """Whether a variant is canonical or writes the cross-entropy in another way. Others do not differ here."""
    return variant == adapter(framework).variants[0] or variant.startswith("loss_")


def _logits_problem(logits: tuple[float, ...], dtype: str, label: int = 0) -> Problem:
    """One sample with exactly these logits: they are the biases of a last layer whose weights are 0."""
    floats = {"X": [[1.0]], "W1": [[1.0]], "b1": [0.0], "W2": [[0.0] * len(logits)], "b2": list(logits)}
    arrays = {name: np.array(value, dtype=dtype) for name, value in floats.items()}
    return Problem(**arrays, y=np.array([label]), reg=0.0)


def _sized_problem(letter: str, n: int, dtype: str) -> Problem:
    """A random batch and initial parameters, with one size set to n."""
    N, D, H, C = BASE._replace(**{letter: n})
    rng = np.random.default_rng([0, N, D, H, C])
    arrays = {
        "X": rng.standard_normal((N, D)),
        "W1": rng.standard_normal((D, H)) / math.sqrt(D),
        "b1": rng.standard_normal(H) / 4,
        "W2": rng.standard_normal((H, C)) / math.sqrt(H),
        "b2": rng.standard_normal(C) / 4,
    }
    floats = {name: array.astype(dtype) for name, array in arrays.items()}
    return Problem(**floats, y=rng.integers(0, C, N), reg=1e-3)


@lru_cache(maxsize=128)
def _cached_acceptance(*content: Any) -> Acceptance:
    arrays = {name: np.frombuffer(data, dtype=dtype).reshape(shape) for name, data, dtype, shape in content[1:]}
    return accept(Problem(**arrays, reg=content[0]))


def _acceptance(problem: Problem) -> Acceptance:
    """The exact values of a problem, computed once for all variants."""
    arrays = ((n, getattr(problem, n)) for n in ARRAYS)
    return _cached_acceptance(problem.reg, *((n, a.tobytes(), a.dtype.name, a.shape) for n, a in arrays))


def _answer(framework: str, variant: str, problem: Problem) -> Gradients | None:
    try:
        return adapter(framework).gradients(hand_over(problem), variant)
    except Exception:  # the findings give the details; here it has no correct digit
        return None


def _digits(name: str, gradients: Gradients | None, acceptance: Acceptance) -> float:
    """The number of correct decimal digits of the first entry of a tensor, at most that of the dtype."""
    most = -math.log10(acceptance.problem.unit_roundoff)
    exact = acceptance.exact.tensors[name]
    hi, lo = float(exact.hi.flat[0]), float(exact.lo.flat[0])
    if gradients is None:
        return 0.0
    got = float(getattr(gradients, name).flat[0])
    error = abs((got - hi) - lo)
    if error == 0:
        return round(most, 1)
    if not math.isfinite(error) or hi == 0:
        return 0.0
    return round(min(most, max(0.0, -math.log10(error / abs(hi)))), 1)


def _finding(framework: str, variant: str, acceptance: Acceptance) -> Any:
    gradients = adapter(framework).gradients(hand_over(acceptance.problem), variant)
    return judge(Subject("", "", framework, variant, acceptance.problem.dtype.name), gradients, acceptance)


def _outcome(framework: str, variant: str, acceptance: Acceptance) -> str:
    """The verdict in a word, or NaN or infinite."""
    gradients = _answer(framework, variant, acceptance.problem)
    if gradients is None:
        return "raises"
    finding = judge(Subject("", "", framework, variant, ""), gradients, acceptance)
    if finding.verdict == "pass":
        return "right"
    values = np.concatenate([np.ravel(getattr(gradients, name)) for name in TENSORS])
    if np.isnan(values).any():
        return "NaN"
    return "infinite" if np.isinf(values).any() else finding.verdict


def _narrow_cell(framework: str, variant: str, shape: str, dtype: str) -> str:
    """The verdict and the error of a variant in a narrow dtype, on inputs that are exact in that dtype."""
    info: Any = ml_dtypes.finfo(dtype)
    problem = case_of(f"{shape}-reg_0.125-random-float32-s0").problem()
    floats = {n: getattr(problem, n).astype(dtype).astype(np.float32) for n in FLOATS}
    rounded = Problem(**floats, y=problem.y, reg=problem.reg)
    try:
        acceptance = accept(rounded, arithmetic=Arithmetic.described(info))
    except PrecisionExhausted:
        return "undecided"
    inputs = hand_over(rounded)._replace(**{name: array.astype(dtype) for name, array in floats.items()})
    try:
        gradients = adapter(framework).gradients(inputs, variant)
    except Exception as error:
        return f"raises {type(error).__name__}"
    finding = judge(Subject("", "", framework, variant, dtype), gradients, acceptance)
    in_u = (finding.error_u or 0.0) * rounded.unit_roundoff / (float(info.eps) / 2)
    return f"{finding.verdict} {in_u:.2g} u"
