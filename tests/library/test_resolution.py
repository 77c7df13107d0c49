"""A bound that is of no use never makes a silent pass, however deep the function; one that is of use may pass."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import gradaudit

DTYPES = ("float64", "float32")


def deep(layers: int, seed: int, dtype: str) -> tuple[Any, list[Any]]:
    """Tanh layers of random width and weights, and the sum of squares of the last."""
    rng = np.random.default_rng([layers, seed])
    widths = rng.integers(3, 21, layers + 1)
    scale = 10.0 ** rng.uniform(-0.3, 0.3)
    W = [(rng.standard_normal((m, n)) * scale / np.sqrt(m)).astype(dtype) for m, n in pairwise(widths)]
    x = rng.standard_normal((4, widths[0])).astype(dtype)

    def function(x: Any, *W: Any) -> Any:
        for w in W:
            x = np.tanh(x @ w)
        return (x**2).sum()

    return function, [x, *W]


@pytest.mark.parametrize("layers", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("dtype", DTYPES)
def test_zeros_never_pass_in_silence(layers: int, dtype: str) -> None:
    for seed in range(6):
        function, inputs = deep(layers, seed, dtype)
        _, exact = gradaudit.gradient(function, inputs)
        rounded = [exact[k].hi.astype(dtype) for k in range(len(inputs))]
        report = gradaudit.check(function, inputs, rounded, raise_exception=False)
        assert report.verdict != "wrong"
        zeros = gradaudit.check(function, inputs, [0 * x for x in inputs], raise_exception=False)
        for f in zeros.findings:
            assert f.verdict != "pass" or f.blind
        if layers <= 2:
            assert report.verdict == "pass"
            assert zeros.verdict == "wrong"


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_gradient_that_cancels_passes_and_the_report_says_so(dtype: str) -> None:
    """What is added to all logits changes no softmax: the derivative by it is 0, computed from terms that are not."""
    rng = np.random.default_rng(0)
    s, b, c = (rng.standard_normal(n).astype(dtype) for n in ((5, 4), (5, 1), (5, 4)))

    def function(s: Any, b: Any, c: Any) -> Any:
        z = np.tanh(s) + b
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return (np.log(e / e.sum(axis=1, keepdims=True)) * c).sum()

    _, exact = gradaudit.gradient(function, [s, b, c])
    gradients = [exact[k].hi.astype(dtype) for k in range(3)]
    report = gradaudit.check(function, [s, b, c], gradients)
    assert [f.blind for f in report.findings] == [False, True, False]
    assert "1 is no larger than its bound: its terms cancel, and zeros would pass as well" in str(report)
    with pytest.raises(gradaudit.GradientError, match=r"1\[.* is wrong"):
        gradaudit.check(function, [s, b, c], [gradients[0], gradients[1] + 1e-4, gradients[2]])
