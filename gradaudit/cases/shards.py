"""The division of the cases between machines: by a hash of the case's id, for the command line and for pytest alike."""

from __future__ import annotations

import hashlib
import re


def parse(text: str) -> tuple[int, int]:
    """I and N of ``I/N``.

    Raises
    ------
    ValueError
        If that is no shard: 1 <= I <= N.
    """
    match = re.fullmatch("([0-9]{1,9})/([0-9]{1,9})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(f"{text!r} is no shard; expected I/N with 1 <= I <= N, such as 1/2")
    return int(match[1]), int(match[2])


def belongs(name: str, shard: tuple[int, int]) -> bool:
    """Whether what has that name belongs to the shard (I, N)."""
    number, of = shard
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % of == number - 1
