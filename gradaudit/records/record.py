"""The record of a run: run.json (settings, counts, tables) and findings.jsonl (one finding on each line).

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
from gradaudit.records.files import MIB, document, open_file, replace_file
from gradaudit.records.schema import Kind
from gradaudit.verdicts.expected import Stale
from gradaudit.verdicts.judge import Finding

#: The version of the form of a record; it changes when a key gets another meaning or is removed.
SCHEMA = 3


#: The largest files that are read, and the longest line, in bytes.
LARGEST_RUN, LARGEST_FINDINGS, LONGEST_LINE = 8 * MIB, 128 * MIB, MIB
#: The keys of run.json (the contract).
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
    """The part of run.json about the findings: whether they are complete and as expected, and how many there are.

    Parameters
    ----------
    kind : {"run", "candidate", "sweep"}
        What was done.
    findings : sequence of Finding
        The findings.
    strict, partial : bool
        Whether `undecided` fails too, and whether some findings are missing.
    missing : sequence of Stale
        The expected findings that did not occur.
    """
    tolerated = () if strict else ("undecided",)
    ok = not partial and not missing and all(f.expected or f.verdict in tolerated for f in findings)
    return {"schema": SCHEMA, "kind": kind, "ok": ok, "partial": partial, "counts": counts(findings)}


def machine() -> dict[str, Any]:
    """The machine of the run."""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def line(finding: Finding) -> str:
    """One line of findings.jsonl: the id of the finding, then its fields in their order."""
    fields = {k: v[: schema.LONGEST] if isinstance(v, str) else v for k, v in asdict(finding).items()}
    return json.dumps({"id": finding.id} | _portable(fields), allow_nan=False, ensure_ascii=True)


def check(out: Path) -> None:
    """Check, before the work begins, that a record can be written to `out`.

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
    return RecordError(f"{out} cannot hold the record ({error.strerror}); give another folder with --out")


def write(out: Path, run: Mapping[str, Any], findings: Sequence[Finding], beside: Mapping[str, str]) -> Path:
    """Write a record; an old one in the same folder is replaced only when the new one is complete.

    If there is an old record, a partial one goes into the folder `partial` in it.

    Parameters
    ----------
    out : Path
        The folder; it is created if necessary.
    run : mapping
        The content of run.json.
    findings : sequence of Finding
        The content of findings.jsonl.
    beside : mapping of str to str
        The names and texts of other files.

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
    """Put a record together: all new files are complete before the first of them replaces an old one.

    Parameters
    ----------
    out : Path
        The folder.
    run : mapping
        The content of run.json.
    findings : Path
        The file of findings, which becomes findings.jsonl.
    beside : mapping of str to str
        The names and texts of other files.

    Raises
    ------
    RecordError
        If the folder cannot be written to; the file `findings` is then not moved.
    """
    files = {**beside, "run.json": json.dumps(_portable(run), indent=2, allow_nan=False) + "\n"}
    try:
        for name, text in files.items():
            (out / f".{name}.new").write_text(text, encoding="utf-8", errors="replace")
        replace_file(out / "findings.jsonl", findings)
        for name in files:
            replace_file(out / name, out / f".{name}.new")
    except OSError as error:
        for name in files:
            with contextlib.suppress(OSError):
                (out / f".{name}.new").unlink()
        raise _cannot_hold(out, error) from error


def read(folder: Path) -> Record:
    """Read a record; it is not trusted.

    Raises
    ------
    RecordError
        If it is missing, has another form, is damaged, is larger than the limits, or contradicts itself.
    """
    try:
        with open_file(folder / "run.json", LARGEST_RUN) as file:
            run = document(file.read())
        if not isinstance(run, dict) or run.get("schema") != SCHEMA or not run.keys() >= KEYS:
            raise RecordError(f"{folder}/run.json does not have form {SCHEMA}; run the audit again with this version")
        with open_file(folder / "findings.jsonl", LARGEST_FINDINGS) as file:
            findings = list(_findings(file, f"{folder}/findings.jsonl"))
    except RecordError:
        raise
    except (OSError, ValueError) as error:
        raise RecordError(
            f"{folder} holds no record that can be read ({error}); expected the folder of a run"
        ) from error
    try:
        check_run(run, findings)
    except ValueError as error:
        raise RecordError(f"{folder}/run.json is damaged ({error}); run the audit again") from error
    return Record(folder, run, findings)


def _findings(file: BinaryIO, name: str) -> Iterator[Finding]:
    """The findings of a file; two with the same id are refused."""
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
    """The value with non-finite numbers as the strings NaN, Infinity and -Infinity; JSON has no such numbers."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {key: _portable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_portable(item) for item in value]
    return value
