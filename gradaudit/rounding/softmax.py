"""How far a correct softmax may be, in every usual form (ROUNDING.md, section 4).

Covered: the maximum subtracted, or log-softmax and its exponential, or exp(x - logsumexp(x)), or the logarithm of the
softmax; differentiated by hand or automatically, the maximum detached from the graph or not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gradaudit.exact.enclosure import Enclosure
from gradaudit.memory import remembered
from gradaudit.rounding.arithmetic import Arithmetic, Array, Offset, or_infinite

#: Relative error of exp and log, in units of u, that a correct program may make.
K = 4


class Rows(NamedTuple):
    """The exact softmax of rows, each rounded once.

    Attributes
    ----------
    x, z : ndarray, shape (..., C)
        Logits, and logits minus the largest of the row.
    p : ndarray, shape (..., C)
        Probabilities.
    log_Z : ndarray, shape (..., 1)
        log sum exp z.
    """

    x: Array
    z: Array
    p: Array
    log_Z: Array


class Errors(NamedTuple):
    """The errors of a softmax by rows; all of shape (..., C).

    Attributes
    ----------
    p, E_p : ndarray
        Probabilities (no less than the smallest normal float64) and their bound.
    E_log : ndarray
        The bound of their logarithms.
    rho : ndarray
        The part of it that is not the inputs' own.
    cap : ndarray
        An upper bound of p and of what is computed for it.
    top : ndarray, bool
        Which entries may be the largest.
    """

    p: Array
    E_p: Array
    E_log: Array
    rho: Array
    cap: Array
    top: Any


@remembered
def rows(x: Enclosure) -> Rows:
    """The softmax of rows, in float64: from hi and lo, so that no digit is lost to an offset that a row shares."""
    with np.errstate(all="ignore"):
        top = x.hi.argmax(axis=-1)[..., None]
        z = x.hi - np.take_along_axis(x.hi, top, -1)
        if x.lo.any():
            z = z + (x.lo - np.take_along_axis(x.lo, top, -1))
        e = np.exp(z)
        Z = e.sum(axis=-1, keepdims=True)
        return Rows(x.hi, z, e / Z, np.log(Z))


def errors(fp: Arithmetic, rows: Rows, E: Array, offset: Offset | None = None) -> Errors:
    """The errors of a softmax whose logits are known to a program within `E` (ROUNDING.md, 4.1 to 4.3)."""
    return _errors(fp, rows, E, offset or fp.offset)


@remembered
def _errors(fp: Arithmetic, rows: Rows, E: Array, offset: Offset) -> Errors:
    with np.errstate(all="ignore"):
        return _evaluated(fp, rows, E, offset)


def _evaluated(fp: Arithmetic, rows: Rows, E: Array, offset: Offset) -> Errors:
    x, log_Z = rows.x, rows.log_Z
    u, k = fp.u, fp.library(K)
    steps = fp.gamma(fp.steps(x.shape[-1]) + 3 * k)
    tiny = float(np.finfo(np.float64).smallest_normal)
    p, z = np.maximum(rows.p, tiny), np.maximum(rows.z, -np.finfo(np.float64).max)
    Emax = E.max(axis=-1, keepdims=True)

    dn, up = _moved(rows, p, z, E, Emax)
    # rounding, relative to p; a maximum without a rival is subtracted from itself: no error
    alone = (z == 0) & (over_rest(np.maximum, z + E, -np.inf) + E < 0)
    d = np.where(alone, 0.0, np.abs(z) + E + Emax)
    log_C = np.log(x.shape[-1])
    el = np.minimum(log_C, log_Z + 2 * Emax)
    q = np.minimum(log_C, (p * np.abs(z)).sum(axis=-1, keepdims=True) + (2 + 2 * log_C) * Emax)
    w = u * (2 * np.abs(x).max(axis=-1, keepdims=True) + np.abs(x))
    lost = {"half": np.minimum(w, np.sqrt(u)), "whole": w, "none": 0.0 * w}[offset]
    rho = u * (2 * d + q + (k + 2) * el) + steps + lost

    cap = np.exp(np.minimum(0.0, z + E + Emax + rho)) * (1 + steps)
    E_p = np.fmin(np.maximum(p * np.expm1(up + rho), -p * np.expm1(-dn - rho)), cap) + 2 * fp.eta
    E_p = or_infinite(np.where(np.isfinite(Emax), E_p, np.inf))
    return Errors(p, E_p, or_infinite(dn + rho + k * u * (d + el)), rho, cap, z + E + Emax >= 0)


def _moved(rows: Rows, p: Array, z: Array, E: Array, Emax: Array) -> tuple[Array, Array]:
    """Log p_c is monotone in every logit: it falls by at most dn, rises by at most up."""
    far = Emax > 1
    with_far, with_near = bool(far.any()), not bool(far.all())
    dn = up = np.zeros_like(p)
    if with_near:
        Q = over_rest(np.add, p, 0.0)
        d1, d2 = np.expm1(E), -np.expm1(-E)
        dn = np.log1p(Q * d1 + (1 + d1) * over_rest(np.add, p * d1, 0.0))
        up = -np.log1p(-(Q * d2 + (1 - d2) * over_rest(np.add, p * d2, 0.0)))
    if with_far:
        log_p = z - rows.log_Z
        dn_far = np.logaddexp(0.0, E + over_rest(np.logaddexp, log_p + E, -np.inf))
        up_far = -np.logaddexp(log_p, over_rest(np.logaddexp, log_p - E, -np.inf) - E)
        dn, up = np.where(far, dn_far, dn), np.where(far, up_far, up)
    return or_infinite(dn), or_infinite(np.maximum(0.0, up))


def over_rest(combine: np.ufunc, A: Array, empty: float) -> Array:
    """`combine` over all the other entries of the row, for each entry; shape of `A`."""
    left, right = np.full_like(A, empty), np.full_like(A, empty)
    if A.shape[-1] > 1:
        combine.accumulate(A[..., :-1], axis=-1, out=left[..., 1:])
        combine.accumulate(A[..., :0:-1], axis=-1, out=right[..., -2::-1])
    return np.asarray(combine(left, right))
