"""Whole commands, as a user calls them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.places import ROOT


def audit(*options: str, cache: Path | None = None) -> None:
    """Call ``python -m gradaudit``; with a folder in place of the one where compiled code is kept, if given."""
    environment = os.environ | ({"XDG_CACHE_HOME": str(cache)} if cache else {})
    command = [sys.executable, "-m", "gradaudit", *options]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
