"""Whether a record that was read is one with itself: its form, its settings, its findings, and their counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gradaudit.cases.catalogue import SELECTIONS
from gradaudit.cases.plan import Settings
from gradaudit.cases.random_problems import Sweep
from gradaudit.records import schema
from gradaudit.reference.problem import DTYPES, TENSORS
from gradaudit.verdicts.judge import OFFSET_MESSAGE, VERDICTS, Finding


def counts(findings: Iterable[Finding]) -> dict[str, Any]:
    """How many findings there are of each verdict, in all and by case family, and how many are known and explained.

    Of the undecided ones, `offset` are so for digits lost to an offset.
    """
    findings = list(findings)
    by_family: dict[str, Counter[str]] = {}
    expected: Counter[str] = Counter()
    for finding in findings:
        by_family.setdefault(finding.family, Counter())[finding.verdict] += 1
        expected[finding.verdict] += finding.expected and finding.verdict in ("wrong", "error")
    ordered = {family: {v: count[v] for v in VERDICTS if count[v]} for family, count in by_family.items()}
    total = sum(by_family.values(), Counter())
    return {
        "verdicts": {v: total[v] for v in VERDICTS},
        "families": ordered,
        "expected": {v: expected[v] for v in VERDICTS if expected[v]},
        "offset": sum(f.verdict == "undecided" and f.message == OFFSET_MESSAGE for f in findings),
    }


def check_run(run: Mapping[str, Any], findings: Sequence[Finding]) -> None:
    """Make sure that run.json is of its form, and says of the findings what they are.

    Raises
    ------
    ValueError
        If it is not.
    """
    schema.check(run, schema.Run)
    for name, table in run["tables"].items():
        if any(len(row) != len(table["columns"]) for row in table["rows"]):
            raise ValueError(f"the table {name!r} has a row of another length than its columns")
        schema.check(table["rows"], list[list[schema.Cell]])
    _check_settings(run, findings)
    written, counted = run["counts"], counts(findings)
    if run["kind"] == "sweep":  # its passes are counted and not written down
        written, counted = _without_passes(written), _without_passes(counted)
    if written != counted:
        raise ValueError("its counts are not those of the findings")
    tolerated = () if run["settings"]["strict"] else ("undecided",)
    failed = any(not f.expected and f.verdict not in tolerated for f in findings)
    if run["ok"] and (run["partial"] or failed):
        raise ValueError("it is called ok, and is not")


def settings_of(run: Mapping[str, Any]) -> Settings | Sweep:
    """What a run, or a sweep, was asked for.

    Raises
    ------
    ValueError
        If its settings are none.
    """
    kind = Sweep if run["kind"] == "sweep" else Settings
    settings: Settings | Sweep = schema.valid(run["settings"], kind)
    if not settings.who or not settings.dtypes or not set(settings.dtypes) <= set(DTYPES):
        raise ValueError("its settings ask for nothing that can be judged")
    if isinstance(settings, Settings) and not {settings.cases, settings.noncanonical or settings.cases} <= set(
        SELECTIONS
    ):
        raise ValueError(f"its settings name a selection of cases other than {', '.join(SELECTIONS)}")
    return settings


def _check_settings(run: Mapping[str, Any], findings: Sequence[Finding]) -> None:
    """Make sure that the findings are of what was asked for.

    Raises
    ------
    ValueError
        If they are not.
    """
    settings = settings_of(run)
    # a candidate is given to a sweep by its file and its name, of which the findings have the name
    who = {(framework, variant.rpartition(":")[2]) for framework, variant in settings.who}
    for finding in findings:
        if (finding.framework, finding.variant) not in who or finding.dtype not in settings.dtypes:
            raise ValueError(f"there is a finding {finding.id}, for which its settings do not ask")


def _without_passes(counted: Mapping[str, Any]) -> dict[str, Any]:
    """Counts without the verdict `pass`."""
    families = {name: {v: n for v, n in of.items() if v != "pass"} for name, of in counted["families"].items()}
    return {
        "verdicts": {v: n for v, n in counted["verdicts"].items() if v != "pass"},
        "families": {name: of for name, of in families.items() if of},
        "expected": counted["expected"],
        "offset": counted["offset"],
    }


def finding_of(content: Any) -> Finding:
    """The finding of a line of findings.jsonl.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(content, dict) or not isinstance(content.get("id"), str):
        raise ValueError("it has no id")
    finding: Finding = schema.valid({key: value for key, value in content.items() if key != "id"}, Finding)
    if content["id"] != finding.id:
        raise ValueError("its id is not that of its framework, variant and case")
    entry = (finding.tensor, finding.index, finding.got, finding.exact, finding.error, finding.bound, finding.ratio)
    if any(part is None for part in entry) != all(part is None for part in entry):
        raise ValueError("a part of its worst entry is missing")
    if finding.tensor not in (None, *TENSORS):
        raise ValueError("its tensor is none")
    if len(finding.index or ()) > 2:
        raise ValueError("its index is none")
    if finding.verdict == "pass" and not finding.expected:
        raise ValueError("a pass that is not expected")
    return finding
