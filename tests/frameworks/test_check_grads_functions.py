"""The twelve functions in jax.numpy: judged in both modes, and as sharply as by the front end of NumPy."""

# ruff: noqa: E402

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp

import gradaudit
from gradaudit.jax import check_grads
from tests.library.answers import definition, inputs, of_jax
from tests.library.functions import ALL

DTYPES = ("float32", "float64")


def resolutions(report: gradaudit.Report) -> dict[str, float]:
    return {str(f.array): f.resolution for f in report.findings}


def in_jax(name: str, labels: Any) -> Callable[..., Any]:
    return lambda X, *rest: ALL[name](jnp, X, labels, *rest)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ALL)
def test_as_sharp_as_in_numpy(name: str, dtype: str, figure: Callable[[str], None]) -> None:
    arrays = inputs(name, dtype)
    floats = [arrays[0], *arrays[2:]]
    f = in_jax(name, arrays[1].astype(np.int32))
    modes = ("rev", "fwd") if dtype == "float64" else ("rev",)  # compilation takes most of the time
    report = check_grads(f, tuple(floats), modes=modes, raise_exception=False)
    assert report or (report.verdict, name, dtype) == ("undecided", "eight_layers", "float32")
    of = resolutions(report)
    value, gradients = of_jax(name, arrays)
    numpy = resolutions(gradaudit.check(definition(name), arrays, gradients, value, raise_exception=False))
    ratios = [of[f"args[{n}]"] / numpy[str(k)] for n, k in enumerate([0, *range(2, len(arrays))]) if numpy[str(k)] > 0]
    figure(
        f"{name} in {dtype}: resolution in JAX over that in NumPy {max(ratios):.2g}; largest error/bound "
        f"{max(f.ratio for f in report.findings):.2g}"
    )
    assert max(ratios) <= 2
