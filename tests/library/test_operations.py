"""Every operation alone, in NumPy: no correct program leaves its bound, and the largest error over bound is printed.

How many problems is set by ``--operation-problems``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from flint import arb, ctx

from gradaudit.exact.balls import Balls
from gradaudit.exact.functions import FUNCTIONS, PLAIN_K
from gradaudit.graph import ordered
from gradaudit.readings import bounds, values
from gradaudit.rounding.arithmetic import Arithmetic
from tests.library.numbers import numbers
from tests.library.specimens import NAMES, posed

DTYPES = ("float32", "float64")
#: The precision of the exact values, in bits.
BITS = 256


def worst(name: str, dtype: str, seed: int) -> float:
    """The largest error over bound of the programs of a random problem, none of which may exceed 1."""
    rng = np.random.default_rng([seed, *name.encode()])
    pose = posed(name, rng, numbers(dtype))
    order, balls, ratio = ordered([pose.output]), Balls(BITS), 0.0
    with balls.precision(), np.errstate(all="ignore"):
        read = values(balls, order, {id(n): x for n, x in zip(pose.inputs, pose.arrays, strict=True)})
        E = bounds(Arithmetic.of(np.dtype(dtype)), order, read)[id(pose.output)].E
        exact = read[id(pose.output)]
        for number, program in enumerate(pose.programs):
            result = np.asarray(program(*pose.arrays))
            assert result.dtype == dtype
            assert result.shape == E.shape == pose.output.shape
            got = result.astype(np.float64)
            error = np.abs((got - exact.hi) - exact.lo)
            outside = ~(error <= E + exact.radius) & np.isfinite(E)
            assert not outside.any(), (seed, number, got[outside], exact.hi[outside], E[outside])
            ratios = np.where((E > 0) & np.isfinite(E) & np.isfinite(exact.radius), error / np.where(E > 0, E, 1), 0)
            ratio = max(ratio, float(ratios.max(initial=0)))
    return ratio


@pytest.mark.parametrize("name", NAMES)
def test_numpy_stays_within_the_bound(name: str, pytestconfig: pytest.Config, figure: Callable[[str], None]) -> None:
    """Kinks, ties, saturation, all scales, subnormals, axes of one, of primes, of none; several forms of each."""
    seeds = range(pytestconfig.getoption("--operation-problems"))
    ratios = {dtype: max(worst(name, dtype, seed) for seed in seeds) for dtype in DTYPES}
    figures = ", ".join(f"{dtype} {ratio:.2g}" for dtype, ratio in ratios.items())
    figure(f"largest error/bound of {name} on {len(seeds)} problems in NumPy: {figures}")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_in_float64_are_as_accurate_as_the_radii_assume(name: str) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal(300), rng.standard_normal(300) * 30, rng.standard_normal(300) * 1e-5])
    f = FUNCTIONS[name]
    x = np.abs(x) + 1e-300 if not f.defined(np.array(-2.0), np.array(-2.0)) else x
    with np.errstate(all="ignore"):
        got = f.plain(x)
    growth = f.growth(x)
    with ctx.workprec(200):
        for a, b, more in zip(x.tolist(), got.tolist(), growth.tolist(), strict=True):
            exact = f.ball(arb(a))
            if np.isfinite(b) and b:
                assert abs(arb(b) - exact) <= abs(exact) * (PLAIN_K + more) * 2.0**-53 + arb(2) ** -1070
