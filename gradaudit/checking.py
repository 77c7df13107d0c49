"""What people call: `check` holds gradients from anywhere against a definition, `gradient` gives the exact ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.arguments import Arrays, Inputs, read_cotangents, read_gradients, read_inputs, read_values
from gradaudit.certify import Certificates, certify
from gradaudit.derivative import pulled_back
from gradaudit.exact.enclosure import Enclosure
from gradaudit.graph import Node, Shape
from gradaudit.judge import Report, judge
from gradaudit.numpy import Recorded, recorded
from gradaudit.operations.shapes import constant, input_
from gradaudit.patterns import recognised


def check(
    definition: Callable[..., Any],
    inputs: Arrays,
    gradients: Arrays,
    value: Any = None,
    *,
    wrt: Sequence[Any] | None = None,
    cotangent: Any = None,
    raise_exception: bool = True,
) -> Report:
    """Judge gradients, from wherever they come, of a function that is defined in NumPy.

    Parameters
    ----------
    definition : callable
        The function, written in NumPy. It is called once, with arrays that record; it returns a scalar, or arrays if
        there is a cotangent.
    inputs : tuple, or mapping of str to array
        Its arguments, in order or by name: float arrays of one dtype (float64 or float32), which is what the gradients
        were computed in; integers, and whatever is no array, are passed on as they are.
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
    read = read_inputs(definition, inputs, wrt)
    given = read_gradients(gradients, read)
    certificates, shapes = _certified(definition, read, cotangent)
    findings = []
    if value is not None:
        names = ["value"] if len(shapes) == 1 else [f"value {n}" for n in range(len(shapes))]
        values = read_values(value, shapes)
        findings += [judge(*each) for each in zip(names, values, certificates.outputs[: len(shapes)], strict=True)]
    for key, certificate in zip(read.keys, certificates.outputs[len(shapes) :], strict=True):
        findings.append(judge(key, given[key], certificate))
    report = Report(tuple(findings), certificates.kinks)
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
    certificates, shapes = _certified(definition, read, cotangent)
    exact = [c.exact for c in certificates.outputs]
    values, rest = exact[: len(shapes)], exact[len(shapes) :]
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


def _certified(definition: Callable[..., Any], read: Inputs, cotangents: Any) -> tuple[Certificates, list[Shape]]:
    """The certificates of the outputs and then of the gradients, and the shapes of the outputs."""
    nodes: dict[Any, Node] = {k: input_(size=read.arrays[k].shape) for k in read.floats}
    given = {k: Recorded(nodes[k]) if k in nodes else x for k, x in read.arrays.items()}
    outputs = recognised(recorded(definition, *read.called(definition, given)))
    weights = [constant(c) for c in read_cotangents(cotangents, outputs)]
    derivatives = pulled_back(outputs, [nodes[k] for k in read.keys], weights)
    values = {node: np.asarray(read.arrays[k], dtype=np.float64) for k, node in nodes.items()}
    return certify([*outputs, *derivatives], values, read.dtype), [o.shape for o in outputs]
