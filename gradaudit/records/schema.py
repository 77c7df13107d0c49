"""The types of the files of a record; a file with other content is refused.

The types follow from the dataclasses that are written: every field is there, there are no other fields, and texts,
numbers and lists are within the limits here.
"""

from __future__ import annotations

import types
import typing
from dataclasses import is_dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

#: The longest text, in characters; a longer text is cut when it is written.
LONGEST = 10_000
#: The largest whole number, except for a seed: float64 holds all smaller ones exactly.
LARGEST = 2**53
#: The largest seed that the command line takes.
SEED = 10**18

Text = Annotated[str, Meta(max_length=LONGEST)]
Count = Annotated[int, Meta(ge=0, le=LARGEST)]
#: A number of a record; JSON has no number for the three texts.
Number = float | Literal["NaN", "Infinity", "-Infinity"]
Cell = Number | int | bool | Text | None


#: The command that made a record.
Kind = Literal["run", "candidate", "sweep"]


class Table(msgspec.Struct):
    """A table of run.json."""

    title: Text
    columns: Annotated[list[Text], Meta(min_length=1, max_length=1000)]
    note: Text
    rows: Annotated[list[list[Any]], Meta(max_length=100_000)]


class Counts(msgspec.Struct):
    """How many findings there are of each verdict."""

    verdicts: dict[Text, Count]
    families: dict[Text, dict[Text, Count]]
    expected: dict[Text, Count]
    offset: Count


class Timings(msgspec.Struct):
    """The duration of the run."""

    seconds: float


class Run(msgspec.Struct):
    """The content of run.json (the contract); other keys are ignored."""

    schema: Literal[3]
    kind: Kind
    ok: bool
    partial: bool
    counts: Counts
    versions: dict[Text, Text]
    machine: dict[Text, Text | int | None]
    settings: dict[str, Any]
    plan: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    shard: Annotated[str, Meta(pattern="^[1-9][0-9]{0,8}/[1-9][0-9]{0,8}$")]
    timings: Timings
    tables: dict[Text, Table]


def valid(content: Any, of: type) -> Any:
    """The content of a file as an instance of a dataclass.

    Raises
    ------
    ValueError
        If the content does not have this form; the message says where.
    """
    return _built(msgspec.convert(content, _closed(of)), of)


def check(content: Any, of: type) -> None:
    """Check that a content has a type.

    Raises
    ------
    ValueError
        If it does not; the message says where.
    """
    msgspec.convert(content, of)


@lru_cache(maxsize=8)
def _closed(of: type) -> Any:
    """The type of the file content of a dataclass."""
    hints = typing.get_type_hints(of, include_extras=True)
    fields = [(name, _limited(hint, name)) for name, hint in hints.items()]
    return msgspec.defstruct(of.__name__, fields, forbid_unknown_fields=True)


def _limited(kind: Any, name: str = "") -> Any:
    """The type, with limits."""
    if kind is int:
        return Annotated[int, Meta(ge=0, le=SEED)] if name == "seed" else Count
    if kind in (str, float):
        return Text if kind is str else Number
    if is_dataclass(kind):
        return _closed(typing.cast(type, kind))
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is None or origin is Literal or origin is Annotated:
        return kind
    limited = tuple(part if part is ... else _limited(part) for part in arguments)
    return typing.Union[limited] if origin is types.UnionType else origin[limited]  # noqa: UP007 (of a tuple)


def _built(value: Any, kind: Any) -> Any:
    """The value as it was before it was written: dataclasses, and numbers that JSON does not have."""
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return typing.cast(type, kind)(**{name: _built(getattr(value, name), hint) for name, hint in hints.items()})
    return _numbers(value) if "float" in str(kind) else value


def _numbers(value: Any) -> Any:
    if isinstance(value, str):
        return float(value)
    return tuple(map(_numbers, value)) if isinstance(value, tuple) else value
