"""The record of a sweep under way: how far it is, and what did not pass. An interrupted sweep continues from it."""

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

from gradaudit.cases.random_problems import Sweep
from gradaudit.records import record, schema
from gradaudit.records.consistency import finding_of
from gradaudit.records.files import MIB, document, open_file, replace_file, sync
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
    """The content of progress.json: the settings, the progress and the version of gradaudit.

    `done`, `size`, `losses` and `tally` are as in Progress.
    """

    sweep: Sweep
    done: int
    size: int
    losses: int
    tally: Tally
    made_by: dict[str, str]


@dataclass
class Progress:
    """The record of a sweep under way: the findings so far, and how many of them are counted.

    Parameters
    ----------
    out : Path
        The folder.
    sweep : Sweep
        Its settings.
    done : int
        The number of batches that are done.
    size : int
        The size of the file of findings after these batches, in bytes. The rest of the file is cut off.
    losses : int
        The number of crashes and timeouts.
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
        """A new record. An old record in the same folder stays until the new one is complete."""
        record.check(out)
        (out / FINDINGS).write_bytes(b"")
        progress = cls(out, sweep)
        progress._write()
        return progress

    @classmethod
    def resumed(cls, out: Path) -> Progress:
        """The record of an interrupted sweep.

        Raises
        ------
        RecordError
            If the folder holds no such record, or the record is damaged.
        """
        try:
            state = _read(out / PROGRESS)
            progress = cls(out, state.sweep, state.done, state.size, state.losses, state.tally)
            with open_file(out / FINDINGS, writable=True) as findings:
                if findings.seek(0, os.SEEK_END) < progress.size:
                    raise ValueError(f"{FINDINGS} is shorter than {progress.size} bytes")
                findings.truncate(progress.size)
            progress._check()
        except (OSError, ValueError) as error:
            reason = f"{out} holds no sweep that can be resumed ({error})"
            raise record.RecordError(f"{reason}; expected the folder of an interrupted sweep") from error
        return progress

    def _check(self) -> None:
        """Check that the counts agree with the file of findings.

        Raises
        ------
        ValueError
            If they do not.
        """
        tally = Tally()
        losses = 0
        for finding in self.findings():
            tally.add(finding)
            losses += finding.verdict in ("crash", "timeout")
        recorded = {v: n for v, n in self.tally.counts()["verdicts"].items() if v != "pass"}
        if recorded != {v: n for v, n in tally.counts()["verdicts"].items() if v != "pass"} or losses != self.losses:
            raise ValueError(f"the counts of {PROGRESS} are not those of {FINDINGS}")

    def add(self, findings: Sequence[Finding]) -> None:
        """Add the findings of the next batch: first to the file of findings, then to the counts.

        Raises
        ------
        RecordError
            If there is no room on the disk; what was counted before is safe.
        """
        lines = "".join(record.line(finding) + "\n" for finding in findings if finding.verdict != "pass").encode()
        try:
            if lines:
                with open(self.out / FINDINGS, "rb+") as file:
                    file.seek(self.size)
                    file.write(lines)
                    file.truncate()
                    sync(file)
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
        """Replace progress.json by one for the present state."""
        state = State(self.sweep, self.done, self.size, self.losses, self.tally, made_by())
        content = json.dumps(asdict(state), sort_keys=True)
        new = self.out / f".{PROGRESS}.new"
        new.write_text(f'{{"digest": "{digest(content)}", "content": {content}}}', encoding="utf-8")
        replace_file(self.out / PROGRESS, new)

    def findings(self, at_most: int | None = None) -> list[Finding]:
        """The findings on the disk, or the first `at_most` of them."""
        with open_file(self.out / FINDINGS) as lines:
            return [finding_of(document(line)) for line in islice(lines, at_most)]

    def finished(self, run: Mapping[str, Any], beside: Mapping[str, str]) -> None:
        """Turn it into a complete record.

        Raises
        ------
        RecordError
            If there is no room on the disk; the sweep can then be resumed, and judges nothing again.
        """
        try:
            record.complete(self.out, run, self.out / FINDINGS, beside)
        except record.RecordError as error:
            raise self._full(error) from error
        with contextlib.suppress(FileNotFoundError):
            (self.out / PROGRESS).unlink()


def digest(content: str) -> str:
    """The digest of the content of progress.json; it shows whether the content was changed."""
    return hashlib.sha256(content.encode()).hexdigest()


def _read(file: Path) -> State:
    """The content of progress.json.

    Raises
    ------
    OSError, ValueError
        If it is damaged, or belongs to another catalogue of cases or another version of gradaudit.
    """
    with open_file(file, LARGEST) as stream:
        envelope = document(stream.read())
    if not isinstance(envelope, dict) or envelope.keys() != {"digest", "content"}:
        raise ValueError(f"{file.name} has another form; expected the keys digest and content")
    if envelope["digest"] != digest(json.dumps(envelope["content"], sort_keys=True)):
        raise ValueError(f"{file.name} is damaged: its digest is not that of its content")
    state: State = schema.valid(envelope["content"], State)
    sweep = state.sweep
    if state.made_by != made_by():
        raise ValueError(f"it was started with {_in_words(state.made_by)}; this is {_in_words(made_by())}")
    if sweep.catalogue != sweep.kinds:
        raise ValueError("it was started with another catalogue of cases")
    number, of = sweep.shard
    if not sweep.who or not sweep.dtypes or not set(sweep.dtypes) <= set(DTYPES) or not 1 <= number <= of:
        raise ValueError(f"{file.name} selects nothing that can be judged")
    verdicts = state.tally.counts()["verdicts"]
    if state.done > sweep.batches:
        raise ValueError(f"it says that {state.done} of {sweep.batches} batches are done")
    if sum(verdicts.values()) > state.done * sweep.batch * len(sweep.who) * len(sweep.dtypes):
        raise ValueError("it counts more findings than the sweep can have")
    return state


def _in_words(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
