"""A real training: a framework takes steps along its own gradients, and each of these gradients is judged.

Stochastic gradient descent on the digits. All frameworks have the same initialisation and the same sequence of batches.
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

#: The learning rate. It is a power of two, so that the step itself rounds once.
RATE = 0.5
#: The training that all others are compared with.
REFERENCE = ("numpy", "reference")
#: After how many steps the trajectories are compared.
CHECKPOINTS = (1, 10, 100, 200)

Parameters = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The training of one framework.

    Attributes
    ----------
    problems : tuple of Problem
        The batch of each step, with the parameters before the step.
    final : dict of str to ndarray
        The parameters after the last step.
    held_out : ndarray of int
        The indices of the images that were not used in the training.
    """

    problems: tuple[Problem, ...]
    final: Parameters
    held_out: NDArray[np.int64]

    def parameters(self, steps: int) -> Parameters:
        """The parameters after this number of steps."""
        if steps == len(self.problems):
            return self.final
        return {name: getattr(self.problems[steps], name) for name in PARAMETERS}

    def accuracy(self) -> float:
        """The fraction of the held-out images that the final parameters classify correctly."""
        pixels, labels = (values[self.held_out] for values in digits.images())
        problem = Problem(X=pixels.astype(self.final["W1"].dtype), y=labels, **self.final, reg=0.0)
        return float((network.forward(problem).s.argmax(axis=1) == labels).mean())


@lru_cache(maxsize=8)
def trajectory(framework: str, variant: str, start: Case, steps: int) -> Trajectory:
    """Train a network with the gradients of a variant of a framework.

    Parameters
    ----------
    framework, variant : str
        The variant whose gradients are used.
    start : Case
        The first step: initialisation, regularisation, dtype and seed.
    steps : int
        The number of steps.

    Raises
    ------
    ProblemError
        If a parameter becomes infinite or NaN.
    """
    gradients = adapter(framework).gradients
    rng = start.generator()
    training, held_out = digits.split(rng)
    parameters = {name: W.astype(start.dtype) for name, W in digits.initial(rng, start.shape).items()}
    rate = np.dtype(start.dtype).type(RATE)
    problems = []
    for _ in range(steps):
        minibatch = digits.batch(rng, training, start.shape.N)
        problem = Problem(X=minibatch["X"].astype(start.dtype), y=minibatch["y"], **parameters, reg=start.reg)
        problems.append(problem)
        grads = gradients(hand_over(problem), variant)
        updates = {name: parameters[name] - rate * getattr(grads, name) for name in PARAMETERS}
        parameters = {name: W.astype(start.dtype) for name, W in updates.items()}
    return Trajectory(tuple(problems), parameters, held_out)


def table(who: Sequence[tuple[str, str]], starts: Sequence[Case], steps: int) -> dict[str, Any]:
    """A table of the trainings: the accuracy of each, and how far each is from the training of the NumPy reference.

    Parameters
    ----------
    who : sequence of (framework, variant)
        The variants.
    starts : sequence of Case
        The first step in each dtype.
    steps : int
        The number of steps of each training.
    """
    checkpoints = [n for n in CHECKPOINTS if n <= steps]
    return {
        "title": f"a training on real images: {steps} steps on the digits, accuracy on {digits.HELD_OUT} held out",
        "columns": ["trained by", "accuracy", *(f"drift {n}" for n in checkpoints)],
        "note": "drift n: how far the parameters are from the NumPy reference's after n steps, relative to the largest",
        "rows": [row for start in starts for row in _rows(who, start, steps, checkpoints)],
    }


def _rows(who: Sequence[tuple[str, str]], start: Case, steps: int, checkpoints: list[int]) -> Iterator[list[Any]]:
    reference = trajectory(*REFERENCE, start, steps)
    for framework, variant in who:
        if start.dtype not in adapter(framework).dtypes:
            continue
        try:
            result = trajectory(framework, variant, start, steps)
        except Exception as error:  # the findings give the details
            yield [f"{framework} {variant} {start.dtype}", f"raised {type(error).__name__}", *("" for _ in checkpoints)]
            continue
        drift = [_drift(result.parameters(n), reference.parameters(n)) for n in checkpoints]
        yield [f"{framework} {variant} {start.dtype}", round(result.accuracy(), 4), *drift]


def _drift(parameters: Parameters, reference: Parameters) -> float:
    """The largest relative difference, over all tensors of parameters."""
    distances = (
        np.abs(parameters[name] - reference[name]).max() / (np.abs(reference[name]).max() or 1) for name in PARAMETERS
    )
    return float(f"{max(distances):.3g}")
