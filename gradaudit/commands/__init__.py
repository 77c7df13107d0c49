"""What the commands of the command line do; each takes the parsed options and returns the exit status."""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gradaudit.adapters import installed
from gradaudit.adapters.candidate import CandidateError
from gradaudit.candidate.audit import Report, audit_implementation, settings_for
from gradaudit.candidate.conventions import Convention, Posed
from gradaudit.cases.catalogue import case_of
from gradaudit.cases.shards import belongs
from gradaudit.commands import many
from gradaudit.commands.listings import NothingSelected, cases, findings, frameworks, ledger, ledger_table, mistakes
from gradaudit.commands.sweep import sweep
from gradaudit.engines import base as engine
from gradaudit.engines.local import without_interrupts
from gradaudit.mistakes import MISTAKES
from gradaudit.records import changes, record
from gradaudit.records.under_way import INTERRUPTED, Judged
from gradaudit.records.versions import made_by
from gradaudit.report import FORMATS, console, rendered, terminal
from gradaudit.report.github import annotate
from gradaudit.runs import merge as merging
from gradaudit.runs import run as running
from gradaudit.runs import shrink
from gradaudit.runs.replay import replay as replayed
from gradaudit.runs.replay import replay_problem
from gradaudit.runs.run import Item, Settings, chosen_variants, gone_of, gone_table, plan, plan_hash
from gradaudit.verdicts.judge import Finding

__all__ = [
    "NothingSelected",
    "candidate",
    "cases",
    "compare",
    "findings",
    "frameworks",
    "ledger",
    "merge",
    "mistakes",
    "replay",
    "run",
    "sweep",
]

Result = TypeVar("Result")


def run(options: argparse.Namespace) -> int:
    """Judge the frameworks, write the record, print it."""
    began = time.perf_counter()
    with contextlib.closing(engine.engine("local", options.workers)) as at_work:
        return _ran(options, at_work, began)


def _ran(options: argparse.Namespace, at_work: engine.Engine, began: float) -> int:
    """What `run` does, with an engine."""
    names = options.frameworks or tuple(installed())
    offers = running.offers(names, at_work)
    settings = Settings(
        who=chosen_variants(names, options.variants, offers),
        dtypes=options.dtypes,
        cases=options.cases,
        words=options.words,
        seed=options.seed,
        strict=options.strict,
        others="quick" if "all" in options.variants else "",
    )
    whole = plan(settings)
    if not whole:
        raise NothingSelected(f"no id contains {options.words!r}; `python -m gradaudit cases` lists the cases")
    record.check(options.out)
    items = [item for item in whole if belongs(item.case.id, options.shard)]
    judged = Judged(options.out)
    its_tables: dict[str, Any] = {}
    partial = True
    try:
        with terminal.progress(len(items), options.quiet) as show:
            for number, finding in running.findings(items, at_work):
                judged.add(number, finding)
                show(len(judged.of_item), len(judged.of_item))
        its_tables = {"ledger": ledger_table(), **running.tables_by(at_work, settings, "all" in options.variants)}
        partial = False
    except KeyboardInterrupt:
        pass
    finally:
        with without_interrupts():
            found = judged.findings()
            versions = made_by() | {k: v for name, _ in settings.who for k, v in offers[name].versions.items()}
            gone = gone_of(settings, found)
            content = _content(options, settings, whole, record.run_of(found, settings.strict, partial, gone), began)
            its_tables |= gone_table(gone)
            status = _conclude(options, content | {"versions": versions, "tables": its_tables}, found)
            judged.remove()
    return status


def _content(
    options: argparse.Namespace, settings: Settings, whole: Sequence[Item], said: dict[str, Any], began: float
) -> dict[str, Any]:
    """What goes into run.json, beside versions and tables, of the shard of the `whole` plan that was run."""
    return said | {
        "machine": record.machine(),
        "settings": asdict(settings),
        "plan": plan_hash(whole),
        "shard": "/".join(map(str, options.shard)),
        "timings": {"seconds": round(time.perf_counter() - began, 3)},
    }


def candidate(options: argparse.Namespace) -> int:
    """Judge somebody's implementation, write the record, print it with the diagnosis; or those of many."""
    if many.is_many(options.target):
        return _candidates(options)

    def conclude(content: dict[str, Any], found: Sequence[Finding]) -> int:
        return _conclude(options, content, found)

    return _judged_candidate(options, options.target, options.out, conclude)[0]


def _candidates(options: argparse.Namespace) -> int:
    """Judge many implementations, each with a record of its own; write and print the table."""
    chosen, name = many.files(options.target), options.target.rpartition(":")[2]
    posed = Posed(Convention(options.l2, options.reduction, options.bias_decay), kept=True)

    def judged(file: Path, folder: Path) -> Report:
        out = options.out / folder

        def conclude(content: dict[str, Any], found: Sequence[Finding]) -> None:
            record.write(out, content, found, rendered(options.format, content, found))

        _, report = _judged_candidate(options, f"{file}:{name}", out, conclude, posed)
        if report is None:
            raise KeyboardInterrupt
        return report

    found = many.progress(many.rows(chosen, judged), len(chosen))
    many.write(options.out, found, name, "index.html" if "html" in options.format else "findings.jsonl")
    many.show(terminal.console(), found)
    print(f"The table is in {options.out}: index.html, table.csv; each file's record in a folder of its name.")
    return many.status(found, INTERRUPTED)


def _judged_candidate(
    options: argparse.Namespace,
    target: str,
    out: Path,
    conclude: Callable[[dict[str, Any], Sequence[Finding]], Result],
    posed: Posed | None = None,
) -> tuple[Result, Report | None]:
    """What `conclude` makes of run.json and the findings of one implementation, and its report.

    There is no report where Ctrl-C came while the diagnosis was made.
    """
    began = time.perf_counter()
    selection = {name: getattr(options, name) for name in ("cases", "dtypes", "words", "seed", "strict")}
    settings = settings_for(target, **selection)
    whole = plan(settings)
    if not whole:
        raise NothingSelected(f"no id contains {options.words!r}; `python -m gradaudit cases` lists the cases")
    record.check(out)
    names = ("l2", "reduction", "bias_decay", "path", "timeout", "memory", "shard")
    asked = {name: getattr(options, name) for name in names}
    judged = Judged(out)
    total = sum(belongs(item.case.id, options.shard) for item in whole)
    report = None
    try:
        with terminal.progress(total, options.quiet) as show:

            def keep(finding: Finding) -> None:
                judged.add(len(judged.of_item), finding)
                show(len(judged.of_item), len(judged.of_item))

            report = audit_implementation(target, **selection, **asked, posed=posed, keep=keep)
        its_tables, found, partial = diagnosis_tables(report), report.findings, report.interrupted
    except KeyboardInterrupt:  # while the diagnosis was made
        its_tables, found, partial = {}, tuple(judged.findings()), True
    except CandidateError:
        judged.remove()
        raise
    with without_interrupts():
        said = record.run_of(found, settings.strict, partial)
        content = _content(options, settings, whole, said, began)
        more = {"versions": made_by() | {"numpy": np.__version__}, "tables": its_tables}
        result = conclude(content | more, found)
        judged.remove()
    return result, report


def diagnosis_tables(report: Report) -> dict[str, Any]:
    """The diagnosis and the notes, if there is something to say, and the tensors, as tables of run.json."""
    named = [[one.mistake, one.evidence, MISTAKES[one.mistake].instead] for one in report.diagnosis.named]
    unknown = [["unknown", f"{', '.join(report.diagnosis.unknown)}", ""]]
    misshapen = [["shape", f"{', '.join(report.diagnosis.misshapen)}: another shape than expected", ""]]
    rows = named + (misshapen if report.diagnosis.misshapen else []) + (unknown if report.diagnosis.unknown else [])
    rows += [["float32", report.diagnosis.remark, ""]] * report.diagnosis.remark.startswith("float64")
    rows += [["note", note, ""] for note in report.notes]
    tensors = {
        "title": "tensors that are right",
        "columns": ["tensor", "right on", "of"],
        "note": "cases on which every entry is within its bound",
        "rows": [[name, right, len(report.findings)] for name, right in report.right.items()],
    }
    if not rows and not report.diagnosis.text:
        return {"tensors": tensors}
    columns = ["diagnosis", "evidence", "there should stand"]
    diagnosis = {"title": "diagnosis", "columns": columns, "note": report.diagnosis.text, "rows": rows}
    return {"diagnosis": diagnosis, "tensors": tensors}


def merge(options: argparse.Namespace) -> int:
    """Put the records of all shards of a run together, write and print the whole."""
    content, found = merging.merge([record.read(folder) for folder in options.records])
    record.check(options.out)
    return _conclude(options, content, found)


def _conclude(options: argparse.Namespace, content: dict[str, Any], found: Sequence[Finding]) -> int:
    """Write and print a record; the exit status is what it says."""
    texts = rendered(options.format, content, found)
    out = record.write(options.out, content, found, texts)
    console.show(terminal.console(), content, found)
    if "github" in options.format:
        _tell_github(texts[FORMATS["github"][0]], found)
    print(f"The record is in {out}: run.json, findings.jsonl{''.join(f', {name}' for name in texts)}.")
    if content["partial"]:
        return INTERRUPTED
    if any(finding.verdict in ("crash", "timeout") for finding in found):
        return 3
    return 0 if content["ok"] else 1


def _tell_github(summary: str, found: Sequence[Finding]) -> None:
    """Print the annotations, and add to the step's summary where GitHub Actions gives its file."""
    for annotation in annotate(found):
        print(annotation)
    file = os.environ.get("GITHUB_STEP_SUMMARY")
    if file:
        with open(file, "a", encoding="utf-8", errors="replace") as step:
            step.write(summary)


def compare(options: argparse.Namespace) -> int:
    """Print what changed between two runs; what --fail-on names fails."""
    limits = changes.limits(options.fail_on)
    before, after = record.read(options.before), record.read(options.after)
    found = changes.changes(before, after)
    console.show_changes(terminal.console(), before.run["versions"], after.run["versions"], found)
    return 1 if any(limits.fails(change) for change in found) else 0


def replay(options: argparse.Namespace) -> int:
    """Judge one variant of one framework on one case again, and print its entries."""
    (who,) = chosen_variants((options.framework,), (options.variant or "canonical",))
    if options.case.endswith(".npz"):
        replay = replay_problem(shrink.load(Path(options.case)), options.case, *who, options.entries)
    else:
        replay = replayed(Item(case_of(options.case), *who), options.entries)
    console.show_replay(terminal.console(), replay)
    return 0 if replay.finding.expected or replay.finding.verdict == "undecided" else 1
