"""All backward passes for PyTorch: some right in several ways, some wrong in the usual ones."""

from __future__ import annotations

from tests.frameworks import backwards_entries, backwards_layers
from tests.frameworks.backwards import Backward, Case

CASES = {**backwards_entries.CASES, **backwards_layers.CASES}


def table(kind: str) -> dict[str, tuple[Case, Backward]]:
    """The right or the wrong backward passes of all cases, by name."""
    return {f"{name}: {how}": (case, b) for name, case in CASES.items() for how, b in getattr(case, kind).items()}


RIGHT, WRONG = table("right"), table("wrong")
