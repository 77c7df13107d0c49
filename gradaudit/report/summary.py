"""The part of the report that all formats share: the verdict in a sentence, and the worst of each case family."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from gradaudit.adapters import frameworks
from gradaudit.verdicts.judge import VERDICTS, Finding, Verdict

Key = TypeVar("Key")


class Cell(NamedTuple):
    """A summary of some findings: a text, the worst verdict, the worst ratio, and whether all of them are known."""

    text: str
    verdict: Verdict | None
    ratio: float
    is_known: bool = False


def sentence(run: Mapping[str, Any]) -> str:
    """The run in one sentence."""
    verdicts = run["counts"]["verdicts"]
    total = sum(verdicts.values())
    part = {v: f" ({n} known)" for v, n in run["counts"]["expected"].items()}
    if offset := run["counts"]["offset"]:
        part["undecided"] = f" ({offset} lost digits to a common offset)"
    parts = ", ".join(f"{verdicts[v]} {v}{part.get(v, '')}" for v in VERDICTS if verdicts[v]) or "nothing judged"
    stale = len(run["tables"].get("stale", {"rows": []})["rows"])
    parts += f", {stale} expected that did not occur" if stale else ""
    outcome = "PARTIAL, interrupted" if run["partial"] else "All as expected" if run["ok"] else "NOT as expected"
    return f"{outcome}: {total} verdicts, {parts}."


def who(finding: Finding) -> str:
    """The framework and the variant of a finding."""
    return f"{finding.framework}.{finding.variant}"


def unexpected(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that are not as expected; `undecided` ones belong to them."""
    return [finding for finding in findings if not finding.expected]


def families(findings: Sequence[Finding]) -> tuple[list[str], list[tuple[str, list[Cell]]]]:
    """The table of case families: the names of its columns (the variants), and for each family a row of cells."""
    columns = list(dict.fromkeys((f.framework, f.variant) for f in findings))
    rows = []
    for family, group in grouped(findings, lambda f: f.family).items():
        by_column = grouped(group, lambda f: (f.framework, f.variant))
        rows.append((family, [cell(by_column.get(column, [])) for column in columns]))
    return [" ".join(column) for column in columns], rows


def cell(findings: Sequence[Finding]) -> Cell:
    """The number of the worst verdicts, or the worst ratio if all passed; `unsupported` counts only if all are that."""
    supported = [f for f in findings if f.verdict != "unsupported"] or list(findings)
    ratio = max((f.ratio or 0.0 for f in supported), default=0.0)
    for verdict in VERDICTS:
        group = [f for f in supported if f.verdict == verdict]
        if group and verdict != "pass":
            is_known = all(f.expected for f in group) and verdict != "unsupported"
            return Cell(f"{len(group)} {verdict}{' (known)' if is_known else ''}", verdict, ratio, is_known)
    return Cell(f"{ratio:.2f}", "pass", ratio) if supported else Cell("", None, 0.0)


def blind_share(findings: Sequence[Finding]) -> float | None:
    """The share of the entries that are smaller than their bounds, as a mean over the passes; None without passes."""
    shares = [finding.blind for finding in findings if finding.verdict == "pass" and finding.blind is not None]
    return sum(shares) / len(shares) if shares else None


def blindest(findings: Sequence[Finding]) -> Finding | None:
    """The pass with the largest share of blind entries; None if no pass has any."""
    blind = [finding for finding in findings if finding.verdict == "pass" and finding.blind]
    return max(blind, key=lambda f: f.blind or 0.0, default=None)


def grouped(findings: Sequence[Finding], key: Callable[[Finding], Key]) -> dict[Key, list[Finding]]:
    """The findings by the value of `key`, in the order of appearance."""
    groups: dict[Key, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(key(finding), []).append(finding)
    return groups


def explained(findings: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    """The known findings, in groups: framework and reason as text, and the findings."""
    failures = [finding for finding in findings if finding.expected and finding.verdict not in ("pass", "unsupported")]
    groups = grouped(failures, lambda f: (f.framework, f.diagnosis))
    return [(f"{framework}: {reason}", group) for (framework, reason), group in groups.items()]


def replay_command(finding: Finding) -> str:
    """The command that judges a finding again; empty for a candidate, because a finding does not name its file."""
    if finding.framework not in frameworks():
        return ""
    return f"gradaudit replay {finding.case} --framework {finding.framework} --variant {finding.variant}"


def caught(detection: Mapping[str, Any]) -> str:
    """The table of the known mistakes, in a sentence."""
    missed = [row[0] for row in detection["rows"] if not any(row[1:-1])]
    number = f"{len(detection['rows']) - len(missed)} of {len(detection['rows'])}"
    return f"{number} known mistakes are caught by these cases" + "".join(f"; not {name}" for name in missed)
