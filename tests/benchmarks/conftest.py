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
    for one in benchmarks:
        if BASELINE in one.name:
            fastest[one.group] = one.extra_info.get("seconds", one.stats.min)
    found = []
    for one in benchmarks:
        seconds = one.extra_info.get("seconds", one.stats.min)
        ratio = seconds / fastest[one.group] if one.group in fastest else None
        more = {key: value for key, value in one.extra_info.items() if key != "seconds"}
        found.append({"group": one.group, "name": one.name, "seconds": seconds, "ratio": ratio, **more})
    return found


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
