"""A function of a few steps: its graph, and the graphs of its derivatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.certify import Plan
from gradaudit.checking import cotangent
from gradaudit.derivative import pulled_back, pushed_forward
from gradaudit.functions.growth import INPUT, Step
from gradaudit.functions.vocabulary import WORDS
from gradaudit.graph import Node
from gradaudit.operations.shapes import constant, input_

Array = NDArray[Any]
#: The seeds of what is multiplied with: outputs with cotangents, inputs with a direction.
OF_OUTPUTS, OF_INPUTS = 0, 1000


@dataclass(frozen=True, eq=False)
class Program:
    """A function as a list of steps.

    Attributes
    ----------
    steps : tuple of Step
        The inputs and operations, each after those that it is computed from.
    outputs : tuple of int
        The steps whose results are returned.
    along : tuple of ndarray, optional
        Along what the derivative of forward mode is; drawn if it is not given.
    weights : tuple of ndarray, optional
        What each output is pulled back with; drawn if it is not given.
    """

    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    along: tuple[Array, ...] | None = None
    weights: tuple[Array, ...] | None = None

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """The steps that are given."""
        return tuple(i for i, step in enumerate(self.steps) if step.name == INPUT)

    @property
    def operations(self) -> list[str]:
        """The names of the operations, in their order."""
        return [step.name for step in self.steps if step.name != INPUT]

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The node of each step."""
        nodes: list[Node] = []
        for step in self.steps:
            if step.name == INPUT:
                nodes.append(input_(size=step.parameters["size"]))
            else:
                nodes.append(WORDS[step.name].make(*(nodes[i] for i in step.operands), **step.parameters))
        return tuple(nodes)

    @cached_property
    def values(self) -> list[Node]:
        """The nodes of what is returned."""
        return [self.nodes[i] for i in self.outputs]

    @cached_property
    def sources(self) -> list[Node]:
        """The nodes of the inputs."""
        return [self.nodes[i] for i in self.inputs]

    @cached_property
    def cotangents(self) -> list[NDArray[np.float64]]:
        """What each output is pulled back with."""
        if self.weights is not None:
            return [np.asarray(w, dtype=np.float64) for w in self.weights]
        return [cotangent(node.shape, OF_OUTPUTS + n) for n, node in enumerate(self.values)]

    @cached_property
    def direction(self) -> list[NDArray[np.float64]]:
        """Along what the derivative of forward mode is."""
        if self.along is not None:
            return [np.asarray(v, dtype=np.float64) for v in self.along]
        return [cotangent(node.shape, OF_INPUTS + n) for n, node in enumerate(self.sources)]

    @cached_property
    def reverse(self) -> Plan:
        """The outputs, and the derivatives by the inputs."""
        pulled = pulled_back(self.values, self.sources, [constant(c) for c in self.cotangents])
        return Plan.of([*self.values, *pulled])

    @cached_property
    def forward(self) -> tuple[Plan, list[Node]]:
        """The outputs, and their derivatives along the direction; and the nodes that are to be 0."""
        along, free = pushed_forward(self.values, self.sources, self.direction)
        return Plan.of([*self.values, *along]), free

    def given(self, arrays: Mapping[int, Array]) -> dict[Node, Array]:
        """The inputs by their nodes."""
        return {self.nodes[i]: np.asarray(arrays[i], dtype=np.float64) for i in self.inputs}


def without_unused(steps: Sequence[Step], outputs: Sequence[int]) -> tuple[Program, dict[int, int]]:
    """The program of what the outputs need, and the new number of each step that is left."""
    needed = set(outputs)
    for i in range(len(steps) - 1, -1, -1):
        if i in needed:
            needed.update(steps[i].operands)
    number = {old: new for new, old in enumerate(sorted(needed))}
    left = (steps[i] for i in sorted(needed))
    renamed = tuple(step._replace(operands=tuple(number[j] for j in step.operands)) for step in left)
    return Program(renamed, tuple(number[i] for i in outputs)), number
