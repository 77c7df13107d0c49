"""The known ways to get this gradient wrong."""

from __future__ import annotations

from audit.mistakes.formulas import FORMULAS, VARIANTS
from audit.mistakes.hidden import HIDDEN
from audit.mistakes.network import STEPS, Implementation, Mistake, evaluate

#: Every known mistake by its name.
MISTAKES = {mistake.name: mistake for mistake in (*FORMULAS, *HIDDEN)}

__all__ = ["MISTAKES", "STEPS", "VARIANTS", "Implementation", "Mistake", "evaluate"]
