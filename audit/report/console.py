"""A run on the console: the verdict, who was judged, on what, and whatever did not pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from audit.judge import VERDICTS, Finding, describe

#: At most so many findings are printed one by one; all of them are in findings.jsonl.
SHOWN = 20

STYLE = {"pass": "green", "wrong": "bold red", "error": "red", "undecided": "yellow", "unsupported": "dim"}


def show(console: Console, run: Mapping[str, Any], findings: Sequence[Finding]) -> None:
    """Print a run: the verdict in a sentence, the tables, then the findings that are not `pass`.

    Parameters
    ----------
    console : Console
        Where to print.
    run : mapping
        The content of run.json.
    findings : sequence of Finding
        The findings.
    """
    console.print(_table("framework", findings, lambda f: f"{f.framework} {f.variant} {f.dtype}"))
    console.print(_table("case family", findings, lambda f: f.family))
    notable = [f for f in findings if f.verdict != "pass"]
    for finding in notable[:SHOWN]:
        style = STYLE[finding.verdict]
        who = f"{finding.framework}.{finding.variant}"
        console.print(f"[{style}]{finding.verdict}[/] {escape(who)} {escape(finding.case)}", highlight=False)
        console.print(f"    {escape(describe(finding))}", highlight=False)
    if len(notable) > SHOWN:
        console.print(f"... and {len(notable) - SHOWN} more in findings.jsonl")
    console.print(sentence(run), style="bold green" if run["ok"] else "bold red", highlight=False)


def sentence(run: Mapping[str, Any]) -> str:
    """The run in one sentence."""
    verdicts = run["counts"]["verdicts"]
    total = sum(verdicts.values())
    said = ", ".join(f"{verdicts[v]} {v}" for v in VERDICTS if verdicts[v])
    return f"{'All as expected' if run['ok'] else 'NOT as expected'}: {total} verdicts, {said or 'nothing judged'}."


def _table(title: str, findings: Sequence[Finding], key: Callable[[Finding], str]) -> Table:
    """Verdicts and the worst entry, a row for each value of `key` in the order of appearance."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(key(finding), []).append(finding)
    shown = [v for v in reversed(VERDICTS) if v == "pass" or any(f.verdict == v for f in findings)]
    table = Table(title_justify="left", header_style="bold")
    table.add_column(title)
    for verdict in shown:
        table.add_column(verdict, justify="right", style=STYLE[verdict])
    table.add_column("worst error/bound", justify="right")
    table.add_column("in")
    for name, group in groups.items():
        judged = [f for f in group if f.ratio is not None]
        worst = max(judged, key=lambda f: f.ratio or 0.0, default=None)
        cells = [str(sum(f.verdict == v for f in group)) for v in shown]
        where = ("-", "-") if worst is None else (f"{worst.ratio:.2g}", str(worst.tensor))
        table.add_row(name, *cells, *where)
    return table
