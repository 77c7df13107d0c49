"""What is raised: a gradient that is wrong, one that nobody can judge, a function that cannot be followed."""

from __future__ import annotations


class GradientError(AssertionError):
    """A gradient is wrong: the message has array, index, got, exact, error, bound and ratio."""


class UndecidedError(GradientError):
    """Nobody can tell whether a gradient is right in this dtype; the message says what to do."""


class UnsupportedError(NotImplementedError):
    """A function does what cannot be followed: the message names it, and where in the user's code it stands."""


class InputError(ValueError):
    """Arguments of a check that do not fit: the message says what, what was expected and how to mend it."""
