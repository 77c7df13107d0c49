"""The derivative of the ReLU where it has none, as every framework and every idiom has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradaudit.adapters import adapter
from gradaudit.adapters.idioms import RELUS

#: Where the derivative is asked for: at both zeros, at what is no number, and at the smallest number of a dtype.
PLACES = ("+0", "-0", "NaN", "subnormal", "subnormal float32")
#: What the derivative at 0 is called.
CONVENTIONS = {0.0: "0", 0.5: "1/2", 1.0: "1"}


def table(frameworks: Sequence[str]) -> dict[str, Any]:
    """A row for each idiom of each framework; a framework that shows its ReLU to nobody has none."""
    rows = []
    for framework in frameworks:
        slopes = getattr(adapter(framework), "slopes", None)
        if slopes is None:
            continue
        by_mode = {mode: _measured(slopes, mode) for mode in adapter(framework).modes}  # type: ignore[attr-defined]
        for idiom in next(iter(by_mode.values())):
            alike: dict[str, list[str]] = {}
            for mode, of_idiom in by_mode.items():
                alike.setdefault(str(of_idiom[idiom]), []).append(mode)
            for modes in alike.values():
                slope = by_mode[modes[0]][idiom]
                rows.append(
                    [f"{framework} {RELUS[idiom]}, {' and '.join(modes)}", *map(_written, slope), _convention(slope)]
                )
    return {
        "title": "the derivative of the ReLU at its kink",
        "columns": ["relu", *PLACES, "convention"],
        "note": "convention: the derivative at 0; a network whose units sit at the kink has that gradient",
        "rows": rows,
    }


def _measured(slopes: Any, mode: str) -> dict[str, list[float]]:
    """Idiom -> the derivatives at PLACES."""
    tiny = np.finfo(np.float64).smallest_subnormal, np.finfo(np.float32).smallest_subnormal
    wide = slopes(np.array([0.0, -0.0, np.nan, tiny[0]]), mode)
    slim = slopes(np.array([tiny[1]], dtype=np.float32), mode)
    return {idiom: [*wide[idiom].tolist(), *slim[idiom].tolist()] for idiom in wide}


def _written(slope: float) -> str:
    return CONVENTIONS.get(slope, f"{slope:g}")


def _convention(slope: list[float]) -> str:
    """The name of the convention that the derivatives at +0 and -0 follow."""
    plus, minus = slope[:2]
    return _written(plus) if plus == minus else f"{_written(minus)} at -0, {_written(plus)} at +0"
