"""Whether the parts of a record agree with each other: its form, its settings, its findings, and their counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gradaudit.cases.catalogue import SELECTIONS
from gradaudit.cases.plan import Settings
from gradaudit.cases.random_problems import Sweep
from gradaudit.records import schema
from gradaudit.reference.problem import DTYPES, TENSORS
from gradaudit.verdicts.judge import FUNCTIONS, OFFSET_MESSAGE, VERDICTS, Finding


def counts(findings: Iterable[Finding]) -> dict[str, Any]:
    """How many findings there are of each verdict, in total and by case family, and how many are known and explained.

    `offset` counts the findings that are undecided because digits were lost to an offset.
    """
    findings = list(findings)
    by_family: dict[str, Counter[str]] = {}
    expected: Counter[str] = Counter()
    for finding in findings:
        by_family.setdefault(finding.family, Counter())[finding.verdict] += 1
        expected[finding.verdict] += finding.expected and finding.verdict in ("wrong", "error")
    families = {family: {v: count[v] for v in VERDICTS if count[v]} for family, count in by_family.items()}
    total = sum(by_family.values(), Counter())
    return {
        "verdicts": {v: total[v] for v in VERDICTS},
        "families": families,
        "expected": {v: expected[v] for v in VERDICTS if expected[v]},
        "offset": sum(f.verdict == "undecided" and f.message == OFFSET_MESSAGE for f in findings),
    }


def check_run(run: Mapping[str, Any], findings: Sequence[Finding]) -> None:
    """Check that run.json has the right form and agrees with the findings.

    Raises
    ------
    ValueError
        If it does not.
    """
    schema.check(run, schema.Run)
    for name, table in run["tables"].items():
        if any(len(row) != len(table["columns"]) for row in table["rows"]):
            raise ValueError(f"the table {name!r} has a row that is not as long as its columns")
        schema.check(table["rows"], list[list[schema.Cell]])
    _check_settings(run, findings)
    recorded, actual = run["counts"], counts(findings)
    if run["kind"] == "sweep":  # its passes are counted, but not in findings.jsonl
        recorded, actual = _without_passes(recorded), _without_passes(actual)
    if recorded != actual:
        raise ValueError("its counts are not those of its findings")
    tolerated = () if run["settings"]["strict"] else ("undecided",)
    failed = any(not f.expected and f.verdict not in tolerated for f in findings)
    if run["ok"] and (run["partial"] or failed):
        raise ValueError("it says ok, but its findings are not as expected")


def settings_of(run: Mapping[str, Any]) -> Settings | Sweep:
    """The settings of a run or a sweep.

    Raises
    ------
    ValueError
        If its settings are invalid.
    """
    kind = Sweep if run["kind"] == "sweep" else Settings
    settings: Settings | Sweep = schema.valid(run["settings"], kind)
    if not settings.who or not settings.dtypes or not set(settings.dtypes) <= set(DTYPES):
        raise ValueError("its settings select nothing that can be judged")
    if isinstance(settings, Settings) and not {settings.cases, settings.noncanonical or settings.cases} <= set(
        SELECTIONS
    ):
        raise ValueError(f"its settings name an unknown selection of cases; expected {', '.join(SELECTIONS)}")
    return settings


def _check_settings(run: Mapping[str, Any], findings: Sequence[Finding]) -> None:
    """Check that the settings select every finding.

    Raises
    ------
    ValueError
        If they do not.
    """
    settings = settings_of(run)
    # a sweep knows a candidate as FILE.py:NAME; its findings have NAME only
    who = {(framework, variant.rpartition(":")[2]) for framework, variant in settings.who}
    for finding in findings:
        if (finding.framework, finding.variant) not in who or finding.dtype not in settings.dtypes:
            raise ValueError(f"there is a finding {finding.id}, which its settings do not select")


def _without_passes(totals: Mapping[str, Any]) -> dict[str, Any]:
    """Counts without the verdict `pass`."""
    families = {name: {v: n for v, n in of.items() if v != "pass"} for name, of in totals["families"].items()}
    return {
        "verdicts": {v: n for v, n in totals["verdicts"].items() if v != "pass"},
        "families": {name: of for name, of in families.items() if of},
        "expected": totals["expected"],
        "offset": totals["offset"],
    }


def finding_of(content: Any) -> Finding:
    """The finding of a line of findings.jsonl.

    Raises
    ------
    ValueError
        If the line is not a valid finding.
    """
    if not isinstance(content, dict) or not isinstance(content.get("id"), str):
        raise ValueError("it has no id")
    finding: Finding = schema.valid({key: value for key, value in content.items() if key != "id"}, Finding)
    if content["id"] != finding.id:
        raise ValueError("its id is not that of its framework, variant and case")
    entry = (finding.tensor, finding.index, finding.got, finding.exact, finding.error, finding.bound, finding.ratio)
    if any(part is None for part in entry) != all(part is None for part in entry):
        raise ValueError("a part of its worst entry is missing")
    if finding.family == FUNCTIONS:
        if finding.tensor is not None and not re.fullmatch("(x|y|dy)[0-9]{1,3}", finding.tensor):
            raise ValueError("its tensor is invalid; expected x0, y0 or dy0, or another number")
    elif finding.tensor not in (None, *TENSORS):
        raise ValueError(f"its tensor is invalid; expected one of {', '.join(TENSORS)}")
    if len(finding.index or ()) > 2:
        raise ValueError("its index is invalid; expected at most two numbers")
    if finding.verdict == "pass" and not finding.expected:
        raise ValueError("it passes, but says that this was not expected")
    return finding
