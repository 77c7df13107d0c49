"""A failing problem, made as small and simple as possible; saved as .npz, which holds data only."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tokenize import TokenError
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import numpy as np
from numpy.lib import format as npy

from gradaudit.records.files import MIB, open_file
from gradaudit.reference.problem import ARRAYS, PARAMETERS, Problem, ProblemError

#: The largest size of a file, and of an array in it, in bytes.
LARGEST = 32 * MIB
#: The numbers of significant bits to which arrays are rounded.
PLAIN = (1, 3, 8)


def shrink(problem: Problem, fails: Callable[[Problem], bool]) -> Problem:
    """A smaller problem that fails, too: with fewer samples, classes, units and features, and with simpler numbers.

    Parameters
    ----------
    problem : Problem
        A problem that fails.
    fails : callable
        Whether a problem fails.
    """
    while True:
        smaller = next((candidate for candidate in _smaller(problem) if fails(candidate)), None)
        if smaller is None:
            break
        problem = smaller
    for plainer in _plainer(problem):
        candidate = plainer(problem)
        if candidate is not None and fails(candidate):
            problem = candidate
    return problem


def _smaller(problem: Problem) -> Iterator[Problem]:
    """The problem without half of its samples, units, features or classes, then without each one of them."""
    N, D, H, C = problem.shape
    for size, without in ((N, _without_samples), (H, _without_units), (D, _without_features), (C, _without_classes)):
        parts = [*(np.array_split(np.arange(size), 2) if size > 2 else []), *np.arange(size)[:, None]]
        for part in parts:
            if len(part) < size:
                try:
                    yield without(problem, part)
                except ProblemError:  # the class is the label of a sample
                    continue


def _without_samples(p: Problem, part: np.ndarray) -> Problem:
    return replace(p, X=np.delete(p.X, part, 0), y=np.delete(p.y, part))


def _without_units(p: Problem, part: np.ndarray) -> Problem:
    return replace(p, W1=np.delete(p.W1, part, 1), b1=np.delete(p.b1, part), W2=np.delete(p.W2, part, 0))


def _without_features(p: Problem, part: np.ndarray) -> Problem:
    return replace(p, X=np.delete(p.X, part, 1), W1=np.delete(p.W1, part, 0))


def _without_classes(p: Problem, part: np.ndarray) -> Problem:
    if np.isin(p.y, part).any():
        raise ProblemError("these classes are labels")
    y = p.y - (p.y[:, None] > part[None, :]).sum(axis=1)
    return replace(p, W2=np.delete(p.W2, part, 1), b2=np.delete(p.b2, part), y=y)


def _plainer(problem: Problem) -> Iterator[Callable[[Problem], Problem | None]]:
    """Changes that make the numbers simpler: no regularisation, arrays of zeros, arrays of few bits."""
    if problem.reg:
        yield lambda p: replace(p, reg=0.0)
    for name in ("X", *PARAMETERS):
        yield lambda p, name=name: replace(p, **{name: np.zeros_like(getattr(p, name))})  # type: ignore[misc]
    for name in ("X", *PARAMETERS):
        for bits in PLAIN:
            yield lambda p, name=name, bits=bits: _rounded(p, name, bits)  # type: ignore[misc]


def _rounded(p: Problem, name: str, bits: int) -> Problem | None:
    """The problem with an array rounded to `bits` significant bits; None if that changes nothing or overflows."""
    array = getattr(p, name)
    significand, exponent = np.frexp(array)
    plain = np.ldexp(np.round(significand * 2.0**bits), exponent - bits).astype(array.dtype)
    if np.array_equal(plain, array) or not np.isfinite(plain).all():
        return None
    return replace(p, **{name: plain})


def save(file: Path, problem: Problem) -> None:
    """Write a problem as .npz."""
    np.savez(file, allow_pickle=False, **{name: getattr(problem, name) for name in ARRAYS}, reg=np.float64(problem.reg))


def load(file: Path) -> Problem:
    """The problem of an .npz file. Nothing in the file is executed, and its sizes are checked first.

    Raises
    ------
    ProblemError
        If it cannot be read, is larger than the limits, or holds no problem.
    """
    try:
        with open_file(file, LARGEST) as stream, ZipFile(stream) as archive:
            arrays = {name: _array(archive, f"{name}.npy") for name in (*ARRAYS, "reg")}
            reg = float(arrays.pop("reg").reshape(()))
    except (OSError, ValueError, LookupError, TypeError, EOFError, ArithmeticError, NotImplementedError) as error:
        raise _refusal(file, error) from error
    except (RuntimeError, MemoryError, SyntaxError, TokenError, BadZipFile, zlib.error) as error:
        raise _refusal(file, error) from error
    return Problem(**arrays, reg=reg)


def _refusal(file: Path, error: BaseException) -> ProblemError:
    reason = " ".join(str(error).split())[:200]
    return ProblemError(f"{file} holds no problem ({reason}); expected X, y, W1, b1, W2, b2 and reg as .npz")


def _array(archive: ZipFile, name: str) -> np.ndarray:
    """An array of the archive; its declared size is checked before it is read.

    Raises
    ------
    ValueError
        If it is there twice, encrypted, compressed in an unusual way, too large, or not a plain array of numbers.
    """
    members = [member for member in archive.infolist() if member.filename == name]
    if len(members) != 1:
        raise ValueError(f"{name} is there {len(members)} times")
    (member,) = members
    if member.flag_bits & 1 or member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise ValueError(f"{name} is encrypted, or compressed in an unusual way")
    if member.file_size > LARGEST:
        raise ValueError(f"{name} has {member.file_size} bytes; at most {LARGEST} are read")
    with archive.open(member) as stream:
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{name} has an unknown version of .npy")
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = header(stream)
        content = stream.read(LARGEST)
    if dtype.hasobject or dtype.kind not in "iuf":
        raise ValueError(f"{name} has dtype {str(dtype)[:50]}")
    if len(shape) > 2 or math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f"{name} does not have the size that its header says")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
