"""The time of every variant on the same problem, as a ratio to the NumPy reference in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from gradaudit.adapters import adapter
from gradaudit.adapters.calls import hand_over
from gradaudit.cases.catalogue import case_of
from gradaudit.reference.problem import DTYPES, Problem

#: The case of all measurements, without its dtype.
CASE = "64x32x48x10-reg_0.1-random-{}-s0"
#: The largest number of repeated calls, and the time for them in seconds. The fastest call counts.
REPEATS, SECONDS = 300, 0.15


def table(who: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """A row for each variant: in each dtype the first call with compilation, in seconds, and the ratio."""
    problems = {dtype: case_of(CASE.format(dtype)).problem() for dtype in DTYPES}
    reference = adapter("numpy")
    unit = {dtype: _time(_call(reference, "reference", problem))[1] for dtype, problem in problems.items()}
    rows = []
    for framework, variant in who:
        entrant = adapter(framework)
        row: list[Any] = [f"{framework} {variant}"]
        for dtype, problem in problems.items():
            try:
                first, best = _time(_call(entrant, variant, problem)) if dtype in entrant.dtypes else (None, None)
            except Exception as error:  # the findings give the details
                row += [f"raises {type(error).__name__}", ""]
                continue
            row += ["", ""] if best is None else [f"{first:.2f}", float(f"{best / unit[dtype]:.3g}")]
        rows.append(row)
    return {
        "title": f"time of a gradient at N, D, H, C = {', '.join(map(str, problems[DTYPES[0]].shape))}",
        "columns": ["variant", *(c for dtype in DTYPES for c in (f"{dtype} first call, s", f"{dtype} ratio to numpy"))],
        "note": "the ratio is of the fastest of many warm calls, from NumPy arrays to NumPy arrays; "
        "the first call at this shape includes compilation",
        "rows": rows,
    }


def _call(entrant: Any, variant: str, problem: Problem) -> Callable[[], object]:
    inputs = hand_over(problem)
    return lambda: entrant.gradients(inputs, variant)


def _time(call: Callable[[], object]) -> tuple[float, float]:
    """The seconds of the first call, and of the fastest call after it."""
    seconds: list[float] = []
    begin = time.perf_counter()
    while len(seconds) < 3 or (len(seconds) < REPEATS and time.perf_counter() - begin - seconds[0] < SECONDS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds[0], min(seconds[1:])
