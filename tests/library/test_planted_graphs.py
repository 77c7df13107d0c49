"""A wrong rule in the middle of a random graph: how often it is convicted, and that nothing hides but below the bound.

How many graphs is set by ``--planted-graphs``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from flint import arb
from numpy.typing import NDArray

from gradaudit.certify import SHARP, Certificate, certify
from gradaudit.exact.balls import Balls
from gradaudit.exact.enclosure import Enclosure
from gradaudit.graph import Node
from gradaudit.judge import judge
from gradaudit.operations.shapes import input_
from gradaudit.patterns import recognised
from tests.library.chains import chain
from tests.library.floats import computed
from tests.library.planting import BITS, EQUAL, NEARLY_ONE, Fault, Function, in_balls, offered
from tests.library.specimens import NAMES
from tests.library.test_planted import DTYPES, KINDS, cotangent

#: The fewest and the most operations of a graph, and how many faults are planted in it.
FEWEST, MOST, FAULTS = 2, 30, 10
#: Beyond this precision nothing more is decided in reasonable time.
LAST_BITS = 512
#: Why a fault is not convicted, the worst reason that some entry has.
REASONS = (
    "not explained",
    "below the bound and its own rounding",
    "at a kink that no precision decides",
    "below the bound",
    "nothing is known",
)


class Problem:
    """A random function, its gradient in NumPy, and what it is held against."""

    def __init__(self, seed: int, dtype: str) -> None:
        self.rng = np.random.default_rng([seed, 41])
        self.dtype, self.factor = dtype, NEARLY_ONE[dtype]
        drawn = chain(self.rng, list(self.rng.choice(NAMES, self.rng.integers(FEWEST, MOST + 1))))
        (output,) = recognised([drawn.output])
        self.of = Function(output, drawn.inputs, input_(size=output.shape))
        kinds = [KINDS[0 if self.rng.random() < 0.7 else 1] for _ in drawn.inputs]
        arrays = [kind(self.rng, n.shape, False) for kind, n in zip(kinds, drawn.inputs, strict=True)]
        self.inputs = {n: x.astype(self.dtype) for n, x in zip(drawn.inputs, arrays, strict=True)}
        self.inputs[self.of.cotangent] = cotangent(self.rng, output.shape)

    @cached_property
    def certificates(self) -> tuple[Certificate, ...]:
        return certify(self.of.gradient(), self.inputs, self.dtype, LAST_BITS).outputs

    @cached_property
    def exact(self) -> list[Any]:
        """The right gradient, in balls."""
        with Balls(BITS).precision():
            return in_balls(self.of.gradient(), self.inputs)

    def verdicts(self, gradient: list[Node]) -> set[str]:
        """On what NumPy gives for a gradient."""
        got = computed(self.dtype, gradient, self.inputs)
        return {judge(k, x, c).verdict for k, (x, c) in enumerate(zip(got, self.certificates, strict=True))}

    def faults(self) -> Iterator[tuple[Node, Fault]]:
        """Some of those that some of the nodes may have, whose rules are asked for; of any operation as often."""
        by: dict[str, list[Node]] = {}
        for node in self.of.asked():
            if offered(node, self.factor):
                by.setdefault(node.operation.name, []).append(node)
        for name in self.rng.choice(sorted(by), FAULTS if by else 0).tolist():
            node = by[name][int(self.rng.integers(len(by[name])))]
            places = offered(node, self.factor)
            yield node, places[int(self.rng.integers(len(places)))]

    def outcome(self, node: Node, fault: Fault) -> str:
        """Whether a fault is convicted; if not, why, by what it changes."""
        wrong = self.of.planted([id(node)], fault, self.factor)
        if "wrong" in self.verdicts(wrong):
            return "convicted"
        got = computed(self.dtype, wrong, self.inputs)
        with Balls(BITS).precision():
            entries = zip(self.exact, in_balls(wrong, self.inputs), got, self.certificates, strict=True)
            reasons = {reason for of in entries for reason in why(*of)}
        return next((reason for reason in REASONS if reason in reasons), "equal")


def why(right: Any, wrong: Any, got: NDArray[Any], certificate: Certificate) -> Iterator[str]:
    """Of each entry, how what a fault changes compares with the bound on that side."""
    sides = certificate.below.ravel(), certificate.above.ravel()
    for x, y, z, below, above in zip(right.ravel(), wrong.ravel(), got.ravel().tolist(), *sides, strict=True):
        change = y - x
        bound = below if change < 0 else above if change > 0 else max(below, above)
        if change.rad() <= EQUAL * (1 + abs(x)) and change.contains(0):
            yield "equal"
        elif not np.isfinite(bound):
            yield "nothing is known"
        elif abs(change) <= bound:
            yield "below the bound"
        elif change.rad() > bound * SHARP and not abs(change) > bound:
            yield "at a kink that no precision decides"
        elif not abs(change) > bound + abs(y - z):
            yield "below the bound and its own rounding"
        else:
            yield "not explained"


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_fault_in_a_random_graph_is_convicted_or_below_the_bound(
    dtype: str, pytestconfig: pytest.Config, figure: Callable[[str], None]
) -> None:
    """2 to 30 operations; the right gradient is never wrong, and no fault survives that exceeds a bound."""
    outcomes, by, graphs = Counter[str](), dict[str, Counter[str]](), pytestconfig.getoption("--planted-graphs")
    for seed in range(graphs):
        problem = Problem(seed, dtype)
        assert "wrong" not in problem.verdicts(problem.of.gradient()), seed
        for node, fault in problem.faults():
            outcome = problem.outcome(node, fault)
            assert outcome != "not explained", (seed, node, str(fault))
            outcomes[outcome] += 1
            by.setdefault(node.operation.name, Counter())[outcome] += 1
    assert outcomes.most_common(1)[0][0] == "convicted"
    figure(f"{sum(outcomes.values())} faults planted in {graphs} random graphs in {dtype}: "
           f"{', '.join(f'{n} {outcome}' for outcome, n in outcomes.most_common())}; "
           f"convicted by operation, of those that change something: {in_words(by)}")  # fmt: skip


def in_words(by: dict[str, Counter[str]]) -> str:
    """How many of the faults of each operation are convicted, of those that change something."""
    return ", ".join(f"{name} {of['convicted']}/{of.total() - of['equal']}" for name, of in sorted(by.items()))


# --- the explanation is tested ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "got", "reason"),
    [
        (1.0, 1.0, "equal"),
        (1.09, 1.0, "below the bound"),
        (0.95, 1.0, "below the bound"),
        (0.85, 0.95, "below the bound and its own rounding"),
        (0.85, 0.85, "not explained"),
        (2.0, 1.95, "not explained"),
    ],
)
def test_what_exceeds_the_bound_is_not_explained(wrong: float, got: float, reason: str) -> None:
    """Above it may be off by 0.1, below by 0.07."""
    one, off = np.ones(1), np.full(1, 0.1)
    certificate = Certificate(Enclosure.exactly(one), 0.7 * off, off, off, 0.1, 1.0)
    with Balls(BITS).precision():
        assert list(why(np.array([arb(1)]), np.array([arb(wrong)]), np.array([got]), certificate)) == [reason]
