"""A call: a case's arrays are handed over, fresh and in its layout; what came of it, and which arrays it changed.

Whoever calls an implementation, a framework or a mistake, does so through here, so that all are treated alike.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gradaudit.adapters.protocol import Inputs
from gradaudit.reference.problem import ARRAYS, TENSORS, Gradients, Problem

#: How the gradients that earlier calls had returned are named among what a call changed.
EARLIER = "the gradients that it had returned before"
#: The gradients of so many calls are watched: buffers for each dtype, or two in turn, are not filled again at once.
WATCHED = 4


def _strided(array: NDArray[Any]) -> NDArray[Any]:
    wide = np.zeros(tuple(2 * n for n in array.shape), dtype=array.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def _reversed(array: NDArray[Any]) -> NDArray[Any]:
    flip = (slice(None, None, -1),) * array.ndim
    return np.array(array[flip], order="C")[flip]


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy


#: How the same values can lie in memory.
LAYOUTS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "C": lambda array: np.array(array, order="C"),
    "fortran": lambda array: np.array(array, order="F"),
    "strided": _strided,
    "reversed": _reversed,
    "read_only": _read_only,
}


def hand_over(problem: Problem, layout: str = "C", labels: str = "int64", reg: float | None = None) -> Inputs:
    """Fresh copies of a problem's arrays for one call: in a layout of LAYOUTS, the labels in the dtype `labels`.

    Where `reg` is given, it stands in place of the problem's.
    """
    lay = LAYOUTS[layout]
    return Inputs(
        X=lay(problem.X),
        y=lay(problem.y.astype(labels)),
        W1=lay(problem.W1),
        b1=lay(problem.b1),
        W2=lay(problem.W2),
        b2=lay(problem.b2),
        reg=problem.reg if reg is None else reg,
    )


@dataclass(frozen=True, eq=False)
class Answer:
    """What came of one call.

    Attributes
    ----------
    outcome : {"gradients", "raised", "crash", "timeout"}
        What happened; the last two only where it was called in another process.
    gradients : Gradients or None
        Copies of what it returned.
    message : str
        Why there are no gradients.
    changed : tuple of str
        The inputs that are no longer what was handed over, and EARLIER where a call before is affected.
    warnings : tuple of str
        What it warned of, where that was recorded.
    error : Exception, SystemExit or None
        What it raised, where it was called in this process.
    """

    outcome: Literal["gradients", "raised", "crash", "timeout"]
    gradients: Gradients | None = None
    message: str = ""
    changed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    error: BaseException | None = None


class Caller:
    """An implementation that is called again and again; what it returned in the last calls is watched.

    Parameters
    ----------
    function : callable
        Inputs -> Gradients, whose arrays may be the implementation's own.
    """

    def __init__(self, function: Callable[[Inputs], Gradients]) -> None:
        self._function = function
        self._earlier: deque[tuple[Gradients, Gradients]] = deque(maxlen=WATCHED)

    def __call__(self, problem: Problem, layout: str = "C", labels: str = "int64", reg: float | None = None) -> Answer:
        """Call it once on a problem; Ctrl-C alone is raised."""
        inputs = hand_over(problem, layout, labels, reg)
        gradients = error = None
        try:
            gradients = self._function(inputs)
        except (Exception, SystemExit) as raised:  # whatever it raises is what there is to report
            error = raised
        changed = tuple(n for n in ARRAYS if not np.array_equal(getattr(inputs, n), getattr(problem, n)))
        still = [pair for pair in self._earlier if _same(*pair)]
        if len(still) < len(self._earlier):
            changed += (EARLIER,)
        self._earlier = deque(still, maxlen=WATCHED)
        if gradients is None:
            return Answer("raised", message=in_words(error), changed=changed, error=error)
        copies = Gradients(**{name: np.array(getattr(gradients, name)) for name in TENSORS})
        self._earlier.append((gradients, copies))
        return Answer("gradients", copies, changed=changed)


def _same(gradients: Gradients, copies: Gradients) -> bool:
    """Whether gradients still are what they were when they were copied."""
    return all(np.array_equal(getattr(gradients, name), getattr(copies, name), equal_nan=True) for name in TENSORS)


def in_words(error: BaseException | None) -> str:
    """An exception as one line: its type and its message."""
    return " ".join(f"{type(error).__name__}: {error}".split())
