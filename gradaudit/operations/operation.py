"""What an operation is: its value, its derivative in operations, its rounding, its size; all of it in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.enclosure import NORMAL, Enclosure
from gradaudit.exact.entries import core, entrywise, lowest, plus, some
from gradaudit.graph import Node, Shape
from gradaudit.rounding.arithmetic import Arithmetic
from gradaudit.rounding.bound import Bound

Array = NDArray[np.float64]


class Operand:
    """An operand of an operation whose rounding is asked for.

    Attributes
    ----------
    value : Enclosure, or an array of signs for a mask
        What it is exactly.
    bound : Bound, or for a mask where rounding decides it
        How far the computed one may be from that.
    spread : ndarray, optional
        How far the exact one may be from its enclosure's ``hi + lo``, if it is not one of a mask.
    """

    __slots__ = ("E", "_power", "_reach", "_size", "bound", "value")

    def __init__(self, value: Any, bound: Any, spread: Array | None = None) -> None:
        self.value, self.bound = value, bound
        #: The bound around ``hi + lo``.
        self.E: Any = getattr(bound, "E", None) if spread is None else plus(bound.E, spread)
        self._size: Array | None = None
        self._reach: Array | None = None
        self._power: Any = None

    @property
    def v(self) -> Array:
        """The exact value, rounded once."""
        value: Enclosure = self.value
        return value.hi

    @property
    def size(self) -> Array:
        """The absolute value."""
        if self._size is None:
            self._size = entrywise(np.abs, self.v)
        return self._size

    @property
    def reach(self) -> Array:
        """The largest absolute value that a program may have there."""
        if self._reach is None:
            self._reach = plus(self.size, self.E)
        return self._reach

    @property
    def power(self) -> Any:
        """Where it is certainly a power of two: multiplying by it rounds nothing."""
        if self._power is None:
            v, E = core(self.v), core(self.E)
            exact = E == 0 if lowest(E) == 0 else np.zeros(E.shape, dtype=bool)
            power = _is_power(v) & exact if some(exact) else exact
            self._power = power if power.shape == self.v.shape else np.broadcast_to(power, self.v.shape)
        return self._power


def _is_power(v: Array) -> Any:
    """Where a number is a power of two."""
    bits = np.ascontiguousarray(v).view(np.int64)
    if (bits & (1 << 52) - 1).all():  # none but subnormal ones
        return np.zeros(v.shape, dtype=bool) if lowest(np.abs(v)) >= NORMAL else np.abs(np.frexp(v)[0]) == 0.5
    return np.abs(np.frexp(v)[0]) == 0.5


@dataclass(frozen=True, eq=False)
class Operation:
    """An operation on arrays.

    Attributes
    ----------
    name : str
        What it is called.
    shape : callable
        (*shapes, **parameters) -> the shape of the result.
    value : callable
        (arithmetic, *values, **parameters) -> the result, in any arithmetic.
    derivative : callable
        (node, g) -> for each input the node of its derivative, given that by the result; None where it has none.
    rounding : callable
        (fp, value, *operands, **parameters) -> the bound of the result, given those of the operands.
    size : callable, optional
        (*sizes, **parameters) -> the natural size of the result, for what is linear; |value| where there is none.
    natural : callable, optional
        (fp, value, sizes, **parameters) -> the natural size, for what is neither.
    middle : callable, optional
        (*operands) -> where masks leave the result open, and floats in the middle of what it may be there.
    mask : bool
        Whether the result is a mask, not numbers.
    algorithms : str
        Which algorithms the rounding covers, and which not.
    source : str
        Where the formulas come from.
    """

    name: str
    shape: Callable[..., Shape]
    value: Callable[..., Any]
    derivative: Callable[[Node, Node], Sequence[Node | None]]
    rounding: Callable[..., Any]
    size: Callable[..., Array] | None = None
    natural: Callable[..., Array] | None = None
    middle: Callable[..., tuple[Any, Array]] | None = None
    mask: bool = False
    algorithms: str = ""
    source: str = ""

    def __call__(self, *inputs: Node, line: str = "", **parameters: Any) -> Node:
        """A node of this operation."""
        shape = self.shape(*(node.shape for node in inputs), **parameters)
        return Node(self, inputs, tuple(int(n) for n in shape), parameters, line or _line(inputs))


def _line(inputs: Sequence[Node]) -> str:
    return next((node.line for node in reversed(inputs) if node.line), "")


#: Every operation by its name, for whoever has to look at all of them.
OPERATIONS: dict[str, Operation] = {}


def define(operation: Operation) -> Operation:
    """Add an operation to the table."""
    if operation.name in OPERATIONS:
        raise ValueError(f"there are two operations {operation.name!r}")
    OPERATIONS[operation.name] = operation
    return operation


def same(*shapes: Shape, **_: Any) -> Shape:
    """The shape of an operation entry by entry, whose operands have one shape.

    Raises
    ------
    ValueError
        If they have not.
    """
    if len(set(shapes)) != 1:
        raise ValueError(f"operands of the shapes {', '.join(map(str, shapes))}; expected one shape")
    return shapes[0]


def no_derivative(node: Node, g: Node) -> Sequence[Node | None]:  # noqa: ARG001 (a signature of Operation)
    """The derivative of what is constant nearly everywhere: none."""
    return [None] * len(node.inputs)


__all__ = ["OPERATIONS", "Arithmetic", "Bound", "Node", "Operand", "Operation", "define", "no_derivative", "same"]
