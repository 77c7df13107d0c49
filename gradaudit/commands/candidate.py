"""The command `candidate`: somebody's implementation, or a folder of them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gradaudit.adapters.candidate import CandidateError
from gradaudit.candidate.audit import Report, audit_implementation, settings_for
from gradaudit.candidate.conventions import Convention, Poser
from gradaudit.cases.plan import plan
from gradaudit.cases.shards import belongs
from gradaudit.commands import table
from gradaudit.commands.listings import NothingSelected
from gradaudit.commands.records import conclude, content
from gradaudit.engines.local import without_interrupts
from gradaudit.mistakes import MISTAKES
from gradaudit.records import record
from gradaudit.records.under_way import INTERRUPTED, UnderWay
from gradaudit.records.versions import made_by
from gradaudit.report import rendered, terminal
from gradaudit.verdicts.judge import Finding

Result = TypeVar("Result")
Conclude = Callable[[dict[str, Any], Sequence[Finding]], Result]


def candidate(options: argparse.Namespace) -> int:
    """Judge somebody's implementation, write the record, print it with the diagnosis; or those of many."""
    if table.is_many(options.target):
        return _many(options)

    def end(run: dict[str, Any], findings: Sequence[Finding]) -> int:
        return conclude(options, run, findings)

    return _judge(options, options.target, options.out, end)[0]


def _many(options: argparse.Namespace) -> int:
    """Judge many implementations, each with a record of its own; write and print the table."""
    files, name = table.files(options.target), options.target.rpartition(":")[2]
    cases = Poser(Convention(options.l2, options.reduction, options.bias_decay), keep=True)

    def judge(file: Path, folder: Path) -> Report:
        out = options.out / folder

        def end(run: dict[str, Any], findings: Sequence[Finding]) -> None:
            record.write(out, run, findings, rendered(options.format, run, findings))

        _, report = _judge(options, f"{file}:{name}", out, end, cases)
        if report is None:
            raise KeyboardInterrupt
        return report

    rows = table.progress(table.rows(files, judge), len(files))
    table.write(options.out, rows, name, "index.html" if "html" in options.format else "findings.jsonl")
    table.show(terminal.console(), rows)
    print(f"The table is in {options.out}: index.html, table.csv; each file's record in a folder of its name.")
    return table.status(rows, INTERRUPTED)


def _judge(
    options: argparse.Namespace, target: str, out: Path, end: Conclude[Result], cases: Poser | None = None
) -> tuple[Result, Report | None]:
    """What `end` makes of run.json and the findings of one implementation, and its report.

    There is no report where Ctrl-C came while the diagnosis was made.
    """
    began = time.perf_counter()
    selection = {name: getattr(options, name) for name in ("cases", "dtypes", "words", "seed", "strict")}
    settings = settings_for(target, **selection)
    whole = plan(settings)
    if not whole:
        raise NothingSelected(f"no id contains {options.words!r}; `gradaudit cases` lists the cases")
    record.check(out)
    names = ("l2", "reduction", "bias_decay", "path", "timeout", "memory", "shard")
    more = {name: getattr(options, name) for name in names}
    under_way = UnderWay(out)
    total = sum(belongs(item.case.id, options.shard) for item in whole)
    report = None
    try:
        with terminal.progress(total, options.quiet) as show:

            def keep(finding: Finding) -> None:
                under_way.add(len(under_way.of_item), finding)
                show(len(under_way.of_item), len(under_way.of_item))

            report = audit_implementation(target, **selection, **more, poser=cases, keep=keep)
        its_tables, findings, partial = tables(report), report.findings, report.interrupted
    except KeyboardInterrupt:  # while the diagnosis was made
        its_tables, findings, partial = {}, tuple(under_way.findings()), True
    except CandidateError:
        under_way.remove()
        raise
    with without_interrupts():
        summary = record.run_of("candidate", findings, settings.strict, partial)
        run = content(options, settings, whole, summary, began)
        result = end(run | {"versions": made_by() | {"numpy": np.__version__}, "tables": its_tables}, findings)
        under_way.remove()
    return result, report


def tables(report: Report) -> dict[str, Any]:
    """The diagnosis and the notes, if there is something to say, and the tensors, as tables of run.json."""
    diagnosis = report.diagnosis
    rows = [[m.mistake, m.evidence, MISTAKES[m.mistake].formula] for m in diagnosis.mistakes]
    if diagnosis.misshapen:
        rows.append(["shape", f"{', '.join(diagnosis.misshapen)}: another shape than expected", ""])
    if diagnosis.unknown:
        rows.append(["unknown", ", ".join(diagnosis.unknown), ""])
    if diagnosis.remark.startswith("float64"):
        rows.append(["float32", diagnosis.remark, ""])
    rows += [["note", note, ""] for note in report.notes]
    tensors = {
        "title": "tensors that are right",
        "columns": ["tensor", "right on", "of"],
        "note": "cases on which every entry is within its bound",
        "rows": [[name, right, len(report.findings)] for name, right in report.right.items()],
    }
    if not rows and not diagnosis.text:
        return {"tensors": tensors}
    columns = ["diagnosis", "evidence", "there should stand"]
    return {
        "diagnosis": {"title": "diagnosis", "columns": columns, "note": diagnosis.text, "rows": rows},
        "tensors": tensors,
    }
