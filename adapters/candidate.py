"""A user's own implementation as a framework: how it is imported, called, and how what it returns is read.

A candidate is ``f(X, y, W1, b1, W2, b2, reg) -> (loss, grads)``, `grads` a mapping with the keys W1, b1, W2, b2 (or
dW1, ...) or a tuple in that order; or a class in the cs231n way: ``Net(D, H, C)`` with `.params` and
``.loss(X, y, reg)``; or what `calling` knows beside these.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.adapters import stand_ins
from gradaudit.adapters.calling import Way, way_of
from gradaudit.adapters.networks import EXPECTED, CallError
from gradaudit.adapters.protocol import Inputs
from gradaudit.adapters.python2 import advice, python2
from gradaudit.reference.problem import PARAMETERS, Gradients

Candidate = Callable[..., Any]


class CandidateError(ImportError):
    """A candidate that cannot be found, imported or called: the message says what, and what was expected."""


class Adaptation(UserWarning):
    """What was done so that an implementation could be judged as it is."""


class Implementation:
    """A candidate with the way in which it is called, found at the first call.

    Parameters
    ----------
    candidate : callable
        A function or a class.
    file : str
        Where it comes from, if that is known.
    notes : tuple of str
        What was done to import it.
    """

    def __init__(self, candidate: Candidate, file: str = "", notes: tuple[str, ...] = ()) -> None:
        self.candidate, self.notes = candidate, notes
        self._file = file
        self._way: Way | None = None
        self._called = False

    def __call__(self, inputs: Inputs) -> Any:
        """The loss and the gradients, in some form.

        Raises
        ------
        CallError
            If it cannot be called in any known way, or is Python 2.
        """
        try:
            if self._way is None:
                self._way = way_of(self.candidate)
                self.notes += (self._way.note,) if self._way.note else ()
            answer = self._way.call(inputs)
        except Exception as error:
            if self._called:
                raise
            self._called = True
            old = python2(error) or python2(error.__cause__)
            if old:
                raise CallError(advice(old, self._file)) from error
            if isinstance(error, TypeError) and not isinstance(error, CallError):
                raise CallError(f"its first call fails ({type(error).__name__}: {error}); {EXPECTED}") from error
            raise
        self._called = True
        return answer


def load(target: str, path: Sequence[str] = ()) -> Implementation:
    """The function or class that ``FILE.py:NAME`` names.

    Parameters
    ----------
    target : str
        ``FILE.py:NAME``. A file in a package is imported as part of it.
    path : sequence of str
        Folders in which its imports are looked for, beside its own.

    Raises
    ------
    CandidateError
        If the file is not there or raises, or has no such function or class.
    """
    file, _, name = target.rpartition(":")
    if not file or not name:
        raise CandidateError(f"{target!r} names no implementation; expected FILE.py:NAME")
    source = Path(file).resolve()
    if not source.is_file():
        raise CandidateError(f"there is no file {file}; expected FILE.py:NAME")
    standing_in = stand_ins.install()
    sys.path[:0] = [str(source.parent), *(str(Path(folder).resolve()) for folder in path)]
    try:
        with contextlib.chdir(source.parent):  # course code appends ".." to sys.path
            module = _imported(source)
    except BaseException as error:
        raise CandidateError(_why_not(file, source, error)) from error
    candidate = getattr(module, name, None)
    if not callable(candidate):
        of_module = getattr(module, "__name__", "")
        there = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == of_module]
        raise CandidateError(f"{file} has no function or class {name!r}; expected one of {', '.join(there) or 'none'}")
    stood_in = ", ".join(standing_in.names)
    notes = (f"not installed and stood in for: {stood_in}",) if stood_in else ()
    return Implementation(candidate, file, notes)


def _imported(source: Path) -> ModuleType:
    """The module, as part of its package where it is in one."""
    folder, parts = source.parent, [source.stem]
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        parts.insert(0, folder.name)
        folder = folder.parent
    if len(parts) > 1 and parts[0] not in sys.modules and parts[0] not in sys.builtin_module_names:
        sys.path.insert(0, str(folder))
        return importlib.import_module(".".join(parts))
    called = source.stem if source.stem not in sys.modules else f"{source.stem}_candidate"  # a numpy.py hides no numpy
    spec = importlib.util.spec_from_file_location(called, source)
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python file; expected FILE.py:NAME")
    module = importlib.util.module_from_spec(spec)
    sys.modules[called] = module
    spec.loader.exec_module(module)
    return module


def _why_not(file: str, source: Path, error: BaseException) -> str:
    """Why a file cannot be imported, and how to mend it where that is known."""
    old = python2(error)
    if old:
        return advice(old, file)
    reason = f"{file} cannot be imported: {type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        for folder in source.parents[1:-1]:
            if (folder / f"{package}.py").is_file() or any((folder / package).glob("*.py")):
                return f"{reason}; name its folder: --path {folder}"
    return reason


def call(candidate: Implementation | Candidate, inputs: Inputs) -> Gradients:
    """The candidate's answer, read as loss and gradients; warns of what was inferred (`Adaptation`).

    Raises
    ------
    CallError
        If it cannot be called in any known way.
    TypeError
        If it returns something that is no loss with four gradients; the message says what was expected.
    """
    implementation = candidate if isinstance(candidate, Implementation) else Implementation(candidate)
    answer = implementation(inputs)
    for note in implementation.notes:
        warnings.warn(note, Adaptation, stacklevel=2)
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise TypeError(f"it returned {_described(answer)}; expected (loss, grads)")
    loss, grads = answer
    arrays = {name: _array(name, g) for name, g in zip(PARAMETERS, _four(grads), strict=True)}
    rows = [name for name in ("b1", "b2") if arrays[name].shape == (1, *np.shape(getattr(inputs, name)))]
    if rows:
        warnings.warn(f"{' and '.join(rows)} are rows, judged by their values", Adaptation, stacklevel=2)
        arrays |= {name: arrays[name].reshape(-1) for name in rows}
    return Gradients(_array("loss", loss), **arrays)


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
