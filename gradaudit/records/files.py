"""Files from elsewhere, read as what they are: regular files of a limited size, and JSON of a limited depth."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

MIB = 1 << 20


class FileError(OSError):
    """A file that is not read: the message says why."""


def opened(file: Path, largest: int | None = None, *, writable: bool = False) -> BinaryIO:
    """A regular file, opened; a pipe or a device is refused before anybody waits for it.

    Parameters
    ----------
    file : Path
        Its path.
    largest : int
        How many bytes it may have.
    writable : bool
        Whether it is to be changed as well.

    Raises
    ------
    OSError
        If it cannot be opened.
    FileError
        If it is no regular file, or too large.
    """
    flags = (os.O_RDWR if writable else os.O_RDONLY) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(file, flags)
    status = os.fstat(descriptor)
    refusal = ""
    if not stat.S_ISREG(status.st_mode):
        refusal = f"{file.name} is no regular file"
    elif largest is not None and status.st_size > largest:
        refusal = f"{file.name} has {status.st_size} bytes, more than the {largest} that are read"
    if refusal:
        os.close(descriptor)
        raise FileError(refusal)
    return os.fdopen(descriptor, "rb+" if writable else "rb")


def document(text: bytes) -> Any:
    """What a JSON text says.

    Raises
    ------
    ValueError
        If it is none: invalid UTF-8, nested too deeply, a key twice, NaN as a number.
    """
    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a key is there twice")
    return read


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def synced(file: BinaryIO) -> None:
    """Make sure that what was written survives a power cut."""
    file.flush()
    os.fsync(file.fileno())


def renamed(new: Path, file: Path) -> None:
    """Put a file, written to the side, in the place of another so that a power cut leaves one of them, whole."""
    with open(new, "rb+") as written:
        synced(written)
    new.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
