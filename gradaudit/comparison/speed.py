"""How long every variant takes on the same problem, as ratios to the NumPy reference in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from gradaudit.adapters import adapter
from gradaudit.adapters.calls import hand_over
from gradaudit.cases.catalogue import case_of
from gradaudit.reference.problem import DTYPES, Problem

#: The problem that all are timed on, but for the dtype.
POSED = "64x32x48x10-reg_0.1-random-{}-s0"
#: A call is repeated so often at most, and for so long, in seconds; the fastest counts.
REPEATS, SECONDS = 300, 0.15


def table(who: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """A row a variant: the first call, compilation and all, in seconds; then the ratios in each dtype."""
    problems = {dtype: case_of(POSED.format(dtype)).problem() for dtype in DTYPES}
    reference = adapter("numpy")
    unit = {dtype: _timed(_call(reference, "reference", problem))[1] for dtype, problem in problems.items()}
    rows = []
    for framework, variant in who:
        judged = adapter(framework)
        row: list[Any] = [f"{framework} {variant}"]
        for dtype, problem in problems.items():
            try:
                first, best = _timed(_call(judged, variant, problem)) if dtype in judged.dtypes else (None, None)
            except Exception as error:  # the verdicts say more
                row += [f"raises {type(error).__name__}", ""]
                continue
            row += ["", ""] if best is None else [f"{first:.2f}", float(f"{best / unit[dtype]:.3g}")]
        rows.append(row)
    return {
        "title": f"time of a gradient at N, D, H, C = {', '.join(map(str, problems[DTYPES[0]].shape))}",
        "columns": ["variant", *(c for dtype in DTYPES for c in (f"{dtype} first call, s", f"{dtype} ratio to numpy"))],
        "note": "the ratio is of the fastest of many warm calls, from NumPy arrays to NumPy arrays; "
        "a first call at this shape compiles what is compiled for it",
        "rows": rows,
    }


def _call(judged: Any, variant: str, problem: Problem) -> Callable[[], object]:
    inputs = hand_over(problem)
    return lambda: judged.gradients(inputs, variant)


def _timed(call: Callable[[], object]) -> tuple[float, float]:
    """The first call's seconds, and the fewest of the calls after it."""
    seconds: list[float] = []
    began = time.perf_counter()
    while len(seconds) < 3 or (len(seconds) < REPEATS and time.perf_counter() - began - seconds[0] < SECONDS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds[0], min(seconds[1:])
