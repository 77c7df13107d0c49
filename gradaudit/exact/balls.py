"""Balls of as many bits as are asked for: the referee, and the last resort.

References
----------
Johansson, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic", IEEE Trans. Comput. 66 (2017).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from operator import sub
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx
from numpy.typing import NDArray

from gradaudit.exact.arithmetic import Arithmetic, Signs
from gradaudit.exact.enclosure import UNKNOWN, UP, Array, Enclosure, U
from gradaudit.exact.entries import every, highest
from gradaudit.exact.functions import Function

Balls_ = NDArray[np.object_]
_TURN = threading.RLock()


@contextmanager
def working(bits: int) -> Iterator[None]:
    """The context in which FLINT computes with so many bits: one for all threads, which take turns."""
    with _TURN, ctx.workprec(bits):
        yield


class Balls(Arithmetic[Balls_]):
    """Arrays of FLINT's `arb`; to be used inside `working(bits)`, or through `precision`."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.name = f"balls of {bits} bits"

    def precision(self) -> AbstractContextManager[Any]:
        """The context in which the arithmetic computes."""
        return working(self.bits)

    def constant(self, values: NDArray[np.floating]) -> Balls_:
        """Floats, which are exact."""
        values = np.asarray(values, dtype=np.float64)
        return _array(list(map(arb, values.ravel().tolist())), values.shape)

    def enclosure(self, a: Balls_) -> Enclosure:
        """The value as hi + lo within a radius."""
        return self.enclosures([a])[0]

    def rounded(self, a: Balls_) -> Array:
        """The value, each entry rounded to a float; 0 where nothing is known."""
        x = _floats(a.ravel().tolist(), a.size).reshape(a.shape)
        return x if highest(np.abs(x)) < np.inf else np.where(np.isfinite(x), x, 0.0)

    def enclosures(self, values: Sequence[Balls_]) -> list[Enclosure]:
        """Those of several values: all of their balls are rounded at once."""
        entries = np.concatenate([a.ravel() for a in values]).tolist() if values else []
        hi, spread = _floats(entries, len(entries)), _floats(map(arb.rad, entries), len(entries))
        known = np.isfinite(hi) & np.isfinite(spread)
        is_known = every(known)
        hi = hi if is_known else np.where(known, hi, 0.0)
        results: list[Enclosure] = []
        last = 0
        for a in values:
            part, shape = slice(last, last := last + a.size), a.shape
            whole = is_known or every(known[part])
            results.append(Rounded(a, hi[part].reshape(shape), spread[part].reshape(shape), whole))
        return results

    def restructure(self, change: Callable[..., Any], *arrays: Balls_) -> Balls_:
        """Entries arranged anew; what was 0 in the arrangement becomes a ball."""
        changed = np.asarray(change(*arrays), dtype=object)
        entries = changed.ravel().tolist()
        if {arb}.issuperset(map(type, entries)):
            return changed
        return _array([x if type(x) is arb else arb(x) for x in entries], changed.shape)

    def shape(self, a: Balls_) -> tuple[int, ...]:
        """The shape of a value."""
        return a.shape

    def add(self, a: Balls_, b: Balls_) -> Balls_:
        """A + b."""
        return np.asarray(a + b, dtype=object)

    def subtract(self, a: Balls_, b: Balls_) -> Balls_:
        """A - b."""
        return np.asarray(a - b, dtype=object)

    def negative(self, a: Balls_) -> Balls_:
        """-a."""
        return np.asarray(-a, dtype=object)

    def multiply(self, a: Balls_, b: Balls_) -> Balls_:
        """A b."""
        return np.asarray(a * b, dtype=object)

    def divide(self, a: Balls_, b: Balls_) -> Balls_:
        """A / b."""
        return np.asarray(a / b, dtype=object)

    def function(self, f: Function, a: Balls_) -> Balls_:
        """f(a)."""
        return _array(list(map(f.ball, a.ravel().tolist())), a.shape)

    def matmul(self, a: Balls_, b: Balls_) -> Balls_:
        """The matrix product."""
        leading = a.shape[:-2]
        n, k, m = *a.shape[-2:], b.shape[-1]
        if not a.size or not b.size:
            return self.constant(np.zeros((*leading, n, m)))
        pairs = zip(a.reshape(-1, n, k).tolist(), b.reshape(-1, k, m).tolist(), strict=True)
        entries = [x for A, B in pairs for x in (arb_mat(A) * arb_mat(B)).entries()]
        return _array(entries, (*leading, n, m))

    def sum(self, a: Balls_, axis: int) -> Balls_:
        """The sum over one axis."""
        total = np.add.reduce(a, axis=axis, initial=arb(0))
        return np.asarray(total, dtype=object)

    def hull(self, a: Balls_, b: Balls_) -> Balls_:
        """An enclosure of both."""
        return _array(list(map(arb.union, a.ravel().tolist(), b.ravel().tolist())), a.shape)

    def sign(self, a: Balls_) -> Signs:
        """1, 0, -1 or UNKNOWN."""
        zero = arb(0)
        signs = (1 if x > zero else -1 if x < zero else 0 if x.is_zero() else UNKNOWN for x in a.ravel().tolist())
        return np.fromiter(signs, np.int8, a.size).reshape(a.shape)


def balls(e: Enclosure) -> list[arb]:
    """An enclosure's entries as balls, row by row."""
    parts = (part.ravel().tolist() for part in (e.hi, e.lo, e.radius))
    return [arb(lo, radius) + hi for hi, lo, radius in zip(*parts, strict=True)]


class Rounded(Enclosure):
    """Balls as pairs of float64 and the radii that are left; `lo` and `radius` are computed when they are asked for.

    What is too large for float64 is not known; its `spread` is finite, since no precision mends that.
    """

    balls: Balls_

    def __init__(self, balls: Balls_, hi: Array, spread: Array, is_known: bool) -> None:
        self.__dict__.update(balls=balls, hi=hi, spread=spread, is_known=is_known)

    def __getattr__(self, name: str) -> Any:
        """`lo`, what rounding to `hi` took away, rounded once; and `radius`, which holds what that took away.

        The difference is rounded itself, to 53 bits or more.
        """
        if name not in ("lo", "radius"):
            raise AttributeError(name)
        rests = list(map(sub, self.balls.ravel().tolist(), self.hi.ravel().tolist()))
        lo = _floats(rests, len(rests)).reshape(self.hi.shape)
        size = np.abs(lo)
        with np.errstate(all="ignore"):
            radius = (self.spread + 2 * U * size) * UP + 2.0**-1073
            if not every(size):
                exact = np.array([x.is_zero() for x in rests], dtype=bool).reshape(self.hi.shape)
                radius = np.where(exact, 0.0, radius)
            if not highest(radius) < np.inf:
                known = np.isfinite(lo + radius)
                lo, radius = np.where(known, lo, 0.0), np.where(known, radius, np.inf)
        self.__dict__["lo"], self.__dict__["radius"] = lo, radius
        return self.__dict__[name]


def enclosed(entries: Iterable[arb], shape: tuple[int, ...]) -> Enclosure:
    """Balls as pairs of float64 and the radii that are left, what rounding the pairs took away in them."""
    return Balls(0).enclosure(_array(list(entries), shape))


def _array(entries: list[Any], shape: tuple[int, ...]) -> Balls_:
    return np.fromiter(entries, object, len(entries)).reshape(shape)


def _floats(numbers: Iterable[Any], count: int) -> Array:
    return np.fromiter(map(float, numbers), np.float64, count)
