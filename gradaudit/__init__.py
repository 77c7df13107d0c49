"""Certified judging of gradients: held entry by entry against certified values and a derived bound.

``import gradaudit`` costs nothing: what it offers is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradaudit.checking import check, cotangent, gradient
    from gradaudit.errors import GradientError, InputError, UndecidedError, UnsupportedError
    from gradaudit.judge import Finding, Report

__version__ = "0.2.0"

#: Name -> the module that it is from.
_FROM = {
    **dict.fromkeys(("check", "cotangent", "gradient"), "checking"),
    **dict.fromkeys(("GradientError", "InputError", "UndecidedError", "UnsupportedError"), "errors"),
    **dict.fromkeys(("Finding", "Report"), "judge"),
}

__all__ = [
    "Finding",
    "GradientError",
    "InputError",
    "Report",
    "UndecidedError",
    "UnsupportedError",
    "check",
    "cotangent",
    "gradient",
]


def __getattr__(name: str) -> Any:
    if name not in _FROM:
        raise AttributeError(f"module 'gradaudit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"gradaudit.{_FROM[name]}"), name)
