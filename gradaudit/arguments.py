"""What people hand in: read, and held against what a check needs; each misfit is told in one line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradaudit.errors import InputError
from gradaudit.graph import Node, Shape
from gradaudit.rounding.arithmetic import Arithmetic, is_float

Arrays = Sequence[Any] | Mapping[str, Any]
Keys = list[Any]
#: The dtypes that are judged.
JUDGED = ("float64", "float32", "float16", "bfloat16")


class Inputs(NamedTuple):
    """Inputs of a definition.

    Attributes
    ----------
    arrays : dict
        All of them by number or name; what is no array as it was given.
    keys : list
        Which of them are differentiated by.
    dtype : dtype
        Theirs.
    """

    arrays: dict[Any, Any]
    keys: Keys
    dtype: np.dtype[Any]

    @property
    def floats(self) -> Keys:
        """Which of them are arrays of floats."""
        return [k for k, x in self.arrays.items() if _is_float(x)]

    def called(self, definition: Callable[..., Any], given: Mapping[Any, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments by position and by name.

        Raises
        ------
        InputError
            If the definition does not take them.
        """
        by_name = all(isinstance(k, str) for k in given)
        arguments = ([], dict(given)) if by_name else (list(given.values()), {})
        try:
            signature = inspect.signature(definition)
        except (TypeError, ValueError):  # a function without one
            return arguments
        try:
            signature.bind(*arguments[0], **arguments[1])
        except TypeError as error:
            names = f"the inputs {list(given)}" if by_name else f"{len(given)} inputs"
            raise InputError(f"the definition does not take {names}: {error}; expected inputs for each") from None
        return arguments


def _is_float(x: Any) -> bool:
    return isinstance(x, np.ndarray) and is_float(x.dtype)


def _items(what: str, given: Any) -> dict[Any, Any]:
    """Inputs or gradients by their number or name."""
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, (tuple, list)):
        return dict(enumerate(given))
    raise InputError(f"{what} is of the type {type(given).__name__}; expected a tuple of arrays, or a mapping: (x,)")


def _array(what: str, x: Any) -> Any:
    """An array of NumPy, whatever package it is from.

    Raises
    ------
    InputError
        If it cannot be made one.
    """
    try:
        return np.asarray(x)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{what} is no array of NumPy ({reason}); expected one") from error


def read_inputs(definition: Any, inputs: Any, wrt: Any) -> Inputs:
    """The inputs of a definition.

    Raises
    ------
    InputError
        If they are no floats of one dtype, or not finite.
    """
    if not callable(definition):
        raise InputError(f"definition is of the type {type(definition).__name__}; expected a function")
    items = _items("inputs", inputs)
    arrays = {
        k: _array(f"input {k!r}", x) if isinstance(x, float) or hasattr(x, "__array__") else x for k, x in items.items()
    }
    floats = [k for k, x in arrays.items() if _is_float(x)]
    keys = floats if wrt is None else [wrt] if isinstance(wrt, (str, int)) else list(wrt)
    for key in keys:
        if key not in floats:
            raise InputError(f"wrt names {key!r}, which is no array of floats; expected some of {floats}")
    if not keys:
        kinds = [x.dtype.name if isinstance(x, np.ndarray) else type(x).__name__ for x in arrays.values()]
        raise InputError(
            f"there is no float input to differentiate by, but {kinds}; expected arrays of {' or '.join(JUDGED)}"
        )
    _finite(arrays, floats)
    return Inputs(arrays, keys, _dtype(arrays, keys, floats))


def _dtype(arrays: Mapping[Any, Any], keys: Keys, floats: Keys) -> np.dtype[Any]:
    """The dtype of the inputs; numbers may be wider than arrays, as they may in NumPy."""
    wide = [k for k in floats if arrays[k].ndim] or keys
    dtypes = {arrays[k].dtype.name for k in wide}
    if len(dtypes) > 1 or not dtypes <= set(JUDGED):
        names = ", ".join(f"{k!r}: {arrays[k].dtype.name}" for k in wide)
        raise InputError(f"the inputs have the dtypes {names}; expected one of {', '.join(JUDGED)}: use astype")
    dtype: np.dtype[Any] = arrays[wide[0]].dtype
    return dtype


def _finite(arrays: Mapping[Any, Any], floats: Keys) -> None:
    for key in floats:
        if not np.isfinite(arrays[key]).all():
            where = [int(i) for i in np.argwhere(~np.isfinite(arrays[key]))[0]]
            raise InputError(
                f"input {key!r}{where or ''} is {arrays[key][tuple(where)]}; expected finite numbers, where the "
                "function has a gradient"
            )


def read_gradients(gradients: Any, inputs: Inputs) -> dict[Any, NDArray[Any]]:
    """The gradients by the inputs' keys.

    Raises
    ------
    InputError
        If one is missing, has another shape, or is no array of floats.
    """
    keys, items = inputs.keys, _items("gradients", gradients)
    if not isinstance(gradients, Mapping):
        names = keys if len(items) == len(keys) else list(inputs.arrays)
        if len(items) != len(names):
            raise InputError(f"there are {len(items)} gradients; expected {len(keys)}, by the inputs {keys}")
        items = dict(zip(names, items.values(), strict=True))
    for key in items:
        if key not in inputs.arrays:
            raise InputError(f"there is a gradient by {key!r}, but no such input; expected some of {keys}")
    return {key: _gradient(key, items.get(key), inputs) for key in keys}


def _gradient(key: Any, gradient: Any, inputs: Inputs) -> NDArray[Any]:
    if gradient is None:
        raise InputError(
            f"the gradient by input {key!r} is missing; expected one by each of {inputs.keys}, or name them by wrt"
        )
    got: NDArray[Any] = _array(f"the gradient by input {key!r}", gradient)
    if not is_float(got.dtype):
        raise InputError(f"the gradient by input {key!r} has the dtype {got.dtype}; expected {inputs.dtype}")
    if Arithmetic.of(got.dtype).precision < Arithmetic.of(inputs.dtype).precision:
        raise InputError(
            f"the gradient by input {key!r} has the dtype {got.dtype}, the inputs {inputs.dtype}; expected one dtype: "
            f"judge what was computed in {got.dtype} with inputs of {got.dtype}"
        )
    if got.shape != inputs.arrays[key].shape:
        raise InputError(
            f"the gradient by input {key!r} has the shape {got.shape}; expected {inputs.arrays[key].shape}, the input's"
        )
    return got


def read_cotangents(cotangent: Any, outputs: Sequence[Node]) -> list[NDArray[np.float64]]:
    """What the outputs are pulled back with, in their shapes.

    Raises
    ------
    InputError
        If it does not fit, or is missing where there is more than one number.
    """
    shapes = [o.shape for o in outputs]
    if cotangent is None:
        if shapes != [()]:
            raise InputError(
                f"the definition returns {_described(shapes)}; expected one scalar: add it up, or give cotangent=, "
                "what the gradients were pulled back with"
            )
        return [np.ones(())]
    given = list(cotangent) if isinstance(cotangent, (tuple, list)) and len(shapes) > 1 else [cotangent]
    arrays = [np.asarray(_array("cotangent", c), dtype=np.float64) for c in given]
    if [a.shape for a in arrays] != shapes:
        raise InputError(
            f"cotangent is {_described([a.shape for a in arrays])}, but the definition returns {_described(shapes)}; "
            "expected the same shapes"
        )
    if not all(np.isfinite(a).all() for a in arrays):
        raise InputError("cotangent has numbers that are not finite; expected finite ones: gradaudit.cotangent(shape)")
    return arrays


def read_values(value: Any, shapes: Sequence[Shape]) -> list[NDArray[Any]]:
    """What was computed for the outputs.

    Raises
    ------
    InputError
        If it has not their shapes.
    """
    given = list(value) if len(shapes) > 1 and isinstance(value, (tuple, list)) else [value]
    arrays = [_array("value", v) for v in given]
    if [a.shape for a in arrays] != list(shapes):
        raise InputError(
            f"value is {_described([a.shape for a in arrays])}, but the definition returns {_described(shapes)}; "
            "expected the same shapes"
        )
    for a in arrays:
        if a.dtype.kind not in "iu" and not is_float(a.dtype):
            raise InputError(f"value has the dtype {a.dtype}; expected floats")
    return arrays


def _described(shapes: Sequence[Shape]) -> str:
    listed = ", ".join(map(str, shapes))
    return f"an array of shape {listed}" if len(shapes) == 1 else f"{len(shapes)} arrays of shapes {listed}"
