"""The graph of the gradient, from the operations' derivatives: reverse mode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradaudit.graph import Node, depending, topological_order
from gradaudit.operations.entrywise import add
from gradaudit.operations.shapes import constant, input_


def gradient(output: Node, sources: Sequence[Node], cotangent: Node | None = None) -> list[Node]:
    """The nodes of the derivatives of an output by some of the nodes that it is computed from.

    Parameters
    ----------
    output : Node
        What is differentiated.
    sources : sequence of Node
        By what.
    cotangent : Node, optional
        What the output is pulled back with, of its shape; 1 if it is not given.
    """
    return pulled_back([output], sources, [cotangent or constant(np.ones(output.shape))])


def pulled_back(outputs: Sequence[Node], sources: Sequence[Node], cotangents: Sequence[Node]) -> list[Node]:
    """The derivatives of several outputs, each pulled back with its own cotangent, added up."""
    order = topological_order(outputs)
    involved = depending(order, sources)
    by: dict[int, Node] = {}

    def contribute(node: Node, part: Node | None) -> None:
        if part is not None and id(node) in involved:
            by[id(node)] = add(by[id(node)], part) if id(node) in by else part

    for output, cotangent in zip(outputs, cotangents, strict=True):
        contribute(output, cotangent)
    for node in reversed(order):
        g = by.get(id(node))
        if g is not None and node.inputs:
            for operand, part in zip(node.inputs, node.operation.derivative(node, g), strict=True):
                contribute(operand, part)
    return [by.get(id(source)) or constant(np.zeros(source.shape)) for source in sources]


def pushed_forward(
    outputs: Sequence[Node], sources: Sequence[Node], direction: Sequence[NDArray[np.float64]]
) -> tuple[list[Node], list[Node]]:
    """The derivatives J v of outputs along a direction v, and input nodes that are to be 0.

    J' u is linear in u, and its derivative by u, pulled back with v, is J v, whatever u is.

    References
    ----------
    Townsend, "A new trick for calculating Jacobian vector products", 2017.
    """
    free = [input_(size=node.shape) for node in outputs]
    back = pulled_back(outputs, sources, free)
    return pulled_back(back, free, [constant(v) for v in direction]), free
