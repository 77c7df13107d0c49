"""The kernels: each equation of a gradient's jaxpr, run alone, held against its primitive at exactly those floats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.certify import Certificate, certify
from gradaudit.errors import UnsupportedError
from gradaudit.exact.enclosure import Enclosure
from gradaudit.graph import Node
from gradaudit.jax.following import DRAWS, Equation
from gradaudit.jax.formula import made
from gradaudit.jax.operands import is_float, is_random_key, known, number
from gradaudit.jax.walking import Cell, Walk, computed
from gradaudit.judge import Finding, judge, worst
from gradaudit.operations.shapes import input_


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
            self.worst[key] = worst((self.worst.get(key, finding), finding))
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
            finding = judge(name, np.where(apart, whole.exact.hi, array), whole)
            if finding.verdict == "undecided" and np.isfinite(whole.bound).all():
                finding = replace(finding, verdict="pass", message="")  # all of it is below what the dtype has
            findings.append(finding)
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
    rounding, size = float(own.max(initial=0.0)), certificate.size
    if not np.isfinite(size):
        size = float(np.abs(hi).max(initial=0.0))
    return Certificate(Enclosure(hi, lo, radius), below, above, own, rounding, size)
