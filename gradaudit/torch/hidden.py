"""What autograd has no way to: a largest entry that is subtracted, detached, and cancels further down.

A step that reads it should contribute to its cotangent, and contributes nothing. That is no fault where all of what it
should have been given adds up to zero. So the part that reads it is enlarged by what is computed from it, until its
derivative by that array is zero, or the outputs are reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradaudit.certify import Kink
from gradaudit.graph import Node
from gradaudit.judge import Finding, Step
from gradaudit.steps import contributed, step_finding
from gradaudit.torch.backward import Backward
from gradaudit.torch.memory import numbers

if TYPE_CHECKING:
    from gradaudit.torch.steps import Program


class Reading(NamedTuple):
    """A step that reads what is hidden from autograd.

    Attributes
    ----------
    step : Step
        It, judged as if what is hidden did not cancel.
    kinks : tuple of Kink
        What it leaves open.
    functions : sequence
        Of autograd, which it consists of.
    hidden : dict of int to Node
        What is hidden and should have been given something, by the number of the finding.
    """

    step: Step
    kinks: tuple[Kink, ...]
    functions: Sequence[Any]
    hidden: Mapping[int, Node]


def settled(
    program: Program, of: Backward, groups: Sequence[Sequence[Any]], readings: Sequence[Reading]
) -> Iterator[tuple[Step, tuple[Kink, ...]]]:
    """The steps, their findings on what is hidden replaced where it cancels, or where nobody can tell.

    Parameters
    ----------
    program, of
        The run, and its backward pass.
    groups : sequence of sequence
        The functions of autograd, those together that are judged together.
    readings : sequence of Reading
        The steps.
    """
    of_node: dict[int, list[Any]] = {}
    nodes: dict[int, Node] = {}
    for reading in readings:
        for node in reading.hidden.values():
            nodes[id(node)] = node
            of_node.setdefault(id(node), []).extend(reading.functions)
    verdicts = {n: _finding(program, of, groups, of_node[n], node) for n, node in nodes.items()}
    for step, kinks, _, hidden in readings:
        findings = list(step.findings)
        for k, node in hidden.items():
            findings[k] = verdicts[id(node)] or findings[k]
        opinion = step.opinion if any(f.verdict == "wrong" for f in findings) else ""
        yield replace(step, findings=tuple(findings), opinion=opinion), kinks


def _finding(
    program: Program, of: Backward, groups: Sequence[Sequence[Any]], readers: Iterable[Any], node: Node
) -> Finding | None:
    """That of the smallest part by which it cancels; where none does, of the largest, or None where that is wrong."""
    within, levels, finding = set(readers), 1, None
    while True:
        larger = within
        for _ in range(levels):
            larger = _with_consumers(of, groups, larger)
        is_last = larger == within
        finding = _of_part(program, of, larger, node)
        if finding.verdict == "pass":
            return finding
        if is_last:
            return None if finding.verdict == "wrong" else finding
        within, levels = larger, 2 * levels


def _with_consumers(of: Backward, groups: Sequence[Sequence[Any]], functions: set[Any]) -> set[Any]:
    """Functions, and those that hand cotangents to them."""
    consumers = {edge.function for edge in of.edges if edge.place[0] in functions}
    return functions.union(*(group for group in groups if consumers.intersection(group)))


def _of_part(program: Program, of: Backward, functions: set[Any], node: Node) -> Finding:
    """The finding on what all of these functions together contribute to an array."""
    outputs, inner = [], set()
    for f in functions:
        for n in range(len(of.received[f])):
            made = program.made_or_passed((f, n))
            if made is not None:
                inner.add(id(made))
                outputs += [(made, part) for part in of.contributions((f, n), functions)]
    age = program.ages()

    def begins(n: Node) -> bool:
        return n is node or (id(n) in age and id(n) not in inner and program.is_whole(n))

    roots, cotangents = [n for n, _ in outputs], [part for _, part in outputs]
    itself = [n is node for n in roots]
    certificates, _ = contributed(
        roots, itself, cotangents, begins, [node], program.is_live, program.floats, program.fp
    )
    got = np.zeros(node.shape)
    for edge in of.edges:
        part = of.returned[edge.function][edge.number]
        if edge.function in functions and part is not None and program.node(of, edge.place) is node:
            got = got + numbers(part).reshape(node.shape)
    return step_finding(f"gradient by {program.title(node)}", got, certificates[id(node)], program.fp)
