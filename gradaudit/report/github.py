"""A run for GitHub Actions: a step summary in Markdown, and at most ten annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gradaudit.report.summary import families, sentence, unexpected, who
from gradaudit.verdicts.judge import Finding, describe

#: The number of annotations of a step that GitHub shows.
ANNOTATIONS = 10
#: The largest number of findings in the summary.
LISTED = 50


def summary(run: Mapping[str, Any], findings: Sequence[Finding]) -> str:
    """The step summary."""
    names, rows = families(findings)
    lines = [f"## {_escaped(sentence(run))}", "", "Worst error/bound (1 is where wrong begins):", ""]
    lines += ["| case family | " + " | ".join(map(_escaped, names)) + " |", "|---|" + "---:|" * len(names)]
    lines += [f"| {_escaped(family)} | " + " | ".join(cell.text for cell in cells) + " |" for family, cells in rows]
    listed = unexpected(findings)
    if listed:
        lines += ["", "| verdict | who | case | what |", "|---|---|---|---|"]
        lines += [
            "| " + " | ".join(map(_escaped, (f.verdict, who(f), f.case, f.diagnosis or describe(f)))) + " |"
            for f in listed[:LISTED]
        ]
    if len(listed) > LISTED:
        lines += ["", f"... and {len(listed) - LISTED} more."]
    return "\n".join(lines) + "\n"


def annotate(findings: Sequence[Finding]) -> list[str]:
    """Workflow commands, one for each variant and case family that fails, at most ten."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in unexpected(findings):
        groups.setdefault((who(finding), finding.family), []).append(finding)
    commands = []
    for (name, family), group in list(groups.items())[:ANNOTATIONS]:
        worst = max(group, key=lambda finding: finding.ratio or 0.0)
        text = f"{len(group)} findings, for example {worst.verdict} on {worst.case}: {describe(worst)}"
        commands.append(f"::error title={_property(f'{name}, {family}')}::{_data(text)}")
    return commands


def _escaped(text: str) -> str:
    """The text for one cell of a table in Markdown."""
    cell = "".join(f"&#{ord(c)};" if c in "<>&|`*_[]\\#!" else c for c in " ".join(text.split()))
    return cell[:500]


def _data(text: str) -> str:
    """The text as the message of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")[:2000]


def _property(text: str) -> str:
    """The text as a property of a workflow command."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")[:200]
