"""A candidate in a process of its own: whatever it does there, the audit goes on.

The process is given a case's numbers and answers with arrays, both as plain bytes through two pipes. What the candidate
prints is thrown away; what it can reach, `cage` says.
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

#: The framework that a user's own implementation is called in the findings.
CANDIDATE = "candidate"
#: How long the candidate's file may take to be imported, beyond the limit of a call, in seconds.
IMPORT_SECONDS = 10.0
#: An answer may be larger than the inputs by this factor, and by so many bytes.
FACTOR, BEYOND = 4, 1 << 24
#: Tells the processes of one audit apart.
_numbers = count()


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
    dtypes: ClassVar[tuple[str, ...]] = DTYPES
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _cage: Cage | None = field(default=None, init=False)
    _ask: int = field(default=-1, init=False)
    _hear: int = field(default=-1, init=False)
    _imported: bool = field(default=False, init=False)

    def __enter__(self) -> Isolated:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be had to keep the process in; empty where all could."""
        note = NOTES[self._cage.kind] if self._cage else ""
        return (note,) if note else ()

    def start(self) -> None:
        """Start the process, if it does not run.

        Raises
        ------
        CandidateError
            If the candidate cannot be imported.
        """
        if self._process is not None:
            return
        file, colon, name = self.target.rpartition(":")
        target = f"{Path(file).resolve()}{colon}{name}" if file else self.target
        child_hears, self._ask = os.pipe()
        self._hear, child_answers = os.pipe()
        os.set_blocking(self._ask, False)  # a candidate that does not read must not stop the audit
        self._cage = cage([private(), *_folders(Path(file)), *map(Path, self.path)], next(_numbers))
        serving = [
            sys.executable,
            "-P",
            "-m",
            "gradaudit.adapters.serving",
            target,
            str(child_hears),
            str(child_answers),
        ]
        self._process = subprocess.Popen(
            [*self._cage.before, *serving, str(self.memory), *self.path],
            pass_fds=(child_hears, child_answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **self._cage.options,
        )
        os.close(child_hears)
        os.close(child_answers)
        limit = self.timeout + IMPORT_SECONDS
        try:
            reply, _ = receive(self._hear, Reply, BEYOND, limit)
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
        """Call the candidate on a problem's arrays with another factor of the regularisation.

        Raises
        ------
        CandidateError
            If the candidate cannot be imported the first time.
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
            send(self._ask, Call(reg, layout, labels), arrays, self.timeout)
            reply, results = receive(self._hear, Reply, longest, self.timeout)
            return _read(reply, results)
        except TimeoutError:
            if self._process is not None and self._process.poll() is not None:  # a child of it kept the pipe open
                return Answer("crash", message=f"the process {self._end()}")
            self.stop()
            return Answer("timeout", message=f"no answer after {self.timeout:g} s")
        except (EOFError, BrokenPipeError):
            return Answer("crash", message=f"the process {self._end()}")
        except (MessageError, TypeError) as error:
            self.stop()
            return Answer("crash", message=f"the answer cannot be read: {in_a_line(str(error))}")

    def answer(self, problem: Problem, layout: str = "C", labels: str = "int64") -> Answer:
        """Its gradients of a problem, as the adapters give theirs."""
        return self.call(problem, problem.reg, layout, labels)

    def stop(self) -> None:
        """End the process and whatever it started."""
        if self._process is not None:
            self._end(at_once=True)

    def _end(self, at_once: bool = False) -> str:
        """How the process ended; whatever it started ends too, and everything that belongs to it is closed."""
        process, self._process = self._process, None
        os.close(self._ask)
        os.close(self._hear)
        if process is None or self._cage is None:
            return "was not there"
        if at_once:
            self._cage.end(process)
        try:
            status = process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._cage.end(process)
            status = process.wait()
        if not at_once:
            self._cage.end(process)
        if self._cage.kind == "bubblewrap" and 128 < status < 192:  # as a shell says it
            status = 128 - status
        return f"died of {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def _read(reply: Reply, results: dict[str, NDArray[Any]]) -> Answer:
    """The answer in a reply.

    Raises
    ------
    MessageError, TypeError
        If it is none.
    """
    warned = tuple(in_a_line(text) for text in reply.warned)
    if not set(reply.changed) <= {*ARRAYS, EARLIER}:
        raise MessageError("it names inputs that there are not")
    if reply.message:
        return Answer("raised", None, in_a_line(reply.message), tuple(reply.changed), warned)
    if set(results) != set(TENSORS):
        raise MessageError(f"it holds {', '.join(sorted(results)) or 'nothing'}; expected {', '.join(TENSORS)}")
    return Answer("gradients", Gradients(**results), "", tuple(reply.changed), warned)


def _folders(file: Path) -> list[Path]:
    """The folder of a file and, where that is a package, the folder that the package is imported from."""
    folder = file.resolve().parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        folder = folder.parent
    return [folder]
