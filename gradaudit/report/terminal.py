"""The terminal: everything printed goes through here, and nothing unprintable gets out, from whatever name it comes."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

from gradaudit.verdicts.words import printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult

#: Where there is no terminal, a line is printed each time that so many more verdicts are there.
REPORTED = 1000


class Printable(io.TextIOBase):
    """A stream to which only what is printable is written; it says that it is no terminal, so that none is coloured.

    Parameters
    ----------
    raw : TextIO
        The stream beneath.
    """

    def __init__(self, raw: TextIO) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        coding = self.raw.encoding or "utf-8"
        self.raw.write(printable(text).encode(coding, "replace").decode(coding))
        return len(text)

    def flush(self) -> None:
        self.raw.flush()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.raw.encoding or "utf-8"


@contextmanager
def printing() -> Iterator[None]:
    """Let everything that is printed meanwhile go through `Printable`."""
    with redirect_stdout(Printable(sys.stdout)), redirect_stderr(Printable(sys.stderr)):
        yield


class _Clean:
    """What is to be rendered, its texts made printable; colours are rich's own."""

    def __init__(self, renderable: ConsoleRenderable) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        for segment in console.render(self._renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


class _Hook:
    """What rich asks before it renders."""

    def process_renderables(self, renderables: list[Any]) -> list[Any]:
        """The renderables, each made printable."""
        return [_Clean(renderable) for renderable in renderables]


def console(stream: TextIO | None = None) -> Console:
    """A console of rich on a stream, by default what is printed to: it colours a terminal, and prints what can be."""
    from rich.console import Console

    stream = stream or sys.stdout
    made = Console(file=stream.raw if isinstance(stream, Printable) else stream)
    made.push_render_hook(_Hook())  # type: ignore[arg-type]
    return made


@contextmanager
def progress(total: int, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show how far a long work is: a bar on a terminal, a line now and then elsewhere, nothing if it is to be quiet.

    Parameters
    ----------
    total : int
        How much there is to do.
    quiet : bool
        Whether nothing is shown.

    Yields
    ------
    callable
        To be called with how much is done and how many verdicts there are.
    """
    screen = console(sys.stderr)
    if quiet or not screen.is_terminal:
        shown = 0

        def line(done: int, verdicts: int) -> None:
            nonlocal shown
            if not quiet and verdicts // REPORTED > shown:
                shown = verdicts // REPORTED
                print(f"{done} of {total}, {verdicts} verdicts", file=sys.stderr, flush=True)

        yield line
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]} verdicts/s"), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("", total=total, rate="-")

        def advance(done: int, verdicts: int) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            bar.update(task, completed=done, rate=f"{verdicts / elapsed:.0f}" if elapsed > 1 else "-")

        yield advance
