"""A run on the console: the verdict, who was judged, on what, and whatever did not pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from audit.changes import KINDS, Change
from audit.judge import VERDICTS, Finding, describe
from audit.replay import Replay
from audit.report.summary import Cell, caught, explained, families, grouped, replay_command, sentence, unexpected, who
from audit.run import CANDIDATE

#: At most so many findings are printed one by one; all of them are in findings.jsonl.
SHOWN = 20
#: Of a candidate that is diagnosed, so many.
SHOWN_OF_DIAGNOSED = 3
#: A table of more columns is headed by letters.
MANY = 8
#: So many variants stand side by side, a column each; more are only listed with the family of their worst finding.
SIDE_BY_SIDE = 6

STYLE = {
    "pass": "green",
    "wrong": "bold red",
    "crash": "bold red",
    "timeout": "bold red",
    "error": "red",
    "skipped": "yellow",
    "undecided": "yellow",
    "unsupported": "dim",
}


def show(console: Console, run: Mapping[str, Any], findings: Sequence[Finding]) -> None:
    """Print a run in the order of the page; the verdict stands first and, where a log ends, again last.

    Parameters
    ----------
    console : Console
        Where to print.
    run : mapping
        The content of run.json.
    findings : sequence of Finding
        The findings.
    """
    verdict = sentence(run), "bold green" if run["ok"] else "bold red"
    diagnosis = run["tables"].get("diagnosis")
    console.print(verdict[0], style=verdict[1], highlight=False)
    if diagnosis:
        show_diagnosis(console, diagnosis)
    console.print(_verdicts(findings))
    if len({who(finding) for finding in findings}) <= SIDE_BY_SIDE:
        console.print(_families(findings))
    for name, table in run["tables"].items():
        if name == "ledger":
            console.print(f"{escape(table['note'])} (python -m audit ledger)", highlight=False)
        elif name == "mistakes":
            console.print(f"{escape(caught(table))} (python -m audit mistakes)", highlight=False)
        elif name != "diagnosis":
            console.print(plain(table))
    notable = unexpected(findings)
    shown = notable[: SHOWN_OF_DIAGNOSED if diagnosis else SHOWN]
    for finding in shown:
        style = STYLE[finding.verdict]
        console.print(f"[{style}]{finding.verdict}[/] {escape(who(finding))} {escape(finding.case)}", highlight=False)
        console.print(f"    {escape(describe(finding))}", highlight=False)
        if finding.framework != CANDIDATE:
            console.print(f"    {escape(replay_command(finding))}", highlight=False, soft_wrap=True)
    for reason, group in explained(findings):
        console.print(f"known, {len(group)} times: {escape(reason)}", highlight=False)
    if len(notable) > len(shown):
        console.print(f"... and {len(notable) - len(shown)} more in findings.jsonl")
    console.print(verdict[0], style=verdict[1], highlight=False)


def show_replay(console: Console, replay: Replay) -> None:
    """Print a replayed finding: its verdict, then its worst entries, one below the other."""
    found = replay.finding
    style = STYLE[found.verdict]
    console.print(f"[{style}]{found.verdict}[/] {escape(who(found))} {escape(found.case)}", highlight=False)
    if found.message:
        console.print(escape(found.message), highlight=False)
    if found.power is not None:
        console.print(
            f"power {found.power:.2g}: errors above this part of a tensor's natural size are certain to be seen"
        )
    console.print(f"{replay.outside} of {replay.total} entries are outside their bounds")
    for entry in replay.entries:
        index = f"[{', '.join(map(str, entry.index))}]" if entry.index else ""
        console.print(f"\n{escape(entry.tensor + index)}  {escape(entry.place)}", highlight=False)
        hi, lo = entry.exact
        console.print(
            f"    got    {entry.got!r}\n    exact  {hi!r} {'-' if lo < 0 else '+'} {abs(lo)!r}", highlight=False
        )
        console.print(
            f"    error  {entry.error:.6g}   bound {entry.bound:.6g}   ratio {entry.ratio:.4g}", highlight=False
        )


def show_changes(
    console: Console, before: Mapping[str, str], after: Mapping[str, str], changes: Sequence[Change]
) -> None:
    """Print what changed between two runs: versions, then kind by kind, the largest ratios first, then how many."""
    for package in dict.fromkeys([*before, *after]):
        one, other = before.get(package, "not there"), after.get(package, "not there")
        if one != other:
            console.print(f"{escape(package)}: {escape(one)}, now {escape(other)}", highlight=False)
    for kind in KINDS:
        found = sorted((c for c in changes if c.kind == kind), key=lambda c: -c.factor)
        for change in found[:SHOWN]:
            what = f"{change.kind} {change.name}: {change.before}, now {change.after}"
            console.print(escape(what), highlight=False, soft_wrap=True)
        if len(found) > SHOWN:
            console.print(f"... and {len(found) - SHOWN} more of kind {kind}")
    counted = ", ".join(f"{n} {kind}" for kind in KINDS if (n := sum(c.kind == kind for c in changes)))
    console.print(
        f"{len(changes)} changes: {counted}." if changes else "Nothing changed.", style="bold", highlight=False
    )


def _verdicts(findings: Sequence[Finding]) -> Table:
    """How many verdicts of each kind, and the worst error/bound, a row for each framework's variant and dtype."""
    shown = [v for v in reversed(VERDICTS) if v == "pass" or any(f.verdict == v for f in findings)]
    table = Table("framework", "variant", "dtype", header_style="bold")
    for verdict in shown:
        table.add_column(verdict, justify="right", style=STYLE[verdict])
    expected = any(f.expected and f.verdict != "pass" for f in findings)
    if expected:
        table.add_column("of these expected", justify="right")
    table.add_column("worst pass", justify="right")
    for judged, group in grouped(findings, lambda f: (f.framework, f.variant, f.dtype)).items():
        known = [str(sum(f.expected and f.verdict != "pass" for f in group))] if expected else []
        worst = max((f.ratio or 0.0 for f in group if f.verdict == "pass"), default=None)
        passed = "" if worst is None else f"{worst:.2f}"
        table.add_row(*judged, *(str(sum(f.verdict == v for f in group)) for v in shown), *known, passed)
    return table


def _families(findings: Sequence[Finding]) -> Table:
    """Case families by frameworks: the worst error/bound, or what did not pass."""
    names, rows = families(findings)
    table = Table(
        "worst error/bound in", header_style="bold", caption="1 is where wrong begins", caption_justify="left"
    )
    for name in names:
        table.add_column(escape(name), justify="right")
    for family, cells in rows:
        marked = (_marked(cell) for cell in cells)
        table.add_row(escape(family), *marked)
    return table


def _marked(cell: Cell) -> str:
    """A cell's text in the colour of its verdict; a known one in that of doubt."""
    if cell.verdict in (None, "pass"):
        return cell.text
    return f"[{STYLE['undecided'] if cell.known else STYLE[cell.verdict]}]{cell.text}[/]"


def show_diagnosis(console: Console, table: Mapping[str, Any]) -> None:
    """Print what is the matter with a candidate, and what else was noticed."""
    for what, evidence, instead in table["rows"]:
        console.print(f"[bold]{escape(what)}[/]: {escape(evidence)}", highlight=False)
        if instead:
            console.print(f"    there should stand {escape(instead)}", highlight=False)
    if table["note"]:
        console.print(escape(table["note"].split(". ")[-1]), highlight=False)


def plain(content: Mapping[str, Any]) -> Table:
    """A table of run.json, as it stands there, a dot for 0; where columns are many, letters and a legend head them."""
    columns, legend = content["columns"], ""
    narrow: dict[str, Any] = {}
    if len(columns) > MANY:
        narrow = {"box": box.SIMPLE_HEAD, "padding": (0, 0, 0, 1), "pad_edge": False}
        letters = [chr(ord("a") + n) for n in range(len(columns) - 2)]
        legend = ", ".join(f"{letter} {column}" for letter, column in zip(letters, columns[1:-1], strict=True)) + "\n"
        columns = [columns[0], *letters, columns[-1]]
    note = escape(legend + content["note"])
    table = Table(title=content["title"], title_justify="left", caption=note, caption_justify="left", **narrow)
    for number, column in enumerate(columns):
        justify: Any = "right" if number and not content.get("text") else "left"
        table.add_column(escape(column), justify=justify, no_wrap=not number and not content.get("text"))
    for row in content["rows"]:
        table.add_row(*(_written(cell) for cell in row))
    return table


def _written(cell: Any) -> str:
    """A cell of a table of run.json."""
    if isinstance(cell, float):
        return f"{cell:.3g}"
    return "·" if cell == 0 else escape(str(cell))
