"""The answers of every framework to invalid labels, and to a batch without samples. Each runs in a separate process.

The judge compares the answer with its possible meanings: another label, a mean without the sample, a sum without its
term.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.adapters import adapter
from gradaudit.adapters.calls import hand_over
from gradaudit.adapters.protocol import Inputs
from gradaudit.cases.catalogue import case_of
from gradaudit.reference.acceptance import Acceptance, accept
from gradaudit.reference.problem import TENSORS, Gradients, Problem
from gradaudit.verdicts.judge import compare

#: Two samples and three classes. The label of the second sample is invalid. Half of a mean over two is exact.
PROBLEM = case_of("2x4x10x3-reg_0-random-float64-s0").problem()
#: The questions in the order of the columns, and their labels.
QUESTIONS: dict[str, Any] = {
    "label C": np.array([0, 3]),
    "label -1": np.array([0, -1]),
    "label -100": np.array([0, -100]),
    "label 1.0": np.array([0.0, 1.0]),
    "no samples": np.array([], dtype=np.int64),
}
#: The time after which a process is ended, in seconds.
LIMIT = 120.0
ROOT = Path(__file__).parents[2]


def table(who: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """A table with a row for each framework."""
    return {
        "title": "invalid labels, in a batch of two with three classes",
        "columns": ["framework", *QUESTIONS],
        "note": "the loss and gradient are equal to those of this label; a refusal is the best answer",
        "text": True,
        "rows": [[f"{framework} {variant}", *_ask(framework, variant)] for framework, variant in who],
    }


def _ask(framework: str, variant: str) -> list[str]:
    """The answer to each question. If the process dies, a new process gets the next questions."""
    if getattr(adapter(framework), "onehot", False):
        return ["takes rows, not labels"] * len(QUESTIONS)
    answers: dict[str, str] = {}
    while len(answers) < len(QUESTIONS):
        names = [name for name in QUESTIONS if name not in answers]
        try:
            process = subprocess.run(
                [sys.executable, "-m", "gradaudit.comparison.labels", framework, variant, *names],
                cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False,
            )  # fmt: skip
            output, status = process.stdout, process.returncode
            ending = f"dies of {signal.Signals(-status).name}" if status < 0 else f"ends the process with {status}"
        except subprocess.TimeoutExpired as error:
            output, ending = (error.stdout or b"").decode() if isinstance(error.stdout, bytes) else "", "hangs"
        answers |= dict(json.loads(line) for line in output.splitlines() if line.startswith("["))
        culprit = next((name for name in names if name not in answers), None)
        if culprit is not None:
            answers[culprit] = ending
    return [answers[name] for name in QUESTIONS]


def _answer(framework: str, variant: str, name: str) -> str:
    """The answer of a framework to one question, in words."""
    y = QUESTIONS[name]
    inputs = hand_over(PROBLEM)
    bad_inputs = Inputs(inputs.X[: len(y)], y, *inputs[2:])
    try:
        gradients = adapter(framework).gradients(bad_inputs, variant)
    except Exception as error:  # the framework refuses
        return f"refuses: {type(error).__name__}"
    if not len(y):
        return f"loss {float(gradients.loss):.3g}, gradient {_size(gradients)}"
    meanings = _meanings()
    loss = next((m for m, a in meanings.items() if _fits(gradients, a, ("loss",))), f"{float(gradients.loss):.4g}")
    rest = next((m for m, a in meanings.items() if _fits(gradients, a, TENSORS[1:])), _size(gradients))
    return f"as {loss}" if loss == rest else f"loss {loss}, gradient {rest}"


def _meanings() -> dict[str, tuple[Acceptance, float]]:
    """The possible meanings of an answer: the gradient of another problem, times a factor."""
    labelled = {f"label {label}": (accept(_problem(np.array([0, label]), 2)), 1.0) for label in range(PROBLEM.shape.C)}
    without_sample = accept(_problem(np.array([0]), 1))
    return labelled | {
        "if the sample were not there": (without_sample, 1.0),
        "if only its term were not there": (without_sample, 0.5),
    }


def _problem(y: NDArray[Any], samples: int) -> Problem:
    return Problem(PROBLEM.X[:samples], y, PROBLEM.W1, PROBLEM.b1, PROBLEM.W2, PROBLEM.b2, reg=0.0)


def _fits(gradients: Gradients, meaning: tuple[Acceptance, float], names: Sequence[str]) -> bool:
    """Whether these tensors, divided by the factor, are within the bound of this meaning."""
    acceptance, factor = meaning
    return all((compare(getattr(gradients, name) / factor, acceptance, name).ratio <= 1).all() for name in names)


def _size(gradients: Gradients) -> str:
    largest = max(float(np.abs(getattr(gradients, name)).max()) for name in TENSORS[1:])
    return "NaN" if np.isnan(largest) else "0" if largest == 0 else "another"


if __name__ == "__main__":
    for question in sys.argv[3:]:
        print(json.dumps([question, _answer(sys.argv[1], sys.argv[2], question)]), flush=True)
