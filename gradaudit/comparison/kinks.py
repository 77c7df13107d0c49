"""The derivative of the ReLU at 0 and other special points, for every framework and every idiom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradaudit.adapters import adapter
from gradaudit.adapters.idioms import RELUS

#: The points: both zeros, NaN, and the smallest number of each dtype.
PLACES = ("+0", "-0", "NaN", "subnormal", "subnormal float32")
#: The names of the derivatives at 0.
CONVENTIONS = {0.0: "0", 0.5: "1/2", 1.0: "1"}


def table(frameworks: Sequence[str]) -> dict[str, Any]:
    """A row for each idiom of each framework. A framework without `slopes` has no row."""
    rows = []
    for framework in frameworks:
        slopes = getattr(adapter(framework), "slopes", None)
        if slopes is None:
            continue
        by_mode = {mode: _measure(slopes, mode) for mode in adapter(framework).modes}  # type: ignore[attr-defined]
        for idiom in next(iter(by_mode.values())):
            groups: dict[str, list[str]] = {}
            for mode, by_idiom in by_mode.items():
                groups.setdefault(str(by_idiom[idiom]), []).append(mode)
            for modes in groups.values():
                slope = by_mode[modes[0]][idiom]
                rows.append(
                    [f"{framework} {RELUS[idiom]}, {' and '.join(modes)}", *map(_text, slope), _convention(slope)]
                )
    return {
        "title": "the derivative of the ReLU at its kink",
        "columns": ["relu", *PLACES, "convention"],
        "note": "convention: the derivative at 0; a network whose units sit at the kink has that gradient",
        "rows": rows,
    }


def _measure(slopes: Any, mode: str) -> dict[str, list[float]]:
    """Idiom -> the derivatives at PLACES."""
    tiny = np.finfo(np.float64).smallest_subnormal, np.finfo(np.float32).smallest_subnormal
    doubles = slopes(np.array([0.0, -0.0, np.nan, tiny[0]]), mode)
    singles = slopes(np.array([tiny[1]], dtype=np.float32), mode)
    return {idiom: [*doubles[idiom].tolist(), *singles[idiom].tolist()] for idiom in doubles}


def _text(slope: float) -> str:
    return CONVENTIONS.get(slope, f"{slope:g}")


def _convention(slope: list[float]) -> str:
    """The name of the convention, from the derivatives at +0 and -0."""
    plus, minus = slope[:2]
    return _text(plus) if plus == minus else f"{_text(minus)} at -0, {_text(plus)} at +0"
