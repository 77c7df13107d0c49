"""A known mistake: a small change of the canonical network, which is a list of steps in the order of DERIVATION.md.

A mistake replaces some of the steps. The shapes are those of reference/problem.py. Without a replacement the steps
compute the same as reference/network.py, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.adapters.calls import Caller
from gradaudit.adapters.protocol import Inputs
from gradaudit.reference.problem import Gradients

Array = NDArray[Any]
#: The values that a step can use, by name: the inputs, and the results of the steps before it.
Values = SimpleNamespace
Step = Callable[[Any], Any]
#: (X, y, W1, b1, W2, b2, reg) -> (loss, gradients by parameter name).
Implementation = Callable[..., tuple[Any, dict[str, Any]]]


def unshifted_softmax(z: Array, epsilon: float = 0.0) -> Array:
    """Softmax of each row without a shift; `epsilon` is added to the denominator."""
    e = np.exp(z)
    return np.asarray(e / (e.sum(axis=1, keepdims=True) + epsilon))


def unshifted_log_softmax(z: Array) -> Array:
    """Log-softmax of each row without a shift."""
    return np.asarray(z - np.log(np.exp(z).sum(axis=1, keepdims=True)))


def softmax(s: Array) -> Array:
    """Softmax of each row; the maximum of the row is subtracted first."""
    return unshifted_softmax(s - s.max(axis=1, keepdims=True))


def log_softmax(s: Array) -> Array:
    """Log-softmax of each row; the maximum of the row is subtracted first."""
    return unshifted_log_softmax(s - s.max(axis=1, keepdims=True))


def onehot(y: Array, like: Array) -> Array:
    """1 at the label of each row and 0 elsewhere, in the shape and dtype of `like`."""
    rows = np.zeros_like(like)
    rows[np.arange(len(y)), y] = 1
    return rows


#: The canonical network.
STEPS: dict[str, Step] = {
    "X": lambda v: v.X,
    "a": lambda v: v.X @ v.W1 + v.b1,
    "h": lambda v: np.maximum(v.a, 0),
    "s": lambda v: v.h @ v.W2 + v.b2,
    "z": lambda v: v.s - v.s.max(axis=1, keepdims=True),
    "p": lambda v: unshifted_softmax(v.z),
    "log_p": lambda v: unshifted_log_softmax(v.z),
    "onehot": lambda v: onehot(v.y, v.p),
    "data_loss": lambda v: -v.log_p[np.arange(v.N), v.y].sum() / v.N,
    "penalty": lambda v: v.reg * ((v.W1**2).sum() + (v.W2**2).sum()),
    "bias_penalty": lambda v: 0.0 * v.reg,
    "loss": lambda v: v.data_loss + (v.penalty + v.bias_penalty),
    "ds": lambda v: (v.p - v.onehot) / v.N,
    "dh": lambda v: v.ds @ v.W2.T,
    "mask": lambda v: v.a > 0,
    "da": lambda v: np.where(v.mask, v.dh, 0),
    "rW1": lambda v: 2 * v.reg * v.W1,
    "rb1": lambda v: 0.0 * v.reg,
    "rW2": lambda v: 2 * v.reg * v.W2,
    "rb2": lambda v: 0.0 * v.reg,
    "dW1": lambda v: v.X.T @ v.da + v.rW1,
    "db1": lambda v: v.da.sum(axis=0) + v.rb1,
    "dW2": lambda v: v.h.T @ v.ds + v.rW2,
    "db2": lambda v: v.ds.sum(axis=0) + v.rb2,
}


def evaluate(changes: Mapping[str, Step], **inputs: Any) -> tuple[Any, dict[str, Any]]:
    """The loss and its gradients by the canonical steps, of which `changes` replaces some."""
    v = Values(**inputs, N=inputs["X"].shape[0])
    with np.errstate(all="ignore"):
        for name, step in STEPS.items():
            setattr(v, name, changes.get(name, step)(v))
    return v.loss, {"W1": v.dW1, "b1": v.db1, "W2": v.dW2, "b2": v.db2}


@dataclass(frozen=True)
class Mistake:
    """One known mistake.

    Attributes
    ----------
    name, sentence : str
        The name of the mistake, and what is wrong.
    seen : str
        Where it was found.
    instead : str
        The right formula.
    changes : mapping of str to step
        The steps that the mistake replaces.
    signature : callable, optional
        A test of a tensor that recognises the mistake, if its values depend on the order of roundings.
    wrap : callable, optional
        An implementation -> the wrong implementation, if the mistake is not in a step. It is called for every use, so
        that each use has its own state between calls.
    """

    name: str
    sentence: str
    source: str
    formula: str
    changes: Mapping[str, Step] = field(default_factory=dict)
    signature: Callable[[Array], bool] | None = None
    wrap: Callable[[Implementation], Implementation] | None = None

    def implementation(self) -> Implementation:
        """The wrong implementation, with a new state."""

        def compute(
            X: Array, y: Array, W1: Array, b1: Array, W2: Array, b2: Array, reg: float
        ) -> tuple[Any, dict[str, Any]]:
            return evaluate(self.changes, X=X, y=y, W1=W1, b1=b1, W2=W2, b2=b2, reg=reg)

        return self.wrap(compute) if self.wrap else compute

    def caller(self) -> Caller:
        """A caller of the wrong implementation, with a new state."""
        implementation = self.implementation()

        def gradients(inputs: Inputs) -> Gradients:
            loss, grads = implementation(*inputs)
            return Gradients(np.asarray(loss), **grads)

        return Caller(gradients)
