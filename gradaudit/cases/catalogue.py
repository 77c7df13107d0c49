"""The cases, as data: shapes x regularisation x edge cases x dtypes, real images among them.

The id of a case contains everything that the case is made from, such as ``5x4x10x3-reg_0.1-zero_input-float32-s0``.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradaudit.cases.edge_cases import EDGE_CASES, LARGE, EdgeCase
from gradaudit.reference.problem import DTYPES, Problem, Shape

#: Regularisation strengths of the random cases, and of the edge cases.
REGS = (0.0, 1e-8, 1e-3, 0.1, 1.0, 1e3)
EDGE_REGS = (0.0, 0.1)
#: The training: its edge case, the number of its steps, and its regularisation.
TRAINING, STEPS, TRAINING_REG = "training", 200, 1e-4
#: The selections and their purpose. Each selection is part of the next one.
SELECTIONS = {
    "quick": "every edge case once, in seconds",
    "standard": "every edge case, shape and strength",
    "full": "the standard cases under every strength, three seeds, and two large shapes",
}

#: The largest count of numbers in X, W1, W2 and the outputs of the layers, for a case that is made from its id.
LARGEST = 1 << 22

_SIZE = "([1-9][0-9]{0,8})"
_ID = re.compile(
    rf"{_SIZE}x{_SIZE}x{_SIZE}x{_SIZE}-reg_(-?[0-9]{{1,30}}(?:\.[0-9]{{1,30}})?(?:e[+-]?[0-9]{{1,3}})?)"
    r"-([\w-]{1,100})-(float[0-9]{2})-s([0-9]{1,30})(?:-t([0-9]{1,9}))?",
    re.ASCII,
)


class CaseError(LookupError):
    """An invalid case id."""


@dataclass(frozen=True)
class Case:
    """A named problem. Its edge case says why it is in the catalogue."""

    shape: Shape
    reg: float
    edge: EdgeCase
    dtype: str
    seed: int
    step: int | None = None

    @property
    def id(self) -> str:
        """The name of the case, from which the case can be made again."""
        step = "" if self.step is None else f"-t{self.step}"
        return f"{self.shape}-reg_{self.reg:g}-{self.edge.name}-{self.dtype}-s{self.seed}{step}"

    @property
    def family(self) -> str:
        """The group of edge cases that it belongs to."""
        return self.edge.family

    def generator(self) -> np.random.Generator:
        """The source of its numbers, which is the same for every strength and dtype."""
        return np.random.default_rng([self.seed, zlib.crc32(self.edge.name.encode()), *self.shape])

    def problem(self) -> Problem:
        """Its numbers. For a training: those of the first step, which are the same for every framework."""
        arrays = self.edge.make(self.generator(), self.shape)
        y = arrays.pop("y")
        return Problem(**{name: array.astype(self.dtype) for name, array in arrays.items()}, y=y, reg=self.reg)


def case_of(case_id: str) -> Case:
    """The case of this id.

    Raises
    ------
    CaseError
        If the id does not have this form, or names an unknown edge case or dtype.
    """
    match = _ID.fullmatch(case_id)
    if not match:
        raise CaseError(f"{case_id[:100]!r} is not a case id; expected one like 5x4x10x3-reg_0.1-random-float64-s0")
    *sizes, reg, edge, dtype, seed, step = match.groups()
    if edge not in EDGE_CASES:
        raise CaseError(f"there is no edge case {edge!r}; `python -m gradaudit cases` lists them")
    if dtype not in DTYPES:
        raise CaseError(f"{dtype!r} is not a dtype of a case; expected {' or '.join(DTYPES)}")
    if step is not None and int(step) >= STEPS:
        raise CaseError(f"{case_id!r} is not a case id; the training has the steps 0 to {STEPS - 1}")
    if (edge == TRAINING) != (step is not None):
        raise CaseError(f"{case_id!r} is not a case id; a step (-t17) belongs to {TRAINING} and to no other edge case")
    N, D, H, C = shape = Shape(*map(int, sizes))
    numbers = N * D + D * H + H * C + N * (H + C)
    if numbers > LARGEST:
        raise CaseError(f"{case_id!r} has {numbers} numbers; expected a case of at most {LARGEST}")
    return Case(shape, float(reg), EDGE_CASES[edge], dtype, int(seed), None if step is None else int(step))


def cases(selection: str = "standard", dtypes: tuple[str, ...] = DTYPES, seed: int = 0) -> list[Case]:
    """The cases of a selection, in a fixed order and without repetition.

    Parameters
    ----------
    selection : {"quick", "standard", "full"}
        The selection.
    dtypes : tuple of str
        The dtypes: "float64", "float32".
    seed : int
        The seed of the random numbers.
    """
    selection_cases = dict.fromkeys(
        Case(shape, reg, edge, dtype, case_seed, step)
        for edge in EDGE_CASES.values()
        for shape, reg, case_seed in _settings(edge, selection, seed)
        for dtype in dtypes
        if dtype in edge.dtypes
        for step in (range(STEPS) if edge.name == TRAINING else (None,))
    )
    return list(selection_cases)


def _settings(edge: EdgeCase, selection: str, seed: int) -> Iterator[tuple[Shape, float, int]]:
    """The shapes, strengths and seeds of an edge case in a selection."""
    if selection == "quick":
        yield from ((shape, 0.1, seed) for shape in edge.quick)
        return
    if edge.name == TRAINING:
        yield from ((shape, TRAINING_REG, seed) for shape in edge.shapes)
        return
    is_full = selection == "full"
    regs = REGS if is_full or edge.name == "random" else EDGE_REGS
    seeds = range(seed, seed + 3) if is_full else (seed,)
    yield from ((shape, reg, case_seed) for shape in edge.shapes for reg in regs for case_seed in seeds)
    if is_full and edge.name == "random":
        yield from ((shape, 0.1, seed) for shape in LARGE)
