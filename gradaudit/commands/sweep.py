"""The command `sweep`: random problems, a great many, in one go or in several."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gradaudit.adapters import installed
from gradaudit.candidate.isolation import CANDIDATE, Isolated
from gradaudit.cases.random_problems import Sweep
from gradaudit.commands.records import status
from gradaudit.engines.base import Engine, EngineError, engine_of
from gradaudit.engines.local import without_interrupts
from gradaudit.functions.running import VARIANTS
from gradaudit.records.progress import Progress
from gradaudit.records.under_way import INTERRUPTED
from gradaudit.records.versions import made_by
from gradaudit.reference.problem import DTYPES
from gradaudit.report import console, rendered, terminal
from gradaudit.runs import sweep as sweeping
from gradaudit.runs.entrants import Offer, SettingsError, choose_variants, leave, offers
from gradaudit.verdicts.expected import expectations

#: At most so many findings of a sweep are shown; all of them are in findings.jsonl.
SHOWN_OF_SWEEP = 200
#: What a new sweep is asked for by default; of a sweep that goes on nothing of it can be changed.
OF_A_NEW_SWEEP: dict[str, Any] = {
    "count": 1000,
    "frameworks": (),
    "variants": ("canonical",),
    "candidate": "",
    "functions": False,
    "dtypes": DTYPES,
    "seed": 0,
    "shard": (1, 1),
    "strict": False,
    "expected": (),
    "out": Path("audit-sweep"),
}


def sweep(options: argparse.Namespace) -> int:
    """Judge random problems, a great many, or go on with a sweep that was interrupted."""
    changes = [f"--{name}" for name in OF_A_NEW_SWEEP if getattr(options, name) is not None]
    if options.resume and changes:
        reason = f"a sweep that goes on cannot be asked for something else: {', '.join(changes)}"
        raise SettingsError(f"{reason}; leave that out, or begin another sweep without --resume")
    with contextlib.closing(engine_of(options.engine, options.workers)) as engine:
        try:
            return _sweep(options, engine)
        finally:
            leave()


def _sweep(options: argparse.Namespace, engine: Engine) -> int:
    """What `sweep` does, with an engine."""
    began = time.perf_counter()
    progress = Progress.resumed(options.resume) if options.resume else _begun(options, engine)
    sweep = progress.sweep
    names = list(dict.fromkeys(name for name, _ in sweep.who if name != CANDIDATE))
    limits = () if names else (str(options.timeout), str(options.memory))
    if limits and options.engine != "local":
        raise EngineError("a candidate is judged on this machine alone; leave --engine out")
    try:
        with terminal.progress(sweep.count, options.quiet) as show:
            for done in sweeping.judge_rest(progress, engine, limits):
                show(min(done * sweep.batch, sweep.count), sum(progress.tally.counts()["verdicts"].values()))
        its_offers = offers(names, engine)
        versions = {k: v for name in names for k, v in its_offers[name].versions.items()} or {"numpy": np.__version__}
        run = sweeping.result(progress, began) | {"versions": made_by() | versions}
        findings = progress.findings(SHOWN_OF_SWEEP)
        sweeping.shrink_failing(progress.out, findings, sweep.who, limits, engine)
    except KeyboardInterrupt:
        state = f"{min(progress.done * sweep.batch, sweep.count)} of {sweep.count} problems are judged and on disk"
        print(f"gradaudit: interrupted; {state}; go on with --resume {progress.out}", file=sys.stderr)
        return INTERRUPTED
    with without_interrupts():
        progress.finished(run, rendered(("html",), run, findings))
        console.show(terminal.console(), run, findings)
        print(f"The record is in {progress.out}: run.json, findings.jsonl (what did not pass), index.html.")
    return status(run)


def _begun(options: argparse.Namespace, engine: Engine) -> Progress:
    """A new sweep, as the options ask for it."""
    wish = OF_A_NEW_SWEEP | {name: value for name in OF_A_NEW_SWEEP if (value := getattr(options, name)) is not None}
    expectations(wish["expected"])  # what cannot be read is refused before the work begins, as is a candidate
    if wish["candidate"] and wish["functions"]:
        raise SettingsError("a candidate is one network, and is not run on random functions; leave out one of the two")
    if wish["candidate"]:
        with Isolated(wish["candidate"], options.timeout, options.memory) as process:
            process.start()
        who: tuple[tuple[str, str], ...] = ((CANDIDATE, wish["candidate"]),)
    else:
        names = wish["frameworks"] or tuple(n for n in installed() if n in VARIANTS or not wish["functions"])
        there = offers(names, engine)
        who = choose_variants(names, wish["variants"], of_functions(there) if wish["functions"] else there)
    own = {name: wish[name] for name in ("count", "seed", "dtypes", "shard", "strict", "expected", "functions")}
    return Progress.begun(wish["out"], Sweep(who=who, **own))


def of_functions(there: Mapping[str, Offer]) -> dict[str, Offer]:
    """The ways in which frameworks run random functions.

    Raises
    ------
    SettingsError
        If a framework has none.
    """
    unknown = [name for name in there if name not in VARIANTS]
    if unknown:
        raise SettingsError(f"{unknown[0]} runs no random functions; expected one of {', '.join(VARIANTS)}")
    return {name: offer._replace(variants=VARIANTS[name]) for name, offer in there.items()}
