"""What a wrong array is, compared with the exact one: the exact one with a simple change, or nothing that has a name.

A change is named only if it explains every entry within the entries' own bounds, and if at least two entries tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: An entry tells something where it is so many times its tolerance.
TELLING = 100.0
#: Significands in bits, of the dtypes that a value may have been computed in.
NARROWER = {24: "float32", 11: "float16", 8: "bfloat16"}


def change(got: Array, exact: Array, bound: Array, precision: int = 53) -> str:
    """The change in words; empty if there is none that explains every entry.

    Parameters
    ----------
    got, exact, bound : ndarray, one shape
        What was computed, the exact values, and how far a correct program may be from them.
    precision : int
        How many bits a significand of what was computed can have.
    """
    with np.errstate(all="ignore"):
        if not np.isfinite(got).all():
            count = int((~np.isfinite(got)).sum())
            return f"{count} of {got.size} entries are not finite" if np.isfinite(exact).all() else ""
        if got.size < 2 or not np.isfinite(bound).all() or not (np.isfinite(exact)).all():
            return ""
        if not got.any():
            return "every entry is 0"
        return next(_names(got, exact, bound, precision), "")


def _names(got: Array, exact: Array, bound: Array, precision: int) -> Iterator[str]:
    if _is(got, -exact, bound):
        yield "every entry has the wrong sign"
    for (words, other), (_, own) in zip(_arrangements(exact), _arrangements(bound), strict=True):
        if other.shape == got.shape and _is(got, other, own):
            yield words
    factor = _factor(got, exact, bound)
    if factor is not None:
        yield f"every entry is {factor:.10g} times the exact one"
    narrow = _digits(got, exact, precision)
    if narrow:
        yield f"no entry has more digits than a {narrow} has"


def _is(got: Array, other: Array, bound: Array) -> bool:
    """Whether an array is another one within its bound, in entries that tell."""
    if not (np.abs(got - other) <= bound).all():
        return False
    return int((np.abs(other) > TELLING * bound).sum()) >= 2


def _arrangements(x: Array) -> Iterator[tuple[str, Array]]:
    """An array with its entries elsewhere."""
    if x.ndim == 2:
        yield "it is transposed", x.T
    for axis in range(x.ndim):
        if x.shape[axis] > 2:
            yield f"it is turned round along axis {axis}", np.flip(x, axis)
            yield f"it is shifted by one along axis {axis}", np.roll(x, 1, axis)
            yield f"it is shifted back by one along axis {axis}", np.roll(x, -1, axis)


def _factor(got: Array, exact: Array, bound: Array) -> float | None:
    """The one factor between two arrays."""
    tolerance = bound + np.abs(exact) * 2.0**-52
    n = np.unravel_index(int((np.abs(exact) / np.where(tolerance > 0, tolerance, 1e-300)).argmax()), exact.shape)
    if exact[n] == 0:
        return None
    factor = float(got[n] / exact[n])
    own = float(tolerance[n] / abs(exact[n]))
    tolerance = tolerance * max(1.0, abs(factor)) + np.abs(exact) * own * (1 + abs(factor))
    telling = np.abs(exact) > TELLING * tolerance
    if int(telling.sum()) < 2 or not (np.abs(got - factor * exact) <= tolerance).all():
        return None
    return factor if abs(factor) > TELLING * own else None


def _digits(got: Array, exact: Array, precision: int) -> str:
    """The narrowest dtype that has every entry, if entries are nearly right; empty if all digits are used."""
    if not (np.abs(got - exact) <= 2.0**-5 * np.abs(exact)).all() or int((exact != 0).sum()) < 4:
        return ""
    significands = np.frexp(got)[0]
    for bits in sorted(n for n in NARROWER if n < precision):
        whole: Any = significands * 2.0**bits
        if (whole == np.rint(whole)).all():
            return NARROWER[bits] if not _is_short(exact, bits) else ""
    return ""


def _is_short(exact: Array, bits: int) -> bool:
    """Whether so few bits are enough for the exact values as well."""
    whole = np.frexp(exact)[0] * 2.0**bits
    return bool((whole == np.rint(whole)).all())
