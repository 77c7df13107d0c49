"""What the commands of the command line do; each takes the parsed options and returns the exit status."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from adapters import FRAMEWORKS, adapter, installed
from audit import changes, engine, merging, record, shrink
from audit import run as running
from audit import sweep as sweeping
from audit.catalogue import case_of
from audit.catalogue import cases as catalogue_cases
from audit.expected import known, reproduced
from audit.implementation import Report, audit_implementation, settings_for
from audit.isolation import Isolated
from audit.judge import Finding
from audit.mistakes import MISTAKES
from audit.mistakes.matrix import matrix, uncaught
from audit.replay import replay as replayed
from audit.replay import replay_problem
from audit.report import FORMATS, console, rendered
from audit.report.github import annotate
from audit.run import CANDIDATE, Item, Settings, chosen_variants, gone_of, gone_table, plan, plan_hash, tables
from audit.shards import belongs
from reference.ledger import ledger as source_ledger

#: The exit status of a run that Ctrl-C ended: 128 and the number of the signal.
INTERRUPTED = 130


#: After so many batches a sweep says how far it is.
REPORTED = 50
#: At most so many findings of a sweep are shown; all of them are in findings.jsonl.
SHOWN_OF_SWEEP = 200


class NothingSelected(Exception):
    """The words given with -k occur together in no id."""


def run(options: argparse.Namespace) -> int:
    """Judge the frameworks, write the record, print it."""
    began = time.perf_counter()
    settings = Settings(
        who=chosen_variants(options.frameworks or tuple(installed()), options.variants),
        dtypes=options.dtypes,
        cases=options.cases,
        words=options.words,
        seed=options.seed,
        strict=options.strict,
        others="quick" if "all" in options.variants else "",
    )
    whole = plan(settings)
    if not whole:
        raise NothingSelected(f"no id contains {options.words!r}; `python -m audit cases` lists the cases")
    record.check(options.out)
    items = [item for item in whole if belongs(item.case.id, options.shard)]
    of_item: dict[int, Finding] = {}
    partial = False
    try:
        for number, finding in running.findings(items, options.workers):
            of_item[number] = finding
    except KeyboardInterrupt:
        partial = True
    found = [of_item[number] for number in sorted(of_item)]
    versions = {k: v for name, _ in settings.who for k, v in adapter(name).versions().items()}
    compared = settings.who if "all" in options.variants else ()
    its_tables = {} if partial else {"ledger": _ledger_table(), **tables(whole, compared)}
    gone = gone_of(settings, found)
    content = _content(options, settings, whole, record.run_of(found, settings.strict, partial, gone), began)
    its_tables |= gone_table(gone)
    return _conclude(options, content | {"versions": versions, "tables": its_tables}, found)


def sweep(options: argparse.Namespace) -> int:
    """Judge random problems, a great many, and go on with a sweep that was interrupted."""
    began = time.perf_counter()
    kept = sweeping.Progress.resumed(options.resume) if options.resume else _begun(options)
    asked = kept.sweep
    limits = (str(options.timeout), str(options.memory)) if asked.who[0][0] == CANDIDATE else ()
    if limits and options.engine != "local":
        raise engine.EngineError("a candidate is judged on this machine alone; leave --engine out")
    at_work = engine.engine(options.engine, options.workers)
    try:
        for done in sweeping.swept(kept, at_work, limits):
            if done % REPORTED == 0:
                print(
                    f"{min(done * sweeping.BATCH, asked.count)} of {asked.count} problems", file=sys.stderr, flush=True
                )
    except KeyboardInterrupt:
        said = f"{kept.done * sweeping.BATCH} of {asked.count} problems are judged and kept"
        print(f"audit: interrupted; {said}; go on with --resume {kept.out}", file=sys.stderr)
        return INTERRUPTED
    finally:
        at_work.close()
        sweeping.leave()
    names = [name for name, _ in asked.who if name != CANDIDATE]
    versions = {k: v for name in names for k, v in adapter(name).versions().items()} or {"numpy": np.__version__}
    content = sweeping.result(kept, began) | {"versions": versions}
    found = kept.findings(SHOWN_OF_SWEEP)
    if not limits:
        sweeping.shrink_failing(kept.out, found)
    kept.finished(content, rendered(("html",), content, found))
    console.show(Console(), content, found)
    print(f"The record is in {kept.out}: run.json, findings.jsonl (what did not pass), index.html.")
    if content["partial"] or any(content["counts"]["verdicts"][v] for v in ("crash", "timeout")):
        return 3
    return 0 if content["ok"] else 1


def _begun(options: argparse.Namespace) -> sweeping.Progress:
    """A new sweep, as the options ask for it."""
    if options.candidate:
        with Isolated(options.candidate, options.timeout, options.memory) as process:
            process.start()  # what cannot be imported is refused before the work begins
        who: tuple[tuple[str, str], ...] = ((CANDIDATE, options.candidate),)
    else:
        who = chosen_variants(options.frameworks or tuple(installed()), options.variants)
    asked = sweeping.Sweep(options.count, options.seed, who, options.dtypes, options.shard, options.strict)
    return sweeping.Progress.begun(options.out, asked)


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
    """Judge somebody's implementation, write the record, print it with the diagnosis."""
    began = time.perf_counter()
    selection = {name: getattr(options, name) for name in ("cases", "dtypes", "words", "seed", "strict")}
    settings = settings_for(options.target, **selection)
    whole = plan(settings)
    if not whole:
        raise NothingSelected(f"no id contains {options.words!r}; `python -m audit cases` lists the cases")
    record.check(options.out)
    conventions = {name: getattr(options, name) for name in ("l2", "reduction", "timeout", "memory")}
    report = audit_implementation(options.target, **selection, **conventions, shard=options.shard)
    said = record.run_of(report.findings, settings.strict, report.interrupted)
    content = _content(options, settings, whole, said, began)
    more = {"versions": {"numpy": np.__version__}, "tables": diagnosis_tables(report)}
    return _conclude(options, content | more, report.findings)


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
    console.show(Console(), content, found)
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
        with open(file, "a", encoding="utf-8") as step:
            step.write(summary)


def compare(options: argparse.Namespace) -> int:
    """Print what changed between two runs; what --fail-on names fails."""
    limits = changes.limits(options.fail_on)
    before, after = record.read(options.before), record.read(options.after)
    found = changes.changes(before, after)
    console.show_changes(Console(), before.run["versions"], after.run["versions"], found)
    return 1 if any(limits.fails(change) for change in found) else 0


def replay(options: argparse.Namespace) -> int:
    """Judge one variant of one framework on one case again, and print its entries."""
    (who,) = chosen_variants((options.framework,), (options.variant or "canonical",))
    if options.case.endswith(".npz"):
        replay = replay_problem(shrink.load(Path(options.case)), options.case, *who, options.entries)
    else:
        replay = replayed(Item(case_of(options.case), *who), options.entries)
    console.show_replay(Console(), replay)
    return 0 if replay.finding.expected or replay.finding.verdict == "undecided" else 1


def cases(options: argparse.Namespace) -> int:
    """Print the edge cases with their reasons, and the ids of their cases."""
    chosen = catalogue_cases(options.cases, options.dtypes, options.seed)
    chosen = [case for case in chosen if all(word in case.id for word in options.words.split())]
    if not chosen:
        raise NothingSelected(f"no case's id contains {options.words!r}")
    for edge in dict.fromkeys(case.edge for case in chosen):
        ids = [case.id for case in chosen if case.edge is edge]
        print(f"{edge.name} ({edge.family}): {edge.reason}\n    catches {edge.catches}")
        print("".join(f"    {case_id}\n" for case_id in ids))
    print(f"{len(chosen)} cases")
    return 0


def _ledger_table() -> dict[str, Any]:
    """The ledger as a table of run.json."""
    rows = source_ledger()
    wrong = sum(row.verdict == "does not hold" for row in rows)
    return {
        "title": "the source's formulas",
        "columns": ["formula", "as printed", "verdict", "what holds instead", "evidence"],
        "note": f"{wrong} of the source's {len(rows)} formulas do not hold",
        "text": True,
        "rows": [[row.name, row.printed, row.verdict, row.instead, row.evidence] for row in rows],
    }


def ledger(options: argparse.Namespace) -> int:  # noqa: ARG001 (every command takes the options)
    """Print the source's formulas, whether they hold, and the evidence."""
    rows = source_ledger()
    for row in rows:
        print(f"{row.name} = {row.printed}\n    {row.verdict}")
        if row.instead != "as printed":
            print(f"    instead: {row.instead}")
        print(f"    evidence: {row.evidence}")
    wrong = sum(row.verdict == "does not hold" for row in rows)
    print(f"{wrong} of the source's {len(rows)} formulas do not hold")
    return 0


def findings(options: argparse.Namespace) -> int:  # noqa: ARG001 (every command takes the options)
    """Print what is known of the frameworks; run the reproductions of those that are installed."""
    there = installed()
    for one in (*known(), *known(kind="aside")):
        print(f"{one.framework}: {one.reason}")
        if one in known():
            where = ", ".join(one.variants) or "every variant"
            print(f"    in {where}: {', '.join(one.families) or 'every family'}; {', '.join(one.dtypes)}")
        if one.link:
            print(f"    {one.link}")
        if one.reproduction:
            said = reproduced(one) if one.framework in there else "not installed"
            print(f"    python adapters/reproductions/{one.reproduction}: {said}")
    return 0


def mistakes(options: argparse.Namespace) -> int:
    """Print which cases catch which known mistake; a mistake that none catches is a failure."""
    chosen = [case for case in catalogue_cases(options.cases, options.dtypes, options.seed) if options.words in case.id]
    if not chosen:
        raise NothingSelected(f"no case's id contains {options.words!r}")
    table = matrix(tuple(chosen))
    printer = Console()
    console.show_table(printer, table)
    for mistake in MISTAKES.values():
        printer.print(f"{mistake.name}: {mistake.sentence} ({mistake.seen})", highlight=False, markup=False)
    missed = uncaught(table)
    print(
        f"{len(MISTAKES) - len(missed)} of {len(MISTAKES)} mistakes caught"
        + "".join(f"; not {name}" for name in missed)
    )
    return 1 if missed else 0


def frameworks(options: argparse.Namespace) -> int:  # noqa: ARG001 (every command takes the options)
    """Print what could be judged, and what is installed."""
    there = installed()
    for name, (_, package) in FRAMEWORKS.items():
        if name not in there:
            print(f"{name}: not installed (needs {package})")
            continue
        judged = adapter(name)
        versions = ", ".join(f"{package} {version}" for package, version in judged.versions().items())
        print(f"{name}: {versions}; variants {', '.join(judged.variants)}; dtypes {', '.join(judged.dtypes)}")
    return 0
