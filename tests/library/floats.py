"""Plain NumPy in a dtype: what a program gives that computes each operation of a graph as its value is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.arithmetic import Arithmetic, Signs
from gradaudit.exact.enclosure import Enclosure
from gradaudit.exact.functions import Function
from gradaudit.graph import Node, topological_order
from gradaudit.operations.shapes import input_

Array = NDArray[Any]
#: What a library has a function for that is more exact than the operation's value in floats.
OF_LIBRARY: dict[str, Callable[..., Array]] = {
    "power": lambda A, x, y: np.power(x, y),  # noqa: ARG005
    "arctan2": lambda A, y, x: np.arctan2(y, x),  # noqa: ARG005
}


class Floats(Arithmetic[Array]):
    """float32 or float64, each operation rounded by NumPy; nothing is certified."""

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)
        self.name = dtype

    def constant(self, values: Any) -> Array:
        return np.asarray(values, dtype=self.dtype)

    def enclosure(self, a: Array) -> Enclosure:
        return Enclosure.exactly(a.astype(np.float64))

    def restructure(self, change: Callable[..., Any], *arrays: Array) -> Array:
        return np.asarray(change(*arrays))

    def shape(self, a: Array) -> tuple[int, ...]:
        return a.shape

    def add(self, a: Array, b: Array) -> Array:
        return np.asarray(a + b)

    def negative(self, a: Array) -> Array:
        return np.asarray(-a)

    def multiply(self, a: Array, b: Array) -> Array:
        return np.asarray(a * b)

    def divide(self, a: Array, b: Array) -> Array:
        return np.asarray(a / b)

    def function(self, f: Function, a: Array) -> Array:
        return np.asarray(f.plain(a.astype(np.float64))).astype(self.dtype)

    def matmul(self, a: Array, b: Array) -> Array:
        return np.asarray(a @ b)

    def sum(self, a: Array, axis: int) -> Array:
        return np.asarray(a.sum(axis=axis))

    def hull(self, a: Array, b: Array) -> Array:
        raise AssertionError(f"a program decides every sign: {a}, {b}")

    def sign(self, a: Array) -> Signs:
        return np.asarray(np.sign(np.where(np.isnan(a), 0, a))).astype(np.int8)


def computed(dtype: str, outputs: Sequence[Node], inputs: Mapping[Node, Array]) -> list[Array]:
    """What NumPy gives for some nodes of a graph, in the dtype."""
    A = Floats(dtype)
    own: dict[int, Any] = {id(node): A.constant(array) for node, array in inputs.items()}
    with np.errstate(all="ignore"):
        for node in topological_order(outputs):
            if node.operation is not input_:
                value: Any = OF_LIBRARY.get(node.operation.name, node.operation.value)
                own[id(node)] = value(A, *(own[id(n)] for n in node.inputs), **node.parameters)
    return [own[id(node)] for node in outputs]
