"""The bounds of a graph by the library and by the text, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import mpmath
import numpy as np

from gradaudit.exact.balls import Balls
from gradaudit.exact.enclosure import UNKNOWN
from gradaudit.graph import Node
from gradaudit.readings import bounds, sizes, values
from gradaudit.rounding.arithmetic import Arithmetic
from tests.library.again.reader import read
from tests.library.again.sizes import sizes as sizes_again

#: More than an evaluation in float64 loses in sums of this length, and far less than any term of a bound.
CLOSE = 1e-10
#: The precision of the exact values, in bits.
BITS = 256
#: Where float64 itself is near its ends: beyond the one an evaluation overflows, which makes a bound larger; below the
#: other a bound is a subnormal number, and known to a few of the last bits that there are.
LARGE, TINY = 2.0**990, 2.0**-1022
LAST_BIT = 2.0**-1074
#: A part of a bound that a size says nothing about any more: the values are known to less.
NOTHING = 2.0**-60
#: A radius that a value has only where it was not found: a whole number, say, between two.
WIDE = 2.0**-40


def apart(E: Any, again: Any, only_larger: bool = False) -> float:
    """The relative difference of a bound and its second evaluation; infinite where only one is 0 or infinite."""
    if again == E or (only_larger and again <= E) or (E < TINY and abs(E - again) <= 4 * LAST_BIT):
        return 0.0
    if mpmath.inf in (E, again) or again == 0:
        return float("inf") if again < E else float("-inf")
    return float((mpmath.mpf(float(E)) - again) / again)


def is_unknown(node: Node, value: Any) -> bool:
    """Whether a value was not found at this precision, or is anything in an interval."""
    return bool(
        (value == UNKNOWN).any() if node.operation.mask else not (value.radius <= WIDE * (1 + abs(value.hi))).all()
    )


class Twice:
    """The bounds of a graph, and the same from the text."""

    def __init__(self, fp: Arithmetic, order: Sequence[Node], given: Mapping[int, Any]) -> None:
        self.fp, self.order, A = fp, order, Balls(BITS)
        with A.precision(), np.errstate(all="ignore"):
            self.values = values(A, order, given)
            self.bounds = bounds(fp, order, self.values)
            self.sizes = sizes(fp, order, self.values, self.bounds)
        self.again = read(fp, order, given)
        self.sizes_again = sizes_again(fp, order, self.again)
        self.unknown: set[int] = set()
        for node in order:
            if is_unknown(node, self.values[id(node)]) or any(id(n) in self.unknown for n in node.inputs):
                self.unknown.add(id(node))
        known = [self.values[id(n)].hi for n in order if id(n) not in self.unknown and not n.operation.mask]
        self.is_large = any(np.abs(x).max(initial=0) > LARGE for x in known)

    def differences(self) -> Iterator[tuple[Node, float]]:
        """The largest of each node."""
        for node in self.order:
            if id(node) not in self.unknown:
                yield node, max(map(abs, self.of(node)), default=0.0)

    def of(self, node: Node) -> list[float]:
        """Of the entries of a node; of a mask where it is open."""
        entries = self.again[id(node)].entries.ravel()
        if node.operation.mask:
            return [float(bool(a) == e.certain) for a, e in zip(self.bounds[id(node)].ravel(), entries, strict=True)]
        E = np.broadcast_to(self.bounds[id(node)].E, node.shape).ravel().tolist()
        return [apart(a, e.E, self.is_large) for a, e in zip(E, entries, strict=True)]

    def of_sizes(self, node: Node) -> list[float]:
        """Of the natural sizes of a node, where its bound is finite; what is nothing beside that is as good as 0."""
        mine, again = np.broadcast_to(self.sizes[id(node)], node.shape).ravel(), self.sizes_again[id(node)].ravel()
        triples = zip(mine.tolist(), again, self.again[id(node)].entries.ravel(), strict=True)
        return [
            apart(float(max(a, e.E * NOTHING)), max(b, mpmath.mpf(float(e.E * NOTHING))), self.is_large)
            for a, b, e in triples
            if not mpmath.isinf(e.E)
        ]

    def check(self) -> None:
        for node, difference in self.differences():
            assert difference <= CLOSE, node
            if not node.operation.mask:
                assert max(map(abs, self.of_sizes(node)), default=0) <= CLOSE, node
