"""The record of a sweep under way: how far it is, and what did not pass; it goes on where it was interrupted."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from gradaudit.cases.random_problems import BATCH, Sweep, kinds
from gradaudit.records import record, schema
from gradaudit.records.consistency import finding_of
from gradaudit.records.files import MIB, document, opened, renamed, synced
from gradaudit.records.tally import Tally
from gradaudit.records.versions import made_by
from gradaudit.reference.problem import DTYPES
from gradaudit.verdicts.judge import Finding

#: The files of a sweep that is under way.
PROGRESS, FINDINGS = "progress.json", "sweep.jsonl"
#: The largest progress.json that is read, in bytes.
LARGEST = 4 * MIB


@dataclass(frozen=True)
class State:
    """The content of progress.json: what was asked for, how far it is, and which gradaudit is at it.

    The counts are those of Progress; `losses` says how many crashes and timeouts there were of whom.
    """

    sweep: Sweep
    done: int
    size: int
    losses: int
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
    losses : int
        How many crashes and timeouts there were.
    tally : Tally
        The counts.
    """

    out: Path
    sweep: Sweep
    done: int = 0
    size: int = 0
    losses: int = 0
    tally: Tally = field(default_factory=Tally)

    @classmethod
    def begun(cls, out: Path, sweep: Sweep) -> Progress:
        """A new record in a folder that may hold an old one, which stays until the new one is complete."""
        record.check(out)
        (out / FINDINGS).write_bytes(b"")
        begun = cls(out, sweep)
        begun._write()
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
            state = _read(out / PROGRESS)
            resumed = cls(out, state.sweep, state.done, state.size, state.losses, state.tally)
            with opened(out / FINDINGS, writable=True) as findings:
                if findings.seek(0, os.SEEK_END) < resumed.size:
                    raise ValueError(f"{FINDINGS} is shorter than {resumed.size} bytes")
                findings.truncate(resumed.size)
            resumed._check()
        except (OSError, ValueError) as error:
            reason = f"{out} holds no sweep that can be resumed ({error})"
            raise record.RecordError(f"{reason}; name the folder of one that was interrupted") from error
        return resumed

    def _check(self) -> None:
        """Make sure that the counts are those of the findings that are state.

        Raises
        ------
        ValueError
            If they are not.
        """
        counted = Tally()
        losses = 0
        for finding in self.findings():
            counted.add(finding)
            losses += finding.verdict in ("crash", "timeout")
        written = {v: n for v, n in self.tally.counts()["verdicts"].items() if v != "pass"}
        if written != {v: n for v, n in counted.counts()["verdicts"].items() if v != "pass"} or losses != self.losses:
            raise ValueError(f"the counts of {PROGRESS} are not those of {FINDINGS}")

    def add(self, findings: Sequence[Finding]) -> None:
        """Keep the findings of the next batch: first in the file of findings, then counted.

        Raises
        ------
        RecordError
            If the disk does not hold them; what was counted before is safe.
        """
        lines = "".join(record.line(finding) + "\n" for finding in findings if finding.verdict != "pass").encode()
        try:
            if lines:
                with open(self.out / FINDINGS, "rb+") as file:
                    file.seek(self.size)
                    file.write(lines)
                    file.truncate()
                    synced(file)
            for finding in findings:
                self.tally.add(finding)
            self.losses += sum(finding.verdict in ("crash", "timeout") for finding in findings)
            self.size += len(lines)
            self.done += 1
            self._write()
        except OSError as error:
            raise self._full(error) from error

    def _full(self, error: OSError) -> record.RecordError:
        reason = f"{self.out} cannot hold more of the record ({error.strerror or error})"
        return record.RecordError(f"{reason}; make room, then go on with --resume {self.out}")

    def _write(self) -> None:
        """Write down how far the sweep is, to the side, then renamed."""
        state = State(self.sweep, self.done, self.size, self.losses, self.tally, made_by())
        content = json.dumps(asdict(state), sort_keys=True)
        new = self.out / f".{PROGRESS}.new"
        new.write_text(f'{{"digest": "{digest(content)}", "content": {content}}}', encoding="utf-8")
        renamed(new, self.out / PROGRESS)

    def findings(self, at_most: int | None = None) -> list[Finding]:
        """The findings that are kept, or the first of them."""
        with opened(self.out / FINDINGS) as lines:
            return [finding_of(document(line)) for line in islice(lines, at_most)]

    def finished(self, run: Mapping[str, Any], beside: Mapping[str, str]) -> None:
        """Turn it into a complete record.

        Raises
        ------
        RecordError
            If the disk does not hold it; the sweep can be resumed then, with nothing left to judge.
        """
        try:
            record.complete(self.out, run, self.out / FINDINGS, beside)
        except record.RecordError as error:
            raise self._full(error) from error
        with contextlib.suppress(FileNotFoundError):
            (self.out / PROGRESS).unlink()


def digest(content: str) -> str:
    """What progress.json says of its content, so that it is noticed when that was changed."""
    return hashlib.sha256(content.encode()).hexdigest()


def _read(file: Path) -> State:
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
    if read["digest"] != digest(json.dumps(read["content"], sort_keys=True)):
        raise ValueError(f"{file.name} is damaged: its digest is not that of its content")
    state: State = schema.valid(read["content"], State)
    sweep = state.sweep
    if state.made_by != made_by():
        raise ValueError(f"it was begun with {_in_words(state.made_by)}; this is {_in_words(made_by())}")
    if sweep.catalogue != kinds():
        raise ValueError("it was begun with another catalogue of cases")
    number, of = sweep.shard
    if not sweep.who or not sweep.dtypes or not set(sweep.dtypes) <= set(DTYPES) or not 1 <= number <= of:
        raise ValueError(f"{file.name} asks for nothing that can be judged")
    verdicts = state.tally.counts()["verdicts"]
    if state.done > len(range(0, sweep.count, BATCH)):
        raise ValueError(f"{state.done} batches are done of {len(range(0, sweep.count, BATCH))}")
    if sum(verdicts.values()) > state.done * BATCH * len(sweep.who) * len(sweep.dtypes):
        raise ValueError("more is counted than was asked for")
    return state


def _in_words(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
