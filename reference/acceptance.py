"""What a correct gradient may be: the exact values, and the bound around them, each sharp enough for the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.certify import LAST_BITS, Certificates, certify
from gradaudit.exact.arithmetic import Arithmetic as Exact
from gradaudit.exact.enclosure import Enclosure
from gradaudit.exact.entries import highest
from gradaudit.graph import Node
from gradaudit.reference.graph import INPUTS, Network, graph
from gradaudit.reference.problem import TENSORS, WEIGHTS, Problem
from gradaudit.rounding.arithmetic import Arithmetic, Array, Offset


class PrecisionExhausted(ArithmeticError):
    """The exact values of a problem were not found sharply enough at the last precision."""


@dataclass(frozen=True, eq=False)
class CertifiedValues:
    """The exact values of one problem.

    Attributes
    ----------
    tensors : dict of str to Enclosure
        loss (), W1 (D, H), b1 (H,), W2 (H, C), b2 (C,): the loss and its gradients.
    a, h, dh, da : Enclosure, shape (N, H)
        Pre-activations, hidden units and the derivatives of the loss by them.
    s, ds : Enclosure, shape (N, C)
        Logits and the derivatives of the loss by them.
    losses : Enclosure, shape (N,)
        The cross-entropy of each sample.
    precision : str
        At which precision all this was found.
    """

    tensors: dict[str, Enclosure]
    a: Enclosure
    h: Enclosure
    s: Enclosure
    losses: Enclosure
    ds: Enclosure
    dh: Enclosure
    da: Enclosure
    precision: str

    @property
    def sign(self) -> NDArray[np.int8]:
        """The sign of each pre-activation: 1, 0 (exactly zero), -1, or UNKNOWN at this precision."""
        return self.a.sign()


@dataclass(frozen=True, eq=False)
class Bound:
    """How far each entry of a correct result may lie from the exact one.

    Attributes
    ----------
    tensors : dict of str to ndarray
        loss (), W1 (D, H), b1 (H,), W2 (H, C), b2 (C,): the bound of every entry, infinite where overflow is possible.
    sizes : dict of str to float
        The natural size of each tensor: its largest entry, had nothing cancelled and were every sample wrong.
    data_sizes : dict of str to float
        The same without the regulariser.
    a, dh, da : ndarray, shape (N, H)
        The bounds of the pre-activations and of the derivatives by hidden units and pre-activations.
    s, ds : ndarray, shape (N, C)
        The bounds of the logits and of the derivatives by them.
    kinks : ndarray, shape (N, H), bool
        Where rounding decides on which side of the ReLU's kink a correct program falls.
    """

    tensors: dict[str, Array]
    sizes: dict[str, float]
    data_sizes: dict[str, float]
    a: Array
    s: Array
    ds: Array
    dh: Array
    da: Array
    kinks: NDArray[np.bool_]

    @cached_property
    def resolution(self) -> float:
        """The largest bound relative to its tensor's natural size: how small an error is certain to be seen."""
        return max(_relative(float(highest(E)), self.sizes[name]) for name, E in self.tensors.items())


@dataclass(frozen=True, eq=False)
class Acceptance:
    """A problem, its exact values, and how far a correct floating-point result may lie from them.

    Attributes
    ----------
    problem : Problem
        Inputs and parameters.
    exact, bound : CertifiedValues, Bound
        Those of the problem.
    network : Network
        The graph that they are of.
    certificates : Certificates
        What they were read from.
    decayed : tuple of str
        The parameters that the regulariser covers.
    """

    problem: Problem
    exact: CertifiedValues
    bound: Bound
    network: Network
    certificates: Certificates
    decayed: tuple[str, ...] = WEIGHTS

    @lru_cache(maxsize=8)  # noqa: B019 (few, and each is small)
    def bound_allowing(self, offset: Offset) -> Bound:
        """The bound with another allowance for an offset common to a sample's logits."""
        return _bound(self.network, self.certificates.allowing(offset=offset))


def accept(
    problem: Problem,
    last_bits: int = LAST_BITS,
    arithmetic: Arithmetic | None = None,
    decayed: tuple[str, ...] = WEIGHTS,
) -> Acceptance:
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
    Acceptance
        Every radius in it is far below its bound.

    Raises
    ------
    PrecisionExhausted
        If that takes more than `last_bits`.
    """
    of, fp, given = _posed(problem, arithmetic, decayed)
    certificates = certify(of.plan, given, fp, last_bits)
    if not certificates.sharp:
        raise PrecisionExhausted(f"the exact values of this problem need more than {last_bits} bits")
    return _acceptance(problem, of, certificates, decayed)


def accept_in(A: Exact[Any], problem: Problem, decayed: tuple[str, ...] = WEIGHTS) -> Acceptance:
    """The same with the values of one arithmetic, however wide its enclosures are.

    Parameters
    ----------
    A : Arithmetic
        Of `gradaudit.exact`.
    problem : Problem
        Inputs and parameters, taken as the exact dyadic numbers that they are.
    decayed : tuple of str
        The parameters that the regulariser covers.

    Raises
    ------
    OutOfRange
        If numbers are too large for the arithmetic.
    """
    of, fp, given = _posed(problem, None, decayed)
    certificates = of.plan.read(A, fp, {id(node): array for node, array in given.items()})
    return _acceptance(problem, of, certificates, decayed)


def _posed(
    problem: Problem, arithmetic: Arithmetic | None, decayed: tuple[str, ...]
) -> tuple[Network, Arithmetic, dict[Node, NDArray[np.float64]]]:
    """The graph, the arithmetic of the program, which is strict at kinks, and the inputs."""
    of = graph(problem.shape, decayed)
    given = {of.inputs[name]: np.asarray(getattr(problem, name), dtype=np.float64) for name in INPUTS}
    return of, _strict(arithmetic or Arithmetic.of(problem.dtype)), given


@lru_cache(maxsize=16)
def _strict(arithmetic: Arithmetic) -> Arithmetic:
    return replace(arithmetic, strict=True)


def _acceptance(problem: Problem, of: Network, certificates: Certificates, decayed: tuple[str, ...]) -> Acceptance:
    at = {name: certificates.values[id(node)] for name, node in of.nodes.items()}
    between = {name: at[name] for name in ("a", "h", "s", "losses", "ds", "dh", "da")}
    exact = CertifiedValues({name: at[name] for name in TENSORS}, **between, precision=certificates.precision)
    return Acceptance(problem, exact, _bound(of, certificates), of, certificates, decayed)


def _bound(of: Network, certificates: Certificates) -> Bound:
    def E(name: str) -> Array:  # noqa: N802 (the derivation's letter)
        bound: Array = certificates.bounds[id(of.nodes[name])].E
        return bound

    def size(name: str) -> float:
        return float(highest(certificates.sizes[id(of.nodes[name])]))

    E_a, a = E("a"), certificates.values[id(of.nodes["a"])].hi
    return Bound(
        tensors={name: certificates.within(id(of.nodes[name])) for name in TENSORS},
        sizes={name: size(name) for name in TENSORS},
        data_sizes={name: size(f"data {name}") for name in TENSORS},
        a=E_a,
        **{name: E(name) for name in ("s", "ds", "dh", "da")},
        kinks=(np.abs(a) <= E_a) & (E_a > 0),
    )


def _relative(E: float, size: float) -> float:
    """E / size, where nothing out of nothing is 0, and what is not finite counts as infinite."""
    if E == 0:
        return 0.0
    return E / size if np.isfinite(E) and 0 < size < np.inf else float("inf")
