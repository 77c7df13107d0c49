"""Every operation alone, in NumPy: no correct program leaves its bound, and the largest error over bound is printed.

How many problems is set by ``--operation-problems``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx

from gradaudit import check
from gradaudit.exact.arithmetic import OutOfRange
from gradaudit.exact.balls import Balls, balls
from gradaudit.exact.doubles import Doubles
from gradaudit.exact.functions import FUNCTIONS, PLAIN_K
from gradaudit.exact.pairs import Pairs
from gradaudit.functions.numbers import numbers
from gradaudit.graph import topological_order
from gradaudit.operations import OPERATIONS, entrywise
from gradaudit.operations.shapes import constant, input_
from gradaudit.readings import bounds, values
from gradaudit.rounding.arithmetic import Arithmetic
from tests.library import forms
from tests.library.specimens import NAMES, evaluated, posed, specimen

DTYPES = ("float32", "float64")
#: The precision of the exact values, in bits.
BITS = 256


def worst(name: str, dtype: str, seed: int) -> float:
    """The largest error over bound of the programs of a random problem, none of which may exceed 1."""
    rng = np.random.default_rng([seed, *name.encode()])
    pose = posed(name, rng, numbers(dtype))
    order, A, ratio = topological_order([pose.output]), Balls(BITS), 0.0
    with A.precision(), np.errstate(all="ignore"):
        read = values(A, order, {id(n): x for n, x in zip(pose.inputs, pose.arrays, strict=True)})
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


@pytest.mark.parametrize("name", NAMES)
def test_floats_and_pairs_enclose_what_balls_do(name: str, pytestconfig: pytest.Config) -> None:
    """The radii of the cheaper arithmetics are right, on a quarter of the problems."""
    A = Balls(BITS)
    for seed in range(pytestconfig.getoption("--operation-problems") // 4):
        pose = posed(name, np.random.default_rng([seed, *name.encode()]), numbers("float64"))
        pairs = list(zip(pose.inputs, pose.arrays, strict=True))
        with A.precision():
            (exact,) = evaluated(A, [pose.output], {id(n): A.constant(x) for n, x in pairs})
        for B in (Doubles(), Pairs()):
            with np.errstate(all="ignore"), suppress(OutOfRange):
                read = values(B, topological_order([pose.output]), {id(n): x for n, x in pairs})[id(pose.output)]
                assert read.hi.shape == pose.output.shape
                with A.precision():
                    for first, other in zip(balls(read), exact.ravel(), strict=True):
                        assert first.overlaps(other), (type(B).__name__, seed, first, other)


@pytest.mark.parametrize("A", [Doubles(), Pairs()], ids=["floats", "pairs"])
def test_what_underflows_is_not_zero(A: Any) -> None:
    """1e-900 is no float and has a radius that is none; it is not 0 for that, neither in a product nor in a sum."""
    x = A.constant(np.full((1, 1), 1e-300))
    square = A.multiply(x, x)
    for product in (square, A.multiply(square, x), A.multiply(x, square), A.matmul(square, x), A.divide(square, x)):
        assert (A.enclosure(product).radius > 0).all()
    assert (A.enclosure(A.multiply(square, A.constant(np.zeros((1, 1))))).radius == 0).all()


def test_a_quotient_by_a_power_of_two_is_rounded_where_it_is_subnormal() -> None:
    A = Doubles()
    x, y = (A.constant(np.array([n])) for n in (3 * 2.0**-1022 * (1 + 2.0**-50), 2.0**6))
    quotient = A.divide(x, y)
    assert quotient.radius > 0
    assert A.divide(x, A.constant(np.array([2.0]))).radius == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_in_float64_are_as_accurate_as_the_radii_assume(name: str) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal(300), rng.standard_normal(300) * 30, rng.standard_normal(300) * 1e-5])
    f = FUNCTIONS[name]
    x = np.abs(x) + 1e-300 if specimen(name).positive else x
    x = specimen(name).domain(x)
    with np.errstate(all="ignore"):
        got = f.plain(x)
    growth = f.growth(x)
    with ctx.workprec(200):
        for a, b, more in zip(x.tolist(), got.tolist(), growth.tolist(), strict=True):
            exact = f.ball(arb(a))
            if np.isfinite(b) and b:
                size = max(abs(exact), arb(f.floor))
                assert abs(arb(b) - exact) <= size * (PLAIN_K + more) * 2.0**-53 + arb(2) ** -1070


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_maximum_in_the_graph_of_a_softmax_is_allowed_for(dtype: str) -> None:
    """Long rows of nearly equal numbers: the derivative that comes through the maximum is all rounding."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x = (rng.standard_normal((1, 1000)) * 10.0 ** rng.integers(-4, 0)).astype(dtype)
        c = np.abs(rng.standard_normal((1, 1000)) + 10 * rng.integers(0, 2)).astype(dtype)
        gradients = [forms.composed_softmax_gradient(x, c), forms.softmax(x)]
        assert check(lambda x, c: (forms.softmax(x) * c).sum(), [x, c], gradients)


@pytest.mark.parametrize("name", ["softmax_gradient", "log_softmax_gradient", "cross_entropy_gradient"])
def test_nothing_is_known_of_zero_times_what_may_be_nan(name: str) -> None:
    """A cotangent of 0 for logits that may overflow: a program may have NaN."""
    x, g = input_(size=(1, 2)), input_(size=(1,) if name.startswith("cross") else (1, 2))
    large = entrywise.exp(x)
    operands = [large, constant(np.zeros(1)), g] if name.startswith("cross") else [large, g]
    order = topological_order([OPERATIONS[name](*operands)])
    A = Balls(BITS)
    with A.precision(), np.errstate(all="ignore"):
        read = values(A, order, {id(x): np.array([[800.0, 1.0]]), id(g): np.zeros(g.shape)})
        assert np.isinf(bounds(Arithmetic.of(np.dtype("float64")), order, read)[id(order[-1])].E).all()
