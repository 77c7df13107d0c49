"""An adversary that climbs: numbers, orders and roundings are moved to where error / bound of an operation is larger.

The program computes the graph as it is written; the bound is that of the graph whose known forms are replaced. The
exact values are floats with a radius, which is taken from the error and added to the bound: no ratio is overstated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from gradaudit.derivative import pulled_back
from gradaudit.exact.doubles import Doubles
from gradaudit.graph import Node, topological_order
from gradaudit.operations.shapes import input_
from gradaudit.patterns import recognised
from gradaudit.readings import bounds, values
from tests.few_bits import SUMS, UNDERFLOWS, random_program, stored
from tests.few_bits import Program as Way
from tests.library.chains import chain
from tests.library.program_forms import run
from tests.library.random_graphs import few_bits
from tests.library.specimens import specimen

Array = NDArray[np.float64]
#: The starts, of which the best is climbed from, and how many programs are tried at the same numbers.
STARTS, WAYS = 6, 3
#: How often it is a derivative that is attacked.
OF_DERIVATIVES = 0.4


@dataclass(frozen=True, eq=False)
class Attack:
    """A function at numbers that an arithmetic of few bits holds.

    Attributes
    ----------
    written, replaced : Node
        What is computed, and the same with known forms replaced: a function, or its derivative by an input.
    way : Way
        The program.
    arrays : dict of Node to ndarray
        The numbers of its inputs.
    """

    written: Node
    replaced: Node
    way: Way
    arrays: dict[Node, Array]

    @cached_property
    def certain(self) -> tuple[Any, Array]:
        """The exact result, and its bound."""
        order = topological_order([self.replaced])
        with np.errstate(all="ignore"):
            read = values(Doubles(), order, {id(node): array for node, array in self.arrays.items()})
            return read[id(order[-1])], bounds(self.way.fp, order, read)[id(order[-1])].E

    @cached_property
    def got(self) -> Array:
        """What the program computes."""
        given = {id(node): array for node, array in self.arrays.items()}
        return run(self.way, topological_order([self.written]), given)[id(self.written)]

    @cached_property
    def ratio(self) -> float:
        """The largest error / bound: infinite where there is an error and the bound is 0; -1 where none is finite."""
        exact, E = self.certain
        with np.errstate(all="ignore"):
            error = np.abs((self.got - exact.hi) - exact.lo) - exact.radius
            error = np.where(np.isnan(error), np.inf, error)
            ratios = np.where(error <= 0, 0.0, error / E)[np.isfinite(E)]
        return float(ratios.max(initial=-1.0))

    def computed(self, way: Way) -> Attack:
        """The same numbers by another program in the same arithmetic."""
        other = replace(self, way=way)
        other.__dict__["certain"] = self.certain
        return other

    def at(self, node: Node, array: Array) -> Attack:
        """The same program at other numbers."""
        return replace(self, arrays={**self.arrays, node: held(self.way, array)})

    def in_words(self) -> str:
        """All that it takes to see it again: the program, the graph, the numbers, and the worst entry."""
        exact, E = self.certain
        order = topological_order([self.written])
        names = {id(node): f"v{number}" for number, node in enumerate(order)}
        lines = [repr(self.way)]
        for node in order:
            operands = ", ".join(names[id(n)] for n in node.inputs)
            known = _entries(self.arrays[node]) if node in self.arrays else dict(node.parameters)
            lines.append(f"{names[id(node)]} = {node.operation.name}({operands}) of {node.shape}: {known}")
        with np.errstate(all="ignore"):
            outside = ~(np.abs((self.got - exact.hi) - exact.lo) - exact.radius <= E) & np.isfinite(E)
        worst = [(i.tolist(), self.got[*i], exact.hi[*i], E[*i]) for i in np.argwhere(outside)][:4]
        return "\n".join([*lines, *(f"entry {i}: got {g}, exact {x}, bound {e}" for i, g, x, e in worst)])


def _entries(array: Array) -> Any:
    """The numbers, or those that are not 0."""
    return array.tolist() if array.size <= 12 else {tuple(i.tolist()): float(array[*i]) for i in np.argwhere(array)}


def held(way: Way, array: Array) -> Array:
    """Numbers that the arithmetic holds; the largest in place of larger ones."""
    return stored(way.fp).round(np.clip(array, -way.fp.omega, way.fp.omega))


def started(rng: Generator, names: Sequence[str]) -> Attack:
    """Random operations, numbers and program; of several operations now and then the derivative by an input."""
    way = random_program(rng)
    function = chain(rng, names, care=0.5, mild=0.0)
    written, inputs = function.output, function.inputs
    (replaced,) = recognised([written])
    if len(names) > 1 and inputs and rng.random() < OF_DERIVATIVES:
        g, by = input_(size=written.shape), inputs[int(rng.integers(len(inputs)))]
        written, replaced = (pulled_back([node], [by], [g])[0] for node in (written, replaced))
        inputs = [*inputs, g]
    positive = any(specimen(name).positive for name in names) and rng.random() < 0.8
    numbers = {node: few_bits(rng, way.fp, node.shape) for node in inputs}
    if len(names) == 1:
        domain = specimen(names[0]).domain
        numbers = {node: held(way, domain(array)) for node, array in numbers.items()}
    return Attack(written, replaced, way, {node: np.abs(x) if positive else x for node, x in numbers.items()})


def climbed(rng: Generator, names: Sequence[str], steps: int) -> Attack:
    """The strongest that is reached from the best of some starts; what leaves its bound ends the climb."""
    best = max((started(rng, names) for _ in range(STARTS)), key=lambda attack: attack.ratio)
    for _ in range(steps):
        if best.ratio > 1:
            break
        for attack in neighbours(rng, best):
            if attack.ratio >= best.ratio:
                best = attack
    return best


def neighbours(rng: Generator, attack: Attack) -> Iterator[Attack]:
    """Other programs at the same numbers, or one number moved."""
    filled = [node for node, array in attack.arrays.items() if array.size]
    if filled and rng.random() < 0.6:
        node = filled[int(rng.integers(len(filled)))]
        attack = attack.at(node, _moved(rng, attack.way, attack.arrays[node]))
    for _ in range(WAYS):
        yield attack.computed(_another(rng, attack.way))


def _another(rng: Generator, way: Way) -> Way:
    """Other errors and orders; now and then another way to add or to underflow."""
    way = replace(way, seed=int(rng.integers(2**32)))
    if rng.random() < 0.3:
        way = replace(way, sums=SUMS[int(rng.integers(len(SUMS)))], fused=bool(rng.integers(2)))
    if rng.random() < 0.1:
        way = replace(way, underflow=UNDERFLOWS[int(rng.integers(len(UNDERFLOWS)))])
    return way


def _moved(rng: Generator, way: Way, array: Array) -> Array:
    """One number a little off, of another scale, or that of another place; or all of them scaled, or near the ends."""
    x, kind = np.array(array), rng.integers(8)
    place, other = (tuple(int(rng.integers(n)) for n in x.shape) for _ in range(2))
    largest, (low, high) = np.abs(x).max(initial=0), way.fp.exponents
    if kind == 0 or not largest:
        return x * 2.0 ** rng.integers(-3, 4)
    if kind in (1, 2):
        end = low + rng.integers(-3, 8) if kind == 1 else high - rng.integers(0, 8)
        return np.asarray(x / 2.0 ** np.frexp(largest)[1] * 2.0 ** float(end))
    factor = (1 + rng.normal(0, 0.2), 1 + rng.normal(0, 0.01), 2.0 ** rng.integers(-4, 5), -1.0, 0.0)[kind - 3]
    x[place] = x[other] if rng.random() < 0.2 else x[place] * factor
    return x


def shrunk(attack: Attack) -> Attack:
    """The same with plainer numbers, as long as it leaves its bound."""
    for node in list(attack.arrays):
        for place in np.ndindex(*attack.arrays[node].shape):
            for plainer in _plainer(float(attack.arrays[node][place])):
                array = np.array(attack.arrays[node])
                array[place] = plainer
                other = attack.at(node, array)
                if other.ratio > 1:
                    attack = other
                    break
    return attack


def _plainer(x: float) -> Iterator[float]:
    """0, 1, the power of two below, and x with fewer digits."""
    yield from (n for n in (0.0, 1.0) if abs(n) < abs(x))
    if x and np.isfinite(x):
        mantissa, exponent = np.frexp(x)
        yield from (float(np.ldexp(np.rint(mantissa * 2.0**bits) / 2.0**bits, exponent)) for bits in range(1, 8))
