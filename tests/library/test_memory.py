"""The memory that large arrays leave is there for the next ones."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

#: How often the system has to find a page for arrays of 32 MB that are made when others of that size have gone.
FAULTS = """
import resource
import numpy as np
from gradaudit.memory import keep_memory

def arrays():
    return len([np.ones(200_000) for _ in range(20)])

if {kept}:
    keep_memory()
arrays()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
arrays()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(kept: bool) -> int:
    command = [sys.executable, "-c", FAULTS.format(kept=kept)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back that is asked for again")
def test_memory_that_was_kept_is_not_asked_for_again() -> None:
    """8,000 pages of 4 KiB, or none."""
    assert faults(kept=False) > 1000
    assert faults(kept=True) < 100
