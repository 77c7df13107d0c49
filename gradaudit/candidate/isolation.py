"""A candidate in a separate process: the audit goes on, whatever the candidate does.

The process receives the numbers of a case and answers with arrays, both as plain bytes through two pipes. The output of
the candidate is not shown. `cage` says what the candidate can reach.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from gradaudit.adapters.calls import EARLIER, Answer
from gradaudit.adapters.candidate import CandidateError
from gradaudit.adapters.messages import Call, MessageError, Reply, receive, send
from gradaudit.candidate.cage import NOTES, Cage, cage, private
from gradaudit.reference.problem import ARRAYS, DTYPES, TENSORS, Gradients, Problem
from gradaudit.verdicts.words import in_a_line

#: The framework of a user's implementation in the findings.
CANDIDATE = "candidate"
#: The time for the import of the candidate's file, in addition to the limit of a call, in seconds.
IMPORT_SECONDS = 10.0
#: An answer may be larger than the inputs by this factor, plus this number of bytes.
FACTOR, BEYOND = 4, 1 << 24
#: Numbers for the processes of an audit.
_numbers = count()


@dataclass
class Isolated:
    """The process of a candidate. It starts at the first call, and again after it dies.

    Parameters
    ----------
    target : str
        ``FILE.py:NAME``.
    timeout : float
        The limit of a call, in seconds.
    memory : int
        The limit of the memory of calls, in addition to the memory of the candidate's imports, in MiB.
    path : tuple of str
        More folders for its imports, in addition to its own folder.
    """

    target: str
    timeout: float = 10.0
    memory: int = 4096
    path: tuple[str, ...] = ()
    dtypes: ClassVar[tuple[str, ...]] = DTYPES
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _cage: Cage | None = field(default=None, init=False)
    _writer: int = field(default=-1, init=False)
    _reader: int = field(default=-1, init=False)
    _imported: bool = field(default=False, init=False)

    def __enter__(self) -> Isolated:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def notes(self) -> tuple[str, ...]:
        """A note if the process is not fully isolated; otherwise empty."""
        note = NOTES[self._cage.kind] if self._cage else ""
        return (note,) if note else ()

    def start(self) -> None:
        """Start the process, if it is not running.

        Raises
        ------
        CandidateError
            If the candidate cannot be imported.
        """
        if self._process is not None:
            return
        file, colon, name = self.target.rpartition(":")
        target = f"{Path(file).resolve()}{colon}{name}" if file else self.target
        child_input, self._writer = os.pipe()
        self._reader, child_output = os.pipe()
        os.set_blocking(self._writer, False)  # a candidate that does not read must not stop the audit
        self._cage = cage([private(), *_folders(Path(file)), *map(Path, self.path)], next(_numbers))
        command = [
            sys.executable,
            "-P",
            "-m",
            "gradaudit.adapters.serving",
            target,
            str(child_input),
            str(child_output),
        ]
        self._process = subprocess.Popen(
            [*self._cage.before, *command, str(self.memory), *self.path],
            pass_fds=(child_input, child_output),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **self._cage.options,
        )
        os.close(child_input)
        os.close(child_output)
        limit = self.timeout + IMPORT_SECONDS
        try:
            reply, _ = receive(self._reader, Reply, BEYOND, limit)
        except TimeoutError:
            self.stop()
            raise CandidateError(f"{self.target} is not imported after {limit:g} s") from None
        except (EOFError, MessageError):
            raise CandidateError(f"{self.target} cannot be imported: the process {self._end()}") from None
        if reply.message:
            self.stop()
            raise CandidateError(
                in_a_line(reply.message).replace(target, self.target).replace(str(Path(file).resolve()), file)
            )
        self._imported = True

    def call(self, problem: Problem, reg: float, layout: str = "C", labels: str = "int64") -> Answer:
        """Call the candidate on the arrays of a problem, with this factor of the regularisation.

        Raises
        ------
        CandidateError
            If the first import of the candidate fails.
        """
        try:
            self.start()
        except CandidateError as error:
            if not self._imported:
                raise
            return Answer("crash", message=f"it cannot be imported again: {error}")
        arrays = {name: getattr(problem, name) for name in ARRAYS}
        longest = FACTOR * sum(array.nbytes for array in arrays.values()) + BEYOND
        try:
            send(self._writer, Call(reg, layout, labels), arrays, self.timeout)
            reply, results = receive(self._reader, Reply, longest, self.timeout)
            return _read(reply, results)
        except TimeoutError:
            if self._process is not None and self._process.poll() is not None:  # a child process keeps the pipe open
                return Answer("crash", message=f"the process {self._end()}")
            self.stop()
            return Answer("timeout", message=f"no answer after {self.timeout:g} s")
        except (EOFError, BrokenPipeError):
            return Answer("crash", message=f"the process {self._end()}")
        except (MessageError, TypeError) as error:
            self.stop()
            return Answer("crash", message=f"the answer cannot be read: {in_a_line(str(error))}")

    def answer(self, problem: Problem, layout: str = "C", labels: str = "int64") -> Answer:
        """The answer of the candidate on a problem, as for an adapter."""
        return self.call(problem, problem.reg, layout, labels)

    def stop(self) -> None:
        """End the process and all processes that it started."""
        if self._process is not None:
            self._end(at_once=True)

    def _end(self, at_once: bool = False) -> str:
        """End everything that the process started, and close its pipes. Returns how the process ended."""
        process, self._process = self._process, None
        os.close(self._writer)
        os.close(self._reader)
        if process is None or self._cage is None:
            return "was not running"
        if at_once:
            self._cage.end(process)
        try:
            status = process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._cage.end(process)
            status = process.wait()
        if not at_once:
            self._cage.end(process)
        if self._cage.kind == "bubblewrap" and 128 < status < 192:  # the status of a shell after a signal
            status = 128 - status
        return f"died of {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def _read(reply: Reply, results: dict[str, NDArray[Any]]) -> Answer:
    """The answer in a reply.

    Raises
    ------
    MessageError, TypeError
        If the reply contains no valid answer.
    """
    texts = tuple(in_a_line(text) for text in reply.warned)
    if not set(reply.changed) <= {*ARRAYS, EARLIER}:
        raise MessageError("it names unknown inputs")
    if reply.message:
        return Answer("raised", None, in_a_line(reply.message), tuple(reply.changed), texts)
    if set(results) != set(TENSORS):
        raise MessageError(f"it contains {', '.join(sorted(results)) or 'nothing'}; expected {', '.join(TENSORS)}")
    return Answer("gradients", Gradients(**results), "", tuple(reply.changed), texts)


def _folders(file: Path) -> list[Path]:
    """The folder of a file. If it is a package: the folder from which the package is imported."""
    folder = file.resolve().parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        folder = folder.parent
    return [folder]
