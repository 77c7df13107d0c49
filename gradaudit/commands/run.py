"""The commands `run` and `replay`: the frameworks on the catalogue, and one finding again."""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path
from typing import Any

from gradaudit.adapters import installed
from gradaudit.candidate.isolation import CANDIDATE
from gradaudit.cases.catalogue import case_of
from gradaudit.cases.plan import Item, Settings, plan
from gradaudit.cases.shards import belongs
from gradaudit.commands.listings import NothingSelected, ledger_table
from gradaudit.commands.records import conclude, content
from gradaudit.engines.base import Engine, engine_of
from gradaudit.engines.local import without_interrupts
from gradaudit.functions.running import VARIANTS
from gradaudit.records import record
from gradaudit.records.under_way import UnderWay
from gradaudit.records.versions import made_by
from gradaudit.report import console, terminal
from gradaudit.runs import functions
from gradaudit.runs import run as running
from gradaudit.runs.entrants import SettingsError, choose_variants, leave, offers
from gradaudit.runs.replay import replay as replay_item
from gradaudit.runs.replay import replay_problem
from gradaudit.runs.tables import stale_of, stale_table, tables_by
from gradaudit.verdicts.expected import expectations
from gradaudit.verdicts.judge import describe


def run(options: argparse.Namespace) -> int:
    """Judge the frameworks, write the record, print it."""
    began = time.perf_counter()
    with contextlib.closing(engine_of(options.engine, options.workers)) as engine:
        return _run(options, engine, began)


def _run(options: argparse.Namespace, engine: Engine, began: float) -> int:
    """What `run` does, with an engine."""
    names = options.frameworks or tuple(installed())
    entries = expectations(options.expected)
    its_offers = offers(names, engine)
    settings = Settings(
        who=choose_variants(names, options.variants, its_offers),
        dtypes=options.dtypes,
        cases=options.cases,
        words=options.words,
        seed=options.seed,
        strict=options.strict,
        noncanonical="quick" if "all" in options.variants else "",
        expected=options.expected,
    )
    whole = plan(settings)
    if not whole:
        raise NothingSelected(f"no id contains {options.words!r}; `gradaudit cases` lists the cases")
    record.check(options.out)
    items = [item for item in whole if belongs(item.case.id, options.shard)]
    under_way = UnderWay(options.out)
    its_tables: dict[str, Any] = {}
    partial = True
    try:
        with terminal.progress(len(items), options.quiet) as show:
            for number, finding in running.findings(items, engine, entries):
                under_way.add(number, finding)
                show(len(under_way.of_item), len(under_way.of_item))
        its_tables = {"ledger": ledger_table(), **tables_by(engine, settings, "all" in options.variants)}
        partial = False
    except KeyboardInterrupt:
        pass
    finally:
        with without_interrupts():
            findings = under_way.findings()
            versions = made_by() | {k: v for name, _ in settings.who for k, v in its_offers[name].versions.items()}
            missing = stale_of(settings, findings)
            summary = record.run_of("run", findings, settings.strict, partial, missing)
            its_tables |= stale_table(missing)
            its_content = content(options, settings, whole, summary, began)
            status = conclude(options, its_content | {"versions": versions, "tables": its_tables}, findings)
            under_way.remove()
    return status


def replay(options: argparse.Namespace) -> int:
    """Judge one entrant on one case again, and print its entries."""
    limits: tuple[str, ...]
    if options.case.startswith("function-"):
        return _replay_function(options)
    if options.candidate:
        who, limits = (CANDIDATE, options.candidate), (str(options.timeout), str(options.memory))
    else:
        (who,) = choose_variants((options.framework,), (options.variant or "canonical",))
        limits = ()
    try:
        if options.case.endswith(".npz"):
            replay = replay_problem(Path(options.case), *who, options.entries, limits)
        else:
            replay = replay_item(Item(case_of(options.case), *who, limits), options.entries)
    finally:
        leave()
    console.show_replay(terminal.console(), replay)
    return 0 if replay.finding.expected or replay.finding.verdict == "undecided" else 1


def _replay_function(options: argparse.Namespace) -> int:
    """Judge a framework on one random function again, and print a small script that shows what is wrong."""
    if options.framework not in VARIANTS:
        raise SettingsError(f"random functions are run by {', '.join(VARIANTS)}; name one of them with --framework")
    variant = options.variant or VARIANTS[options.framework][0]
    if variant not in VARIANTS[options.framework]:
        known = ", ".join(VARIANTS[options.framework])
        raise SettingsError(f"{options.framework} runs no random function as {variant!r}; expected one of {known}")
    finding, script = functions.replay(options.case, options.framework, variant)
    print(f"{finding.verdict} {finding.id}\n{describe(finding)}\n{finding.diagnosis}\n\n{script}".rstrip())
    return 0 if finding.expected or finding.verdict == "undecided" else 1
