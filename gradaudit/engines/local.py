"""Processes on this machine as the place where the work runs; each may end as it likes."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from gradaudit.engines.base import AHEAD, EngineError, Lost, Names, Results, Task, Work, listed

#: How a process is said to have ended that ended with 0, which pebble would say nothing of.
ENDED = 256
#: So many pools may break before it is not the tasks' fault.
POOLS = 20
#: How often it is listened for Ctrl-C, at least, while a result is waited for, in seconds.
LISTEN_SECONDS = 1.0


class _OfPool:
    """A task of a pool, given to a new one when all processes of the old one were gone before they took it."""

    def __init__(self, pool: Workers, work: Work, names: Names, seconds: float) -> None:
        self._pool, self._asked = pool, (work, names, seconds)
        self._future, self._generation = pool.send(*self._asked)

    def result(self) -> Results:
        from concurrent.futures import CancelledError, wait
        from concurrent.futures.process import BrokenProcessPool

        from pebble import ProcessExpired

        while True:
            while not wait([self._future], timeout=LISTEN_SECONDS).done:
                pass  # a signal that comes just before a wait begins does not end it, but is heard after it
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
            return self._pool.schedule(listed, args=[work, names], timeout=seconds), self._generation
        except RuntimeError:  # it broke meanwhile
            self.renew(self._generation)
            return self._pool.schedule(listed, args=[work, names], timeout=seconds), self._generation

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


def _how(status: int) -> str:
    """How a process ended."""
    if status < 0:
        return f"its process died of {signal.Signals(-status).name}"
    return f"its process ended with {0 if status == ENDED else status}"
