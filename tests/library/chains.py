"""Operations that feed one another: a graph of given operations, each computed from what the last one gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from gradaudit.graph import Node, Shape, topological_order
from gradaudit.operations import OPERATIONS, entrywise
from gradaudit.operations.shapes import constant, gather, input_, reshape
from tests.library.specimens import DOMAINS, inside, outside, specimen

#: How often shapes are drawn again until they are those of what is there.
TRIES = 40
#: How often operands are brought to where an operation is defined, made small, and how often another operand is new.
CARE, MILD, FRESH = 1.0, 0.5, 0.6


@dataclass(frozen=True)
class Chain:
    """A function.

    Attributes
    ----------
    output : Node
        What it returns.
    inputs : list of Node
        Its inputs, those that it needs.
    """

    output: Node
    inputs: list[Node]


def chain(rng: Generator, names: Sequence[str], care: float = CARE, mild: float = MILD) -> Chain:
    """The operations of these names, one after the other; further operands are new, or what is there already."""
    pool: list[Node] = []
    for name in names:
        of = specimen(name)
        shapes, parameters = of.draw(rng)
        for _ in range(TRIES if pool else 0):
            if pool[-1].shape in shapes:
                break
            shapes, parameters = of.draw(rng)
        fits = [k for k, size in enumerate(shapes) if pool and size == pool[-1].shape]
        fed = int(rng.choice(fits or len(shapes)))
        operands = [_operand(rng, pool, size, number == fed) for number, size in enumerate(shapes)]
        operands = [_mild(rng, x) if pool and rng.random() < mild else x for x in operands]
        operands = [_defined(rng, x, name) if rng.random() < care else x for x in operands]
        pool.append((of.make or OPERATIONS[name])(*operands, **parameters))
    order = topological_order([pool[-1]])
    return Chain(pool[-1], [node for node in order if node.operation is input_])


def _operand(rng: Generator, pool: Sequence[Node], size: Shape, fed: bool) -> Node:
    """What the last operation gave; or, of another operand, a new input, or what is there."""
    if not pool or not (fed or rng.random() > FRESH):
        return input_(size=size)
    x = pool[-1] if fed else pool[int(rng.integers(len(pool)))]
    repeated = np.prod(size) > 2 * np.prod(x.shape) or (not fed and x.shape != size)
    return _fitted(rng, x, size) if np.prod(x.shape) and not repeated else input_(size=size)


def _fitted(rng: Generator, x: Node, size: Shape) -> Node:
    """The entries of an array in another shape."""
    if x.shape == size:
        return x
    count = int(np.prod(x.shape))
    if count == int(np.prod(size)):
        return reshape(x, to=size)
    return gather(x, index=rng.integers(count, size=size))


def _mild(rng: Generator, x: Node) -> Node:
    return (entrywise.tanh, entrywise.arcsinh, entrywise.sin)[rng.integers(3)](x)


def _defined(rng: Generator, x: Node, name: str) -> Node:
    """The operand, where the operation is defined."""
    if DOMAINS.get(name) is inside:
        return entrywise.tanh(x)
    if DOMAINS.get(name) is outside or (specimen(name).positive and rng.random() < 0.5):
        return entrywise.add(entrywise.square(x), constant(np.full(x.shape, 1.5)))
    return entrywise.exp(x) if specimen(name).positive else x
