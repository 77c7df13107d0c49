"""Several records as one: the shards of a run, or runs of different frameworks on the same cases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gradaudit.cases.plan import Settings, plan, plan_hash
from gradaudit.records import record
from gradaudit.records.consistency import settings_of
from gradaudit.records.record import Record, RecordError
from gradaudit.records.versions import MAKERS
from gradaudit.runs.tables import stale_of, stale_table
from gradaudit.verdicts.judge import Finding


def merge(records: Sequence[Record]) -> tuple[dict[str, Any], list[Finding]]:
    """The complete run from the records of all its shards; runs of different frameworks become one run.

    Raises
    ------
    RecordError
        If a shard or a finding is missing, foreign, or there twice, or if the settings of the runs differ.
    """
    runs: dict[str, list[Record]] = {}
    for shard in records:
        runs.setdefault(shard.run["plan"], []).append(shard)
    first = records[0].run["settings"]
    for shard in records:
        _check_maker(shard, records[0])
        if shard.run["kind"] == "sweep":
            raise RecordError(
                f"{shard.folder} is the record of a sweep, which has no passes to merge; use --workers or --engine"
            )
        differing = [key for key in first if key != "who" and shard.run["settings"][key] != first[key]]
        if differing:
            folders = f"{shard.folder} and {records[0].folder} are different runs"
            raise RecordError(f"{folders}: they differ in {differing[0]}; expected runs with the same settings")
    of_id: dict[str, Finding] = {}
    for parts in runs.values():
        for name, finding in _whole(parts).items():
            if name in of_id:
                raise RecordError(f"{name} was judged by two of these runs; leave one of them out")
            of_id[name] = finding
    who = [pair for parts in runs.values() for pair in parts[0].run["settings"]["who"]]
    kind = records[0].run["kind"]
    settings = _settings({"kind": kind, "settings": {**first, "who": who}})
    items = plan(settings)
    findings = [of_id[item.id] for item in items]
    missing = stale_of(settings, findings)
    whole = {**records[0].run, **record.run_of(kind, findings, settings.strict, partial=False, missing=missing)}
    return whole | {
        "settings": {**first, "who": who},
        "plan": plan_hash(items),
        "versions": _united(parts[0].run["versions"] for parts in runs.values()),
        "shard": "1/1",
        "timings": {"seconds": round(sum(shard.run["timings"]["seconds"] for shard in records), 3)},
        "tables": _tables([parts[0].run["tables"] for parts in runs.values()]) | stale_table(missing),
    }, findings


def _check_maker(record: Record, first: Record) -> None:
    """Check that the same gradaudit made two records."""
    for name in MAKERS:
        version, expected = (r.run["versions"].get(name, "unknown") for r in (record, first))
        if version != expected:
            makers = f"{record.folder} was made with {name} {version}, {first.folder} with {name} {expected}"
            raise RecordError(f"{makers}; make both with the same version, or `compare` them")


def _whole(parts: Sequence[Record]) -> dict[str, Finding]:
    """The findings of all shards of one run, by id."""
    first = parts[0]
    for part in parts[1:]:
        for key in ("settings", "versions"):
            if part.run[key] != first.run[key]:
                raise RecordError(f"{part.folder} and {first.folder} are different runs: they differ in {key}")
    names = [item.id for item in plan(_settings(first.run))]
    of_id: dict[str, Finding] = {}
    for part in parts:
        for finding in part.findings:
            if finding.id in of_id:
                raise RecordError(f"{finding.id} is in two shards, also in {part.folder}; give each shard once")
            of_id[finding.id] = finding
    foreign, missing = sorted(of_id.keys() - set(names)), [name for name in names if name not in of_id]
    if foreign:
        raise RecordError(f"{foreign[0]} does not belong to this run, nor do {len(foreign) - 1} more")
    if missing:
        shards = ", ".join(part.run["shard"] for part in parts)
        raise RecordError(
            f"{len(missing)} of {len(names)} findings are missing, for example {missing[0]}; "
            f"the shards are {shards}; expected every I of I/N"
        )
    return of_id


def _united(versions: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The versions of all runs; if a package has several, all of them."""
    united: dict[str, list[str]] = {}
    for of_run in versions:
        for package, version in of_run.items():
            if version not in united.setdefault(package, []):
                united[package].append(version)
    return {package: ", ".join(of_package) for package, of_package in united.items()}


def _tables(of_runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The tables of the runs, the rows of the first above those of the next, each row once."""
    united: dict[str, Any] = {}
    for tables in of_runs:
        for name, table in tables.items():
            before = united.get(name)
            if before is None or before["columns"] != table["columns"]:
                united.setdefault(name, table)
                continue
            seen = {json.dumps(row[:1]) for row in before["rows"]}
            new = [row for row in table["rows"] if json.dumps(row[:1]) not in seen]
            united[name] = {**before, "rows": [*before["rows"], *new]}
    return united


def _settings(run: Mapping[str, Any]) -> Settings:
    """The settings of a run; it was checked before that it is not a sweep."""
    settings = settings_of(run)
    assert isinstance(settings, Settings)
    return settings
