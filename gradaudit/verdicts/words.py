"""Words from elsewhere, whatever they hold, made printable."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with what no console can print replaced: control characters, escape sequences, marks of direction."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def in_a_line(text: str) -> str:
    """The same on one line: a message or a name from elsewhere, whatever it holds."""
    return printable(text).replace("\n", "\ufffd")
