"""The network as a graph of the library: its exact values and its bound are readings of that graph.

Only the forward pass is written here; the gradients are the graph's derivative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from gradaudit.certify import Certificates, Plan
from gradaudit.derivative import gradient
from gradaudit.exact.enclosure import Enclosure
from gradaudit.graph import Node
from gradaudit.operations.choices import relu
from gradaudit.operations.cross_entropy import cross_entropy
from gradaudit.operations.entrywise import add, divide, multiply, square
from gradaudit.operations.products import affine
from gradaudit.operations.shapes import broadcast, constant, input_, total
from reference.problem import PARAMETERS, TENSORS, WEIGHTS, Shape

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Network:
    """The graph of one shape.

    Attributes
    ----------
    inputs : mapping of str to Node
        X, y, W1, b1, W2, b2, reg.
    nodes : mapping of str to Node
        The loss and its derivatives by the names of TENSORS; a, h, s, ds, dh, da, losses; `data loss`, `data W1` and
        so on, which are the same without the regulariser.
    plan : Plan
        All of them, ready to be certified.
    """

    inputs: Mapping[str, Node]
    nodes: Mapping[str, Node]
    plan: Plan


@lru_cache(maxsize=256)
def network(shape: Shape, decayed: tuple[str, ...] = WEIGHTS) -> Network:
    """The graph of the network of a shape, and of its gradients.

    Parameters
    ----------
    shape : Shape
        Samples, features, hidden units, classes.
    decayed : tuple of str
        The parameters that the regulariser covers.
    """
    N, D, H, C = shape
    sizes = {"X": (N, D), "y": (N,), "W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,), "reg": ()}
    inputs = {name: input_(size=size) for name, size in sizes.items()}
    X, y, W1, b1, W2, b2, reg = inputs.values()
    a = affine(X, W1, broadcast(b1, to=(N, H)))
    h = relu(a)
    s = affine(h, W2, broadcast(b2, to=(N, C)))
    losses = cross_entropy(s, y)
    data = divide(total(losses), constant(N))
    squares = [total(square(inputs[name])) for name in decayed]
    loss = data
    if squares:
        whole = squares[0]
        for other in squares[1:]:
            whole = add(whole, other)
        loss = add(data, multiply(reg, whole))
    parameters = [inputs[name] for name in PARAMETERS]
    nodes = {"loss": loss, "data loss": data, "losses": losses, "a": a, "h": h, "s": s}
    nodes |= zip(PARAMETERS, gradient(loss, parameters), strict=True)
    by = gradient(data, [*parameters, s, h, a])
    nodes |= zip([*(f"data {name}" for name in PARAMETERS), "ds", "dh", "da"], by, strict=True)
    plan = Plan.of(list(nodes.values()))
    return Network(inputs, dict(zip(nodes, plan.outputs, strict=True)), plan)


@dataclass(frozen=True, eq=False)
class GraphValues:
    """The exact values of one problem; the attributes of `reference.certified.CertifiedValues`."""

    network: Network
    certificates: Certificates

    def of(self, name: str) -> Enclosure:
        """The enclosure of a node of the network."""
        enclosure: Enclosure = self.certificates.values[id(self.network.nodes[name])]
        return enclosure

    @cached_property
    def tensors(self) -> dict[str, Enclosure]:
        return {name: self.of(name) for name in TENSORS}
