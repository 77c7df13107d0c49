"""The certificate step by step: the formula of JAX's gradient, and the kernels that compute it.

A gradient's jaxpr is a program of one line an equation. Read without rounding it must be the gradient: the formula. And
each equation, run alone at the floats that the program has there, must be as exact as its primitive can be: the
kernels. Neither grows with depth.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradaudit.derivative import pulled_back
from gradaudit.errors import UnsupportedError
from gradaudit.jax.formula import NOTHING, Constants, Reading, compared
from gradaudit.jax.kernels import Kernels
from gradaudit.jax.operands import number
from gradaudit.jax.program import NEEDS_A_NUMBER, Program
from gradaudit.jax.rules import judged_rules
from gradaudit.jax.walking import Cell
from gradaudit.judge import Finding, Report, Step, worst_first
from gradaudit.operations.shapes import constant
from gradaudit.recording import Recording
from gradaudit.rounding.arithmetic import Arithmetic


@dataclass(frozen=True)
class Outcome:
    """What the steps say together.

    Attributes
    ----------
    steps : tuple of Step
        The worst first.
    remark : str
        What was judged, in words.
    values : list of array
        What the program computed, equation by equation.
    """

    steps: tuple[Step, ...]
    remark: str = ""
    values: list[Any] = field(default_factory=list, compare=False)


def judged_steps(program: Program, recording: Recording) -> Outcome:
    """The steps of a program's value and reverse mode; `recording` is its function as a graph."""
    floats, weights = program.floats, [jnp.asarray(w) for w in program.weights]
    closed, own = jax.make_jaxpr(program.gradient)(floats, weights), jax.make_jaxpr(program.function)(*floats)
    kernels = Kernels(recording.dtype)
    with jax.disable_jit():  # as `_certified` runs the program: what is compiled for one is there for the other
        values = kernels.run(closed.jaxpr, closed.consts, [Cell(x) for x in (*floats, *weights)])
    formula, remark = _formula(closed, own, program, recording)
    steps = [*formula, *(Step("kernel", name, "", line, (finding,)) for (name, line), finding in kernels.worst.items())]
    said = f"step by step: {remark}; {kernels.count} results of primitives, each at the program's own floats"
    return Outcome(worst_first(steps), said, [c.value for c in values])


def _formula(closed: Any, own: Any, program: Program, recording: Recording) -> tuple[list[Step], str]:
    """The formula as a whole; rule by rule where that is wrong, or leaves more open than a rule alone does."""
    constants = Constants(own, recording.dtype)
    whole, decided = _whole(closed, program, recording, constants)
    sharp = 2 * NOTHING * Arithmetic.of(recording.dtype).u
    steps = [Step("formula", str(f.array), "", "", (f,)) for f in whole]
    if whole and all(f.verdict == "pass" and f.resolution <= sharp and not f.open for f in whole):
        return steps, "the formula was read as a whole"
    judged = judged_rules(own, program.floats, program.weights, constants, recording.dtype)
    rules = [Step("formula", r.name, "", r.line, r.findings) for r in judged]
    wrong = [step for step in steps if step.verdict == "wrong" and not decided]
    if wrong and all(step.verdict == "pass" for step in rules):
        return wrong, "the formula was read as a whole; each rule alone is right"
    return rules, "the formula was read rule by rule"


def _whole(closed: Any, program: Program, recording: Recording, constants: Constants) -> tuple[list[Finding], bool]:
    """The findings on the gradient as a whole; and whether the program's floats decided anything in it."""
    sources, outputs = list(recording.sources.values()), list(recording.outputs)
    weights = [constant(w) for w in program.weights]
    exact = [*outputs, *pulled_back(outputs, sources, weights)]
    reading = Reading(constants)
    values = [*program.floats, *program.weights]
    cells = [Cell(jnp.asarray(x), node) for x, node in zip(values, [*sources, *weights], strict=True)]
    try:
        with jax.disable_jit():
            results = reading.run(closed.jaxpr, closed.consts, cells)
        nodes = [number(c.operand) for c in results if c.operand is not None]
    except UnsupportedError:
        return [], True
    names = [*program.outputs, *program.sources]
    return compared(names, exact, nodes, recording.inputs, recording.dtype), reading.decided


def with_steps(report: Report, program: Program, recording: Recording, always: bool) -> Report:
    """The report, with what its steps say of the value and the reverse mode.

    What nobody could tell from end to end is certified if all steps pass.

    Parameters
    ----------
    report : Report
        From end to end.
    program, recording
        What is judged, and its function as a graph.
    always : bool
        Whether the steps are judged even where the report says that value and reverse mode pass.
    """
    ends = {f.verdict for f in report.findings if _is_reverse(f, program)}
    if ends == {"pass"} and not always:
        return report
    try:
        outcome = judged_steps(program, recording)
    except (UnsupportedError, *NEEDS_A_NUMBER) as error:
        said = f"the steps could not be judged: {str(error).splitlines()[0]}"
        return replace(report, remarks=(*report.remarks, said))
    findings, remarks = report.findings, [outcome.remark]
    if all(step.verdict == "pass" for step in outcome.steps):
        if "wrong" in ends:
            remarks.append("each step is right: what is wrong is how what is compiled as a whole rounds")
        elif "undecided" in ends:
            findings, said = _certified(report.findings, program, outcome)
            remarks.append(said)
    return replace(report, findings=findings, steps=outcome.steps, remarks=(*report.remarks, *remarks))


def _is_reverse(finding: Finding, program: Program, drawn: bool = False) -> bool:
    """Whether a finding is on the value or the reverse mode; `drawn`: not on what unit vectors were pulled back to."""
    array = str(finding.array).removesuffix(", compiled")
    array = array if drawn else array.partition(" of value")[0]
    return array in {*program.outputs, *program.sources, *(f"{name} of jax.vjp" for name in program.outputs)}


def _certified(findings: tuple[Finding, ...], program: Program, outcome: Outcome) -> tuple[tuple[Finding, ...], str]:
    """The findings where every step passes: what is undecided from end to end passes, if the steps are the program."""
    with jax.disable_jit():
        plain = program.gradient(program.floats, [jnp.asarray(w) for w in program.weights])
    pairs = zip([*program.outputs, *program.sources], plain, outcome.values, strict=True)
    different = [name for name, a, b in pairs if not np.array_equal(np.asarray(a), np.asarray(b))]
    if different:
        return findings, f"as it is, the program gives other floats than its steps for {', '.join(different)}"
    passed = tuple(
        replace(f, verdict="pass", message="") if f.verdict == "undecided" and _is_reverse(f, program, True) else f
        for f in findings
    )
    return passed, "what is undecided from end to end is certified step by step"
