"""What a sweep is asked for, and the random problems that it poses, each made again from its number or its id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache

import numpy as np

from gradaudit.cases.catalogue import REGS, Case
from gradaudit.cases.edge_cases import EDGE_CASES
from gradaudit.cases.shards import belongs
from gradaudit.reference.problem import ARRAYS, DTYPES, Shape

#: The fixed set of shapes: what is compiled for one of them serves all its problems.
SHAPES = tuple(
    Shape(*sizes)
    for sizes in ((1, 1, 1, 2), (1, 4, 10, 3), (2, 3, 5, 2), (3, 7, 1, 4), (5, 4, 10, 3), (7, 5, 3, 1), (6, 5, 4, 4))
)
#: The kinds of problems; half of all are plain random ones.
KINDS = tuple(
    edge.name
    for edge in EDGE_CASES.values()
    if edge.family not in ("random", "sizes", "images", "training", "layout", "labels")
)
#: So many problems are a batch: a part of a second of work.
BATCH = 48


@lru_cache(maxsize=1)
def kinds() -> str:
    """A digest of the kinds of problems: their names, dtypes and numbers on one shape, and what is drawn among."""
    digest = hashlib.sha256(repr((SHAPES, KINDS, REGS, BATCH)).encode())
    for kind in ("random", *KINDS):
        problem = Case(SHAPES[4], 0.1, EDGE_CASES[kind], EDGE_CASES[kind].dtypes[0], 0).problem()
        digest.update(repr((kind, EDGE_CASES[kind].dtypes, EDGE_CASES[kind].family)).encode())
        for name in ARRAYS:
            digest.update(getattr(problem, name).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Sweep:
    """What a sweep is asked for.

    Attributes
    ----------
    count : int
        How many problems, each posed in every dtype.
    seed : int
        Of the problems.
    who : tuple of (str, str)
        Frameworks and their variants; a candidate's target as the variant.
    dtypes : tuple of str
        In which dtypes.
    shard : (int, int)
        Which part of the problems, by a hash of their ids.
    strict : bool
        Whether `undecided` fails too.
    expected : tuple of str
        Files of expectations, beside those that come with gradaudit.
    catalogue : str
        A digest of what its problems are drawn from.
    """

    count: int
    seed: int
    who: tuple[tuple[str, str], ...]
    dtypes: tuple[str, ...] = DTYPES
    shard: tuple[int, int] = (1, 1)
    strict: bool = False
    expected: tuple[str, ...] = ()
    catalogue: str = field(default_factory=kinds)

    @property
    def hash(self) -> str:
        """A digest of what is asked for."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def posed(number: int, seed: int, dtypes: Sequence[str]) -> list[Case]:
    """A sweep's problem of that number, in every dtype in which its kind makes sense."""
    rng = np.random.default_rng([seed, number])
    shape = SHAPES[rng.integers(len(SHAPES))]
    plain = rng.random() < 0.5
    kind = "random" if plain else KINDS[rng.integers(len(KINDS))]
    reg = REGS[rng.integers(len(REGS))]
    edge = EDGE_CASES[kind]
    return [Case(shape, reg, edge, dtype, (seed << 32) + number) for dtype in dtypes if dtype in edge.dtypes]


def batches(sweep: Sweep, first: int = 0) -> Iterator[tuple[tuple[str, ...], ...]]:
    """The names of a sweep's items in batches, from the batch of number `first` on."""
    for start in range(first * BATCH, sweep.count, BATCH):
        numbers = range(start, min(start + BATCH, sweep.count))
        chosen = [case for n in numbers for case in posed(n, sweep.seed, sweep.dtypes) if belongs(case.id, sweep.shard)]
        yield tuple((case.id, *who) for case in chosen for who in sweep.who)
