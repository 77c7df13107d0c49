"""The tables of a run; they are of the complete plan, not of a shard."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from gradaudit import comparison
from gradaudit.cases.catalogue import STEPS, cases
from gradaudit.cases.plan import Item, Settings, plan
from gradaudit.cases.training import table as training_table
from gradaudit.engines.base import Engine, Lost, Name, Names, in_order
from gradaudit.mistakes.detection import detection
from gradaudit.verdicts.expected import Stale, expectations, stale
from gradaudit.verdicts.judge import Finding


def tables(items: Sequence[Item], variants: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
    """The tables of a run, by name.

    Parameters
    ----------
    items : sequence of Item
        The plan.
    variants : sequence of (framework, variant)
        The variants to compare: at kinks, at saturation, in speed and so on.
    """
    of_run = {}
    quick = {case.id for case in cases("quick", seed=items[0].case.seed)}
    selection = tuple(case for case in dict.fromkeys(item.case for item in items) if case.id in quick)
    if selection:
        of_run["mistakes"] = detection(selection)
    if variants:
        of_run |= comparison.tables(variants)
    steps = [item for item in items if item.case.step is not None]
    if steps:
        starts = list(dict.fromkeys(replace(item.case, step=0) for item in steps))
        who = list(dict.fromkeys((item.framework, item.variant) for item in steps))
        of_run["training"] = training_table(who, starts, STEPS)
    return of_run


def tables_by(engine: Engine, settings: Settings, compare: bool) -> dict[str, Any]:
    """The tables of a run, made where the engine runs; if they cannot be made, a table that says why."""
    name = (json.dumps(asdict(settings)), "compare" if compare else "")
    ((_, results),) = in_order(engine, _work, [(name,)], _missing)
    (of_run,) = results
    return dict(of_run)


def _work(names: Names) -> Iterator[tuple[Name, dict[str, Any]]]:
    for name in names:
        content = json.loads(name[0])
        texts = {key: tuple(content[key]) for key in ("dtypes", "expected")}
        settings = Settings(**{**content, **texts, "who": tuple(map(tuple, content["who"]))})
        yield name, tables(plan(settings), settings.who if name[1] else ())


def _missing(_: Name, loss: Lost) -> dict[str, Any]:
    return {"missing": {"title": "tables", "columns": ["missing"], "note": f"not made: {loss}", "rows": []}}


def stale_of(settings: Settings, findings: Sequence[Finding]) -> list[Stale]:
    """The expected findings that did not occur in a run; none if only some of the cases were selected by words."""
    return (
        []
        if settings.words
        else stale([item.scope for item in plan(settings)], findings, expectations(settings.expected))
    )


def stale_table(missing: Sequence[Stale]) -> dict[str, Any]:
    """The expected findings that did not occur, as a table of run.json; no table if there are none."""
    if not missing:
        return {}
    rows = [[entry.framework, variant, family, entry.reason] for entry, variant, family in missing]
    note = "take these entries out of the file of expectations, or find out why the findings are gone"
    title = "expected findings that did not occur"
    columns = ["framework", "variant", "family", "reason"]
    return {"stale": {"title": title, "columns": columns, "note": note, "text": True, "rows": rows}}
