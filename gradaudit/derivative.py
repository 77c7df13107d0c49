"""The graph of the gradient, from the operations' derivatives: reverse mode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradaudit.graph import Node, depending, ordered
from gradaudit.operations.entrywise import add
from gradaudit.operations.shapes import constant


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
    order = ordered([output])
    involved = depending(order, sources)
    by: dict[int, Node] = {id(output): cotangent or constant(np.ones(output.shape))}
    for node in reversed(order):
        g = by.get(id(node))
        if g is None or id(node) not in involved or not node.inputs:
            continue
        parts = node.operation.derivative(node, g)
        for operand, part in zip(node.inputs, parts, strict=True):
            if part is not None and id(operand) in involved:
                by[id(operand)] = add(by[id(operand)], part) if id(operand) in by else part
    return [by.get(id(source)) or constant(np.zeros(source.shape)) for source in sources]
