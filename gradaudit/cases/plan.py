"""What a run is asked for, and the plan that follows from it: which cases, for whom, in a fixed order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from gradaudit.cases.catalogue import Case, cases
from gradaudit.verdicts.expected import Scope
from gradaudit.verdicts.judge import Subject, finding_id


class Item(NamedTuple):
    """One thing to judge: a variant of a framework on a case.

    Attributes
    ----------
    case : Case
        The case.
    framework, variant : str
        Who is judged; the variant of a candidate is its target, ``FILE.py:NAME``.
    limits : tuple of str
        A candidate's limits of time (seconds) and memory (MiB).
    """

    case: Case
    framework: str
    variant: str
    limits: tuple[str, ...] = ()

    @property
    def subject(self) -> Subject:
        """Who is judged and on what, as a finding says it."""
        case = self.case
        return Subject(case.id, case.family, self.framework, self.variant.rpartition(":")[2], case.dtype)

    @property
    def id(self) -> str:
        """The item's name, as in the reports and the tests."""
        return finding_id(self.subject)

    @property
    def scope(self) -> Scope:
        """What an expectation may speak of."""
        return Scope(self.framework, self.variant, self.case.family, self.case.dtype)


@dataclass(frozen=True)
class Settings:
    """What a run is asked for.

    Attributes
    ----------
    who : tuple of (str, str)
        Frameworks and their variants.
    dtypes, cases, words, seed, strict
        As on the command line.
    noncanonical : str
        Another selection of cases for the variants that are not canonical, if any.
    training : bool
        Whether the steps of the training are judged: nobody trains with a gradient that is on trial.
    expected : tuple of str
        Files of expectations, beside those that come with gradaudit.
    """

    who: tuple[tuple[str, str], ...]
    dtypes: tuple[str, ...] = ("float64", "float32")
    cases: str = "standard"
    words: str = ""
    seed: int = 0
    strict: bool = False
    noncanonical: str = ""
    training: bool = True
    expected: tuple[str, ...] = ()


def plan(settings: Settings) -> list[Item]:
    """The items of a run, all shards of it, case by case, in a fixed order."""
    selection = cases(settings.cases, settings.dtypes, settings.seed)
    selection = [case for case in selection if settings.training or case.step is None]
    canonical = dict(reversed(settings.who))
    less = (
        set(cases(settings.noncanonical, settings.dtypes, settings.seed)) if settings.noncanonical else set(selection)
    )
    items = (
        Item(case, framework, variant)
        for case in selection
        for framework, variant in settings.who
        if canonical[framework] == variant or case in less
    )
    return [item for item in items if all(word in item.id for word in settings.words.split())]


def plan_hash(items: Iterable[Item]) -> str:
    """A digest of what is planned, the same wherever it is planned."""
    return hashlib.sha256("\n".join(item.id for item in items).encode()).hexdigest()
