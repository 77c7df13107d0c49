"""What is followed, by the names of ATen's operations; a file a family."""

from __future__ import annotations

from gradaudit.torch.tables import arrangements, choices, entrywise, losses, networks, products, reductions
from gradaudit.torch.tables.rules import CONSTANTS, DECOMPOSED, EMPTY, PASSIVE, RANDOM, RULES, Rule, known, with_line

__all__ = ["CONSTANTS", "DECOMPOSED", "EMPTY", "PASSIVE", "RANDOM", "RULES", "Rule", "known", "with_line"]
_FAMILIES = (arrangements, choices, entrywise, losses, networks, products, reductions)
