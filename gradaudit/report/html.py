"""A run as one self-contained page: it loads no script, font or picture from a network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gradaudit.cases.catalogue import CaseError, case_of
from gradaudit.report.summary import (
    blind_share,
    blindest,
    caught,
    explained,
    families,
    replay_command,
    sentence,
    unexpected,
    who,
)
from gradaudit.verdicts.judge import Finding, describe

#: The largest number of findings on the page; all of them are in findings.jsonl.
LISTED = 300
#: The order of the first tables on the page; the rest follow in the order of run.json.
FIRST = ("diagnosis", "tensors", "stale", "ledger", "mistakes", "training")
#: With more variants than this, the case families are the columns.
TALL = 6
#: The width and height of a curve, and the room for its labels.
CURVE, MARGIN = (640, 220), 34
#: A curve with larger values has a logarithmic scale.
LINEAR = 20.0
#: The colours of the lines of a curve; people with any kind of colour vision can tell them apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d00", "#7f7f7f")


class Listed(NamedTuple):
    """A finding on the page."""

    verdict: str
    who: str
    case: str
    family: str
    text: str
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
    environment.filters["text"] = _text
    environment.filters["curve"] = _curve
    names, rows = families(findings)
    tall = len(names) > TALL
    if tall:
        across = [family for family, _ in rows]
        names, rows = across, [(name, [cells[i] for _, cells in rows]) for i, name in enumerate(names)]
    tables = run["tables"]
    first = [name for name in FIRST if name in tables]
    listed = sorted(unexpected(findings), key=lambda f: -(f.ratio or 0.0))
    measured = [f for f in findings if f.ratio is not None and f.family != "undecidable kinks"]
    wrong = [f for f in measured if f.verdict == "wrong" and not f.expected]
    candidates = wrong or [f for f in measured if f.verdict == "pass"]
    return environment.get_template("page.html.j2").render(
        run=run,
        sentence=sentence(run),
        columns=names,
        rows=rows,
        row_kind="variant" if tall else "case family",
        tables=[(name, tables[name]) for name in [*first, *(n for n in tables if n not in first)]],
        caught=caught(tables["mistakes"]) if "mistakes" in tables else "",
        listed=[_listed(finding) for finding in listed[:LISTED]],
        more=len(listed) - LISTED,
        explanations=[
            (reason, len(group), _variants(group), _listed(group[0])) for reason, group in explained(findings)
        ],
        worst=_listed(max(candidates, key=lambda f: f.ratio or 0.0)) if candidates else None,
        blindest=blindest(findings),
        blind_share=blind_share(findings),
        letter=_letter(run, unexpected(findings)) if run["kind"] == "candidate" else None,
    )


def _listed(finding: Finding) -> Listed:
    return Listed(
        verdict=finding.verdict,
        who=who(finding),
        case=finding.case,
        family=finding.family,
        text=describe(finding),
        diagnosis=finding.diagnosis,
        command=replay_command(finding),
        ratio=finding.ratio or 0.0,
        picture=_picture(finding),
    )


def _letter(run: Mapping[str, Any], failed: Sequence[Finding]) -> dict[str, Any]:
    """The part of the page for the author of a candidate."""
    rows = run["tables"].get("diagnosis", {"rows": []})["rows"]
    return {
        "right": run["ok"],
        "mistakes": [row for row in rows if row[0] != "note"],
        "entry": _listed(failed[0]) if failed else None,
        "notes": [row[1] for row in rows if row[0] == "note"],
    }


def _text(cell: Any) -> str:
    """A cell of a table as text: three digits of a float, a dot for 0."""
    if isinstance(cell, float):
        return f"{cell:.3g}"
    return "·" if cell == 0 and not isinstance(cell, bool) else str(cell)


def _variants(findings: Sequence[Finding]) -> str:
    """The variants of the findings, as text."""
    return ", ".join(dict.fromkeys(f.variant for f in findings))


def _curve(table: Mapping[str, Any]) -> Markup:
    """The rows of a table as lines over its columns, with a legend; equal rows share a line."""
    groups: dict[tuple[float, ...], list[str]] = {}
    for name, *cells in table["rows"]:
        groups.setdefault(tuple(float(c) if isinstance(c, (int, float)) else math.nan for c in cells), []).append(name)
    numbers = [value for values in groups for value in values if math.isfinite(value)]
    if not numbers:
        return Markup("")
    top = max(numbers)
    logarithmic = top > LINEAR
    scale = math.log10(1 + top) if logarithmic else top or 1.0
    (width, height), columns = CURVE, table["columns"][1:]
    step = (width - 2 * MARGIN) / max(1, len(columns) - 1)
    lines, legend = [], []
    for number, (values, names) in enumerate(groups.items()):
        colour, dashes = COLOURS[number % len(COLOURS)], "none" if number < len(COLOURS) else "4 3"
        points = " ".join(
            f"{MARGIN + i * step:.1f},{height - MARGIN - (height - 2 * MARGIN) * _height(v, logarithmic) / scale:.1f}"
            for i, v in enumerate(values)
            if math.isfinite(v)
        )
        entry = names[0] + (f" and {len(names) - 1} equal to it" if len(names) > 1 else "")
        lines.append(
            Markup('<polyline points="{}" stroke="{}" stroke-dasharray="{}"><title>{}</title></polyline>').format(
                points, colour, dashes, ", ".join(names)
            )
        )
        legend.append(Markup('<li style="--colour: {}">{}</li>').format(colour, entry))
    labels = [
        Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(
            f"{MARGIN + i * step:.1f}", height - 12, name
        )
        for i, name in enumerate(columns)
    ]
    labels.append(Markup('<text x="{}" y="14">{}, up to {}</text>').format(4, table["curve"], f"{top:.3g}"))
    return Markup(
        '<figure class="curve"><svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg><ul>{}</ul></figure>'
    ).format(width, height, table["title"], Markup("").join(lines), Markup("").join(labels), Markup("").join(legend))


def _height(value: float, logarithmic: bool) -> float:
    return math.log10(1 + value) if logarithmic else value


def _picture(finding: Finding) -> Markup:
    """The place of the worst entry in its tensor: the outline of the tensor, with a dot."""
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
