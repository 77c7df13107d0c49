"""A call of an implementation: fresh arrays in the layout of the case, the answer, and the arrays that were changed.

All calls of implementations, frameworks and mistakes use this module, so that all are treated in the same way.
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

#: The name of the gradients of earlier calls, among the arrays that a call changed.
EARLIER = "the gradients that it had returned before"
#: The number of earlier calls whose gradients are watched. Some implementations use several buffers in turn.
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


#: The memory layouts of an array.
LAYOUTS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "C": lambda array: np.array(array, order="C"),
    "fortran": lambda array: np.array(array, order="F"),
    "strided": _strided,
    "reversed": _reversed,
    "read_only": _read_only,
}


def hand_over(problem: Problem, layout: str = "C", labels: str = "int64", reg: float | None = None) -> Inputs:
    """Fresh copies of the arrays of a problem for one call: in a layout of LAYOUTS, with labels of the dtype `labels`.

    If `reg` is not None, it replaces the `reg` of the problem.
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
    """The result of one call.

    Attributes
    ----------
    outcome : {"gradients", "raised", "crash", "timeout"}
        What happened. The last two occur only for a call in another process.
    gradients : Gradients or None
        Copies of the returned arrays.
    message : str
        Why there are no gradients.
    changed : tuple of str
        The inputs that the call changed, and EARLIER if it changed the gradients of an earlier call.
    warnings : tuple of str
        The warnings of the call, if they were recorded.
    error : Exception, SystemExit or None
        The exception of the call, if it was in this process.
    """

    outcome: Literal["gradients", "raised", "crash", "timeout"]
    gradients: Gradients | None = None
    message: str = ""
    changed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    error: BaseException | None = None


class Caller:
    """An implementation that is called many times. The gradients of its last calls are watched.

    Parameters
    ----------
    function : callable
        Inputs -> Gradients. The arrays may belong to the implementation.
    """

    def __init__(self, function: Callable[[Inputs], Gradients]) -> None:
        self._function = function
        self._earlier: deque[tuple[Gradients, Gradients]] = deque(maxlen=WATCHED)

    def __call__(self, problem: Problem, layout: str = "C", labels: str = "int64", reg: float | None = None) -> Answer:
        """Call the implementation once on a problem. No exception is raised except Ctrl-C."""
        inputs = hand_over(problem, layout, labels, reg)
        gradients = error = None
        try:
            gradients = self._function(inputs)
        except (Exception, SystemExit) as exception:  # every exception is part of the answer
            error = exception
        changed = tuple(n for n in ARRAYS if not np.array_equal(getattr(inputs, n), getattr(problem, n)))
        pairs = [pair for pair in self._earlier if _same(*pair)]
        if len(pairs) < len(self._earlier):
            changed += (EARLIER,)
        self._earlier = deque(pairs, maxlen=WATCHED)
        if gradients is None:
            return Answer("raised", message=in_words(error), changed=changed, error=error)
        copies = Gradients(**{name: np.array(getattr(gradients, name)) for name in TENSORS})
        self._earlier.append((gradients, copies))
        return Answer("gradients", copies, changed=changed)


def _same(gradients: Gradients, copies: Gradients) -> bool:
    """Whether gradients are still equal to their copies."""
    return all(np.array_equal(getattr(gradients, name), getattr(copies, name), equal_nan=True) for name in TENSORS)


def in_words(error: BaseException | None) -> str:
    """An exception as one line: its type and its message."""
    return " ".join(f"{type(error).__name__}: {error}".split())
