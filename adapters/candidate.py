"""The implementation of a user as a framework: its import, its call, and how the return value is read.

A candidate is ``f(X, y, W1, b1, W2, b2, reg) -> (loss, grads)``, `grads` a mapping with the keys W1, b1, W2, b2 (or
dW1, ...) or a tuple in that order; or a class like that of cs231n: ``Net(D, H, C)`` with `.params` and
``.loss(X, y, reg)``; or another form that `calling` knows.
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
    """A candidate that cannot be found, imported or called. The message says what was expected."""


class Adaptation(UserWarning):
    """A note on what was done to judge an implementation without a change of it."""


class Implementation:
    """A candidate and the way to call it, which is inferred at the first call.

    Parameters
    ----------
    candidate : callable
        A function or a class.
    file : str
        Its file, if it is known.
    notes : tuple of str
        What was done to import it.
    """

    def __init__(self, candidate: Candidate, file: str = "", notes: tuple[str, ...] = ()) -> None:
        self.candidate, self.notes = candidate, notes
        self._file = file
        self._way: Way | None = None
        self._was_called = False

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
            if self._was_called:
                raise
            self._was_called = True
            old = python2(error) or python2(error.__cause__)
            if old:
                raise CallError(advice(old, self._file)) from error
            if isinstance(error, TypeError) and not isinstance(error, CallError):
                raise CallError(f"its first call fails ({type(error).__name__}: {error}); {EXPECTED}") from error
            raise
        self._was_called = True
        return answer


def load(target: str, path: Sequence[str] = ()) -> Implementation:
    """The function or class of the name ``FILE.py:NAME``.

    Parameters
    ----------
    target : str
        ``FILE.py:NAME``. A file in a package is imported as a part of the package.
    path : sequence of str
        More folders for its imports, in addition to its own folder.

    Raises
    ------
    CandidateError
        If the file does not exist or raises, or has no such function or class.
    """
    file, _, name = target.rpartition(":")
    if not file or not name:
        raise CandidateError(f"{target!r} is not the name of an implementation; expected FILE.py:NAME")
    source = Path(file).resolve()
    if not source.is_file():
        raise CandidateError(f"there is no file {file}; expected FILE.py:NAME")
    finder = stand_ins.install()
    sys.path[:0] = [str(source.parent), *(str(Path(folder).resolve()) for folder in path)]
    try:
        with contextlib.chdir(source.parent):  # course code appends ".." to sys.path
            module = _import(source)
    except BaseException as error:
        raise CandidateError(_import_failure(file, source, error)) from error
    candidate = getattr(module, name, None)
    if not callable(candidate):
        module_of_file = getattr(module, "__name__", "")
        names = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module_of_file]
        raise CandidateError(f"{file} has no function or class {name!r}; expected one of {', '.join(names) or 'none'}")
    packages = ", ".join(finder.names)
    notes = (f"not installed and stood in for: {packages}",) if packages else ()
    return Implementation(candidate, file, notes)


def _import(source: Path) -> ModuleType:
    """The module. If it is in a package, it is imported as a part of the package."""
    folder, parts = source.parent, [source.stem]
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        parts.insert(0, folder.name)
        folder = folder.parent
    if len(parts) > 1 and parts[0] not in sys.modules and parts[0] not in sys.builtin_module_names:
        sys.path.insert(0, str(folder))
        return importlib.import_module(".".join(parts))
    module_name = (
        source.stem if source.stem not in sys.modules else f"{source.stem}_candidate"
    )  # so that numpy.py does not hide NumPy
    spec = importlib.util.spec_from_file_location(module_name, source)
    if spec is None or spec.loader is None:
        raise ImportError("it is not a Python file; expected FILE.py:NAME")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return module


def _import_failure(file: str, source: Path, error: BaseException) -> str:
    """Why a file cannot be imported, and how to mend it if that is known."""
    old = python2(error)
    if old:
        return advice(old, file)
    reason = f"{file} cannot be imported: {type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        for folder in source.parents[1:-1]:
            if (folder / f"{package}.py").is_file() or any((folder / package).glob("*.py")):
                return f"{reason}; add its folder: --path {folder}"
    return reason


def call(candidate: Implementation | Candidate, inputs: Inputs) -> Gradients:
    """The loss and gradients of the candidate. A warning (`Adaptation`) says what was inferred.

    Raises
    ------
    CallError
        If it cannot be called in any known way.
    TypeError
        If it does not return a loss and four gradients. The message says what was expected.
    """
    implementation = candidate if isinstance(candidate, Implementation) else Implementation(candidate)
    answer = implementation(inputs)
    for note in implementation.notes:
        warnings.warn(note, Adaptation, stacklevel=2)
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise TypeError(f"it returned {_description(answer)}; expected (loss, grads)")
    loss, grads = answer
    arrays = {name: _array(name, g) for name, g in zip(PARAMETERS, _gradients(grads), strict=True)}
    rows = [name for name in ("b1", "b2") if arrays[name].shape == (1, *np.shape(getattr(inputs, name)))]
    if rows:
        warnings.warn(f"{' and '.join(rows)} are rows, judged by their values", Adaptation, stacklevel=2)
        arrays |= {name: arrays[name].reshape(-1) for name in rows}
    return Gradients(_array("loss", loss), **arrays)


def _gradients(grads: Any) -> list[Any]:
    """The four gradients, in the order of PARAMETERS."""
    if isinstance(grads, Mapping):
        keys = [next((key for key in (name, f"d{name}", f"grad_{name}") if key in grads), None) for name in PARAMETERS]
        if None in keys:
            raise TypeError(f"its gradients have the keys {sorted(map(str, grads))}; expected W1, b1, W2, b2")
        return [grads[key] for key in keys]
    if isinstance(grads, (tuple, list)) and len(grads) == len(PARAMETERS):
        return list(grads)
    raise TypeError(f"its gradients are {_description(grads)}; expected a mapping or a tuple of W1, b1, W2, b2")


def _array(name: str, value: Any) -> NDArray[Any]:
    """A tensor of NumPy, PyTorch or JAX, or a number, as an array, without a copy if possible."""
    if value is None:
        raise TypeError(f"{name} is None; expected an array")
    if hasattr(value, "detach"):  # PyTorch
        value = value.detach().cpu().numpy()
    try:
        return np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name} is not an array: {error}") from error


def _description(value: Any) -> str:
    length = f" of {len(value)}" if isinstance(value, (tuple, list)) else ""
    return f"a {type(value).__name__}{length}"
