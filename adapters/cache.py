"""Where compiled code is kept from one run to the next: a folder of the user's own, or none.

Whoever can write into such a folder can run code here, so a folder that others may write to, or own, is not used.
"""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path


def private_folder(name: str) -> Path | None:
    """A folder for what was compiled on this kind of processor, made if it is not there; None if it cannot be private.

    Parameters
    ----------
    name : str
        What is kept there, its version included.
    """
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(home) / "gradaudit" / f"{name}-{_processor()}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.stat()
    except OSError:
        return None
    owned = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return folder if owned and not found.st_mode & 0o077 else None


def _processor() -> str:
    """A digest of the processor's kind and abilities: what is compiled for one may not run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    told = sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    return hashlib.sha256("\n".join([platform.machine(), *told]).encode()).hexdigest()[:12]
