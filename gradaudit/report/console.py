"""A run on the console: the verdict, a row for each variant, the tables, and every finding that is not a pass."""

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

#: The largest number of findings that are printed; all of them are in findings.jsonl.
SHOWN = 20
#: The same for a candidate with a diagnosis.
SHOWN_OF_DIAGNOSED = 3
#: The family in which a value from the other side of a kink uses up the bound: left out of the worst ratio.
UNDECIDABLE = "undecidable kinks"
#: A table with more columns than MANY has letters as heads, if the name of a column is longer than LONG.
MANY, LONG = 8, 10
#: The table of case families is shown for at most this number of variants, a column for each.
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
    """Print a run in the order of the page; the verdict comes first, and again last, where a log ends.

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
    swept = run["kind"] == "sweep"  # its passes are counted, but are not among the findings
    frameworks, variants = {finding.framework for finding in findings}, {who(finding) for finding in findings}
    if not swept and 1 < len(frameworks) < len(variants):
        console.print(_verdicts(findings, variants=False))
    if not swept:
        console.print(_verdicts(findings, variants=True))
    if len(variants) <= SIDE_BY_SIDE and not swept:
        console.print(_families(findings))
    for name, table in run["tables"].items():
        if name == "ledger":
            console.print(f"{escape(table['note'])} (gradaudit ledger)", highlight=False)
        elif name == "mistakes":
            console.print(f"{escape(caught(table))} (gradaudit mistakes)", highlight=False)
        elif name != "diagnosis":
            show_table(console, table)
    notable = [finding for finding in unexpected(findings) if not swept or finding.verdict != "undecided"]
    excerpt = notable[: SHOWN_OF_DIAGNOSED if diagnosis else SHOWN]
    for finding in excerpt:
        style = STYLE[finding.verdict]
        console.print(f"[{style}]{finding.verdict}[/] {escape(who(finding))} {escape(finding.case)}", highlight=False)
        console.print(f"    {escape(describe(finding))}", highlight=False)
        if replay_command(finding):
            console.print(f"    {escape(replay_command(finding))}", highlight=False, soft_wrap=True)
    for reason, group in explained(findings):
        console.print(f"known, {len(group)} times: {escape(reason)}", highlight=False)
    if len(notable) > len(excerpt):
        console.print(f"... and {len(notable) - len(excerpt)} more in findings.jsonl")
    console.print(verdict[0], style=verdict[1], highlight=False)


def show_replay(console: Console, replay: Replay) -> None:
    """Print a replayed finding: its verdict, then its worst entries, one below the other."""
    finding = replay.finding
    style = STYLE[finding.verdict]
    console.print(f"[{style}]{finding.verdict}[/] {escape(who(finding))} {escape(finding.case)}", highlight=False)
    if finding.message:
        console.print(escape(finding.message), highlight=False)
    if finding.resolution is not None:
        console.print(
            f"resolution {finding.resolution:.2g}: an error above this part of the natural size is certain to be seen"
        )
    if finding.blind is not None:
        console.print(f"blind {finding.blind:.2g}: this part of the entries other than 0 is smaller than its bounds")
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
    """Print the changes between two runs: versions, then each kind, the largest ratios first, then the counts."""
    for package in dict.fromkeys([*before, *after]):
        old, new = before.get(package, "not there"), after.get(package, "not there")
        if old != new:
            console.print(f"{escape(package)}: {escape(old)}, now {escape(new)}", highlight=False)
    for kind in KINDS:
        of_kind = sorted((c for c in changes if c.kind == kind), key=lambda c: -c.factor)
        for change in of_kind[:SHOWN]:
            text = f"{change.kind} {change.name}: {change.before}, now {change.after}"
            console.print(escape(text), highlight=False, soft_wrap=True)
        if len(of_kind) > SHOWN:
            console.print(f"... and {len(of_kind) - SHOWN} more of kind {kind}")
    counts = ", ".join(f"{n} {kind}" for kind in KINDS if (n := sum(c.kind == kind for c in changes)))
    console.print(
        f"{len(changes)} changes: {counts}." if changes else "Nothing changed.", style="bold", highlight=False
    )


def _verdicts(findings: Sequence[Finding], variants: bool) -> Table:
    """The number of each verdict, and for the passes the worst error/bound and the share of blind entries.

    There is a row for each variant, or for each framework.
    """
    columns = [v for v in reversed(VERDICTS) if v == "pass" or any(f.verdict == v for f in findings)]
    table = Table(
        header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False, caption_justify="left"
    )
    table.caption = "blind: of the entries of the passes, those smaller than their bounds"
    table.add_column("variant" if variants else "framework", overflow="fold")
    if not variants:
        table.add_column("variants", justify="right")
    for verdict in columns:
        table.add_column(verdict, justify="right", style=STYLE[verdict])
    expected = any(f.expected and f.verdict not in ("pass", "unsupported") for f in findings)
    if expected:
        table.add_column("known", justify="right")
    table.add_column("worst pass", justify="right")
    table.add_column("blind", justify="right")
    for name, group in grouped(findings, lambda f: f"{f.framework} {f.variant}" if variants else f.framework).items():
        names = [escape(name)] if variants else [escape(name), str(len({f.variant for f in group}))]
        counts = (str(sum(f.verdict == v for f in group)) for v in columns)
        explained_count = [str(sum(f.expected and f.verdict not in ("pass", "unsupported") for f in group))]
        worst = max((f.ratio or 0.0 for f in group if f.verdict == "pass" and f.family != UNDECIDABLE), default=None)
        share = blind_share(group)
        blind = "" if share is None else f"{100 * share:.1f} %"
        extra = explained_count if expected else []
        table.add_row(*names, *counts, *extra, "" if worst is None else f"{worst:.2f}", blind)
    return table


def _families(findings: Sequence[Finding]) -> Table:
    """A row for each case family, a column for each variant: the worst error/bound, or the worst verdicts."""
    names, rows = families(findings)
    table = Table(
        "worst error/bound in", header_style="bold", caption="1 is where wrong begins", caption_justify="left"
    )
    for name in names:
        table.add_column(escape(name), justify="right")
    for family, cells in rows:
        table.add_row(escape(family), *map(_coloured, cells))
    return table


def _coloured(cell: Cell) -> str:
    """The text of a cell in the colour of its verdict; if it is known, in that of `undecided`."""
    if cell.verdict in (None, "pass"):
        return cell.text
    return f"[{STYLE['undecided'] if cell.is_known else STYLE[cell.verdict]}]{cell.text}[/]"


def show_diagnosis(console: Console, table: Mapping[str, Any]) -> None:
    """Print the diagnosis of a candidate, and the notes."""
    for name, evidence, instead in table["rows"]:
        console.print(f"[bold]{escape(name)}[/]: {escape(evidence)}", highlight=False)
        if instead:
            console.print(f"    there should stand {escape(instead)}", highlight=False)
    if table["note"]:
        _, example, entry = table["note"].rpartition("for instance on ")
        console.print(escape(example + entry), highlight=False)


def show_table(console: Console, content: Mapping[str, Any]) -> None:
    """Print a table of run.json, with a dot for 0; columns that have no room on the right follow below.

    If there are many columns with long names, letters and a legend take their place. A table of texts becomes a list.
    """
    columns, rows, note = content["columns"], content["rows"], content["note"]
    if content.get("text"):
        console.print(escape(content["title"]), style="bold", highlight=False)
        for name, *cells in rows:
            text = "; ".join(f"{column}: {cell}" for column, cell in zip(columns[1:], cells, strict=True))
            console.print(f"  {escape(str(name))}: {escape(text)}", highlight=False)
        console.print(escape(note), style="dim", highlight=False)
        return
    if len(columns) > MANY and max(map(len, columns[1:])) > LONG:
        letters = [chr(ord("a") + n) for n in range(len(columns) - 2)]
        note = ", ".join(f"{a} {column}" for a, column in zip(letters, columns[1:-1], strict=True)) + "\n" + note
        columns = [columns[0], *letters, columns[-1]]
    texts = [[str(row[0]), *map(_text, row[1:])] for row in rows]
    widths = [max(_width(columns[n]), *(len(row[n]) for row in texts), 1) for n in range(len(columns))]
    first = min(max([_width(columns[0]), *(len(row[0]) for row in texts)]), console.width // 2)
    parts = _parts(widths, console.width - first - 3)
    console.print(escape(content["title"]), style="bold", highlight=False)
    for part in parts:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
        table.add_column(escape(columns[0]), width=first + 1)
        for number in part:
            table.add_column(escape(columns[number]), justify="right", width=widths[number] + 1)
        for row in texts:
            table.add_row(escape(row[0]), *(escape(row[number]) for number in part))
        console.print(table)
    console.print(escape(note), style="dim", highlight=False)


def _parts(widths: Sequence[int], room: int) -> list[list[int]]:
    """The columns after the first, in parts that are not wider than the room, if possible."""
    parts: list[list[int]] = [[]]
    used = 0
    for number in range(1, len(widths)):
        if parts[-1] and used + widths[number] + 1 > room:
            parts.append([])
            used = 0
        parts[-1].append(number)
        used += widths[number] + 1
    return parts


def _width(name: str) -> int:
    """The width that the name of a column needs; it can be broken between words."""
    return max(map(len, name.split()), default=0)


def _text(cell: Any) -> str:
    """A cell of a table of run.json, as text."""
    if isinstance(cell, float):
        return f"{cell:.3g}"
    return "·" if cell == 0 else str(cell)
