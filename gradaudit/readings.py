"""One graph, several readings: certified values, rounding bounds, natural sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.arithmetic import Arithmetic as Exact
from gradaudit.graph import Node
from gradaudit.operations.operation import Operand
from gradaudit.operations.shapes import input_
from gradaudit.rounding.arithmetic import Arithmetic

#: A node's value by its id: an enclosure, or an array of signs for a mask.
Values = dict[int, Any]


def values(A: Exact[Any], order: Sequence[Node], inputs: Mapping[int, NDArray[Any]]) -> Values:
    """The certified values of every node of an order, in an arithmetic; masks as arrays of signs.

    Parameters
    ----------
    A : Arithmetic
        Of `gradaudit.exact`.
    order : sequence of Node
        As `graph.topological_order` gives it.
    inputs : mapping of int to ndarray
        What the input nodes are, by their ids.
    """
    own: dict[int, Any] = {}
    read: Values = {}
    for node in order:
        if node.operation is input_:
            own[id(node)] = A.constant(inputs[id(node)])
        else:
            operands = (own[id(n)] for n in node.inputs)
            own[id(node)] = node.operation.value(A, *operands, **node.parameters)
        read[id(node)] = own[id(node)] if node.operation.mask else A.enclosure(own[id(node)])
    return read


def bounds(fp: Arithmetic, order: Sequence[Node], read: Values, kinks: bool = True) -> dict[int, Any]:
    """How far a correct program may be, for every node; for a mask, where rounding decides it.

    Where a value is not known, nor is the bound. Without `kinks`, as if a program fell on the exact side of each.
    """
    of: dict[int, Any] = {}
    for node in order:
        operands = (Operand(read[id(n)], of[id(n)]) for n in node.inputs)
        bound = node.operation.rounding(fp, read[id(node)], *operands, **node.parameters)
        if node.operation.mask:
            of[id(node)] = bound if kinks else np.zeros_like(bound)
        else:
            of[id(node)] = bound.where(np.isfinite(read[id(node)].radius))
    return of


def sizes(order: Sequence[Node], read: Values) -> dict[int, NDArray[Any]]:
    """The natural size of every node: what it could have been, had nothing cancelled; of a mask its signs."""
    of: dict[int, NDArray[Any]] = {}
    for node in order:
        value = read[id(node)]
        if node.operation.mask:
            of[id(node)] = value
        elif node.operation.size is None or not node.inputs:
            of[id(node)] = np.abs(value.hi)
        else:
            with np.errstate(all="ignore"):
                size = node.operation.size(*(of[id(n)] for n in node.inputs), **node.parameters)
            of[id(node)] = np.maximum(size, np.abs(value.hi))
    return of
