"""The interface of engines: the work runs in this process, in several processes of this machine, or on a cluster.

Work is a function at the top level of a module: names -> pairs of a name and its result. The results come in the order
of the batches, and their names are compared with the names that were sent. If the process of a batch dies or hangs,
each name of the batch is done again alone, so that only one name is lost. After three losses of the same variant, its
other names are skipped.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any, Literal, NamedTuple, Protocol

Name = tuple[str, ...]
Names = tuple[Name, ...]
Results = Iterable[tuple[Name, Any]]
Work = Callable[[Names], Results]

#: The limit of time for a batch, and for a single name, in seconds, with compilation.
BATCH_SECONDS, NAME_SECONDS = 600.0, 120.0
#: How often a lost name is done alone before it is given up. Something else may have ended its process.
TRIES = 2
#: A variant is given up after this number of lost names.
MOST_LOSSES = 3
#: The number of batches that are under way for each process.
AHEAD = 3


class EngineError(ValueError):
    """An engine that does not exist, or that returned wrong results."""


class Lost(Exception):
    """A task without a result: its process died or did not answer in time, or the task was skipped."""

    def __init__(self, outcome: Literal["crash", "timeout", "skipped"], message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


class Patience:
    """The number of losses of each variant, and whether the variant is given up.

    Parameters
    ----------
    lost : mapping
        The number of earlier losses of each variant.
    """

    def __init__(self, losses: Mapping[Name, int] | None = None) -> None:
        self._losses = Counter(losses or {})

    def count(self, who: Name, outcome: str) -> None:
        """Count an outcome."""
        self._losses[who] += outcome in ("crash", "timeout")

    def spent(self, who: Name) -> bool:
        """Whether the other names of this variant are skipped."""
        return self._losses[who] >= MOST_LOSSES


def skipped() -> Lost:
    """The outcome of a name that is skipped because too many names of its variant were lost."""
    return Lost("skipped", f"given up after {MOST_LOSSES} crashes or timeouts")


class Task(Protocol):
    """A submitted batch. It has a result, or it is lost."""

    def result(self) -> Results:
        """The results of the batch.

        Raises
        ------
        Lost
            If the process died or was too slow.
        """


class Engine(Protocol):
    """A place where batches are done.

    Attributes
    ----------
    ahead : int
        The number of batches that the engine takes at a time.
    """

    ahead: int

    def submit(self, work: Work, names: Names, seconds: float) -> Task:
        """Start a batch."""

    def close(self) -> None:
        """End everything that is under way."""


def in_order(
    engine: Engine,
    work: Work,
    batches: Iterable[Names],
    give_up: Callable[[Name, Lost], Any],
    patience: Patience | None = None,
) -> Iterator[tuple[Names, Iterator[Any]]]:
    """Do batches, with at most `engine.ahead` of them under way; the results are in the order of the batches.

    Parameters
    ----------
    engine : Engine
        The engine.
    work : callable
        Names -> pairs of a name and its result.
    batches : iterable of names
        The batches, which are read while results are taken. A name without its first part is its variant.
    give_up : callable
        (name, loss) -> the result of a name that is finally lost, or skipped.
    patience : Patience
        The earlier losses.

    Yields
    ------
    tuple of names and iterator
        A batch and its results. Take the results before the next batch.

    Raises
    ------
    EngineError
        If the results do not belong to the names that were sent.
    """
    desk = _Desk(engine, work, give_up, patience or Patience())
    under_way: deque[tuple[Names, Names, Task]] = deque()
    queue = iter(batches)
    while True:
        while len(under_way) < engine.ahead and (names := next(queue, None)) is not None:
            batch = tuple(name for name in names if not desk.patience.spent(name[1:]))
            under_way.append((names, batch, engine.submit(work, batch, BATCH_SECONDS)))
        if not under_way:
            return
        names, batch, task = under_way.popleft()
        yield names, desk.settle(names, batch, task)


class _Desk(NamedTuple):
    """Everything that is needed for the results of a batch."""

    engine: Engine
    work: Work
    give_up: Callable[[Name, Lost], Any]
    patience: Patience

    def settle(self, names: Names, batch: Names, task: Task) -> Iterator[Any]:
        """The results of a batch, name by name. If the batch was lost, each name is done alone.

        The results of a variant that is given up are not used, so that the results do not depend on the number of
        batches under way.
        """
        try:
            results: Iterator[Any] | None = _check(batch, task.result())
        except Lost:
            results = None
        members = set(batch)
        for name in names:
            result = next(results) if results and name in members else None
            if self.patience.spent(name[1:]):
                yield self.give_up(name, skipped())
            else:
                yield self._retry(name) if results is None else result
        if results:
            next(results, None)  # checks that there are no more results

    def _retry(self, name: Name) -> Any:
        """The result of a single name, with more than one attempt."""
        loss = Lost("crash", "")
        for _ in range(TRIES):
            try:
                (result,) = _check((name,), self.engine.submit(self.work, (name,), NAME_SECONDS).result())
            except Lost as error:
                loss = error
            else:
                return result
        self.patience.count(name[1:], loss.outcome)
        return self.give_up(name, loss)


def _check(names: Names, results: Results) -> Iterator[Any]:
    """The results one after the other, if their names are these names."""
    blank = (None, None)
    for name, (key, result) in zip_longest(names, results, fillvalue=blank):
        if name != key:
            text = f"an engine returned other results than those of the {len(names)} names sent"
            raise EngineError(f"{text}; do both sides use the same checkout?")
        yield result


def collect(work: Work, names: Names) -> list[tuple[Name, Any]]:
    """All results in a list, which one process sends to another."""
    return list(work(names))


class _Immediate:
    """A task that runs while its results are taken."""

    def __init__(self, results: Results) -> None:
        self._results = results

    def result(self) -> Results:
        return self._results


class Here:
    """The current process: one batch at a time. If it dies, the run ends."""

    ahead = 1

    def submit(self, work: Work, names: Names, seconds: float) -> Task:  # noqa: ARG002 (nobody could end it)
        """Return a task for the batch."""
        return _Immediate(work(names))

    def close(self) -> None:
        """Nothing is under way."""


def engine_of(name: str, workers: int) -> Engine:
    """The engine of a name: "local" with this number of processes (0: this process), or the address of a cluster.

    Raises
    ------
    EngineError
        If there is no such engine.
    """
    if name != "local":
        from gradaudit.engines.dask import Cluster

        return Cluster(name)
    if not workers:
        return Here()
    from gradaudit.engines.local import Workers

    return Workers(workers)
