"""A Dask cluster on the loopback: the same findings, whatever of it dies on the way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.places import ROOT
from tests.suite.test_sweep import paused, same

COUNT = 1500
RUN = ["sweep", "--frameworks", "numpy", "--count", str(COUNT)]


def start(*command: str, folder: Path) -> subprocess.Popen[bytes]:
    """A process of the cluster, away from the checkout, which has to be shipped to it."""
    return subprocess.Popen(
        [sys.executable, "-m", *command], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


class Dask:
    """A scheduler and two workers."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        self.begin()

    def begin(self) -> None:
        options = ["--host", self.address, "--no-dashboard", "--no-show"]
        self.scheduler = start("distributed.cli.dask_scheduler", *options, folder=self.folder)
        while len(self.workers) < 2:
            options = [self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "600"]
            self.workers.append(start("distributed.cli.dask_worker", *options, folder=self.folder))

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()
        self.workers.clear()


@pytest.fixture
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    cluster = Dask(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.end()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of the same sweep in one process."""
    out = tmp_path_factory.mktemp("whole")
    subprocess.run(
        [sys.executable, "-m", "gradaudit", *RUN, "--out", str(out)], cwd=ROOT, check=True, capture_output=True
    )
    return out


def sweep(dask: Dask, out: Path) -> subprocess.Popen[str]:
    """A sweep on the cluster that waits after three batches."""
    return paused(*RUN, "--engine", dask.address, "--out", str(out))


def test_a_worker_that_is_killed_midway_loses_nothing(dask: Dask, whole: Path, tmp_path: Path) -> None:
    running = sweep(dask, tmp_path)
    os.kill(dask.workers[0].pid, signal.SIGKILL)
    out, error = running.communicate("go on\n")
    assert running.returncode == 0, out + error
    assert same(tmp_path, whole)


def test_a_scheduler_that_goes_away_and_comes_back_loses_nothing(dask: Dask, whole: Path, tmp_path: Path) -> None:
    running = sweep(dask, tmp_path)
    dask.end()
    dask.begin()
    out, error = running.communicate("go on\n")
    assert running.returncode == 0, out + error
    assert same(tmp_path, whole)


def test_random_functions_on_a_cluster_leave_the_same_record(dask: Dask, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gradaudit", "sweep", "--functions", "--frameworks", "numpy", "--count", "40"]
    for name, engine in (("here", ["--workers", "0"]), ("there", ["--engine", dask.address])):
        out = tmp_path / name
        ended = subprocess.run(
            [*command, *engine, "--out", str(out)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
    assert same(tmp_path / "here", tmp_path / "there")


def test_a_scheduler_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gradaudit", *RUN, "--engine", "tcp://127.0.0.1:9", "--out", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "no scheduler answers at tcp://127.0.0.1:9" in ended.stderr.splitlines()[-1]
