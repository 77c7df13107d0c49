"""The shapes of random functions, and what operations need to know beside them.

There are few shapes at a time, so that what a framework compiles for one operation serves many functions: they are made
of two sizes, which are others in each block of functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator

from gradaudit.graph import Shape

Drawn = tuple[list[Shape], dict[str, Any]]
Draw = Callable[[Generator, "Sizes"], Drawn]

#: The sizes of a block of functions, one block after the other.
SIZES = ((2, 3), (3, 5), (1, 7), (5, 2), (2, 31), (3, 131), (7, 1), (13, 3))
#: Factors and addends that are written as numbers; 0.1 is rounded in each dtype.
NUMBERS = (2.0, -1.0, 0.5, 0.1)


class Sizes(tuple[int, int]):
    """The two sizes of which shapes are made."""

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """All shapes."""
        p, q = self
        return ((), (q,), (1, q), (p, 1), (p, q), (p, q))

    @property
    def rows(self) -> tuple[Shape, ...]:
        """Those with an axis."""
        return self.shapes[1:]


def chosen(rng: Generator, table: Any) -> Any:
    """One of a table."""
    return table[int(rng.integers(len(table)))]


def entrywise(rng: Generator, of: Sizes) -> Drawn:
    """One operand of any shape."""
    return [chosen(rng, of.shapes)], {}


def pair(rng: Generator, of: Sizes) -> Drawn:
    """Two operands, one of which may be repeated to the shape of the other."""
    full = chosen(rng, of.shapes)
    if rng.random() < 0.6:
        return [full, full], {}
    p, q = of
    part = chosen(rng, {(): [()], (q,): [()], (1, q): [(q,)], (p, 1): [()]}.get(full, [(), (q,), (1, q), (p, 1)]))
    return ([full, part] if rng.random() < 0.5 else [part, full]), {}


def along(rng: Generator, of: Sizes) -> Drawn:
    """One operand, and an axis."""
    shape = chosen(rng, of.rows)
    return [shape], {"axis": int(rng.integers(len(shape)))}


def along_odd(rng: Generator, of: Sizes) -> Drawn:
    """One operand and an axis with a middle entry."""
    shape = chosen(rng, [s for s in of.rows if any(n % 2 for n in s)])
    return [shape], {"axis": int(rng.choice([a for a, n in enumerate(shape) if n % 2]))}


def along_several(rng: Generator, of: Sizes) -> Drawn:
    """One operand and its longest axis."""
    shape = chosen(rng, [s for s in of.rows if max(s) > 1])
    return [shape], {"axis": int(np.argmax(shape))}


def rows(rng: Generator, of: Sizes) -> Drawn:
    """One operand with an axis."""
    return [chosen(rng, of.rows)], {}


def with_number(rng: Generator, of: Sizes) -> Drawn:
    """One operand, and a number."""
    return [chosen(rng, of.shapes)], {"number": chosen(rng, NUMBERS)}


def powers(rng: Generator, of: Sizes) -> Drawn:
    """One operand, and a whole exponent that is not 0 or 1."""
    return [chosen(rng, of.shapes)], {"exponent": int(rng.choice((2, 3, 5)))}


def negative_powers(rng: Generator, of: Sizes) -> Drawn:
    """One operand, and a negative whole exponent."""
    return [chosen(rng, of.shapes)], {"exponent": int(rng.choice((-1, -2, -3)))}


def reshaped(rng: Generator, of: Sizes) -> Drawn:
    """One operand, and another shape of as many entries."""
    shape = chosen(rng, of.shapes)
    return [shape], {"to": chosen(rng, [s for s in of.shapes if np.prod(s) == np.prod(shape)])}


def repeated(rng: Generator, of: Sizes) -> Drawn:
    """One operand, and a shape to which it is repeated."""
    return [chosen(rng, of.shapes[:4])], {"to": of.shapes[-1]}


def gathered(rng: Generator, of: Sizes) -> Drawn:
    """One operand, and places along its last axis."""
    shape = chosen(rng, of.rows)
    return [shape], {"index": rng.integers(shape[-1], size=shape[-1])}


def joined(rng: Generator, of: Sizes) -> Drawn:  # noqa: ARG001 (a Draw)
    """Two operands that are put together along the first axis to the full shape."""
    p, q = of
    return [(1, q)] * p, {"axis": 0}


def stacked(rng: Generator, of: Sizes) -> Drawn:  # noqa: ARG001 (a Draw)
    """As many rows as the full shape has."""
    p, q = of
    return [(q,)] * p, {"axis": 0}


def alike(operands: int) -> Draw:
    """So many operands of one shape with an axis."""
    return lambda rng, of: ([chosen(rng, of.rows)] * operands, {})


def matrices(rng: Generator, of: Sizes) -> Drawn:
    """Two operands of a matrix product."""
    p, q = of
    return list(chosen(rng, (((p, q), (q, q)), ((1, q), (q, q)), ((p, 1), (1, q))))), {}


def with_bias(rng: Generator, of: Sizes) -> Drawn:  # noqa: ARG001 (a Draw)
    """Two operands of a matrix product, and what is added to each row of it."""
    p, q = of
    return [(p, q), (q, q), (q,)], {}


def attended(rng: Generator, of: Sizes) -> Drawn:  # noqa: ARG001 (a Draw)
    """Queries, keys and values."""
    return [tuple(of)] * 3, {}


def labelled(rng: Generator, of: Sizes) -> Drawn:
    """Rows, and a label of each."""
    p, q = of
    return [(p, q)], {"labels": rng.integers(q, size=p)}
