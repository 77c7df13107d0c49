"""The contract between a framework and the judge: inputs in, gradients out.

An adapter is a module with the members of `Adapter`. It contains no tolerance, no case and no report.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gradaudit.reference.problem import Gradients


class Inputs(NamedTuple):
    """The arguments of one call: fresh arrays, in the layout and with the label dtype of the case."""

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
        The ways to compute the gradient. The first is canonical: the way of the framework's tutorial.
    dtypes : tuple of str
        The dtypes of its computations.
    onehot : bool, optional
        Whether it takes one-hot rows in place of labels.
    """

    @property
    def name(self) -> str: ...
    @property
    def variants(self) -> tuple[str, ...]: ...
    @property
    def dtypes(self) -> tuple[str, ...]: ...

    def versions(self) -> dict[str, str]:
        """The packages of the framework, and their versions."""

    def gradients(self, inputs: Inputs, variant: str) -> Gradients:
        """The loss, and its gradients in the dtype of the inputs, as new NumPy arrays; a loss may be wider.

        Raises
        ------
        LookupError
            If there is no such variant.
        """


class ReluAdapter(Adapter, Protocol):
    """A framework with a function for the derivative of its ReLU, for the table of kinks.

    Attributes
    ----------
    modes : tuple of str
        The modes in which a function can run: "eager", "compiled".
    """

    @property
    def modes(self) -> tuple[str, ...]: ...

    def slopes(self, x: NDArray[Any], mode: str) -> dict[str, NDArray[Any]]:
        """Idiom of gradaudit.adapters.idioms.RELUS -> its derivative at each entry of x (n,), in the dtype of x."""


class NarrowAdapter(Adapter, Protocol):
    """A framework that computes in dtypes narrower than those of a Problem.

    Attributes
    ----------
    narrow : tuple of str
        Some of "float16", "bfloat16". Answers in bfloat16 are float32 arrays, because NumPy has no bfloat16.
    """

    @property
    def narrow(self) -> tuple[str, ...]: ...


def normalised(inputs: Inputs) -> Inputs:
    """The inputs in the form for a framework: native, C-ordered, writable copies, with integer labels as int64."""
    X, y, W1, b1, W2, b2 = (np.array(a, dtype=a.dtype.newbyteorder("="), order="C", copy=True) for a in inputs[:6])
    return Inputs(X, y.astype(np.int64) if y.dtype.kind in "iu" else y, W1, b1, W2, b2, inputs.reg)
