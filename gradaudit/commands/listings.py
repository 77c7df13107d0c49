"""The commands that list what there is: cases, formulas, what is known of the frameworks, mistakes, frameworks."""

from __future__ import annotations

import argparse
from typing import Any

from gradaudit.adapters import adapter, installed
from gradaudit.adapters import frameworks as all_frameworks
from gradaudit.cases.catalogue import cases as catalogue_cases
from gradaudit.mistakes import MISTAKES
from gradaudit.mistakes.detection import detection, uncaught
from gradaudit.reference.ledger import ledger as source_ledger
from gradaudit.report import console, terminal
from gradaudit.verdicts.expected import entries_of, reproduce


class NothingSelected(Exception):
    """The words given with -k occur together in no id."""


def cases(options: argparse.Namespace) -> int:
    """Print the edge cases with their reasons, and the ids of their cases."""
    selection = catalogue_cases(options.cases, options.dtypes, options.seed)
    selection = [case for case in selection if all(word in case.id for word in options.words.split())]
    if not selection:
        raise NothingSelected(f"no case's id contains {options.words!r}")
    for edge in dict.fromkeys(case.edge for case in selection):
        ids = [case.id for case in selection if case.edge is edge]
        print(f"{edge.name} ({edge.family}): {edge.reason}\n    catches {edge.catches}")
        print("".join(f"    {case_id}\n" for case_id in ids))
    print(f"{len(selection)} cases")
    return 0


def ledger_table() -> dict[str, Any]:
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
    expected = entries_of()
    for entry in (*expected, *entries_of(kind="aside")):
        print(f"{entry.framework}: {entry.reason}")
        if entry in expected:
            where = ", ".join(entry.variants) or "every variant"
            print(f"    in {where}: {', '.join(entry.families) or 'every family'}; {', '.join(entry.dtypes)}")
        if entry.link:
            print(f"    {entry.link}")
        if entry.reproduction:
            outcome = reproduce(entry) if entry.framework in there else "not installed"
            print(f"    python adapters/reproductions/{entry.reproduction}: {outcome}")
    return 0


def mistakes(options: argparse.Namespace) -> int:
    """Print which cases catch which known mistake; a mistake that none catches is a failure."""
    selection = [
        case for case in catalogue_cases(options.cases, options.dtypes, options.seed) if options.words in case.id
    ]
    if not selection:
        raise NothingSelected(f"no case's id contains {options.words!r}")
    table = detection(tuple(selection))
    printer = terminal.console()
    console.show_table(printer, table)
    for mistake in MISTAKES.values():
        printer.print(f"{mistake.name}: {mistake.sentence} ({mistake.source})", highlight=False, markup=False)
    missed = uncaught(table)
    print(
        f"{len(MISTAKES) - len(missed)} of {len(MISTAKES)} mistakes caught"
        + "".join(f"; not {name}" for name in missed)
    )
    return 1 if missed else 0


def frameworks(options: argparse.Namespace) -> int:  # noqa: ARG001 (every command takes the options)
    """Print what could be judged, and what is installed."""
    there = installed()
    for name, package in all_frameworks().items():
        if name not in there:
            print(f"{name}: not installed (needs {package})")
            continue
        entrant = adapter(name)
        versions = ", ".join(f"{package} {version}" for package, version in entrant.versions().items())
        print(f"{name}: {versions}; variants {', '.join(entrant.variants)}; dtypes {', '.join(entrant.dtypes)}")
    return 0
