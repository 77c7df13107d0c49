"""Which gradaudit made a record: its version and commit, and those of what carries the exact values."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gradaudit import __version__

ROOT = Path(__file__).resolve().parents[2]
#: What made a record, whatever it judged.
MAKERS = ("gradaudit", "python", "python-flint")


@lru_cache(maxsize=1)
def made_by() -> dict[str, str]:
    """The versions of gradaudit (with the commit of its checkout, if it is one), of Python and of python-flint."""
    try:
        flint = version("python-flint")
    except PackageNotFoundError:
        flint = "unknown"
    return dict(zip(MAKERS, (f"{__version__}, commit {_commit()}", platform.python_version(), flint), strict=True))


def _commit() -> str:
    """The checkout's commit, "-dirty" behind it if a file was changed since; "unknown" where nobody can tell."""
    if not (ROOT / ".git").exists() or not (ROOT / "reference").is_dir():
        return "unknown"
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10, env=own)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip() or "unknown"
