"""What is followed, by the names of ATen's operations; a file a family."""

from __future__ import annotations

from gradaudit.torch.tables import arrangements, choices, entrywise, losses, networks, products, reductions
from gradaudit.torch.tables.rules import (
    CONSTANTS,
    DECIDING,
    DECOMPOSED,
    EMPTY,
    PASSIVE,
    RANDOM,
    RULES,
    Rule,
    infinite,
    known,
    with_line,
)

__all__ = [
    "CONSTANTS",
    "DECIDING",
    "DECOMPOSED",
    "EMPTY",
    "PASSIVE",
    "RANDOM",
    "RULES",
    "Rule",
    "infinite",
    "known",
    "with_line",
]
_FAMILIES = (arrangements, choices, entrywise, losses, networks, products, reductions)
