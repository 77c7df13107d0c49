"""A function as a list of operations on arrays: what is computed from what.

A graph is its output node: every node holds the nodes that it is computed from. Nodes are never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradaudit.operations.operation import Operation

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Node:
    """One array of a computation.

    Attributes
    ----------
    operation : Operation
        What computes it.
    inputs : tuple of Node
        What it is computed from.
    shape : tuple of int
        Its shape.
    parameters : mapping
        What else the operation needs to know: axes, indices, constants.
    line : str
        Where in the user's code it stands, as FILE:LINE; empty if nowhere.
    """

    operation: Operation
    inputs: tuple[Node, ...] = ()
    shape: Shape = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    line: str = ""

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def on(self, operands: tuple[Node, ...]) -> Node:
        """The same operation on other operands; itself, if they are its own."""
        if all(new is own for new, own in zip(operands, self.inputs, strict=True)):
            return self
        return Node(self.operation, operands, self.shape, self.parameters, self.line)

    def __repr__(self) -> str:
        return f"{self.operation.name}{list(self.shape)}"


def topological_order(outputs: Sequence[Node]) -> list[Node]:
    """Every node that the outputs need, each after those that it is computed from."""
    order: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = [(node, False) for node in reversed(outputs)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((n, False) for n in reversed(node.inputs) if id(n) not in seen)
    return order


def depending(order: Iterable[Node], sources: Sequence[Node]) -> set[int]:
    """The ids of the nodes of an order that depend on one of the sources, the sources among them."""
    members = {id(node) for node in sources}
    for node in order:
        if any(id(n) in members for n in node.inputs):
            members.add(id(node))
    return members
