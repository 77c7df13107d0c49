"""The counts of a sweep, in bounded memory: of verdicts, of worst ratios, of quantiles."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from gradaudit.verdicts.judge import OFFSET_MESSAGE, VERDICTS, Finding

#: The bins of a histogram of ratios: how many in an octave, the lowest and the highest exponent of 2.
BINS, LOWEST, HIGHEST = 8, -24, 8
#: The quantiles in the table.
QUANTILES = (0.5, 0.9, 0.99, 0.999)


@dataclass
class Tally:
    """The counts of a sweep. Their size does not grow with the number of findings.

    Attributes
    ----------
    families : dict
        Family -> verdict -> how many.
    expected : dict
        Verdict -> how many failures are known and explained.
    offset : int
        How many findings are undecided because digits were lost to an offset.
    worst : dict
        Variant and dtype -> the largest ratio of a pass, and its case.
    bins : dict
        Variant and dtype -> how many ratios there are in each bin of a logarithmic histogram.
    """

    families: dict[str, dict[str, int]] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)
    offset: int = 0
    worst: dict[str, tuple[float, str]] = field(default_factory=dict)
    bins: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        """Count one finding."""
        family = self.families.setdefault(finding.family, {})
        family[finding.verdict] = family.get(finding.verdict, 0) + 1
        if finding.expected and finding.verdict in ("wrong", "error"):
            self.expected[finding.verdict] = self.expected.get(finding.verdict, 0) + 1
        self.offset += finding.verdict == "undecided" and finding.message == OFFSET_MESSAGE
        if finding.verdict != "pass" or finding.ratio is None or finding.family == "undecidable kinks":
            return
        who = f"{finding.framework} {finding.variant} {finding.dtype}"
        bins = self.bins.setdefault(who, {})
        bins[_bin(finding.ratio)] = bins.get(_bin(finding.ratio), 0) + 1
        if finding.ratio > self.worst.get(who, (-1.0, ""))[0]:
            self.worst[who] = (finding.ratio, finding.case)

    def counts(self) -> dict[str, Any]:
        """The counts of run.json: how many findings have each verdict, in total and by family."""
        total = {v: sum(family.get(v, 0) for family in self.families.values()) for v in VERDICTS}
        families = {name: {v: of[v] for v in VERDICTS if v in of} for name, of in sorted(self.families.items())}
        return {"verdicts": total, "families": families, "expected": self.expected, "offset": self.offset}

    def table(self) -> dict[str, Any]:
        """The ratios of the passes: quantiles, the largest, and its case."""
        return {
            "title": "error/bound of what passed",
            "columns": ["variant", *(f"{100 * q:g} %" for q in QUANTILES), "largest", "on"],
            "note": f"quantiles to {100 * (2 ** (1 / BINS) - 1):.0f} %, from above; undecidable kinks left out",
            "rows": [
                [who, *(self._quantile(who, q) for q in QUANTILES), *self.worst[who]] for who in sorted(self.worst)
            ],
        }

    def _quantile(self, who: str, part: float) -> float:
        """The upper edge of the bin in which a quantile lies."""
        number, seen = part * sum(self.bins[who].values()), 0
        for edge, count in sorted((int(name), count) for name, count in self.bins[who].items()):
            seen += count
            if seen >= number:
                return float(f"{2.0 ** ((edge + 1) / BINS):.3g}")
        return math.inf


def _bin(ratio: float) -> str:
    """The bin of a ratio, which ends at 2^((bin + 1) / BINS)."""
    if ratio <= 0:
        return str(LOWEST * BINS)
    return str(min(max(math.floor(BINS * math.log2(ratio)), LOWEST * BINS), HIGHEST * BINS))
