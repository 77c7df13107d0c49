"""The certificate step by step: the formula of JAX's gradient, and the kernels that compute it.

A gradient's jaxpr is a program of one line an equation. Read without rounding it must be the gradient: the formula. And
each equation, run alone at the floats that the program has there, must be as exact as its primitive can be: the
kernels. Neither grows with depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from gradaudit.certify import Certificate, certify
from gradaudit.derivative import pulled_back
from gradaudit.errors import UnsupportedError
from gradaudit.exact.enclosure import Enclosure
from gradaudit.graph import Node
from gradaudit.jax.following import DRAWS, Equation
from gradaudit.jax.formula import NOTHING, Constants, Reading, compared, made
from gradaudit.jax.operands import is_float, is_random_key, known, number
from gradaudit.jax.program import NEEDS_A_NUMBER, Program
from gradaudit.jax.rules import judged_rules
from gradaudit.jax.walking import Cell, Walk, computed
from gradaudit.judge import Finding, Report, Verdict, judge
from gradaudit.operations.shapes import constant, input_
from gradaudit.recording import Recording
from gradaudit.rounding.arithmetic import Arithmetic

#: Verdicts, the worst with the largest number.
RANK = {"pass": 0, "undecided": 1, "wrong": 2}
#: So many steps are shown at most.
SHOWN = 5


@dataclass(frozen=True)
class Step:
    """One step of a gradient.

    Attributes
    ----------
    kind : {"formula", "kernel"}
        A derivative rule (or the gradient as a whole), or a primitive that was run.
    name : str
        Of the rule, or of the primitive.
    line : str
        Where it stands in the user's code, as FILE:LINE; empty if nowhere.
    finding : Finding
        The worst that there is to say of it.
    """

    kind: str
    name: str
    line: str
    finding: Finding

    @property
    def verdict(self) -> Verdict:
        """That of the finding."""
        return self.finding.verdict

    @property
    def place(self) -> str:
        """Its name and its line, in words."""
        return f"{self.name}{f' at {self.line}' if self.line else ''}"

    @property
    def message(self) -> str:
        """What there is to say of it in words; empty if it passes."""
        if self.verdict == "pass":
            return ""
        if self.kind == "formula":
            what = f"the formula is {self.verdict}: {self.place}"
        else:
            what = f"the kernel of {self.place}"
        return f"{what}: {self.finding.message}"

    def __str__(self) -> str:
        return f"{self.kind}  {self.verdict}  error/bound {self.finding.ratio:.3g}  {self.place}"


def _rank(finding: Finding) -> tuple[int, float]:
    return RANK[finding.verdict], finding.ratio


class Kernels(Walk):
    """A run in which each equation is judged at its own floats.

    Attributes
    ----------
    worst : dict
        By primitive and line, the worst finding.
    count : int
        How many arrays were judged.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype, self.count = dtype, 0
        self.worst: dict[tuple[str, str], Finding] = {}

    def leaf(self, here: Equation, cells: Sequence[Cell]) -> list[Cell]:
        values = computed(here, cells)
        for finding in self._findings(here, cells, values):
            self.count += 1
            key = here.name, here.line
            self.worst[key] = max(self.worst.get(key, finding), finding, key=_rank)
        return [Cell(v) for v in values]

    def _findings(self, here: Equation, cells: Sequence[Cell], values: Sequence[Any]) -> list[Finding]:
        inputs, operands = _local(cells)
        if here.name.startswith(DRAWS) or not inputs or not any(is_float(v.dtype) for v in values):
            return []
        try:
            table = [x for x, v in zip(made(here, values, operands), values, strict=True) if is_float(v.dtype)]
            nodes = [number(x) for x in table]
        except UnsupportedError as error:
            return [Finding(here.name, "undecided", (), 0.0, 0.0, 0.0, np.inf, 0.0, np.inf, str(error))]
        certificates = certify(nodes, inputs, self.dtype).outputs
        floats = [np.asarray(v).astype(np.float64) for v in values if is_float(v.dtype)]
        finite = len(inputs) == sum(_is_float(c.value) for c in cells)
        findings = []
        for n, (array, certificate) in enumerate(zip(floats, certificates, strict=True)):
            # what is infinite by definition (1 / 0, or an operand that is) is no number, and is not judged
            unknown = ~certificate.exact.known | np.zeros(array.shape, dtype=bool) if finite else True
            apart = ~np.isfinite(array) & unknown
            whole = certificate if not apart.any() else _without(certificate, apart)
            name = f"result {n}" if len(floats) > 1 else "the result"
            findings.append(judge(name, np.where(apart, whole.exact.hi, array), whole))
        return findings


def _local(cells: Sequence[Cell]) -> tuple[dict[Node, NDArray[Any]], list[Cell]]:
    """The operands as what a graph of one equation begins with: floats that are numbers are its inputs."""
    inputs: dict[Node, NDArray[Any]] = {}
    result: list[Cell] = []
    for cell in cells:
        operand: Any = known(cell.value)
        if _is_float(cell.value):
            array = np.asarray(cell.value).astype(np.float64)
            if np.isfinite(array).all():
                operand = input_(size=array.shape)
                inputs[operand] = array
        result.append(Cell(cell.value, operand))
    return inputs, result


def _is_float(value: Any) -> bool:
    return not is_random_key(value) and is_float(value.dtype)


def _without(certificate: Certificate, apart: NDArray[np.bool_]) -> Certificate:
    """A certificate in which some entries may be whatever they are."""
    old = certificate.exact
    arrays = (old.hi, old.lo, old.radius, certificate.below, certificate.above, certificate.apart)
    hi, lo, radius, below, above, own = (np.where(apart, 0.0, a) for a in arrays)
    rounding = float(own.max(initial=0.0))
    return Certificate(Enclosure(hi, lo, radius), below, above, own, rounding, certificate.size)


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

    @property
    def verdict(self) -> Verdict:
        """The worst of the steps'."""
        verdicts: list[Verdict] = [step.verdict for step in self.steps]
        return max(verdicts, key=RANK.__getitem__, default="undecided")


def judged_steps(program: Program, recording: Recording) -> Outcome:
    """The steps of a program's value and reverse mode; `recording` is its function as a graph."""
    floats, weights = program.floats, [jnp.asarray(w) for w in program.weights]
    closed, own = jax.make_jaxpr(program.gradient)(floats, weights), jax.make_jaxpr(program.function)(*floats)
    kernels = Kernels(recording.dtype)
    values = kernels.run(closed.jaxpr, closed.consts, [Cell(x) for x in (*floats, *weights)])
    formula, remark = _formula(closed, own, program, recording)
    steps = [*formula, *(Step("kernel", name, line, finding) for (name, line), finding in kernels.worst.items())]
    steps = sorted(steps, key=lambda step: _rank(step.finding), reverse=True)
    said = f"step by step: {remark}; {kernels.count} results of primitives, each at the program's own floats"
    return Outcome(tuple(steps), said, [c.value for c in values])


def _formula(closed: Any, own: Any, program: Program, recording: Recording) -> tuple[list[Step], str]:
    """The formula as a whole; rule by rule where that is wrong, or leaves more open than a rule alone does."""
    constants = Constants(own, recording.dtype)
    whole, decided = _whole(closed, program, recording, constants)
    sharp = 2 * NOTHING * Arithmetic.of(recording.dtype).u
    steps = [Step("formula", str(f.array), "", f) for f in whole]
    if whole and all(f.verdict == "pass" and f.resolution <= sharp and not f.open for f in whole):
        return steps, "the formula was read as a whole"
    judged = judged_rules(own, program.floats, program.weights, constants, recording.dtype)
    rules = [Step("formula", r.name, r.line, max(r.findings, key=_rank)) for r in judged]
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
        results = reading.run(closed.jaxpr, closed.consts, cells)
        nodes = [number(c.operand) for c in results if c.operand is not None]
    except UnsupportedError:
        return [], True
    names = [*program.outputs, *program.sources]
    return compared(names, exact, nodes, recording.inputs, recording.dtype), reading.decided


def with_steps(report: Report, program: Program, recording: Recording) -> Report:
    """The report, with what its steps say of the value and the reverse mode.

    What nobody could tell from end to end is certified if all steps pass; a step that is wrong becomes the first of the
    findings, since it says what is at fault.
    """
    try:
        outcome = judged_steps(program, recording)
    except (UnsupportedError, *NEEDS_A_NUMBER) as error:
        said = f"the steps could not be judged: {str(error).splitlines()[0]}"
        return replace(report, remarks=(*report.remarks, said))
    faults = [replace(s.finding, array=s.place, message=s.message) for s in outcome.steps if s.verdict != "pass"]
    findings, remarks = report.findings, [outcome.remark]
    if not faults and report.verdict == "wrong":
        remarks.append("each step is right: what is wrong is how what is compiled as a whole rounds")
    elif not faults and report.verdict == "undecided":
        findings, said = _certified(report.findings, program, outcome)
        remarks.append(said)
    remarks += [f"  {step}" for step in outcome.steps[:SHOWN]]
    findings = (*faults[:SHOWN], *findings)
    return replace(report, findings=findings, steps=outcome.steps, remarks=(*report.remarks, *remarks))


def _certified(findings: tuple[Finding, ...], program: Program, outcome: Outcome) -> tuple[tuple[Finding, ...], str]:
    """The findings where every step passes: what is undecided from end to end passes, if the steps are the program."""
    names = [*program.outputs, *program.sources]
    with jax.disable_jit():
        plain = program.gradient(program.floats, [jnp.asarray(w) for w in program.weights])
    pairs = zip(names, plain, outcome.values, strict=True)
    different = [name for name, a, b in pairs if not np.array_equal(np.asarray(a), np.asarray(b))]
    if different:
        return findings, f"as it is, the program gives other floats than its steps for {', '.join(different)}"
    judged = {*names, *(f"{name} of jax.vjp" for name in program.outputs)}
    judged |= {f"{name}, compiled" for name in judged}
    passed = tuple(
        replace(f, verdict="pass", message="") if f.verdict == "undecided" and f.array in judged else f
        for f in findings
    )
    return passed, "what is undecided from end to end is certified step by step"
