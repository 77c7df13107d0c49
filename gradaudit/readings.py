"""One graph, several readings: certified values, rounding bounds, natural sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.arithmetic import Arithmetic as Exact
from gradaudit.exact.enclosure import UNKNOWN, Enclosure
from gradaudit.exact.entries import entrywise, every, plus, some
from gradaudit.graph import Node
from gradaudit.operations.operation import Operand
from gradaudit.operations.products import affine, matmul
from gradaudit.operations.shapes import input_
from gradaudit.rounding.arithmetic import Arithmetic

#: A bound is of use where it is at most this part of the natural size of what it bounds.
USEFUL = 2.0**-4
#: A node's value by its id: an enclosure, or an array of signs for a mask.
Values = dict[int, Any]
#: A node's bound by its id; of a mask where rounding decides it.
Bounds = dict[int, Any]
#: A node as an operand, by its id.
Operands = dict[int, Operand]


def values(
    A: Exact[Any], order: Sequence[Node], inputs: Mapping[int, NDArray[Any]], known: tuple[Values, Values] = ({}, {})
) -> Values:
    """The certified values of every node of an order, in an arithmetic; masks as arrays of signs.

    Parameters
    ----------
    A : Arithmetic
        Of `gradaudit.exact`.
    order : sequence of Node
        As `graph.topological_order` gives it.
    inputs : mapping of int to ndarray
        What the input nodes are, by their ids.
    known : tuple of dict and dict
        Values that are known already, in the arithmetic and as enclosures, of nodes that are not in the order.
    """
    with np.errstate(all="ignore"):
        return evaluated(A, order, inputs, known)[1]


def evaluated(
    A: Exact[Any], order: Sequence[Node], inputs: Mapping[int, NDArray[Any]], known: tuple[Values, Values] = ({}, {})
) -> tuple[Values, Values]:
    """The same in the arithmetic itself, and as enclosures."""
    own, read = dict(known[0]), dict(known[1])
    computed: list[int] = []
    for node in order:
        if node.operation is input_:
            own[id(node)], read[id(node)] = A.constant(inputs[id(node)]), Enclosure.exactly(inputs[id(node)])
            continue
        value = node.operation.value(A, *[own[id(n)] for n in node.inputs], **node.parameters)
        own[id(node)] = value
        if node.operation.mask:
            read[id(node)] = value
        else:
            computed.append(id(node))
    read |= zip(computed, A.enclosures([own[n] for n in computed]), strict=True)
    return own, read


def bounds(
    fp: Arithmetic,
    order: Sequence[Node],
    read: Values,
    known: tuple[Bounds, Operands] = ({}, {}),
) -> Bounds:
    """How far a correct program may be, for every node; for a mask, where rounding decides it.

    What is known of nodes that are not in the order, their bounds and as operands, is taken as it is.
    """
    of, operands = dict(known[0]), dict(known[1])
    with np.errstate(all="ignore"):
        for node in order:
            of[id(node)] = _bound(fp, node, read, of, operands)
    return of


def bounds_without_kinks(fp: Arithmetic, order: Sequence[Node], read: Values, known: Bounds) -> Bounds:
    """The bounds, as if a program fell on the exact side of each kink; what no kink reaches is as it is known."""
    of: Bounds = {}
    operands: Operands = {}
    with np.errstate(all="ignore"):
        for node in order:
            own = known[id(node)]
            if node.operation.mask:
                of[id(node)] = np.zeros_like(own) if some(own) else own
            elif node.inputs and any(of[id(n)] is not known[id(n)] for n in node.inputs):
                of[id(node)] = _bound(fp, node, read, of, operands)
            else:
                of[id(node)] = own
    return of


def _bound(fp: Arithmetic, node: Node, read: Values, of: Bounds, operands: Operands) -> Any:
    """The bound of a node; where its value is not known, nor is the bound."""
    value = read[id(node)]
    bound = node.operation.rounding(fp, value, *_operands(node.inputs, read, of, operands), **node.parameters)
    return bound if node.operation.mask or value.is_known else bound.where(value.known)


def operands_of(nodes: Sequence[Node], read: Values, of: Bounds) -> Operands:
    """Nodes as operands."""
    operands: Operands = {}
    _operands(nodes, read, of, operands)
    return operands


def _operands(inputs: Sequence[Node], read: Values, of: Bounds, operands: Operands) -> list[Operand]:
    """The inputs of a node as operands; each is made once."""
    result = []
    for node in inputs:
        n = id(node)
        operand = operands.get(n)
        if operand is None:
            value = read[n]
            operand = operands[n] = Operand(value, of[n], None if node.operation.mask else value.spread)
        result.append(operand)
    return result


def centred(
    A: Exact[Any], fp: Arithmetic, order: Sequence[Node], known: tuple[Values, Values], of: Bounds
) -> tuple[Values, Bounds]:
    """Another reading: where a mask leaves numbers open, they are put in the middle of what they may be.

    The rules hold around any numbers, and a program is as close to those in the middle as it can be to any. What no
    kink reaches is as it is known.

    Parameters
    ----------
    A, fp, order
        The arithmetic of the values, that of the program, and the nodes.
    known : tuple of dict and dict
        The values of all nodes, in the arithmetic and as enclosures.
    of : dict
        Their bounds.

    Returns
    -------
    tuple of dict and dict
        The numbers of every node, as enclosures, and the bounds around them.
    """
    own, read, around = dict(known[0]), dict(known[1]), dict(of)
    operands: Operands = {}
    moved: set[int] = set()
    for node in order:
        n, operation = id(node), node.operation
        open_ = operation.middle is not None and any(some(around[id(m)]) for m in node.inputs if m.operation.mask)
        if any(id(m) in moved for m in node.inputs):
            own[n] = operation.value(A, *[own[id(m)] for m in node.inputs], **node.parameters)
        elif not open_:
            continue
        if open_ and operation.middle is not None:
            mask, middle = operation.middle(*_operands(node.inputs, read, around, operands))
            own[n] = A.select(mask.astype(np.int8), A.constant(middle), own[n])
        read[n] = own[n] if operation.mask else A.enclosure(own[n])
        around[n] = _bound(fp, node, read, around, operands)
        moved.add(n)
    return read, around


def sizes(
    fp: Arithmetic,
    order: Sequence[Node],
    read: Values,
    of: Bounds,
    typical: bool = False,
    known: Mapping[int, NDArray[Any]] = MappingProxyType({}),
    ends: Sequence[Node] | None = None,
) -> dict[int, NDArray[Any]]:
    """The natural size of every node: what it could have been, had nothing cancelled.

    Of a mask its signs, UNKNOWN where rounding decides: there either branch may be taken. The typical size is that of
    terms with random signs, the root of the sum of their squares; and that of the value where the bound is of use: what
    cancelled on the way to it is past, so that depth inflates nothing (ROUNDING.md, section 7). What is known of nodes
    that are not in the order is taken as it is. Where there are ends, only what they need is looked at.
    """
    natural = dict(known)
    needed, useful = _needed(order, ends, read, of) if ends is not None else (None, {})
    for node in order:
        n, value, operation = id(node), read[id(node)], node.operation
        if needed is not None and n not in needed:
            continue
        if operation.mask:
            natural[n] = np.where(of[n], UNKNOWN, value) if some(of[n]) else value
            continue
        v = entrywise(np.abs, value.hi)
        if n in useful and useful[n] is None:
            natural[n] = v
            continue
        parts = [natural[id(m)] for m in node.inputs]
        if operation in (matmul, affine) and not typical and all(_is_exact(m, of) for m in node.inputs):
            natural[n] = np.maximum(of[n].terms.size, v)  # the same product
        elif operation.natural is not None:
            natural[n] = operation.natural(fp, value, parts, **node.parameters)
        elif operation.size is not None and parts:
            if typical:
                parts = [s if m.operation.mask else s * s for m, s in zip(node.inputs, parts, strict=True)]
            size = operation.size(*parts, **node.parameters)
            natural[n] = np.maximum(np.sqrt(size) if typical else size, v)
        else:
            natural[n] = v
        if typical and parts:
            natural[n] = np.where(useful[n] if n in useful else _is_of_use(of[n], value, v), v, natural[n])
    return natural


def _is_of_use(bound: Any, value: Any, v: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a bound is of use."""
    return np.asarray(plus(bound.E, value.spread) <= USEFUL * v)


def _needed(order: Sequence[Node], ends: Sequence[Node], read: Values, of: Bounds) -> tuple[set[int], dict[int, Any]]:
    """The nodes whose typical sizes those of the ends need; and where their bounds are of use, None for everywhere."""
    needed = {id(node) for node in ends}
    useful: dict[int, Any] = {}
    for node in reversed(order):
        n = id(node)
        if n in needed and node.inputs and not node.operation.mask:
            where = _is_of_use(of[n], read[n], entrywise(np.abs, read[n].hi))
            useful[n] = None if every(where) else where
            if useful[n] is not None:
                needed.update(id(m) for m in node.inputs)
    return needed, useful


def _is_exact(node: Node, of: Bounds) -> bool:
    """Whether a program certainly has an input as it is."""
    return node.operation is input_ and not some(of[id(node)].E)
