"""The suite from Python: ``from gradaudit.suite import check, audit_implementation, parametrize_with_cases``."""

from gradaudit.candidate.audit import Report, WrongGradientError, audit_implementation, check, parametrize_with_cases

__all__ = ["Report", "WrongGradientError", "audit_implementation", "check", "parametrize_with_cases"]
