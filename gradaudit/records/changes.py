"""What changed between two runs: verdicts, error/bound ratios, conventions; for those who upgrade a framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gradaudit.records.record import Record
from gradaudit.verdicts.judge import Finding

#: The kinds of change. A comparison can fail on each; a ratio can have the smallest factor that counts.
KINDS = ("verdict", "ratio", "convention", "missing")
#: The tables that say which convention a framework follows.
CONVENTIONAL = ("kinks", "labels", "scale")


class ThresholdError(ValueError):
    """An invalid --fail-on: the message says what was expected."""


class Change(NamedTuple):
    """One difference between two runs.

    Attributes
    ----------
    kind : str
        One of KINDS.
    name : str
        The finding's framework, variant and case, or the cell of a table.
    before, after : str
        The old and the new value, as text.
    factor : float
        The larger of two ratios over the smaller; 1 for the other kinds.
    """

    kind: str
    name: str
    before: str
    after: str
    factor: float = 1.0


@dataclass(frozen=True)
class Limits:
    """The changes on which a comparison fails: the kinds, and the smallest factor of a ratio."""

    kinds: tuple[str, ...]
    factor: float

    def fails(self, change: Change) -> bool:
        """Whether the comparison fails on a change."""
        return change.kind in self.kinds and (change.kind != "ratio" or change.factor >= self.factor)


def limits(names: Sequence[str]) -> Limits:
    """The limits that ``--fail-on`` asks for: some of KINDS; a ratio can have a factor, as in ``ratio:2x``.

    Raises
    ------
    ThresholdError
        If a name is not one of these, or its factor is invalid.
    """
    kinds, least = [], 1.0
    for name in names:
        kind, _, factor = name.partition(":")
        if kind not in KINDS or (factor and kind != "ratio"):
            raise ThresholdError(f"{name!r} is not a kind of change; expected {', '.join(KINDS)}, or such as ratio:2x")
        kinds.append(kind)
        if factor:
            try:
                least = float(factor.removesuffix("x"))
            except ValueError:
                least = 0.0
            if not 1 <= least < float("inf"):
                raise ThresholdError(f"{name!r} has an invalid factor; expected a number >= 1, as in ratio:2x")
    return Limits(tuple(kinds), least)


def changes(before: Record, after: Record) -> list[Change]:
    """Every difference between two runs: in verdicts, ratios and conventions, and the findings that only one has."""
    old, new = _by_name(before.findings), _by_name(after.findings)
    differences = [Change("missing", name, "there", "not there") for name in old if name not in new]
    differences += [Change("missing", name, "not there", "there") for name in new if name not in old]
    for name in (name for name in old if name in new):
        first, second = old[name], new[name]
        if (first.verdict, first.expected) != (second.verdict, second.expected):
            differences.append(Change("verdict", name, _verdict(first), _verdict(second)))
        if first.ratio != second.ratio:
            factor = _factor(first.ratio, second.ratio)
            differences.append(Change("ratio", name, _number(first.ratio), _number(second.ratio), factor))
    return differences + _conventions(before.run["tables"], after.run["tables"])


def _conventions(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The cells that differ in the tables of conventions, in the rows and columns that both have."""
    differences = []
    for title in CONVENTIONAL:
        old, new = (_cells(tables.get(title, {"columns": [], "rows": []})) for tables in (before, after))
        differences += [
            Change("convention", name, old[name], new[name]) for name in old if old[name] != new.get(name, old[name])
        ]
    return differences


def _cells(table: Mapping[str, Any]) -> dict[str, str]:
    """A table's cells, by the names of their row and column."""
    return {
        f"{row[0]}, {column}": str(cell)
        for row in table["rows"]
        for column, cell in zip(table["columns"][1:], row[1:], strict=True)
    }


def _by_name(findings: Sequence[Finding]) -> dict[str, Finding]:
    return {f"{f.framework}.{f.variant}-{f.case}": f for f in findings}


def _verdict(finding: Finding) -> str:
    return finding.verdict + (" (known)" if finding.expected and finding.verdict != "pass" else "")


def _number(ratio: float | None) -> str:
    return "none" if ratio is None else f"{ratio:.6g}"


def _factor(first: float | None, second: float | None) -> float:
    """The larger ratio over the smaller; infinite where one of them is 0, infinite or missing."""
    if first is None or second is None or not 0 < min(first, second) <= max(first, second) < float("inf"):
        return float("inf")
    return max(first, second) / min(first, second)
