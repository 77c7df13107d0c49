"""Float16 and bfloat16: what one operation accumulates is rounded in more bits, and once to the dtype (section 9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import gradaudit
from gradaudit import check
from gradaudit.exact.functions import FUNCTIONS
from gradaudit.functions.numbers import numbers
from gradaudit.graph import topological_order
from gradaudit.operations.shapes import constant
from gradaudit.rounding.arithmetic import Arithmetic
from tests.few_bits import narrow_program
from tests.library.again.twice import Twice
from tests.library.random_graphs import random_graph
from tests.library.specimens import NAMES, posed
from tests.library.test_graphs import ratios

NARROW = ("float16", "bfloat16")
PROBLEMS_OF_OPERATION, GRAPHS = 3, 60


def test_no_program_that_accumulates_in_more_bits_leaves_the_bound_of_a_graph(
    pytestconfig: pytest.Config, figure: Callable[[str], None]
) -> None:
    """5 to 11 bits, accumulated in 11 to 24; every order, every form, every entry of every node."""
    largest: dict[str, float] = {}
    seeds = range(pytestconfig.getoption("--random-graphs"))
    for seed in seeds:
        rng = np.random.default_rng([seed, 29])
        way = narrow_program(rng)
        graph = random_graph(rng, way.fp)
        for node, ratio in zip(graph.order, ratios(way, graph), strict=True):
            largest[node.operation.name] = max(largest.get(node.operation.name, 0.0), ratio)
    figures = ", ".join(f"{name} {ratio:.2g}" for name, ratio in sorted(largest.items()))
    figure(f"largest error/bound in {len(seeds)} graphs that accumulate in more bits: {figures}")
    assert max(largest.values()) > 0.9


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("name", NAMES)
def test_the_bound_of_an_operation_is_what_section_9_says(name: str, dtype: str) -> None:
    for seed in range(PROBLEMS_OF_OPERATION):
        pose = posed(name, np.random.default_rng([seed, 9, *name.encode()]), numbers(dtype))
        given = {id(n): x.astype(np.float64) for n, x in zip(pose.inputs, pose.arrays, strict=True)}
        Twice(Arithmetic.of(dtype), topological_order([pose.output]), given).check()


def test_the_bounds_of_random_graphs_are_what_section_9_says() -> None:
    judged = 0
    for seed in range(GRAPHS):
        rng = np.random.default_rng([seed, 29])
        way = narrow_program(rng)
        graph = random_graph(rng, way.fp)
        twice = Twice(replace(way.fp, strict=bool(seed % 2)), graph.order, graph.given)
        twice.check()
        judged += len(twice.order) - len(twice.unknown)
    assert judged > 5 * GRAPHS


# --- the dtypes -------------------------------------------------------------------------------------------------------


def test_what_is_known_of_the_dtypes() -> None:
    half, brain = Arithmetic.of("float16"), Arithmetic.of("bfloat16")
    assert (half.u, half.eta, half.normal, half.omega) == (2.0**-11, 2.0**-25, 2.0**-14, 65504.0)
    assert (brain.u, brain.eta, brain.normal) == (2.0**-8, 2.0**-126, 2.0**-126)
    assert half.u * half.part == brain.u * brain.part == 2.0**-24
    assert half.widest == brain.widest == float(np.finfo(np.float32).max) or brain.widest == brain.omega
    for dtype in ("float32", "float64"):
        fp = Arithmetic.of(dtype)
        assert not fp.is_narrow
        assert (fp.eta, fp.widest, fp.inverse) == (fp.normal, fp.omega, fp.eta)


def test_a_sum_of_5000_numbers_is_rounded_once() -> None:
    """In the dtype 5,000 additions would leave nothing: n u is 20 and 2.4."""
    x = (np.random.default_rng(0).random(5000) + 0.5).astype(np.float16) / np.float16(8)
    assert check(lambda x: np.sum(x), (x,), (np.ones_like(x),), np.float16(x.astype(np.float64).sum()))
    with pytest.raises(gradaudit.GradientError, match="value is wrong"):
        check(lambda x: np.sum(x), (x,), (np.ones_like(x),), np.add.accumulate(x)[-1])  # in float16


def test_sums_inside_one_operation_may_be_larger_than_float16_is() -> None:
    """A product of which the terms cancel, and the mean of numbers whose sum is not known to fit."""
    x, w = np.full((1, 300), 20.0, np.float16), np.full((300, 1), 20.0, np.float16)
    w[::2] *= -1
    product = (x.astype(np.float32) @ w.astype(np.float32)).astype(np.float16)
    assert check(lambda x: (x @ w)[0, 0], (x,), (w.T,), product[0, 0])
    large = np.full((4, 300), 500.0, np.float16)
    report = check(lambda x: x.sum(), (large,), (np.ones_like(large),), np.float16(np.inf), raise_exception=False)
    assert report.verdict == "undecided"


def test_a_constant_that_underflows_gradually() -> None:
    """1e-5 has fewer digits in float16 than it seems, 1e-8 is 0 there: neither is flushed."""
    for c, off in ((1e-5, 2.0**-25), (1e-8, 1e-8), (2.0**-20, 0.0), (0.1, 0.1 * 2.0**-11)):
        node = constant(np.full(1, c))
        twice = Twice(Arithmetic.of("float16"), [node], {})
        twice.check()
        E = twice.bounds[id(node)].E[0]
        assert abs(float(np.float16(c)) - c) <= E <= off


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "sin", "arctan", "expm1", "log1p", "arcsinh", "cbrt"])
def test_numpy_rounds_a_function_of_float16_once(name: str) -> None:
    """All numbers of float16: within the error that is taken for it, which is 1.001 u to 3 u."""
    f = FUNCTIONS[name]
    x = np.arange(65536, dtype=np.uint16).view(np.float16)
    x = x[np.isfinite(x)]
    x = x[f.defined(x.astype(float), x.astype(float))]
    fp = Arithmetic.of("float16")
    with np.errstate(all="ignore"):
        got, exact = getattr(np, name)(x).astype(np.float64), f.plain(x.astype(np.float64))
        K = f.narrow - 1 + fp.library(f.K)
        inside = np.abs(got - exact) <= K * fp.u * np.abs(exact) + fp.eta
    assert inside[np.isfinite(exact) & (np.abs(exact) < fp.omega)].all()


# --- check -----------------------------------------------------------------------------------------------------------

X = np.linspace(-2, 2, 12).reshape(3, 4)


def as_bfloat16(x: Any) -> Any:
    return np.asarray(x).astype(pytest.importorskip("ml_dtypes").bfloat16)


def as_float16(x: Any) -> Any:
    return np.asarray(x).astype(np.float16)


@pytest.mark.parametrize(("cast", "off"), [(as_float16, 4e-3), (as_bfloat16, 3e-2)])
def test_gradients_in_narrow_dtypes_are_judged(cast: Callable[[Any], Any], off: float) -> None:
    """In products, functions, sums and a matrix product; the report names the model."""
    x, w = cast(X), cast(np.linspace(0.5, 1.5, 8).reshape(4, 2))
    wide, weights = x.astype(float), w.astype(float)
    by_w = np.tile(wide.sum(0)[:, None], (1, 2))
    report = check(lambda x, w: (x @ w).sum(), (x, w), (cast(np.tile(weights.sum(1), (3, 1))), cast(by_w)))
    assert x.dtype.name in str(report)
    gradient = 1 - np.tanh(wide) ** 2
    assert check(lambda x: np.tanh(x).sum(), (x,), (cast(gradient),))
    with pytest.raises(gradaudit.GradientError, match="is wrong"):
        check(lambda x: np.tanh(x).sum(), (x,), (cast(gradient * (1 + off)),))
    with pytest.raises(gradaudit.GradientError, match="every entry has the wrong sign"):
        check(lambda x: np.sin(x).sum(), (x,), (cast(-np.cos(wide)),))


def test_no_message_says_that_a_narrow_gradient_has_few_digits() -> None:
    x = as_bfloat16(X)
    with pytest.raises(gradaudit.GradientError) as caught:
        check(lambda x: (x * x).sum(), (x,), (as_bfloat16(2.1 * X + 0.1),))
    assert "digits" not in str(caught.value)


def test_narrower_gradients_than_inputs_are_refused() -> None:
    with pytest.raises(gradaudit.InputError, match="has the dtype float16, the inputs float32"):
        check(lambda x: (x * x).sum(), (X.astype(np.float32),), (as_float16(2 * X),))
    with pytest.raises(gradaudit.InputError, match="has the dtype bfloat16, the inputs float16"):
        check(lambda x: (x * x).sum(), (as_float16(X),), (as_bfloat16(2 * X),))
