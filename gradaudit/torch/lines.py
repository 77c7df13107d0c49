"""Where in the user's code something stands, and what is said of what cannot be followed."""

from __future__ import annotations

import copy
import os
import sys
from functools import cache
from pathlib import Path

import torch

from gradaudit.errors import UnsupportedError

#: Code that is not the user's: this package's, PyTorch's, and that of `copy`.
_NOT_THE_USERS = (
    *(str(path) + os.sep for path in (Path(__file__).parents[1], Path(torch.__file__).parent)),
    copy.__file__,
)
INSTEAD = "give reference=, a function in PyTorch that says what is computed, or judge parts of it"


def line() -> str:
    """Where in the user's code the present call stands, as FILE:LINE."""
    frame = sys._getframe(1)
    while frame.f_back and not _is_the_users(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


@cache
def _is_the_users(file: str) -> bool:
    return not file.startswith((*_NOT_THE_USERS, "<"))


def refused(what: str, instead: str = INSTEAD, where: str = "") -> Exception:
    """What to raise for something that cannot be followed."""
    return UnsupportedError(f"{what} at {where or line()}; {instead}")
