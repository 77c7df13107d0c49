"""What changed between two runs: verdicts, error/bound ratios, conventions; for those who upgrade a framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gradaudit.records.record import Record
from gradaudit.verdicts.judge import Finding

#: What a comparison may fail on; a ratio is given with the factor from which on it counts.
KINDS = ("verdict", "ratio", "convention", "missing")
#: The tables that say which convention a framework follows.
CONVENTIONAL = ("kinks", "labels", "scale")


class ThresholdError(ValueError):
    """A --fail-on that names nothing: the message says what was expected."""


class Change(NamedTuple):
    """One difference.

    Attributes
    ----------
    kind : str
        One of KINDS.
    name : str
        The finding's framework, variant and case, or the cell of a table.
    before, after : str
        What it was and what it is.
    factor : float
        How many times as large the larger one of two ratios is; 1 for the other kinds.
    """

    kind: str
    name: str
    before: str
    after: str
    factor: float = 1.0


@dataclass(frozen=True)
class Limits:
    """On what a comparison fails: the kinds, and the factor of a ratio."""

    kinds: tuple[str, ...]
    factor: float

    def fails(self, change: Change) -> bool:
        """Whether a change is one to fail on."""
        return change.kind in self.kinds and (change.kind != "ratio" or change.factor >= self.factor)


def limits(names: Sequence[str]) -> Limits:
    """What ``--fail-on`` asks for: of KINDS, a ratio with its factor as in ``ratio:2x``.

    Raises
    ------
    ThresholdError
        If a name is none of these.
    """
    kinds, least = [], 1.0
    for name in names:
        kind, _, factor = name.partition(":")
        if kind not in KINDS or (factor and kind != "ratio"):
            raise ThresholdError(f"{name!r} is nothing to fail on; expected of {', '.join(KINDS)}, such as ratio:2x")
        kinds.append(kind)
        if factor:
            try:
                least = float(factor.removesuffix("x"))
            except ValueError:
                least = 0.0
            if not 1 <= least < float("inf"):
                raise ThresholdError(f"{name!r} has no factor; expected a number >= 1, such as ratio:2x")
    return Limits(tuple(kinds), least)


def changes(before: Record, after: Record) -> list[Change]:
    """Every difference between two runs: in verdicts, in ratios, in the table of kinks, and what only one has."""
    old, new = _by_name(before.findings), _by_name(after.findings)
    found = [Change("missing", name, "there", "not there") for name in old if name not in new]
    found += [Change("missing", name, "not there", "there") for name in new if name not in old]
    for name in (name for name in old if name in new):
        one, other = old[name], new[name]
        if (one.verdict, one.expected) != (other.verdict, other.expected):
            found.append(Change("verdict", name, _said(one), _said(other)))
        if one.ratio != other.ratio:
            found.append(
                Change("ratio", name, _number(one.ratio), _number(other.ratio), _factor(one.ratio, other.ratio))
            )
    return found + _conventions(before.run["tables"], after.run["tables"])


def _conventions(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The cells that differ in the tables of conventions, in the rows and columns that both have."""
    found = []
    for title in CONVENTIONAL:
        old, new = (_cells(tables.get(title, {"columns": [], "rows": []})) for tables in (before, after))
        found += [
            Change("convention", name, old[name], new[name]) for name in old if old[name] != new.get(name, old[name])
        ]
    return found


def _cells(table: Mapping[str, Any]) -> dict[str, str]:
    """A table's cells, by the names of their row and column."""
    return {
        f"{row[0]}, {column}": str(cell)
        for row in table["rows"]
        for column, cell in zip(table["columns"][1:], row[1:], strict=True)
    }


def _by_name(findings: Sequence[Finding]) -> dict[str, Finding]:
    return {f"{f.framework}.{f.variant}-{f.case}": f for f in findings}


def _said(finding: Finding) -> str:
    return finding.verdict + (" (known)" if finding.expected and finding.verdict != "pass" else "")


def _number(ratio: float | None) -> str:
    return "none" if ratio is None else f"{ratio:.6g}"


def _factor(one: float | None, other: float | None) -> float:
    """How many times as large the larger ratio is; infinite where only one of them is 0, infinite or not there."""
    if one is None or other is None or not 0 < min(one, other) <= max(one, other) < float("inf"):
        return float("inf")
    return max(one, other) / min(one, other)
