"""The certified values of a graph, and the bound around them, each sharp enough for the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.arithmetic import Arithmetic as Exact
from gradaudit.exact.arithmetic import OutOfRange
from gradaudit.exact.balls import Balls
from gradaudit.exact.doubles import Doubles
from gradaudit.exact.enclosure import UNKNOWN, Enclosure
from gradaudit.exact.pairs import Pairs
from gradaudit.graph import Node, topological_order
from gradaudit.patterns import recognised
from gradaudit.readings import Values, bounds, sizes, values
from gradaudit.rounding.arithmetic import Arithmetic

#: A certified value, and each intermediate that the bound is computed from, is known to this part of its bound.
SHARP = 2.0**-24
#: Balls of so many bits, one after the other; a sum of products of float64 needs no more than 4,300.
BITS = (128, 256, 512, 1024, 2048, 4096, 8192)


@dataclass(frozen=True, eq=False)
class Certificate:
    """What an array is exactly, how far a correct program may be from that, and how large it could have been.

    Attributes
    ----------
    exact : Enclosure
        The certified values.
    bound : ndarray
        The bound of each entry.
    rounding : float
        The largest bound, apart from what kinks leave open.
    size : float
        The natural size: the largest entry, had nothing cancelled.
    """

    exact: Enclosure
    bound: NDArray[np.float64]
    rounding: float
    size: float

    @property
    def resolution(self) -> float:
        """How small an error is certain to be seen, relative to the natural size."""
        E = self.rounding
        if E == 0:
            return 0.0
        return E / self.size if np.isfinite(E) and 0 < self.size < np.inf else float("inf")


@dataclass(frozen=True, eq=False)
class Certificates:
    """Those of the outputs, and where a kink is not decided.

    Attributes
    ----------
    outputs : tuple of Certificate
        In the order of the outputs.
    kinks : tuple of str
        Where in the user's code a branch stands that rounding, or a tie, leaves open.
    sharp : bool
        Whether every radius is small enough; if not, a pass or a conviction may still be certain.
    precision : str
        At which precision the values were found.
    """

    outputs: tuple[Certificate, ...]
    kinks: tuple[str, ...]
    sharp: bool
    precision: str


def certify(outputs: Sequence[Node], inputs: Mapping[Node, NDArray[Any]], dtype: Any) -> Certificates:
    """The certified values of a graph's outputs, and how far a correct program may be from them.

    Parameters
    ----------
    outputs : sequence of Node
        Of one graph.
    inputs : mapping of Node to ndarray
        What its input nodes are: floats, which are exact.
    dtype : dtype
        What the program computes in.
    """
    fp = Arithmetic.of(np.dtype(dtype))
    known = recognised(outputs)
    order = topological_order(known)
    given = {id(node): array for node, array in inputs.items()}
    result = None
    for name, A, context in _precisions(fp):
        try:
            with context, np.errstate(all="ignore"):
                read = values(A, order, given)
                result = _certificates(fp, order, known, read, name)
        except OutOfRange:
            continue
        if result.sharp:
            break
    assert result is not None
    return result


def _precisions(fp: Arithmetic) -> Iterator[tuple[str, Exact[Any], AbstractContextManager[Any]]]:
    """The arithmetics in the order in which they are tried, the cheapest that may be sharp enough first."""
    if fp.precision <= 24:
        yield "float64", Doubles(), nullcontext()
    yield "pairs of float64", Pairs(), nullcontext()
    for bits in BITS:
        balls = Balls(bits)
        yield f"balls of {bits} bits", balls, balls.precision()


def _certificates(
    fp: Arithmetic, order: Sequence[Node], outputs: Sequence[Node], read: Values, name: str
) -> Certificates:
    of = bounds(fp, order, read)
    sharp, kinks = True, []
    for node in order:
        value, bound = read[id(node)], of[id(node)]
        if node.operation.mask:
            sharp &= not (value == UNKNOWN).any()
            if bound.any():
                kinks.append(node.line or node.operation.name)
        else:
            limit = SHARP * bound.E
            sharp &= bool(((value.radius <= limit) | np.isinf(limit) & np.isfinite(value.radius)).all())
    natural = sizes(order, read)
    apart = bounds(fp, order, read, kinks=False) if kinks else of
    certificates = tuple(
        Certificate(read[id(n)], of[id(n)].E, _largest(apart[id(n)].E), _largest(natural[id(n)])) for n in outputs
    )
    return Certificates(certificates, tuple(dict.fromkeys(kinks)), sharp, name)


def _largest(array: NDArray[Any]) -> float:
    """The largest entry; 0 where there is none."""
    return float(array.max(initial=0.0))
