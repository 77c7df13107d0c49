"""What people call: `check` holds gradients from anywhere against a definition, `gradient` gives the exact ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.certify import Certificates, certify
from gradaudit.derivative import gradient as gradient_nodes
from gradaudit.errors import InputError
from gradaudit.exact.enclosure import Enclosure
from gradaudit.graph import Node
from gradaudit.judge import Report, judge
from gradaudit.numpy import Recorded, recorded
from gradaudit.operations.shapes import input_
from gradaudit.patterns import recognised

Arrays = Sequence[Any] | Mapping[str, Any]
Keys = list[Any]


def check(
    definition: Callable[..., Any],
    inputs: Arrays,
    gradients: Arrays,
    value: Any = None,
    *,
    wrt: Sequence[Any] | None = None,
    raise_exception: bool = True,
) -> Report:
    """Judge gradients, from wherever they come, of a function that is defined in NumPy.

    Parameters
    ----------
    definition : callable
        The function, written in NumPy; it returns a scalar. It is called once, with arrays that record.
    inputs : tuple, or mapping of str to array
        Its arguments, in order or by name: float arrays of one dtype (float64 or float32), which is what the gradients
        were computed in; integers, and whatever is no array, are passed on as they are.
    gradients : tuple, or mapping with the same keys
        The derivatives of the scalar by the float inputs (by `wrt`), in their shapes. In a tuple an entry may be None
        where the input is not differentiated by.
    value : float, optional
        What was computed for the scalar itself; judged too if it is given.
    wrt : sequence, optional
        The numbers or names of the inputs that are differentiated by; the float inputs if not given.
    raise_exception : bool
        Whether to raise; else the report says it.

    Returns
    -------
    Report
        True if everything passes.

    Raises
    ------
    GradientError
        If a gradient or the value is wrong.
    UndecidedError
        If nobody can tell in this dtype.
    UnsupportedError
        If the definition does what cannot be followed.
    InputError
        If the arguments do not fit together.
    """
    arrays, keys, dtype = _read(inputs, wrt)
    given = _gradients(gradients, arrays, keys)
    certificates = _certified(definition, arrays, keys, dtype)
    of_value, *of_gradients = certificates.outputs
    findings = []
    if value is not None:
        if np.shape(value) != ():
            raise InputError(f"value has the shape {np.shape(value)}; expected the scalar that the definition returns")
        findings.append(judge("value", np.asarray(value), of_value))
    for key, certificate in zip(keys, of_gradients, strict=True):
        findings.append(judge(key, given[key], certificate))
    report = Report(tuple(findings), certificates.kinks)
    if raise_exception:
        report.raise_unless_ok()
    return report


def gradient(
    definition: Callable[..., Any], inputs: Arrays, *, wrt: Sequence[Any] | None = None
) -> tuple[Enclosure, dict[Any, Enclosure]]:
    """The certified value of a function that is defined in NumPy, and its certified gradients.

    Parameters
    ----------
    definition, inputs, wrt
        As in `check`.

    Returns
    -------
    tuple of Enclosure and dict of Enclosure
        Value and gradients by the inputs' numbers or names: arrays ``hi``, ``lo``, ``radius``.
    """
    arrays, keys, dtype = _read(inputs, wrt)
    certificates = _certified(definition, arrays, keys, dtype)
    value, *rest = (c.exact for c in certificates.outputs)
    return value, dict(zip(keys, rest, strict=True))


def _read(inputs: Arrays, wrt: Sequence[Any] | None) -> tuple[dict[Any, Any], Keys, np.dtype[Any]]:
    """The inputs by number or name, which of them are differentiated by, and their dtype."""
    items = inputs if isinstance(inputs, Mapping) else dict(enumerate(inputs))
    arrays = {key: np.asarray(x) if isinstance(x, (np.ndarray, np.floating, float)) else x for key, x in items.items()}
    floats = [k for k, x in arrays.items() if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
    keys = list(wrt) if wrt is not None else floats
    for key in keys:
        if key not in floats:
            raise InputError(f"input {key!r} is no array of floats; expected wrt to name some of {floats}")
    if not keys:
        raise InputError("there is no float input to differentiate by; expected float64 or float32 arrays")
    dtypes = {arrays[k].dtype.name for k in keys if arrays[k].ndim or len(floats) == 1} or {arrays[keys[0]].dtype.name}
    if len(dtypes) > 1 or not dtypes <= {"float64", "float32"}:
        raise InputError(f"the inputs have the dtypes {sorted(dtypes)}; expected all float64 or all float32")
    for key in floats:
        if not np.isfinite(arrays[key]).all():
            where = [int(i) for i in np.argwhere(~np.isfinite(arrays[key]))[0]]
            raise InputError(f"input {key!r}{where} is {arrays[key][tuple(where)]}; expected finite numbers")
    return arrays, keys, np.dtype(dtypes.pop())


def _gradients(gradients: Arrays, arrays: Mapping[Any, Any], keys: Keys) -> dict[Any, NDArray[Any]]:
    """The gradients by the inputs' keys.

    Raises
    ------
    InputError
        If one is missing, has another shape, or is no array of floats.
    """
    if isinstance(gradients, Mapping):
        items = dict(gradients)
    elif len(gradients) == len(keys):
        items = dict(zip(keys, gradients, strict=True))
    elif len(gradients) == len(arrays):
        items = dict(zip(arrays, gradients, strict=True))
    else:
        raise InputError(f"there are {len(gradients)} gradients; expected {len(keys)}, by the inputs {keys}")
    for key in keys:
        if items.get(key) is None:
            raise InputError(
                f"the gradient by input {key!r} is missing; expected one by each of {keys}, or name them by wrt"
            )
        got = np.asarray(items[key])
        if got.dtype.kind != "f":
            raise InputError(f"the gradient by input {key!r} has the dtype {got.dtype}; expected floats")
        if got.shape != arrays[key].shape:
            raise InputError(f"the gradient by input {key!r} has the shape {got.shape}; expected {arrays[key].shape}")
        items[key] = got
    return items


def _certified(
    definition: Callable[..., Any], arrays: Mapping[Any, Any], keys: Keys, dtype: np.dtype[Any]
) -> Certificates:
    """The certificates of the scalar and of its gradients."""
    nodes: dict[Any, Node] = {
        k: input_(size=x.shape) for k, x in arrays.items() if isinstance(x, np.ndarray) and x.dtype.kind == "f"
    }
    given = {k: Recorded(nodes[k]) if k in nodes else x for k, x in arrays.items()}
    named = all(isinstance(k, str) for k in given)
    outputs = recorded(definition, [] if named else list(given.values()), given if named else {})
    if len(outputs) != 1 or outputs[0].shape != ():
        shapes = ", ".join(str(o.shape) for o in outputs)
        raise InputError(
            f"the definition returns {len(outputs)} arrays of the shapes {shapes}; expected one scalar: add it up"
        )
    (scalar,) = recognised(outputs)
    derivatives = gradient_nodes(scalar, [nodes[k] for k in keys])
    values = {node: np.asarray(arrays[k], dtype=np.float64) for k, node in nodes.items()}
    return certify([scalar, *derivatives], values, dtype)
