"""At a kink that is open whatever lies between the one-sided derivatives passes, and nothing beyond them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradaudit

DTYPES = ("float64", "float32")
#: Beyond an end by this part of the derivative: far above what rounding may add in either dtype.
BEYOND = 2.0**-10
TIE = np.array([2.0, 2.0, 1.0])

#: A function of one array, where it stands at a kink, the derivatives there that are the lowest and the highest for
#: every entry, and the one that is its own. The branches of one `where` are open each by itself where they depend on
#: one input: 3 t + 1 (1 - t) with t from 0 to 1, but as if the two t were not the same.
KINKS: dict[str, tuple[Callable[[Any], Any], Any, Any, Any, Any]] = {
    "relu": (lambda x: np.maximum(x, 0), [1, 0, -1], [1, 0, 0], [1, 1, 0], [1, 0, 0]),
    "relu, masked": (lambda x: x * (x > 0), [1, 0, -1], [1, 0, 0], [1, 1, 0], [1, 0, 0]),
    "relu, of a negative factor": (lambda x: -3 * np.maximum(x, 0), [0], [-3], [0], [0]),
    "leaky": (lambda x: np.where(x > 0, x, 0.25 * x), [0, 1], [0, 1], [1.25, 1], [0.25, 1]),
    "abs": (np.abs, [1, 0, -1], [1, -1, -1], [1, 1, -1], [1, 0, -1]),
    "abs, by a maximum": (lambda x: np.maximum(x, -x), [0], [-1], [1], [-1]),
    "minimum": (lambda x: np.minimum(x, 2), TIE, [0, 0, 1], [1, 1, 1], [0, 0, 1]),
    "clip": (lambda x: np.clip(x, 1, 2), TIE, [0, 0, 0], [1, 1, 1], [0, 0, 0]),
    "max": (lambda x: 5 * x.max(), TIE, [0, 0, 0], [5, 5, 0], [5, 0, 0]),
    "min": (lambda x: x.min(), -TIE, [0, 0, 0], [1, 1, 0], [1, 0, 0]),
    "norm": (lambda x: np.linalg.norm(x, 1), [0, 1], [-1, 1], [1, 1], [0, 1]),
    "both of two masks": (lambda x: np.where((x > 0) & (x >= 0), 3 * x, x), [0, 1], [0, 3], [4, 3], [1, 3]),
    "nested": (
        lambda x: np.where(x > 0, 2 * x, np.where(x < 0, -x, 0 * x)), [0, 1, -1], [-1, 2, -1], [2, 2, -1], [0, 2, -1]
    ),
}  # fmt: skip


def verdict(function: Any, x: Any, g: Any, dtype: str, **options: Any) -> str:
    arrays = [np.array(x, dtype=dtype)], [np.array(g, dtype=dtype)]
    report = gradaudit.check(lambda y: np.sum(function(y)), *arrays, raise_exception=False, **options)
    return report.verdict


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KINKS)
def test_what_lies_between_the_sides_passes_and_nothing_beyond(name: str, dtype: str) -> None:
    function, x, low, high, own = KINKS[name]
    low, high, own = (np.array(g, dtype=float) for g in (low, high, own))
    for part in (0.0, 0.3, 0.5, 1.0):
        assert verdict(function, x, low + part * (high - low), dtype) == "pass"
    assert verdict(function, x, own, dtype) == "pass"
    for i in range(len(own)):
        for end, sign in ((low, -1), (high, 1)):
            wrong = end.copy()
            wrong[i] += sign * BEYOND
            assert verdict(function, x, wrong, dtype) == "wrong", (i, wrong)


@pytest.mark.parametrize("name", KINKS)
def test_strict_is_the_operations_own_side(name: str) -> None:
    function, x, low, high, own = KINKS[name]
    assert verdict(function, x, own, "float64", kinks="strict") == "pass"
    for g in (low, high):
        other = not np.array_equal(g, own)
        assert verdict(function, x, g, "float64", kinks="strict") == ("wrong" if other else "pass")


@pytest.mark.parametrize("name", KINKS)
def test_the_certified_gradient_is_the_operations_own(name: str) -> None:
    function, x, _, _, own = KINKS[name]
    exact = gradaudit.gradient(lambda y: np.sum(function(y)), [np.array(x, dtype=float)])[1][0]
    assert exact.hi.tolist() == [float(g) for g in own]
    assert not exact.radius.any()


@pytest.mark.parametrize("name", ["relu", "abs"])
def test_frameworks_and_the_convention(name: str) -> None:
    """PyTorch has 0 for both; JAX has 0 for the relu, but 1 for |x|, which is another side."""
    import jax
    import torch

    function, x, _, _, _ = KINKS[name]
    t = torch.tensor(x, dtype=torch.float32, requires_grad=True)
    (torch.relu(t) if name == "relu" else t.abs()).sum().backward()
    assert t.grad is not None
    slope = jax.grad(lambda y: (jax.nn.relu(y) if name == "relu" else abs(y)).sum())(np.array(x, dtype=np.float32))
    assert verdict(function, x, t.grad.numpy(), "float32", kinks="strict") == "pass"
    assert verdict(function, x, np.array(slope), "float32", kinks="strict") == ("pass" if name == "relu" else "wrong")
    assert verdict(function, x, np.array(slope), "float32") == "pass"


def test_strict_leaves_open_what_rounding_decides() -> None:
    """0.1 times 3 less 0.3 is 0 or not, as a program rounds."""
    given = [np.array([0.1]), np.array([3.0]), np.array([0.3])]

    def function(x: Any, y: Any, z: Any) -> Any:
        return np.maximum(x * y - z, 0).sum()

    for part in (0.0, 0.5, 1.0):
        gradients = [part * given[1], part * given[0], np.array([-part])]
        assert gradaudit.check(function, given, gradients, kinks="strict", raise_exception=False).verdict != "wrong"
    for part in (-BEYOND, 1 + BEYOND):
        gradients = [part * given[1], part * given[0], np.array([-part])]
        assert gradaudit.check(function, given, gradients, kinks="strict", raise_exception=False).verdict == "wrong"


def test_the_hull_is_added_up_over_units() -> None:
    """A row of units at their kinks, of both signs: an earlier derivative is between the sums of the ends."""
    rng = np.random.default_rng(0)
    x, w, c = np.zeros((1, 1)), rng.standard_normal((1, 50)), rng.standard_normal(50)
    part = w[0] * c
    low, high = part[part < 0].sum(), part[part > 0].sum()

    def function(x: Any, w: Any, c: Any) -> Any:
        return (np.maximum(x @ w, 0) * c).sum()

    def report(g: float) -> gradaudit.Report:
        gradients = [np.array([[g]]), 0 * w, 0 * c]
        return gradaudit.check(function, [x, w, c], gradients, raise_exception=False)

    assert low < 0 < high
    for g in (low, 0.0, low / 3, high, 0.5 * (low + high)):
        assert report(g).findings[0].verdict == "pass"
    for g in (low - 1e-4, high + 1e-4):
        assert report(g).findings[0].verdict == "wrong"


def test_the_report_names_the_line_and_the_side() -> None:
    x = np.array([0.0, 0.0, 1.0])

    def function(x: Any) -> Any:
        return np.abs(x).sum()

    line = f"{__file__}:{function.__code__.co_firstlineno + 1}"
    report = gradaudit.check(function, [x], [np.array([0.0, 1.0, 1.0])])
    assert report.kinks == ((line, 2),)
    assert (report.findings[0].open, report.findings[0].other) == (2, 1)
    assert f"a kink left open at {line}, 2 entries: what lies between its sides is accepted" in str(report)
    assert "0 depends on kinks in 2 entries: another side was taken in 1 of them" in str(report)
    own = gradaudit.check(function, [x], [np.array([0.0, 0.0, 1.0])])
    assert "0 depends on kinks in 2 entries: the operation's own side was taken" in str(own)
    assert "kink" not in str(gradaudit.check(function, [x], [np.array([0.0, 0.0, 1.0])], kinks="strict"))


def test_a_wrong_value_at_a_kink_has_the_bound_of_its_side() -> None:
    with pytest.raises(gradaudit.GradientError, match=r"0\[0\] is wrong: got -0.5, exact 0.0, error 0.5, bound .e-0"):
        gradaudit.check(lambda x: np.maximum(x, 0).sum(), [np.zeros(1)], [np.array([-0.5])])


def test_a_convention_that_is_none_is_refused() -> None:
    with pytest.raises(gradaudit.InputError, match="kinks is 'left'; expected 'either' or 'strict'"):
        gradaudit.check(lambda x: x.sum(), [np.ones(1)], [np.ones(1)], kinks="left")  # type: ignore[arg-type]


def test_an_infinite_bound_clips_nothing() -> None:
    x = np.array([0.5, 2.0])
    for low, high, g in ((-np.inf, 1.0, [1.0, 0.0]), (-1.0, np.inf, [1.0, 1.0]), (-np.inf, np.inf, [1.0, 1.0])):
        assert gradaudit.check(lambda x, a=low, b=high: np.clip(x, a, b).sum(), [x], [np.array(g)])
        with pytest.raises(gradaudit.GradientError):
            gradaudit.check(lambda x, a=low, b=high: np.clip(x, a, b).sum(), [x], [np.array([1.0, 1.0 - g[1]])])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_masked_softmax_is_judged(dtype: str) -> None:
    """A causal mask of -1e9: what it hides has no derivative; a program may have -inf there."""
    rng, mask = np.random.default_rng(0), np.tril(np.ones((5, 5), dtype=bool))
    s, c = rng.standard_normal((5, 5)).astype(dtype), rng.standard_normal((5, 5)).astype(dtype)
    z = np.where(mask, s, -np.inf)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    right = p * (c - (p * c).sum(axis=1, keepdims=True))

    def function(s: Any) -> Any:
        z = np.where(mask, s, -1e9)
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return (e / e.sum(axis=1, keepdims=True) * c).sum()

    assert gradaudit.check(function, [s], [right.astype(dtype)], (p * c).sum().astype(dtype))
    for place in ((0, 4), (3, 1)):
        wrong = right.astype(dtype)
        wrong[place] += 1e-3
        with pytest.raises(gradaudit.GradientError, match="is wrong"):
            gradaudit.check(function, [s], [wrong])
