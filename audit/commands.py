"""What the commands of the command line do; each takes the parsed options and returns the exit status."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from adapters import FRAMEWORKS, adapter, installed
from adapters.candidate import CandidateError
from audit import changes, engine, many, merging, record, shrink, terminal
from audit import run as running
from audit import sweep as sweeping
from audit.catalogue import case_of
from audit.catalogue import cases as catalogue_cases
from audit.conventions import Convention, Posed
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
from audit.run import CANDIDATE, Item, Settings, SettingsError, chosen_variants, gone_of, gone_table, plan, plan_hash
from audit.shards import belongs
from audit.versions import made_by
from reference.ledger import ledger as source_ledger
from reference.problem import DTYPES

Result = TypeVar("Result")

#: The exit status of a run that Ctrl-C ended: 128 and the number of the signal.
INTERRUPTED = 130


#: The file of what is judged, as long as its record is not written.
UNDER_WAY = "judged.jsonl"
#: At most so many findings of a sweep are shown; all of them are in findings.jsonl.
SHOWN_OF_SWEEP = 200
#: What a new sweep is asked for by default; of a sweep that goes on nothing of it can be changed.
OF_A_NEW_SWEEP: dict[str, Any] = {
    "count": 1000,
    "frameworks": (),
    "variants": ("canonical",),
    "candidate": "",
    "dtypes": DTYPES,
    "seed": 0,
    "shard": (1, 1),
    "strict": False,
    "out": Path("audit-sweep"),
}


class NothingSelected(Exception):
    """The words given with -k occur together in no id."""


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
        raise NothingSelected(f"no id contains {options.words!r}; `python -m audit cases` lists the cases")
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
        its_tables = {"ledger": _ledger_table(), **running.tables_by(at_work, settings, "all" in options.variants)}
        partial = False
    except KeyboardInterrupt:
        pass
    finally:
        with engine.without_interrupts():
            found = judged.findings()
            versions = made_by() | {k: v for name, _ in settings.who for k, v in offers[name].versions.items()}
            gone = gone_of(settings, found)
            content = _content(options, settings, whole, record.run_of(found, settings.strict, partial, gone), began)
            its_tables |= gone_table(gone)
            status = _conclude(options, content | {"versions": versions, "tables": its_tables}, found)
            judged.remove()
    return status


class Judged:
    """The findings of a run under way, in a file as they arrive.

    Parameters
    ----------
    out : Path
        The record's folder.
    """

    def __init__(self, out: Path) -> None:
        self.of_item: dict[int, Finding] = {}
        self._path = out / UNDER_WAY
        self._path.write_bytes(b"")

    def add(self, number: int, finding: Finding) -> None:
        """Keep the finding on an item."""
        self.of_item[number] = finding
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(record.line(finding) + "\n")

    def findings(self) -> list[Finding]:
        """The findings in the order of the plan."""
        return [self.of_item[number] for number in sorted(self.of_item)]

    def remove(self) -> None:
        """Remove the file: the record holds what it held."""
        self._path.unlink(missing_ok=True)


def sweep(options: argparse.Namespace) -> int:
    """Judge random problems, a great many, or go on with a sweep that was interrupted."""
    named = [f"--{name}" for name in OF_A_NEW_SWEEP if getattr(options, name) is not None]
    if options.resume and named:
        said = f"a sweep that goes on cannot be asked for something else: {', '.join(named)}"
        raise SettingsError(f"{said}; leave that out, or begin another sweep without --resume")
    with contextlib.closing(engine.engine(options.engine, options.workers)) as at_work:
        try:
            return _swept(options, at_work)
        finally:
            sweeping.leave()


def _swept(options: argparse.Namespace, at_work: engine.Engine) -> int:
    """What `sweep` does, with an engine."""
    began = time.perf_counter()
    kept = sweeping.Progress.resumed(options.resume) if options.resume else _begun(options, at_work)
    asked = kept.sweep
    limits = (str(options.timeout), str(options.memory)) if asked.who[0][0] == CANDIDATE else ()
    if limits and options.engine != "local":
        raise engine.EngineError("a candidate is judged on this machine alone; leave --engine out")
    try:
        with terminal.progress(asked.count, options.quiet) as show:
            for done in sweeping.swept(kept, at_work, limits):
                show(min(done * sweeping.BATCH, asked.count), sum(kept.tally.counts()["verdicts"].values()))
        names = list(dict.fromkeys(name for name, _ in asked.who if name != CANDIDATE))
        offers = running.offers(names, at_work)
        versions = {k: v for name in names for k, v in offers[name].versions.items()} or {"numpy": np.__version__}
        content = sweeping.result(kept, began) | {"versions": made_by() | versions}
        found = kept.findings(SHOWN_OF_SWEEP)
        if not limits:
            sweeping.shrink_failing(kept.out, found, at_work)
    except KeyboardInterrupt:
        said = f"{min(kept.done * sweeping.BATCH, asked.count)} of {asked.count} problems are judged and kept"
        print(f"audit: interrupted; {said}; go on with --resume {kept.out}", file=sys.stderr)
        return INTERRUPTED
    with engine.without_interrupts():
        kept.finished(content, rendered(("html",), content, found))
        console.show(terminal.console(), content, found)
        print(f"The record is in {kept.out}: run.json, findings.jsonl (what did not pass), index.html.")
    if content["partial"] or any(content["counts"]["verdicts"][v] for v in ("crash", "timeout")):
        return 3
    return 0 if content["ok"] else 1


def _begun(options: argparse.Namespace, at_work: engine.Engine) -> sweeping.Progress:
    """A new sweep, as the options ask for it."""
    asked = OF_A_NEW_SWEEP | {name: value for name in OF_A_NEW_SWEEP if (value := getattr(options, name)) is not None}
    if asked["candidate"]:
        with Isolated(asked["candidate"], options.timeout, options.memory) as process:
            process.start()  # what cannot be imported is refused before the work begins
        who: tuple[tuple[str, str], ...] = ((CANDIDATE, asked["candidate"]),)
    else:
        names = asked["frameworks"] or tuple(installed())
        who = chosen_variants(names, asked["variants"], running.offers(names, at_work))
    own = {name: asked[name] for name in ("count", "seed", "dtypes", "shard", "strict")}
    return sweeping.Progress.begun(asked["out"], sweeping.Sweep(who=who, **own))


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
        raise NothingSelected(f"no id contains {options.words!r}; `python -m audit cases` lists the cases")
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
    with engine.without_interrupts():
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
    printer = terminal.console()
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
