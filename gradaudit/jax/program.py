"""The program that is judged, as JAX runs it: value, reverse and forward mode, the derivative of the derivative."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradaudit.checking import cotangent
from gradaudit.derivative import pulled_back, pushed_forward
from gradaudit.graph import Node
from gradaudit.jax.arguments import Arguments, finite
from gradaudit.operations.shapes import constant
from gradaudit.recording import Recording

#: What JAX raises where a function asks for a number that it has not got while it is traced.
NEEDS_A_NUMBER = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)
Arrays = Sequence[Any]


@dataclass(frozen=True, eq=False)
class Stage:
    """One thing that is computed.

    Attributes
    ----------
    names : list of str
        Of the arrays.
    nodes : list of Node
        What they are exactly.
    run : callable
        (*floats) -> the arrays.
    inputs : dict of Node to ndarray
        What other nodes that are given are, besides the arguments.
    """

    names: list[str]
    nodes: list[Node]
    run: Callable[..., Arrays]
    inputs: dict[Node, Any] = field(default_factory=dict)


class Program:
    """A function at its arguments, and what its derivatives are multiplied by.

    Parameters
    ----------
    f : callable
        What the user gave.
    given : Arguments
        Its arguments.
    seed : int
        Of the cotangents and of the direction.
    jacobian : bool
        Whether there is a cotangent for each entry of the value.
    """

    def __init__(self, f: Callable[..., Any], given: Arguments, seed: int, jacobian: bool) -> None:
        self.floats = given.arrays
        finite(self.floats, list(given.floats))
        self.sources = list(given.floats)
        self.function = given.function(f)
        named = given.outputs(f)
        self.outputs, self.values = list(named), list(named.values())
        self.jacobian = jacobian
        self.direction = [cotangent(x.shape, seed + n, given.dtype) for n, x in enumerate(self.floats)]
        alone = len(self.values) == 1 and not self.values[0].shape
        drawn = [cotangent(x.shape, seed + n, x.dtype) for n, x in enumerate(self.values)]
        self.weights = [np.ones((), self.values[0].dtype)] if alone else drawn

    def stages(self, recording: Recording, modes: Sequence[str], order: int) -> Iterator[Stage]:
        """What is computed, with the nodes that say what is right."""
        outputs, sources = list(recording.outputs), list(recording.sources.values())
        yield Stage(self.outputs, outputs, self.function)
        if "rev" in modes:
            for said, weights in self._pulled():
                derivatives = pulled_back(outputs, sources, [constant(w) for w in weights])
                names = [f"{name}{said}" for name in self.sources]
                yield Stage([*self._with("vjp"), *names], [*outputs, *derivatives], self._reverse(weights))
        if "fwd" in modes:
            along, free = pushed_forward(outputs, sources, self.direction)
            names = [f"{name} along args" for name in self.outputs]
            yield Stage([*self._with("jvp"), *names], [*outputs, *along], self._forward, _zeros(free))
        if order == 2:
            yield from self._second(outputs, sources, modes)

    def _with(self, way: str) -> list[str]:
        return [f"{name} of jax.{way}" for name in self.outputs]

    def _pulled(self) -> Iterator[tuple[str, list[Any]]]:
        """The cotangents, each with what is to be said of them."""
        if not self.jacobian:
            yield "", self.weights
            return
        for n, (name, value) in enumerate(zip(self.outputs, self.values, strict=True)):
            for place in np.ndindex(*value.shape):
                weights = [np.zeros(v.shape, v.dtype) for v in self.values]
                weights[n][place] = 1
                yield f" of {name}[{', '.join(map(str, place))}]", weights

    def gradient(self, floats: Arrays, weights: Arrays) -> Arrays:
        """The values, and the derivatives by the floats, pulled back with the weights."""
        values, pull = jax.vjp(self.function, *floats)
        return [*values, *pull(list(weights))]

    def _reverse(self, weights: Arrays) -> Callable[..., Arrays]:
        return lambda *floats: self.gradient(floats, [jnp.asarray(w) for w in weights])

    def _forward(self, *floats: Any) -> Arrays:
        values, along = jax.jvp(self.function, floats, tuple(jnp.asarray(v) for v in self.direction))
        return [*values, *along]

    def _second(self, outputs: list[Node], sources: list[Node], modes: Sequence[str]) -> Iterator[Stage]:
        """The derivative of the reverse-mode derivative: pulled back again, and along the direction."""
        weights = [constant(w) for w in self.weights]
        first = pulled_back(outputs, sources, weights)

        def derivative(*floats: Any) -> Arrays:
            _, pull = jax.vjp(self.function, *floats)
            return list(pull([jnp.asarray(w) for w in self.weights]))

        direction = [jnp.asarray(v) for v in self.direction]
        if "rev" in modes:
            second = pulled_back(first, sources, [constant(v) for v in self.direction])
            names = [f"second derivative by {name}" for name in self.sources]
            yield Stage(names, second, lambda *floats: jax.vjp(derivative, *floats)[1](direction))
        if "fwd" in modes:
            second, free = pushed_forward(first, sources, self.direction)
            names = [f"derivative by {name} along args" for name in self.sources]
            yield Stage(names, second, lambda *floats: jax.jvp(derivative, floats, tuple(direction))[1], _zeros(free))

    def answers(self, stage: Stage, draws: bool) -> Iterator[tuple[str, Arrays]]:
        """What JAX computes, as the function is and compiled; as it is where it draws floats or cannot be compiled."""
        yield "", stage.run(*self.floats)
        if draws:
            return
        try:
            yield ", compiled", jax.jit(stage.run)(*self.floats)
        except NEEDS_A_NUMBER:
            return


def _zeros(nodes: Sequence[Node]) -> dict[Node, Any]:
    """What to give for nodes that are to be 0."""
    return {node: np.zeros(node.shape) for node in nodes}
