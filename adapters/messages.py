"""Messages between an audit and a candidate's process: a header and arrays, as plain bytes. All of it is checked.

The output of a candidate is untrusted. A message is read only if it has the form below. Memory is allocated only after
its size is checked, and no part of a message is executed.

A message is 8 bytes with its length, 4 bytes with the length of its header, the header as JSON, and then the arrays.
"""

from __future__ import annotations

import math
import os
import select
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

#: The largest length of a header, in bytes.
LONGEST_HEADER = 1 << 20
#: The largest part that is read or written at once, in bytes.
PART = 1 << 20

Text = Annotated[str, msgspec.Meta(max_length=4000)]
Size = Annotated[int, msgspec.Meta(ge=0, le=1 << 31)]


class MessageError(ValueError):
    """A received message that does not have the expected form."""


class ArrayForm(msgspec.Struct, forbid_unknown_fields=True):
    """The form of an array after a header."""

    name: Annotated[str, msgspec.Meta(max_length=8)]
    dtype: Literal["<f2", "<f4", "<f8", "<i8"]
    shape: Annotated[list[Size], msgspec.Meta(max_length=8)]


class Call(msgspec.Struct, forbid_unknown_fields=True):
    """The request of a call: the arrays of a problem, their layout, and the factor of the regularisation."""

    reg: float
    layout: str
    labels: str
    arrays: list[ArrayForm] = []


class Reply(msgspec.Struct, forbid_unknown_fields=True):
    """The result of a call, or of the import of a candidate. The message says why there is no answer."""

    message: Text = ""
    changed: Annotated[list[Text], msgspec.Meta(max_length=16)] = []
    warned: Annotated[list[Text], msgspec.Meta(max_length=64)] = []
    arrays: Annotated[list[ArrayForm], msgspec.Meta(max_length=8)] = []


Header = TypeVar("Header", Call, Reply)


def send(pipe: int, header: Call | Reply, arrays: Mapping[str, NDArray[Any]], seconds: float | None = None) -> None:
    """Send a message within a number of seconds (None: no limit).

    Raises
    ------
    TimeoutError, BrokenPipeError
        If the other side does not read, or is closed.
    """
    plain = {name: _plain(array) for name, array in arrays.items()}
    header.arrays = [ArrayForm(name, array.dtype.str, list(array.shape)) for name, array in plain.items()]  # type: ignore[arg-type]
    text = msgspec.json.encode(header)
    content = b"".join((len(text).to_bytes(4, "little"), text, *(array.tobytes() for array in plain.values())))
    deadline = None if seconds is None else time.monotonic() + seconds
    view = memoryview(len(content).to_bytes(8, "little") + content)
    while view:
        if not select.select([], [pipe], [], _seconds_left(deadline))[1]:
            raise TimeoutError
        try:
            view = view[os.write(pipe, view[:PART]) :]
        except BlockingIOError:
            continue


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """The array in a dtype that is allowed in a message."""
    if array.dtype.kind in "iu":
        return np.ascontiguousarray(array, dtype="<i8").reshape(array.shape)
    size = min(array.dtype.itemsize, 8)
    return np.ascontiguousarray(array, dtype=f"<f{size}").reshape(array.shape)


def receive(
    pipe: int, form: type[Header], longest: int, seconds: float | None = None
) -> tuple[Header, dict[str, NDArray[Any]]]:
    """Receive a message of at most `longest` bytes, within a number of seconds (None: no limit).

    Raises
    ------
    TimeoutError, EOFError
        If it is late, or the other side is closed.
    MessageError
        If the message does not have this form.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    length = int.from_bytes(_read_exactly(pipe, 8, deadline), "little")
    if not 4 <= length <= longest:
        raise MessageError(f"it has {length} bytes; expected at most {longest}")
    content = _read_exactly(pipe, length, deadline)
    size = int.from_bytes(content[:4], "little")
    if size > min(LONGEST_HEADER, length - 4):
        raise MessageError(f"its header has {size} bytes")
    try:
        header = msgspec.json.decode(content[4 : 4 + size], type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"its header is not as expected: {' '.join(str(error).split())[:200]}") from error
    return header, _arrays(header.arrays, content[4 + size :])


def _arrays(forms: list[ArrayForm], content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays after a header."""
    arrays: dict[str, NDArray[Any]] = {}
    place = 0
    for form in forms:
        count = math.prod(form.shape)
        end = place + count * np.dtype(form.dtype).itemsize
        if end > len(content) or form.name in arrays:
            raise MessageError(f"its array {form.name!r} is not as described")
        arrays[form.name] = np.frombuffer(content, form.dtype, count, place).reshape(form.shape).copy()
        place = end
    if place != len(content):
        raise MessageError(f"it has {len(content) - place} bytes more than described")
    return arrays


def _read_exactly(pipe: int, size: int, deadline: float | None) -> bytes:
    """Exactly this number of bytes."""
    parts = []
    while size:
        if not select.select([pipe], [], [], _seconds_left(deadline))[0]:
            raise TimeoutError
        part = os.read(pipe, min(size, PART))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _seconds_left(deadline: float | None) -> float | None:
    """The number of seconds until the deadline."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())
