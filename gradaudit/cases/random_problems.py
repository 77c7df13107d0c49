"""The settings of a sweep, and its random problems. Each problem can be made again from its number or its id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np

from gradaudit.cases.catalogue import REGS, Case
from gradaudit.cases.edge_cases import EDGE_CASES
from gradaudit.cases.shards import belongs
from gradaudit.functions import drawing
from gradaudit.reference.problem import ARRAYS, DTYPES, Shape

#: The fixed set of shapes. Code that is compiled for a shape serves all problems of that shape.
SHAPES = tuple(
    Shape(*sizes)
    for sizes in ((1, 1, 1, 2), (1, 4, 10, 3), (2, 3, 5, 2), (3, 7, 1, 4), (5, 4, 10, 3), (7, 5, 3, 1), (6, 5, 4, 4))
)
#: The kinds of problems. Half of all problems are plain random ones.
KINDS = tuple(
    edge.name
    for edge in EDGE_CASES.values()
    if edge.family not in ("random", "sizes", "images", "training", "layout", "labels")
)
#: The number of problems in a batch, which takes less than a second; and of functions, which takes a few.
BATCH, FUNCTIONS_BATCH = 48, 12


@lru_cache(maxsize=1)
def kinds() -> str:
    """A digest of the kinds of problems: names, dtypes, numbers on one shape, and the shapes and strengths."""
    digest = hashlib.sha256(repr((SHAPES, KINDS, REGS, BATCH)).encode())
    for kind in ("random", *KINDS):
        problem = Case(SHAPES[4], 0.1, EDGE_CASES[kind], EDGE_CASES[kind].dtypes[0], 0).problem()
        digest.update(repr((kind, EDGE_CASES[kind].dtypes, EDGE_CASES[kind].family)).encode())
        for name in ARRAYS:
            digest.update(getattr(problem, name).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Sweep:
    """The settings of a sweep.

    Attributes
    ----------
    count : int
        The number of problems. Each problem is used in every dtype.
    seed : int
        The seed of the problems.
    who : tuple of (str, str)
        Frameworks and their variants. For a candidate, the variant is its target.
    dtypes : tuple of str
        The dtypes.
    shard : (int, int)
        The part of the problems, by a hash of their ids.
    strict : bool
        Whether `undecided` is a failure too.
    expected : tuple of str
        Files of expectations, in addition to those of gradaudit.
    functions : bool
        Whether the problems are random functions, and not those of the network.
    catalogue : str
        A digest of the kinds of problems; it is computed if it is not given.
    """

    count: int
    seed: int
    who: tuple[tuple[str, str], ...]
    dtypes: tuple[str, ...] = DTYPES
    shard: tuple[int, int] = (1, 1)
    strict: bool = False
    expected: tuple[str, ...] = ()
    functions: bool = False
    catalogue: str = ""

    def __post_init__(self) -> None:
        if not self.catalogue:
            object.__setattr__(self, "catalogue", self.kinds)

    @property
    def kinds(self) -> str:
        """The digest of the kinds of problems as they are drawn now."""
        return drawing.digest() if self.functions else kinds()

    @property
    def batch(self) -> int:
        """The number of problems in a batch."""
        return FUNCTIONS_BATCH if self.functions else BATCH

    @property
    def batches(self) -> int:
        """The number of batches."""
        return len(range(0, self.count, self.batch))

    @property
    def hash(self) -> str:
        """A digest of the settings."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def problem_cases(number: int, seed: int, dtypes: Sequence[str]) -> list[Case]:
    """The cases of one problem of a sweep: the problem in every dtype that its kind has."""
    rng = np.random.default_rng([seed, number])
    shape = SHAPES[rng.integers(len(SHAPES))]
    plain = rng.random() < 0.5
    kind = "random" if plain else KINDS[rng.integers(len(KINDS))]
    reg = REGS[rng.integers(len(REGS))]
    edge = EDGE_CASES[kind]
    return [Case(shape, reg, edge, dtype, (seed << 32) + number) for dtype in dtypes if dtype in edge.dtypes]


def batches(sweep: Sweep, first: int = 0) -> Iterator[tuple[tuple[str, ...], ...]]:
    """The names of the items of a sweep in batches, starting with the batch of number `first`."""
    cases: Callable[[int, int, Sequence[str]], Sequence[Case | drawing.Case]]
    cases = drawing.cases if sweep.functions else problem_cases
    for start in range(first * sweep.batch, sweep.count, sweep.batch):
        numbers = range(start, min(start + sweep.batch, sweep.count))
        selection = [
            case for n in numbers for case in cases(n, sweep.seed, sweep.dtypes) if belongs(case.id, sweep.shard)
        ]
        yield tuple((case.id, *who) for case in selection for who in sweep.who)
