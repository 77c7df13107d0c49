"""What people call: `check_grads` judges the derivatives that JAX computes of a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, Literal

import jax
import numpy as np

from gradaudit.certify import Certificate, certify
from gradaudit.errors import InputError
from gradaudit.graph import topological_order
from gradaudit.jax.arguments import Arguments, read_arguments
from gradaudit.jax.following import followed, judged
from gradaudit.jax.lines import refused, user_line
from gradaudit.jax.operands import drawn, number
from gradaudit.jax.program import NEEDS_A_NUMBER, Program, Stage
from gradaudit.jax.steps import with_steps
from gradaudit.judge import Finding, Report, judge
from gradaudit.operations.shapes import input_
from gradaudit.patterns import recognised
from gradaudit.recording import Recording
from gradaudit.rounding.arithmetic import Arithmetic, remarks

MODES = ("rev", "fwd")


def check_grads(
    f: Callable[..., Any],
    args: Any,
    order: int = 1,
    modes: str | Sequence[str] = ("rev",),
    *,
    reference: Callable[..., Any] | None = None,
    steps: Literal["auto"] | bool = "auto",
    jacobian: bool = False,
    seed: int = 0,
    raise_exception: bool = True,
    atol: Any = None,  # noqa: ARG001 (accepted, as jax.test_util.check_grads has it)
    rtol: Any = None,  # noqa: ARG001
    eps: Any = None,  # noqa: ARG001
) -> Report:
    """Judge the derivatives that JAX computes of a function, those of custom rules among them.

    The function is followed by its jaxpr, which says what is computed; of a `custom_vjp` or `custom_jvp` that is the
    function itself, and what is judged is the derivative by the custom rule. The program that is judged is `f` as it
    is, and compiled; a function that draws floats is judged as it is, since compiled it may draw other last digits.

    Parameters
    ----------
    f : callable
        The function. It returns an array, or a tree of arrays.
    args : tuple
        Its arguments: trees of arrays, all of float32, float64, float16 or bfloat16. What is no float is passed on
        as it is.
    order : {1, 2}
        Whether the derivative of the derivative is judged too.
    modes : sequence of {"rev", "fwd"}
        Reverse mode: the derivatives pulled back with numbers drawn from the seed. Forward mode: the derivative along
        a direction drawn from the seed.
    reference : callable, optional
        A function that JAX can follow and that says what `f` computes, where `f` itself cannot be followed.
    steps : {"auto", True, False}
        Whether the value and the reverse mode are also judged step by step: that the gradient's own jaxpr, read without
        rounding, is the gradient (the formula), and that each of its primitives, run alone at the program's own floats,
        is as exact as it can be (the kernels). So a program of any depth is certified, and what is wrong has a name.
        "auto": where the bound from end to end decides nothing, or something is wrong.
    jacobian : bool
        Whether to pull back each unit vector instead of drawn numbers, in reverse mode.
    seed : int
        Of what is drawn.
    raise_exception : bool
        Whether to raise; else the report says it.
    atol, rtol, eps
        Accepted, and without meaning: how far a derivative may be off is derived, and nothing is stepped.

    Returns
    -------
    Report
        True if everything passes.

    Raises
    ------
    GradientError
        If a derivative or a value is wrong.
    UndecidedError
        If nobody can tell in this dtype.
    UnsupportedError
        If the function does what cannot be followed.
    InputError
        If the arguments do not fit.
    """
    wanted = _modes(modes, order)
    if not isinstance(steps, bool) and steps != "auto":
        raise InputError(f"steps={steps!r}; expected 'auto', True or False")
    given = read_arguments(args)
    with jax.enable_x64(True) if given.dtype == np.float64 else nullcontext():
        program = Program(f, given, seed, jacobian)
        recording = _followed(given.function(reference) if reference else program.function, given, program)
        stages = list(program.stages(recording, wanted, order))
        draws = any(node.operation is drawn for node in topological_order(recording.outputs))
        answers = [(stage, *answer) for stage in stages for answer in program.answers(stage, draws)]
    inputs = dict(recording.inputs)
    for stage in stages:
        inputs.update(stage.inputs)
    certificates = certify([n for stage in stages for n in stage.nodes], inputs, recording.dtype)
    fp = certificates.fp
    findings = tuple(_findings(stages, answers, certificates.outputs, fp))
    report = Report(findings, certificates.kinks, remarks=remarks(fp))
    if "rev" in wanted and (steps is True or (steps == "auto" and not report.ok)):
        with jax.enable_x64(True) if given.dtype == np.float64 else nullcontext():
            report = with_steps(report, program, recording, steps is True)
    if raise_exception:
        report.raise_unless_ok()
    return report


def _modes(modes: str | Sequence[str], order: int) -> list[str]:
    wanted = [modes] if isinstance(modes, str) else list(modes)
    if not wanted or not set(wanted) <= set(MODES):
        raise InputError(f"modes={modes!r}; expected 'rev', 'fwd', or both")
    if order not in (1, 2):
        raise InputError(f"order={order!r}; expected 1 or 2")
    return wanted


def _followed(function: Callable[..., list[Any]], given: Arguments, program: Program) -> Recording:
    """The function as a graph."""
    try:
        closed = jax.make_jaxpr(function)(*program.floats)
    except NEEDS_A_NUMBER as error:
        raise refused(_said(error), user_line(error.__traceback__)) from error
    shapes = [tuple(x.shape) for x in program.values]
    if [tuple(a.shape) for a in closed.out_avals] != shapes:
        said = ", ".join(str(tuple(a.shape)) for a in closed.out_avals)
        raise InputError(f"reference returns arrays of the shapes {said}; expected those of f: {shapes}")
    sources = {name: input_(size=x.shape) for name, x in zip(given.floats, program.floats, strict=True)}
    token = judged.set(given.dtype)
    try:
        results = followed(closed.jaxpr, closed.consts, list(sources.values()))
        outputs = recognised([number(r) for r in results])
    finally:
        judged.reset(token)
    inputs = {node: np.asarray(x) for node, x in zip(sources.values(), program.floats, strict=True)}
    return Recording(outputs, sources, inputs, given.dtype)


def _said(error: Exception) -> str:
    return f"a value that depends on an input is taken for a number ({str(error).splitlines()[0].rstrip('.')})"


def _findings(
    stages: Sequence[Stage],
    answers: Sequence[tuple[Stage, str, Sequence[Any]]],
    certificates: Sequence[Certificate],
    fp: Arithmetic,
) -> Iterator[Finding]:
    """One finding for each array that was computed; what is the same in every bit is judged once."""
    of: dict[int, Certificate] = dict(zip((id(n) for stage in stages for n in stage.nodes), certificates, strict=True))
    judged: dict[int, list[bytes]] = {}
    for stage, way, arrays in answers:
        for name, node, array in zip(stage.names, stage.nodes, arrays, strict=True):
            bits = np.asarray(array).tobytes()
            if bits not in judged.setdefault(id(node), []):
                judged[id(node)].append(bits)
                yield judge(f"{name}{way}", np.asarray(array), of[id(node)], fp)
