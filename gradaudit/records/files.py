"""Safe reading of files from elsewhere: regular files of a limited size, and JSON of a limited depth."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

MIB = 1 << 20


class FileError(OSError):
    """A file that is refused: the message says why."""


def open_file(file: Path, largest: int | None = None, *, writable: bool = False) -> BinaryIO:
    """Open a regular file; a pipe or a device is refused, so that nobody waits for it.

    Parameters
    ----------
    file : Path
        Its path.
    largest : int
        The largest size that is read, in bytes.
    writable : bool
        Whether the file is opened for writing, too.

    Raises
    ------
    OSError
        If it cannot be opened.
    FileError
        If it is not a regular file, or is too large.
    """
    flags = (os.O_RDWR if writable else os.O_RDONLY) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(file, flags)
    status = os.fstat(descriptor)
    refusal = ""
    if not stat.S_ISREG(status.st_mode):
        refusal = f"{file.name} is not a regular file"
    elif largest is not None and status.st_size > largest:
        refusal = f"{file.name} has {status.st_size} bytes; at most {largest} are read"
    if refusal:
        os.close(descriptor)
        raise FileError(refusal)
    return os.fdopen(descriptor, "rb+" if writable else "rb")


def document(text: bytes) -> Any:
    """The content of a JSON text.

    Raises
    ------
    ValueError
        If it is not valid JSON: invalid UTF-8, nested too deeply, a key twice, NaN as a number.
    """
    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key is there twice")
    return content


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")


def sync(file: BinaryIO) -> None:
    """Bring a file to the disk, so that it survives a power cut."""
    file.flush()
    os.fsync(file.fileno())


def replace_file(file: Path, new: Path) -> None:
    """Put a new file in the place of an old one; after a power cut there is the old or the new one, complete."""
    with open(new, "rb+") as stream:
        sync(stream)
    new.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
