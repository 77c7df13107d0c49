"""From the items of a plan to their findings, by an engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from gradaudit.adapters.calls import in_words
from gradaudit.cases.catalogue import STEPS, case_of
from gradaudit.cases.plan import Item
from gradaudit.cases.training import trajectory
from gradaudit.engines.base import Engine, Lost, Name, Names, Patience, in_order, skipped
from gradaudit.reference.acceptance import Acceptance, PrecisionExhausted, accept
from gradaudit.reference.problem import Problem
from gradaudit.runs.entrants import Entrant, entrant_of
from gradaudit.verdicts.expected import Expectation, explain
from gradaudit.verdicts.judge import Finding, judge_answer

#: The largest number of items that a worker gets at a time.
BATCH = 30


def findings(items: Sequence[Item], engine: Engine, entries: Sequence[Expectation]) -> Iterator[tuple[int, Finding]]:
    """Judge the items with an engine; the findings do not depend on which.

    Parameters
    ----------
    items : sequence of Item
        What is judged.
    engine : Engine
        Where it is judged.
    entries : sequence of Expectation
        The known findings of the frameworks.

    Yields
    ------
    tuple of int and Finding
        The number of an item and its finding, as soon as it is there.
    """
    batches = _batches(items)
    names = (tuple(name_of(items[i]) for i in batch) for batch in batches)
    for batch, (_, results) in zip(batches, in_order(engine, judge_names, names, give_up), strict=True):
        yield from zip(batch, (explain(finding, entries) for finding in results), strict=True)


def _batches(items: Sequence[Item]) -> list[list[int]]:
    """The numbers of the items in batches. The items of a batch have one shape and dtype, or belong to one training.

    So a framework compiles once for a batch. The items of one case stay together: its exact values are computed once.
    """
    groups: dict[object, list[list[int]]] = {}
    for case, group in groupby(range(len(items)), key=lambda i: items[i].case):
        for numbers in [[i] for i in group] if case.step is not None else [list(group)]:
            first = items[numbers[0]]
            training = None if case.step is None else (first.framework, first.variant)
            batches = groups.setdefault((case.shape, case.dtype, training), [[]])
            if len(batches[-1]) + len(numbers) > BATCH and batches[-1]:
                batches.append([])
            batches[-1].extend(numbers)
    return sorted((batch for batches in groups.values() for batch in batches), key=len, reverse=True)


def name_of(item: Item) -> Name:
    """The name of an item, from which another process makes it again."""
    return item.case.id, item.framework, item.variant, *item.limits


def item_of(name: Name) -> Item:
    """The item with this name."""
    case, framework, variant, *limits = name
    return Item(case_of(case), framework, variant, tuple(limits))


def judge_names(names: Names) -> Iterator[tuple[Name, Finding]]:
    """Judge items, by their names."""
    return zip(names, judge_items([item_of(name) for name in names]), strict=True)


def give_up(name: Name, loss: Lost) -> Finding:
    """The finding on an item that ended its process."""
    return _without_gradients(item_of(name), loss)


def judge_items(items: Sequence[Item]) -> Iterator[Finding]:
    """Judge the items one after the other; the exact values of a case are computed once.

    An entrant that crashes or hangs several times in a process of its own is given up.
    """
    patience = Patience()
    for _, group in groupby(items, key=lambda item: item.case):
        acceptance = None
        for item in group:
            who = (item.framework, item.variant)
            if patience.spent(who):
                yield _without_gradients(item, skipped())
                continue
            entrant = entrant_of(item.framework, item.variant, item.limits)
            if item.case.dtype not in entrant.dtypes:
                message = f"{item.framework} does not compute in {item.case.dtype}"
                yield Finding(*item.subject, verdict="unsupported", expected=True, message=message)
                continue
            try:
                if acceptance is None or item.case.step is not None:
                    acceptance = accept(problem(item))
            except PrecisionExhausted as error:
                yield Finding(*item.subject, verdict="undecided", expected=False, message=str(error))
            except Exception as error:  # a training is done by the framework
                yield Finding(*item.subject, verdict="error", expected=False, message=in_words(error))
            else:
                finding = judge_item(item, acceptance, entrant)
                patience.count(who, finding.verdict)
                yield finding


def problem(item: Item) -> Problem:
    """The problem of an item: that of its case, or the state of the framework's training at that step."""
    case = item.case
    if case.step is None:
        return case.problem()
    return trajectory(item.framework, item.variant, replace(case, step=0), STEPS).problems[case.step]


def judge_item(item: Item, acceptance: Acceptance, entrant: Entrant | None = None) -> Finding:
    """Judge the gradients of a case from an entrant, by default that of the item."""
    edge = item.case.edge
    entrant = entrant or entrant_of(item.framework, item.variant, item.limits)
    answer = entrant.answer(acceptance.problem, edge.layout, edge.labels)
    return judge_answer(item.subject, answer, acceptance)


def _without_gradients(item: Item, loss: Lost) -> Finding:
    return Finding(*item.subject, verdict=loss.outcome, expected=False, message=str(loss))
