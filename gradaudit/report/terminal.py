"""The terminal: all output goes through here and is made printable, so that no name can control the terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

from gradaudit.verdicts.words import printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult

#: Without a terminal, a line is printed after each such number of verdicts.
REPORTED = 1000


class Printable(io.TextIOBase):
    """A stream that writes printable text only. It says that it is not a terminal, so that nothing is coloured.

    Parameters
    ----------
    raw : TextIO
        The stream that gets the text.
    """

    def __init__(self, raw: TextIO) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        coding = self.raw.encoding or "utf-8"
        self.raw.write(printable(text).encode(coding, "replace").decode(coding))
        return len(text)

    def flush(self) -> None:
        self.raw.flush()

    def fileno(self) -> int:
        return self.raw.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.raw.encoding or "utf-8"


@contextmanager
def printing() -> Iterator[None]:
    """Send all output of a `with` block through `Printable`."""
    with redirect_stdout(Printable(sys.stdout)), redirect_stderr(Printable(sys.stderr)):
        yield


class _Clean:
    """A renderable of rich with its texts made printable; the colours are those of rich."""

    def __init__(self, renderable: ConsoleRenderable) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        for segment in console.render(self._renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


class _Hook:
    """The hook that rich calls before it renders."""

    def process_renderables(self, renderables: list[Any]) -> list[Any]:
        """The renderables, each made printable."""
        return [_Clean(renderable) for renderable in renderables]


def console(stream: TextIO | None = None) -> Console:
    """A console of rich on a stream, by default standard output; it colours a terminal, and prints printable text."""
    from rich.console import Console

    stream = stream or sys.stdout
    result = Console(file=stream.raw if isinstance(stream, Printable) else stream)
    result.push_render_hook(_Hook())  # type: ignore[arg-type]
    return result


@contextmanager
def progress(total: int, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show the progress of long work: a bar on a terminal, a line now and then elsewhere, nothing if `quiet`.

    Parameters
    ----------
    total : int
        The number of things to do.
    quiet : bool
        Whether nothing is shown.

    Yields
    ------
    callable
        A function to call with the number of things that are done, and the number of verdicts.
    """
    screen = console(sys.stderr)
    if quiet or not screen.is_terminal:
        reports = 0

        def line(done: int, verdicts: int) -> None:
            nonlocal reports
            if not quiet and verdicts // REPORTED > reports:
                reports = verdicts // REPORTED
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
