"""Certified values of the network and its gradients, by ball arithmetic.

The inputs are floats, hence exact; section 2 of DERIVATION.md is evaluated on balls (FLINT's ``arb``), so that every
result is a rigorous enclosure. A result leaves as ``hi + lo``, a pair of float64 (about 106 bits), with the radius
that was left. Nothing is rounded on the way but by the ball arithmetic itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx
from numpy.typing import NDArray

from gradaudit.exact.arithmetic import OutOfRange
from gradaudit.exact.enclosure import UP, Enclosure, U
from gradaudit.exact.splitting import MORE_SLICES, split_product, times
from gradaudit.reference.problem import FLOATS, WEIGHTS, Problem

#: The precision of exponentials and logarithms between products of float64, in bits.
SPLITTING_BITS = 106
#: More than rounding a number and a radius to float64 may lose by underflow.
SMALLEST = 2.0**-1073


@dataclass(frozen=True, eq=False)
class CertifiedValues:
    """The exact values of one problem.

    Attributes
    ----------
    tensors : dict of str to Enclosure
        loss (), W1 (D, H), b1 (H,), W2 (H, C), b2 (C,): the loss and its gradients.
    a, h, dh, da : ndarray, shape (N, H), float64
        Pre-activations, hidden units and the derivatives of the loss by them, each rounded once.
    sign : ndarray, shape (N, H), int8
        The sign of `a`, decided on the balls: 1, 0 (exactly zero) or -1.
    s, z, p, ds : ndarray, shape (N, C), float64
        Logits, logits minus their maximum, probabilities, derivatives of the loss by the logits, each rounded once.
    log_Z, losses : ndarray, shape (N,), float64
        log sum exp z, and -log p[i, y_i], each rounded once.
    radii : dict of str to ndarray
        Of a, s, ds and dh: how far the exact one may be from what was rounded.
    bits : int
        The precision at which all this was found, in bits.
    """

    tensors: dict[str, Enclosure]
    a: NDArray[np.float64]
    sign: NDArray[np.int8]
    h: NDArray[np.float64]
    s: NDArray[np.float64]
    z: NDArray[np.float64]
    p: NDArray[np.float64]
    log_Z: NDArray[np.float64]
    losses: NDArray[np.float64]
    ds: NDArray[np.float64]
    dh: NDArray[np.float64]
    da: NDArray[np.float64]
    radii: dict[str, NDArray[np.float64]]
    bits: int


def certify(problem: Problem, bits: int, decayed: tuple[str, ...] = WEIGHTS) -> CertifiedValues | None:
    """Enclose the loss, its gradients and their intermediates.

    Parameters
    ----------
    problem : Problem
        Inputs and parameters, taken as the exact dyadic numbers that they are.
    bits : int
        Working precision in bits.
    decayed : tuple of str
        The parameters whose squares the loss holds, times reg.

    Returns
    -------
    CertifiedValues or None
        None where this precision leaves the sign of some pre-activation undecided.

    References
    ----------
    Johansson, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic", IEEE Trans. Comput. 66 (2017).
    """
    with ctx.workprec(bits):
        return _certify(problem, bits, decayed)


def _certify(problem: Problem, bits: int, decayed: tuple[str, ...]) -> CertifiedValues | None:
    N, _, H, C = problem.shape
    X, W1, W2 = (arb_mat(M.tolist()) for M in (problem.X, problem.W1, problem.W2))
    a = X * W1 + arb_mat([problem.b1.tolist()] * N)
    balls = a.entries()
    signs = [_sign(ball) for ball in balls]
    if None in signs:
        return None
    zero = arb(0)
    h = arb_mat(N, H, [ball if sign > 0 else zero for ball, sign in zip(balls, signs, strict=True)])
    s = h * W2 + arb_mat([problem.b2.tolist()] * N)

    s_balls = s.entries()
    s_rounded = _rounded(s_balls, (N, C))
    z, p, ds, log_Z, losses = _softmax(s_balls, s_rounded, problem.y)
    ds_mat = arb_mat(N, C, ds)
    dh = ds_mat * W2.transpose()
    dh_balls = dh.entries()
    da = arb_mat(N, H, [ball if sign > 0 else zero for ball, sign in zip(dh_balls, signs, strict=True)])
    reg, ones = arb(problem.reg), arb_mat([[1] * N])
    gradients = {"W1": X.transpose() * da, "b1": ones * da, "W2": h.transpose() * ds_mat, "b2": ones * ds_mat}
    P = {"W1": W1, "b1": arb_mat([problem.b1.tolist()]), "W2": W2, "b2": arb_mat([problem.b2.tolist()])}
    gradients |= {name: gradients[name] + P[name] * (2 * reg) for name in decayed}
    weights = [weight for name in decayed for weight in P[name].entries()]
    squares = (arb_mat([weights]) * arb_mat([[w] for w in weights]))[0, 0]
    loss = sum(losses, zero) / N + reg * squares

    sign = np.array(signs, dtype=np.int8).reshape(N, H)
    a_rounded, dh_rounded = _rounded(balls, (N, H)), _rounded(dh_balls, (N, H))
    return CertifiedValues(
        tensors={
            "loss": _enclosure([loss], ()),
            **{name: _enclosure(dP.entries(), getattr(problem, name).shape) for name, dP in gradients.items()},
        },
        a=a_rounded,
        sign=sign,
        h=np.where(sign > 0, a_rounded, 0.0),
        s=s_rounded,
        z=_rounded(z, (N, C)),
        p=_rounded(p, (N, C)),
        log_Z=_rounded(log_Z, (N,)),
        losses=_rounded(losses, (N,)),
        ds=_rounded(ds, (N, C)),
        dh=dh_rounded,
        da=np.where(sign > 0, dh_rounded, 0.0),
        radii={
            "a": _radii(balls, (N, H)),
            "s": _radii(s_balls, (N, C)),
            "ds": _radii(ds, (N, C)),
            "dh": _radii(dh_balls, (N, H)),
        },
        bits=bits,
    )


def certify_by_splitting(problem: Problem, decayed: tuple[str, ...] = WEIGHTS) -> CertifiedValues | None:
    """Enclose the same by products that BLAS computes exactly: for large problems far quicker, and less sharp.

    Exponentials and logarithms are ball arithmetic here too.

    Parameters
    ----------
    problem : Problem
        Inputs and parameters, taken as the exact dyadic numbers that they are.
    decayed : tuple of str
        The parameters whose squares the loss holds, times reg.

    Returns
    -------
    CertifiedValues or None
        None where this leaves the sign of some pre-activation undecided, or numbers are too large or small for it.
    """
    try:
        with ctx.workprec(SPLITTING_BITS), np.errstate(under="ignore"):
            return _certify_by_splitting(problem, decayed)
    except OutOfRange:
        return None


def _certify_by_splitting(problem: Problem, decayed: tuple[str, ...]) -> CertifiedValues | None:
    N, _, _, C = problem.shape
    X, W1, b1, W2, b2 = (Enclosure.exactly(getattr(problem, name)) for name in FLOATS)
    a = split_product(X, W1, MORE_SLICES) + b1
    sign = np.where(np.abs(a.hi) > (np.abs(a.lo) + a.radius) * UP, np.sign(a.hi), 0).astype(np.int8)
    if ((sign == 0) & ((a.hi != 0) | (a.lo != 0) | (a.radius != 0))).any():
        return None
    h = a.where(sign > 0)
    s = split_product(h, W2) + b2
    z, p, ds_balls, log_Z, losses = _softmax(_balls(s), s.hi, problem.y)
    e = _enclosure(ds_balls, (N, C))
    ds = Enclosure(e.hi, e.lo, e.radius)
    dh = split_product(ds, W2.transposed())
    da = dh.where(sign > 0)
    weights = Enclosure.exactly(np.concatenate([getattr(problem, name).ravel() for name in decayed])[None, :])
    (squares,) = _balls(split_product(weights, weights.transposed(), MORE_SLICES))
    loss = sum(losses, arb(0)) / N + arb(problem.reg) * squares
    dW1, db1 = split_product(X.with_ones().transposed(), da).without_last_row()
    dW2, db2 = split_product(h.with_ones().transposed(), ds, MORE_SLICES).without_last_row()
    tensors = {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
    tensors |= {name: tensors[name] + times(getattr(problem, name), 2 * problem.reg) for name in decayed}
    return CertifiedValues(
        tensors={
            "loss": _enclosure([loss], ()),
            **{name: Enclosure(known.hi, known.lo, known.radius) for name, known in tensors.items()},
        },
        a=a.hi,
        sign=sign,
        h=h.hi,
        s=s.hi,
        z=_rounded(z, (N, C)),
        p=_rounded(p, (N, C)),
        log_Z=_rounded(log_Z, (N,)),
        losses=_rounded(losses, (N,)),
        ds=ds.hi,
        dh=dh.hi,
        da=da.hi,
        radii={"a": a.radius, "s": s.radius, "ds": ds.radius, "dh": dh.radius},
        bits=SPLITTING_BITS,
    )


def _balls(A: Enclosure) -> list[arb]:
    """Numbers as balls, row by row."""
    parts = (part.ravel().tolist() for part in (A.hi, A.lo, A.radius))
    return [arb(lo, radius) + hi for hi, lo, radius in zip(*parts, strict=True)]


def _softmax(
    s: list[arb], s_rounded: NDArray[np.float64], y: NDArray[np.int64]
) -> tuple[list[arb], list[arb], list[arb], list[arb], list[arb]]:
    """z, p and ds (row by row), log Z and -log p[i, y_i] (one a row) of the logits `s`.

    At a label with the largest logit, ``p - 1`` is minus the sum of the other p: nothing is lost when p is close to 1.
    """
    N, C = s_rounded.shape
    z: list[arb] = []
    p: list[arb] = []
    ds: list[arb] = []
    log_Z: list[arb] = []
    losses: list[arb] = []
    zero, first = arb(0), arb(1)
    for i, (top, label) in enumerate(zip(s_rounded.argmax(axis=1).tolist(), y.tolist(), strict=True)):
        row = s[i * C : (i + 1) * C]
        z_row = [ball - row[top] for ball in row]
        z_row[top] = zero
        e = [ball.exp() for ball in z_row]
        e[top] = first
        rest = sum(e[:top] + e[top + 1 :], zero)
        Z = rest + first
        p_row = [ball / Z for ball in e]
        ds_row = [ball / N for ball in p_row]
        ds_row[label] = (-rest / Z if label == top else p_row[label] - 1) / N
        z += z_row
        p += p_row
        ds += ds_row
        log_Z.append(rest.log1p())
        losses.append(log_Z[-1] - z_row[label])
    return z, p, ds, log_Z, losses


def _sign(ball: arb) -> Any:
    """1, 0 or -1 where the ball decides it, else None."""
    if ball > 0:
        return 1
    if ball < 0:
        return -1
    return 0 if ball.is_zero() else None


def _rounded(balls: Iterable[arb], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The midpoints, each rounded once to float64."""
    return np.array([float(ball) for ball in balls], dtype=np.float64).reshape(shape)


def _radii(balls: Iterable[arb], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The radii of the balls."""
    return np.array([float(ball.rad()) for ball in balls], dtype=np.float64).reshape(shape)


def _enclosure(balls: list[arb], shape: tuple[int, ...]) -> Enclosure:
    """The balls as pairs of float64 and the radii that are left, what rounding the pairs took away in them."""
    hi = [float(ball) for ball in balls]
    rests = [ball - value for ball, value in zip(balls, hi, strict=True)]
    lo = np.array([float(rest) for rest in rests])
    inexact = np.array([not rest.is_zero() for rest in rests])
    radius = np.where(inexact, (_radii(rests, lo.shape) + 2 * U * np.abs(lo)) * UP + SMALLEST, 0.0)
    return Enclosure(*(np.asarray(part).reshape(shape) for part in (hi, lo, radius)))
