"""The cage of a candidate's process: it cannot reach the answers, the checkout, the record and other processes.

If bubblewrap works, the process has its own view of the system: all files are read-only, the files of the project are
hidden, there is no network, and it sees only its own processes, which end with it. If bubblewrap does not work and root
runs the audit, the process runs as a separate user. Otherwise it has the rights of the caller, and a note says so.

References
----------
bubblewrap, github.com/containers/bubblewrap: its manual, and namespaces(7).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from gradaudit.adapters.serving import PRIVATE

PACKAGE = Path(__file__).resolve().parents[1]
#: The root of the checkout, in which two folders of the package are links; None if this is not a checkout.
ROOT = PACKAGE.parent if (PACKAGE / "reference").is_symlink() else None
#: The folders of the project that contain answers.
ANSWERS = (
    *(() if ROOT is None else (ROOT / name for name in ("adapters", "reference", "tests", ".git"))),
    PACKAGE,
)
#: The folder where a process in bubblewrap may write. Its content is deleted with the process.
SCRATCH = "/dev/shm"
#: The first user number for processes that run as separate users.
FIRST_USER = 1 << 20
#: The environment variable that marks a process, to find it if it leaves its session.
MARK = "GRADAUDIT_CANDIDATE"

Kind = Literal["bubblewrap", "user", "none"]
NOTES: dict[Kind, str] = {
    "bubblewrap": "",
    "user": "it ran as a separate user, but saw the files of the system: bubblewrap does not work here",
    "none": "it ran with your rights, and could read the answers and write your files: "
    "bubblewrap does not work here (install bwrap), and another user cannot read its folder",
}


@dataclass(frozen=True)
class Cage:
    """How a candidate's process is started.

    Attributes
    ----------
    kind : {"bubblewrap", "user", "none"}
        How the process is isolated.
    before : tuple of str
        The words before its command.
    options : dict
        The options of subprocess.Popen.
    user : int or None
        The separate user that it runs as, if any.
    """

    kind: Kind
    before: tuple[str, ...]
    options: dict[str, Any]
    user: int | None = None

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End the process and all processes that it started, also those in other sessions."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # in bubblewrap all others end with the first
        if self.user is not None:
            _end_all_of(self.user)
        elif self.kind == "none":
            _end_marked(self.options["env"][MARK])


def cage(visible: Sequence[Path], number: int) -> Cage:
    """The best cage that works here.

    Parameters
    ----------
    visible : sequence of Path
        The folders that the candidate may read: its own, those of its imports, and the copy of the modules that it
        needs.
    number : int
        The number of this process in the audit.
    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    paths = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and Path(p).resolve() != PACKAGE.parent]
    environment["PYTHONPATH"] = os.pathsep.join([str(private()), *paths])
    kind = best()
    if kind == "bubblewrap":
        environment |= {"HOME": SCRATCH, "TMPDIR": SCRATCH}
        return Cage(kind, _bubblewrap(visible), {"env": environment})
    if kind == "user":
        user = FIRST_USER + (os.getpid() % 4096) * 256 + number % 256
        options = {"user": user, "group": user, "extra_groups": []}
        if _readable(visible, options):
            return Cage(kind, (), options | {"env": environment | {"HOME": "/nonexistent"}}, user)
    return Cage("none", (), {"env": environment | {MARK: f"{os.getpid()}-{number}"}})


def _bubblewrap(visible: Sequence[Path]) -> tuple[str, ...]:
    """The words of the command that gives a process its own view of the system."""
    words = ["bwrap", "--die-with-parent", "--unshare-all", "--new-session"]
    words += ["--cap-drop", "ALL"]  # otherwise root could unmount the folders that hide the answers
    words += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    for folder in ANSWERS:
        if folder.is_dir():
            words += ["--tmpfs", str(folder)]
    prefixes = [Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix)]
    for folder in dict.fromkeys([*prefixes, *(path.resolve() for path in visible)]):
        if any(folder.is_relative_to(place) for place in ANSWERS):
            words += ["--ro-bind", str(folder), str(folder)]
    cwd = Path.cwd().resolve()
    is_visible = not any(cwd.is_relative_to(place) for place in ANSWERS)
    return (*words, "--chdir", str(cwd if is_visible else visible[0].resolve()))


def _readable(folders: Sequence[Path], user: dict[str, Any]) -> bool:
    """Whether a user can read these folders and the Python files in them. A missing folder is ignored."""
    words = [str(folder) for folder in folders if folder.is_dir()]
    test = 'for folder; do cd "$folder" || exit 1; for f in . *.py; do [ ! -e "$f" -o -r "$f" ] || exit 1; done; done'
    process = subprocess.run(["sh", "-c", test, "sh", *words], capture_output=True, check=False, cwd="/", **user)
    return process.returncode == 0


@lru_cache(maxsize=1)
def best() -> Kind:
    """The best kind of cage that works here. It is tried once in each process."""
    if shutil.which("bwrap"):
        trial = subprocess.run(
            [*_bubblewrap([private()]), sys.executable, "-S", "-c", ""], capture_output=True, check=False
        )
        if trial.returncode == 0:
            return "bubblewrap"
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            command = [sys.executable, "-c", "import numpy"]
            trial = subprocess.run(
                command, user=FIRST_USER, group=FIRST_USER, extra_groups=[], capture_output=True, check=False
            )
            if trial.returncode == 0:
                return "user"
    return "none"


@lru_cache(maxsize=1)
def private() -> Path:
    """A folder with a copy of the modules that a candidate's process needs, and nothing else; made once."""
    folder = tempfile.TemporaryDirectory(prefix="gradaudit-")
    _folders.append(folder)
    place = Path(folder.name)
    place.chmod(0o755)
    for name in PRIVATE:
        copy = place / PACKAGE.name / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        for package in (copy.parent, copy.parent.parent):
            (package / "__init__.py").touch()
        shutil.copyfile(PACKAGE / name, copy)
    return place


#: Folders that are removed when this process ends.
_folders: list[tempfile.TemporaryDirectory[str]] = []


def _end_all_of(user: int) -> None:
    """End every process of a user. A process of that user does it, which can end only its own processes."""
    script = f"import os; os.setgroups([]); os.setgid({user}); os.setuid({user}); os.kill(-1, 9)"
    subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, check=False)


def _end_marked(mark: str) -> None:
    """End every process with the mark in its environment, if the system shows the environment."""
    for _ in range(3):  # a process may start another process in between
        for process in _processes(mark):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)


def _processes(mark: str) -> Iterator[int]:
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in environment.read_bytes().split(b"\0"):
                yield int(environment.parent.name)
