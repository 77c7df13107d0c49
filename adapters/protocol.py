"""The contract between a framework and the judge: inputs in, gradients out.

An adapter is a module with the members of `Adapter`. It knows no tolerance, no case and no report.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from reference.problem import Gradients, Problem


class Inputs(NamedTuple):
    """What one call is handed: fresh arrays, in the layout and with the label dtype that the case asks for."""

    X: NDArray[Any]
    y: NDArray[Any]
    W1: NDArray[Any]
    b1: NDArray[Any]
    W2: NDArray[Any]
    b2: NDArray[Any]
    reg: float


class Adapter(Protocol):
    """One framework.

    Attributes
    ----------
    name : str
        The framework's name.
    variants : tuple of str
        The ways in which it is asked for the gradient; the first is canonical, what its own tutorial would write.
    dtypes : tuple of str
        The dtypes in which it can compute.
    onehot : bool, optional
        Whether it takes rows of zeros and a one in place of labels.
    """

    @property
    def name(self) -> str: ...
    @property
    def variants(self) -> tuple[str, ...]: ...
    @property
    def dtypes(self) -> tuple[str, ...]: ...

    def versions(self) -> dict[str, str]:
        """The packages that take part, and their versions."""

    def gradients(self, inputs: Inputs, variant: str) -> Gradients:
        """The loss and its gradients in the dtype of the inputs, as NumPy arrays of their own."""


class Spelled(Adapter, Protocol):
    """A framework that shows its ReLU: what the table of kinks asks for.

    Attributes
    ----------
    modes : tuple of str
        How a function can be run: "eager", "compiled".
    """

    @property
    def modes(self) -> tuple[str, ...]: ...

    def slopes(self, x: NDArray[Any], mode: str) -> dict[str, NDArray[Any]]:
        """Idiom of adapters.idioms.RELUS -> its derivative at each entry of x (n,), in the dtype of x."""


class Narrow(Adapter, Protocol):
    """A framework that computes in dtypes narrower than those of a Problem.

    Attributes
    ----------
    narrow : tuple of str
        Of "float16" and "bfloat16"; its answers in bfloat16, which NumPy lacks, are float32.
    """

    @property
    def narrow(self) -> tuple[str, ...]: ...


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


def hand_over(problem: Problem, layout: str = "C", labels: str = "int64") -> Inputs:
    """Fresh copies of a problem's arrays for one call: in a layout of LAYOUTS, the labels in the dtype `labels`."""
    lay = LAYOUTS[layout]
    return Inputs(
        X=lay(problem.X),
        y=lay(problem.y.astype(labels)),
        W1=lay(problem.W1),
        b1=lay(problem.b1),
        W2=lay(problem.W2),
        b2=lay(problem.b2),
        reg=problem.reg,
    )


def normalised(inputs: Inputs) -> Inputs:
    """The inputs as every framework takes them: native, C-ordered, writable copies; integer labels as int64."""
    X, y, W1, b1, W2, b2 = (np.array(a, dtype=a.dtype.newbyteorder("="), order="C", copy=True) for a in inputs[:6])
    return Inputs(X, y.astype(np.int64) if y.dtype.kind in "iu" else y, W1, b1, W2, b2, inputs.reg)
