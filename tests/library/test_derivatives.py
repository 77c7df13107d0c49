"""Every operation's derivative is that of its definition, and so is the derivative of that one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx

from gradaudit.derivative import gradient
from gradaudit.exact.balls import Balls
from gradaudit.exact.functions import Function
from gradaudit.graph import Node, depending, topological_order
from gradaudit.operations import Operation, choices, entrywise
from gradaudit.operations.shapes import constant, input_, total
from tests.library.series import Series
from tests.library.specimens import NAMES, Pose, evaluated, plain, posed, specimen

BITS = 320
#: No larger is any radius, relative to the sum of what is compared, so that a wide ball cannot pass.
SHARP = arb(2) ** -200
POINTS = 12


class Point:
    """An operation at random operands x, weighted with g, along a direction d; all of the figures are balls."""

    def __init__(self, name: str, seed: int) -> None:
        self.rng = np.random.default_rng([seed, *name.encode()])
        self.pose: Pose = posed(name, self.rng, plain)
        self.directions = [self.rng.standard_normal(x.shape) for x in self.pose.arrays]
        self.scalar = total(entrywise.multiply(self.pose.output, constant(self.numbers(self.pose.output))))
        self.slopes = gradient(self.scalar, self.pose.inputs)

    def numbers(self, node: Node) -> Any:
        return self.rng.standard_normal(node.shape)

    def series(self, node: Node) -> Any:
        """A scalar at x + t d."""
        A = Series(BITS)
        with A.precision():
            arrays = zip(self.pose.inputs, self.pose.arrays, self.directions, strict=True)
            (result,) = evaluated(A, [node], {id(n): A.along(x, d) for n, x, d in arrays})
            return result.item()

    def along(self, nodes: list[Node]) -> arb:
        """The sum of the products of derivatives at x and the direction."""
        A = Balls(BITS)
        with A.precision():
            given = {id(n): A.constant(x) for n, x in zip(self.pose.inputs, self.pose.arrays, strict=True)}
            pairs = zip(evaluated(A, nodes, given), self.directions, strict=True)
            return sum((x for g, d in pairs for x in A.multiply(g, A.constant(d)).ravel()), arb(0))

    def slope(self) -> Node:
        """The derivatives, each weighted with random numbers: a scalar again."""
        parts = [total(entrywise.multiply(g, constant(self.numbers(g)))) for g in self.slopes]
        result = parts[0]
        for part in parts[1:]:
            result = entrywise.add(result, part)
        return result

    def straight(self) -> Node:
        """The derivative along the direction."""
        parts = zip(self.slopes, self.directions, strict=True)
        sums = [total(entrywise.multiply(g, constant(d))) for g, d in parts]
        result = sums[0]
        for part in sums[1:]:
            result = entrywise.add(result, part)
        return result


def points(name: str) -> Iterator[Point]:
    """Some of them, in the precision in which they are compared."""
    with ctx.workprec(BITS):
        yield from (Point(name, seed) for seed in range(POINTS))


def assert_equal(first: arb, other: arb) -> None:
    """Two balls of one number, both of them small."""
    limit = SHARP * (1 + abs(first))
    assert first.rad() < limit
    assert other.rad() < limit
    assert first.overlaps(other)


@pytest.mark.parametrize("name", NAMES)
def test_a_derivative_is_that_of_the_definition(name: str) -> None:
    """The coefficient of t of g . value(x + t d) is (derivative of x by g) . d."""
    for point in points(name):
        assert_equal(point.series(point.scalar)[1], point.along(point.slopes))


@pytest.mark.parametrize("name", NAMES)
def test_a_second_derivative_is_that_of_the_definition(name: str) -> None:
    """Twice the coefficient of t^2 of the value is d . H d, with H from the derivative of the derivative's graph."""
    for point in points(name):
        again = gradient(point.straight(), point.pose.inputs)
        assert_equal(2 * point.series(point.scalar)[2], point.along(again))


@pytest.mark.parametrize("name", NAMES)
def test_the_derivative_of_a_derivative_is_that_of_its_graph(name: str) -> None:
    """In any direction, not that of the first alone: the graph of the derivative is proved like an operation."""
    for point in points(name):
        slope = point.slope()
        assert_equal(point.series(slope)[1], point.along(gradient(slope, point.pose.inputs)))


# --- the proof is proved ----------------------------------------------------------------------------------------------


def test_every_operation_is_posed() -> None:
    """What is added to the table is looked for here by itself."""
    assert {specimen(name) is not None for name in NAMES} == {True}
    with pytest.raises(LookupError, match="has no specimen"):
        specimen("an operation that nobody posed")


def test_a_function_that_series_do_not_know_is_no_proof() -> None:
    A = Series(BITS)
    unknown = Function("expint", np.sin, lambda x: x.expint(1), np.maximum, 4)
    with A.precision(), pytest.raises(AttributeError, match="expint"):
        A.function(unknown, A.constant(np.ones(2)))


def scaled(part: Node) -> Node:
    """A part whose relative error is 1e-15: balls of 320 bits see much less."""
    return entrywise.times(part, 1 + 1e-15)


def lost(part: Node) -> Node:
    return constant(np.zeros(part.shape))


def with_wrong(operation: Operation, number: int, wrong: Callable[[Node], Node]) -> Operation:
    """The operation with one part of its derivative wrong."""

    def derivative(node: Node, g: Node) -> Any:
        parts = list(operation.derivative(node, g))
        part = parts[number]
        parts[number] = None if part is None else wrong(part)
        return parts

    return replace(operation, derivative=derivative)


def disagrees(name: str, number: int, wrong: Callable[[Node], Node]) -> bool:
    """Whether some point convicts an operation with a wrong part."""
    for point in points(name):
        output = point.pose.output
        other = replace(output, operation=with_wrong(output.operation, number % len(output.inputs), wrong))
        weights = constant(point.numbers(output))
        right, planted = (total(entrywise.multiply(node, weights)) for node in (output, other))
        slopes = gradient(planted, point.pose.inputs)
        if not point.series(right)[1].overlaps(point.along(slopes)):
            return True
    return False


#: Branches that no random point takes: two numbers are not equal, the other branch of a largest entry is 0, and a step
#: does not pass its derivative on.
NEVER_TAKEN = {("equal", 1), ("is_largest", 2), ("step", 1)}


@pytest.mark.parametrize("wrong", [scaled, lost])
@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_derivative_is_convicted(name: str, wrong: Callable[[Node], Node]) -> None:
    """Each part of each derivative, scaled or lost; a mask has none."""
    pose = posed(name, np.random.default_rng(0), plain)
    parts = pose.output.operation.derivative(pose.output, pose.output)
    members = depending(topological_order([pose.output]), pose.inputs)
    operands = enumerate(zip(pose.output.inputs, parts, strict=True))
    numbers = [k for k, (operand, part) in operands if part is not None and id(operand) in members]
    assert numbers
    for number in numbers:
        if (name, number) not in NEVER_TAKEN:
            assert disagrees(name, number, wrong), number


# --- ties -------------------------------------------------------------------------------------------------------------

TWO = np.array([1.0, 1.0])
#: What is differentiated at a tie, where, and the derivative by the first operand that is taken there: of the maximum
#: the second operand's branch (of relu at 0 that of 0), of the largest the first of them.
TIES: dict[str, tuple[Callable[[Node], Node], Any, list[float]]] = {
    "maximum": (lambda x: choices.maximum(x, constant(TWO)), TWO, [0, 0]),
    "minimum": (lambda x: choices.minimum(x, constant(TWO)), TWO, [0, 0]),
    "relu": (choices.relu, 0 * TWO, [0, 0]),
    "absolute": (choices.absolute, 0 * TWO, [-1, -1]),
    "clip below": (lambda x: choices.clip(x, constant(TWO), constant(2 * TWO)), TWO, [0, 0]),
    "clip above": (lambda x: choices.clip(x, constant(TWO), constant(2 * TWO)), 2 * TWO, [0, 0]),
    "largest": (lambda x: choices.largest(x, axis=0), TWO, [1, 0]),
    "where": (lambda x: choices.where(choices.greater_equal(x, constant(TWO)), x, constant(TWO)), TWO, [1, 1]),
}


@pytest.mark.parametrize("name", TIES)
def test_at_a_tie_one_of_the_branches_is_taken(name: str) -> None:
    """The stated one; along any direction it lies between the one-sided derivatives, which series give."""
    make, x, expected = TIES[name]
    node = input_(size=x.shape)
    output = total(make(node))
    A, rng = Series(BITS), np.random.default_rng(0)
    with A.precision():
        (slope,) = evaluated(Balls(BITS), gradient(output, [node]), {id(node): Balls(BITS).constant(x)})
        assert [float(s) for s in slope] == expected
        for _ in range(8):
            d = rng.choice([-1.0, 1.0], size=x.shape) * rng.integers(1, 5, size=x.shape)
            after, before = (evaluated(A, [output], {id(node): A.along(x, s * d)})[0].item()[1] for s in (1, -1))
            along = sum(s * b for s, b in zip(slope, d.tolist(), strict=True))
            assert min(-before, after) <= along <= max(-before, after)
