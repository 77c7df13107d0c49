"""The canonical network and its gradients, line by line as they are derived in DERIVATION.md.

``X (N, D)``, ``y (N,)``, ``W1 (D, H)``, ``b1 (H,)``, ``W2 (H, C)``, ``b2 (C,)``; every array is computed in the
dtype of the problem, and every line is stable at any finite logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.reference.problem import WEIGHTS, Gradients, Problem


@dataclass(frozen=True, eq=False)
class Forward:
    """What the forward pass leaves: ``a, h (N, H)``, ``s, p (N, C)`` and ``log_p (N, C)``, the logarithm of p."""

    a: NDArray[Any]
    h: NDArray[Any]
    s: NDArray[Any]
    log_p: NDArray[Any]
    p: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Backward:
    """What the backward pass leaves: derivatives of the loss by s ``(N, C)``, h, a ``(N, H)`` and the parameters."""

    ds: NDArray[Any]
    dh: NDArray[Any]
    da: NDArray[Any]
    dW1: NDArray[Any]
    db1: NDArray[Any]
    dW2: NDArray[Any]
    db2: NDArray[Any]


def forward(problem: Problem) -> Forward:
    """Pre-activations, hidden units, logits and probabilities of each sample."""
    X, W1, b1, W2, b2 = problem.X, problem.W1, problem.b1, problem.W2, problem.b2
    a = X @ W1 + b1
    h = np.maximum(a, 0)
    s = h @ W2 + b2
    z = s - s.max(axis=1, keepdims=True)
    e = np.exp(z)
    Z = e.sum(axis=1, keepdims=True)
    return Forward(a=a, h=h, s=s, log_p=z - np.log(Z), p=e / Z)


def losses(problem: Problem, f: Forward) -> NDArray[Any]:
    """The cross-entropy of each sample, shape (N,)."""
    return -f.log_p[np.arange(problem.shape.N), problem.y]


def data_loss(problem: Problem, losses: NDArray[Any]) -> Any:
    """The mean of the samples' losses, one number."""
    return losses.sum() / problem.shape.N


def penalty(problem: Problem, decayed: Sequence[str] = WEIGHTS) -> Any:
    """`reg` times the squares of the parameters that decay, W1 and W2; one number."""
    return problem.reg * reduce(add, ((getattr(problem, name) ** 2).sum() for name in decayed))


def loss(problem: Problem, f: Forward) -> Any:
    """The mean cross-entropy plus ``reg * (|W1|^2 + |W2|^2)``, one number."""
    return data_loss(problem, losses(problem, f)) + penalty(problem)


def backward(problem: Problem, f: Forward) -> Backward:
    """The derivatives of the loss, from the logits back to the first layer."""
    X, y, W1, W2, reg, N = problem.X, problem.y, problem.W1, problem.W2, problem.reg, problem.shape.N
    onehot = np.zeros_like(f.p)
    onehot[np.arange(N), y] = 1
    ds = (f.p - onehot) / N
    dW2 = f.h.T @ ds + 2 * reg * W2
    db2 = ds.sum(axis=0)
    dh = ds @ W2.T
    da = np.where(f.a > 0, dh, 0)
    dW1 = X.T @ da + 2 * reg * W1
    db1 = da.sum(axis=0)
    return Backward(ds=ds, dh=dh, da=da, dW1=dW1, db1=db1, dW2=dW2, db2=db2)


def gradients(problem: Problem) -> Gradients:
    """The loss and its gradients, in the dtype of the problem.

    Parameters
    ----------
    problem : Problem
        Inputs and parameters.

    Returns
    -------
    Gradients
        Loss of shape () and the derivatives by W1, b1, W2, b2, in the shapes of these.

    References
    ----------
    reference/DERIVATION.md, section 2; the source that it corrects misprints ds without its 1/N (section 4).
    """
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        f = forward(problem)
        b = backward(problem, f)
        return Gradients(loss=np.asarray(loss(problem, f)), W1=b.dW1, b1=b.db1, W2=b.dW2, b2=b.db2)
