"""A run on the console: the verdict, who was judged, on what, and whatever did not pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gradaudit.records.changes import KINDS, Change
from gradaudit.report.summary import (
    Cell,
    blind_share,
    caught,
    explained,
    families,
    grouped,
    replay_command,
    sentence,
    unexpected,
    who,
)
from gradaudit.runs.replay import Replay
from gradaudit.verdicts.judge import VERDICTS, Finding, describe

#: At most so many findings are printed one by one; all of them are in findings.jsonl.
SHOWN = 20
#: Of a candidate that is diagnosed, so many.
SHOWN_OF_DIAGNOSED = 3
#: The family in which being on the other side of a kink uses the bound up: left out where the worst is sought.
UNDECIDABLE = "undecidable kinks"
#: A table of more columns is headed by letters, if one of their names is longer than so many characters.
MANY, LONG = 8, 10
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
    swept = run["kind"] == "sweep"  # of which the passes are not written down
    frameworks, variants = {finding.framework for finding in findings}, {who(finding) for finding in findings}
    if not swept and 1 < len(frameworks) < len(variants):
        console.print(_verdicts(findings, variants=False))
    if not swept:
        console.print(_verdicts(findings, variants=True))
    if len(variants) <= SIDE_BY_SIDE and not swept:
        console.print(_families(findings))
    for name, table in run["tables"].items():
        if name == "ledger":
            console.print(f"{escape(table['note'])} (python -m gradaudit ledger)", highlight=False)
        elif name == "mistakes":
            console.print(f"{escape(caught(table))} (python -m gradaudit mistakes)", highlight=False)
        elif name != "diagnosis":
            show_table(console, table)
    notable = [finding for finding in unexpected(findings) if not swept or finding.verdict != "undecided"]
    shown = notable[: SHOWN_OF_DIAGNOSED if diagnosis else SHOWN]
    for finding in shown:
        style = STYLE[finding.verdict]
        console.print(f"[{style}]{finding.verdict}[/] {escape(who(finding))} {escape(finding.case)}", highlight=False)
        console.print(f"    {escape(describe(finding))}", highlight=False)
        if replay_command(finding):
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
    if found.resolution is not None:
        console.print(
            f"resolution {found.resolution:.2g}: an error above this part of the natural size is certain to be seen"
        )
    if found.blind is not None:
        console.print(f"blind {found.blind:.2g}: this part of the entries not 0 is smaller than its bounds")
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


def _verdicts(findings: Sequence[Finding], variants: bool) -> Table:
    """How many verdicts of each kind, and of the passes the worst error/bound and the share of blind entries.

    A row a variant, or a row a framework.
    """
    shown = [v for v in reversed(VERDICTS) if v == "pass" or any(f.verdict == v for f in findings)]
    table = Table(
        header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False, caption_justify="left"
    )
    table.caption = "blind: of the entries of the passes, those smaller than their bounds"
    table.add_column("variant" if variants else "framework", overflow="fold")
    if not variants:
        table.add_column("variants", justify="right")
    for verdict in shown:
        table.add_column(verdict, justify="right", style=STYLE[verdict])
    expected = any(f.expected and f.verdict not in ("pass", "unsupported") for f in findings)
    if expected:
        table.add_column("known", justify="right")
    table.add_column("worst pass", justify="right")
    table.add_column("blind", justify="right")
    for name, group in grouped(findings, lambda f: f"{f.framework} {f.variant}" if variants else f.framework).items():
        names = [escape(name)] if variants else [escape(name), str(len({f.variant for f in group}))]
        counts = (str(sum(f.verdict == v for f in group)) for v in shown)
        known = [str(sum(f.expected and f.verdict not in ("pass", "unsupported") for f in group))] if expected else []
        worst = max((f.ratio or 0.0 for f in group if f.verdict == "pass" and f.family != UNDECIDABLE), default=None)
        share = blind_share(group)
        blind = "" if share is None else f"{100 * share:.1f} %"
        table.add_row(*names, *counts, *known, "" if worst is None else f"{worst:.2f}", blind)
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
        _, example, entry = table["note"].rpartition("for instance on ")
        console.print(escape(example + entry), highlight=False)


def show_table(console: Console, content: Mapping[str, Any]) -> None:
    """Print a table of run.json, a dot for 0; side by side as much of it as the console is wide, the rest below.

    Where the columns' names are long and many, letters and a legend head them. A table of texts is printed as a list.
    """
    columns, rows, note = content["columns"], content["rows"], content["note"]
    if content.get("text"):
        console.print(escape(content["title"]), style="bold", highlight=False)
        for name, *cells in rows:
            said = "; ".join(f"{column}: {cell}" for column, cell in zip(columns[1:], cells, strict=True))
            console.print(f"  {escape(str(name))}: {escape(said)}", highlight=False)
        console.print(escape(note), style="dim", highlight=False)
        return
    if len(columns) > MANY and max(map(len, columns[1:])) > LONG:
        letters = [chr(ord("a") + n) for n in range(len(columns) - 2)]
        note = ", ".join(f"{a} {column}" for a, column in zip(letters, columns[1:-1], strict=True)) + "\n" + note
        columns = [columns[0], *letters, columns[-1]]
    written = [[str(row[0]), *map(_written, row[1:])] for row in rows]
    widths = [max(_wide(columns[n]), *(len(row[n]) for row in written), 1) for n in range(len(columns))]
    first = min(max([_wide(columns[0]), *(len(row[0]) for row in written)]), console.width // 2)
    parts = _parts(widths, console.width - first - 3)
    console.print(escape(content["title"]), style="bold", highlight=False)
    for part in parts:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
        table.add_column(escape(columns[0]), width=first + 1)
        for number in part:
            table.add_column(escape(columns[number]), justify="right", width=widths[number] + 1)
        for row in written:
            table.add_row(escape(row[0]), *(escape(row[number]) for number in part))
        console.print(table)
    console.print(escape(note), style="dim", highlight=False)


def _parts(widths: Sequence[int], room: int) -> list[list[int]]:
    """The columns but the first in parts, none of them wider than the room where that can be."""
    parts: list[list[int]] = [[]]
    used = 0
    for number in range(1, len(widths)):
        if parts[-1] and used + widths[number] + 1 > room:
            parts.append([])
            used = 0
        parts[-1].append(number)
        used += widths[number] + 1
    return parts


def _wide(name: str) -> int:
    """How wide a column is for its name, which may be broken between words."""
    return max(map(len, name.split()), default=0)


def _written(cell: Any) -> str:
    """A cell of a table of run.json."""
    if isinstance(cell, float):
        return f"{cell:.3g}"
    return "·" if cell == 0 else str(cell)
