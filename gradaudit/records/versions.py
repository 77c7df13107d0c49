"""Which gradaudit made a record: its version and commit, and the versions of Python and python-flint."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gradaudit import __version__

ROOT = Path(__file__).resolve().parents[2]
#: The packages that make every record, whatever is judged.
MAKERS = ("gradaudit", "python", "python-flint")


@lru_cache(maxsize=1)
def made_by() -> dict[str, str]:
    """The versions of gradaudit (with its commit, if it is a checkout), of Python and of python-flint."""
    try:
        flint = version("python-flint")
    except PackageNotFoundError:
        flint = "unknown"
    return dict(zip(MAKERS, (f"{__version__}, commit {_commit()}", platform.python_version(), flint), strict=True))


def _commit() -> str:
    """The commit of the checkout, with "-dirty" if a file was changed since; "unknown" if there is no checkout."""
    if not (ROOT / ".git").exists() or not (ROOT / "reference").is_dir():
        return "unknown"
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10, env=environment)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return result.stdout.strip() or "unknown"
