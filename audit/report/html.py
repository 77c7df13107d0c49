"""A run as one self-contained page: no script, font or picture comes from a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from audit.catalogue import CaseError, case_of
from audit.judge import Finding, describe
from audit.report.summary import caught, families, replay_command, sentence, unexpected, who
from audit.run import CANDIDATE

#: At most so many findings are on the page; all of them are in findings.jsonl.
LISTED = 300
#: The page's own order of the tables that it knows; others follow in the order of run.json.
FIRST = ("diagnosis", "tensors", "ledger", "mistakes", "training")


class Listed(NamedTuple):
    """A finding as the page lists it."""

    verdict: str
    who: str
    case: str
    family: str
    said: str
    diagnosis: str
    command: str
    ratio: float
    picture: Markup


def page(run: Mapping[str, Any], findings: Sequence[Finding]) -> str:
    """The page, as HTML.

    Parameters
    ----------
    run : mapping
        The content of run.json.
    findings : sequence of Finding
        The findings.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["written"] = _written
    names, rows = families(findings)
    tables = run["tables"]
    known = [name for name in FIRST if name in tables]
    listed = sorted(unexpected(findings), key=lambda f: -(f.ratio or 0.0))
    expected = [f for f in findings if f.expected and f.verdict != "pass"]
    judged = [f for f in findings if f.ratio is not None and f.family != "undecidable kinks"]
    return environment.get_template("page.html.j2").render(
        run=run,
        sentence=sentence(run),
        columns=names,
        rows=rows,
        tables=[(name, tables[name]) for name in [*known, *(n for n in tables if n not in known)]],
        caught=caught(tables["mistakes"]) if "mistakes" in tables else "",
        listed=[_listed(finding) for finding in listed[:LISTED]],
        more=len(listed) - LISTED,
        expected=[_listed(finding) for finding in expected[:LISTED]],
        worst=_listed(max(judged, key=lambda f: f.ratio or 0.0)) if judged else None,
        letter=_letter(run, unexpected(findings)) if any(f.framework == CANDIDATE for f in findings) else None,
    )


def _listed(finding: Finding) -> Listed:
    return Listed(
        verdict=finding.verdict,
        who=who(finding),
        case=finding.case,
        family=finding.family,
        said=describe(finding),
        diagnosis=finding.diagnosis,
        command="" if finding.framework == CANDIDATE else replay_command(finding),
        ratio=finding.ratio or 0.0,
        picture=_picture(finding),
    )


def _letter(run: Mapping[str, Any], failed: Sequence[Finding]) -> dict[str, Any]:
    """What is written to a candidate's author."""
    rows = run["tables"].get("diagnosis", {"rows": []})["rows"]
    return {
        "right": run["ok"],
        "mistakes": [row for row in rows if row[0] != "note"],
        "entry": _listed(failed[0]) if failed else None,
        "notes": [row[1] for row in rows if row[0] == "note"],
    }


def _written(cell: Any) -> str:
    """A cell of a table: three digits of a float, a dot for 0."""
    if isinstance(cell, float):
        return f"{cell:.3g}"
    return "·" if cell == 0 and not isinstance(cell, bool) else str(cell)


def _picture(finding: Finding) -> Markup:
    """Where in the tensor the worst entry is: its outline, with a dot."""
    if not finding.index or not finding.tensor:
        return Markup("")
    try:
        N, D, H, C = case_of(finding.case).shape
    except CaseError:
        return Markup("")
    rows, columns = {"W1": (D, H), "b1": (1, H), "W2": (H, C), "b2": (1, C)}.get(finding.tensor, (1, 1))
    row, column = finding.index if len(finding.index) == 2 else (0, finding.index[0])
    width, height = 72 * columns / max(rows, columns), 72 * rows / max(rows, columns)
    width, height = max(width, 8.0), max(height, 8.0)
    x, y = width * (column + 0.5) / columns, height * (row + 0.5) / rows
    label = f"row {row} of {rows}, column {column} of {columns} of {finding.tensor}; N = {N}"
    return Markup(
        '<svg class="place" width="{w}" height="{h}" viewBox="-3 -3 {w} {h}" role="img" aria-label="{label}">'
        '<rect width="{rw}" height="{rh}"/><circle cx="{x}" cy="{y}" r="3"/></svg>'
    ).format(
        w=f"{width + 6:.0f}", h=f"{height + 6:.0f}", rw=f"{width:.0f}", rh=f"{height:.0f}",
        x=f"{x:.1f}", y=f"{y:.1f}", label=label,
    )  # fmt: skip
