"""A user's own implementation as a framework: how it is found, called, and how what it returns is read.

A candidate is ``f(X, y, W1, b1, W2, b2, reg) -> (loss, grads)``, `grads` a mapping with the keys W1, b1, W2, b2 (or
dW1, ...) or a tuple in that order; or a class in the cs231n way: ``Net(D, H, C)`` with `.params` and
``.loss(X, y, reg)``.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.protocol import Inputs
from reference.problem import PARAMETERS, Gradients

Candidate = Callable[..., Any]


class CandidateError(ImportError):
    """A candidate that cannot be found or imported: the message says what, and what was expected."""


def load(target: str) -> Candidate:
    """The function or class that ``FILE.py:NAME`` names.

    Raises
    ------
    CandidateError
        If the file is not there or raises, or has no such function or class.
    """
    file, _, name = target.rpartition(":")
    path = Path(file).resolve()
    if not file or not name:
        raise CandidateError(f"{target!r} names no implementation; expected FILE.py:NAME")
    if not path.is_file():
        raise CandidateError(f"there is no file {file}; expected FILE.py:NAME")
    called = path.stem if path.stem not in sys.modules else f"{path.stem}_candidate"  # a numpy.py hides no numpy
    spec = importlib.util.spec_from_file_location(called, path)
    if spec is None or spec.loader is None:
        raise CandidateError(f"{file} is no Python file; expected FILE.py:NAME")
    module = importlib.util.module_from_spec(spec)
    sys.modules[called] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        raise CandidateError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    found = getattr(module, name, None)
    if not callable(found):
        there = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == called]
        raise CandidateError(f"{file} has no function or class {name!r}; expected one of {', '.join(there) or 'none'}")
    return found


def call(candidate: Candidate, inputs: Inputs) -> Gradients:
    """The candidate's answer, read as loss and gradients.

    Raises
    ------
    TypeError
        If it returns something that is no loss with four gradients; the message says what was expected.
    """
    answer = _of_class(candidate, inputs) if inspect.isclass(candidate) else candidate(*inputs)
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise TypeError(f"it returned {_described(answer)}; expected (loss, grads)")
    loss, grads = answer
    return Gradients(_array("loss", loss), *(_array(name, g) for name, g in zip(PARAMETERS, _four(grads), strict=True)))


def _of_class(candidate: Candidate, inputs: Inputs) -> Any:
    """Loss and gradients of a network in the cs231n way, its parameters replaced by the inputs'."""
    (D, H), C = inputs.W1.shape, inputs.b2.shape[0]
    network = candidate(D, H, C)
    network.params.update({name: getattr(inputs, name) for name in PARAMETERS})
    takes = inspect.signature(network.loss).parameters.values()
    if len([p for p in takes if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]) >= 3:
        return network.loss(inputs.X, inputs.y, inputs.reg)
    network.reg = inputs.reg
    return network.loss(inputs.X, inputs.y)


def _four(grads: Any) -> list[Any]:
    """The four gradients, in the order of PARAMETERS."""
    if isinstance(grads, Mapping):
        keys = [next((key for key in (name, f"d{name}", f"grad_{name}") if key in grads), None) for name in PARAMETERS]
        if None in keys:
            raise TypeError(f"its gradients have the keys {sorted(map(str, grads))}; expected W1, b1, W2, b2")
        return [grads[key] for key in keys]
    if isinstance(grads, (tuple, list)) and len(grads) == len(PARAMETERS):
        return list(grads)
    raise TypeError(f"its gradients are {_described(grads)}; expected a mapping or a tuple of W1, b1, W2, b2")


def _array(name: str, value: Any) -> NDArray[Any]:
    """A tensor of NumPy, PyTorch or JAX, or a number, as an array; the memory is the candidate's where it can be."""
    if value is None:
        raise TypeError(f"{name} is None; expected an array")
    if hasattr(value, "detach"):  # PyTorch
        value = value.detach().cpu().numpy()
    try:
        return np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name} is no array: {error}") from error


def _described(value: Any) -> str:
    length = f" of {len(value)}" if isinstance(value, (tuple, list)) else ""
    return f"a {type(value).__name__}{length}"
