"""An operation of random functions: its node, and its words in NumPy, PyTorch and JAX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradaudit.functions import shapes
from gradaudit.functions.growth import Kind
from gradaudit.functions.shapes import Draw, Sizes
from gradaudit.graph import Node
from gradaudit.operations.shapes import as_shape

#: The frameworks that a function is written for.
FRAMEWORKS = ("numpy", "torch", "jax")


@dataclass(frozen=True)
class Word:
    """An operation of random functions.

    Attributes
    ----------
    make : callable
        (*nodes, **parameters) -> its node.
    numpy, torch, jax : str
        How it is written: operands as ``{0}``, ``{1}``, parameters by name; empty where a framework has it not.
    draw : callable
        (rng, sizes) -> the shapes of its operands, and its parameters.
    domain : str
        What its operands are to be: one of `growth.TAMED`, or empty.
    """

    make: Callable[..., Node]
    numpy: str
    torch: str
    jax: str
    draw: Draw = shapes.entrywise
    domain: str = ""

    def kind(self, sizes: Sizes) -> Kind:
        """What a graph of shapes of these sizes needs that grows by it."""
        return Kind(lambda rng: self.draw(rng, sizes), self.make, self.domain)


def function(make: Callable[..., Node], name: str, domain: str = "", torch: str = "", numpy: str = "") -> Word:
    """A function of one number, called alike in NumPy, PyTorch and JAX but for what is given."""
    own = numpy or f"np.{name}({{0}})"
    return Word(make, own, f"torch.{torch or name}({{0}})", f"jnp.{name}({{0}})", domain=domain)


def by_math(name: str) -> str:
    """A function that NumPy has not got, from `math`, entry by entry."""
    return f"np.vectorize(math.{name}, otypes=[float])({{0}}).astype({{0}}.dtype)"


def wide(make: Callable[..., Node]) -> Callable[..., Node]:
    """An operation whose operands are repeated to one shape."""

    def made(*nodes: Node, **parameters: Any) -> Node:
        full = np.broadcast_shapes(*(n.shape for n in nodes))
        return make(*(as_shape(n, full) for n in nodes), **parameters)

    return made


def of_two(make: Callable[..., Node], name: str, domain: str = "", torch: str = "") -> Word:
    """A function of two numbers."""
    texts = (f"np.{name}({{0}}, {{1}})", f"torch.{torch or name}({{0}}, {{1}})", f"jnp.{name}({{0}}, {{1}})")
    return Word(wide(make), *texts, draw=shapes.pair, domain=domain)


def operator(make: Callable[..., Node], sign: str, domain: str = "") -> Word:
    """An operator of two numbers."""
    return Word(wide(make), *3 * (f"{{0}} {sign} {{1}}",), draw=shapes.pair, domain=domain)
