"""From a plan (which cases, which frameworks, which of their variants) to the findings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any, NamedTuple

from gradaudit import comparison
from gradaudit.adapters import adapter
from gradaudit.adapters.calls import Caller, in_words
from gradaudit.cases.catalogue import STEPS, Case, case_of, cases
from gradaudit.cases.training import table as training_table
from gradaudit.cases.training import trajectory
from gradaudit.engines.base import Engine, Here, Lost, Name, Names, ordered
from gradaudit.mistakes.detection import matrix
from gradaudit.reference.acceptance import Acceptance, PrecisionExhausted, accept
from gradaudit.reference.problem import Problem
from gradaudit.verdicts.expected import Judged, Known, explained, stale
from gradaudit.verdicts.judge import Finding, Subject, judge

#: The framework that a user's own implementation is called in the findings.
CANDIDATE = "candidate"
#: How many items a worker is given at a time, at most.
BATCH = 30


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
    """What a run is asked for.

    Attributes
    ----------
    who : tuple of (str, str)
        Frameworks and their variants.
    dtypes, cases, words, seed, strict
        As on the command line.
    others : str
        Another selection for the variants that are not canonical, if any.
    """

    who: tuple[tuple[str, str], ...]
    dtypes: tuple[str, ...] = ("float64", "float32")
    cases: str = "standard"
    words: str = ""
    seed: int = 0
    strict: bool = False
    others: str = ""


class Offer(NamedTuple):
    """What a framework says of itself."""

    variants: tuple[str, ...]
    versions: dict[str, str]


def offered(names: Names) -> Iterator[tuple[Name, Offer]]:
    """What frameworks, given by their names, say of themselves, in whatever process they are imported."""
    for name in names:
        framework = adapter(name[0])
        yield name, Offer(framework.variants, framework.versions())


def offers(frameworks: Sequence[str], engine: Engine) -> dict[str, Offer]:
    """What frameworks say of themselves where they are going to be judged.

    Raises
    ------
    SettingsError
        If one of them ends its process when it is imported.
    """

    def lost(name: Name, loss: Lost) -> Offer:
        raise SettingsError(f"{name[0]} cannot be imported ({loss}); leave it out with --frameworks")

    found = ordered(engine, offered, [((name,),) for name in frameworks], lost)
    return {names[0][0]: offer for names, of_one in found for offer in of_one}


def chosen_variants(
    frameworks: Sequence[str], variants: Sequence[str], of: Mapping[str, Offer] | None = None
) -> tuple[tuple[str, str], ...]:
    """The frameworks, each with those of its variants that were asked for ("canonical", "all", or names).

    Parameters
    ----------
    frameworks, variants : sequence of str
        Their names.
    of : mapping of str to Offer
        What they offer; by default they are asked in this process.

    Raises
    ------
    SettingsError
        If a variant is named that none of the frameworks offers.
    """
    offering = offers(frameworks, Here()) if of is None else of
    choice = {name: offering[name].variants for name in frameworks}
    chosen = tuple(
        (name, variant)
        for name, all_of_it in choice.items()
        for variant in all_of_it
        if "all" in variants or variant in variants or ("canonical" in variants and variant == all_of_it[0])
    )
    missing = set(variants) - {"canonical", "all"} - {variant for _, variant in chosen}
    if missing:
        said = "; ".join(f"{name}: {', '.join(all_of_it)}" for name, all_of_it in choice.items())
        raise SettingsError(f"no framework has the variant {', '.join(sorted(missing))}; expected one of {said}")
    return chosen


def plan(settings: Settings) -> list[Item]:
    """The items of a run, all shards of it, case by case, in a fixed order."""
    chosen = cases(settings.cases, settings.dtypes, settings.seed)
    if settings.who[:1] and settings.who[0][0] == CANDIDATE:
        chosen = [case for case in chosen if case.step is None]  # nobody trains with a gradient that is on trial
    canonical = dict(reversed(settings.who))
    briefly = set(cases(settings.others, settings.dtypes, settings.seed)) if settings.others else set(chosen)
    items = (
        Item(case, framework, variant)
        for case in chosen
        for framework, variant in settings.who
        if case in briefly or canonical[framework] == variant
    )
    return [item for item in items if all(word in item.id for word in settings.words.split())]


def plan_hash(items: Iterable[Item]) -> str:
    """A digest of what is planned, the same wherever it is planned."""
    return hashlib.sha256("\n".join(item.id for item in items).encode()).hexdigest()


def findings(items: Sequence[Item], engine: Engine) -> Iterator[tuple[int, Finding]]:
    """Judge the items wherever the engine has it done; the findings are the same.

    Yields
    ------
    tuple of int and Finding
        The item's number and its finding, as they are found.
    """
    batches = _batches(items)
    named = (tuple(name_of(items[i]) for i in batch) for batch in batches)
    for batch, (_, found) in zip(batches, ordered(engine, judged_by_name, named, given_up), strict=True):
        yield from zip(batch, found, strict=True)


def _batches(items: Sequence[Item]) -> list[list[int]]:
    """The items' numbers in batches, each of one shape and dtype or one training: what is compiled once serves all.

    The items of one case stay together, so that its exact values are found once.
    """
    alike: dict[object, list[list[int]]] = {}
    for case, group in groupby(range(len(items)), key=lambda i: items[i].case):
        for numbers in [[i] for i in group] if case.step is not None else [list(group)]:
            first = items[numbers[0]]
            training = None if case.step is None else (first.framework, first.variant)
            batches = alike.setdefault((case.shape, case.dtype, training), [[]])
            if len(batches[-1]) + len(numbers) > BATCH and batches[-1]:
                batches.append([])
            batches[-1].extend(numbers)
    return sorted((batch for batches in alike.values() for batch in batches), key=len, reverse=True)


def name_of(item: Item) -> Name:
    """What another process makes the item from."""
    return item.case.id, item.framework, item.variant


def judged_by_name(names: Names) -> Iterator[tuple[Name, Finding]]:
    """Judge items that are given by their names."""
    return zip(names, judged([_item(name) for name in names]), strict=True)


def given_up(name: Name, lost: Lost) -> Finding:
    """The finding on an item that took its process with it."""
    return Finding(*_subject(_item(name)), verdict=lost.outcome, expected=False, message=str(lost))


def _item(name: Name) -> Item:
    case, framework, variant = name
    return Item(case_of(case), framework, variant)


def judged(items: Sequence[Item]) -> Iterator[Finding]:
    """Judge the items one after the other; the exact values of a case are found once."""
    for _, group in groupby(items, key=lambda item: item.case):
        acceptance = None
        for item in group:
            if item.case.dtype not in adapter(item.framework).dtypes:
                message = f"{item.framework} does not compute in {item.case.dtype}"
                yield Finding(*_subject(item), verdict="unsupported", expected=True, message=message)
                continue
            try:
                if acceptance is None or item.case.step is not None:
                    acceptance = accept(problem(item))
            except PrecisionExhausted as error:
                yield Finding(*_subject(item), verdict="undecided", expected=False, message=str(error))
            except Exception as error:  # a training is the framework's own work
                yield _raised(item, error)
            else:
                yield finding(item, acceptance)


def problem(item: Item) -> Problem:
    """The problem that an item is judged on: the case's own, or where the framework's training had led it."""
    case = item.case
    if case.step is None:
        return case.problem()
    return trajectory(item.framework, item.variant, replace(case, step=0), STEPS).problems[case.step]


def tables(items: Sequence[Item], compared: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
    """The tables that belong to a run beside its findings, by name: of the whole plan, whatever the shard.

    Parameters
    ----------
    items : sequence of Item
        The plan.
    compared : sequence of (framework, variant)
        The variants to be compared at kinks, at saturation, in speed and so on.
    """
    found = {}
    quick = {case.id for case in cases("quick", seed=items[0].case.seed)}
    posed = tuple(case for case in dict.fromkeys(item.case for item in items) if case.id in quick)
    if posed:
        found["mistakes"] = matrix(posed)
    if compared:
        found |= comparison.tables(compared)
    steps = [item for item in items if item.case.step is not None]
    if steps:
        starts = list(dict.fromkeys(replace(item.case, step=0) for item in steps))
        who = list(dict.fromkeys((item.framework, item.variant) for item in steps))
        found["training"] = training_table(who, starts, STEPS)
    return found


def tables_by(engine: Engine, settings: Settings, compare: bool) -> dict[str, Any]:
    """The tables of a run, made where the frameworks are; one that takes its process with it is said to be missing."""
    name = (json.dumps(asdict(settings)), "compare" if compare else "")
    ((_, found),) = ordered(engine, _tabled, [(name,)], _untabled)
    (made,) = found
    return dict(made)


def _tabled(names: Names) -> Iterator[tuple[Name, dict[str, Any]]]:
    for name in names:
        content = json.loads(name[0])
        settings = Settings(**{**content, "who": tuple(map(tuple, content["who"])), "dtypes": tuple(content["dtypes"])})
        yield name, tables(plan(settings), settings.who if name[1] else ())


def _untabled(_: Name, lost: Lost) -> dict[str, Any]:
    return {"missing": {"title": "tables", "columns": ["missing"], "note": f"not made: {lost}", "rows": []}}


def gone_of(settings: Settings, findings: Sequence[Finding]) -> list[tuple[Known, str, str]]:
    """What was expected of a run and no longer shows; nothing where words choose among the cases."""
    return [] if settings.words else stale([judged_of(item) for item in plan(settings)], findings)


def gone_table(gone: Sequence[tuple[Known, str, str]]) -> dict[str, Any]:
    """What was expected and no longer shows, as a table of run.json, if there is any."""
    if not gone:
        return {}
    rows = [[known.framework, variant, family, known.reason] for known, variant, family in gone]
    note = "take these out of adapters/expected.toml, or find out why they went"
    title = "expected findings that no longer show"
    columns = ["framework", "variant", "family", "reason"]
    return {"stale": {"title": title, "columns": columns, "note": note, "text": True, "rows": rows}}


def finding(item: Item, acceptance: Acceptance) -> Finding:
    """Let one variant of a framework compute the gradients of a case, and judge them."""
    framework, edge = adapter(item.framework), item.case.edge
    caller = Caller(lambda inputs: framework.gradients(inputs, item.variant))
    outcome = caller(acceptance.problem, edge.layout, edge.labels)
    if outcome.gradients is None:
        return _raised(item, outcome.error)
    return explained(judge(_subject(item), outcome.gradients, acceptance, outcome.changed))


def _raised(item: Item, error: BaseException | None) -> Finding:
    """The finding on a call that raised an exception."""
    return explained(Finding(*_subject(item), verdict="error", expected=False, message=in_words(error)))


def judged_of(item: Item) -> Judged:
    """What an entry of the expected findings may speak of."""
    return Judged(item.framework, item.variant, item.case.family, item.case.dtype)


def _subject(item: Item) -> Subject:
    case = item.case
    return Subject(case.id, case.family, item.framework, item.variant, case.dtype)
