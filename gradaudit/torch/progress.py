"""Progress on a terminal; in a pipe nothing is shown."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import TypeVar

T = TypeVar("T")


def shown(title: str, items: Iterable[T], total: int | None = None) -> Iterator[T]:
    """The items, one after the other; how many there were is shown by rich, if there is a terminal and rich."""
    if not (sys.stderr.isatty() and find_spec("rich")):
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, title, total, console=Console(stderr=True), transient=True)
