"""How many digits a framework keeps as a softmax saturates, as logits and sizes grow, and as dtypes shrink."""

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

#: By how much the label's logit leads.
GAPS = (0, 1, 5, 10, 15, 20, 25, 30, 37, 50, 100, 500, 700, 1000)
#: How large the logits are, up to a dtype's limit.
SCALES = (1.0, 1e1, 1e2, 1e4, 1e8, 1e16, 1e30, 1e37, 1e100, 1e300)
#: The sizes from which one is varied, and to what.
BASE, SIZES = Shape(16, 16, 16, 4), (1, 16, 128, 1024)
#: The shapes on which narrow dtypes are tried; seeds 0 as in the catalogue.
NARROW_SHAPES = ("1x4x10x3", "5x4x10x3", "6x5x4x4", "17x13x11x5", "64x32x48x10")

Who = Sequence[tuple[str, str]]


def saturation(who: Who) -> dict[str, Any]:
    """Digits of the label's entry of db2, which is p - 1 there, and of the loss, by the gap."""

    def digits(framework: str, variant: str, dtype: str) -> list[list[Any]]:
        kept: dict[str, list[float]] = {"b2": [], "loss": []}
        for gap in GAPS:
            acceptance = _accepted(_of_logits((float(gap), 0.0, 0.0), dtype))
            gradients = _answer(framework, variant, acceptance.problem)
            for name, digits in kept.items():
                digits.append(_digits(name, gradients, acceptance))
        return [[f"{framework} {variant} {dtype}, {name}", *digits] for name, digits in kept.items()]

    return {
        "title": "decimal digits kept as the label's class leads by a gap",
        "columns": ["of the entry of the label in db2 (p - 1), and of the loss", *map(str, GAPS)],
        "note": "a probability rounded before 1 is subtracted loses them all; float64 has 16, float32 has 7",
        "curve": "digits",
        "rows": _rows([pair for pair in who if _of_loss(*pair)], digits),
    }


def scale(who: Who) -> dict[str, Any]:
    """What comes of logits of a size: right, wrong, infinite, NaN."""

    def outcomes(framework: str, variant: str, dtype: str) -> list[list[Any]]:
        cells = []
        for size in (*SCALES, float(np.finfo(dtype).max) / 4):
            if size > float(np.finfo(dtype).max):
                cells.append("")
                continue
            cells.append(_outcome(framework, variant, _accepted(_of_logits((size, size / 2, -size), dtype, label=1))))
        return [[f"{framework} {variant} {dtype}", *cells]]

    return {
        "title": "logits of a size, up to a quarter of the dtype's limit",
        "columns": ["size", *(f"{size:.0e}" for size in SCALES), "limit/4"],
        "note": "right: the loss and every entry of the gradient within the bound of the certified value",
        "rows": _rows([pair for pair in who if _of_loss(*pair)], outcomes),
    }


def size(who: Who) -> dict[str, Any]:
    """The largest normwise error, in units of the dtype's roundoff, as one size grows."""

    def errors(framework: str, variant: str, dtype: str) -> list[list[Any]]:
        rows = []
        for letter in "DHN":
            cells = [_judged(framework, variant, _accepted(_of_size(letter, n, dtype))).error_u for n in SIZES]
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
    """The rows of every variant in every dtype that it has."""
    return [
        row for pair in who for dtype in DTYPES if dtype in adapter(pair[0]).dtypes for row in rows_of(*pair, dtype)
    ]


def _of_loss(framework: str, variant: str) -> bool:
    """Whether a variant is canonical or spells the cross-entropy otherwise: what matters where a softmax saturates."""
    return variant == adapter(framework).variants[0] or variant.startswith("loss_")


def _of_logits(logits: tuple[float, ...], dtype: str, label: int = 0) -> Problem:
    """One sample whose logits are exactly these: the biases of a last layer without weights."""
    floats = {"X": [[1.0]], "W1": [[1.0]], "b1": [0.0], "W2": [[0.0] * len(logits)], "b2": list(logits)}
    arrays = {name: np.array(value, dtype=dtype) for name, value in floats.items()}
    return Problem(**arrays, y=np.array([label]), reg=0.0)


def _of_size(letter: str, n: int, dtype: str) -> Problem:
    """A random batch, and a network as one would initialise it, with one size set to n."""
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
def _accepted_once(*content: Any) -> Acceptance:
    arrays = {name: np.frombuffer(data, dtype=dtype).reshape(shape) for name, data, dtype, shape in content[1:]}
    return accept(Problem(**arrays, reg=content[0]))


def _accepted(problem: Problem) -> Acceptance:
    """The exact values of a problem, found once for all variants."""
    arrays = ((n, getattr(problem, n)) for n in ARRAYS)
    return _accepted_once(problem.reg, *((n, a.tobytes(), a.dtype.name, a.shape) for n, a in arrays))


def _answer(framework: str, variant: str, problem: Problem) -> Gradients | None:
    try:
        return adapter(framework).gradients(hand_over(problem), variant)
    except Exception:  # that it raised is what the verdicts say; here it keeps no digit
        return None


def _digits(name: str, gradients: Gradients | None, acceptance: Acceptance) -> float:
    """The correct decimal digits of a tensor's first entry, at most those of the dtype."""
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


def _judged(framework: str, variant: str, acceptance: Acceptance) -> Any:
    gradients = adapter(framework).gradients(hand_over(acceptance.problem), variant)
    return judge(Subject("", "", framework, variant, acceptance.problem.dtype.name), gradients, acceptance)


def _outcome(framework: str, variant: str, acceptance: Acceptance) -> str:
    """The verdict in a word, or what is not finite."""
    gradients = _answer(framework, variant, acceptance.problem)
    if gradients is None:
        return "raises"
    found = judge(Subject("", "", framework, variant, ""), gradients, acceptance)
    if found.verdict == "pass":
        return "right"
    values = np.concatenate([np.ravel(getattr(gradients, name)) for name in TENSORS])
    if np.isnan(values).any():
        return "NaN"
    return "infinite" if np.isinf(values).any() else found.verdict


def _narrow_cell(framework: str, variant: str, shape: str, dtype: str) -> str:
    """The verdict and the error of one variant in a narrow dtype, on inputs that the dtype holds exactly."""
    info: Any = ml_dtypes.finfo(dtype)
    problem = case_of(f"{shape}-reg_0.125-random-float32-s0").problem()
    floats = {n: getattr(problem, n).astype(dtype).astype(np.float32) for n in FLOATS}
    held = Problem(**floats, y=problem.y, reg=problem.reg)
    try:
        acceptance = accept(held, arithmetic=Arithmetic.described(info))
    except PrecisionExhausted:
        return "undecided"
    given = hand_over(held)._replace(**{name: array.astype(dtype) for name, array in floats.items()})
    try:
        gradients = adapter(framework).gradients(given, variant)
    except Exception as error:
        return f"raises {type(error).__name__}"
    found = judge(Subject("", "", framework, variant, dtype), gradients, acceptance)
    in_u = (found.error_u or 0.0) * held.unit_roundoff / (float(info.eps) / 2)
    return f"{found.verdict} {in_u:.2g} u"
