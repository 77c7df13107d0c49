"""The command `sweep`: random problems, a great many, in one go or in several."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from gradaudit.adapters import installed
from gradaudit.candidate.isolation import Isolated
from gradaudit.cases.random_problems import BATCH, Sweep
from gradaudit.engines import base as engine
from gradaudit.engines.local import without_interrupts
from gradaudit.records.progress import Progress
from gradaudit.records.under_way import INTERRUPTED
from gradaudit.records.versions import made_by
from gradaudit.reference.problem import DTYPES
from gradaudit.report import console, rendered, terminal
from gradaudit.runs import run as running
from gradaudit.runs import sweep as sweeping
from gradaudit.runs.run import CANDIDATE, SettingsError, chosen_variants

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
    kept = Progress.resumed(options.resume) if options.resume else _begun(options, at_work)
    asked = kept.sweep
    limits = (str(options.timeout), str(options.memory)) if asked.who[0][0] == CANDIDATE else ()
    if limits and options.engine != "local":
        raise engine.EngineError("a candidate is judged on this machine alone; leave --engine out")
    try:
        with terminal.progress(asked.count, options.quiet) as show:
            for done in sweeping.swept(kept, at_work, limits):
                show(min(done * BATCH, asked.count), sum(kept.tally.counts()["verdicts"].values()))
        names = list(dict.fromkeys(name for name, _ in asked.who if name != CANDIDATE))
        offers = running.offers(names, at_work)
        versions = {k: v for name in names for k, v in offers[name].versions.items()} or {"numpy": np.__version__}
        content = sweeping.result(kept, began) | {"versions": made_by() | versions}
        found = kept.findings(SHOWN_OF_SWEEP)
        if not limits:
            sweeping.shrink_failing(kept.out, found, at_work)
    except KeyboardInterrupt:
        said = f"{min(kept.done * BATCH, asked.count)} of {asked.count} problems are judged and kept"
        print(f"audit: interrupted; {said}; go on with --resume {kept.out}", file=sys.stderr)
        return INTERRUPTED
    with without_interrupts():
        kept.finished(content, rendered(("html",), content, found))
        console.show(terminal.console(), content, found)
        print(f"The record is in {kept.out}: run.json, findings.jsonl (what did not pass), index.html.")
    if content["partial"] or any(content["counts"]["verdicts"][v] for v in ("crash", "timeout")):
        return 3
    return 0 if content["ok"] else 1


def _begun(options: argparse.Namespace, at_work: engine.Engine) -> Progress:
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
    return Progress.begun(asked["out"], Sweep(who=who, **own))
