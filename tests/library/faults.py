"""What may be wrong in one place of a derivative's rule, read from the operations that the rule is made of.

Nothing here knows an operation's rule: a fault is a change of what one input is given, or of one node of the rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial, reduce
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from gradaudit.graph import Node, Shape
from gradaudit.operations import choices
from gradaudit.operations.arithmetic import add, divide, multiply, negative, subtract, times
from gradaudit.operations.largest import is_largest, largest
from gradaudit.operations.products import matmul
from gradaudit.operations.shapes import (
    broadcast,
    constant,
    gather,
    reshape,
    scatter,
    sum_axis,
    transpose,
)

#: What kinds of faults there are.
FAMILIES = ("factor", "sign", "lost", "gained", "transposed", "branch", "side", "sum", "parameter")


class Variant(NamedTuple):
    """Something that may stand in the place of a node.

    Attributes
    ----------
    family : str
        Of which kind the fault is: one of FAMILIES.
    name : str
        What is wrong.
    node : callable
        What stands there; None for nothing.
    """

    family: str
    name: str
    node: Callable[[], Node | None]


def of_contribution(part: Node | None, g: Node, operand: Node, factor: float) -> Iterator[Variant]:
    """What may be wrong in what an operand is given, `part`, where the result is given g."""
    if part is None:
        if operand.shape == g.shape and not operand.operation.mask:
            yield Variant("gained", "the cotangent is passed on", lambda: g)
        return
    yield from _scaled(part, factor)
    yield Variant("factor", "doubled", lambda: times(part, 2.0))
    yield Variant("lost", "nothing", lambda: None)
    for a, b in _equal_axes(part):
        yield Variant("transposed", f"axes {a} and {b}", partial(_swapped, part, a, b))
    for a in range(-part.ndim, 0):
        if part.shape[a] > 1:
            yield Variant("sum", f"added up along axis {a}", partial(_repeated_sum, part, a, 1.0))
            yield Variant("sum", f"averaged along axis {a}", partial(_repeated_sum, part, a, part.shape[a]))


def of_node(node: Node, factor: float) -> Iterator[Variant]:
    """What may be wrong in a node of a rule."""
    if node.operation.mask:
        yield from _sides(node)
        return
    yield from _scaled(node, factor)
    yield from _operands(node)
    yield from _parameters(node)
    of = OF_OPERATION.get(node.operation.name)
    if of is not None:
        yield from of(node)


def _scaled(node: Node, factor: float) -> Iterator[Variant]:
    yield Variant("factor", f"times {factor:.10g}", lambda: times(node, factor))
    yield Variant("sign", "the other sign", lambda: negative(node))


def _operands(node: Node) -> Iterator[Variant]:
    """Of any operation: an operand is transposed, a mask is inverted."""
    for k, x in enumerate(node.inputs):
        if x.operation.mask:
            yield Variant("branch", f"mask {k} inverted", partial(_with, node, k, choices.opposite(x)))
        for a, b in _equal_axes(x)[-1:] if not x.operation.mask else []:
            name = f"operand {k} transposed"
            yield Variant("transposed", name, partial(_with, node, k, _swapped(x, a, b)))


def _parameters(node: Node) -> Iterator[Variant]:
    """Of any operation: another parameter, or another axis, whose result has the same shape."""
    for key, value in node.parameters.items():
        if isinstance(value, bool):
            yield Variant("parameter", f"{key} is {not value}", partial(_given, node, key, not value))
        elif isinstance(value, int):
            others = [a for a in range(node.inputs[0].ndim) if a != value] if key == "axis" else [value + 1]
            fits = [n for n in others if _shape(node, key, n) == node.shape]
            family, name = ("transposed", "another axis") if key == "axis" else ("parameter", f"{key} + 1")
            for n in fits[:1]:
                yield Variant(family, name, partial(_given, node, key, n))


def _shape(node: Node, key: str, value: Any) -> Shape:
    """The shape of the node with another parameter."""
    return node.operation.shape(*(x.shape for x in node.inputs), **{**node.parameters, key: value})


# --- of one operation -------------------------------------------------------------------------------------------------


def _of_add(node: Node) -> Iterator[Variant]:
    a, b = node.inputs
    yield Variant("sign", "the second term's", lambda: subtract(a, b))
    yield Variant("lost", "the first term", lambda: b)
    yield Variant("lost", "the second term", lambda: a)


def _of_subtract(node: Node) -> Iterator[Variant]:
    a, b = node.inputs
    yield Variant("sign", "the second term's", lambda: add(a, b))
    yield Variant("lost", "the first term", lambda: negative(b))
    yield Variant("lost", "the second term", lambda: a)


def _of_multiply(node: Node) -> Iterator[Variant]:
    for k, x in enumerate(node.inputs):
        yield Variant("lost", f"factor {1 - k}", partial(_itself, x))


def _of_divide(node: Node) -> Iterator[Variant]:
    a, b = node.inputs
    yield Variant("lost", "the divisor", lambda: a)
    yield Variant("factor", "a product in place of the quotient", lambda: multiply(a, b))
    yield Variant("factor", "the quotient upside down", lambda: divide(b, a))


def _of_masked(node: Node) -> Iterator[Variant]:
    yield Variant("branch", "no mask", lambda: node.inputs[1])


def _of_where(node: Node) -> Iterator[Variant]:
    for k in (1, 2):
        yield Variant("branch", f"branch {k} everywhere", partial(_itself, node.inputs[k]))


def _of_matmul(node: Node) -> Iterator[Variant]:
    x, y, n = *node.inputs, node.inputs[0].shape[-1]
    if n > 1:
        yield Variant("sum", "mean in place of the sum", lambda: times(node, 1 / n))
        yield Variant("lost", "the last term", lambda: matmul(_without_last(x, -1), _without_last(y, -2)))
    if y.shape[:-2] == x.shape[:-2] and y.shape[-1] == x.shape[-2] and (y.shape[-2], x.shape[-1]) == node.shape[-2:]:
        yield Variant("transposed", "the operands change places", lambda: matmul(y, x))


def _of_transpose(node: Node) -> Iterator[Variant]:
    if node.parameters["axes"] != tuple(range(node.ndim)) and node.shape == node.inputs[0].shape:
        yield Variant("transposed", "not transposed", lambda: node.inputs[0])


def _of_sum(node: Node) -> Iterator[Variant]:
    x, axis = node.inputs[0], node.parameters["axis"]
    axes = (axis,) if isinstance(axis, int) else axis
    n = math.prod(x.shape[a] for a in axes)
    if n > 1:
        yield Variant("sum", "mean in place of the sum", lambda: times(node, 1 / n))
        yield Variant("sum", "the first in place of the sum", lambda: reduce(_first, reversed(axes), x))
        last = max(axes, key=lambda a: x.shape[a])
        yield Variant("lost", "the last term", lambda: sum_axis(_without_last(x, last), axis=axis))


def _of_cumulative_sum(node: Node) -> Iterator[Variant]:
    yield Variant("sum", "not added up", lambda: node.inputs[0])


def _of_gather(node: Node) -> Iterator[Variant]:
    x, index = node.inputs[0], node.parameters["index"]
    if index.size > 1:
        yield Variant("transposed", "the next place", lambda: gather(x, index=np.roll(index, 1).copy()))
    if x.shape == node.shape:
        yield Variant("transposed", "every entry where it was", lambda: x)


def _of_scatter(node: Node) -> Iterator[Variant]:
    x, index, into = node.inputs[0], node.parameters["index"], node.shape
    if index.size > 1:
        yield Variant("transposed", "the next place", lambda: scatter(x, index=np.roll(index, 1).copy(), into=into))
    counts = np.bincount(index[index >= 0], minlength=int(np.prod(into))).reshape(into)
    if (counts > 1).any():
        yield Variant("sum", "written, not added", lambda: scatter(x, index=_last_writes(index), into=into))
        mean = constant(1 / np.maximum(counts, 1))
        yield Variant("sum", "mean in place of the sum", lambda: multiply(node, mean))


OF_OPERATION: dict[str, Callable[[Node], Iterator[Variant]]] = {
    "add": _of_add, "subtract": _of_subtract, "multiply": _of_multiply, "divide": _of_divide, "masked": _of_masked,
    "where": _of_where, "matmul": _of_matmul, "transpose": _of_transpose, "sum": _of_sum, "gather": _of_gather,
    "cumulative_sum": _of_cumulative_sum, "scatter": _of_scatter,
}  # fmt: skip


def _sides(node: Node) -> Iterator[Variant]:
    """Another side of a kink: what changes nothing but where two numbers are equal."""
    if node.operation in OTHER_SIDE:
        yield Variant("side", "the other side of a tie", partial(OTHER_SIDE[node.operation], *node.inputs))
    if node.operation is is_largest:
        yield Variant("side", "all of the largest", lambda: _all_largest(node))


OTHER_SIDE = {choices.greater: choices.greater_equal, choices.greater_equal: choices.greater}


def _all_largest(node: Node) -> Node:
    x, axis = node.inputs[0], node.parameters["axis"]
    column = reshape(largest(x, axis=axis), to=(*x.shape[:axis], 1, *x.shape[axis + 1 :]))
    return choices.equal(x, broadcast(column, to=x.shape))


# --- what they are made of --------------------------------------------------------------------------------------------


def _itself(node: Node) -> Node:
    return node


def _with(node: Node, number: int, operand: Node) -> Node:
    """The node with another operand."""
    return replace(node, inputs=tuple(operand if k == number else x for k, x in enumerate(node.inputs)))


def _given(node: Node, key: str, value: Any) -> Node:
    """The node with another parameter."""
    return node.operation(*node.inputs, line=node.line, **{**node.parameters, key: value})


def _equal_axes(node: Node) -> list[tuple[int, int]]:
    """Pairs of axes of one length, counted from the last, by which an array can be transposed."""
    pairs = combinations(range(-node.ndim, 0), 2)
    return [(a, b) for a, b in pairs if node.shape[a] == node.shape[b] > 1]


def _swapped(node: Node, a: int, b: int) -> Node:
    axes = list(range(node.ndim))
    axes[a], axes[b] = axes[b], axes[a]
    return transpose(node, axes=tuple(axes))


def _repeated_sum(node: Node, axis: int, divisor: float) -> Node:
    """The sum along an axis, divided, in the place of each entry."""
    axis = axis % node.ndim
    column = reshape(sum_axis(node, axis=axis), to=(*node.shape[:axis], 1, *node.shape[axis + 1 :]))
    return times(broadcast(column, to=node.shape), 1 / divisor)


def _without_last(node: Node, axis: int) -> Node:
    places = np.arange(int(np.prod(node.shape))).reshape(node.shape)
    return gather(node, index=np.take(places, range(node.shape[axis] - 1), axis=axis))


def _first(node: Node, axis: int) -> Node:
    return _entry(node, axis, 0)


def _entry(node: Node, axis: int, number: int) -> Node:
    places = np.arange(int(np.prod(node.shape))).reshape(node.shape)
    return gather(node, index=np.take(places, number, axis=axis))


def _last_writes(index: Any) -> Any:
    """Of the entries that go to one place the last alone."""
    places = index.reshape(-1)
    _, back = np.unique(places[::-1], return_index=True)
    last = np.zeros(places.size, dtype=bool)
    last[places.size - 1 - back] = True
    return np.where(last, places, -1).reshape(index.shape)
