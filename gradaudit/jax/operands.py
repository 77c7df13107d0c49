"""What an equation of a jaxpr is given: nodes, or numbers that depend on nothing that is differentiated by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from gradaudit.graph import Node, Shape
from gradaudit.jax.lines import refused
from gradaudit.operations.arithmetic import multiply
from gradaudit.operations.arrangements import through
from gradaudit.operations.choices import equal, greater, opposite, where
from gradaudit.operations.operation import Operation
from gradaudit.operations.shapes import as_shape, constant, constant_

#: A constant that was drawn: a program that is compiled otherwise may draw other last digits.
drawn: Operation = replace(constant_, name="drawn")


class Known:
    """Numbers that depend on nothing that is differentiated by.

    Parameters
    ----------
    compute : callable
        () -> the numbers, as JAX computes them; called when they are asked for.
    node : callable, optional
        () -> the node that computes them; where there is none, the numbers themselves are the constant.
    drawn : bool
        Whether they come from a generator of random numbers: then they are what was drawn, not what a formula says.
    """

    __slots__ = ("_compute", "_make", "_node", "_value", "drawn")

    def __init__(self, compute: Callable[[], Any], node: Callable[[], Node] | None = None, drawn: bool = False) -> None:
        self._compute, self._make, self.drawn = compute, node, drawn
        self._value: Any = None
        self._node: Node | None = None

    @property
    def value(self) -> Any:
        """The numbers: an array of JAX or NumPy, or random keys."""
        if self._value is None:
            self._value = self._compute()
        return self._value

    @property
    def array(self) -> NDArray[Any]:
        """The same as an array of NumPy."""
        return np.asarray(self.value)

    @property
    def node(self) -> Node:
        """The node that computes them."""
        if self._node is None:
            self._node = self._make() if self._make else self._constant()
        return self._node

    def _constant(self) -> Node:
        values = _within_range(self.array)
        return drawn(values=values.astype(np.float64)) if self.drawn and is_float(values.dtype) else constant(values)


def _within_range(array: NDArray[Any]) -> NDArray[Any]:
    """Infinities as half of the largest number: so they lose every comparison, and their exponential is 0."""
    if not is_float(array.dtype) or not np.isinf(array).any():
        return array
    half = float(jax.numpy.finfo(array.dtype).max) / 2
    return np.where(np.isinf(array), np.copysign(half, array.astype(np.float64)), array)


class Decided(NamedTuple):
    """Whole numbers that depend on an input, as the place of the largest entry: whatever uses them is refused.

    Attributes
    ----------
    by : str
        The primitive that made them.
    line : str
        Where it stands.
    """

    by: str
    line: str


Operand = Node | Known | Decided


def known(value: Any) -> Known:
    """Numbers that are there."""
    return Known(lambda: value)


def node_of(operand: Operand) -> Node:
    """The node of an operand; a mask stays one."""
    if isinstance(operand, Decided):
        raise refused(f"whole numbers that {operand.by!r} makes of values that depend on an input", operand.line)
    return operand if isinstance(operand, Node) else operand.node


def number(operand: Operand) -> Node:
    """The node of an operand, a mask as ones and zeros."""
    node = node_of(operand)
    if not node.operation.mask:
        return node
    return where(node, constant(np.ones(node.shape)), constant(np.zeros(node.shape)), line=node.line)


def mask_of(operand: Operand, whole: bool = False) -> Node:
    """The mask of an operand: where it is not 0; of whole numbers no tie leaves that open."""
    node = node_of(operand)
    if node.operation.mask:
        return node
    if whole or (isinstance(operand, Known) and not is_float(operand.value.dtype)):
        return greater(multiply(node, node), constant(np.full(node.shape, 0.5)), line=node.line)
    if node.operation is where and _is_full(node.inputs[1], 1) and _is_full(node.inputs[2], 0):
        return node.inputs[0]
    return opposite(equal(node, constant(np.zeros(node.shape)), line=node.line))


def _is_full(node: Node, value: float) -> bool:
    return node.operation is constant_ and bool((node.parameters["values"] == value).all())


def repeated(node: Node, shape: Shape) -> Node:
    """A node repeated to a shape, masks too."""
    return through(node, lambda x: as_shape(x, shape)) if node.shape != shape else node


def is_random_key(value: Any) -> bool:
    """Whether a value, or the type of one, is of random keys."""
    return bool(jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key))


def is_float(dtype: Any) -> bool:
    """Whether a dtype is of floats, the narrow ones of JAX among them."""
    return bool(jax.dtypes.issubdtype(dtype, np.floating))
