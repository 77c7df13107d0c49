"""The expected findings: the entries of adapters/expected.toml, and which of them are stale."""

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
from gradaudit.verdicts.judge import FUNCTIONS, Finding

ADAPTERS = Path(__file__).parents[1] / "adapters"
FILE = ADAPTERS / "expected.toml"
REPRODUCTIONS = ADAPTERS / "reproductions"


class ExpectedError(ValueError):
    """A file of expectations that cannot be read."""


class Scope(NamedTuple):
    """The findings that an entry is about."""

    framework: str
    variant: str
    family: str
    dtype: str


@dataclass(frozen=True)
class Expectation:
    """One entry: a finding of a framework that is known and explained.

    Attributes
    ----------
    framework : str
        The framework.
    reason : str
        What happens, and why it happens.
    variants, families : tuple of str
        Where it happens. An empty tuple means: in any of them.
    tensors : tuple of str
        Where the worst entry is. An empty tuple means: in any of them.
    dtypes : tuple of str
        The dtypes in which it happens.
    message : str
        The beginning of the message of the finding.
    link : str
        The discussion of it upstream.
    reproduction : str
        The file in adapters/reproductions that shows it without gradaudit.
    operations : tuple of str
        The operations of random functions that it is about; such an entry explains nothing else.
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
    operations: tuple[str, ...] = ()

    def covers(self, scope: Scope) -> bool:
        """Whether the entry is about these findings."""
        return (
            scope.framework == self.framework
            and scope.variant in (self.variants or (scope.variant,))
            and scope.family in (self.families or (scope.family,))
            and scope.dtype in self.dtypes
        )


class Stale(NamedTuple):
    """An expected finding that no longer occurs: its entry, variant and family."""

    entry: Expectation
    variant: str
    family: str


def expectations(files: Sequence[str] = ()) -> tuple[Expectation, ...]:
    """The entries of gradaudit, and the entries of other files.

    Raises
    ------
    ExpectedError
        If a file cannot be read as entries.
    """
    return (*entries_of(FILE), *(entry for file in files for entry in entries_of(Path(file))))


@lru_cache(maxsize=8)
def entries_of(file: Path = FILE, kind: str = "expected") -> tuple[Expectation, ...]:
    """The entries of a file: of the kind "expected", or of the kind "aside", which only the tables show.

    Raises
    ------
    ExpectedError
        If the file cannot be read as entries.
    """
    try:
        tables: list[dict[str, Any]] = tomllib.loads(file.read_text(encoding="utf-8")).get(kind, [])
        return tuple(_entry(table) for table in tables)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        expected = "[[expected]] tables with framework and reason, as in adapters/expected.toml"
        raise ExpectedError(f"{file} cannot be read ({error}); expected {expected}") from error


def _entry(table: dict[str, Any]) -> Expectation:
    """The entry of a table, with tuples for its lists."""
    for key, value in table.items():
        form = "a text" if Expectation.__annotations__.get(key) == "str" else "a list of texts"
        texts = [value] if form == "a text" else value
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise TypeError(f"{key} is {value!r}; expected {form}")
    fields: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in table.items()}
    return Expectation(**fields)


def explain(finding: Finding, entries: Sequence[Expectation]) -> Finding:
    """The finding. It is marked as expected if it is wrong or an error and an entry explains it."""
    if finding.verdict not in ("wrong", "error"):
        return finding
    if finding.family == FUNCTIONS:
        return _explained_by_operations(finding, entries)
    for entry in entries:
        is_in_tensor = finding.tensor in (entry.tensors or (finding.tensor,))
        if (
            not entry.operations
            and entry.covers(_scope(finding))
            and is_in_tensor
            and finding.message.startswith(entry.message)
        ):
            return replace(finding, expected=True, diagnosis=entry.reason)
    return finding


def _explained_by_operations(finding: Finding, entries: Sequence[Expectation]) -> Finding:
    """The finding on a random function: expected if each operation that is wrong by itself is known to be.

    What the diagnosis names are these operations; every other step of the function holds.
    """
    names = [name for name in finding.diagnosis.split(", ") if name]
    entries = [e for e in entries if e.covers(_scope(finding)) and finding.message.startswith(e.message)]
    reasons = [next((e.reason for e in entries if name in e.operations), "") for name in names]
    if not names or not all(reasons):
        return finding
    return replace(
        finding, expected=True, diagnosis="; ".join(f"{n}: {r}" for n, r in zip(names, reasons, strict=True))
    )


def stale(scopes: Sequence[Scope], findings: Sequence[Finding], entries: Sequence[Expectation]) -> list[Stale]:
    """The entries whose findings no longer occur, although all their cases were judged.

    Parameters
    ----------
    planned : sequence of Scope
        The plan: one scope for each item, so that scopes repeat.
    findings : sequence of Finding
        The findings of the plan, perhaps not all of them.
    entries : sequence of Expectation
        The entries.

    Returns
    -------
    list of Stale
        An entry that names no variant, or no family, is stale if none of its findings occur.
    """
    scope_counts, finding_counts = Counter(scopes), Counter(_scope(finding) for finding in findings)
    failures = {_scope(finding) for finding in findings if finding.verdict in ("wrong", "error")}
    stale_entries = []
    for entry in entries:
        for variant, family in product(entry.variants or ("",), entry.families or ("",)):
            part = [
                s for s in scope_counts if entry.covers(s) and variant in ("", s.variant) and family in ("", s.family)
            ]
            complete = part and all(finding_counts[scope] == scope_counts[scope] for scope in part)
            if complete and not failures.intersection(part):
                stale_entries.append(Stale(entry, variant or "any variant", family or "any family"))
    return stale_entries


def reproduce(entry: Expectation) -> str:
    """The output of the reproduction of an entry. The reproduction ends with status 1 while the fault exists."""
    process = subprocess.run(
        [sys.executable, str(REPRODUCTIONS / entry.reproduction)], capture_output=True, text=True, check=False
    )
    output = " ".join(process.stdout.split())
    if process.returncode == 1 and output:
        return f"reproduced: {output}"
    return f"gone: {output}" if process.returncode == 0 else f"fails: {' '.join(process.stderr.split()[-20:])}"


def _scope(finding: Finding) -> Scope:
    return Scope(finding.framework, finding.variant, finding.family, finding.dtype)
