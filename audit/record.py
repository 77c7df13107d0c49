"""The record of a run: run.json (what was run, and the sums) and findings.jsonl (a finding a line).

Nothing in findings.jsonl depends on the clock, the machine or the number of workers.
"""

from __future__ import annotations

import json
import math
import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from audit.judge import VERDICTS, Finding

#: The version of the record's form; it changes when a key changes its meaning or goes.
SCHEMA = 1


class RecordError(OSError):
    """A record that cannot be written or read."""


def counts(findings: Iterable[Finding]) -> dict[str, Any]:
    """How many findings there are of each verdict, in all and by case family."""
    by_family: dict[str, Counter[str]] = {}
    for finding in findings:
        by_family.setdefault(finding.family, Counter())[finding.verdict] += 1
    ordered = {family: {v: count[v] for v in VERDICTS if count[v]} for family, count in by_family.items()}
    total = sum(by_family.values(), Counter())
    return {"verdicts": {v: total[v] for v in VERDICTS}, "families": ordered}


def machine() -> dict[str, Any]:
    """What the run ran on."""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def line(finding: Finding) -> str:
    """One line of findings.jsonl: the finding's fields in their order, non-finite numbers as strings."""
    return json.dumps(_portable(asdict(finding)), allow_nan=False, ensure_ascii=True)


def check(out: Path) -> None:
    """Make sure, before the work, that a record can be written to `out`.

    Raises
    ------
    RecordError
        If it cannot.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".run.json.new"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise _cannot_hold(out, error) from error


def _cannot_hold(out: Path, error: OSError) -> RecordError:
    return RecordError(f"{out} cannot hold the record ({error.strerror}); name a folder that can with --out")


def write(out: Path, run: Mapping[str, Any], findings: Sequence[Finding]) -> None:
    """Write a record; an old one in the same folder is replaced only when the new one is complete.

    Parameters
    ----------
    out : Path
        The folder, made if it is not there.
    run : mapping
        What goes into run.json.
    findings : sequence of Finding
        What goes into findings.jsonl.

    Raises
    ------
    RecordError
        If the folder cannot be written to.
    """
    files = {
        "findings.jsonl": "".join(line(finding) + "\n" for finding in findings),
        "run.json": json.dumps(_portable(run), indent=2, allow_nan=False) + "\n",
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (out / f".{name}.new").write_text(text, encoding="utf-8")
        for name in files:
            (out / f".{name}.new").replace(out / name)
    except OSError as error:
        raise _cannot_hold(out, error) from error


def _portable(value: Any) -> Any:
    """The value with non-finite numbers as the strings NaN, Infinity and -Infinity, which JSON itself lacks."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {key: _portable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_portable(item) for item in value]
    return value
