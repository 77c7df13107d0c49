"""Comparisons, masks and what is chosen by them; steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradaudit.graph import Node
from gradaudit.operations.arrangements import mixed, places, through
from gradaudit.operations.choices import absolute, both, either, equal, greater, greater_equal, opposite, sign, where
from gradaudit.operations.entrywise import negative, subtract
from gradaudit.operations.shapes import as_shape, constant, constant_, input_
from gradaudit.operations.whole import step
from gradaudit.torch.memory import numbers
from gradaudit.torch.tables.rules import alike, number, rule


@rule("gt")
def _above(x: Any, y: Any) -> Node:
    return greater(*alike(x, y))


@rule("lt")
def _below(x: Any, y: Any) -> Node:
    x, y = alike(x, y)
    return greater(y, x)


@rule("ge")
def _at_least(x: Any, y: Any) -> Node:
    return greater_equal(*alike(x, y))


@rule("le")
def _at_most(x: Any, y: Any) -> Node:
    x, y = alike(x, y)
    return greater_equal(y, x)


@rule("eq", of_result=True)
def _equal(result: Any, x: Any, y: Any) -> Node:
    x, y = alike(x, y)
    return mask(numbers(result)) if is_given(x) and is_given(y) else equal(x, y)


@rule("ne", of_result=True)
def _other(result: Any, x: Any, y: Any) -> Node:
    x, y = alike(x, y)
    return mask(numbers(result)) if is_given(x) and is_given(y) else opposite(equal(x, y))


def is_given(x: Node) -> bool:
    """Whether nothing was computed: whether such numbers are equal, no rounding and no limit decides."""
    if x.operation.name in ("reshape", "transpose", "broadcast", "gather", "concatenate"):
        return all(map(is_given, x.inputs))
    return x.operation is input_ or x.operation is constant_


def mask(x: Any) -> Node:
    """An operand as a mask: where it is not 0."""
    if isinstance(x, Node):
        return x if x.operation.mask else opposite(equal(x, constant(np.zeros(x.shape))))
    values = np.asarray(x) != 0
    return greater(constant(values.astype(np.float64)), constant(np.full(values.shape, 0.5)))


def masks(x: Any, y: Any) -> list[Node]:
    """Two masks, repeated to one shape."""
    pair = [mask(x), mask(y)]
    shape = np.broadcast_shapes(pair[0].shape, pair[1].shape)
    return [through(m, lambda n: as_shape(n, shape)) for m in pair]


@rule("logical_not", "bitwise_not")
def _opposite(x: Any) -> Node:
    return opposite(mask(x))


@rule("logical_and", "bitwise_and", "__and__")
def _both(x: Any, y: Any) -> Node:
    return both(*masks(x, y))


@rule("logical_or", "bitwise_or", "__or__")
def _either(x: Any, y: Any) -> Node:
    return either(*masks(x, y))


@rule("where")
def _where(condition: Any, x: Any, y: Any) -> Node:
    """A condition that is known picks entries; one that depends on numbers may be open."""
    nodes = [number(x), number(y)]
    shape = np.broadcast_shapes(
        condition.shape if isinstance(condition, Node) else np.shape(condition), *(n.shape for n in nodes)
    )
    if not isinstance(condition, Node):
        first, other = (as_shape(n, shape) for n in nodes)
        known = np.broadcast_to(np.asarray(condition) != 0, shape)
        return mixed(first, np.where(known, places(shape), -1), other)
    condition = mask(condition)
    chosen = through(condition, lambda n: as_shape(n, shape))
    return where(chosen, *(as_shape(n, shape) for n in nodes))


@rule("masked_fill")
def _filled(x: Any, chosen: Any, value: Any) -> Node:
    return _where(chosen, value, x)


@rule("sign", "sgn")
def _sign(x: Node) -> Node:
    return sign(x)


@rule("floor")
def _floor(x: Node) -> Node:
    return step(number(x), to="floor")


@rule("ceil")
def _ceil(x: Node) -> Node:
    return step(number(x), to="ceil")


@rule("trunc", "fix")
def _trunc(x: Node) -> Node:
    return step(number(x), to="trunc")


@rule("round")
def _round(x: Node, decimals: int = 0) -> Node:
    if decimals:
        raise ValueError(f"decimals={decimals}")
    return step(number(x), to="round")


@rule("frac")
def _fraction(x: Node) -> Node:
    return subtract(x, step(x, to="trunc"))


@rule("copysign")
def _of_sign(x: Any, y: Any) -> Node:
    """|x| with the sign of y; that of zeros is not known."""
    x, y = alike(x, y)
    size = absolute(x)
    return where(greater_equal(y, constant(np.zeros(y.shape))), size, negative(size))
