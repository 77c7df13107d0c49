"""The right and the wrong backward passes, as gradcheck and this library see them: ``python -m`` prints a table.

gradcheck is asked with its default tolerances, in float64; in float32, where those refuse what is right, with looser
ones.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch

import gradaudit
from gradaudit.torch import gradcheck
from tests.frameworks.backwards import Backward, Case, function
from tests.frameworks.backwards_torch import RIGHT, WRONG

DTYPES = {"float64": torch.float64, "float32": torch.float32}
#: Its options in float32: with these it accepts all that is right.
LOOSE: dict[str, Any] = {"eps": 1e-2, "atol": 1e-2, "rtol": 1e-2}


def ours(case: Case, backward: Backward, dtype: str) -> bool:
    """Whether this library accepts it."""
    try:
        return bool(gradcheck(function(case.forward, backward), case.inputs(DTYPES[dtype])))
    except gradaudit.GradientError:
        return False


def theirs(case: Case, backward: Backward, dtype: str) -> bool:
    """Whether torch.autograd.gradcheck accepts it."""
    options = LOOSE if dtype == "float32" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            f = function(case.forward, backward)
            return bool(torch.autograd.gradcheck(f, case.inputs(DTYPES[dtype]), raise_exception=False, **options))
        except RuntimeError:
            return False


def table() -> list[tuple[str, bool, dict[str, bool]]]:
    """Name, whether it is right, and who accepts it in which dtype."""
    rows = []
    for is_right, backwards in ((True, RIGHT), (False, WRONG)):
        for name, (case, backward) in backwards.items():
            accepted = {f"gradaudit {dtype}": ours(case, backward, dtype) for dtype in DTYPES}
            accepted |= {f"gradcheck {dtype}": theirs(case, backward, dtype) for dtype in DTYPES}
            rows.append((name, is_right, accepted))
    return rows


def main() -> None:
    """Print the table, and how often each is mistaken."""
    rows = table()
    columns = list(rows[0][2])
    width = max(len(name) for name, *_ in rows)
    print("  ".join(["backward pass".ljust(width), "is   ", *columns]))
    for name, is_right, accepted in rows:
        cells = [("accepted" if accepted[c] else "refused").ljust(len(c)) for c in columns]
        print("  ".join([name.ljust(width), "right" if is_right else "wrong", *cells]))
    for c in columns:
        alarms = sum(is_right and not accepted[c] for _, is_right, accepted in rows)
        misses = sum(accepted[c] and not is_right for _, is_right, accepted in rows)
        print(f"{c}: {alarms} of {len(RIGHT)} right ones refused, {misses} of {len(WRONG)} wrong ones accepted")


if __name__ == "__main__":
    main()
