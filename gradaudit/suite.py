"""The judge: what is asked, what is answered, and what is said about it.

``from audit import check, audit_implementation, parametrize_with_cases`` (imported when they are asked for).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradaudit.candidate.audit import (
        Report,
        WrongGradientError,
        audit_implementation,
        check,
        parametrize_with_cases,
    )

__all__ = ["Report", "WrongGradientError", "audit_implementation", "check", "parametrize_with_cases"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'audit' has no attribute {name!r}")
    from gradaudit.candidate import audit as implementation

    return getattr(implementation, name)
