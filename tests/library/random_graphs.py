"""Random graphs of random operations on random shapes, and numbers that an arithmetic of few bits holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from gradaudit.derivative import gradient
from gradaudit.functions.growth import Growth, Kind, square_and_one
from gradaudit.graph import Node, Shape, topological_order
from gradaudit.operations import OPERATIONS, entrywise
from gradaudit.operations.shapes import constant, input_, total
from gradaudit.rounding.arithmetic import Arithmetic
from tests.few_bits import stored
from tests.library.draws import unary
from tests.library.specimens import NAMES, specimen

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Graph:
    """A function of random operations, its gradient, and numbers for its inputs.

    Attributes
    ----------
    order : list of Node
        Of the function and its gradient.
    inputs : dict of Node to ndarray
        The inputs.
    """

    order: list[Node]
    inputs: dict[Node, Array]

    @property
    def given(self) -> dict[int, Array]:
        """The inputs by the ids of their nodes."""
        return {id(node): array for node, array in self.inputs.items()}

    def changed(self, node: Node, array: Array) -> Graph:
        """The same with other numbers for one input."""
        return replace(self, inputs={**self.inputs, node: array})


def kind(name: str) -> Kind:
    """An operation by its name, or what brings numbers to a domain."""
    if name == "square_and_one":
        return Kind(unary, square_and_one)
    of = specimen(name)
    return Kind(of.draw, of.make or OPERATIONS[name], "positive" if of.positive else "")


def random_graph(rng: Generator, fp: Arithmetic) -> Graph:
    """Two to eight operations, weighted and added up, and the gradient by every input."""
    growth = Growth(rng, NAMES, kind)
    for _ in range(rng.integers(2, 9)):
        growth.grow()
    output = growth.nodes[growth.pool[-1]]
    weights = constant(np.ones(output.shape)) if rng.random() < 0.3 else growth.nodes[growth.fresh(output.shape)]
    scalar = total(entrywise.multiply(output, weights))
    inputs = [node for node in growth.nodes if node.operation is input_]
    order = topological_order([scalar, *gradient(scalar, inputs)])
    members = {id(n) for n in order}
    return Graph(order, {n: few_bits(rng, fp, n.shape) for n in inputs if id(n) in members})


def few_bits(rng: Generator, fp: Arithmetic, size: Shape) -> Array:
    """Numbers that the arithmetic holds: whole or not, zeros, ties, opposites, all of one scale or near underflow."""
    x: Any = rng.standard_normal(size)
    kind = rng.integers(8)
    if kind == 0:
        x = rng.integers(-3, 4, size).astype(float)
    elif kind == 1:
        x = rng.choice([-1.0, 1.0], size) * rng.standard_normal()
    elif kind == 2:
        x = np.where(rng.random(size) < 0.4, 0.0, x)
    elif kind == 3:
        x = x * 2.0 ** float(np.rint(rng.normal(0, 3)))
    elif kind == 4:
        x = x * 2.0 ** np.rint(rng.normal(0, 3, size))
    elif kind == 5 and rng.random() < 0.5:
        x = x * 2.0 ** float(fp.exponents[0] + rng.integers(-3, 8))
    elif kind == 6:
        x = x + rng.choice((-1, 1)) * 2.0 ** rng.integers(0, 5)
    return stored(fp).round(x)
