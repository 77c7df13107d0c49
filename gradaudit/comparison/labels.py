"""What every framework makes of labels that are none, and of a batch without samples: each in a process of its own.

The answer is held against what it could mean, by the judge: another label, the sample left out of the mean, its term
left out of the sum.
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

#: Two samples and three classes; the second sample's label is the bad one. Half of a mean over two is exact.
POSED = case_of("2x4x10x3-reg_0-random-float64-s0").problem()
#: What is asked, in the order of the columns, and the labels of it.
BAD: dict[str, Any] = {
    "label C": np.array([0, 3]),
    "label -1": np.array([0, -1]),
    "label -100": np.array([0, -100]),
    "label 1.0": np.array([0.0, 1.0]),
    "no samples": np.array([], dtype=np.int64),
}
#: A process that has not answered by then is ended, in seconds.
LIMIT = 120.0
ROOT = Path(__file__).parents[2]


def table(who: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """A row a framework."""
    return {
        "title": "labels that are none, in a batch of two with three classes",
        "columns": ["framework", *BAD],
        "note": "what its loss and gradient are equal to; a refusal is the best answer",
        "text": True,
        "rows": [[f"{framework} {variant}", *_asked(framework, variant)] for framework, variant in who],
    }


def _asked(framework: str, variant: str) -> list[str]:
    """What became of each question; a process that dies is asked the next ones anew."""
    if getattr(adapter(framework), "onehot", False):
        return ["takes rows, not labels"] * len(BAD)
    said: dict[str, str] = {}
    while len(said) < len(BAD):
        left = [name for name in BAD if name not in said]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "gradaudit.comparison.labels", framework, variant, *left],
                cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False,
            )  # fmt: skip
            output, status = done.stdout, done.returncode
            ended = f"dies of {signal.Signals(-status).name}" if status < 0 else f"ends the process with {status}"
        except subprocess.TimeoutExpired as error:
            output, ended = (error.stdout or b"").decode() if isinstance(error.stdout, bytes) else "", "hangs"
        said |= dict(json.loads(line) for line in output.splitlines() if line.startswith("["))
        dead = next((name for name in left if name not in said), None)
        if dead is not None:
            said[dead] = ended
    return [said[name] for name in BAD]


def _answer(framework: str, variant: str, name: str) -> str:
    """What a framework makes of one question, in words."""
    y = BAD[name]
    inputs = hand_over(POSED)
    given = Inputs(inputs.X[: len(y)], y, *inputs[2:])
    try:
        gradients = adapter(framework).gradients(given, variant)
    except Exception as error:  # a refusal
        return f"refuses: {type(error).__name__}"
    if not len(y):
        return f"loss {float(gradients.loss):.3g}, gradient {_size(gradients)}"
    meanings = _meanings()
    loss = next((m for m, a in meanings.items() if _fits(gradients, a, ("loss",))), f"{float(gradients.loss):.4g}")
    rest = next((m for m, a in meanings.items() if _fits(gradients, a, TENSORS[1:])), _size(gradients))
    return f"as {loss}" if loss == rest else f"loss {loss}, gradient {rest}"


def _meanings() -> dict[str, tuple[Acceptance, float]]:
    """What an answer may equal: the gradient of another problem, times a factor."""
    labelled = {f"label {label}": (accept(_posed(np.array([0, label]), 2)), 1.0) for label in range(POSED.shape.C)}
    alone = accept(_posed(np.array([0]), 1))
    return labelled | {"if the sample were not there": (alone, 1.0), "if only its term were not there": (alone, 0.5)}


def _posed(y: NDArray[Any], samples: int) -> Problem:
    return Problem(POSED.X[:samples], y, POSED.W1, POSED.b1, POSED.W2, POSED.b2, reg=0.0)


def _fits(gradients: Gradients, meaning: tuple[Acceptance, float], names: Sequence[str]) -> bool:
    """Whether these tensors, over the factor, are within the bound of that meaning."""
    acceptance, factor = meaning
    return all((compare(getattr(gradients, name) / factor, acceptance, name).ratio <= 1).all() for name in names)


def _size(gradients: Gradients) -> str:
    largest = max(float(np.abs(getattr(gradients, name)).max()) for name in TENSORS[1:])
    return "NaN" if np.isnan(largest) else "0" if largest == 0 else "another"


if __name__ == "__main__":
    for asked in sys.argv[3:]:
        print(json.dumps([asked, _answer(sys.argv[1], sys.argv[2], asked)]), flush=True)
