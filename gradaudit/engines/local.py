"""An engine of processes on this machine. Each process may die without an effect on the others."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from gradaudit.engines.base import AHEAD, EngineError, Lost, Names, Results, Task, Work, collect

#: Stands for the exit status 0, which pebble does not report.
ZERO_EXIT = 256
#: The number of pools that may break before the cause is not a task.
POOLS = 20
#: The longest wait for a result without a check for Ctrl-C, in seconds.
LISTEN_SECONDS = 1.0


class _PoolTask:
    """A task of a pool. It is sent to a new pool if the processes of the old pool died before they took it."""

    def __init__(self, pool: Workers, work: Work, names: Names, seconds: float) -> None:
        self._pool, self._request = pool, (work, names, seconds)
        self._future, self._generation = pool.send(*self._request)

    def result(self) -> Results:
        from concurrent.futures import CancelledError, wait
        from concurrent.futures.process import BrokenProcessPool

        from pebble import ProcessExpired

        while True:
            while not wait([self._future], timeout=LISTEN_SECONDS).done:
                pass  # a signal just before a wait does not end the wait, but is handled after it
            try:
                results: Results = self._future.result()
            except TimeoutError:
                raise Lost("timeout", f"no answer after {self._request[2]:g} s") from None
            except ProcessExpired as error:
                raise Lost("crash", _ending(error.exitcode)) from None
            except (BrokenProcessPool, CancelledError):
                self._pool.renew(self._generation)
                self._future, self._generation = self._pool.send(*self._request)
            else:
                return results


class Workers:
    """Spawned processes on this machine, with a limit of time for each batch."""

    def __init__(self, number: int) -> None:
        self.ahead = AHEAD * number
        self._number, self._generation = number, 0
        self._pool = self._new_pool()

    def submit(self, work: Work, names: Names, seconds: float) -> Task:
        """Send a batch to the next free process."""
        return _PoolTask(self, work, names, seconds)

    def send(self, work: Work, names: Names, seconds: float) -> tuple[Any, int]:
        """Send a batch to the pool. Returns its future and the number of the pool."""
        try:
            return self._pool.schedule(collect, args=[work, names], timeout=seconds), self._generation
        except RuntimeError:  # the pool is broken
            self.renew(self._generation)
            return self._pool.schedule(collect, args=[work, names], timeout=seconds), self._generation

    def renew(self, generation: int) -> None:
        """Replace the pool of this generation, if it is still the current pool.

        Raises
        ------
        EngineError
            If too many pools break.
        """
        if generation == self._generation:
            self.close()
            self._generation += 1
            if self._generation > POOLS:
                raise EngineError("processes end as soon as they start; is the machine out of memory?")
            self._pool = self._new_pool()

    def close(self) -> None:
        """End the processes."""
        self._pool.stop()
        self._pool.join()

    def _new_pool(self) -> Any:
        from pebble import ProcessPool

        pool = ProcessPool(self._number, context=_SpawnContext())
        with without_interrupts():
            assert pool.active  # this starts the pool
        return pool


class _Process(SpawnProcess):
    """A spawned process that should not end by itself. For pebble the exit status 0 is a normal end."""

    @property
    def exitcode(self) -> int | None:
        status = super().exitcode
        return ZERO_EXIT if status == 0 else status


class _SpawnContext(SpawnContext):
    Process = _Process


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Block Ctrl-C. Threads and processes that start here never receive it, so that only the parent does."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _ending(status: int) -> str:
    """How a process ended."""
    if status < 0:
        return f"its process died of {signal.Signals(-status).name}"
    return f"its process ended with {0 if status == ZERO_EXIT else status}"
