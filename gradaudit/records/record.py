"""The record of a run: run.json (what was run, and the sums) and findings.jsonl (a finding a line).

Nothing in findings.jsonl depends on the clock, the machine or the number of workers.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from gradaudit.records import schema
from gradaudit.records.consistency import check_run, counts, finding_of
from gradaudit.records.files import MIB, document, opened, renamed
from gradaudit.records.schema import Kind
from gradaudit.verdicts.expected import Stale
from gradaudit.verdicts.judge import Finding

#: The version of the record's form; it changes when a key changes its meaning or goes.
SCHEMA = 3


#: The largest files that are read, and the longest line, in bytes.
LARGEST_RUN, LARGEST_FINDINGS, LONGEST_LINE = 8 * MIB, 128 * MIB, MIB
#: What run.json holds (the contract).
KEYS = {
    "schema",
    "kind",
    "ok",
    "partial",
    "counts",
    "versions",
    "machine",
    "settings",
    "plan",
    "shard",
    "timings",
    "tables",
}


class RecordError(OSError):
    """A record that cannot be written or read."""


class Record(NamedTuple):
    """The record of a run, or of a shard of one."""

    folder: Path
    run: dict[str, Any]
    findings: list[Finding]


def run_of(
    kind: Kind, findings: Sequence[Finding], strict: bool, partial: bool, missing: Sequence[Stale] = ()
) -> dict[str, Any]:
    """What run.json says of the findings: whether all are there and as expected, and how many of each verdict.

    Parameters
    ----------
    kind : {"run", "candidate", "sweep"}
        What was done.
    findings : sequence of Finding
        The findings.
    strict, partial : bool
        Whether `undecided` fails too, and whether some findings are missing.
    missing : sequence of Stale
        What was expected and no longer shows.
    """
    tolerated = () if strict else ("undecided",)
    ok = not partial and not missing and all(f.expected or f.verdict in tolerated for f in findings)
    return {"schema": SCHEMA, "kind": kind, "ok": ok, "partial": partial, "counts": counts(findings)}


def machine() -> dict[str, Any]:
    """What the run ran on."""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def line(finding: Finding) -> str:
    """One line of findings.jsonl: the finding's id, then its fields in their order, non-finite numbers as strings."""
    fields = {k: v[: schema.LONGEST] if isinstance(v, str) else v for k, v in asdict(finding).items()}
    return json.dumps({"id": finding.id} | _portable(fields), allow_nan=False, ensure_ascii=True)


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


def write(out: Path, run: Mapping[str, Any], findings: Sequence[Finding], beside: Mapping[str, str]) -> Path:
    """Write a record; an old one in the same folder is replaced only when the new one is complete.

    A partial record goes into a folder `partial` beside an old one.

    Parameters
    ----------
    out : Path
        The folder, made if it is not there.
    run : mapping
        What goes into run.json.
    findings : sequence of Finding
        What goes into findings.jsonl.
    beside : mapping of str to str
        Other files' names and texts.

    Returns
    -------
    Path
        The folder that holds the record.

    Raises
    ------
    RecordError
        If the folder cannot be written to.
    """
    if run["partial"] and (out / "run.json").exists():
        out = out / "partial"
    try:
        out.mkdir(parents=True, exist_ok=True)
        new = out / ".findings.jsonl.new"
        new.write_text("".join(line(finding) + "\n" for finding in findings), encoding="utf-8")
        complete(out, run, new, beside)
    except OSError as error:
        with contextlib.suppress(OSError):
            (out / ".findings.jsonl.new").unlink()
        raise error if isinstance(error, RecordError) else _cannot_hold(out, error) from error
    return out


def complete(out: Path, run: Mapping[str, Any], findings: Path, beside: Mapping[str, str]) -> None:
    """Put a record together: all files are written to the side before the first of them is renamed.

    Parameters
    ----------
    out : Path
        The folder.
    run : mapping
        What goes into run.json.
    findings : Path
        The file of findings, which becomes findings.jsonl.
    beside : mapping of str to str
        Other files' names and texts.

    Raises
    ------
    RecordError
        If the folder cannot be written to; `findings` stays where it is then.
    """
    files = {**beside, "run.json": json.dumps(_portable(run), indent=2, allow_nan=False) + "\n"}
    try:
        for name, text in files.items():
            (out / f".{name}.new").write_text(text, encoding="utf-8", errors="replace")
        renamed(findings, out / "findings.jsonl")
        for name in files:
            renamed(out / f".{name}.new", out / name)
    except OSError as error:
        for name in files:
            with contextlib.suppress(OSError):
                (out / f".{name}.new").unlink()
        raise _cannot_hold(out, error) from error


def read(folder: Path) -> Record:
    """Read a record, from wherever it comes.

    Raises
    ------
    RecordError
        If it is not there, of another form, damaged, larger than the limits, or at odds with itself.
    """
    try:
        with opened(folder / "run.json", LARGEST_RUN) as file:
            run = document(file.read())
        if not isinstance(run, dict) or run.get("schema") != SCHEMA or not run.keys() >= KEYS:
            raise RecordError(f"{folder}/run.json is not of form {SCHEMA}; run the audit again with this version")
        with opened(folder / "findings.jsonl", LARGEST_FINDINGS) as file:
            findings = list(_findings(file, f"{folder}/findings.jsonl"))
    except RecordError:
        raise
    except (OSError, ValueError) as error:
        raise RecordError(
            f"{folder} holds no record that can be read ({error}); expected what `run` wrote there"
        ) from error
    try:
        check_run(run, findings)
    except ValueError as error:
        raise RecordError(f"{folder}/run.json is damaged ({error}); run the audit again") from error
    return Record(folder, run, findings)


def _findings(file: BinaryIO, name: str) -> Iterator[Finding]:
    """The findings of a file, none of them twice."""
    seen: set[str] = set()
    for number, text in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), start=1):
        try:
            if len(text) > LONGEST_LINE:
                raise ValueError(f"it has more than {LONGEST_LINE} bytes")
            finding = finding_of(document(text))
            if finding.id in seen:
                raise ValueError(f"{finding.id} is there twice")
        except ValueError as error:
            raise RecordError(f"{name}, line {number} is damaged; run that shard again ({error})") from error
        seen.add(finding.id)
        yield finding


def _portable(value: Any) -> Any:
    """The value with non-finite numbers as the strings NaN, Infinity and -Infinity, which JSON itself lacks."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {key: _portable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_portable(item) for item in value]
    return value
