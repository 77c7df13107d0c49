"""The cases are divided between machines by a hash of the id. The command line and pytest divide in the same way."""

from __future__ import annotations

import hashlib
import re


def parse(text: str) -> tuple[int, int]:
    """I and N of ``I/N``.

    Raises
    ------
    ValueError
        If the text is not a shard with 1 <= I <= N.
    """
    match = re.fullmatch("([0-9]{1,9})/([0-9]{1,9})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(f"{text!r} is not a shard; expected I/N with 1 <= I <= N, such as 1/2")
    return int(match[1]), int(match[2])


def belongs(name: str, shard: tuple[int, int]) -> bool:
    """Whether the case or item of this name belongs to the shard (I, N)."""
    number, count = shard
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % count == number - 1
