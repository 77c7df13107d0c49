"""A problem (inputs and parameters of the network) and the gradients that answer it.

Shapes, once for the whole project: ``N`` samples, ``D`` features, ``H`` hidden units, ``C`` classes;
``X (N, D)``, ``y (N,)``, ``W1 (D, H)``, ``b1 (H,)``, ``W2 (H, C)``, ``b2 (C,)``, ``reg`` a scalar.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: What is judged, in the order in which ties between entries are broken.
TENSORS = ("loss", "W1", "b1", "W2", "b2")
#: The parameters that the loss is differentiated by.
PARAMETERS = TENSORS[1:]
#: The arrays that a problem is posed with, in their order, and those of floats.
ARRAYS = ("X", "y", *PARAMETERS)
FLOATS = ("X", *PARAMETERS)
#: The parameters that the regulariser covers, where nothing else is said.
WEIGHTS = ("W1", "W2")
#: The dtypes in which a problem can be posed.
DTYPES = ("float64", "float32")


class ProblemError(ValueError):
    """An input that is no problem: the message says what, what was expected and how to mend it."""


class Shape(NamedTuple):
    """The four sizes of a problem: samples, features, hidden units, classes."""

    N: int
    D: int
    H: int
    C: int

    def __str__(self) -> str:
        return "x".join(map(str, self))


@dataclass(frozen=True, eq=False)
class Problem:
    """One set of inputs and parameters in one dtype, validated, read-only, in C order.

    Parameters
    ----------
    X : ndarray, shape (N, D), float64 or float32
        Input samples.
    y : ndarray, shape (N,), any integer dtype
        Class indices, ``0 <= y < C``; kept as int64.
    W1, b1, W2, b2 : ndarray, shapes (D, H), (H,), (H, C), (C,), of the dtype of `X`
        Parameters.
    reg : float
        Factor of ``|W1|^2 + |W2|^2`` in the loss, ``>= 0``; kept as rounded to the dtype of `X`.

    Raises
    ------
    ProblemError
        If a shape does not fit or is empty, an array is no plain array of one supported dtype, a value
        is NaN or infinite, a label is no integer or out of range, or `reg` is negative or not finite.
    """

    X: NDArray[Any]
    y: NDArray[np.int64]
    W1: NDArray[Any]
    b1: NDArray[Any]
    W2: NDArray[Any]
    b2: NDArray[Any]
    reg: float

    def __post_init__(self) -> None:
        X = _floats("X", self.X, None)
        frozen = {"X": X, **{name: _floats(name, getattr(self, name), X.dtype) for name in PARAMETERS}}
        N, D, H, C = _sizes(frozen)
        for name, shape in {"X": (N, D), "W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}.items():
            _check_shape(name, frozen[name].shape, shape)
        frozen["y"] = _labels(self.y, N, C)
        for name, array in frozen.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "reg", _regularisation(self.reg, X.dtype))

    @property
    def shape(self) -> Shape:
        """The sizes (N, D, H, C)."""
        return Shape(*self.X.shape, *self.W2.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the inputs, the parameters and the computation."""
        return self.X.dtype

    @property
    def unit_roundoff(self) -> float:
        """The unit roundoff u of the dtype: 2^-53 in float64, 2^-24 in float32."""
        return float(np.finfo(self.dtype).eps) / 2

    def astype(self, dtype: str) -> Problem:
        """The same problem with every float rounded to `dtype`."""
        floats = {name: getattr(self, name).astype(dtype) for name in ("X", *PARAMETERS)}
        return Problem(**floats, y=self.y, reg=self.reg)


@dataclass(frozen=True, eq=False)
class Gradients:
    """The loss and its gradients, as somebody computed them; the judge, not this class, checks their shapes.

    Parameters
    ----------
    loss : ndarray, shape ()
        The loss L.
    W1, b1, W2, b2 : ndarray
        The derivatives of L by the parameter of that name, of the parameter's shape.

    Raises
    ------
    TypeError
        If one of them is not an array of real floating-point numbers.
    """

    loss: NDArray[Any]
    W1: NDArray[Any]
    b1: NDArray[Any]
    W2: NDArray[Any]
    b2: NDArray[Any]

    def __post_init__(self) -> None:
        for name in TENSORS:
            array = np.asarray(getattr(self, name))
            if array.dtype.kind != "f":
                raise TypeError(f"{name} has dtype {array.dtype}; expected real floating-point numbers")
            object.__setattr__(self, name, array)


def _floats(name: str, value: ArrayLike, dtype: np.dtype[Any] | None) -> NDArray[Any]:
    """A private C-ordered native copy of `value`, which must be a finite array of `dtype` (None: any supported)."""
    if isinstance(value, np.ma.MaskedArray):
        raise ProblemError(f"{name} is a masked array; expected a plain array: fill the masked entries first")
    if not isinstance(value, np.ndarray):
        raise ProblemError(
            f"{name} is a {type(value).__name__}; expected a NumPy array: write np.array(..., dtype=np.float64)"
        )
    native = value.dtype.newbyteorder("=")
    if native.name not in DTYPES:
        raise ProblemError(
            f"{name} has dtype {value.dtype}; expected {' or '.join(DTYPES)}: convert with {name}.astype(np.float64)"
        )
    if dtype is not None and native != dtype:
        raise ProblemError(
            f"{name} has dtype {native} and X has {dtype}; expected one dtype throughout: convert one of them"
        )
    array = np.array(value, dtype=native, order="C", copy=True, subok=False)
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ProblemError(f"{name}{list(where)} is {array[where]}; expected finite numbers: mend or drop that entry")
    return array


def _sizes(arrays: dict[str, NDArray[Any]]) -> Shape:
    """(N, D, H, C), read from the matrices."""
    for name, letters in {"X": "(N, D)", "W1": "(D, H)", "W2": "(H, C)"}.items():
        array = arrays[name]
        if array.ndim != 2:
            raise ProblemError(f"{name} has shape {array.shape}; expected a matrix {letters}: reshape it")
        if 0 in array.shape:
            raise ProblemError(
                f"{name} has shape {array.shape}; expected no empty axis in {letters}: a mean needs samples"
            )
    return Shape(*arrays["X"].shape, *arrays["W2"].shape)


def _check_shape(name: str, got: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Refuse a shape that does not fit, also one that broadcasting would hide."""
    if got != expected:
        raise ProblemError(
            f"{name} has shape {got}; expected {expected} beside X, W2 of theirs: reshape it (nothing is broadcast)"
        )


def _labels(y: ArrayLike, N: int, C: int) -> NDArray[np.int64]:
    """The labels as a private int64 array, each in 0..C-1."""
    if isinstance(y, np.ma.MaskedArray):
        raise ProblemError("y is a masked array; expected a plain array: drop the masked samples first")
    labels = np.asarray(y)
    if labels.dtype.kind not in "iu":
        raise ProblemError(
            f"y has dtype {labels.dtype}; expected integer class indices: convert with y.astype(np.int64)"
        )
    _check_shape("y", labels.shape, (N,))
    wrong = np.flatnonzero((labels < 0) | (labels >= C))
    if wrong.size:
        i = int(wrong[0])
        raise ProblemError(f"y[{i}] is {labels[i]}; expected a class index from 0 to {C - 1}: W2 has {C} columns")
    return np.array(labels, dtype=np.int64, order="C", copy=True, subok=False)


def _regularisation(reg: Any, dtype: np.dtype[Any]) -> float:
    """`reg` rounded to `dtype`."""
    try:
        given = float(reg)
    except (TypeError, ValueError) as error:
        raise ProblemError(f"reg is {reg!r}; expected one number >= 0") from error
    with np.errstate(over="ignore"):
        rounded = float(dtype.type(given))
    if not math.isfinite(rounded) or rounded < 0:
        raise ProblemError(f"reg is {given}; expected a finite number >= 0 that {dtype} can hold")
    return rounded
