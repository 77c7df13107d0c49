"""The network as a graph of the library: network.py's forward pass, recorded, and its derivative.

Only the forward pass is written down; exact values, bounds and natural sizes are readings of this graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from gradaudit.certify import Plan
from gradaudit.derivative import gradient
from gradaudit.graph import Node, topological_order
from gradaudit.numpy import Recorded
from gradaudit.operations.cross_entropy import cross_entropy
from gradaudit.operations.entrywise import add
from gradaudit.operations.shapes import input_
from gradaudit.patterns import recognised
from gradaudit.reference import network
from gradaudit.reference.problem import FLOATS, PARAMETERS, TENSORS, WEIGHTS, Shape


@dataclass(frozen=True, eq=False)
class Network:
    """The graph of one shape.

    Attributes
    ----------
    inputs : mapping of str to Node
        X, W1, b1, W2, b2, reg and the labels y.
    nodes : mapping of str to Node
        loss, W1, b1, W2, b2: the loss and its derivatives; a, h, s, losses, ds, dh, da; data loss, data W1 and so on,
        which are the same without the regulariser.
    plan : Plan
        All of them, ready to be certified.
    """

    inputs: Mapping[str, Node]
    nodes: Mapping[str, Node]
    plan: Plan


@lru_cache(maxsize=256)
def graph(shape: Shape, decayed: tuple[str, ...] = WEIGHTS) -> Network:
    """The graph of the network of a shape, and of its gradients.

    Parameters
    ----------
    shape : Shape
        Samples, features, hidden units, classes.
    decayed : tuple of str
        The parameters that the regulariser covers.
    """
    N, D, H, C = shape
    sizes: dict[str, tuple[int, ...]] = {"X": (N, D), "W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,), "reg": ()}
    inputs = {name: input_(size=size) for name, size in sizes.items()}
    arrays = {name: Recorded(node) for name, node in inputs.items()}
    posed: Any = SimpleNamespace(**arrays, y=np.zeros(N, dtype=np.int64), shape=shape)
    f = network.forward(posed)
    losses = network.losses(posed, f)
    results: dict[str, Any] = {
        "losses": losses,
        "data loss": network.data_loss(posed, losses),
        "a": f.a,
        "h": f.h,
        "s": f.s,
    }
    if decayed:
        results["penalty"] = network.penalty(posed, decayed)
    inputs["y"] = input_(size=(N,))
    outputs = _labelled(recognised([r.node for r in results.values()]), inputs["y"])
    nodes = dict(zip(results, outputs, strict=True))
    by = gradient(nodes["data loss"], [*(inputs[name] for name in PARAMETERS), nodes["s"], nodes["h"], nodes["a"]])
    nodes |= zip([*(f"data {name}" for name in PARAMETERS), "ds", "dh", "da"], by, strict=True)
    nodes |= {name: nodes[f"data {name}"] for name in TENSORS}
    if decayed:
        nodes["loss"] = add(nodes["data loss"], nodes["penalty"])
        of_penalty = gradient(nodes["penalty"], [inputs[name] for name in decayed])
        nodes |= {name: add(nodes[name], by) for name, by in zip(decayed, of_penalty, strict=True)}
    plan = Plan.of(list(nodes.values()))
    return Network(inputs, dict(zip(nodes, plan.outputs, strict=True)), plan)


def _labelled(outputs: Sequence[Node], labels: Node) -> list[Node]:
    """The same outputs, with the labels of the cross-entropy an input: one graph serves any labels."""
    new: dict[int, Node] = {}
    for node in topological_order(outputs):
        inputs = [new[id(n)] for n in node.inputs]
        if node.operation is cross_entropy:
            inputs[1] = labels
        new[id(node)] = node.on(tuple(inputs))
    return [new[id(node)] for node in outputs]


#: What an acceptance takes of a problem, by the names of a network's inputs.
INPUTS = (*FLOATS, "reg", "y")
