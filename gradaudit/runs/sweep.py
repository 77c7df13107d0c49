"""A sweep: random problems by the thousand, each made again from its id; the record grows as they are judged.

What is not `pass` is kept whole; of the rest there are counts, worst ratios and quantiles, in bounded memory. A sweep
that was interrupted, by whatever, goes on where its record ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gradaudit.adapters import adapter
from gradaudit.adapters.calls import hand_over
from gradaudit.candidate.isolation import Isolated
from gradaudit.cases.catalogue import Case, case_of
from gradaudit.cases.random_problems import BATCH, batches
from gradaudit.engines.base import PATIENCE, Engine, Lost, Name, Names, Patience, ordered, skipped
from gradaudit.records import record
from gradaudit.records.progress import Progress
from gradaudit.reference.acceptance import accept
from gradaudit.reference.problem import Problem
from gradaudit.runs.run import CANDIDATE, Item, given_up, judged
from gradaudit.runs.shrink import save, shrunk
from gradaudit.verdicts.judge import VERDICTS, Finding, Subject, judge

#: At most so many failing problems are shrunk.
SHRUNK = 5


def work(names: Names) -> list[tuple[Name, Finding]]:
    """Judge items of a sweep, a candidate's among them, that are given by their names."""
    if names and names[0][1] == CANDIDATE:
        return list(_of_candidates(names))
    items = [Item(case_of(case), framework, variant) for case, framework, variant in names]
    return list(zip(names, judged(items), strict=True))


def _of_candidates(names: Names) -> Iterator[tuple[Name, Finding]]:
    """The findings on a candidate, skipped after so many crashes and timeouts."""
    patience = Patience()
    for name in names:
        case_id, framework, target, timeout, memory = name
        case = case_of(case_id)
        subject = Subject(case.id, case.family, framework, target.rpartition(":")[2], case.dtype)
        if patience.spent(name[1:]):
            yield name, Finding(*subject, verdict="skipped", expected=False, message=str(skipped()))
            continue
        finding = _of_candidate(subject, case, _isolated(target, float(timeout), int(memory)))
        patience.count(name[1:], finding.verdict)
        yield name, finding


def _of_candidate(subject: Subject, case: Case, process: Isolated) -> Finding:
    """The finding on a candidate, which runs in a process of its own beside this one."""
    acceptance = accept(case.problem())
    answer = process.call(acceptance.problem, acceptance.problem.reg, case.edge.layout, case.edge.labels)
    if answer.outcome == "crash" or answer.outcome == "timeout":
        return Finding(*subject, verdict=answer.outcome, expected=False, message=answer.message)
    if answer.gradients is None:
        return Finding(*subject, verdict="error", expected=False, message=answer.message)
    return judge(subject, answer.gradients, acceptance, answer.changed)


#: The candidate's process, kept from one call to the next.
_kept: list[Isolated] = []


def _isolated(target: str, timeout: float, memory: int) -> Isolated:
    """The candidate's process, beside this one."""
    asked = Isolated(target, timeout, memory)
    if not _kept or (_kept[0].target, _kept[0].timeout, _kept[0].memory) != (target, timeout, memory):
        leave()
        _kept.append(asked)
    return _kept[0]


def leave() -> None:
    """End the candidate's process, if there is one beside this process."""
    while _kept:
        _kept.pop().stop()


def swept(kept: Progress, engine: Engine, limits: tuple[str, ...] = ()) -> Iterator[int]:
    """Judge what is left of a sweep, and keep it.

    Parameters
    ----------
    kept : Progress
        The record, which grows.
    engine : Engine
        Where the work is done.
    limits : tuple of str
        A candidate's limits of time and memory.

    Yields
    ------
    int
        The number of batches that are done.
    """
    left = (tuple((*name, *limits) for name in names) for names in batches(kept.sweep, kept.done))
    for _, found in ordered(engine, work, left, _given_up):
        kept.add(list(found))
        yield kept.done
        if kept.lost >= PATIENCE and kept.sweep.who[0][0] == CANDIDATE:
            return


def _given_up(name: Name, lost: Lost) -> Finding:
    return given_up(name[:3], lost)


def result(kept: Progress, began: float) -> dict[str, Any]:
    """What goes into run.json, versions and machine aside."""
    counts, sweep = kept.tally.counts(), kept.sweep
    partial = kept.done < len(range(0, sweep.count, BATCH))
    bad = [v for v in VERDICTS if v not in ("pass", "unsupported", *(() if sweep.strict else ("undecided",)))]
    ok = not partial and sum(counts["verdicts"][v] for v in bad) == sum(kept.tally.known.values())
    return {
        "schema": record.SCHEMA,
        "ok": ok,
        "partial": partial,
        "counts": counts,
        "machine": record.machine(),
        "settings": {"cases": "sweep", **asdict(sweep)},
        "plan": sweep.hash,
        "shard": "/".join(map(str, sweep.shard)),
        "timings": {"seconds": round(time.perf_counter() - began, 3)},
        "tables": {"sweep": kept.tally.table()},
    }


def shrink_failing(out: Path, found: Sequence[Finding], engine: Engine) -> None:
    """Shrink the first failing problems of frameworks, where these are, and save each as .npz for `replay`."""
    failing = [f for f in found if f.verdict == "wrong" and not f.expected][:SHRUNK]
    for finding in failing:
        name = (finding.case, finding.framework, finding.variant)
        ((_, small),) = ((names, list(of)) for names, of in ordered(engine, _small, [(name,)], lambda *_: None))
        if small[0] is not None:
            save(out / f"{finding.framework}.{finding.variant}-{finding.case}.npz", small[0])


def _small(names: Names) -> Iterator[tuple[Name, Problem | None]]:
    """The smallest problems on which frameworks fail as they do on cases; None where they do not fail again."""
    for name in names:
        case, (_, framework, variant) = case_of(name[0]), name
        subject = Subject("", case.family, framework, variant, case.dtype)

        def fails(problem: Problem, subject: Subject = subject) -> bool:
            gradients = adapter(subject.framework).gradients(hand_over(problem), subject.variant)
            return judge(subject, gradients, accept(problem)).verdict == "wrong"

        problem = case.problem()
        yield name, shrunk(problem, fails) if fails(problem) else None
