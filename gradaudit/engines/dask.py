"""A Dask cluster as the place where the work runs; it may come and go meanwhile."""

from __future__ import annotations

import contextlib
import re
import time
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gradaudit.engines.base import AHEAD, EngineError, Lost, Names, Results, Task, Work, listed

#: How long a scheduler that has gone away is waited for, in seconds.
AWAY_SECONDS = 120.0
#: The package, which workers elsewhere need.
PACKAGE = Path(__file__).resolve().parents[1]


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
    """A Dask cluster, at the address that the user gave and nowhere else; the package is shipped to its workers.

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
            raise EngineError("dask.distributed is not installed; install gradaudit[cluster], or use local") from error
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
        """Connect to the scheduler, again if it was gone, and ship the package."""
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
        """Whether the scheduler is still the one that was given the package; a new one has to be given it again."""
        try:
            return bool(self._client.sync(self._client.scheduler.identity)["id"] == self._scheduler)
        except self.gone:
            return False

    def send(self, work: Work, names: Names) -> tuple[Any, int]:
        """Give a batch to the cluster; what it will be, and over which connection."""
        while True:
            try:
                return self._client.submit(listed, work, names, pure=False), self.connection
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


def _packed(file: Path) -> Path:
    """The package as a zip file, which a worker imports from."""
    with zipfile.ZipFile(file, "w") as packed:
        for room in (PACKAGE, *(link for link in sorted(PACKAGE.iterdir()) if link.is_symlink())):
            for path in sorted(room.rglob("*")):
                if path.is_file() and path.suffix != ".pyc":
                    packed.write(path, path.relative_to(PACKAGE.parent))
    return file
