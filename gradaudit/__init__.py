"""Certified judging of gradients: held entry by entry against certified values and a derived bound."""

from __future__ import annotations

from gradaudit.checking import check, gradient
from gradaudit.errors import GradientError, InputError, UndecidedError, UnsupportedError
from gradaudit.judge import Finding, Report

__all__ = [
    "Finding",
    "GradientError",
    "InputError",
    "Report",
    "UndecidedError",
    "UnsupportedError",
    "check",
    "gradient",
]
