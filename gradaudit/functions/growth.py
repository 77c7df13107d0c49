"""A random graph of operations that grows by one at a time, from any table of operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator

from gradaudit.graph import Node, Shape
from gradaudit.operations import entrywise
from gradaudit.operations.shapes import constant, input_

#: The step that begins with an array that is given.
INPUT = "input"
#: The domain of an operation whose operands are always inputs: what has no spread has no deviation.
FRESH = "fresh"
#: What brings numbers to where a function is defined, or small enough for it.
TAMED = {
    "positive": ("exp", "square_and_one"),
    "inside": ("tanh", "sin"),
    "outside": ("square_and_one", "cosh_and_one"),
    "unit": ("sigmoid",),
    "mild": ("tanh", "arcsinh", "sin"),
}


class Kind(NamedTuple):
    """An operation that a graph may grow by.

    Attributes
    ----------
    draw : callable
        rng -> the shapes of its operands, and its parameters.
    make : callable
        (*nodes, **parameters) -> its node.
    domain : str
        What its operands are to be: one of TAMED, FRESH, or empty.
    """

    draw: Callable[[Generator], tuple[Sequence[Shape], dict[str, Any]]]
    make: Callable[..., Node]
    domain: str = ""


class Step(NamedTuple):
    """One step of a function: an operation on what earlier steps have computed.

    Attributes
    ----------
    name : str
        The operation, or INPUT.
    operands : tuple of int
        The numbers of the steps that it is computed from.
    parameters : mapping
        What else it needs to know.
    """

    name: str
    operands: tuple[int, ...]
    parameters: Mapping[str, Any]


def square_and_one(x: Node) -> Node:
    """x^2 + 1."""
    return entrywise.add(entrywise.square(x), constant(np.ones(x.shape)))


def _reaches(shape: Shape, size: Shape) -> bool:
    """Whether entries of a shape can be had in another one, rearranged or repeated."""
    if np.prod(shape) == np.prod(size):
        return True
    behind = size[len(size) - len(shape) :]
    return len(shape) <= len(size) and all(a in (1, b) for a, b in zip(shape, behind, strict=True))


class Growth:
    """A graph that grows.

    Parameters
    ----------
    rng : Generator
        What draws it.
    names : sequence of str
        The operations.
    kind : callable
        Name -> Kind, also of reshape, gather and what TAMED names.
    care : float
        How often operands are brought to where an operation is defined.
    holes : float
        How often zeros stand among the entries that are gathered.
    tries : int
        How often shapes are drawn again until they are those of what is there; what cannot be brought to a shape by
        repeating or rearranging it all is then not used, and nothing is gathered.

    Attributes
    ----------
    steps : list of Step
        What there is.
    nodes : list of Node
        The node of each step.
    pool : list of int
        The steps that further ones may be computed from.
    """

    def __init__(
        self,
        rng: Generator,
        names: Sequence[str],
        kind: Callable[[str], Kind],
        care: float = 0.8,
        holes: float = 0.2,
        tries: int = 0,
    ) -> None:
        self.rng, self.names, self.kind = rng, names, kind
        self.care, self.holes, self.tries = care, holes, tries
        self.steps: list[Step] = []
        self.nodes: list[Node] = []
        self.pool: list[int] = []

    def add(self, name: str, *operands: int, **parameters: Any) -> int:
        """Add a step; its number."""
        self.nodes.append(self.kind(name).make(*(self.nodes[i] for i in operands), **parameters))
        self.steps.append(Step(name, operands, parameters))
        return len(self.steps) - 1

    def fresh(self, size: Shape) -> int:
        """A new input."""
        self.nodes.append(input_(size=size))
        self.steps.append(Step(INPUT, (), {"size": size}))
        return len(self.steps) - 1

    def operand(self, size: Shape, domain: str) -> int:
        """An input, or what is there already in another shape, mostly brought to the domain of an operation."""
        rng = self.rng
        usable = [i for i in self.pool if np.prod(self.nodes[i].shape)]
        if self.tries:
            usable = self.fitting(usable, size)
        if not usable or domain == FRESH or rng.random() < 0.3:
            number = self.fresh(size)
        else:
            number = self.fitted(usable[-1] if rng.random() < 0.6 else usable[rng.integers(len(usable))], size)
        if domain in TAMED and rng.random() < self.care:
            names = TAMED[domain]
            number = self.add(names[int(rng.random() * len(names))], number)
        return number

    def fitting(self, numbers: Sequence[int], size: Shape) -> list[int]:
        """The steps of a shape; those that can be brought to it if there is none."""
        same = [i for i in numbers if self.nodes[i].shape == size]
        return same or [i for i in numbers if _reaches(self.nodes[i].shape, size)]

    def fitted(self, number: int, size: Shape) -> int:
        """A step's entries in another shape."""
        shape = self.nodes[number].shape
        if shape == size:
            return number
        count = int(np.prod(shape))
        if count == int(np.prod(size)) and (self.tries or self.rng.random() < 0.5):
            return self.add("reshape", number, to=size)
        if self.tries:
            return self.add("broadcast", number, to=size)
        least = -1 if self.rng.random() < self.holes else 0
        return self.add("gather", number, index=self.rng.integers(least, count, size=size))

    def grow(self) -> None:
        """Add an operation, and what its operands need."""
        name = self.names[int(self.rng.integers(len(self.names)))]
        kind = self.kind(name)
        shapes, parameters = kind.draw(self.rng)
        for _ in range(self.tries):
            if self.pool and self.nodes[self.pool[-1]].shape in shapes:
                break
            shapes, parameters = kind.draw(self.rng)
        operands = [self.operand(size, kind.domain) for size in shapes]
        self.pool.append(self.add(name, *operands, **parameters))
