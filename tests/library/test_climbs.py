"""Every rounding rule attacked by an adversary that climbs, and operations that feed one another.

How many climbs is set by ``--climbs``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from gradaudit.operations import OPERATIONS
from gradaudit.operations.arithmetic import multiply
from gradaudit.operations.cross_entropy import cross_entropy_gradient
from gradaudit.operations.normalisation import average
from gradaudit.operations.orders import sort_last
from gradaudit.operations.powers import integer_power
from gradaudit.operations.shapes import constant, input_, sum_axis
from gradaudit.readings import bounds
from gradaudit.rounding.arithmetic import Arithmetic
from tests.few_bits import ARITHMETICS
from tests.few_bits import Program as Way
from tests.library import climbing
from tests.library.climbing import Attack, climbed, held, shrunk
from tests.library.specimens import NAMES

#: The steps of a climb.
STEPS = 40
#: A bound whose largest ratio is no more is too loose.
LOOSE = 0.01
#: How many climbs of operations that feed one another there are for each climb of one alone.
CHAINS = 40
#: What gives numbers; and what is linear in some operand, whose sums, scalings and closed sums meet in one bound.
ROUNDED = [name for name in NAMES if not OPERATIONS[name].mask]
LINEAR = [name for name in ROUNDED if OPERATIONS[name].size or OPERATIONS[name].natural]


def reached(names: Sequence[str], *seed: int) -> Attack:
    """Where a climb ends: never outside of a bound."""
    attack = climbed(np.random.default_rng([*seed, *" ".join(names).encode()]), names, STEPS)
    assert attack.ratio <= 1, shrunk(attack).in_words()
    return attack


@pytest.mark.parametrize("part", range(4))
def test_no_climb_leaves_the_bound_of_an_operation(
    part: int, pytestconfig: pytest.Config, figure: Callable[[str], None]
) -> None:
    """The largest ratio of each; one that is never above 0.01 is named."""
    climbs = pytestconfig.getoption("--climbs")
    largest = {name: max(reached([name], seed).ratio for seed in range(climbs)) for name in ROUNDED[part::4]}
    assert min(largest.values()) >= 0
    words = [f"{name} {format(ratio, '.2g') if ratio else 'exact'}" for name, ratio in largest.items()]
    loose = [name for name, ratio in largest.items() if 0 < ratio <= LOOSE]
    figure(f"largest error/bound of operations after {climbs} climbs of {STEPS} steps each: {', '.join(words)}"
           f"{'; never above 0.01: ' + ', '.join(loose) if loose else ''}")  # fmt: skip


@pytest.mark.parametrize("part", range(4))
def test_no_climb_leaves_the_bound_of_operations_that_feed_one_another(
    part: int, pytestconfig: pytest.Config, figure: Callable[[str], None]
) -> None:
    """Two or three, mostly linear ones; also the derivative of what they compute."""
    ratios, pairs = [], set[tuple[str, str]]()
    for seed in range(part, pytestconfig.getoption("--climbs") * CHAINS, 4):
        rng = np.random.default_rng([seed, 53])
        table = LINEAR if rng.random() < 0.7 else ROUNDED
        names = rng.choice(table, 2 if rng.random() < 0.7 else 3).tolist()
        pairs |= set(pairwise(names))
        ratios.append(reached(names, seed).ratio)
    figure(f"error/bound after {len(ratios)} climbs of {len(pairs)} pairs of operations: "
           f"median {np.median(ratios):.2f}, largest {max(ratios):.6f}")  # fmt: skip


@pytest.mark.parametrize("fp", ARITHMETICS, ids=lambda fp: f"{fp.precision} bits")
def test_what_underflows_beside_a_maximum_is_allowed_for(fp: Arithmetic) -> None:
    """Seven equal probabilities times a cotangent near the smallest number: all are flushed, but for the label's."""
    x, g = input_(size=(1, 7)), input_(size=(1,))
    node = cross_entropy_gradient(x, constant(np.array([2.0])), g)
    for seed in range(8):
        way = Way(fp, "pairwise", "shift", "results flushed", False, True, True, "first", "twice", seed)
        for multiple in (1, 4):
            attack = Attack(node, node, way, {x: np.zeros((1, 7)), g: np.array([multiple * fp.eta])})
            assert 0 <= attack.ratio <= 1


def test_a_first_power_is_the_sum_that_it_is_of() -> None:
    """A factor may be applied to its terms, where they may be rounded, or underflow."""
    x, c = input_(size=(3,)), input_(size=())
    node = multiply(c, integer_power(sum_axis(x, axis=0), exponent=1))
    rounds, faint = np.array([1.0, 4.0, 2.0]), np.full(3, -0.25)
    for fp in ARITHMETICS:
        for seed in range(8):
            way = Way(fp, "too large", "shift", "all flushed", False, True, True, "first", "twice", seed)
            for numbers, factor in ((rounds, 1 + 17 * 2.0**-6), (faint, 1.5 * fp.eta)):
                attack = Attack(node, node, way, {x: numbers, c: held(way, np.array(factor))})
                assert 0 <= attack.ratio <= 1


@pytest.mark.parametrize("fp", ARITHMETICS, ids=lambda fp: f"{fp.precision} bits")
def test_a_factor_of_an_average_may_be_applied_to_each_term(fp: Arithmetic) -> None:
    """Where the terms underflow, all of it does."""
    c, x = input_(size=(1, 2)), input_(size=(5, 2))
    node = multiply(c, average(x, [0]))
    numbers = np.zeros((5, 2))
    numbers[[0, 4], 1] = 1.0
    for seed in range(8):
        way = Way(fp, "too small", "shift", "all flushed", True, False, False, "last", "twice", seed)
        attack = Attack(node, node, way, {c: np.array([[0.0, 4 * fp.eta]]), x: numbers})
        assert 0 <= attack.ratio <= 1


@pytest.mark.parametrize("fp", ARITHMETICS, ids=lambda fp: f"{fp.precision} bits")
def test_what_is_compared_as_zero_stands_among_zeros_as_it_was(fp: Arithmetic) -> None:
    """Sorted with its inputs flushed, a subnormal number may be anywhere among zeros."""
    x = input_(size=(7,))
    node = sort_last(x)
    for sign in (1, -1):
        numbers = np.array([2 * fp.eta, 0, 0, sign * fp.eta / 2, 0, 0, -fp.eta])
        way = Way(fp, "sequential", "shift", "inputs flushed", *3 * (False,), "first", "twice", 0)
        assert 0 <= Attack(node, node, way, {x: numbers}).ratio <= 1


# --- the adversary is tested ------------------------------------------------------------------------------------------


@pytest.fixture
def a_tenth_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of what is attacked."""

    def smaller(fp: Any, order: Any, read: Any) -> Any:
        of = bounds(fp, order, read)
        of[id(order[-1])].E *= 0.9
        return of

    monkeypatch.setattr(climbing, "bounds", smaller)


@pytest.mark.usefixtures("a_tenth_too_small")
@pytest.mark.parametrize("name", ["add", "affine", "exp", "permuted", "tanh"])
def test_a_bound_that_is_a_tenth_too_small_is_left(name: str) -> None:
    """And the numbers with which it is are made plain, and printed."""
    attack = climbed(np.random.default_rng([0, *name.encode()]), [name], 200)
    plain = shrunk(attack)
    assert attack.ratio > 1
    assert plain.ratio > 1
    assert _digits(plain) <= _digits(attack)
    assert f"= {name}(" in plain.in_words()
    assert "entry [" in plain.in_words()


def _digits(attack: Attack) -> int:
    return sum(len(np.format_float_scientific(x)) for array in attack.arrays.values() for x in array.flat if x)
