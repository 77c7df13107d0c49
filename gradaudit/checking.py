"""What people call: `check` holds gradients from anywhere against a definition, `gradient` gives the exact ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gradaudit.arguments import Arrays, Inputs, read_cotangents, read_gradients, read_inputs, read_values
from gradaudit.errors import InputError
from gradaudit.exact.enclosure import Enclosure
from gradaudit.graph import Node, Shape
from gradaudit.judge import Report
from gradaudit.numpy import Recorded, recorded
from gradaudit.operations.shapes import input_
from gradaudit.recording import Recording
from gradaudit.rounding.arithmetic import Arithmetic


def check(
    definition: Callable[..., Any],
    inputs: Arrays,
    gradients: Arrays,
    value: Any = None,
    *,
    wrt: Sequence[Any] | None = None,
    cotangent: Any = None,
    kinks: Literal["either", "strict"] = "either",
    raise_exception: bool = True,
) -> Report:
    """Judge gradients, from wherever they come, of a function that is defined in NumPy.

    Parameters
    ----------
    definition : callable
        The function, written in NumPy. It is called once, with arrays that record; it returns a scalar, or arrays if
        there is a cotangent.
    inputs : tuple, or mapping of str to array
        Its arguments, in order or by name: float arrays of one dtype (float64, float32, float16, or bfloat16 of
        `ml_dtypes`), which is what the gradients were computed in; integers, and whatever is no array, are passed on as
        they are.
    gradients : tuple, or mapping with the same keys
        The derivatives of the scalar by the float inputs (by `wrt`), in their shapes. In a tuple an entry may be None
        where the input is not differentiated by.
    value : float, or array, or tuple of arrays, optional
        What was computed for the function itself; judged too if it is given.
    wrt : sequence, optional
        The numbers or names of the inputs that are differentiated by; the float inputs if not given.
    cotangent : array, or tuple of arrays, optional
        What the gradients were pulled back with: they are those of the sum of its products with what the definition
        returns, in whose shapes it is. `gradaudit.cotangent` draws one.
    kinks : {"either", "strict"}
        What is accepted exactly at a kink, or a tie: whatever lies between the one-sided derivatives, or only what the
        operation itself has there: 0 for `np.abs` and for the relu, `np.maximum(x, 0)`; the second operand of
        `np.maximum` and `np.minimum`; the first of the largest entries of `np.max`. Where rounding decides the side,
        either is accepted all the same.
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
    if kinks not in ("either", "strict"):
        raise InputError(f"kinks is {kinks!r}; expected 'either' or 'strict'")
    read = read_inputs(definition, inputs, wrt)
    given = read_gradients(gradients, read)
    recording = _recording(definition, read)
    if kinks == "strict":
        recording = replace(recording, dtype=replace(Arithmetic.of(read.dtype), strict=True))
    weights = read_cotangents(cotangent, recording.outputs)
    values = None
    if value is not None:
        several = len(recording.outputs) > 1
        arrays = read_values(value, [o.shape for o in recording.outputs])
        values = {f"value {n}" if several else "value": array for n, array in enumerate(arrays)}
    report = recording.report(given, weights, values)
    if raise_exception:
        report.raise_unless_ok()
    return report


def gradient(
    definition: Callable[..., Any], inputs: Arrays, *, wrt: Sequence[Any] | None = None, cotangent: Any = None
) -> tuple[Any, dict[Any, Enclosure]]:
    """The certified value of a function that is defined in NumPy, and its certified gradients.

    Parameters
    ----------
    definition, inputs, wrt, cotangent
        As in `check`.

    Returns
    -------
    tuple of Enclosure and dict of Enclosure
        Value (a tuple of them, if there are several) and gradients by the inputs' numbers or names: arrays ``hi``,
        ``lo``, ``radius``.
    """
    read = read_inputs(definition, inputs, wrt)
    recording = _recording(definition, read)
    certificates = recording.certificates(read_cotangents(cotangent, recording.outputs), all_digits=True)
    exact = [c.exact for c in certificates.outputs]
    values, rest = exact[: len(recording.outputs)], exact[len(recording.outputs) :]
    return values[0] if len(values) == 1 else tuple(values), dict(zip(read.keys, rest, strict=True))


def cotangent(shape: Shape, seed: int = 0, dtype: Any = np.float64) -> NDArray[Any]:
    """Numbers to pull an array back with, in which an error in any entry of the Jacobian is seen.

    Returns
    -------
    ndarray
        1, 9/8, ... 15/8, of either sign: of so few bits that a product with them is rounded but once.
    """
    rng = np.random.default_rng(seed)
    numbers: NDArray[Any] = (1 + rng.integers(0, 8, shape) / 8) * rng.choice([-1.0, 1.0], shape)
    return numbers.astype(dtype)


def _recording(definition: Callable[..., Any], read: Inputs) -> Recording:
    """The definition, followed."""
    nodes: dict[Any, Node] = {k: input_(size=read.arrays[k].shape) for k in read.floats}
    given = {k: Recorded(nodes[k]) if k in nodes else x for k, x in read.arrays.items()}
    outputs = recorded(definition, *read.called(definition, given))
    inputs = {node: read.arrays[k] for k, node in nodes.items()}
    return Recording(outputs, {k: nodes[k] for k in read.keys}, inputs, read.dtype)
