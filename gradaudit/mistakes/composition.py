"""Which known mistakes, together, give an implementation's answers: a search over small sets of them.

Two mistakes compose where they replace different steps. A set is built up from counterexamples: on the first case, in
the order of how much it tells, where the set does not yet give the answer, each further mistake is tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.adapters.calls import hand_over
from gradaudit.adapters.protocol import Inputs
from gradaudit.mistakes import MISTAKES, VARIANTS, evaluate
from gradaudit.mistakes.observation import Observation
from gradaudit.reference.problem import PARAMETERS, TENSORS, Gradients
from gradaudit.verdicts.judge import compare

#: At most so many mistakes are named together.
MOST = 3
#: How much coarser float32 rounds than float64.
COARSER = 2.0**29
#: So many entries that float32 does not hold have to be there before a tensor can be said to have come through it.
TELLING = 8
_CHANGES = {m.name: m.changes for m in (*MISTAKES.values(), *VARIANTS) if m.changes}
_VARIANTS = frozenset(m.name for m in VARIANTS)

Names = frozenset[str]


class Compositions:
    """Sets of mistakes before the answers of an implementation.

    Parameters
    ----------
    observations : sequence of Observation
        Those with gradients.
    """

    def __init__(self, observations: Sequence[Observation]) -> None:
        self.narrow = frozenset(t for t in TENSORS if _is_narrow(observations, t))
        self._misses: dict[tuple[Names, int], Names] = {}
        wrong = {id(o): frozenset(t for t in TENSORS if differs(getattr(o.gradients, t), o, t)) for o in observations}

        def telling(o: Observation) -> tuple[bool, bool, int, int]:
            finite = all(np.isfinite(getattr(o.gradients, t)).all() for t in TENSORS)
            shape = o.acceptance.problem.shape
            generic = min(shape) > 1 and o.acceptance.problem.reg > 0
            return not finite, not generic, -len(wrong[id(o)]), shape.N * shape.D

        self._canonical = {id(o): canonical(o) for o in observations}
        self.observations = sorted(observations, key=telling)
        self.wrong = frozenset[str]().union(*wrong.values())
        finite = all(np.isfinite(getattr(o.gradients, t)).all() for o in observations for t in TENSORS)
        self._variants = [frozenset[str](), *([] if finite else (frozenset({m.name}) for m in VARIANTS))]

    def explanation(self, scope: Names, most: int = MOST, without: Iterable[str] = ()) -> Names | None:
        """The smallest set of mistakes that gives every tensor of `scope` on every case; None if there is none."""
        allowed = [name for name in MISTAKES if name in _CHANGES and name not in set(without)]
        for size in range(1, most + 1):
            for variant in self._variants:
                for names in self._grown(variant, scope, size, allowed):
                    return names
        return None

    def explanations(self, scope: Names, without: Iterable[str] = ()) -> list[Names]:
        """Every single mistake that gives every tensor of `scope` on every case; of two that nest, the narrower."""
        allowed = [name for name in MISTAKES if name in _CHANGES and name not in set(without)]
        every = list(self._grown(frozenset(), scope, 1, allowed))
        steps = [frozenset[str]().union(*(_CHANGES[name] for name in names)) for names in every]
        return [names for names, its in zip(every, steps, strict=True) if not any(other < its for other in steps)]

    def counterexample(self, names: Names, scope: Names) -> Observation | None:
        """The first case where a set does not give the tensors of `scope`."""
        return next((o for o in self.observations if self.misses(names, o) & scope), None)

    def misses(self, names: Names, o: Observation) -> Names:
        """The tensors of a case that a set does not give."""
        key = names, id(o)
        if key not in self._misses:
            self._misses[key] = self._compared(names, o)
        return self._misses[key]

    def _compared(self, names: Names, o: Observation) -> Names:
        changes: dict[str, Any] = {}
        for name in names:
            changes |= _CHANGES[name]
        inputs = hand_over(o.acceptance.problem, o.case.edge.layout, o.case.edge.labels)
        missed = self._missed(changes, o, inputs)
        if missed & self.narrow:  # close to a kink, float32 itself decides
            with np.errstate(over="ignore"):
                halved = {name: getattr(inputs, name).astype(np.float32) for name in ("X", *PARAMETERS)}
            missed &= self._missed(changes, o, inputs._replace(**halved)) | (missed - self.narrow)
        return missed

    def _missed(self, changes: dict[str, Any], o: Observation, inputs: Inputs) -> Names:
        try:
            loss, grads = evaluate(changes, **inputs._asdict())
        except (ValueError, IndexError):  # a mistake may not fit the shapes
            return frozenset(TENSORS)
        mistaken, right = Gradients(np.asarray(loss), **grads), self._canonical[id(o)]
        return frozenset(t for t in TENSORS if not equal(o, mistaken, right, t, COARSER if t in self.narrow else 1.0))

    def _grown(self, names: Names, scope: Names, more: int, allowed: Sequence[str]) -> Iterator[Names]:
        o = self.counterexample(names, scope)
        if o is None:
            if names - _VARIANTS or self.narrow:
                yield names
            return
        if not more:
            return
        before = self.misses(names, o) & scope
        steps = frozenset[str]().union(*(_CHANGES[name] for name in names))
        for name in allowed:
            if name in names or steps & _CHANGES[name].keys():
                continue
            wider = names | {name}
            left = self.misses(wider, o) & scope
            if more == 1 and left:
                continue
            if len(left) < len(before) or (more > 1 and not names - _VARIANTS and left != scope):
                yield from self._grown(wider, scope, more - 1, allowed)


def canonical(o: Observation) -> Gradients:
    """What the network without any mistake gives on a case."""
    loss, grads = evaluate({}, **hand_over(o.acceptance.problem, o.case.edge.layout, o.case.edge.labels)._asdict())
    return Gradients(np.asarray(loss), **grads)


def equal(o: Observation, mistaken: Gradients, right: Gradients, tensor: str, coarser: float = 1.0) -> bool:
    """Whether the implementation's tensor is the mistake's, up to rounding; `right` is the canonical network's.

    Both may differ by twice the bound, scaled up by as much as the mistaken tensor is larger than a right one could be.
    Where the mistake computes an entry from other numbers, the rounding of a sum of natural size is allowed: the bound
    of a dead unit is 0, its mistaken gradient has been rounded like any other, even where it comes to 0.
    """
    one, other = (np.asarray(getattr(g, tensor), dtype=np.float64) for g in (o.gradients, mistaken))
    if one.shape != other.shape:
        return False
    size = o.acceptance.bound.sizes[tensor]
    with np.errstate(all="ignore"):
        finite = np.isfinite(other)
        if coarser > 1 and not np.isfinite(one[finite]).all():
            return True  # float32 overflows there, which says nothing of the rest
        largest = float(np.abs(other[finite]).max(initial=0.0))
        larger = max(1.0, largest / size) if size else 1.0
        E, problem = o.acceptance.bound.tensors[tensor], o.acceptance.problem
        rounding = 4 * sum(problem.shape) * problem.unit_roundoff * (size or largest)
        elsewhere = other != np.asarray(getattr(right, tensor), dtype=np.float64)  # it rounds other numbers there
        near = np.abs(one - other) <= 2 * larger * coarser * np.where(elsewhere, max(E.max(), rounding), E)
    return bool(np.where(finite, near, ~np.isfinite(one)).all())


def differs(got: NDArray[Any], o: Observation, tensor: str) -> bool:
    """Whether a tensor is outside its bound on a case, or of another shape."""
    if got.shape != o.acceptance.exact.tensors[tensor].hi.shape:
        return True
    return bool((compare(got, o.acceptance, tensor).ratio > 1).any())


def _is_narrow(observations: Sequence[Observation], tensor: str) -> bool:
    """Whether float32 holds every entry of a tensor, among them enough whose exact values it does not hold.

    Entries far from any exact value, such as signs and zeros, are no digits that float32 has cut off.
    """
    telling = 0
    for o in observations:
        got, exact = np.asarray(getattr(o.gradients, tensor)), o.acceptance.exact.tensors[tensor].hi
        if got.shape != exact.shape:
            return False
        with np.errstate(all="ignore"):
            if not np.array_equal(got, got.astype(np.float32), equal_nan=True):
                return False
            cut = (exact != exact.astype(np.float32)) & (got != 0) & (np.abs(got) != 1) & np.isfinite(got)
        telling += int(cut.sum())
    return telling >= TELLING
