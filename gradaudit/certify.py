"""The certified values of a graph, and the bound around them, each sharp enough for the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.arithmetic import Arithmetic as Exact
from gradaudit.exact.arithmetic import OutOfRange
from gradaudit.exact.balls import Balls
from gradaudit.exact.doubles import Doubles
from gradaudit.exact.enclosure import UNKNOWN, Enclosure
from gradaudit.exact.entries import every, highest, lowest, plus, some
from gradaudit.exact.pairs import Pairs
from gradaudit.exact.splitting import MORE_PARTS
from gradaudit.graph import Node, depending, topological_order
from gradaudit.memory import keep_memory
from gradaudit.operations.products import affine, matmul
from gradaudit.operations.shapes import broadcast, input_, reshape, transpose
from gradaudit.patterns import merged, recognised
from gradaudit.readings import Bounds, Values, bounds, bounds_without_kinks, centred, evaluated, operands_of, sizes
from gradaudit.rounding.arithmetic import Arithmetic

#: A certified value, and each intermediate that the bound is computed from, is known to this part of its bound, which
#: is widened by as much.
SHARP = 2.0**-10
#: Balls of so many bits, one after the other; a sum of products of float64 needs no more than 4,300.
BITS = (128, 256, 512, 1024, 2048, 4096, 8192, 16384)
LAST_BITS = BITS[-1]
#: No radius is larger that is finite.
LARGEST = float(np.finfo(np.float64).max)
#: How far the difference of two enclosures may be from its evaluation, relative to it.
OF_SHIFT = 2.0**-50
#: Fewer multiplications in matrix products than that are few.
SMALL = 10_000
#: What only arranges entries anew: radii and bounds are those of its operands.
REARRANGED = (input_, transpose, reshape, broadcast)


class Kink(NamedTuple):
    """A branch that is left open.

    Attributes
    ----------
    place : str
        Where in the user's code it stands, as FILE:LINE.
    entries : int
        How many entries there are at the kink.
    """

    place: str
    entries: int


@dataclass(frozen=True, eq=False)
class Certificate:
    """What an array is exactly, how far a correct program may be from that, and how large it could have been.

    Attributes
    ----------
    exact : Enclosure
        The certified values; at a kink that is open, those of the operation's own side.
    below, above : ndarray
        How far below and above them an entry of a correct program may be: the same, but where a kink is open.
    apart : ndarray
        The bound of each entry, if a program takes the operation's own side of every kink.
    rounding : float
        The largest bound, apart from what kinks leave open.
    size : float
        The typical natural size: the largest entry, had nothing cancelled.
    """

    exact: Enclosure
    below: NDArray[np.float64]
    above: NDArray[np.float64]
    apart: NDArray[np.float64]
    rounding: float
    size: float

    @property
    def bound(self) -> NDArray[np.float64]:
        """How far an entry may be from its certified value, on either side."""
        return np.maximum(self.below, self.above)

    @property
    def resolution(self) -> float:
        """How small an error is certain to be seen, relative to the natural size."""
        E = self.rounding
        if E == 0:
            return 0.0
        return E / self.size if np.isfinite(E) and 0 < self.size < np.inf else float("inf")


@dataclass(frozen=True, eq=False)
class Plan:
    """A graph, ready to be certified at any inputs of its shapes.

    Attributes
    ----------
    outputs : tuple of Node
        Its outputs, known forms replaced.
    order : tuple of Node
        All its nodes, each after those that it is computed from.
    cache : dict
        What was found of nodes that depend on no input.
    """

    outputs: tuple[Node, ...]
    order: tuple[Node, ...]
    cache: dict[Any, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, outputs: Sequence[Node]) -> Plan:
        """The plan of a graph's outputs."""
        known = merged(recognised(outputs))
        return cls(tuple(known), tuple(topological_order(known)))

    @cached_property
    def parts(self) -> tuple[list[Node], list[Node]]:
        """The nodes that depend on no input, and those that do; both in their order."""
        of = depending(self.order, [node for node in self.order if node.operation is input_])
        fixed = [node for node in self.order if id(node) not in of]
        return fixed, [node for node in self.order if id(node) in of]

    @cached_property
    def is_small(self) -> bool:
        """Whether balls are quicker than pairs of floats, which need more calls and less for each number."""
        products = sum(
            x.inputs[0].shape[-1] * math.prod(x.shape) for x in self.order if x.operation in (matmul, affine)
        )
        return products < SMALL and sum(math.prod(x.shape) for x in self.order) < SMALL

    def read(self, A: Exact[Any], fp: Arithmetic, given: Mapping[int, NDArray[Any]]) -> Certificates:
        """The values in an arithmetic, and the bounds; what depends on no input is read once.

        Raises
        ------
        OutOfRange
            If numbers are too large for the arithmetic.
        """
        fixed, moving = self.parts
        with A.precision(), np.errstate(all="ignore"):
            if A.name not in self.cache:
                self.cache[A.name] = evaluated(A, fixed, {})
            own, read = evaluated(A, moving, given, self.cache[A.name])
            of = self.bounds(A.name, fp, read)
            return Certificates(self, read, of, fp, self._is_sharp(fp, read, of), A, own)

    def _is_sharp(self, fp: Arithmetic, read: Values, of: Bounds) -> bool:
        """Whether every mask is decided, and every radius is far below its bound.

        On the way to the outputs far below a rounding is enough, where nothing is rounded: the bounds that follow are
        wider by as little.
        """
        ends = {id(node) for node in self.outputs}
        for node in reversed(self.order):
            value, bound = read[id(node)], of[id(node)]
            if node.operation.mask:
                if some(value == UNKNOWN):
                    return False
            elif node.operation in REARRANGED:
                ends |= {id(n) for n in node.inputs} if id(node) in ends else set()
            elif not _is_far_below(value.spread, bound.E) and (
                id(node) in ends or not _is_far_below(value.spread, np.maximum(bound.E, fp.u * np.abs(value.hi)))
            ):
                return False
        return True

    def bounds(self, name: str, fp: Arithmetic, read: Values) -> Bounds:
        """The bounds around values that were read in an arithmetic of that name."""
        fixed, moving = self.parts
        if (name, fp) not in self.cache:
            of = bounds(fp, fixed, read)
            self.cache[name, fp] = of, operands_of(fixed, read, of)
        return bounds(fp, moving, read, self.cache[name, fp])


@dataclass(frozen=True, eq=False)
class Certificates:
    """What is certain of every node of a graph, and how far a correct program may be from that.

    Attributes
    ----------
    plan : Plan
        The graph.
    values : dict
        Of each node, by its id, the certified values: an enclosure, or the signs of a mask.
    bounds : dict
        The bound of each node, by its id; of a mask where rounding, or a tie, leaves it open.
    fp : Arithmetic
        What the program computes in.
    sharp : bool
        Whether every radius is small enough; if not, a pass or a conviction may still be certain.
    arithmetic : Arithmetic
        In what the values were found.
    own : dict
        The values of each node, by its id, in this arithmetic.
    """

    plan: Plan
    values: Values
    bounds: Bounds
    fp: Arithmetic
    sharp: bool
    arithmetic: Exact[Any]
    own: Values

    @property
    def precision(self) -> str:
        """At which precision the values were found."""
        return self.arithmetic.name

    @cached_property
    def outputs(self) -> tuple[Certificate, ...]:
        """The certificates of the outputs, in their order."""
        apart = self._without_kinks() if self.kinks else self.bounds
        centre, around = self._centred() if self.kinks else (self.values, self.bounds)
        natural = self._typical()
        result = []
        for n in map(id, self.plan.outputs):
            exact, E = self.values[n], self.within(n)
            below, above = E, E
            if centre[n] is not exact:
                with np.errstate(all="ignore"):
                    shift = (centre[n].hi - exact.hi) + (centre[n].lo - exact.lo)
                    reach = around[n].E + centre[n].radius + OF_SHIFT * np.abs(shift)
                    below, above = (np.maximum(np.fmin(E, reach + s), 0) for s in (-shift, shift))
            own_side = E if apart is self.bounds else np.asarray(apart[n].E + exact.radius)
            result.append(Certificate(exact, below, above, own_side, _largest(apart[n].E), _largest(natural[n])))
        return tuple(result)

    def within(self, n: int) -> NDArray[np.float64]:
        """How far from ``hi + lo`` a correct program may be at a node, by its id: the bound, and the radius."""
        return np.asarray(plus(self.bounds[n].E, self.values[n].radius))

    @cached_property
    def kinks(self) -> tuple[Kink, ...]:
        """Where in the user's code a branch stands that rounding, or a tie, leaves open, and how often."""
        open_: dict[tuple[str, frozenset[int]], int] = {}
        for n in self.plan.order:
            if n.operation.mask and self.bounds[id(n)].any() and not any(m.operation.mask for m in n.inputs):
                key = n.line or n.operation.name, frozenset(map(id, n.inputs))  # x > 0 and 0 > x are one kink
                open_[key] = max(open_.get(key, 0), int(np.count_nonzero(self.bounds[id(n)])))
        places = dict.fromkeys(place for place, _ in open_)
        return tuple(Kink(at, sum(count for (place, _), count in open_.items() if place == at)) for at in places)

    @cached_property
    def sizes(self) -> dict[int, NDArray[np.float64]]:
        """The natural size of each node, by its id."""
        (fixed, moving), cache = self.plan.parts, self.plan.cache
        key = ("sizes", self.precision, self.fp)
        with np.errstate(all="ignore"):
            if key not in cache:
                cache[key] = sizes(self.fp, fixed, self.values, self.bounds)  # they depend on no input
            return sizes(self.fp, moving, self.values, self.bounds, known=cache[key])

    def _typical(self) -> dict[int, NDArray[np.float64]]:
        """The typical sizes of the outputs, and of what they need."""
        with np.errstate(all="ignore"):
            order, ends = self.plan.order, self.plan.outputs
            return sizes(self.fp, order, self.values, self.bounds, typical=True, ends=ends)

    def _centred(self) -> tuple[Values, Bounds]:
        with self.arithmetic.precision(), np.errstate(all="ignore"):
            return centred(self.arithmetic, self.fp, self.plan.order, (self.own, self.values), self.bounds)

    def _without_kinks(self) -> Bounds:
        with np.errstate(all="ignore"):
            return bounds_without_kinks(self.fp, self.plan.order, self.values, self.bounds)

    def allowing(self, **policy: Any) -> Certificates:
        """The same values with the bounds of another policy: `offset`, `strict` (see Arithmetic)."""
        fp = replace(self.fp, **policy)
        with np.errstate(all="ignore"):
            return replace(self, fp=fp, bounds=self.plan.bounds(self.precision, fp, self.values))


def certify(
    outputs: Sequence[Node] | Plan,
    inputs: Mapping[Node, NDArray[Any]],
    arithmetic: Arithmetic | Any,
    last_bits: int = LAST_BITS,
    *,
    all_digits: bool = False,
) -> Certificates:
    """The certified values of a graph's outputs, and how far a correct program may be from them.

    Parameters
    ----------
    outputs : sequence of Node, or Plan
        Of one graph.
    inputs : mapping of Node to ndarray
        What its input nodes are: floats, which are exact.
    arithmetic : dtype or Arithmetic
        What the program computes in; of a dtype its name is enough.
    last_bits : int
        The precision beyond which to give up; the result is then not sharp.
    all_digits : bool
        Whether the values are wanted to all digits of ``hi + lo``, and not only as sharply as the bound asks for.
    """
    fp = arithmetic if isinstance(arithmetic, Arithmetic) else Arithmetic.of(arithmetic)
    plan = outputs if isinstance(outputs, Plan) else Plan.of(outputs)
    given = {id(node): array for node, array in inputs.items()}
    if not plan.is_small:
        keep_memory()
    result = None
    for A in _arithmetics(fp, last_bits, all_digits, plan.is_small):
        with suppress(OutOfRange):
            result = plan.read(A, fp, given)
            if result.sharp:
                break
    assert result is not None
    return result


def _arithmetics(fp: Arithmetic, last_bits: int, all_digits: bool, small: bool) -> Iterator[Exact[Any]]:
    """The arithmetics in the order in which they are tried, the cheapest that may be sharp enough first."""
    if fp.precision <= 24 and not all_digits:
        yield Doubles()
    if not small and not all_digits:
        yield Pairs()
        yield Pairs(MORE_PARTS)
    yield from (Balls(bits) for bits in BITS if bits <= last_bits)


def _is_far_below(spread: NDArray[Any], E: NDArray[Any]) -> bool:
    """Whether each radius is far below its bound; mostly the largest is below the least."""
    if highest(spread) <= min(SHARP * lowest(E), LARGEST):
        return True
    return every(spread <= np.minimum(SHARP * E, LARGEST))


def _largest(array: NDArray[Any]) -> float:
    """The largest entry; 0 where there is none."""
    return float(highest(array))
