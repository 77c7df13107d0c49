"""Known mistakes in this gradient."""

from __future__ import annotations

from gradaudit.mistakes.formulas import FORMULAS, VARIANTS
from gradaudit.mistakes.hidden import HIDDEN
from gradaudit.mistakes.network import STEPS, Implementation, Mistake, evaluate

#: Every known mistake by its name.
MISTAKES = {mistake.name: mistake for mistake in (*FORMULAS, *HIDDEN)}

__all__ = ["MISTAKES", "STEPS", "VARIANTS", "Implementation", "Mistake", "evaluate"]
