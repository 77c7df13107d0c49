"""What a candidate's process cannot reach: the answers, the checkout, the record, and other processes.

Where bubblewrap works, the process has its own view of the system: all files read-only, those of the project hidden,
no network, and no process but its own, which all end with it. Where it does not, and the audit is root's, the process
runs as a user of its own. Elsewhere it has the rights of whoever called, and a note says so.

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
#: What belongs to the project where it lies in a checkout, of which two rooms of the package are links to folders.
ROOT = PACKAGE.parent if (PACKAGE / "reference").is_symlink() else None
#: What of the project holds answers.
ANSWERS = (
    *(() if ROOT is None else (ROOT / name for name in ("adapters", "reference", "tests", ".git"))),
    PACKAGE,
)
#: Where a process in bubblewrap may write; what it writes goes with it.
SCRATCH = "/dev/shm"
#: The first of the users that processes run as, one each, where only root can keep them apart.
FIRST_USER = 1 << 20
#: The variable by which a process that left its session is known, where there is no other way.
MARK = "GRADAUDIT_CANDIDATE"

Kind = Literal["bubblewrap", "user", "none"]
NOTES: dict[Kind, str] = {
    "bubblewrap": "",
    "user": "it ran as a user of its own, not in a view of its own of the system: bubblewrap does not work here",
    "none": "it ran with your rights, and could have read the answers and written your files: "
    "bubblewrap does not work here (install bwrap), nor can another user read its folder",
}


@dataclass(frozen=True)
class Cage:
    """How a candidate's process is started.

    Attributes
    ----------
    kind : {"bubblewrap", "user", "none"}
        What keeps it in.
    before : tuple of str
        What stands before its command.
    options : dict
        Of subprocess.Popen.
    user : int or None
        The user that it runs as, if that is its own.
    """

    kind: Kind
    before: tuple[str, ...]
    options: dict[str, Any]
    user: int | None = None

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End the process, and whatever it started, also in sessions of their own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # in bubblewrap's view of the system all others end with the first
        if self.user is not None:
            _end_all_of(self.user)
        elif self.kind == "none":
            _end_marked(self.options["env"][MARK])


def cage(visible: Sequence[Path], number: int) -> Cage:
    """The best cage there is.

    Parameters
    ----------
    visible : sequence of Path
        The folders that the candidate may read, wherever they are: its own, those of its imports, its copy of the
        modules that it needs.
    number : int
        Tells this process from others of the same audit.
    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    outside = [
        p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and Path(p).resolve() != PACKAGE.parent
    ]
    environment["PYTHONPATH"] = os.pathsep.join([str(private()), *outside])
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
    """The command that gives a process its own view of the system."""
    words = ["bwrap", "--die-with-parent", "--unshare-all", "--new-session"]
    words += ["--cap-drop", "ALL"]  # root would keep the right to unmount what hides the answers
    words += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    for folder in ANSWERS:
        if folder.is_dir():
            words += ["--tmpfs", str(folder)]
    needed = [Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix)]
    for folder in dict.fromkeys([*needed, *(path.resolve() for path in visible)]):
        if any(folder.is_relative_to(place) for place in ANSWERS):
            words += ["--ro-bind", str(folder), str(folder)]
    here = Path.cwd().resolve()
    seen = not any(here.is_relative_to(place) for place in ANSWERS)
    return (*words, "--chdir", str(here if seen else visible[0].resolve()))


def _readable(folders: Sequence[Path], user: dict[str, Any]) -> bool:
    """Whether a user can read folders and the Python files in them; one that is not there is left out."""
    words = [str(folder) for folder in folders if folder.is_dir()]
    test = 'for folder; do cd "$folder" || exit 1; for f in . *.py; do [ ! -e "$f" -o -r "$f" ] || exit 1; done; done'
    done = subprocess.run(["sh", "-c", test, "sh", *words], capture_output=True, check=False, cwd="/", **user)
    return done.returncode == 0


@lru_cache(maxsize=1)
def best() -> Kind:
    """The best way that works here, tried once a process."""
    if shutil.which("bwrap"):
        tried = subprocess.run(
            [*_bubblewrap([private()]), sys.executable, "-S", "-c", ""], capture_output=True, check=False
        )
        if tried.returncode == 0:
            return "bubblewrap"
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            command = [sys.executable, "-c", "import numpy"]
            tried = subprocess.run(
                command, user=FIRST_USER, group=FIRST_USER, extra_groups=[], capture_output=True, check=False
            )
            if tried.returncode == 0:
                return "user"
    return "none"


@lru_cache(maxsize=1)
def private() -> Path:
    """A folder with a copy of what a candidate's process needs of the project, and nothing else; once a process."""
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


#: What is removed when this process ends.
_folders: list[tempfile.TemporaryDirectory[str]] = []


def _end_all_of(user: int) -> None:
    """End every process of a user: by a process of that user, which may end its own and no others."""
    ending = f"import os; os.setgroups([]); os.setgid({user}); os.setuid({user}); os.kill(-1, 9)"
    subprocess.run([sys.executable, "-S", "-c", ending], capture_output=True, check=False)


def _end_marked(mark: str) -> None:
    """End every process that still has the mark in its environment, where the system shows it."""
    for _ in range(3):  # a process may start another one meanwhile
        for process in _marked(mark):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)


def _marked(mark: str) -> Iterator[int]:
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in environment.read_bytes().split(b"\0"):
                yield int(environment.parent.name)
