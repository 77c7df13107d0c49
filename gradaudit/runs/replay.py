"""One finding again, entry by entry: the value, the exact value, and where the entry comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradaudit.cases.edge_cases import EdgeCase
from gradaudit.cases.plan import Item
from gradaudit.reference.acceptance import Acceptance, accept
from gradaudit.reference.problem import TENSORS, Gradients, Problem
from gradaudit.runs.entrants import Entrant, entrant_of
from gradaudit.runs.run import problem
from gradaudit.runs.shrink import load
from gradaudit.verdicts.expected import expectations, explain
from gradaudit.verdicts.judge import Comparison, Finding, Subject, compare, judge_answer


@dataclass(frozen=True)
class Entry:
    """One entry of the loss or a gradient.

    Attributes
    ----------
    tensor, index : str, tuple of int
        Which entry.
    got, exact, error, bound, ratio : float
        As in a finding.
    place : str
        Its unit, class, feature or sample, and the state of the kink of the unit.
    """

    tensor: str
    index: tuple[int, ...]
    got: float
    exact: tuple[float, float]
    error: float
    bound: float
    ratio: float
    place: str


@dataclass(frozen=True)
class Replay:
    """A finding, how many entries lie outside their bounds, and the entries with the largest ratios."""

    finding: Finding
    outside: int
    total: int
    entries: tuple[Entry, ...]


def replay(item: Item, number: int) -> Replay:
    """Judge an item again, with its `number` worst entries.

    Raises
    ------
    PrecisionExhausted
        If the exact values are not sharp enough at the highest precision.
    """
    edge = item.case.edge
    return _replay(item.subject, problem(item), entrant_of(item.framework, item.variant, item.limits), number, edge)


def replay_problem(file: Path, framework: str, variant: str, number: int, limits: tuple[str, ...] = ()) -> Replay:
    """Judge an entrant on the problem of an .npz file, with its `number` worst entries.

    Raises
    ------
    PrecisionExhausted
        If the exact values are not sharp enough at the highest precision.
    ProblemError
        If the file holds no problem.
    """
    content = load(file)
    subject = Subject(str(file), "", framework, variant.rpartition(":")[2], content.dtype.name)
    return _replay(subject, content, entrant_of(framework, variant, limits), number)


def _replay(subject: Subject, problem: Problem, entrant: Entrant, number: int, edge: EdgeCase | None = None) -> Replay:
    acceptance = accept(problem)
    answer = entrant.answer(problem, edge.layout, edge.labels) if edge else entrant.answer(problem)
    finding = explain(judge_answer(subject, answer, acceptance), expectations())
    if finding.tensor is None or answer.gradients is None:  # there is nothing to compare
        return Replay(finding, 0, 0, ())
    return _worst(finding, answer.gradients, acceptance, number)


def _worst(finding: Finding, gradients: Gradients, acceptance: Acceptance, number: int) -> Replay:
    """The worst entries of gradients."""
    comparisons = {name: compare(getattr(gradients, name), acceptance, name) for name in TENSORS}
    ranked = sorted(
        (-float(ratio), order, index)
        for order, name in enumerate(TENSORS)
        for index, ratio in np.ndenumerate(comparisons[name].ratio)
    )
    worst = tuple(
        _entry(TENSORS[order], index, comparisons[TENSORS[order]], acceptance) for _, order, index in ranked[:number]
    )
    return Replay(finding, sum(ratio < -1 for ratio, _, _ in ranked), len(ranked), worst)


def _entry(name: str, index: tuple[int, ...], comparison: Comparison, acceptance: Acceptance) -> Entry:
    exact = acceptance.exact.tensors[name]
    return Entry(
        tensor=name,
        index=index,
        got=float(comparison.got[index]),
        exact=(float(exact.hi[index]), float(exact.lo[index])),
        error=float(comparison.error[index]),
        bound=float(comparison.bound[index]),
        ratio=float(comparison.ratio[index]),
        place=_place(name, index, acceptance),
    )


def _place(name: str, index: tuple[int, ...], acceptance: Acceptance) -> str:
    """Where an entry comes from, as text."""
    if name == "loss":
        worst = int(acceptance.exact.losses.hi.argmax())
        return f"the largest loss is that of sample {worst}, {acceptance.exact.losses.hi[worst]:.6g}"
    if name == "b2":
        return f"class {index[0]}, the label of {_samples(acceptance.problem.y == index[0])}"
    unit = index[0] if name in ("b1", "W2") else index[1]
    of = {"W1": f"feature {index[0]}, ", "W2": f"class {index[-1]}, ", "b1": ""}[name]
    return f"{of}unit {unit}: {_kink(unit, acceptance)}"


def _kink(unit: int, acceptance: Acceptance) -> str:
    """On which side of the kink of the ReLU a unit is, sample by sample."""
    sign, unsure = acceptance.exact.sign[:, unit], acceptance.bound.kinks[:, unit]
    states = {
        "active in": (sign > 0) & ~unsure,
        "inactive in": (sign < 0) & ~unsure,
        "exactly at its kink in": (sign == 0) & ~unsure,
        "at a kink that rounding decides in": unsure,
    }
    return ", ".join(f"{state} {_samples(where)}" for state, where in states.items() if where.any())


def _samples(where: np.ndarray) -> str:
    """Some samples, as text."""
    numbers = np.flatnonzero(where)
    if len(numbers) == len(where):
        return "every sample"
    if len(numbers) > 5:
        return f"{len(numbers)} of {len(where)} samples"
    return f"sample{'s' if len(numbers) != 1 else ''} {', '.join(map(str, numbers))}" if len(numbers) else "no sample"
