"""Many implementations at once: a file a row, each judged in a process of its own and with a record of its own."""

from __future__ import annotations

import csv
import glob
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gradaudit.adapters.candidate import CandidateError
from gradaudit.candidate.audit import INTERRUPTED, Report
from gradaudit.records.record import RecordError
from gradaudit.reference.problem import TENSORS
from gradaudit.report.console import STYLE
from gradaudit.verdicts.judge import VERDICTS
from gradaudit.verdicts.words import in_a_line

#: The verdict on a file that cannot be imported or called, or whose turn did not come.
NOT_JUDGED = "not judged"
#: What a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Row(NamedTuple):
    """What came of one file.

    Attributes
    ----------
    file : str
        Its name, from where all of them are.
    verdict : str
        The worst verdict of its findings; `pass` where all is as expected; NOT_JUDGED.
    right : tuple of int
        On how many cases each of TENSORS is right.
    cases : int
        How many cases there are.
    diagnosis, notes : str
        What is the matter, and what else was noticed.
    record : str
        The folder of its record; empty where there is none.
    """

    file: str
    verdict: str
    right: tuple[int, ...]
    cases: int
    diagnosis: str
    notes: str
    record: str

    @property
    def tensors(self) -> str:
        """The tensors that are right on every case."""
        names = [name for name, right in zip(TENSORS, self.right, strict=True) if right == self.cases]
        return "all" if len(names) == len(TENSORS) else " ".join(names) or "none"


def is_many(target: str) -> bool:
    """Whether a target names a folder or a pattern, and not one file."""
    where = target.rpartition(":")[0]
    return os.path.isdir(where) or (glob.has_magic(where) and not os.path.isfile(where))


def files(target: str) -> list[Path]:
    """The files of a folder, or those that a pattern names, in the order of their names; ``_`` and ``.`` begin others.

    Raises
    ------
    CandidateError
        If there is none.
    """
    where = target.rpartition(":")[0]
    pattern = os.path.join(glob.escape(where), "*.py") if os.path.isdir(where) else where
    paths = [Path(name) for name in sorted(glob.glob(pattern, recursive=True)) if os.path.isfile(name)]
    selection = [file for file in paths if file.suffix == ".py" and not file.name.startswith(("_", "."))]
    if not selection:
        raise CandidateError(
            f"{where} names no file; expected a folder of .py files, or a pattern like 'students/*.py'"
        )
    return selection


def rows(selection: Sequence[Path], judge: Callable[[Path, Path], Report]) -> Iterator[Row]:
    """Judge the files one after the other; one that cannot be judged is a row too.

    Parameters
    ----------
    selection : sequence of Path
        The files.
    judge : callable
        The file and the folder of its record, relative to that of all of them -> its report.
    """
    root = os.path.commonpath([file.parent for file in selection]) or os.curdir
    nothing = (0,) * len(TENSORS)
    interrupted = False
    for file in selection:
        relative = file.relative_to(root) if root != os.curdir else file
        name, folder = str(relative), relative.with_suffix("")
        if interrupted:
            yield _printable(Row(name, NOT_JUDGED, nothing, 0, INTERRUPTED, "", ""))
            continue
        try:
            report = judge(file, folder)
        except CandidateError as error:
            yield _printable(Row(name, NOT_JUDGED, nothing, 0, str(error), "", ""))
            continue
        except KeyboardInterrupt:
            interrupted = True
            yield _printable(Row(name, NOT_JUDGED, nothing, 0, INTERRUPTED, "", ""))
            continue
        interrupted = report.interrupted
        yield _printable(_row(name, report, folder.as_posix()))


def _row(name: str, report: Report, folder: str) -> Row:
    failed = [finding for finding in report.findings if not finding.expected]
    worst = min(failed, key=lambda finding: VERDICTS.index(finding.verdict), default=None)
    verdict = "pass" if report.ok or worst is None else str(worst.verdict)
    parts = [] if verdict == "pass" or worst is None else [worst.message if verdict != "wrong" else ""]
    parts += [report.diagnosis.brief] if verdict == "wrong" or report.diagnosis.mistakes else []
    message = "; ".join(part for part in parts if part)
    return Row(
        name, verdict, tuple(report.right.values()), len(report.findings), message, "; ".join(report.notes), folder
    )


def status(items: Sequence[Row], interrupted: int) -> int:
    """The exit status: what was interrupted, crashed or timed out, could not be judged, is not as expected, is."""
    verdicts = {row.verdict for row in items}
    if any(row.diagnosis == INTERRUPTED for row in items):
        return interrupted
    if verdicts & {"crash", "timeout"}:
        return 3
    if NOT_JUDGED in verdicts:
        return 2
    return 0 if verdicts <= {"pass"} else 1


def progress(items: Iterator[Row], number: int) -> list[Row]:
    """The rows, each said on standard error when it is there."""
    done = []
    for row in items:
        done.append(row)
        print(f"{len(done)} of {number} {row.file}: {row.verdict}", file=sys.stderr, flush=True)
    return done


def show(console: Console, items: Sequence[Row]) -> None:
    """Print the table."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for column in ("file", "verdict", "tensors right", "diagnosis"):
        table.add_column(column, overflow="fold")
    for row in items:
        style = STYLE.get(row.verdict, "bold red")
        message = "\n".join(text for text in (row.diagnosis, row.notes and f"note: {row.notes}") if text)
        tensors = "" if row.verdict == NOT_JUDGED else row.tensors
        table.add_row(escape(row.file), f"[{style}]{row.verdict}[/]", tensors, escape(message))
    console.print(table)
    right = sum(row.verdict == "pass" for row in items)
    console.print(
        f"{right} of {len(items)} files are right.", style="bold green" if right == len(items) else "bold red"
    )


def write(out: Path, items: Sequence[Row], name: str, of_record: str = "index.html") -> None:
    """Write table.csv and index.html (with links to that file of each record); old ones are replaced by complete ones.

    Raises
    ------
    RecordError
        If the folder cannot be written to.
    """
    texts = {"table.csv": as_csv(items), "index.html": as_page(items, name, of_record)}
    try:
        for file, text in texts.items():
            (out / f".{file}.new").write_text(text, encoding="utf-8", errors="replace", newline="")
        for file in texts:
            (out / f".{file}.new").replace(out / file)
    except OSError as error:
        raise RecordError(
            f"{out} cannot hold the table ({error.strerror}); name a folder that can with --out"
        ) from error


def as_csv(items: Sequence[Row]) -> str:
    """The table for a spreadsheet, which takes nothing in it for a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["file", "verdict", *(f"{name} right" for name in TENSORS), "cases", "diagnosis", "notes", "record"]
    )
    for row in items:
        cells = [row.file, row.verdict, *row.right, row.cases, row.diagnosis, row.notes, row.record]
        writer.writerow([f"'{cell}" if str(cell).startswith(FORMULA) else cell for cell in cells])
    return text.getvalue()


def as_page(items: Sequence[Row], name: str, of_record: str = "index.html") -> str:
    """The table as a page of its own, with a link to a file of each record."""
    folder = Path(__file__).parents[1] / "report"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    right = sum(row.verdict == "pass" for row in items)
    template = environment.get_template("many.html.j2")
    return template.render(rows=items, name=name, right=right, tensors=TENSORS, of_record=of_record)


def _printable(row: Row) -> Row:
    """The row without what no console or page can show."""
    file, diagnosis, notes, folder = (in_a_line(text) for text in (row.file, row.diagnosis, row.notes, row.record))
    return row._replace(file=file, diagnosis=diagnosis, notes=notes, record=folder)
