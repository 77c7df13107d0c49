"""The folder for compiled code between runs: a private folder of the user, or none.

A person who can write into such a folder can run code here. So a folder that other users own or can write to is not
used.
"""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path


def private_folder(name: str) -> Path | None:
    """A folder for code compiled on this kind of processor, made if necessary; None if it cannot be private.

    Parameters
    ----------
    name : str
        The name of the content, with its version.
    """
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(home) / "gradaudit" / f"{name}-{_processor()}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = folder.stat()
    except OSError:
        return None
    is_own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return folder if is_own and not status.st_mode & 0o077 else None


def _processor() -> str:
    """A digest of the kind and features of the processor. Code for one processor may not run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    facts = sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    return hashlib.sha256("\n".join([platform.machine(), *facts]).encode()).hexdigest()[:12]
