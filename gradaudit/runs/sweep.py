"""A sweep: thousands of random problems, each made from its id; the record grows while they are judged.

Findings other than `pass` are recorded one by one; the passes only as counts, largest ratios and quantiles, in bounded
memory. A sweep that was interrupted continues where its record ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gradaudit.cases.plan import Item
from gradaudit.cases.random_problems import batches
from gradaudit.engines.base import MOST_LOSSES, Engine, Name, Names, in_order
from gradaudit.records import record
from gradaudit.records.progress import Progress
from gradaudit.reference.acceptance import accept
from gradaudit.reference.problem import Problem
from gradaudit.runs import functions
from gradaudit.runs.entrants import Entrant, entrant_of
from gradaudit.runs.run import give_up, item_of, judge_names
from gradaudit.runs.shrink import save, shrink
from gradaudit.verdicts.expected import expectations, explain
from gradaudit.verdicts.judge import FUNCTIONS, VERDICTS, Finding, judge_answer

#: The largest number of failing problems that are shrunk.
SHRUNK = 5


def judge_rest(progress: Progress, engine: Engine, limits: tuple[str, ...] = ()) -> Iterator[int]:
    """Judge and record the rest of a sweep; end early if every entrant is given up.

    Parameters
    ----------
    progress : Progress
        The record.
    engine : Engine
        Where the work is done.
    limits : tuple of str
        The limits of time and memory of a candidate.

    Yields
    ------
    int
        The number of batches that are done.
    """
    sweep = progress.sweep
    entries = expectations(sweep.expected)
    rest = (tuple((*name, *limits) for name in names) for names in batches(sweep, progress.done))
    work, without = (functions.judge_names, functions.give_up) if sweep.functions else (judge_names, give_up)
    for _, results in in_order(engine, work, rest, without):
        progress.add([explain(finding, entries) for finding in results])
        yield progress.done
        if progress.losses >= MOST_LOSSES * len(sweep.who):
            return


def result(progress: Progress, began: float) -> dict[str, Any]:
    """The content of run.json, without the versions."""
    counts, sweep = progress.tally.counts(), progress.sweep
    partial = progress.done < sweep.batches
    bad = [v for v in VERDICTS if v not in ("pass", "unsupported", *(() if sweep.strict else ("undecided",)))]
    ok = not partial and sum(counts["verdicts"][v] for v in bad) == sum(progress.tally.expected.values())
    return {
        "schema": record.SCHEMA,
        "kind": "sweep",
        "ok": ok,
        "partial": partial,
        "counts": counts,
        "machine": record.machine(),
        "settings": asdict(sweep),
        "plan": sweep.hash,
        "shard": "/".join(map(str, sweep.shard)),
        "timings": {"seconds": round(time.perf_counter() - began, 3)},
        "tables": {"sweep": progress.tally.table()},
    }


def shrink_failing(
    out: Path, findings: Sequence[Finding], who: Sequence[tuple[str, str]], limits: tuple[str, ...], engine: Engine
) -> None:
    """Shrink the first failing problems, where the engine runs, and save each as .npz for `replay`."""
    wrong = [f for f in findings if f.verdict == "wrong" and not f.expected][:SHRUNK]
    functions.shrink(out, [f for f in wrong if f.family == FUNCTIONS], engine)
    targets = {(framework, variant.rpartition(":")[2]): variant for framework, variant in who}
    for finding in [f for f in wrong if f.family != FUNCTIONS]:
        variant = targets[finding.framework, finding.variant]
        name = (finding.case, finding.framework, variant, *limits)
        ((_, results),) = in_order(engine, _small, [(name,)], lambda *_: None)
        (small,) = results
        if small is not None:
            save(out / f"{finding.id}.npz", small)


def _small(names: Names) -> Iterator[tuple[Name, Problem | None]]:
    """Smaller problems on which entrants fail as on their cases; None where they do not fail again."""
    for name in names:
        item = item_of(name)
        entrant = entrant_of(item.framework, item.variant, item.limits)

        def fails(problem: Problem, item: Item = item, entrant: Entrant = entrant) -> bool:
            return judge_answer(item.subject, entrant.answer(problem), accept(problem)).verdict == "wrong"

        problem = item.case.problem()
        yield name, shrink(problem, fails) if fails(problem) else None
