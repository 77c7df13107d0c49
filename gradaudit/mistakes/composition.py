"""Which set of mistakes gives the same answers as an implementation: a search over small sets.

Two mistakes compose if they replace different steps. A set grows by counterexamples: the cases are in an order, the
most informative first, and at the first case where the set does not give the answer, each further mistake is tried.
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

#: The largest number of mistakes in a set.
MOST_MISTAKES = 3
#: The unit roundoff of float32 over that of float64.
FLOAT32_FACTOR = 2.0**29
#: A tensor was rounded to float32 only if at least this number of its exact values are no float32 numbers.
ENOUGH_CUT = 8
_CHANGES = {m.name: m.changes for m in (*MISTAKES.values(), *VARIANTS) if m.changes}
_VARIANTS = frozenset(m.name for m in VARIANTS)

Names = frozenset[str]


class Compositions:
    """Sets of mistakes, compared with the answers of an implementation.

    Parameters
    ----------
    observations : sequence of Observation
        The observations with gradients.
    """

    def __init__(self, observations: Sequence[Observation]) -> None:
        self.narrow = frozenset(t for t in TENSORS if _is_narrow(observations, t))
        self._misses: dict[tuple[Names, int], Names] = {}
        wrong = {id(o): frozenset(t for t in TENSORS if differs(getattr(o.gradients, t), o, t)) for o in observations}

        def order(o: Observation) -> tuple[bool, bool, int, int]:
            finite = all(np.isfinite(getattr(o.gradients, t)).all() for t in TENSORS)
            shape = o.acceptance.problem.shape
            generic = min(shape) > 1 and o.acceptance.problem.reg > 0
            return not finite, not generic, -len(wrong[id(o)]), shape.N * shape.D

        self._canonical = {id(o): canonical(o) for o in observations}
        self.observations = sorted(observations, key=order)
        self.wrong = frozenset[str]().union(*wrong.values())
        finite = all(np.isfinite(getattr(o.gradients, t)).all() for o in observations for t in TENSORS)
        self._variants = [frozenset[str](), *([] if finite else (frozenset({m.name}) for m in VARIANTS))]

    def explanation(self, scope: Names, limit: int = MOST_MISTAKES, exclusions: Iterable[str] = ()) -> Names | None:
        """The smallest set of mistakes that gives every tensor of `scope` on every case; None if there is none."""
        choices = [name for name in MISTAKES if name in _CHANGES and name not in set(exclusions)]
        for size in range(1, limit + 1):
            for variant in self._variants:
                for names in self._extensions(variant, scope, size, choices):
                    return names
        return None

    def explanations(self, scope: Names, exclusions: Iterable[str] = ()) -> list[Names]:
        """Every single mistake that gives all tensors of `scope` on every case. Of two nested mistakes: the smaller."""
        choices = [name for name in MISTAKES if name in _CHANGES and name not in set(exclusions)]
        singles = list(self._extensions(frozenset(), scope, 1, choices))
        steps = [frozenset[str]().union(*(_CHANGES[name] for name in names)) for names in singles]
        return [names for names, own in zip(singles, steps, strict=True) if not any(step < own for step in steps)]

    def counterexample(self, names: Names, scope: Names) -> Observation | None:
        """The first case where a set does not give the tensors of `scope`."""
        return next((o for o in self.observations if self.misses(names, o) & scope), None)

    def misses(self, names: Names, o: Observation) -> Names:
        """The tensors of a case that a set does not give."""
        key = names, id(o)
        if key not in self._misses:
            self._misses[key] = self._misfits_in_both(names, o)
        return self._misses[key]

    def _misfits_in_both(self, names: Names, o: Observation) -> Names:
        changes: dict[str, Any] = {}
        for name in names:
            changes |= _CHANGES[name]
        inputs = hand_over(o.acceptance.problem, o.case.edge.layout, o.case.edge.labels)
        misfits = self._misfits(changes, o, inputs)
        if misfits & self.narrow:  # close to a kink the rounding to float32 decides
            with np.errstate(over="ignore"):
                single = {name: getattr(inputs, name).astype(np.float32) for name in ("X", *PARAMETERS)}
            misfits &= self._misfits(changes, o, inputs._replace(**single)) | (misfits - self.narrow)
        return misfits

    def _misfits(self, changes: dict[str, Any], o: Observation, inputs: Inputs) -> Names:
        try:
            loss, grads = evaluate(changes, **inputs._asdict())
        except (ValueError, IndexError):  # a mistake may not fit the shapes
            return frozenset(TENSORS)
        model, right = Gradients(np.asarray(loss), **grads), self._canonical[id(o)]
        return frozenset(
            t for t in TENSORS if not equal(o, model, right, t, FLOAT32_FACTOR if t in self.narrow else 1.0)
        )

    def _extensions(self, names: Names, scope: Names, count: int, choices: Sequence[str]) -> Iterator[Names]:
        o = self.counterexample(names, scope)
        if o is None:
            if names - _VARIANTS or self.narrow:
                yield names
            return
        if not count:
            return
        misfits = self.misses(names, o) & scope
        steps = frozenset[str]().union(*(_CHANGES[name] for name in names))
        for name in choices:
            if name in names or steps & _CHANGES[name].keys():
                continue
            larger_set = names | {name}
            remainder = self.misses(larger_set, o) & scope
            if count == 1 and remainder:
                continue
            if len(remainder) < len(misfits) or (count > 1 and not names - _VARIANTS and remainder != scope):
                yield from self._extensions(larger_set, scope, count - 1, choices)


def canonical(o: Observation) -> Gradients:
    """The gradients of the network without a mistake on a case."""
    loss, grads = evaluate({}, **hand_over(o.acceptance.problem, o.case.edge.layout, o.case.edge.labels)._asdict())
    return Gradients(np.asarray(loss), **grads)


def equal(o: Observation, model: Gradients, right: Gradients, tensor: str, factor: float = 1.0) -> bool:
    """Whether a tensor of the implementation is that of the mistake (`model`), up to rounding.

    `right` has the gradients of the canonical network. Both tensors may differ by twice the bound. If the tensor of the
    mistake is larger than a right one can be, the bound is larger by the same factor. Where the mistake computes an
    entry from other numbers, the rounding of a sum of natural size is allowed: the bound of a dead unit is 0, but its
    wrong gradient is rounded, even where it is 0.
    """
    values, expected = (np.asarray(getattr(g, tensor), dtype=np.float64) for g in (o.gradients, model))
    if values.shape != expected.shape:
        return False
    size = o.acceptance.bound.sizes[tensor]
    with np.errstate(all="ignore"):
        finite = np.isfinite(expected)
        if factor > 1 and not np.isfinite(values[finite]).all():
            return True  # float32 overflows there, so the other entries cannot be compared
        largest = float(np.abs(expected[finite]).max(initial=0.0))
        larger = max(1.0, largest / size) if size else 1.0
        E, problem = o.acceptance.bound.tensors[tensor], o.acceptance.problem
        rounding = 4 * sum(problem.shape) * problem.unit_roundoff * (size or largest)
        differs_here = expected != np.asarray(
            getattr(right, tensor), dtype=np.float64
        )  # other numbers are rounded there
        near = np.abs(values - expected) <= 2 * larger * factor * np.where(differs_here, max(E.max(), rounding), E)
    return bool(np.where(finite, near, ~np.isfinite(values)).all())


def differs(got: NDArray[Any], o: Observation, tensor: str) -> bool:
    """Whether a tensor is outside its bound on a case, or of another shape."""
    if got.shape != o.acceptance.exact.tensors[tensor].hi.shape:
        return True
    return bool((compare(got, o.acceptance, tensor).ratio > 1).any())


def _is_narrow(observations: Sequence[Observation], tensor: str) -> bool:
    """Whether every entry of a tensor is a float32 number, although enough of the exact values are not.

    Zeros and ones do not count: they may be float32 numbers without a rounding to float32.
    """
    count = 0
    for o in observations:
        got, exact = np.asarray(getattr(o.gradients, tensor)), o.acceptance.exact.tensors[tensor].hi
        if got.shape != exact.shape:
            return False
        with np.errstate(all="ignore"):
            if not np.array_equal(got, got.astype(np.float32), equal_nan=True):
                return False
            is_cut = (exact != exact.astype(np.float32)) & (got != 0) & (np.abs(got) != 1) & np.isfinite(got)
        count += int(is_cut.sum())
    return count >= ENOUGH_CUT
