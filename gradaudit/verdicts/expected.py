"""The findings that are known and explained: the entries of adapters/expected.toml, and those that no longer hold."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from gradaudit.reference.problem import DTYPES
from gradaudit.verdicts.judge import Finding

FILE = resources.files("adapters") / "expected.toml"
REPRODUCTIONS = Path(__file__).parents[1] / "adapters" / "reproductions"


class ExpectedError(ValueError):
    """An entry of expected.toml that says nothing, or something unknown."""


class Judged(NamedTuple):
    """What an entry speaks of."""

    framework: str
    variant: str
    family: str
    dtype: str


@dataclass(frozen=True)
class Known:
    """One entry: what is known of a framework.

    Attributes
    ----------
    framework : str
        Whose it is.
    reason : str
        What happens, and why.
    variants, families : tuple of str
        In which of them it shows; none named means in any.
    tensors : tuple of str
        In which of them the worst entry lies; none named means in any.
    dtypes : tuple of str
        In which dtypes.
    message : str
        How the finding's message begins.
    link : str
        Where it is discussed upstream.
    reproduction : str
        The file in adapters/reproductions that shows it on its own.
    """

    framework: str
    reason: str
    variants: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    tensors: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = DTYPES
    message: str = ""
    link: str = ""
    reproduction: str = ""

    def covers(self, judged: Judged) -> bool:
        """Whether the entry speaks of it."""
        return (
            judged.framework == self.framework
            and judged.variant in (self.variants or (judged.variant,))
            and judged.family in (self.families or (judged.family,))
            and judged.dtype in self.dtypes
        )


@lru_cache(maxsize=4)
def known(file: Traversable = FILE, kind: str = "expected") -> tuple[Known, ...]:
    """The entries of a kind: "expected", or "aside" of those that the tables show and no finding.

    Raises
    ------
    ExpectedError
        If the file cannot be read as such.
    """
    try:
        entries: list[dict[str, Any]] = tomllib.loads(file.read_text(encoding="utf-8"))[kind]
        return tuple(Known(**_read(entry)) for entry in entries)
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise ExpectedError(f"{file} cannot be read ({error}); expected entries as its first lines say") from error


def _read(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry's keys, its lists as tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


def explained(finding: Finding, entries: Sequence[Known] | None = None) -> Finding:
    """The finding, marked as expected if it is wrong or an error in a way that an entry knows."""
    if finding.verdict not in ("wrong", "error"):
        return finding
    for entry in known() if entries is None else entries:
        in_tensor = finding.tensor in (entry.tensors or (finding.tensor,))
        if entry.covers(_of(finding)) and in_tensor and finding.message.startswith(entry.message):
            return replace(finding, expected=True, diagnosis=entry.reason)
    return finding


def stale(planned: Sequence[Judged], found: Sequence[Finding], entries: Sequence[Known] | None = None) -> list[Any]:
    """What entries speak of that was judged whole and no longer shows.

    Parameters
    ----------
    planned : sequence of Judged
        What was planned, a repetition an item.
    found : sequence of Finding
        What was found of it, perhaps in part.
    entries : sequence of Known
        By default those of the file.

    Returns
    -------
    list of (Known, str, str)
        The entry, the variant and the family (an entry that names none is stale when nothing at all shows).
    """
    count = _counted(planned)
    judged = _counted([_of(finding) for finding in found])
    shown = {_of(finding) for finding in found if finding.verdict in ("wrong", "error")}
    gone = []
    for entry in known() if entries is None else entries:
        for variant in entry.variants or ("",):
            for family in entry.families or ("",):
                part = [
                    key
                    for key in count
                    if entry.covers(key) and variant in ("", key.variant) and family in ("", key.family)
                ]
                complete = part and all(judged.get(key, 0) == count[key] for key in part)
                if complete and not shown.intersection(part):
                    gone.append((entry, variant or "any variant", family or "any family"))
    return gone


def reproduced(entry: Known) -> str:
    """What an entry's reproduction prints, run on its own; it ends with status 1 as long as the fault is there."""
    done = subprocess.run(
        [sys.executable, str(REPRODUCTIONS / entry.reproduction)], capture_output=True, text=True, check=False
    )
    said = " ".join(done.stdout.split())
    if done.returncode == 1 and said:
        return f"reproduced: {said}"
    return f"gone: {said}" if done.returncode == 0 else f"fails: {' '.join(done.stderr.split()[-20:])}"


def _of(finding: Finding) -> Judged:
    return Judged(finding.framework, finding.variant, finding.family, finding.dtype)


def _counted(keys: Sequence[Judged]) -> dict[Judged, int]:
    count: dict[Judged, int] = {}
    for key in keys:
        count[key] = count.get(key, 0) + 1
    return count
