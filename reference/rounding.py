"""The acceptance bound: how far a *correct* floating-point gradient may lie from the exact one.

Every line follows from the model of arithmetic in ROUNDING.md, whose sections the functions name; nobody types a
tolerance. Capital E is the bound of the error of the letter behind it, entry by entry.
``N`` samples, ``D`` features, ``H`` hidden units, ``C`` classes; shapes as in reference/problem.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradaudit.reference.certified import CertifiedValues
from gradaudit.reference.problem import WEIGHTS, Problem
from gradaudit.rounding.arithmetic import OF_EVALUATION, Arithmetic, Array, Offset, magnitude_product, or_infinite
from gradaudit.rounding.softmax import Rows, errors

#: The bound is of use where it is at most this part of the tensor's natural size.
USEFUL = 2.0**-4


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

    @property
    def resolution(self) -> float:
        """The largest bound relative to its tensor's natural size: how small an error is certain to be seen."""
        return max(_relative(float(E.max()), self.sizes[name]) for name, E in self.tensors.items())


def bound(
    problem: Problem,
    exact: CertifiedValues,
    offset: Offset = "half",
    arithmetic: Arithmetic | None = None,
    decayed: tuple[str, ...] = WEIGHTS,
) -> Bound:
    """The acceptance bound of a problem.

    Parameters
    ----------
    problem : Problem
        Inputs and parameters.
    exact : CertifiedValues
        Their certified values.
    offset : {"half", "whole", "none"}
        How many digits a program may lose to a common offset of the logits.
    arithmetic : Arithmetic, optional
        What the program computes in, if not in the arithmetic of the problem's dtype.
    decayed : tuple of str
        The parameters that the regulariser covers (ROUNDING.md, section 8).

    Returns
    -------
    Bound
        For the loss, its gradients and their intermediates.

    References
    ----------
    reference/ROUNDING.md; Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. (2002), chapter 3.
    """
    with np.errstate(all="ignore"):
        return _bound(arithmetic or Arithmetic.of(problem.dtype), problem, exact, offset, decayed)


def _bound(fp: Arithmetic, problem: Problem, v: CertifiedValues, offset: Offset, decayed: tuple[str, ...]) -> Bound:
    N = problem.shape.N
    X, W1, b1, W2, b2 = (
        np.abs(A.astype(np.float64)) for A in (problem.X, problem.W1, problem.b1, problem.W2, problem.b2)
    )
    # forward (ROUNDING.md, 2 and 3)
    E_a = fp.affine(X, fp.subnormal(X), W1, b1)
    E_h = np.where((v.a > -E_a) | np.isinf(E_a), E_a, 0)
    E_s = fp.affine(v.h, E_h, W2, b2)
    kinks = (np.abs(v.a) <= E_a) & (E_a > 0)
    # softmax and its derivative (4)
    E_ds, E_losses = _softmax_bound(fp, problem, v, E_s, offset)
    # backward (5)
    ds, dh, da = np.abs(v.ds), np.abs(v.dh), np.abs(v.da)
    E_dh, size = fp.transposed_product(ds.T, E_ds.T, W2.T, fp.subnormal(W2).T)
    E_dh = fp.unless_overflow(or_infinite(E_dh), N * size)
    E_da = np.where(kinks, dh + E_dh, np.where(v.sign > 0, E_dh, 0))
    E_dW1, E_db1 = _batch_sums(fp, X, fp.subnormal(X), da, E_da)
    E_dW2, E_db2 = _batch_sums(fp, v.h, E_h, ds, E_ds)
    tensors = {
        "loss": _loss_bound(fp, problem, v, E_losses, decayed),
        "W1": E_dW1,
        "b1": E_db1,
        "W2": E_dW2,
        "b2": E_db2,
    }
    for name in decayed:
        tensors[name] = _regularised(fp, problem.reg, getattr(problem, name), v.tensors[name].hi, tensors[name])
    return Bound(
        tensors={name: or_infinite(E) * OF_EVALUATION for name, E in tensors.items()},
        sizes=_natural_sizes(fp, problem, v, kinks, decayed),
        data_sizes=_natural_sizes(fp, problem, v, kinks, ()),
        a=E_a,
        s=E_s,
        ds=E_ds * OF_EVALUATION,
        dh=E_dh * OF_EVALUATION,
        da=E_da * OF_EVALUATION,
        kinks=kinks,
    )


def _softmax_bound(
    fp: Arithmetic, problem: Problem, v: CertifiedValues, E_s: Array, offset: Offset
) -> tuple[Array, Array]:
    """E_ds (N, C) and the bound of each sample's -log p[i, y_i] (N,); ROUNDING.md, section 4."""
    N, _, _, C = problem.shape
    at_label = _onehot(problem.y, C)
    of = errors(fp, Rows(v.s, v.z, v.p, v.log_Z[:, None]), E_s, offset)
    p, E_p = of.p, of.E_p

    # ds = (p - onehot) / N, and the maximum's own gradient where it is left in the graph (4.4)
    t = np.where(at_label, 1 + p, p)
    reach = p + E_p
    rest = np.where(at_label, 0.0, reach).sum(axis=1, keepdims=True) + np.where(at_label, E_p, 0.0).sum(
        1, keepdims=True
    )
    of_maximum = np.fmin(reach * np.expm1(of.rho), of.cap).sum(axis=1, keepdims=True) + 2 * fp.gamma(C + 5) * rest
    E_ds = (E_p + fp.gamma(8) * (t + E_p) + np.where(of.top, of_maximum, 0.0)) / N + fp.eta

    label = (np.arange(N), problem.y)
    return or_infinite(E_ds), of.E_log[label]


def _batch_sums(fp: Arithmetic, A: Array, E_A: Array, B: Array, E_B: Array) -> tuple[Array, Array]:
    """The bounds of ``A' . B`` and of the sums of the columns of B, which are its products with ones."""
    N = len(A)
    E, size = fp.transposed_product(np.column_stack((A, np.ones(N))), np.column_stack((E_A, np.zeros(N))), B, E_B)
    E = fp.unless_overflow(E, N * size)
    return E[:-1], E[-1]


def _loss_bound(
    fp: Arithmetic, problem: Problem, v: CertifiedValues, E_losses: Array, decayed: tuple[str, ...]
) -> Array:
    """The bound of the loss, shape (); ROUNDING.md, section 6."""
    N, reg = problem.shape.N, problem.reg
    n, S2 = sum(getattr(problem, name).size for name in decayed), _squares(problem, decayed)
    total = (v.losses + E_losses).sum()
    E_d = (fp.gamma(N + 1) * total + E_losses.sum()) / N + 2 * fp.eta
    E_r = fp.gamma(n + 6) * reg * S2 + reg * (2 * n + 2) * fp.eta + 2 * fp.eta + fp.subnormal(np.float64(reg)) * S2
    E = E_d + E_r + fp.gamma(2) * (v.losses.sum() / N + reg * S2 + E_d + E_r)
    return fp.unless_overflow(np.asarray(E), max(S2, total, reg * S2))


def _regularised(fp: Arithmetic, reg: float, W: Array, exact: Array, E: Array) -> Array:
    """The bound of ``data part + 2 reg W`` from the bound E of the data part; ROUNDING.md, section 5."""
    if reg == 0:
        return E
    W = np.abs(W.astype(np.float64))
    r = 2 * reg * W
    data = np.abs(exact) + r
    flushed = 2 * reg * fp.subnormal(W) + 2 * fp.subnormal(np.float64(reg)) * W
    E = E + fp.gamma(4) * r + fp.gamma(2) * (data + E + r) + 2 * fp.eta * (r > 0) + flushed
    return fp.unless_overflow(E, np.maximum(np.maximum(2 * reg, 2 * W), data + r))


def _natural_sizes(
    fp: Arithmetic, problem: Problem, v: CertifiedValues, kinks: NDArray[np.bool_], decayed: tuple[str, ...]
) -> dict[str, float]:
    """The largest entry each tensor could have: the same products of absolute values, with every sample unsettled.

    A probability counts as at least eta / u: below that, underflow takes digits from whatever is computed with it.
    """
    N, _, _, C = problem.shape
    X, W2 = (np.abs(A.astype(np.float64)) for A in (problem.X, problem.W2))
    S_ds = np.maximum(v.p + _onehot(problem.y, C), fp.eta / fp.u) / N
    S_da = np.where((v.sign > 0) | kinks, magnitude_product(S_ds, W2.T), 0)
    sizes = {
        "loss": (1 + v.losses).mean() + problem.reg * _squares(problem, decayed),
        "W1": magnitude_product(X.T, S_da),
        "b1": S_da.sum(axis=0),
        "W2": magnitude_product(v.h.T, S_ds),
        "b2": S_ds.sum(axis=0),
    }
    for name in decayed:
        sizes[name] = sizes[name] + 2 * problem.reg * np.abs(getattr(problem, name).astype(np.float64))
    return {name: float(np.max(size)) for name, size in sizes.items()}


def _squares(problem: Problem, decayed: tuple[str, ...]) -> float:
    """The sum of |P|^2 of the parameters that are regularised."""
    return float(sum((getattr(problem, name).astype(np.float64) ** 2).sum() for name in decayed))


def _onehot(y: NDArray[np.int64], C: int) -> NDArray[np.bool_]:
    """Where a column is its row's label, shape (N, C)."""
    return np.asarray(y[:, None] == np.arange(C))


def _relative(E: float, size: float) -> float:
    """E / size, where nothing out of nothing is 0, and what is not finite counts as infinite."""
    if E == 0:
        return 0.0
    return E / size if np.isfinite(E) and 0 < size < np.inf else float("inf")
