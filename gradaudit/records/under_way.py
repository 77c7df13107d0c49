"""The findings of a run under way: each is on the disk as soon as it is there, so that none is lost."""

from __future__ import annotations

from pathlib import Path

from gradaudit.records import record
from gradaudit.verdicts.judge import Finding

#: The exit status of a run that Ctrl-C ended: 128 plus the number of the signal.
INTERRUPTED = 130
#: The file of the findings, until the record is written.
FILE = "judged.jsonl"


class UnderWay:
    """The findings of a run under way; each is written to a file as soon as it is there.

    Parameters
    ----------
    out : Path
        The record's folder.
    """

    def __init__(self, out: Path) -> None:
        self.of_item: dict[int, Finding] = {}
        self._path = out / FILE
        self._path.write_bytes(b"")

    def add(self, number: int, finding: Finding) -> None:
        """Add the finding on an item, by the number of the item in the plan."""
        self.of_item[number] = finding
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(record.line(finding) + "\n")

    def findings(self) -> list[Finding]:
        """The findings in the order of the plan."""
        return [self.of_item[number] for number in sorted(self.of_item)]

    def remove(self) -> None:
        """Remove the file: the record holds the findings now."""
        self._path.unlink(missing_ok=True)
