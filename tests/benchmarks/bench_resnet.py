"""The certificates of a training of ResNet-20, step by step, beside the training steps themselves.

The seconds are those of the processor, in the median of all steps.
"""

from __future__ import annotations

from functools import lru_cache
from statistics import median
from typing import Any

import pytest

from tests.frameworks.residual import Trained, training

STEPS = 20


@lru_cache(maxsize=4)
def trained(batch: int) -> tuple[Trained, ...]:
    """All steps of a training; the first certificates make ready what the next ones use."""
    return tuple(training(STEPS, batch))


@pytest.mark.parametrize("who", ["step_baseline", "certificate"])
@pytest.mark.parametrize("batch", [32, 64])
def bench_resnet(benchmark: Any, batch: int, who: str) -> None:
    benchmark.group = f"training of ResNet-20, batches of {batch}"
    steps = trained(batch)
    benchmark.extra_info["seconds"] = median(s.step if who == "step_baseline" else s.check for s in steps)
    if who == "certificate":
        benchmark.extra_info["certified"] = f"{sum(s.report.ok for s in steps)} of {STEPS}"
    benchmark.pedantic(lambda: None)
