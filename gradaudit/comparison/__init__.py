"""Where frameworks differ on this network: tables beside the verdicts, every cell of them measured.

At kinks, at saturation, as logits and sizes grow, in narrow dtypes, on labels that are none, and in speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradaudit.comparison import curves, kinks, labels, speed

Who = Sequence[tuple[str, str]]


def tables(who: Who) -> dict[str, Any]:
    """The tables of a comparison, by name.

    Parameters
    ----------
    who : sequence of (framework, variant)
        The variants that are compared; the canonical one of a framework is its first.
    """
    canonical = list({framework: (framework, variant) for framework, variant in reversed(who)}.values())[::-1]
    found = {
        "kinks": kinks.table([framework for framework, _ in canonical]),
        "saturation": curves.saturation(who),
        "scale": curves.scale(who),
        "size": curves.size(canonical),
        "narrow": curves.narrow(canonical),
        "labels": labels.table(canonical),
        "speed": speed.table(who),
    }
    return {name: table for name, table in found.items() if table["rows"]}
