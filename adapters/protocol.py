"""The contract between a framework and the judge: inputs in, gradients out.

An adapter is a module with the members of `Adapter`. It knows no tolerance, no case and no report.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gradaudit.reference.problem import Gradients


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
        """The loss and its gradients in the dtype of the inputs, as NumPy arrays of their own.

        Raises
        ------
        LookupError
            If there is no such variant.
        """


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
        """Idiom of gradaudit.adapters.idioms.RELUS -> its derivative at each entry of x (n,), in the dtype of x."""


class Narrow(Adapter, Protocol):
    """A framework that computes in dtypes narrower than those of a Problem.

    Attributes
    ----------
    narrow : tuple of str
        Of "float16" and "bfloat16"; its answers in bfloat16, which NumPy lacks, are float32.
    """

    @property
    def narrow(self) -> tuple[str, ...]: ...


def normalised(inputs: Inputs) -> Inputs:
    """The inputs as every framework takes them: native, C-ordered, writable copies; integer labels as int64."""
    X, y, W1, b1, W2, b2 = (np.array(a, dtype=a.dtype.newbyteorder("="), order="C", copy=True) for a in inputs[:6])
    return Inputs(X, y.astype(np.int64) if y.dtype.kind in "iu" else y, W1, b1, W2, b2, inputs.reg)
