"""The network as a graph of the library: its exact values and its bound are readings of that graph.

Only the forward pass is written here; the gradients are the graph's derivative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from gradaudit.certify import LAST_BITS, Certificates, Plan, certify
from gradaudit.derivative import gradient
from gradaudit.exact.enclosure import Enclosure
from gradaudit.graph import Node
from gradaudit.operations.arithmetic import add, divide, multiply
from gradaudit.operations.choices import relu
from gradaudit.operations.cross_entropy import cross_entropy
from gradaudit.operations.powers import sum_of_squares
from gradaudit.operations.products import affine
from gradaudit.operations.shapes import constant, input_, total
from gradaudit.reference.acceptance import PrecisionExhausted
from gradaudit.reference.problem import PARAMETERS, TENSORS, WEIGHTS, Problem, Shape
from gradaudit.rounding.arithmetic import Arithmetic, Offset

Array = NDArray[np.float64]
#: What is between the inputs and the loss, and the derivatives by it.
INTERMEDIATES = ("a", "h", "s", "losses", "ds", "dh", "da")


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
    a = affine(X, W1, b1)
    h = relu(a)
    s = affine(h, W2, b2)
    losses = cross_entropy(s, y)
    data = divide(total(losses), constant(N))
    squares = [sum_of_squares(inputs[name]) for name in decayed]
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
    """The exact values of one problem, with the attributes of `reference.certified.CertifiedValues`."""

    network: Network
    certificates: Certificates

    def __getattr__(self, name: str) -> Array:
        """A, h, s, ds, dh, da or losses, each rounded once."""
        if name not in INTERMEDIATES:
            raise AttributeError(f"the values of a network have no {name!r}; expected one of {INTERMEDIATES}")
        return self.of(name).hi

    def of(self, name: str) -> Enclosure:
        """The enclosure of a node of the network, by its name."""
        enclosure: Enclosure = self.certificates.values[id(self.network.nodes[name])]
        return enclosure

    @cached_property
    def tensors(self) -> dict[str, Enclosure]:
        """The loss and its gradients."""
        return {name: self.of(name) for name in TENSORS}

    @cached_property
    def radii(self) -> dict[str, Array]:
        """Of a, s, ds and dh."""
        return {name: self.of(name).radius for name in ("a", "s", "ds", "dh")}

    @cached_property
    def sign(self) -> NDArray[np.int8]:
        """The sign of each pre-activation."""
        return self.of("a").sign()

    @property
    def precision(self) -> str:
        """At which precision all this was found."""
        return self.certificates.precision


@dataclass(frozen=True, eq=False)
class GraphBound:
    """How far a correct result may lie from the exact one, with the attributes of `reference.rounding.Bound`."""

    network: Network
    certificates: Certificates

    def __getattr__(self, name: str) -> Array:
        """The bound of a, h, s, ds, dh, da or losses."""
        if name not in INTERMEDIATES:
            raise AttributeError(f"the bound of a network has no {name!r}; expected one of {INTERMEDIATES}")
        return self.of(name)

    def of(self, name: str) -> Array:
        """The bound of a node of the network, by its name."""
        E: Array = self.certificates.bounds[id(self.network.nodes[name])].E
        return E

    @cached_property
    def tensors(self) -> dict[str, Array]:
        """The bound of every entry of the loss and its gradients."""
        return {name: self.of(name) for name in TENSORS}

    @cached_property
    def kinks(self) -> NDArray[np.bool_]:
        """Where rounding decides on which side of the ReLU's kink a correct program falls."""
        E = self.of("a")
        value: Enclosure = self.certificates.values[id(self.network.nodes["a"])]
        return np.asarray((np.abs(value.hi) <= E) & (E > 0))

    @cached_property
    def sizes(self) -> dict[str, float]:
        """The natural size of each tensor."""
        return {name: self._size(name) for name in TENSORS}

    @cached_property
    def data_sizes(self) -> dict[str, float]:
        """The same without the regulariser."""
        return {name: self._size(f"data {name}") for name in TENSORS}

    def _size(self, name: str) -> float:
        return float(self.certificates.sizes[id(self.network.nodes[name])].max())

    @property
    def power(self) -> float:
        """The largest bound relative to its tensor's natural size: how small an error is certain to be seen."""
        return max(relative(float(E.max()), self.sizes[name]) for name, E in self.tensors.items())


@dataclass(frozen=True, eq=False)
class GraphAcceptance:
    """A problem, its exact values, and how far a correct result may lie from them; as `reference.acceptance` has it."""

    problem: Problem
    exact: GraphValues
    bound: GraphBound
    decayed: tuple[str, ...] = WEIGHTS

    @lru_cache(maxsize=8)  # noqa: B019 (few, and each is small)
    def bound_allowing(self, offset: Offset) -> GraphBound:
        """The bound with another allowance for an offset common to a sample's logits."""
        return GraphBound(self.bound.network, self.bound.certificates.allowing(offset=offset))


def accept(
    problem: Problem,
    last_bits: int = LAST_BITS,
    arithmetic: Arithmetic | None = None,
    decayed: tuple[str, ...] = WEIGHTS,
) -> GraphAcceptance:
    """Find the exact values of a problem, at the precision that its acceptance bound asks for.

    Parameters
    ----------
    problem : Problem
        Inputs and parameters.
    last_bits : int
        The precision, in bits, beyond which to give up.
    arithmetic : Arithmetic, optional
        What the program computes in, if not in the arithmetic of the problem's dtype.
    decayed : tuple of str
        The parameters that the regulariser covers.

    Returns
    -------
    GraphAcceptance
        Every radius in it is far below its bound.

    Raises
    ------
    PrecisionExhausted
        If that takes more than `last_bits`.
    """
    graph = network(problem.shape, tuple(decayed))
    fp = replace(arithmetic or Arithmetic.of(problem.dtype), strict=True)
    arrays = {node: np.asarray(getattr(problem, name), np.float64) for name, node in graph.inputs.items()}
    certificates = certify(graph.plan, arrays, fp, last_bits)
    if not certificates.sharp:
        raise PrecisionExhausted(f"the exact values of this problem need more than {last_bits} bits")
    return GraphAcceptance(problem, GraphValues(graph, certificates), GraphBound(graph, certificates), tuple(decayed))


def relative(E: float, size: float) -> float:
    """E / size, where nothing out of nothing is 0, and what is not finite counts as infinite."""
    if E == 0:
        return 0.0
    return E / size if np.isfinite(E) and 0 < size < np.inf else float("inf")
