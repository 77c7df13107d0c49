"""Forms of one function that are bounded together: a softmax composed of its parts is the softmax.

Each rule replaces a node by another of the same exact value, whose rounding covers every usual way to compute it.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradaudit.graph import Node, topological_order
from gradaudit.operations.entrywise import divide, exp, log, subtract
from gradaudit.operations.shapes import broadcast, reshape, sum_axis
from gradaudit.operations.softmax import log_softmax, logsumexp, softmax


def recognised(outputs: Sequence[Node]) -> list[Node]:
    """The same outputs, with every known form replaced."""
    new: dict[int, Node] = {}
    for node in topological_order(outputs):
        inputs = tuple(new[id(n)] for n in node.inputs)
        changed = any(a is not b for a, b in zip(inputs, node.inputs, strict=True))
        rebuilt = Node(node.operation, inputs, node.shape, node.parameters, node.line) if changed else node
        new[id(node)] = _replaced(rebuilt)
    return [new[id(node)] for node in outputs]


def _replaced(node: Node) -> Node:
    """A node, or what it is a form of."""
    if node.operation is divide:
        top, bottom = node.inputs
        if top.operation is exp and _is_sum_of(bottom, top):
            return softmax(_unshifted(top.inputs[0]), line=node.line)
    if node.operation is log and node.inputs[0].operation is softmax:
        return log_softmax(node.inputs[0].inputs[0], line=node.line)
    if node.operation is subtract:
        z, shift = node.inputs
        inner = _by_rows(shift)
        if inner is not None and inner.operation is log and inner.inputs[0].operation is sum_axis:
            e = inner.inputs[0].inputs[0]
            if e.operation is exp and e.inputs[0] is z and _is_last(inner.inputs[0]):
                return log_softmax(_unshifted(z), line=node.line)
        if inner is not None and inner.operation is logsumexp and inner.inputs[0] is z:
            return log_softmax(_unshifted(z), line=node.line)
    if node.operation is exp and node.inputs[0].operation is log_softmax:
        return softmax(node.inputs[0].inputs[0], line=node.line)
    return node


def _is_last(node: Node) -> bool:
    """Whether a sum is over the last axis."""
    return bool(node.parameters["axis"] == node.inputs[0].ndim - 1)


def _by_rows(node: Node) -> Node | None:
    """What is repeated along the last axis in a node, one number a row; None if that is not what it is."""
    if node.operation is not broadcast:
        return None
    inner = node.inputs[0]
    if not inner.shape or inner.shape[-1] != 1 or inner.shape[:-1] != node.shape[:-1]:
        return None
    if inner.operation is reshape and inner.inputs[0].shape == inner.shape[:-1]:
        return inner.inputs[0]
    if inner.operation is log and inner.inputs[0].operation is reshape:  # the axis of a sum was kept
        core = inner.inputs[0].inputs[0]
        return log(core) if core.shape == inner.shape[:-1] else None
    return inner if inner.operation in (log, logsumexp, sum_axis) else None


def _is_sum_of(node: Node, terms: Node) -> bool:
    """Whether a node is the sum of the rows of another, repeated along them."""
    inner = _by_rows(node)
    return inner is not None and inner.operation is sum_axis and inner.inputs[0] is terms and _is_last(inner)


def _unshifted(z: Node) -> Node:
    """The argument of a softmax without what was added to or subtracted from whole rows: the softmax is the same."""
    while z.operation is subtract and _whole_rows(z.inputs[1]):
        z = z.inputs[0]
    return z


def _whole_rows(node: Node) -> bool:
    """Whether a node is constant along its last axis."""
    inner = node.inputs[0] if node.operation is broadcast else None
    return inner is not None and (not inner.shape or inner.shape[-1] == 1)
