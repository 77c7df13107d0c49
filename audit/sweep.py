"""A sweep: random problems by the thousand, each made again from its id; the record grows as they are judged.

What is not `pass` is kept whole; of the rest there are counts, worst ratios and quantiles, in bounded memory. A sweep
that was interrupted, by whatever, goes on where its record ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from adapters import adapter
from adapters.calls import hand_over
from audit import record, schema
from audit.catalogue import REGS, Case, case_of
from audit.edge_cases import EDGE_CASES
from audit.engine import PATIENCE, Engine, Lost, Name, Names, Patience, ordered, skipped
from audit.files import MIB, document, opened, renamed, synced
from audit.isolation import Isolated
from audit.judge import LOST, VERDICTS, Finding, Subject, judge
from audit.run import CANDIDATE, Item, given_up, judged
from audit.shards import belongs
from audit.shrink import save, shrunk
from audit.versions import made_by
from reference.acceptance import accept
from reference.problem import DTYPES, PARAMETERS, Problem, Shape

#: The fixed set of shapes: what is compiled for one of them serves all its problems.
SHAPES = tuple(
    Shape(*sizes)
    for sizes in ((1, 1, 1, 2), (1, 4, 10, 3), (2, 3, 5, 2), (3, 7, 1, 4), (5, 4, 10, 3), (7, 5, 3, 1), (6, 5, 4, 4))
)
#: The kinds of problems; half of all are plain random ones.
KINDS = tuple(
    edge.name
    for edge in EDGE_CASES.values()
    if edge.family not in ("random", "sizes", "images", "training", "layout", "labels")
)
#: So many problems are a batch: a part of a second of work.
BATCH = 48
#: At most so many failing problems are shrunk.
SHRUNK = 5
#: The bins of a ratio's histogram: so many to an octave, from the lowest exponent on.
BINS, LOWEST, HIGHEST = 8, -24, 8
#: The quantiles that are shown.
QUANTILES = (0.5, 0.9, 0.99, 0.999)
#: The files of a sweep that is under way.
PROGRESS, FOUND = "progress.json", "sweep.jsonl"
#: The largest progress.json that is read, in bytes.
LARGEST = 4 * MIB


@lru_cache(maxsize=1)
def kinds() -> str:
    """A digest of the kinds of problems: their names, dtypes and numbers on one shape, and what is drawn among."""
    digest = hashlib.sha256(repr((SHAPES, KINDS, REGS, BATCH)).encode())
    for kind in ("random", *KINDS):
        problem = Case(SHAPES[4], 0.1, EDGE_CASES[kind], EDGE_CASES[kind].dtypes[0], 0).problem()
        digest.update(repr((kind, EDGE_CASES[kind].dtypes, EDGE_CASES[kind].family)).encode())
        for name in ("X", "y", *PARAMETERS):
            digest.update(getattr(problem, name).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Sweep:
    """What a sweep is asked for.

    Attributes
    ----------
    count : int
        How many problems, each posed in every dtype.
    seed : int
        Of the problems.
    who : tuple of (str, str)
        Frameworks and their variants; a candidate's target as the variant.
    dtypes : tuple of str
        In which dtypes.
    shard : (int, int)
        Which part of the problems, by a hash of their ids.
    strict : bool
        Whether `undecided` fails too.
    catalogue : str
        A digest of what its problems are drawn from.
    """

    count: int
    seed: int
    who: tuple[tuple[str, str], ...]
    dtypes: tuple[str, ...] = DTYPES
    shard: tuple[int, int] = (1, 1)
    strict: bool = False
    catalogue: str = field(default_factory=kinds)

    @property
    def hash(self) -> str:
        """A digest of what is asked for."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def posed(number: int, seed: int, dtypes: Sequence[str]) -> list[Case]:
    """A sweep's problem of that number, in every dtype in which its kind makes sense."""
    rng = np.random.default_rng([seed, number])
    shape = SHAPES[rng.integers(len(SHAPES))]
    plain = rng.random() < 0.5
    kind = "random" if plain else KINDS[rng.integers(len(KINDS))]
    reg = REGS[rng.integers(len(REGS))]
    edge = EDGE_CASES[kind]
    return [Case(shape, reg, edge, dtype, (seed << 32) + number) for dtype in dtypes if dtype in edge.dtypes]


def batches(sweep: Sweep, first: int = 0) -> Iterator[Names]:
    """The items of a sweep in batches, from the batch of number `first` on."""
    for start in range(first * BATCH, sweep.count, BATCH):
        numbers = range(start, min(start + BATCH, sweep.count))
        chosen = [case for n in numbers for case in posed(n, sweep.seed, sweep.dtypes) if belongs(case.id, sweep.shard)]
        yield tuple((case.id, *who) for case in chosen for who in sweep.who)


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


@dataclass
class Tally:
    """What is known of the findings without keeping them: as large after a million as after one.

    Attributes
    ----------
    families : dict
        Family -> verdict -> how many.
    known : dict
        Verdict -> how many are known and explained.
    offset : int
        How many are undecided for digits lost to an offset.
    worst : dict
        Variant and dtype -> the largest ratio of a pass, and its case.
    bins : dict
        Variant and dtype -> how many ratios there are in each bin of a logarithmic histogram.
    """

    families: dict[str, dict[str, int]] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)
    offset: int = 0
    worst: dict[str, tuple[float, str]] = field(default_factory=dict)
    bins: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        """Count one finding."""
        family = self.families.setdefault(finding.family, {})
        family[finding.verdict] = family.get(finding.verdict, 0) + 1
        if finding.expected and finding.verdict in ("wrong", "error"):
            self.known[finding.verdict] = self.known.get(finding.verdict, 0) + 1
        self.offset += finding.verdict == "undecided" and finding.message == LOST
        if finding.verdict != "pass" or finding.ratio is None or finding.family == "undecidable kinks":
            return
        who = f"{finding.framework} {finding.variant} {finding.dtype}"
        bins = self.bins.setdefault(who, {})
        bins[_bin(finding.ratio)] = bins.get(_bin(finding.ratio), 0) + 1
        if finding.ratio > self.worst.get(who, (-1.0, ""))[0]:
            self.worst[who] = (finding.ratio, finding.case)

    def counts(self) -> dict[str, Any]:
        """As in run.json: how many of each verdict, in all and by family."""
        total = {v: sum(family.get(v, 0) for family in self.families.values()) for v in VERDICTS}
        ordered = {name: {v: of[v] for v in VERDICTS if v in of} for name, of in sorted(self.families.items())}
        return {"verdicts": total, "families": ordered, "known": self.known, "offset": self.offset}

    def table(self) -> dict[str, Any]:
        """The ratios of what passed: quantiles, the worst, and its case."""
        return {
            "title": "error/bound of what passed",
            "columns": ["variant", *(f"{100 * q:g} %" for q in QUANTILES), "largest", "on"],
            "note": f"quantiles to {100 * (2 ** (1 / BINS) - 1):.0f} %, from above; undecidable kinks left out",
            "rows": [
                [who, *(self._quantile(who, q) for q in QUANTILES), *self.worst[who]] for who in sorted(self.worst)
            ],
        }

    def _quantile(self, who: str, part: float) -> float:
        """What so large a part of the ratios is below."""
        number, seen = part * sum(self.bins[who].values()), 0
        for edge, count in sorted((int(name), count) for name, count in self.bins[who].items()):
            seen += count
            if seen >= number:
                return float(f"{2.0 ** ((edge + 1) / BINS):.3g}")
        return math.inf


def _bin(ratio: float) -> str:
    """The bin of a ratio, which ends at 2^((bin + 1) / BINS)."""
    if ratio <= 0:
        return str(LOWEST * BINS)
    return str(min(max(math.floor(BINS * math.log2(ratio)), LOWEST * BINS), HIGHEST * BINS))


@dataclass(frozen=True)
class Kept:
    """The content of progress.json: what was asked for, how far it is, and which gradaudit is at it.

    The counts are those of Progress; `lost` says how many crashes and timeouts there were of whom.
    """

    sweep: Sweep
    done: int
    size: int
    lost: int
    tally: Tally
    made_by: dict[str, str]


@dataclass
class Progress:
    """A sweep's record under way: the findings so far, and up to where they are counted.

    Parameters
    ----------
    out : Path
        The folder.
    sweep : Sweep
        What was asked for.
    done : int
        How many batches are done.
    size : int
        How long the file of findings is with them, in bytes; what is behind was not counted, and is cut off.
    lost : int
        How many crashes and timeouts there were.
    tally : Tally
        The counts.
    """

    out: Path
    sweep: Sweep
    done: int = 0
    size: int = 0
    lost: int = 0
    tally: Tally = field(default_factory=Tally)

    @classmethod
    def begun(cls, out: Path, sweep: Sweep) -> Progress:
        """A new record in a folder that may hold an old one, which stays until the new one is complete."""
        record.check(out)
        (out / FOUND).write_bytes(b"")
        begun = cls(out, sweep)
        begun._keep()
        return begun

    @classmethod
    def resumed(cls, out: Path) -> Progress:
        """The record of a sweep that was interrupted.

        Raises
        ------
        RecordError
            If there is none.
        """
        try:
            kept = _read(out / PROGRESS)
            resumed = cls(out, kept.sweep, kept.done, kept.size, kept.lost, kept.tally)
            with opened(out / FOUND, writable=True) as findings:
                if findings.seek(0, os.SEEK_END) < resumed.size:
                    raise ValueError(f"{FOUND} is shorter than {resumed.size} bytes")
                findings.truncate(resumed.size)
            resumed._check()
        except (OSError, ValueError) as error:
            said = f"{out} holds no sweep that can be resumed ({error})"
            raise record.RecordError(f"{said}; name the folder of one that was interrupted") from error
        return resumed

    def _check(self) -> None:
        """Make sure that the counts are those of the findings that are kept.

        Raises
        ------
        ValueError
            If they are not.
        """
        counted = Tally()
        lost = 0
        for finding in self.findings():
            counted.add(finding)
            lost += finding.verdict in ("crash", "timeout")
        told = {v: n for v, n in self.tally.counts()["verdicts"].items() if v != "pass"}
        if told != {v: n for v, n in counted.counts()["verdicts"].items() if v != "pass"} or lost != self.lost:
            raise ValueError(f"the counts of {PROGRESS} are not those of {FOUND}")

    def add(self, found: Sequence[Finding]) -> None:
        """Keep the findings of the next batch: first in the file of findings, then counted.

        Raises
        ------
        RecordError
            If the disk does not hold them; what was counted before is safe.
        """
        lines = "".join(record.line(finding) + "\n" for finding in found if finding.verdict != "pass").encode()
        try:
            if lines:
                with open(self.out / FOUND, "rb+") as findings:
                    findings.seek(self.size)
                    findings.write(lines)
                    findings.truncate()
                    synced(findings)
            for finding in found:
                self.tally.add(finding)
            self.lost += sum(finding.verdict in ("crash", "timeout") for finding in found)
            self.size += len(lines)
            self.done += 1
            self._keep()
        except OSError as error:
            raise self._full(error) from error

    def _full(self, error: OSError) -> record.RecordError:
        said = f"{self.out} cannot hold more of the record ({error.strerror or error})"
        return record.RecordError(f"{said}; make room, then go on with --resume {self.out}")

    def _keep(self) -> None:
        """Write down how far the sweep is, to the side, then renamed."""
        kept = Kept(self.sweep, self.done, self.size, self.lost, self.tally, made_by())
        content = json.dumps(asdict(kept), sort_keys=True)
        new = self.out / f".{PROGRESS}.new"
        new.write_text(f'{{"digest": "{_digest(content)}", "content": {content}}}', encoding="utf-8")
        renamed(new, self.out / PROGRESS)

    def findings(self, at_most: int | None = None) -> list[Finding]:
        """The findings that are kept, or the first of them."""
        with opened(self.out / FOUND) as lines:
            return [record.finding_of(document(line)) for line in islice(lines, at_most)]

    def finished(self, run: Mapping[str, Any], beside: Mapping[str, str]) -> None:
        """Turn it into a complete record.

        Raises
        ------
        RecordError
            If the disk does not hold it; the sweep can be resumed then, with nothing left to judge.
        """
        try:
            record.complete(self.out, run, self.out / FOUND, beside)
        except record.RecordError as error:
            raise self._full(error) from error
        with contextlib.suppress(FileNotFoundError):
            (self.out / PROGRESS).unlink()


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def _read(file: Path) -> Kept:
    """The content of a progress.json that is whole, and was written for a sweep of this catalogue by this gradaudit.

    Raises
    ------
    OSError, ValueError
        If it is not.
    """
    with opened(file, LARGEST) as stream:
        read = document(stream.read())
    if not isinstance(read, dict) or read.keys() != {"digest", "content"}:
        raise ValueError(f"{file.name} is of another form")
    if read["digest"] != _digest(json.dumps(read["content"], sort_keys=True)):
        raise ValueError(f"{file.name} is damaged: its digest is not that of its content")
    kept: Kept = schema.valid(read["content"], Kept)
    sweep = kept.sweep
    if kept.made_by != made_by():
        raise ValueError(f"it was begun with {_in_words(kept.made_by)}; this is {_in_words(made_by())}")
    if sweep.catalogue != kinds():
        raise ValueError("it was begun with another catalogue of cases")
    number, of = sweep.shard
    if not sweep.who or not sweep.dtypes or not set(sweep.dtypes) <= set(DTYPES) or not 1 <= number <= of:
        raise ValueError(f"{file.name} asks for nothing that can be judged")
    verdicts = kept.tally.counts()["verdicts"]
    if kept.done > len(range(0, sweep.count, BATCH)):
        raise ValueError(f"{kept.done} batches are done of {len(range(0, sweep.count, BATCH))}")
    if sum(verdicts.values()) > kept.done * BATCH * len(sweep.who) * len(sweep.dtypes):
        raise ValueError("more is counted than was asked for")
    return kept


def _in_words(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


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
