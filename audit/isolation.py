"""A candidate in a process of its own: whatever it does there, the audit goes on.

The process is given a case's numbers and answers with arrays, both as plain .npy data through two pipes, never as
pickles. What the candidate prints is thrown away.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from adapters.calls import Caller, Outcome, in_words
from adapters.candidate import CandidateError, call, load
from reference.problem import TENSORS, Gradients, Problem

ROOT = Path(__file__).parent.parent
#: How long the candidate's file may take to be imported, beyond the limit of a call, in seconds.
IMPORT_SECONDS = 10.0
#: An answer larger than this is not read, in bytes.
LARGEST = 1 << 30
MIB = 1 << 20


@dataclass(frozen=True, eq=False)
class Answer:
    """What came of one call.

    Attributes
    ----------
    outcome : {"gradients", "raised", "crash", "timeout"}
        What happened.
    gradients : Gradients or None
        What it returned.
    message : str
        Why there are no gradients.
    changed : tuple of str
        The inputs that it changed.
    warned : tuple of str
        The warnings that it raised.
    """

    outcome: Literal["gradients", "raised", "crash", "timeout"]
    gradients: Gradients | None = None
    message: str = ""
    changed: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()


@dataclass
class Isolated:
    """A candidate's process, started when it is first called, and again after it died.

    Parameters
    ----------
    target : str
        ``FILE.py:NAME``.
    timeout : float
        The limit of a call, in seconds.
    memory : int
        How much memory calls may take, beyond what the candidate's imports took, in MiB.
    path : tuple of str
        Folders in which its imports are looked for, beside its own.
    """

    target: str
    timeout: float = 10.0
    memory: int = 4096
    path: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _ask: int = field(default=-1, init=False)
    _hear: int = field(default=-1, init=False)

    def __enter__(self) -> Isolated:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process, if it does not run.

        Raises
        ------
        CandidateError
            If the candidate cannot be imported.
        """
        if self._process is not None:
            return
        child_hears, self._ask = os.pipe()
        self._hear, child_answers = os.pipe()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "audit.isolation",
                self.target,
                str(child_hears),
                str(child_answers),
                str(self.memory),
                *self.path,
            ],
            pass_fds=(child_hears, child_answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
            start_new_session=True,
        )
        os.close(child_hears)
        os.close(child_answers)
        try:
            header, _ = _read(self._hear, self.timeout + IMPORT_SECONDS)
        except TimeoutError:
            self.stop()
            raise CandidateError(f"{self.target} is not imported after {self.timeout + IMPORT_SECONDS:g} s") from None
        except EOFError:
            raise CandidateError(f"{self.target} cannot be imported: the process {self._end()}") from None
        if header["message"]:
            self.stop()
            raise CandidateError(header["message"])

    def call(self, problem: Problem, reg: float, layout: str = "C", labels: str = "int64") -> Answer:
        """Call the candidate on a problem's arrays with another factor of the regularisation.

        Raises
        ------
        CandidateError
            If the candidate cannot be imported.
        """
        self.start()
        arrays = {name: getattr(problem, name) for name in ("X", "y", "W1", "b1", "W2", "b2")}
        try:
            _write(self._ask, {"reg": reg, "layout": layout, "labels": labels}, arrays)
            header, results = _read(self._hear, self.timeout)
        except TimeoutError:
            self.stop()
            return Answer("timeout", message=f"no answer after {self.timeout:g} s")
        except (EOFError, BrokenPipeError):
            return Answer("crash", message=f"the process {self._end()}")
        except ValueError as error:
            self.stop()
            return Answer("crash", message=f"the answer cannot be read: {error}")
        changed, warned = tuple(header["changed"]), tuple(map(_printable, header["warned"]))
        if header["message"]:
            return Answer("raised", None, _printable(header["message"]), changed, warned)
        return Answer("gradients", Gradients(**results), "", changed, warned)

    def stop(self) -> None:
        """End the process and whatever it started."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._end()

    def _end(self) -> str:
        """How the process ended; everything that belongs to it is closed."""
        process, self._process = self._process, None
        os.close(self._ask)
        os.close(self._hear)
        if process is None:
            return "was not there"
        try:
            status = process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        if status < 0:
            return f"died of {signal.Signals(-status).name}"
        return f"ended with status {status}"


def _printable(text: str) -> str:
    """The text with what no console can print replaced."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _write(pipe: int, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Send a message: its length, then a .npz archive with the header as JSON in it."""
    packed = io.BytesIO()
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    np.savez(packed, allow_pickle=False, header=text, **arrays)
    content = packed.getbuffer()
    for part in (len(content).to_bytes(8, "little"), content):
        view = memoryview(part)
        while view:
            view = view[os.write(pipe, view) :]


def _read(pipe: int, seconds: float | None) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Receive a message within so many seconds (None: whenever it comes).

    Raises
    ------
    TimeoutError, EOFError, ValueError
        If it is late, if the other side has gone, if it is no message.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    length = int.from_bytes(_exactly(pipe, 8, deadline), "little")
    if length > LARGEST:
        raise ValueError(f"it has {length} bytes")
    with np.load(io.BytesIO(_exactly(pipe, length, deadline)), allow_pickle=False) as message:
        arrays = {name: message[name] for name in message.files}
    header: dict[str, Any] = json.loads(arrays.pop("header").tobytes())
    return header, arrays


def _exactly(pipe: int, size: int, deadline: float | None) -> bytes:
    parts = []
    while size:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([pipe], [], [], left)[0]:
            raise TimeoutError
        part = os.read(pipe, min(size, MIB))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _serve(target: str, hears: int, answers: int, memory: int, path: list[str]) -> None:
    """The candidate's process: import it, then answer calls until the other side goes."""
    try:
        candidate = load(target, path)
    except CandidateError as error:
        _write(answers, {"message": " ".join(str(error).split())}, {})
        return
    caller = Caller(lambda inputs: call(candidate, inputs))
    _limit_memory(memory)
    _write(answers, {"message": ""}, {})
    while True:
        try:
            header, arrays = _read(hears, None)
        except EOFError:
            return
        _write(answers, *_answer(caller, header, arrays))


def _answer(
    caller: Caller, header: dict[str, Any], arrays: dict[str, NDArray[Any]]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Call the candidate once, and say what came of it."""
    results: dict[str, NDArray[Any]] = {}
    message = ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            outcome = caller(Problem(**arrays, reg=0.0), header["layout"], header["labels"], header["reg"])
        except KeyboardInterrupt as error:  # the candidate's own: Ctrl-C is the parent's
            outcome = Outcome(None, error, ())
    if outcome.gradients is not None:
        results = {name: getattr(outcome.gradients, name) for name in TENSORS}
    elif isinstance(outcome.error, MemoryError):
        message = "MemoryError: it took more memory than it may"
    else:
        message = in_words(outcome.error)[:1000]
    warned = sorted({" ".join(f"{w.category.__name__}: {w.message}".split())[:200] for w in caught})[:5]
    return {"message": message, "changed": outcome.changed, "warned": warned}, results


def _limit_memory(mib: int) -> None:
    """Let the process take so much more memory than it has now, where the system can limit it."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        return
    limit = pages * resource.getpagesize() + mib * MIB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    hears, answers, memory = map(int, sys.argv[2:5])
    _serve(sys.argv[1], hears, answers, memory, sys.argv[5:])
