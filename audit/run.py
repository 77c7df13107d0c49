"""From a plan (which cases, which frameworks, which of their variants) to the findings."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np

from adapters import adapter
from adapters.protocol import Adapter, Inputs, hand_over
from audit.catalogue import Case, cases
from audit.judge import Finding, Subject, judge
from reference.acceptance import Acceptance, PrecisionExhausted, accept


class SettingsError(ValueError):
    """Settings that cannot be met: the message says which, what was expected and how to mend it."""


class Item(NamedTuple):
    """One thing to judge: a variant of a framework on a case."""

    case: Case
    framework: str
    variant: str

    @property
    def id(self) -> str:
        """The item's name, as in the reports and the tests."""
        return f"{self.framework}.{self.variant}-{self.case.id}"


@dataclass(frozen=True)
class Settings:
    """What a run is asked for; the names are those of the command line's options."""

    frameworks: tuple[str, ...]
    variants: tuple[str, ...] = ("canonical",)
    dtypes: tuple[str, ...] = ("float64", "float32")
    cases: str = "standard"
    words: str = ""
    seed: int = 0


def plan(settings: Settings) -> list[Item]:
    """The items of a run, case by case, in a fixed order.

    Raises
    ------
    SettingsError
        If a variant is named that none of the frameworks offers.
    """
    chosen = [
        (name, variant) for name in settings.frameworks for variant in _variants(adapter(name), settings.variants)
    ]
    missing = set(settings.variants) - {"canonical", "all"} - {variant for _, variant in chosen}
    if missing:
        offered = ", ".join(f"{name}: {' '.join(adapter(name).variants)}" for name in settings.frameworks)
        raise SettingsError(f"no framework has the variant {', '.join(sorted(missing))}; expected of {offered}")
    items = (Item(case, *who) for case in cases(settings.cases, settings.dtypes, settings.seed) for who in chosen)
    return [item for item in items if all(word in item.id for word in settings.words.split())]


def plan_hash(items: Iterable[Item]) -> str:
    """A digest of what is planned, the same wherever it is planned."""
    return hashlib.sha256("\n".join(item.id for item in items).encode()).hexdigest()


def findings(items: Sequence[Item]) -> Iterator[Finding]:
    """Judge the items, in their order; the exact values of a case are found once."""
    for case, group in groupby(items, key=lambda item: item.case):
        try:
            acceptance = accept(case.problem())
        except PrecisionExhausted as error:
            for item in group:
                yield Finding(*_subject(item), verdict="undecided", expected=False, message=str(error))
            continue
        for item in group:
            yield finding(item, acceptance)


def finding(item: Item, acceptance: Acceptance) -> Finding:
    """Let one variant of a framework compute the gradients of a case, and judge them."""
    framework, case = adapter(item.framework), item.case
    if case.dtype not in framework.dtypes:
        message = f"{item.framework} does not compute in {case.dtype}"
        return Finding(*_subject(item), verdict="unsupported", expected=True, message=message)
    inputs = hand_over(acceptance.problem, case.edge.layout, case.edge.labels)
    try:
        gradients = framework.gradients(inputs, item.variant)
    except Exception as error:  # whatever it raises is what there is to report
        message = " ".join(traceback.format_exception_only(error)[-1].split())
        return Finding(*_subject(item), verdict="error", expected=False, message=message)
    return judge(_subject(item), gradients, acceptance, _changed(inputs, acceptance))


def _subject(item: Item) -> Subject:
    case = item.case
    return Subject(case.id, case.family, item.framework, item.variant, case.dtype)


def _variants(framework: Adapter, asked: tuple[str, ...]) -> tuple[str, ...]:
    """The variants of a framework that were asked for."""
    if "all" in asked:
        return framework.variants
    canonical = framework.variants[:1] if "canonical" in asked else ()
    return tuple(variant for variant in framework.variants if variant in asked or variant in canonical)


def _changed(inputs: Inputs, acceptance: Acceptance) -> tuple[str, ...]:
    """The inputs that are no longer what was handed over."""
    names = ("X", "y", "W1", "b1", "W2", "b2")
    return tuple(n for n in names if not np.array_equal(getattr(inputs, n), getattr(acceptance.problem, n)))
