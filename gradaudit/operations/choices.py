"""Comparisons and what is chosen by them: kinks, ties, masks."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.enclosure import UNKNOWN, Enclosure, U
from gradaudit.exact.entries import every, highest
from gradaudit.graph import Node
from gradaudit.memory import remembered
from gradaudit.operations.entrywise import negative
from gradaudit.operations.operation import Operand, Operation, define, no_derivative, same
from gradaudit.operations.shapes import constant
from gradaudit.rounding.arithmetic import OF_EVALUATION, Arithmetic
from gradaudit.rounding.bound import FINEST, Bound

Signs = NDArray[np.int8]


def mask_of(sign: Signs, truth: dict[int, int]) -> Signs:
    """1 where a comparison holds, 0 where it does not, UNKNOWN where nothing is decided."""
    return _table(truth[0], truth[1], truth[-1])[sign]


@lru_cache(maxsize=16)
def _table(zero: int, positive: int, negative: int) -> Signs:
    return np.array([zero, positive, UNKNOWN, negative], dtype=np.int8)  # UNKNOWN is 2, and -1 the last


@remembered
def _compared(A: Any, x: Any, y: Any) -> Signs:
    """The sign of x - y."""
    signs: Signs = A.sign(A.subtract(x, y))
    return signs


def _unsure(fp: Arithmetic, value: Signs, x: Operand, y: Operand) -> Any:
    """Where rounding decides, or a tie stands on the kink itself (unless the side is prescribed there)."""
    E = x.E + y.E
    rest = 2 * U * (x.size + y.size)  # v is rounded itself
    apart = np.abs(x.v - y.v) > E * OF_EVALUATION + rest
    if every(apart):
        return value == UNKNOWN
    return ~(apart | (E == 0) & ((x.v != y.v) | fp.strict)) | (value == UNKNOWN)


def ends(x: Operand) -> tuple[Any, Any]:
    """What an operand certainly is not below, nor above; v is rounded itself, and so are these numbers."""
    E = x.E + np.where(x.E > 0, x.E * (OF_EVALUATION - 1) + 2 * U * x.reach, 0.0)
    return x.v - E, x.v + E


def _comparison(name: str, truth: dict[int, int]) -> Operation:
    return define(
        Operation(
            name,
            shape=same,
            value=lambda A, x, y: mask_of(_compared(A, x, y), truth),
            derivative=no_derivative,
            rounding=_unsure,
            mask=True,
        )
    )


greater: Operation = _comparison("greater", {1: 1, 0: 0, -1: 0})
greater_equal: Operation = _comparison("greater_equal", {1: 1, 0: 1, -1: 0})
equal: Operation = _comparison("equal", {1: 0, 0: 1, -1: 0})


def _not(mask: Signs) -> Signs:
    return np.where(mask == UNKNOWN, UNKNOWN, 1 - mask).astype(np.int8)


def both_of(mask: Signs, other: Signs) -> Signs:
    """Where both masks hold."""
    both = np.where((mask == 1) & (other == 1), 1, UNKNOWN)
    return np.where((mask == 0) | (other == 0), 0, both).astype(np.int8)


def _certainly_false(mask: Operand) -> Any:
    return (mask.value == 0) & ~mask.bound


opposite: Operation = define(
    Operation(
        "opposite",
        shape=same,
        value=lambda A, mask: _not(mask),  # noqa: ARG005
        derivative=no_derivative,
        rounding=lambda fp, value, mask: mask.bound,  # noqa: ARG005
        mask=True,
    )
)
both: Operation = define(
    Operation(
        "both",
        shape=same,
        value=lambda A, mask, other: both_of(mask, other),  # noqa: ARG005
        derivative=no_derivative,
        rounding=lambda fp, value, mask, other: (  # noqa: ARG005
            (mask.bound | other.bound) & ~_certainly_false(mask) & ~_certainly_false(other)
        ),
        mask=True,
    )
)


def either(mask: Node, other: Node) -> Node:
    """Where one mask holds or the other."""
    return opposite(both(opposite(mask), opposite(other)))


def _where_rounding(fp: Arithmetic, value: Any, mask: Operand, x: Operand, y: Operand) -> Bound:  # noqa: ARG001
    """Where the mask is not certain, either branch is right, and what lies between them."""
    chosen, late = mask.value == 1, max(x.bound.late, y.bound.late)
    certain = ~mask.bound
    E = np.where(chosen, x.E, y.E)
    if not every(certain):
        either = np.maximum(*(np.abs((b.v - value.hi) + (b.value.lo - value.lo)) + b.E for b in (x, y)))
        E = np.where(certain, E, either * (1 + 1e-6))
    if x.bound.rough and y.bound.rough:
        return Bound(E, late=late)
    pure = np.where(chosen, x.bound.pure, y.bound.pure) & certain
    return Bound(E, pure, lambda: np.where(chosen, x.bound.grid, y.bound.grid), late=late)


def _between(mask: Operand, x: Operand, y: Operand) -> tuple[Any, Any]:
    """Where the mask is not certain, the middle of all that either branch may be."""
    middle = 0.5 * np.minimum(x.v - x.E, y.v - y.E) + 0.5 * np.maximum(x.v + x.E, y.v + y.E)
    finite = np.isfinite(middle)
    return mask.bound & finite, np.where(finite, middle, 0.0)


def _masked_rounding(fp: Arithmetic, value: Any, mask: Operand, x: Operand) -> Bound:  # noqa: ARG001
    """As where with zeros; but a program may multiply by ones and zeros, and of 0 times infinity nothing is known."""
    chosen, certain = mask.value == 1, ~mask.bound
    E = np.where(chosen, x.E, 0.0)
    if not every(certain):
        either = np.maximum(np.abs((x.v - value.hi) + (x.value.lo - value.lo)) + x.E, np.abs(value.hi + value.lo))
        E = np.where(certain, E, either * (1 + 1e-6))
    pure = (x.bound.pure | ~chosen) & certain
    bound = Bound(E, pure, lambda: np.where(chosen, x.bound.grid, FINEST), late=x.bound.late)
    return bound if highest(x.E) < np.inf else bound.where(np.isfinite(x.E))


def _between_zero(mask: Operand, x: Operand) -> tuple[Any, Any]:
    middle = 0.5 * np.minimum(x.v - x.E, 0) + 0.5 * np.maximum(x.v + x.E, 0)
    finite = np.isfinite(middle)
    return mask.bound & finite, np.where(finite, middle, 0.0)


masked: Operation = define(
    Operation(
        "masked",
        shape=same,
        value=lambda A, mask, x: A.select(mask, x, A.constant(np.zeros(()))),
        derivative=lambda node, g: [None, masked(node.inputs[0], g)],
        rounding=_masked_rounding,
        size=lambda mask, x: np.where(mask == 0, 0.0, x),
        middle=_between_zero,
        algorithms="a choice, or a product with ones and zeros",
    )
)
where: Operation = define(
    Operation(
        "where",
        shape=same,
        value=lambda A, mask, x, y: A.select(mask, x, y),
        derivative=lambda node, g: [
            None,
            where(node.inputs[0], g, constant(np.zeros(g.shape))),
            where(node.inputs[0], constant(np.zeros(g.shape)), g),
        ],
        rounding=_where_rounding,
        size=lambda mask, x, y: np.where(mask == 1, x, np.where(mask == 0, y, np.maximum(x, y))),
        middle=_between,
    )
)


def maximum_value(A: Any, x: Any, y: Any) -> Any:
    """The larger of two, entry by entry."""
    return A.select(mask_of(_compared(A, x, y), {1: 1, 0: 1, -1: 0}), x, y)


def _maximum_rounding(fp: Arithmetic, value: Any, x: Operand, y: Operand) -> Bound:  # noqa: ARG001
    """The maximum moves no further than its operands; where one is certainly larger, no further than that."""
    low = y.v - y.E
    first, second = x.v - x.E > y.v + y.E, low > x.v + x.E
    second = second | ((x.E == 0) & (low >= x.v))  # a tie of normal numbers: either is right
    decided = every(first | second)

    def chosen(a: Any, b: Any, either: Any) -> Any:
        return np.where(first, a, b if decided else np.where(second, b, either))

    E = chosen(x.E, y.E, None if decided else np.maximum(flushed(fp, x), flushed(fp, y)))
    if x.bound.rough and y.bound.rough:
        return Bound(E)
    pure = chosen(x.bound.pure, y.bound.pure, x.bound.pure & y.bound.pure)
    return Bound(E, pure, lambda: chosen(x.bound.grid, y.bound.grid, np.minimum(x.bound.grid, y.bound.grid)))


def flushed(fp: Arithmetic, x: Operand) -> Any:
    """The bound of what a comparison chose: it may have flushed what is put out as it was."""
    return x.E + np.where((x.E > 0) & (np.abs(x.v) - x.E < fp.normal), fp.eta, 0.0)


maximum: Operation = define(
    Operation(
        "maximum",
        shape=same,
        value=maximum_value,
        derivative=lambda node, g: [
            masked(greater(*node.inputs, line=node.line), g),
            masked(opposite(greater(*node.inputs, line=node.line)), g),
        ],
        rounding=_maximum_rounding,
    )
)


def relu(x: Node) -> Node:
    """max(x, 0)."""
    return maximum(x, constant(np.zeros(x.shape)))


def minimum(x: Node, y: Node) -> Node:
    """The smaller of two."""
    return negative(maximum(negative(x), negative(y)))


def clip(x: Node, low: Node, high: Node) -> Node:
    """x, but no less than `low` and no more than `high`."""
    return minimum(maximum(x, low), high)


def sign(x: Node) -> Node:
    """1, 0 or -1."""
    zero, unit = constant(np.zeros(x.shape)), constant(np.ones(x.shape))
    return where(greater(x, zero), unit, where(greater(zero, x), negative(unit), zero))


def _opposite(x: Operand) -> Operand:
    return Operand(Enclosure(-x.value.hi, -x.value.lo, x.value.radius), x.bound)


absolute: Operation = define(
    Operation(
        "absolute",
        shape=same,
        value=lambda A, x: maximum_value(A, x, A.negative(x)),
        derivative=lambda node, g: [_signed(node.inputs[0], g, node.line)],
        rounding=lambda fp, value, x: _maximum_rounding(fp, value, x, _opposite(x)),
    )
)


def _signed(x: Node, g: Node, line: str) -> Node:
    """G, -g, or 0 at 0."""
    zero = constant(np.zeros(x.shape))
    return where(greater(x, zero, line=line), g, where(greater(zero, x, line=line), negative(g), zero))
