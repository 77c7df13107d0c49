"""A run on the console: the verdict, who was judged, on what, and whatever did not pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from audit.judge import VERDICTS, Finding, describe
from audit.replay import Replay
from audit.run import CANDIDATE

#: At most so many findings are printed one by one; all of them are in findings.jsonl.
SHOWN = 20
#: Of a candidate that is diagnosed, so many.
SHOWN_OF_DIAGNOSED = 3
#: A table of more columns is headed by letters.
MANY = 8

Key = TypeVar("Key")

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
    """Print a run: the tables, the findings that are not as expected, then the verdict in a sentence.

    Parameters
    ----------
    console : Console
        Where to print.
    run : mapping
        The content of run.json.
    findings : sequence of Finding
        The findings.
    """
    console.print(_verdicts(findings))
    console.print(_families(findings))
    for name, table in run["tables"].items():
        if name != "diagnosis":
            console.print(power(table) if name == "mistakes" else plain(table))
    diagnosis = run["tables"].get("diagnosis")
    notable = [f for f in findings if not f.expected]
    shown = notable[: SHOWN_OF_DIAGNOSED if diagnosis else SHOWN]
    for finding in shown:
        style = STYLE[finding.verdict]
        console.print(f"[{style}]{finding.verdict}[/] {escape(who(finding))} {escape(finding.case)}", highlight=False)
        console.print(f"    {escape(describe(finding))}", highlight=False)
        if finding.framework != CANDIDATE:
            again = f"replay {finding.case} --framework {finding.framework} --variant {finding.variant}"
            console.print(f"    python -m audit {escape(again)}", highlight=False, soft_wrap=True)
    if len(notable) > len(shown):
        console.print(f"... and {len(notable) - len(shown)} more in findings.jsonl")
    if diagnosis:
        show_diagnosis(console, diagnosis)
    console.print(sentence(run), style="bold green" if run["ok"] else "bold red", highlight=False)


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


def who(finding: Finding) -> str:
    """Who was judged: framework and variant."""
    return f"{finding.framework}.{finding.variant}"


def sentence(run: Mapping[str, Any]) -> str:
    """The run in one sentence."""
    verdicts = run["counts"]["verdicts"]
    total = sum(verdicts.values())
    said = ", ".join(f"{verdicts[v]} {v}" for v in VERDICTS if verdicts[v])
    return f"{'All as expected' if run['ok'] else 'NOT as expected'}: {total} verdicts, {said or 'nothing judged'}."


def _verdicts(findings: Sequence[Finding]) -> Table:
    """How many verdicts of each kind, a row for each framework's variant and dtype."""
    shown = [v for v in reversed(VERDICTS) if v == "pass" or any(f.verdict == v for f in findings)]
    table = Table("framework", "variant", "dtype", header_style="bold")
    for verdict in shown:
        table.add_column(verdict, justify="right", style=STYLE[verdict])
    for who, group in _grouped(findings, lambda f: (f.framework, f.variant, f.dtype)).items():
        table.add_row(*who, *(str(sum(f.verdict == v for f in group)) for v in shown))
    return table


def _families(findings: Sequence[Finding]) -> Table:
    """Case families by frameworks: the worst error/bound, or what did not pass."""
    columns = list(dict.fromkeys((f.framework, f.variant) for f in findings))
    table = Table(
        "worst error/bound in", header_style="bold", caption="1 is where wrong begins", caption_justify="left"
    )
    for framework, variant in columns:
        table.add_column(f"{framework} {variant}", justify="right")
    for family, group in _grouped(findings, lambda f: f.family).items():
        by_column = _grouped(group, lambda f: (f.framework, f.variant))
        table.add_row(family, *(_cell(by_column.get(column, [])) for column in columns))
    return table


def show_diagnosis(console: Console, table: Mapping[str, Any]) -> None:
    """Print what is the matter with a candidate, and what else was noticed."""
    for what, evidence, instead in table["rows"]:
        console.print(f"[bold]{escape(what)}[/]: {escape(evidence)}", highlight=False)
        if instead:
            console.print(f"    there should stand {escape(instead)}", highlight=False)
    if table["note"]:
        console.print(escape(table["note"].split(". ")[-1]), highlight=False)


def power(matrix: Mapping[str, Any]) -> str:
    """The matrix of known mistakes in a sentence."""
    missed = [row[0] for row in matrix["rows"] if not any(row[1:-1])]
    number = f"{len(matrix['rows']) - len(missed)} of {len(matrix['rows'])}"
    said = "".join(f"; not {name}" for name in missed)
    return f"{number} known mistakes are caught by these cases{said} (python -m audit mistakes)"


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
        table.add_column(escape(column), justify="right" if number else "left", no_wrap=not number)
    for row in content["rows"]:
        table.add_row(*(_written(cell) for cell in row))
    return table


def _written(cell: Any) -> str:
    """A cell of a table of run.json."""
    if isinstance(cell, float):
        return f"{cell:.3g}"
    return "·" if cell == 0 else escape(str(cell))


def _cell(findings: Sequence[Finding]) -> str:
    """The worst verdicts, counted, or where all passed (of those that could be judged) the worst ratio."""
    judged = [f for f in findings if f.verdict != "unsupported"] or findings
    for verdict in VERDICTS:
        number = sum(f.verdict == verdict for f in judged)
        if number and verdict != "pass":
            return f"[{STYLE[verdict]}]{number} {verdict}[/]"
    return f"{max(f.ratio or 0.0 for f in judged):.2f}" if judged else ""


def _grouped(findings: Sequence[Finding], key: Callable[[Finding], Key]) -> dict[Key, list[Finding]]:
    """The findings by the value of `key`, in the order of appearance."""
    groups: dict[Key, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(key(finding), []).append(finding)
    return groups
