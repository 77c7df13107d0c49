"""Whole numbers: floor, ceil, trunc, round and the remainders; steps, whose derivative is 0 where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradaudit.graph import Node
from gradaudit.operations.arithmetic import divide, multiply, subtract
from gradaudit.operations.operation import Operand, Operation, define, no_derivative
from gradaudit.operations.planar import mask_of, unknown
from gradaudit.rounding.arithmetic import Arithmetic, lowest_bits
from gradaudit.rounding.bound import Bound

#: Each never falls where its argument rises.
STEPS: dict[str, Callable[[Any], Any]] = {"floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "round": np.rint}


def _value(A: Any, x: Any, to: str) -> Any:
    """The whole number, where an enclosure leaves but one; else what encloses those at its ends."""
    f, e = STEPS[to], A.enclosure(x)
    exact = (e.lo == 0) & (e.radius == 0)
    below, above = np.nextafter(e.hi + (e.lo - e.radius), -np.inf), np.nextafter(e.hi + (e.lo + e.radius), np.inf)
    low, high = f(np.where(exact, e.hi, below)), f(np.where(exact, e.hi, above))
    known = np.isfinite(low) & np.isfinite(high)
    low, high = np.where(known, low, 0.0), np.where(known, high, 0.0)
    result = A.constant(low)
    if (low != high).any():
        result = A.select(mask_of(low == high), result, A.hull(result, A.constant(high)))
    return result if known.all() else A.select(mask_of(known), result, unknown(A, known.shape))


def _rounding(fp: Arithmetic, value: Any, x: Operand, to: str) -> Bound:
    """Any whole number between those of the least and the greatest that x may be; none but one where x is exact."""
    f, v = STEPS[to], value.hi
    E = np.where(x.E == 0, 0.0, np.maximum(np.abs(f(x.v + x.E) - v), np.abs(f(x.v - x.E) - v)))
    E = np.where(np.isfinite(x.E), E, np.inf)
    return Bound(E + fp.subnormal(np.abs(v)), E == 0, lambda: lowest_bits(v))


step: Operation = define(
    Operation(
        "step",
        shape=lambda x, to: x,  # noqa: ARG005
        value=_value,
        derivative=no_derivative,
        rounding=_rounding,
        algorithms="exact; where rounding decides between whole numbers, any of them",
    )
)


def floor(x: Node) -> Node:
    """The largest whole number that is not above x."""
    return step(x, to="floor")


def remainder(x: Node, n: Node) -> Node:
    """The remainder x - n floor(x / n), of the sign of n; the whole number is a constant."""
    return subtract(x, multiply(n, step(divide(x, n), to="floor")))


def fmod(x: Node, n: Node) -> Node:
    """The remainder x - n trunc(x / n), of the sign of x; the whole number is a constant."""
    return subtract(x, multiply(n, step(divide(x, n), to="trunc")))
