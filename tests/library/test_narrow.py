"""Float16 and bfloat16: what one operation accumulates is rounded in more bits, and once to the dtype (section 9)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.few_bits import narrow_program
from tests.library.random_graphs import random_graph
from tests.library.test_graphs import ratios


def test_no_program_that_accumulates_in_more_bits_leaves_the_bound_of_a_graph(
    pytestconfig: pytest.Config, figure: Callable[[str], None]
) -> None:
    """5 to 11 bits, accumulated in 11 to 24; every order, every form, every entry of every node."""
    largest: dict[str, float] = {}
    seeds = range(pytestconfig.getoption("--random-graphs"))
    for seed in seeds:
        rng = np.random.default_rng([seed, 29])
        way = narrow_program(rng)
        graph = random_graph(rng, way.fp)
        for node, ratio in zip(graph.order, ratios(way, graph), strict=True):
            largest[node.operation.name] = max(largest.get(node.operation.name, 0.0), ratio)
    figures = ", ".join(f"{name} {ratio:.2g}" for name, ratio in sorted(largest.items()))
    figure(f"largest error/bound in {len(seeds)} graphs that accumulate in more bits: {figures}")
    assert max(largest.values()) > 0.9
