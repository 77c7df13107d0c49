"""How far a correct softmax may be, in every usual form (ROUNDING.md, section 4).

Covered: the maximum subtracted, or log-softmax and its exponential, or exp(x - logsumexp(x)), or the logarithm of the
softmax; differentiated by hand or automatically, the maximum detached from the graph or not.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gradaudit.exact.enclosure import NORMAL, Enclosure
from gradaudit.exact.entries import highest, lowest, some
from gradaudit.memory import remembered
from gradaudit.rounding.arithmetic import Arithmetic, Array, Offset, or_infinite

#: No float is lower.
LOWEST = -float(np.finfo(np.float64).max)
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
    z = x.hi - x.hi.max(axis=-1, keepdims=True)
    if some(np.abs(x.lo)):
        z = z + (x.lo - picked(x.lo, x.hi.argmax(axis=-1))[..., None])
    e = np.exp(z)
    Z = e.sum(axis=-1, keepdims=True)
    return Rows(x.hi, z, e / Z, np.log(Z))


def picked(x: Any, columns: Any) -> Any:
    """The entry of one column of each row; columns of the shape (...) for x of the shape (..., C)."""
    return x.reshape(-1)[columns.reshape(-1) + np.arange(0, x.size, x.shape[-1])].reshape(columns.shape)


def errors(fp: Arithmetic, rows: Rows, E: Array, offset: Offset | None = None) -> Errors:
    """The errors of a softmax whose logits are known to a program within `E` (ROUNDING.md, 4.1 to 4.3)."""
    return _errors(fp, rows, E, offset or fp.offset)


@remembered
def _errors(fp: Arithmetic, rows: Rows, E: Array, offset: Offset) -> Errors:
    x, log_Z = rows.x, rows.log_Z
    u, k, log_C = fp.u, fp.library(K), math.log(x.shape[-1])
    library = fp.gamma(fp.steps(x.shape[-1]) + 3 * k)
    p, z = np.maximum(rows.p, NORMAL), np.maximum(rows.z, LOWEST)
    size, high, Emax = np.abs(z), z + E, E.max(axis=-1, keepdims=True)

    dn, up = _moved(rows, p, z, E, Emax)
    # rounding, relative to p; a maximum without a rival is subtracted from itself: no error
    alone = (z == 0) & (over_rest(np.maximum, high, -np.inf) + E < 0)
    d = np.where(alone, 0.0, size + E + Emax)
    el = np.minimum(log_C, log_Z + 2 * Emax)
    q = np.minimum(log_C, (p * size).sum(axis=-1, keepdims=True) + (2 + 2 * log_C) * Emax)
    rho = u * (2 * d + q + (k + 2) * el) + (library + _lost(u, np.abs(x), offset))

    cap = np.exp(np.minimum(0.0, high + Emax + rho)) * (1 + library)
    E_p = np.fmin(np.maximum(p * np.expm1(up + rho), -p * np.expm1(-dn - rho)), cap) + 2 * fp.eta
    E_p = or_infinite(E_p) if highest(Emax) < np.inf else np.where(np.isfinite(Emax), or_infinite(E_p), np.inf)
    return Errors(p, E_p, or_infinite(dn + rho + k * u * (d + el)), rho, cap, high + Emax >= 0)


def _lost(u: float, size: Array, offset: Offset) -> Any:
    """What is lost to an offset that all entries of a row share."""
    if offset == "none":
        return 0.0
    w = u * (2 * size.max(axis=-1, keepdims=True) + size)
    return np.minimum(w, math.sqrt(u)) if offset == "half" else w


def _moved(rows: Rows, p: Array, z: Array, E: Array, Emax: Array) -> tuple[Array, Array]:
    """Log p_c is monotone in every logit: it falls by at most dn, rises by at most up."""
    dn = up = np.zeros(p.shape)
    if lowest(Emax) <= 1:
        d1, d2 = np.expm1(E), -np.expm1(-E)
        Q, of_d1, of_d2 = over_rest(np.add, np.array((p, p * d1, p * d2)), 0.0)
        dn = np.log1p(Q * d1 + (1 + d1) * of_d1)
        up = -np.log1p(-(Q * d2 + (1 - d2) * of_d2))
    if not highest(Emax) <= 1:
        log_p, near = z - rows.log_Z, Emax <= 1
        dn_far = np.logaddexp(0.0, E + over_rest(np.logaddexp, log_p + E, -np.inf))
        up_far = -np.logaddexp(log_p, over_rest(np.logaddexp, log_p - E, -np.inf) - E)
        dn, up = np.where(near, dn, dn_far), np.where(near, up, up_far)
    return or_infinite(dn), or_infinite(np.maximum(0.0, up))


def over_rest(combine: np.ufunc, A: Array, empty: float) -> Array:
    """`combine` over all the other entries of the row, for each entry; shape of `A`."""
    left, right = np.empty(A.shape), np.empty(A.shape)
    left[..., :1] = right[..., -1:] = empty
    if A.shape[-1] > 1:
        combine.accumulate(A[..., :-1], axis=-1, out=left[..., 1:])
        combine.accumulate(A[..., :0:-1], axis=-1, out=right[..., -2::-1])
    return np.asarray(combine(left, right))
