"""Every known mistake as a user's file would have it: a function of its name, hyphens as underscores."""
# mypy: ignore-errors

from gradaudit.mistakes import MISTAKES

globals().update({name.replace("-", "_"): mistake.implementation() for name, mistake in MISTAKES.items()})
