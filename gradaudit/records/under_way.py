"""The findings of a run under way: on the disk as they arrive, so that nothing that was judged is lost."""

from __future__ import annotations

from pathlib import Path

from gradaudit.records import record
from gradaudit.verdicts.judge import Finding

#: The exit status of a run that Ctrl-C ended: 128 and the number of the signal.
INTERRUPTED = 130
#: The file of what is judged, as long as its record is not written.
FILE = "judged.jsonl"


class UnderWay:
    """The findings of a run under way, in a file as they arrive.

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
        """Write down the finding on an item."""
        self.of_item[number] = finding
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(record.line(finding) + "\n")

    def findings(self) -> list[Finding]:
        """The findings in the order of the plan."""
        return [self.of_item[number] for number in sorted(self.of_item)]

    def remove(self) -> None:
        """Remove the file: the record holds what it held."""
        self._path.unlink(missing_ok=True)
