"""The engines: order, what came back against what was sent, and processes that die or hang."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradaudit.engines import base as engines
from gradaudit.engines.base import Engine, EngineError, Here, Lost, Name, Names, Results, in_order
from gradaudit.engines.local import Workers

BATCHES: list[Names] = [tuple((str(n), "") for n in range(k, k + 4)) for k in range(0, 40, 4)]


def echo(names: Names) -> list[tuple[Name, str]]:
    return [(name, f"done {name[0]}") for name in names]


def dies_at_first(names: Names) -> Results:
    """End the process if nobody did so before: the marker is in the folder that the name holds."""
    for _, folder in names:
        marker = Path(folder) / "died"
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return echo(names)


def dies_of_seven(names: Names) -> Results:
    if any(number == "7" for number, _ in names):
        ctypes.string_at(0)
    return echo(names)


def ends_at_seven(names: Names) -> Results:
    """End the process as if all were well."""
    if any(number == "7" for number, _ in names):
        os._exit(0)
    return echo(names)


def ends_always(_: Names) -> Results:
    os._exit(0)


def hangs_at_seven(names: Names) -> Results:
    """Sleep without letting go of the interpreter's lock."""
    if any(number == "7" for number, _ in names):
        ctypes.PyDLL(None).sleep(1000)
    return echo(names)


def forgets_one(names: Names) -> Results:
    return echo(names)[1:]


def turns_round(names: Names) -> Results:
    return echo(names)[::-1]


def given_up(name: Name, lost: Lost) -> str:
    return f"{lost.outcome} {name[0]}: {lost}"


@pytest.fixture
def workers() -> Iterator[Engine]:
    pool = Workers(2)
    yield pool
    pool.close()


def results(engine: Engine, work: engines.Work, batches: list[Names]) -> list[str]:
    settled = [(names, list(outcome)) for names, outcome in in_order(engine, work, batches, given_up)]
    assert [names for names, _ in settled] == batches
    return [result for _, of_batch in settled for result in of_batch]


EVERY = [f"done {n}" for n in range(40)]


def test_results_come_in_the_order_of_the_batches(workers: Engine) -> None:
    assert results(Here(), echo, BATCHES) == EVERY
    assert results(workers, echo, BATCHES) == EVERY


def test_no_more_batches_are_under_way_than_the_engine_wants(workers: Engine) -> None:
    taken: list[int] = []

    def counted() -> Iterator[Names]:
        for number, names in enumerate(BATCHES):
            taken.append(number)
            yield names

    for done, (_, outcome) in enumerate(in_order(workers, echo, counted(), given_up)):
        assert len(list(outcome)) == 4
        assert len(taken) - done <= workers.ahead


def test_a_process_that_is_killed_loses_nothing(workers: Engine, tmp_path: Path) -> None:
    batches: list[Names] = [tuple((number, str(tmp_path)) for number, _ in names) for names in BATCHES]
    assert results(workers, dies_at_first, batches) == EVERY
    assert (tmp_path / "died").exists()


def test_what_kills_its_process_is_lost_alone(workers: Engine) -> None:
    outcome = results(workers, dies_of_seven, BATCHES)
    assert outcome[7] == "crash 7: its process died of SIGSEGV"
    assert outcome[:7] + outcome[8:] == EVERY[:7] + EVERY[8:]


@pytest.mark.parametrize("number", [1, 2])
def test_what_ends_its_process_as_if_all_were_well_is_lost_alone(number: int) -> None:
    pool = Workers(number)
    outcome = results(pool, ends_at_seven, BATCHES)
    pool.close()
    assert outcome[7] == "crash 7: its process ended with 0"
    assert outcome[:7] + outcome[8:] == EVERY[:7] + EVERY[8:]


def test_after_three_losses_of_one_and_the_same_the_rest_of_it_is_skipped(workers: Engine) -> None:
    outcome = results(workers, ends_always, BATCHES)
    assert outcome[:3] == [f"crash {n}: its process ended with 0" for n in range(3)]
    assert outcome[3:] == [f"skipped {n}: given up after 3 crashes or timeouts" for n in range(3, 40)]


def test_what_hangs_with_the_interpreter_locked_is_lost_alone(workers: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "BATCH_SECONDS", 5.0)
    monkeypatch.setattr(engines, "NAME_SECONDS", 5.0)
    outcome = results(workers, hangs_at_seven, BATCHES)
    assert outcome[7] == "timeout 7: no answer after 5 s"
    assert outcome[:7] + outcome[8:] == EVERY[:7] + EVERY[8:]


@pytest.mark.parametrize("work", [forgets_one, turns_round])
def test_results_that_are_not_those_of_the_names_are_refused(work: engines.Work) -> None:
    with pytest.raises(EngineError, match="other results than those of the 4 names sent"):
        results(Here(), work, BATCHES)


@pytest.mark.parametrize("name", ["remote", "http://localhost:1", "tcp://localhost", "tcp://a b:1", "localhost:8786"])
def test_what_is_no_engine_is_refused(name: str) -> None:
    with pytest.raises(EngineError, match="expected local or tcp://HOST:PORT"):
        engines.engine_of(name, 1)
