"""An engine on a Dask cluster. The scheduler may disappear and come back during a run."""

from __future__ import annotations

import contextlib
import re
import time
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gradaudit.engines.base import AHEAD, EngineError, Lost, Names, Results, Task, Work, collect

#: How long to wait for a scheduler that has disappeared, in seconds.
AWAY_SECONDS = 120.0
#: The package, which the workers of the cluster need.
PACKAGE = Path(__file__).resolve().parents[1]


class _ClusterTask:
    """A task on a cluster. It is sent again if the scheduler restarts and does not have it."""

    def __init__(self, cluster: Cluster, work: Work, names: Names, seconds: float) -> None:
        self._cluster, self._request, self._seconds = cluster, (work, names), seconds
        self._future, self._connection = cluster.send(work, names)

    def result(self) -> Results:
        from distributed import KilledWorker

        while True:
            if self._connection != self._cluster.connection:
                self._future, self._connection = self._cluster.send(*self._request)
            try:
                results: Results = self._future.result(timeout=self._seconds)
            except KilledWorker as error:
                raise Lost("crash", "its workers died") from error
            except (*self._cluster.disconnections, RuntimeError) as error:
                if not self._cluster.alive():
                    self._cluster.connect()
                elif isinstance(error, TimeoutError):
                    self._future.cancel()
                    raise Lost("timeout", f"no answer after {self._seconds:g} s") from error
                elif isinstance(error, self._cluster.disconnections):
                    self._future, self._connection = self._cluster.send(*self._request)
                else:
                    raise
            else:
                return results


class Cluster:
    """A Dask cluster at the address of the user. The package is sent to its workers.

    Parameters
    ----------
    address : str
        ``tcp://HOST:PORT`` of its scheduler.

    Raises
    ------
    EngineError
        If the address is invalid, dask.distributed is not installed, or no scheduler answers there.
    """

    def __init__(self, address: str) -> None:
        if not re.fullmatch(r"tcp://[\w.\-\[\]:]+:\d+", address):
            raise EngineError(f"{address!r} is not an engine; expected local or tcp://HOST:PORT")
        try:
            from distributed.client import FutureCancelledError
            from distributed.comm import CommClosedError
        except ImportError as error:
            raise EngineError("dask.distributed is not installed; install gradaudit[cluster], or use local") from error
        from concurrent.futures import CancelledError

        self.disconnections = (CommClosedError, FutureCancelledError, CancelledError, TimeoutError, OSError)
        self.connection = 0
        self._address = address
        self._client: Any = None  # a Client while connected
        self._scheduler = ""
        self._folder = TemporaryDirectory()
        self._shipment = _pack(Path(self._folder.name) / "gradaudit.zip")
        self.connect(wait=10.0)
        self.ahead = AHEAD * max(1, self._processes())

    def connect(self, wait: float = AWAY_SECONDS) -> None:
        """Connect to the scheduler, if necessary again, and send the package."""
        from distributed import Client

        self._disconnect()
        end = time.monotonic() + wait
        while True:
            try:
                client = Client(self._address, timeout=5, set_as_default=False)
                client.upload_file(str(self._shipment))
                self._scheduler = client.sync(client.scheduler.identity)["id"]
            except self.disconnections as error:
                if time.monotonic() > end:
                    raise EngineError(
                        f"no scheduler answers at {self._address}; start a scheduler, or give another address"
                    ) from error
                time.sleep(0.5)
            else:
                self._client = client
                self.connection += 1
                return

    def _processes(self) -> int:
        """The number of workers now."""
        return len(self._client.scheduler_info(n_workers=-1)["workers"])

    def alive(self) -> bool:
        """Whether it is still the same scheduler. A new scheduler needs the package again."""
        try:
            return bool(self._client.sync(self._client.scheduler.identity)["id"] == self._scheduler)
        except self.disconnections:
            return False

    def send(self, work: Work, names: Names) -> tuple[Any, int]:
        """Send a batch to the cluster. Returns its future and the number of the connection."""
        while True:
            try:
                return self._client.submit(collect, work, names, pure=False), self.connection
            except self.disconnections:
                self.connect()

    def submit(self, work: Work, names: Names, seconds: float) -> Task:
        """Send a batch to the cluster."""
        return _ClusterTask(self, work, names, seconds)

    def close(self) -> None:
        """Disconnect from the cluster, which goes on."""
        self._disconnect()
        self._folder.cleanup()

    def _disconnect(self) -> None:
        if self._client is not None:
            with contextlib.suppress(Exception):  # the other side may be closed
                self._client.close(timeout=2)
            self._client = None


def _pack(file: Path) -> Path:
    """The package as a zip file, from which a worker imports."""
    with zipfile.ZipFile(file, "w") as archive:
        for room in (PACKAGE, *(link for link in sorted(PACKAGE.iterdir()) if link.is_symlink())):
            for path in sorted(room.rglob("*")):
                if path.is_file() and path.suffix != ".pyc":
                    archive.write(path, path.relative_to(PACKAGE.parent))
    return file
