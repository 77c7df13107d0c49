"""A real training: a framework descends along its own gradients, and every one of them is judged where it led.

Stochastic gradient descent on the digits, from one initialisation and with one sequence of batches for all frameworks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.adapters import adapter
from gradaudit.adapters.calls import hand_over
from gradaudit.cases import images as digits
from gradaudit.cases.catalogue import Case
from gradaudit.reference import network
from gradaudit.reference.problem import PARAMETERS, Problem

#: The rate of the descent; a power of two, so that the step itself rounds once.
RATE = 0.5
#: Whose training the others are compared with.
REFERENCE = ("numpy", "reference")
#: After how many steps the trajectories are compared.
COMPARED = (1, 10, 100, 200)

Parameters = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Where a framework's descent went.

    Attributes
    ----------
    problems : tuple of Problem
        Each step's batch, at the parameters before the step.
    final : dict of str to ndarray
        The parameters after the last step.
    held_out : ndarray of int
        The indices of the images that took no part.
    """

    problems: tuple[Problem, ...]
    final: Parameters
    held_out: NDArray[np.int64]

    def parameters(self, steps: int) -> Parameters:
        """The parameters after so many steps."""
        if steps == len(self.problems):
            return self.final
        return {name: getattr(self.problems[steps], name) for name in PARAMETERS}

    def accuracy(self) -> float:
        """The part of the held-out images that the final parameters classify as labelled."""
        pixels, labels = (values[self.held_out] for values in digits.images())
        problem = Problem(X=pixels.astype(self.final["W1"].dtype), y=labels, **self.final, reg=0.0)
        return float((network.forward(problem).s.argmax(axis=1) == labels).mean())


@lru_cache(maxsize=8)
def trajectory(framework: str, variant: str, start: Case, steps: int) -> Trajectory:
    """Train a network with the gradients of a variant of a framework.

    Parameters
    ----------
    framework, variant : str
        Whose gradients.
    start : Case
        The first step: initialisation, regularisation, dtype and seed.
    steps : int
        How many.

    Raises
    ------
    ProblemError
        If the descent leaves the finite numbers.
    """
    gradients = adapter(framework).gradients
    rng = start.generator()
    training, held_out = digits.split(rng)
    parameters = {name: W.astype(start.dtype) for name, W in digits.initial(rng, start.shape).items()}
    rate = np.dtype(start.dtype).type(RATE)
    problems = []
    for _ in range(steps):
        drawn = digits.batch(rng, training, start.shape.N)
        problem = Problem(X=drawn["X"].astype(start.dtype), y=drawn["y"], **parameters, reg=start.reg)
        problems.append(problem)
        found = gradients(hand_over(problem), variant)
        stepped = {name: parameters[name] - rate * getattr(found, name) for name in PARAMETERS}
        parameters = {name: W.astype(start.dtype) for name, W in stepped.items()}
    return Trajectory(tuple(problems), parameters, held_out)


def table(who: Sequence[tuple[str, str]], starts: Sequence[Case], steps: int) -> dict[str, Any]:
    """The trainings side by side: what each reached, and how far each is from that of the NumPy reference.

    Parameters
    ----------
    who : sequence of (framework, variant)
        Whose trainings.
    starts : sequence of Case
        The first step in each dtype.
    steps : int
        How many steps each took.
    """
    compared = [n for n in COMPARED if n <= steps]
    return {
        "title": f"a training on real images: {steps} steps on the digits, accuracy on {digits.HELD_OUT} held out",
        "columns": ["trained by", "accuracy", *(f"drift {n}" for n in compared)],
        "note": "drift n: how far the parameters are from the NumPy reference's after n steps, relative to the largest",
        "rows": [row for start in starts for row in _rows(who, start, steps, compared)],
    }


def _rows(who: Sequence[tuple[str, str]], start: Case, steps: int, compared: list[int]) -> Iterator[list[Any]]:
    first = trajectory(*REFERENCE, start, steps)
    for framework, variant in who:
        if start.dtype not in adapter(framework).dtypes:
            continue
        try:
            one = trajectory(framework, variant, start, steps)
        except Exception as error:  # the findings say more
            yield [f"{framework} {variant} {start.dtype}", f"raised {type(error).__name__}", *("" for _ in compared)]
            continue
        drift = [_drift(one.parameters(n), first.parameters(n)) for n in compared]
        yield [f"{framework} {variant} {start.dtype}", round(one.accuracy(), 4), *drift]


def _drift(one: Parameters, other: Parameters) -> float:
    """The largest relative difference, over the parameters' tensors."""
    apart = (np.abs(one[name] - other[name]).max() / (np.abs(other[name]).max() or 1) for name in PARAMETERS)
    return float(f"{max(apart):.3g}")
