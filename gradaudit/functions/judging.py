"""The verdict on a framework's run of a function, and which of its steps is wrong by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gradaudit import judge as library
from gradaudit.certify import Certificate, certify
from gradaudit.functions.drawing import Case
from gradaudit.functions.growth import INPUT, Step
from gradaudit.functions.program import Array, Program
from gradaudit.functions.running import VARIANTS, Result, run
from gradaudit.functions.writing import NotWritten
from gradaudit.verdicts.judge import FUNCTIONS, Finding, Subject, Verdict

#: The precision after which a function is given up as undecided, in bits.
LAST_BITS = 128
#: What stands for infinity where a single step is tried; both dtypes have it.
LARGE = 1e30
#: What an answer may be.
JUDGED = ("wrong", "undecided", "pass")


class Judged(NamedTuple):
    """The verdict on a run.

    Attributes
    ----------
    verdict : str
        The worst of its arrays.
    array : str
        The array with that verdict and the largest ratio: y0, ... what is returned, x0, ... the derivatives by the
        inputs, dy0, ... the derivatives of what is returned along the direction.
    finding : Finding of the library
        On that array; None if its shape or dtype is wrong.
    number : int
        The number of its certificate.
    message : str
        What is wrong if there is no finding.
    """

    verdict: Verdict
    array: str
    finding: library.Finding | None
    number: int = 0
    message: str = ""


def certificates(program: Program, arrays: Mapping[int, Array], dtype: str, forward: bool) -> Sequence[Certificate]:
    """The certificates of the outputs and then of the derivatives."""
    given = program.given(arrays)
    if not forward:
        return certify(program.reverse, given, np.dtype(dtype), LAST_BITS).outputs
    plan, free = program.forward
    return certify(plan, given | {node: np.zeros(node.shape) for node in free}, np.dtype(dtype), LAST_BITS).outputs


@lru_cache(maxsize=2)
def _of_case(case: Case, forward: bool) -> Sequence[Certificate]:
    return certificates(case.program, case.arrays(), case.dtype, forward)


def verdict(result: Result, of: Sequence[Certificate], dtype: str) -> Judged:
    """The verdict on what a framework has computed."""
    kind = "dy" if result.forward else "x"
    names = [f"y{n}" for n in range(len(result.values))] + [f"{kind}{n}" for n in range(len(result.derivatives))]
    judged: list[Judged] = []
    arrays = [*result.values, *result.derivatives]
    for number, (name, got, certificate) in enumerate(zip(names, arrays, of[: len(arrays)], strict=True)):
        if got.shape != certificate.exact.hi.shape or got.dtype != dtype:
            expected = f"{dtype} of the shape {certificate.exact.hi.shape}"
            return Judged(
                "wrong", name, None, number, f"{got.dtype} of the shape {got.shape} is {name}; expected {expected}"
            )
        finding = library.judge(name, got, certificate)
        judged.append(Judged(finding.verdict, name, finding, number))
    return min(judged, key=_severity)


def _severity(judged: Judged) -> tuple[int, float]:
    ratio = judged.finding.ratio if judged.finding else np.inf
    return JUDGED.index(judged.verdict), -ratio


def finding_on(case: Case, framework: str, variant: str) -> Finding:
    """The finding on one way to run a function."""
    subject = Subject(case.id, FUNCTIONS, framework, variant, case.dtype)
    program, arrays = case.program, case.arrays()
    try:
        result = run(program, list(arrays.values()), framework, variant)
    except NotWritten as error:
        return Finding(*subject, verdict="unsupported", expected=True, message=str(error))
    except Exception as error:
        message = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        diagnosis = ", ".join(wrong_steps(program, arrays, framework, variant))
        return Finding(*subject, verdict="error", expected=False, message=message, diagnosis=diagnosis)
    of = _of_case(case, result.forward)
    judged = verdict(result, of, case.dtype)
    diagnosis = ""
    if judged.verdict == "wrong":
        diagnosis = ", ".join(wrong_steps(program, arrays, framework, variant))
    return _finding(subject, judged, of, diagnosis)


def _finding(subject: Subject, judged: Judged, of: Sequence[Certificate], diagnosis: str) -> Finding:
    f = judged.finding
    if f is None:
        return Finding(*subject, verdict="wrong", expected=False, message=judged.message, diagnosis=diagnosis)
    message = ""
    if f.verdict == "undecided":
        message = f"the bound of {f.array} resolves nothing here: it allows {f.resolution:.2g} of the natural size"
    low = float(of[judged.number].exact.lo[f.index]) if of[judged.number].exact.lo.size else 0.0
    return Finding(
        *subject,
        verdict=f.verdict,
        expected=f.verdict == "pass",
        tensor=judged.array,
        index=f.index,
        got=f.got,
        exact=(f.exact, low),
        error=f.error,
        bound=f.bound,
        ratio=f.ratio,
        resolution=f.resolution,
        message=message,
        diagnosis=diagnosis,
    )


# --- which step it is -------------------------------------------------------------------------------------------------


def wrong_steps(program: Program, arrays: Mapping[int, Array], framework: str, variant: str) -> list[str]:
    """The operations that are wrong by themselves, at the numbers that the framework gives them.

    These are floats and so exactly known: whatever is wrong there is the fault of that one step.
    """
    wrong: list[str] = []
    for large in (False, True):  # what is not finite stays out, if there is another explanation
        for name, single, operands in steps_alone(program, arrays, framework, variant, large):
            if name not in wrong and fails(single, operands, framework, variant):
                wrong.append(name)
        if wrong:
            break
    return sorted(wrong)


def steps_alone(
    program: Program, arrays: Mapping[int, Array], framework: str, variant: str, large: bool = False
) -> list[tuple[str, Program, dict[int, Array]]]:
    """Each operation as a program, with the numbers and derivatives that a framework has there, and its inputs.

    Steps with numbers that are not finite are left out, or large numbers stand there.
    """
    forward = variant.endswith("jvp")
    values, around = _inside(program, arrays, framework, forward)
    if large:
        values, around = [_finite(v) for v in values], {i: _finite(d) for i, d in around.items()}
    dtype = next(iter(arrays.values())).dtype
    result = []
    for i, step in enumerate(program.steps):
        operands = [np.asarray(values[j], dtype) for j in step.operands]
        given = tuple(np.asarray(around[j], dtype) for j in (step.operands if forward else (i,)) if j in around)
        if step.name != INPUT and all(np.isfinite(x).all() for x in (*operands, *given)):
            steps = [Step(INPUT, (), {"size": x.shape}) for x in operands]
            steps.append(step._replace(operands=tuple(range(len(steps)))))
            drawn = {"along" if forward else "weights": given} if given else {}
            single = Program(tuple(steps), (len(operands),), **drawn)
            result.append((step.name, single, dict(enumerate(operands))))
    return result


def _inside(
    program: Program, arrays: Mapping[int, Array], framework: str, forward: bool
) -> tuple[list[Array], dict[int, Array]]:
    """The values of all steps, and the derivatives there; no derivatives where a framework raises."""
    for way in (_valued,) if framework == "numpy" else (_pushed if forward else _pulled, _valued):
        try:
            return way(program, arrays, framework)
        except Exception:
            continue
    return [np.full(node.shape, np.nan) for node in program.nodes], {}


def _valued(program: Program, arrays: Mapping[int, Array], framework: str) -> tuple[list[Array], dict[int, Array]]:
    """The values of all steps."""
    whole = Program(program.steps, tuple(range(len(program.steps))))
    return run(whole, list(arrays.values()), framework, VARIANTS[framework][0]).values, {}


def _pushed(program: Program, arrays: Mapping[int, Array], framework: str) -> tuple[list[Array], dict[int, Array]]:
    """The values of all steps and their derivatives along the direction."""
    whole = Program(program.steps, tuple(range(len(program.steps))), along=tuple(program.direction))
    result = run(whole, list(arrays.values()), framework, "jvp")
    return result.values, dict(enumerate(result.derivatives))


def _finite(x: Array) -> Array:
    """What is not finite is large instead."""
    return np.asarray(np.nan_to_num(x, nan=LARGE, posinf=LARGE, neginf=-LARGE))


def _pulled(program: Program, arrays: Mapping[int, Array], framework: str) -> tuple[list[Array], dict[int, Array]]:
    """The values of all steps, and the derivatives by what they compute: by a zero that is added to it."""
    steps: list[Step] = []
    place: dict[int, int] = {}
    zeros: dict[int, int] = {}
    given: dict[int, Array] = {}
    for i, step in enumerate(program.steps):
        steps.append(step._replace(operands=tuple(place[j] for j in step.operands)))
        place[i] = len(steps) - 1
        if step.name == INPUT:
            given[place[i]] = arrays[i]
        else:
            zeros[i] = len(steps)
            size = program.nodes[i].shape
            given[len(steps)] = np.zeros(size, next(iter(arrays.values())).dtype)
            steps += [Step(INPUT, (), {"size": size}), Step("add", (place[i], len(steps)), {})]
            place[i] = len(steps) - 1
    whole = Program(tuple(steps), tuple(place.values()), weights=_only(program))
    result = run(whole, [given[i] for i in whole.inputs], framework, VARIANTS[framework][0])
    number = {step: n for n, step in enumerate(whole.inputs)}
    return result.values, {i: result.derivatives[number[zero]] for i, zero in zeros.items()}


def _only(program: Program) -> tuple[Array, ...]:
    """What each step is pulled back with if the outputs alone are."""
    weights = [np.zeros(node.shape) for node in program.nodes]
    for output, weight in zip(program.outputs, program.cotangents, strict=True):
        weights[output] = np.asarray(weight)
    return tuple(weights)


def fails(program: Program, arrays: Mapping[int, Array], framework: str, variant: str, kind: str = "") -> bool:
    """Whether a framework's run of a program is wrong; of a kind of array (x, y or dy), if one is given."""
    dtype = next(iter(arrays.values())).dtype.name
    try:
        result = run(program, list(arrays.values()), framework, variant)
        of = certificates(program, arrays, dtype, result.forward)
    except (NotWritten, ValueError, TypeError, ArithmeticError, RuntimeError, LookupError):
        return False
    judged = verdict(result, of, dtype)
    return judged.verdict == "wrong" and judged.array.startswith(kind)
