"""Text from other sources, made printable."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text, with a replacement for control characters, escape sequences and marks of direction."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def in_a_line(text: str) -> str:
    """The same on one line: for a message or a name from another source."""
    return printable(text).replace("\n", "\ufffd")
