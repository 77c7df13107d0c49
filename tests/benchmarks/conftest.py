"""One table of all benchmarks, every row a ratio to its group's baseline in the same run; and the same as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

#: The benchmark of a group that the others are held against has this in its name.
BASELINE = "baseline"


def rows(benchmarks: list[Any]) -> list[dict[str, Any]]:
    """A row a benchmark: its group, its name, its fastest round in seconds, the ratio, and what else was measured."""
    fastest: dict[str, float] = {}
    for first in benchmarks:
        if BASELINE in first.name:
            fastest[first.group] = first.extra_info.get("seconds", first.stats.min)
    result = []
    for first in benchmarks:
        seconds = first.extra_info.get("seconds", first.stats.min)
        ratio = seconds / fastest[first.group] if first.group in fastest else None
        more = {key: value for key, value in first.extra_info.items() if key != "seconds"}
        result.append({"group": first.group, "name": first.name, "seconds": seconds, "ratio": ratio, **more})
    return result


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where the table goes."""
    parser.addoption("--table", type=Path, metavar="FILE", help="write the table as JSON")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    table = rows(terminalreporter.config._benchmarksession.benchmarks)  # type: ignore[attr-defined]
    group = None
    for row in sorted(table, key=lambda row: row["group"]):
        if row["group"] != group:
            group = row["group"]
            terminalreporter.section(group)
        more = ", ".join(f"{k}: {v}" for k, v in row.items() if k not in ("group", "name", "seconds", "ratio"))
        ratio = "" if row["ratio"] is None else f"{row['ratio']:8.3g} x"
        name = row["name"].removeprefix("bench_")
        terminalreporter.line(f"{name:60} {1e3 * row['seconds']:10.3g} ms {ratio:>10}  {more}")
    file = terminalreporter.config.getoption("--table")
    if file:
        file.write_text(json.dumps(table, indent=2) + "\n")
