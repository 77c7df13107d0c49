"""Tables of the differences between frameworks on this network, in addition to the verdicts. Every cell is measured.

They are about kinks, saturation, large logits and sizes, narrow dtypes, invalid labels, and speed.
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
        The variants that are compared. The first variant of a framework is the canonical one.
    """
    canonical = list({framework: (framework, variant) for framework, variant in reversed(who)}.values())[::-1]
    results = {
        "kinks": kinks.table([framework for framework, _ in canonical]),
        "saturation": curves.saturation(who),
        "scale": curves.scale(who),
        "size": curves.size(canonical),
        "narrow": curves.narrow(canonical),
        "labels": labels.table(canonical),
        "speed": speed.table(who),
    }
    return {name: table for name, table in results.items() if table["rows"]}
