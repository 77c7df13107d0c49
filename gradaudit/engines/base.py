"""Where the work runs: in this process, in several on this machine, or on a cluster; behind one seam.

Work is a function of the module level: names -> pairs of a name and its result. Results come back in the order in which
the batches were given, their names checked against those that were sent. A batch that is lost because its process died
or hung is done again name by name, so that only the name at fault is lost; and of whoever is at fault three times, the
rest is skipped.
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

#: How long a batch may take, and a single name, in seconds; compilation included.
BATCH_SECONDS, NAME_SECONDS = 600.0, 120.0
#: How often a name that is lost is tried alone before it is given up: whoever killed its process may not do so again.
TRIES = 2
#: After so many names that were lost, whoever they belong to is given up.
PATIENCE = 3
#: How many batches are under way for each process.
AHEAD = 3


class EngineError(ValueError):
    """An engine that is not there, or that returned something else than it was asked for."""


class Lost(Exception):
    """A task that gave no result: its process died, or did not answer in time, or it was not tried any more."""

    def __init__(self, outcome: Literal["crash", "timeout", "skipped"], message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


class Patience:
    """How often whoever is at work was lost, and whether that is often enough to give it up.

    Parameters
    ----------
    lost : mapping
        How many of whose names were lost before.
    """

    def __init__(self, lost: Mapping[Name, int] | None = None) -> None:
        self._lost = Counter(lost or {})

    def count(self, who: Name, outcome: str) -> None:
        """Take an outcome into account."""
        self._lost[who] += outcome in ("crash", "timeout")

    def spent(self, who: Name) -> bool:
        """Whether the rest is to be skipped."""
        return self._lost[who] >= PATIENCE


def skipped() -> Lost:
    """What is said of a name that is skipped because its like was lost too often."""
    return Lost("skipped", f"given up after {PATIENCE} crashes or timeouts")


class Task(Protocol):
    """What was submitted; its result comes, or it is lost."""

    def result(self) -> Results:
        """The results of the batch.

        Raises
        ------
        Lost
            If the process died or was too slow.
        """


class Engine(Protocol):
    """A place where batches are worked on.

    Attributes
    ----------
    ahead : int
        How many batches it wants to have at a time.
    """

    ahead: int

    def submit(self, work: Work, names: Names, seconds: float) -> Task:
        """Begin to work on a batch."""

    def close(self) -> None:
        """End whatever is under way."""


def in_order(
    engine: Engine,
    work: Work,
    batches: Iterable[Names],
    give_up: Callable[[Name, Lost], Any],
    patience: Patience | None = None,
) -> Iterator[tuple[Names, Iterator[Any]]]:
    """Work on batches; the results in the order of the batches, no more of them under way than the engine wants.

    Parameters
    ----------
    engine : Engine
        Where.
    work : callable
        Names -> pairs of a name and its result.
    batches : iterable of names
        What; read as results are taken. All of a name but its first part says whose it is.
    give_up : callable
        (name, loss) -> the result of a name that is lost for good, or skipped.
    patience : Patience
        What was lost before.

    Yields
    ------
    tuple of names and iterator
        A batch and its results, to be taken before the next batch is asked for.

    Raises
    ------
    EngineError
        If results came back that are not those of the names that were sent.
    """
    desk = _Desk(engine, work, give_up, patience or Patience())
    under_way: deque[tuple[Names, Names, Task]] = deque()
    waiting = iter(batches)
    while True:
        while len(under_way) < engine.ahead and (names := next(waiting, None)) is not None:
            sent = tuple(name for name in names if not desk.patience.spent(name[1:]))
            under_way.append((names, sent, engine.submit(work, sent, BATCH_SECONDS)))
        if not under_way:
            return
        names, sent, task = under_way.popleft()
        yield names, desk.settled(names, sent, task)


class _Desk(NamedTuple):
    """What it takes to settle a batch."""

    engine: Engine
    work: Work
    give_up: Callable[[Name, Lost], Any]
    patience: Patience

    def settled(self, names: Names, sent: Names, task: Task) -> Iterator[Any]:
        """A batch's results, name by name; where it was lost, each name is tried alone.

        What came back from those whose patience is spent is not taken, so that the results do not depend on how many
        batches were under way.
        """
        try:
            results: Iterator[Any] | None = _checked(sent, task.result())
        except Lost:
            results = None
        tried = set(sent)
        for name in names:
            result = next(results) if results and name in tried else None
            if self.patience.spent(name[1:]):
                yield self.give_up(name, skipped())
            else:
                yield self._alone(name) if results is None else result
        if results:
            next(results, None)  # nothing may be left

    def _alone(self, name: Name) -> Any:
        """The result of a single name, tried more than once."""
        lost = Lost("crash", "")
        for _ in range(TRIES):
            try:
                (result,) = _checked((name,), self.engine.submit(self.work, (name,), NAME_SECONDS).result())
            except Lost as error:
                lost = error
            else:
                return result
        self.patience.count(name[1:], lost.outcome)
        return self.give_up(name, lost)


def _checked(names: Names, results: Results) -> Iterator[Any]:
    """The results one by one, if they are those of the names."""
    nothing = (None, None)
    for name, (of, result) in zip_longest(names, results, fillvalue=nothing):
        if name != of:
            said = f"results that are not those of the {len(names)} names sent"
            raise EngineError(f"an engine returned {said}; is the same checkout at work on both sides?")
        yield result


def listed(work: Work, names: Names) -> list[tuple[Name, Any]]:
    """The results all at once, as they are sent from one process to another."""
    return list(work(names))


class _Done:
    """A task that is done as its results are taken."""

    def __init__(self, results: Results) -> None:
        self._results = results

    def result(self) -> Results:
        return self._results


class Here:
    """The process itself: one batch at a time; whatever kills it kills the run."""

    ahead = 1

    def submit(self, work: Work, names: Names, seconds: float) -> Task:  # noqa: ARG002 (nobody could end it)
        """Do it."""
        return _Done(work(names))

    def close(self) -> None:
        """Nothing is under way."""


def engine_of(name: str, workers: int) -> Engine:
    """The engine of a name: "local", in so many processes (0: in this one), or the address of a cluster.

    Raises
    ------
    EngineError
        If there is none.
    """
    if name != "local":
        from gradaudit.engines.dask import Cluster

        return Cluster(name)
    if not workers:
        return Here()
    from gradaudit.engines.local import Workers

    return Workers(workers)
