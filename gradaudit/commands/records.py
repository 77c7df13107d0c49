"""The commands about records, `merge` and `compare`, and how every command writes and prints its own."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gradaudit.cases.plan import Item, Settings, plan_hash
from gradaudit.records import changes, record
from gradaudit.records.under_way import INTERRUPTED
from gradaudit.report import FORMATS, console, rendered, terminal
from gradaudit.report.github import annotate
from gradaudit.runs import merge as merging
from gradaudit.verdicts.judge import Finding


def merge(options: argparse.Namespace) -> int:
    """Put the records of all shards of a run together, write and print the whole."""
    content, findings = merging.merge([record.read(folder) for folder in options.records])
    record.check(options.out)
    return conclude(options, content, findings)


def compare(options: argparse.Namespace) -> int:
    """Print what changed between two runs; what --fail-on names fails."""
    limits = changes.limits(options.fail_on)
    before, after = record.read(options.before), record.read(options.after)
    differences = changes.changes(before, after)
    console.show_changes(terminal.console(), before.run["versions"], after.run["versions"], differences)
    return 1 if any(limits.fails(change) for change in differences) else 0


def content(
    options: argparse.Namespace, settings: Settings, whole: Sequence[Item], summary: dict[str, Any], began: float
) -> dict[str, Any]:
    """What goes into run.json, beside versions and tables, of the shard of the `whole` plan that was run."""
    return summary | {
        "machine": record.machine(),
        "settings": asdict(settings),
        "plan": plan_hash(whole),
        "shard": "/".join(map(str, options.shard)),
        "timings": {"seconds": round(time.perf_counter() - began, 3)},
    }


def conclude(options: argparse.Namespace, run: dict[str, Any], findings: Sequence[Finding]) -> int:
    """Write and print a record; the exit status is what it says."""
    texts = rendered(options.format, run, findings)
    out = record.write(options.out, run, findings, texts)
    console.show(terminal.console(), run, findings)
    if "github" in options.format:
        _tell_github(texts[FORMATS["github"][0]], findings)
    print(f"The record is in {out}: run.json, findings.jsonl{''.join(f', {name}' for name in texts)}.")
    return status(run)


def status(run: dict[str, Any]) -> int:
    """The exit status that run.json asks for."""
    verdicts = run["counts"]["verdicts"]
    if run["partial"] and run["kind"] != "sweep":  # a sweep ends early where everybody is given up
        return INTERRUPTED
    if run["partial"] or verdicts["crash"] or verdicts["timeout"]:
        return 3
    return 0 if run["ok"] else 1


def _tell_github(summary: str, findings: Sequence[Finding]) -> None:
    """Print the annotations, and add to the step's summary where GitHub Actions gives its file."""
    for annotation in annotate(findings):
        print(annotation)
    file = os.environ.get("GITHUB_STEP_SUMMARY")
    if file:
        with open(file, "a", encoding="utf-8", errors="replace") as step:
            step.write(summary)
