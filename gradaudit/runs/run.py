"""From the items of a plan to their findings, wherever an engine has the work done."""

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
from gradaudit.runs.entrants import Entrant, entrant
from gradaudit.verdicts.expected import Expectation, explain
from gradaudit.verdicts.judge import Finding, judge_answer

#: How many items a worker is given at a time, at most.
BATCH = 30


def findings(items: Sequence[Item], engine: Engine, entries: Sequence[Expectation]) -> Iterator[tuple[int, Finding]]:
    """Judge the items wherever the engine has it done; the findings are the same.

    Parameters
    ----------
    items : sequence of Item
        What is judged.
    engine : Engine
        Where.
    entries : sequence of Expectation
        What is known of the frameworks.

    Yields
    ------
    tuple of int and Finding
        The item's number and its finding, as they come.
    """
    batches = _batches(items)
    names = (tuple(name_of(items[i]) for i in batch) for batch in batches)
    for batch, (_, results) in zip(batches, in_order(engine, judge_names, names, give_up), strict=True):
        yield from zip(batch, (explain(finding, entries) for finding in results), strict=True)


def _batches(items: Sequence[Item]) -> list[list[int]]:
    """The items' numbers in batches, each of one shape and dtype or one training: what is compiled once serves all.

    The items of one case stay together, so that its exact values are computed once.
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
    return item.case.id, item.framework, item.variant, *item.limits


def item_of(name: Name) -> Item:
    """The item of a name."""
    case, framework, variant, *limits = name
    return Item(case_of(case), framework, variant, tuple(limits))


def judge_names(names: Names) -> Iterator[tuple[Name, Finding]]:
    """Judge items that are given by their names."""
    return zip(names, judge_items([item_of(name) for name in names]), strict=True)


def give_up(name: Name, loss: Lost) -> Finding:
    """The finding on an item that took its process with it."""
    return _without_gradients(item_of(name), loss)


def judge_items(items: Sequence[Item]) -> Iterator[Finding]:
    """Judge the items one after the other; the exact values of a case are computed once.

    An entrant that crashes or hangs in a process of its own is given up after some of it.
    """
    patience = Patience()
    for _, group in groupby(items, key=lambda item: item.case):
        acceptance = None
        for item in group:
            who = (item.framework, item.variant)
            if patience.spent(who):
                yield _without_gradients(item, skipped())
                continue
            whom = entrant(item.framework, item.variant, item.limits)
            if item.case.dtype not in whom.dtypes:
                message = f"{item.framework} does not compute in {item.case.dtype}"
                yield Finding(*item.subject, verdict="unsupported", expected=True, message=message)
                continue
            try:
                if acceptance is None or item.case.step is not None:
                    acceptance = accept(problem(item))
            except PrecisionExhausted as error:
                yield Finding(*item.subject, verdict="undecided", expected=False, message=str(error))
            except Exception as error:  # a training is the framework's own work
                yield Finding(*item.subject, verdict="error", expected=False, message=in_words(error))
            else:
                finding = judge_item(item, acceptance, whom)
                patience.count(who, finding.verdict)
                yield finding


def problem(item: Item) -> Problem:
    """The problem that an item is judged on: the case's own, or where the framework's training had led it."""
    case = item.case
    if case.step is None:
        return case.problem()
    return trajectory(item.framework, item.variant, replace(case, step=0), STEPS).problems[case.step]


def judge_item(item: Item, acceptance: Acceptance, whom: Entrant | None = None) -> Finding:
    """Let an entrant, by default the item's, compute the gradients of a case, and judge them."""
    edge = item.case.edge
    whom = whom or entrant(item.framework, item.variant, item.limits)
    answer = whom.answer(acceptance.problem, edge.layout, edge.labels)
    return judge_answer(item.subject, answer, acceptance)


def _without_gradients(item: Item, loss: Lost) -> Finding:
    return Finding(*item.subject, verdict=loss.outcome, expected=False, message=str(loss))
