"""The findings that are known and explained: the entries of adapters/expected.toml, and those that no longer hold."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from gradaudit.reference.problem import DTYPES
from gradaudit.verdicts.judge import Finding

ADAPTERS = Path(__file__).parents[1] / "adapters"
FILE = ADAPTERS / "expected.toml"
REPRODUCTIONS = ADAPTERS / "reproductions"


class ExpectedError(ValueError):
    """A file of expectations that cannot be read."""


class Scope(NamedTuple):
    """What an entry speaks of."""

    framework: str
    variant: str
    family: str
    dtype: str


@dataclass(frozen=True)
class Expectation:
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

    def covers(self, scope: Scope) -> bool:
        """Whether the entry speaks of it."""
        return (
            scope.framework == self.framework
            and scope.variant in (self.variants or (scope.variant,))
            and scope.family in (self.families or (scope.family,))
            and scope.dtype in self.dtypes
        )


class Stale(NamedTuple):
    """What is expected and no longer shows: the entry, the variant and the family."""

    entry: Expectation
    variant: str
    family: str


def expectations(files: Sequence[str] = ()) -> tuple[Expectation, ...]:
    """The entries that come with gradaudit, and those of files of others.

    Raises
    ------
    ExpectedError
        If a file cannot be read as such.
    """
    return (*entries_of(FILE), *(entry for file in files for entry in entries_of(Path(file))))


@lru_cache(maxsize=8)
def entries_of(file: Path = FILE, kind: str = "expected") -> tuple[Expectation, ...]:
    """The entries of a file: of the kind "expected", or "aside", which the tables show and no finding.

    Raises
    ------
    ExpectedError
        If the file cannot be read as such.
    """
    try:
        tables: list[dict[str, Any]] = tomllib.loads(file.read_text(encoding="utf-8")).get(kind, [])
        return tuple(_entry(table) for table in tables)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        expected = "[[expected]] tables with framework and reason, as in adapters/expected.toml"
        raise ExpectedError(f"{file} cannot be read ({error}); expected {expected}") from error


def _entry(table: dict[str, Any]) -> Expectation:
    """The entry of a table, its lists as tuples."""
    for key, value in table.items():
        wanted = "a text" if Expectation.__annotations__.get(key) == "str" else "a list of texts"
        texts = [value] if wanted == "a text" else value
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise TypeError(f"{key} is {value!r}; expected {wanted}")
    fields: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in table.items()}
    return Expectation(**fields)


def explain(finding: Finding, entries: Sequence[Expectation]) -> Finding:
    """The finding, marked as expected if it is wrong or an error in a way that an entry knows."""
    if finding.verdict not in ("wrong", "error"):
        return finding
    for entry in entries:
        in_tensor = finding.tensor in (entry.tensors or (finding.tensor,))
        if entry.covers(_scope(finding)) and in_tensor and finding.message.startswith(entry.message):
            return replace(finding, expected=True, diagnosis=entry.reason)
    return finding


def stale(planned: Sequence[Scope], findings: Sequence[Finding], entries: Sequence[Expectation]) -> list[Stale]:
    """What entries speak of that was judged whole and no longer shows.

    Parameters
    ----------
    planned : sequence of Scope
        What was planned, a repetition an item.
    findings : sequence of Finding
        What came of it, perhaps in part.
    entries : sequence of Expectation
        The entries.

    Returns
    -------
    list of Stale
        An entry that names no variant, or no family, is stale when nothing at all shows.
    """
    plan, judged = Counter(planned), Counter(_scope(finding) for finding in findings)
    failures = {_scope(finding) for finding in findings if finding.verdict in ("wrong", "error")}
    missing = []
    for entry in entries:
        for variant, family in product(entry.variants or ("",), entry.families or ("",)):
            part = [s for s in plan if entry.covers(s) and variant in ("", s.variant) and family in ("", s.family)]
            complete = part and all(judged[scope] == plan[scope] for scope in part)
            if complete and not failures.intersection(part):
                missing.append(Stale(entry, variant or "any variant", family or "any family"))
    return missing


def reproduced(entry: Expectation) -> str:
    """What an entry's reproduction prints, run on its own; it ends with status 1 as long as the fault is there."""
    done = subprocess.run(
        [sys.executable, str(REPRODUCTIONS / entry.reproduction)], capture_output=True, text=True, check=False
    )
    output = " ".join(done.stdout.split())
    if done.returncode == 1 and output:
        return f"reproduced: {output}"
    return f"gone: {output}" if done.returncode == 0 else f"fails: {' '.join(done.stderr.split()[-20:])}"


def _scope(finding: Finding) -> Scope:
    return Scope(finding.framework, finding.variant, finding.family, finding.dtype)
