"""The ends of what arrays can be: no entry, one number, one sample, one class, zeros with a sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradaudit

DTYPES = ("float64", "float32")
NONE, ZEROS = np.zeros((0, 3)), np.array([-0.0, 0.0, 1.0])


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def cross_entropy(s: Any) -> Any:
    z = s - s.max(axis=1, keepdims=True)
    return -(z - np.log(np.exp(z).sum(axis=1, keepdims=True)))[np.arange(len(s)), 0].mean()


def normalised(x: Any) -> Any:
    left = x - x.mean(axis=0)
    return left / np.sqrt((left**2).mean(axis=0) + 0.125)


#: A scalar function, its inputs, its value and its gradients.
EDGES: dict[str, tuple[Callable[..., Any], list[Any], Any, list[Any]]] = {
    "no entry, sum": (lambda x: x.sum(), [NONE], 0, [NONE]),
    "no entry, relu": (lambda x: np.maximum(x, 0).sum(), [NONE], 0, [NONE]),
    "no entry, functions": (lambda x: np.tanh(np.abs(x)).sum(), [NONE], 0, [NONE]),
    "no entry, squares": (lambda x: (x**2).sum(), [NONE], 0, [NONE]),
    "no entry, running sum": (lambda x: np.cumsum(x, axis=0).sum(), [NONE], 0, [NONE]),
    "no row, softmax": (lambda x: softmax(x).sum(), [NONE], 0, [NONE]),
    "no row, product": (lambda x, w: (x @ w).sum(), [NONE, np.ones((3, 2))], 0, [NONE, np.zeros((3, 2))]),
    "no term, product": (lambda x, w: (x @ w).sum(), [np.ones((2, 0)), np.ones((0, 3))], 0,
                         [np.ones((2, 0)), np.ones((0, 3))]),
    "no index": (lambda x: x[np.array([], dtype=int)].sum(), [np.ones(3)], 0, [np.zeros(3)]),
    "no entry beside others": (lambda x, y: np.concatenate([x, y]).sum(), [NONE, np.ones((2, 3))], 6,
                               [NONE, np.ones((2, 3))]),
    "one number": (lambda x: x * x, [np.array(3.0)], 9, [np.array(6.0)]),
    "one number, itself": (lambda x: x, [np.array(3.0)], 3, [np.array(1.0)]),
    "one number, choices": (lambda x: np.maximum(x, 0) + np.abs(x) + np.max(x) + np.sum(x), [np.array(3.0)], 12,
                            [np.array(4.0)]),
    "one number, where": (lambda x: np.where(x > 0, x, -x), [np.array(-3.0)], 3, [np.array(-1.0)]),
    "one sample": (cross_entropy, [np.array([[1.0, 1.0]])], np.log(2), [np.array([[-0.5, 0.5]])]),
    "one sample, its variance": (lambda x: normalised(x).sum(), [np.array([[1.0, 2.0]])], 0, [np.zeros((1, 2))]),
    "one class": (cross_entropy, [np.array([[2.0], [3.0]])], 0, [np.zeros((2, 1))]),
    "one class, minus zero": (cross_entropy, [np.array([[2.0]])], -0.0, [np.array([[-0.0]])]),
    "softmax of one class": (lambda x: softmax(x).sum(), [np.array([[1.0], [5.0]])], 2, [np.zeros((2, 1))]),
    "minus zero, relu": (lambda x: np.maximum(x, 0).sum(), [ZEROS], 1, [np.array([-0.0, 0.0, 1.0])]),
    "minus zero, absolute": (lambda x: np.abs(x).sum(), [ZEROS], 1, [np.array([-0.0, 0.0, 1.0])]),
    "minus zero, product": (lambda x: (x * 0.0).sum(), [ZEROS], -0.0, [np.array([-0.0, 0.0, -0.0])]),
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EDGES)
def test_right_ones_pass_and_wrong_ones_do_not(name: str, dtype: str) -> None:
    function, inputs, value, gradients = EDGES[name]
    inputs, gradients = ([np.array(x, dtype=dtype) for x in arrays] for arrays in (inputs, gradients))
    assert gradaudit.check(function, inputs, gradients, np.array(value, dtype=dtype))
    with pytest.raises(gradaudit.GradientError, match="value is wrong"):
        gradaudit.check(function, inputs, gradients, np.array(value + 1e-3, dtype=dtype))
    for k, g in enumerate(gradients):
        if g.size:
            wrong = [np.array(x) for x in gradients]
            wrong[k][(-1,) * g.ndim] += 1e-3  # the last entry is at no kink
            with pytest.raises(gradaudit.GradientError, match=f"{k}.* is wrong"):
                gradaudit.check(function, inputs, wrong)


@pytest.mark.parametrize(("function", "message"), [
    (lambda x: x.mean(), "a mean of the shape \\(0, 3\\) over the axes \\(0, 1\\) divides by 0"),
    (lambda x: x.max(), "the largest of no entry"),
])  # fmt: skip
def test_what_has_no_value_without_entries_is_refused(function: Any, message: str) -> None:
    with pytest.raises(gradaudit.InputError, match=message):
        gradaudit.check(function, [NONE], [NONE])


@pytest.mark.parametrize(("function", "slope"), [(np.sqrt, 0.5), (np.reciprocal, -1.0)])
def test_what_is_infinite_at_zero_is_undecided(function: Any, slope: float) -> None:
    """Whatever the sign of the zero; what is beside it is judged all the same."""
    with pytest.raises(gradaudit.UndecidedError):
        gradaudit.check(lambda x: function(x).sum(), [ZEROS], [np.array([-np.inf, np.inf, slope])])
    with pytest.raises(gradaudit.GradientError, match=r"0\[2\] is wrong"):
        gradaudit.check(lambda x: function(x).sum(), [ZEROS], [np.array([-np.inf, np.inf, -slope])])
