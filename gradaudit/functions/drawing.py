"""Random functions, each made again from its id: ``function-SEED-NUMBER-DTYPE``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from gradaudit.functions import numbers
from gradaudit.functions.growth import INPUT, Growth
from gradaudit.functions.program import Array, Program, without_unused
from gradaudit.functions.shapes import SIZES, Sizes, chosen
from gradaudit.functions.vocabulary import WORDS
from gradaudit.graph import Shape

DTYPES = ("float64", "float32")
#: The fewest and the most operations that are drawn; what brings their operands to a domain or a shape comes to them.
FEWEST, MOST = 2, 20
#: So many functions one after the other have shapes of the same sizes.
BLOCK = 10_000
#: How often operands are brought to where an operation is defined.
CARE = 1.0
#: How often shapes are drawn again until they fit.
TRIES = 12
#: How often all inputs have plain numbers, and how often some have those that are hard but not extreme.
PLAIN, HARD = 0.6, 0.94
#: Ties, kinks, zeros, saturation, numbers near 1.
MODERATE = (numbers.whole, numbers.sparse, numbers.near_one, numbers.halves, numbers.large)
_ID = re.compile("function-([0-9]{1,18})-([0-9]{1,18})-(float64|float32)")


class FunctionError(ValueError):
    """A text that is no id of a function."""


class Case(NamedTuple):
    """A random function at random numbers.

    Attributes
    ----------
    seed, number : int
        Of the sweep, and of the function in it.
    dtype : str
        What it is computed in.
    """

    seed: int
    number: int
    dtype: str

    @property
    def id(self) -> str:
        """From which it is made again."""
        return f"function-{self.seed}-{self.number}-{self.dtype}"

    @property
    def program(self) -> Program:
        """The function, which is the same in every dtype."""
        return program(self.seed, self.number)

    def arrays(self) -> dict[int, Array]:
        """The numbers of its inputs, by the numbers of their steps."""
        rng = np.random.default_rng([self.seed, self.number, 1 + DTYPES.index(self.dtype)])
        extent = rng.random()
        return {
            i: drawn(rng, self.program.steps[i].parameters["size"], self.dtype, extent) for i in self.program.inputs
        }


def case_of(name: str) -> Case:
    """The case of an id.

    Raises
    ------
    FunctionError
        If the text is no id.
    """
    match = _ID.fullmatch(name)
    if not match:
        raise FunctionError(f"{name[:100]!r} is not the id of a function; expected one like function-0-17-float32")
    return Case(int(match[1]), int(match[2]), match[3])


@lru_cache(maxsize=4)
def program(seed: int, number: int) -> Program:
    """The function of this number."""
    rng = np.random.default_rng([seed, number])
    table, sizes = WORDS, Sizes(SIZES[number // BLOCK % len(SIZES)])
    growth = Growth(rng, tuple(table), lambda name: table[name].kind(sizes), care=CARE, holes=0.0, tries=TRIES)
    for _ in range(FEWEST + int((MOST - FEWEST + 1) * rng.random() ** 2)):
        growth.grow()
    used = {j for step in growth.steps for j in step.operands}
    outputs = [i for i, step in enumerate(growth.steps) if i not in used and step.name != INPUT]
    return without_unused(growth.steps, outputs)[0]


def drawn(rng: Generator, shape: Shape, dtype: str, extent: float) -> Array:
    """Numbers for an input: plain ones, hard ones, or of any scale that the dtype has."""
    if extent < PLAIN or rng.random() < 0.5:
        return np.asarray(rng.standard_normal(shape), dtype=dtype)
    if extent < HARD:
        return np.asarray(chosen(rng, MODERATE)(rng, shape), dtype=dtype)
    return numbers.numbers(dtype)(rng, shape, False)


@lru_cache(maxsize=1)
def digest() -> str:
    """A digest of how functions are drawn: what is made of the first ids."""
    result = hashlib.sha256()
    for number in range(40):
        for dtype in DTYPES:
            case = Case(0, number, dtype)
            result.update(repr(case.program.steps).encode())
            for array in case.arrays().values():
                result.update(array.tobytes())
    return result.hexdigest()


def cases(number: int, seed: int, dtypes: Sequence[str]) -> list[Case]:
    """One function of a sweep in every dtype."""
    return [Case(seed, number, dtype) for dtype in dtypes]
