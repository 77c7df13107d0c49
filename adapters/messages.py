"""Messages between an audit and a candidate's process: a header and arrays, as plain bytes, each of them checked.

Whatever a candidate writes is input from a stranger: a message is read only as far as it is of the form below, no
memory is taken before its size is known to be allowed, and nothing in it is executed.

A message is 8 bytes with its length, 4 with that of its header, the header as JSON, and the arrays behind each other.
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

#: A header is no longer than this, in bytes.
LONGEST_HEADER = 1 << 20
#: A part that is read at once, in bytes.
PART = 1 << 20

Text = Annotated[str, msgspec.Meta(max_length=4000)]
Size = Annotated[int, msgspec.Meta(ge=0, le=1 << 31)]


class MessageError(ValueError):
    """What was received is no message of the form that was expected."""


class Described(msgspec.Struct, forbid_unknown_fields=True):
    """One of the arrays behind a header."""

    name: Annotated[str, msgspec.Meta(max_length=8)]
    dtype: Literal["<f2", "<f4", "<f8", "<i8"]
    shape: Annotated[list[Size], msgspec.Meta(max_length=8)]


class Call(msgspec.Struct, forbid_unknown_fields=True):
    """What a candidate is asked: a problem's arrays, how to hand them over, and the factor of the regularisation."""

    reg: float
    layout: str
    labels: str
    arrays: list[Described] = []


class Reply(msgspec.Struct, forbid_unknown_fields=True):
    """What came of a call, or of importing a candidate: a message where there is no answer."""

    message: Text = ""
    changed: Annotated[list[Text], msgspec.Meta(max_length=16)] = []
    warned: Annotated[list[Text], msgspec.Meta(max_length=64)] = []
    arrays: Annotated[list[Described], msgspec.Meta(max_length=8)] = []


Header = TypeVar("Header", Call, Reply)


def send(pipe: int, header: Call | Reply, arrays: Mapping[str, NDArray[Any]], seconds: float | None = None) -> None:
    """Send a message within so many seconds (None: however long it takes).

    Raises
    ------
    TimeoutError, BrokenPipeError
        If the other side does not read, or has gone.
    """
    plain = {name: _plain(array) for name, array in arrays.items()}
    header.arrays = [Described(name, array.dtype.str, list(array.shape)) for name, array in plain.items()]  # type: ignore[arg-type]
    text = msgspec.json.encode(header)
    content = b"".join((len(text).to_bytes(4, "little"), text, *(array.tobytes() for array in plain.values())))
    deadline = None if seconds is None else time.monotonic() + seconds
    view = memoryview(len(content).to_bytes(8, "little") + content)
    while view:
        if not select.select([], [pipe], [], _left(deadline))[1]:
            raise TimeoutError
        try:
            view = view[os.write(pipe, view[:PART]) :]
        except BlockingIOError:
            continue


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """The array in one of the dtypes that a message may hold."""
    if array.dtype.kind in "iu":
        return np.ascontiguousarray(array, dtype="<i8").reshape(array.shape)
    size = min(array.dtype.itemsize, 8)
    return np.ascontiguousarray(array, dtype=f"<f{size}").reshape(array.shape)


def receive(
    pipe: int, form: type[Header], longest: int, seconds: float | None = None
) -> tuple[Header, dict[str, NDArray[Any]]]:
    """Receive a message of at most so many bytes, within so many seconds (None: whenever it comes).

    Raises
    ------
    TimeoutError, EOFError
        If it is late, or the other side has gone.
    MessageError
        If it is no message of that form.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    length = int.from_bytes(_exactly(pipe, 8, deadline), "little")
    if not 4 <= length <= longest:
        raise MessageError(f"it has {length} bytes; expected at most {longest}")
    content = _exactly(pipe, length, deadline)
    size = int.from_bytes(content[:4], "little")
    if size > min(LONGEST_HEADER, length - 4):
        raise MessageError(f"its header has {size} bytes")
    try:
        header = msgspec.json.decode(content[4 : 4 + size], type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"its header is not as expected: {' '.join(str(error).split())[:200]}") from error
    return header, _arrays(header.arrays, content[4 + size :])


def _arrays(described: list[Described], content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays behind a header."""
    arrays: dict[str, NDArray[Any]] = {}
    place = 0
    for one in described:
        count = math.prod(one.shape)
        end = place + count * np.dtype(one.dtype).itemsize
        if end > len(content) or one.name in arrays:
            raise MessageError(f"its array {one.name!r} is not there as described")
        arrays[one.name] = np.frombuffer(content, one.dtype, count, place).reshape(one.shape).copy()
        place = end
    if place != len(content):
        raise MessageError(f"it has {len(content) - place} bytes more than described")
    return arrays


def _exactly(pipe: int, size: int, deadline: float | None) -> bytes:
    """So many bytes."""
    parts = []
    while size:
        if not select.select([pipe], [], [], _left(deadline))[0]:
            raise TimeoutError
        part = os.read(pipe, min(size, PART))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _left(deadline: float | None) -> float | None:
    """How many seconds are left."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())
