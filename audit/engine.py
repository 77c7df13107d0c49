"""Where the work runs: in this process, in several on this machine, or on a cluster; behind one seam.

Work is a function of the module level: names -> pairs of a name and its result. Results come back in the order in which
the batches were given, their names checked against those that were sent. A batch that is lost because its process died
or hung is done again name by name, so that only the name at fault is lost; and of whoever is at fault three times, the
rest is skipped.
"""

from __future__ import annotations

import contextlib
import re
import signal
import time
import zipfile
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import zip_longest
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory
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
#: How a process is said to have ended that ended with 0, which pebble would say nothing of.
ENDED = 256
#: So many pools may break before it is not the tasks' fault.
POOLS = 20
#: How many batches are under way for each process.
AHEAD = 3
#: How long a scheduler that has gone away is waited for, in seconds.
AWAY_SECONDS = 120.0
#: The rooms of the checkout that workers elsewhere need.
SHIPPED = ("reference", "adapters", "audit")
ROOT = Path(__file__).parents[1]


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


def ordered(
    engine: Engine,
    work: Work,
    batches: Iterable[Names],
    given_up: Callable[[Name, Lost], Any],
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
    given_up : callable
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
    desk = _Desk(engine, work, given_up, patience or Patience())
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
    given_up: Callable[[Name, Lost], Any]
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
                yield self.given_up(name, skipped())
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
        return self.given_up(name, lost)


def _checked(names: Names, results: Results) -> Iterator[Any]:
    """The results one by one, if they are those of the names."""
    nothing = (None, None)
    for name, (of, result) in zip_longest(names, results, fillvalue=nothing):
        if name != of:
            said = f"results that are not those of the {len(names)} names sent"
            raise EngineError(f"an engine returned {said}; is the same checkout at work on both sides?")
        yield result


def _listed(work: Work, names: Names) -> list[tuple[Name, Any]]:
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


class _OfPool:
    """A task of a pool, given to a new one when all processes of the old one were gone before they took it."""

    def __init__(self, pool: Workers, work: Work, names: Names, seconds: float) -> None:
        self._pool, self._asked = pool, (work, names, seconds)
        self._future, self._generation = pool.send(*self._asked)

    def result(self) -> Results:
        from concurrent.futures import CancelledError
        from concurrent.futures.process import BrokenProcessPool

        from pebble import ProcessExpired

        while True:
            try:
                results: Results = self._future.result()
            except TimeoutError:
                raise Lost("timeout", f"no answer after {self._asked[2]:g} s") from None
            except ProcessExpired as error:
                raise Lost("crash", _how(error.exitcode)) from None
            except (BrokenProcessPool, CancelledError):
                self._pool.renew(self._generation)
                self._future, self._generation = self._pool.send(*self._asked)
            else:
                return results


class Workers:
    """Processes on this machine, spawned, each with a limit of time for each batch."""

    def __init__(self, number: int) -> None:
        self.ahead = AHEAD * number
        self._number, self._generation = number, 0
        self._pool = self._new()

    def submit(self, work: Work, names: Names, seconds: float) -> Task:
        """Give a batch to the next free process."""
        return _OfPool(self, work, names, seconds)

    def send(self, work: Work, names: Names, seconds: float) -> tuple[Any, int]:
        """Give a batch to the pool that there is; what it will be, and which pool that is."""
        try:
            return self._pool.schedule(_listed, args=[work, names], timeout=seconds), self._generation
        except RuntimeError:  # it broke meanwhile
            self.renew(self._generation)
            return self._pool.schedule(_listed, args=[work, names], timeout=seconds), self._generation

    def renew(self, generation: int) -> None:
        """Replace the pool of that generation, unless that was done already.

        Raises
        ------
        EngineError
            If pools break again and again.
        """
        if generation == self._generation:
            self.close()
            self._generation += 1
            if self._generation > POOLS:
                raise EngineError("processes end as soon as they begin; is the machine out of memory?")
            self._pool = self._new()

    def close(self) -> None:
        """End the processes."""
        self._pool.stop()
        self._pool.join()

    def _new(self) -> Any:
        from pebble import ProcessPool

        pool = ProcessPool(self._number, context=_Spawned())
        with without_interrupts():
            assert pool.active  # which begins it
        return pool


class _Process(SpawnProcess):
    """A spawned process that is not meant to end by itself; pebble takes the status 0 for an end that was meant."""

    @property
    def exitcode(self) -> int | None:
        status = super().exitcode
        return ENDED if status == 0 else status


class _Spawned(SpawnContext):
    Process = _Process


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Let Ctrl-C wait; the threads and processes that begin here never hear of it, so that it is the parent's."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _OfCluster:
    """A task on a cluster, given to it again when its scheduler came back without it."""

    def __init__(self, cluster: Cluster, work: Work, names: Names, seconds: float) -> None:
        self._cluster, self._asked, self._seconds = cluster, (work, names), seconds
        self._future, self._connection = cluster.send(work, names)

    def result(self) -> Results:
        from distributed import KilledWorker

        while True:
            if self._connection != self._cluster.connection:
                self._future, self._connection = self._cluster.send(*self._asked)
            try:
                results: Results = self._future.result(timeout=self._seconds)
            except KilledWorker as error:
                raise Lost("crash", "its workers died") from error
            except (*self._cluster.gone, RuntimeError) as error:
                if not self._cluster.alive():
                    self._cluster.connect()
                elif isinstance(error, TimeoutError):
                    self._future.cancel()
                    raise Lost("timeout", f"no answer after {self._seconds:g} s") from error
                elif isinstance(error, self._cluster.gone):
                    self._future, self._connection = self._cluster.send(*self._asked)
                else:
                    raise
            else:
                return results


class Cluster:
    """A Dask cluster, at the address that the user gave and nowhere else; the checkout is shipped to its workers.

    Parameters
    ----------
    address : str
        ``tcp://HOST:PORT`` of its scheduler.

    Raises
    ------
    EngineError
        If that is no address, dask.distributed is not installed, or no scheduler answers there.
    """

    def __init__(self, address: str) -> None:
        if not re.fullmatch(r"tcp://[\w.\-\[\]:]+:\d+", address):
            raise EngineError(f"{address!r} is no engine; expected local or tcp://HOST:PORT")
        try:
            from distributed.client import FutureCancelledError
            from distributed.comm import CommClosedError
        except ImportError as error:
            raise EngineError("dask.distributed is not installed; install the group cluster, or use local") from error
        from concurrent.futures import CancelledError

        self.gone = (CommClosedError, FutureCancelledError, CancelledError, TimeoutError, OSError)
        self.connection = 0
        self._address = address
        self._client: Any = None  # a Client while connected
        self._scheduler = ""
        self._folder = TemporaryDirectory()
        self._shipment = _packed(Path(self._folder.name) / "gradaudit.zip")
        self.connect(wait=10.0)
        self.ahead = AHEAD * max(1, self._processes())

    def connect(self, wait: float = AWAY_SECONDS) -> None:
        """Connect to the scheduler, again if it was gone, and ship the checkout."""
        from distributed import Client

        self._disconnect()
        end = time.monotonic() + wait
        while True:
            try:
                client = Client(self._address, timeout=5, set_as_default=False)
                client.upload_file(str(self._shipment))
                self._scheduler = client.sync(client.scheduler.identity)["id"]
            except self.gone as error:
                if time.monotonic() > end:
                    raise EngineError(f"no scheduler answers at {self._address}; start one, or name another") from error
                time.sleep(0.5)
            else:
                self._client = client
                self.connection += 1
                return

    def _processes(self) -> int:
        """How many workers there are now."""
        return len(self._client.scheduler_info(n_workers=-1)["workers"])

    def alive(self) -> bool:
        """Whether the scheduler is still the one that was given the checkout; a new one has to be given it again."""
        try:
            return bool(self._client.sync(self._client.scheduler.identity)["id"] == self._scheduler)
        except self.gone:
            return False

    def send(self, work: Work, names: Names) -> tuple[Any, int]:
        """Give a batch to the cluster; what it will be, and over which connection."""
        while True:
            try:
                return self._client.submit(_listed, work, names, pure=False), self.connection
            except self.gone:
                self.connect()

    def submit(self, work: Work, names: Names, seconds: float) -> Task:
        """Give a batch to the cluster."""
        return _OfCluster(self, work, names, seconds)

    def close(self) -> None:
        """Leave the cluster; it goes on without us."""
        self._disconnect()
        self._folder.cleanup()

    def _disconnect(self) -> None:
        if self._client is not None:
            with contextlib.suppress(Exception):  # the other side may have gone
                self._client.close(timeout=2)
            self._client = None


def engine(name: str, workers: int) -> Engine:
    """The engine of a name: "local", in so many processes (0: in this one), or the address of a cluster.

    Raises
    ------
    EngineError
        If there is none.
    """
    if name != "local":
        return Cluster(name)
    return Workers(workers) if workers else Here()


def _packed(file: Path) -> Path:
    """The checkout's rooms as a zip file, which a worker imports from."""
    with zipfile.ZipFile(file, "w") as packed:
        for room in SHIPPED:
            for path in sorted((ROOT / room).rglob("*")):
                if path.is_file() and path.suffix != ".pyc":
                    packed.write(path, path.relative_to(ROOT))
    return file


def _how(status: int) -> str:
    """How a process ended."""
    if status < 0:
        return f"its process died of {signal.Signals(-status).name}"
    return f"its process ended with {0 if status == ENDED else status}"
