"""The rules under attack: random graphs, computed by adversaries in few bits, none of which may leave a bound.

How many is set by ``--random-graphs``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gradaudit.exact.balls import Balls
from gradaudit.exact.enclosure import Enclosure
from gradaudit.readings import bounds, bounds_without_kinks, centred, evaluated
from gradaudit.rounding.bound import Bound
from tests.few_bits import SUMS, random_program, stored
from tests.few_bits import Program as Way
from tests.library.program_forms import run
from tests.library.random_graphs import Graph, random_graph
from tests.library.specimens import LEAVES

BITS = 256
#: An adversary's starts for every 100 graphs, and the steps that each of them climbs.
CLIMBS, STEPS = 4, 40


def within(got: NDArray[Any], exact: Enclosure, bound: Bound) -> tuple[NDArray[Any], NDArray[Any]]:
    """The errors and their bound, which none of them exceeds."""
    E = bound.E
    with np.errstate(all="ignore"):
        error = np.abs((got - exact.hi) - exact.lo) - exact.radius
        outside = ~(error <= E) & np.isfinite(E)
    assert not outside.any(), (got[outside], exact.hi[outside], E[outside])
    return error, E


def ratios(way: Way, graph: Graph) -> list[float]:
    """The largest error over bound of each node: 0 for a mask, a leaf, and where nothing is known.

    Nor does a program leave the bound around the middle of what kinks leave open.
    """
    A = Balls(BITS)
    with A.precision(), np.errstate(all="ignore"):
        own, read = evaluated(A, graph.order, graph.given)
        of = bounds(way.fp, graph.order, read)
        apart = bounds_without_kinks(way.fp, graph.order, read, of)
        middle, around = centred(A, way.fp, graph.order, (own, read), of)
    got, result = run(way, graph.order, graph.given), []
    for node in graph.order:
        if node.operation.mask or node.operation.name in LEAVES:
            result.append(0.0)
            continue
        error, E = within(got[id(node)], read[id(node)], of[id(node)])
        if middle[id(node)] is not read[id(node)]:
            within(got[id(node)], middle[id(node)], around[id(node)])
        with np.errstate(all="ignore"):
            judged = (E > 0) & np.isfinite(E) & (E == apart[id(node)].E)
            result.append(float(np.where(judged, error / np.where(E > 0, E, 1), 0).max(initial=0)))
    return result


#: Graphs that left an earlier bound: a sum that is divided term by term.
CONVICTED = (28033, 32256, 34587)


def test_no_program_of_few_bits_leaves_the_bound_of_a_graph(
    pytestconfig: pytest.Config, figure: Callable[[str], None]
) -> None:
    """5 to 24 bits; two to eight operations and their gradient; every entry of every node."""
    largest: dict[str, float] = {}
    seeds = (*CONVICTED, *range(pytestconfig.getoption("--random-graphs")))
    for seed in seeds:
        rng = np.random.default_rng([seed, 19])
        way = random_program(rng)
        graph = random_graph(rng, way.fp)
        for node, ratio in zip(graph.order, ratios(way, graph), strict=True):
            name = node.operation.name
            largest[name] = max(largest.get(name, 0.0), ratio)
    figures = ", ".join(f"{name} {ratio:.2g}" for name, ratio in sorted(largest.items()))
    figure(f"largest error/bound in {len(seeds)} graphs of few bits: {figures}")


def neighbour(rng: np.random.Generator, way: Way, graph: Graph) -> tuple[Way, Graph]:
    """The same with other choices, and half of the time another number in one input."""
    way = replace(way, seed=int(rng.integers(2**32)), sums=SUMS[rng.integers(len(SUMS))])
    filled = [node for node, array in graph.inputs.items() if array.size]
    if not filled or rng.random() < 0.5:
        return way, graph
    node = filled[rng.integers(len(filled))]
    array = graph.inputs[node].copy()
    place = tuple(int(rng.integers(n)) for n in array.shape)
    array[place] = stored(way.fp).round(array[place] * (1 + rng.normal(0, 0.2)))
    return way, graph.changed(node, array)


def test_an_adversary_that_climbs_does_not_leave_a_bound(
    pytestconfig: pytest.Config, figure: Callable[[str], None]
) -> None:
    """From random starts, by whatever makes error/bound of one node larger, which is drawn."""
    reached: list[float] = []
    for seed in range(pytestconfig.getoption("--random-graphs") * CLIMBS // 100):
        rng = np.random.default_rng([seed, 23])
        way = random_program(rng)
        graph = random_graph(rng, way.fp)
        first = ratios(way, graph)
        target = int(rng.choice(np.flatnonzero(first) if np.any(first) else len(first)))
        best = first[target]
        for _ in range(STEPS):
            step = neighbour(rng, way, graph)
            ratio = ratios(*step)[target]
            if ratio > best:
                best, (way, graph) = ratio, step
        reached.append(best)
    figure(f"error/bound after {len(reached)} climbs of {STEPS} steps: "
           f"median {np.median(reached):.2f}, largest {max(reached):.2f}")  # fmt: skip
    assert max(reached) > 0.5
