"""The settings of a run, and its plan: which variant is judged on which case, in a fixed order."""

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
        The framework and its variant. For a candidate, the variant is its target, ``FILE.py:NAME``.
    limits : tuple of str
        The limits of time (seconds) and memory (MiB) of a candidate.
    """

    case: Case
    framework: str
    variant: str
    limits: tuple[str, ...] = ()

    @property
    def subject(self) -> Subject:
        """The framework, the variant and the case, as in a finding."""
        case = self.case
        return Subject(case.id, case.family, self.framework, self.variant.rpartition(":")[2], case.dtype)

    @property
    def id(self) -> str:
        """The name of the item in the reports and the tests."""
        return finding_id(self.subject)

    @property
    def scope(self) -> Scope:
        """What an expectation can name."""
        return Scope(self.framework, self.variant, self.case.family, self.case.dtype)


@dataclass(frozen=True)
class Settings:
    """The settings of a run.

    Attributes
    ----------
    who : tuple of (str, str)
        Frameworks and their variants.
    dtypes, cases, words, seed, strict
        As on the command line.
    noncanonical : str
        The selection of cases for the variants that are not canonical, if it is another one.
    training : bool
        Whether the steps of the training are judged. A candidate does not train.
    expected : tuple of str
        Files of expectations, in addition to those of gradaudit.
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
    """The items of a run, for all its shards, case by case, in a fixed order."""
    selection = cases(settings.cases, settings.dtypes, settings.seed)
    selection = [case for case in selection if settings.training or case.step is None]
    canonical = dict(reversed(settings.who))
    noncanonical = (
        set(cases(settings.noncanonical, settings.dtypes, settings.seed)) if settings.noncanonical else set(selection)
    )
    items = (
        Item(case, framework, variant)
        for case in selection
        for framework, variant in settings.who
        if canonical[framework] == variant or case in noncanonical
    )
    return [item for item in items if all(word in item.id for word in settings.words.split())]


def plan_hash(items: Iterable[Item]) -> str:
    """A digest of the plan. It is the same on every machine."""
    return hashlib.sha256("\n".join(item.id for item in items).encode()).hexdigest()
