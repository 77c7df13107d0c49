"""Entries that may change places: a derivative between those of the orders that are possible passes.

What is accepted around the exact derivative reaches as far on the other side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradaudit.graph import Node
from gradaudit.judge import Report
from gradaudit.operations import orders, statistics, whole
from gradaudit.operations.entrywise import multiply
from gradaudit.operations.shapes import input_
from gradaudit.recording import Recording


def judged(make: Callable[[Node], Node], x: Any, gradient: Any, weights: Any) -> Report:
    node = input_(size=np.shape(x))
    recording = Recording([make(node)], {"x": node}, {node: np.asarray(x, dtype=float)}, np.dtype("float64"))
    return recording.report({"x": np.asarray(gradient, dtype=float)}, [np.asarray(weights, dtype=float)])


TIE, WEIGHTS = [2, 1, 2, 3], [10, 20, 40, 80]


@pytest.mark.parametrize("gradient", [[20, 10, 40, 80], [40, 10, 20, 80], [30, 10, 30, 80]])
def test_either_order_of_equal_entries_passes_and_what_lies_between(gradient: Any) -> None:
    report = judged(orders.sort, TIE, gradient, WEIGHTS)
    assert report.verdict == "pass"
    assert report.kinks


@pytest.mark.parametrize(
    "gradient", [[0, 10, 0, 80], [20, 10, 61, 80], [80, 10, 40, 20], [20, 10, 40, 79], [10, 20, 40, 80]]
)
def test_nothing_else_passes(gradient: Any) -> None:
    assert judged(orders.sort, TIE, gradient, WEIGHTS).verdict == "wrong"


def test_entries_that_are_known_have_one_order() -> None:
    """2 + 4e-16 is a float and not 2."""
    near = [2, 1, 2 + 4.5e-16, 3]
    assert judged(orders.sort, near, [20, 10, 40, 80], WEIGHTS).verdict == "pass"
    assert judged(orders.sort, near, [40, 10, 20, 80], WEIGHTS).verdict == "wrong"


def test_entries_that_rounding_makes_equal_have_either() -> None:
    """What is squared before it is sorted is known to a program within its rounding."""

    def squares(x: Node) -> Node:
        return orders.sort(multiply(x, x))

    x = [1.1, 1.1 + 2.3e-16]
    for g in ([1.1 * 2, 1.1 * 4], [1.1 * 4, 1.1 * 2]):
        assert judged(squares, x, g, [1, 2]).verdict == "pass"
    assert judged(squares, x, [2.2, 2.2 * 4], [1, 2]).verdict == "wrong"


def test_medians_and_the_largest_are_those_of_the_sorted() -> None:
    assert judged(orders.median, [2, 1, 5, 3], [0.5, 0, 0, 0.5], 1).verdict == "pass"
    assert judged(orders.median, [2, 1, 5, 3], [0.5, 0, 0, 0.4], 1).verdict == "wrong"
    assert judged(lambda x: orders.top(x, 2), [2, 1, 5, 3], [0, 0, 1, 2], [1, 2]).verdict == "pass"
    assert judged(lambda x: orders.top(x, 2), [2, 1, 5, 3], [1, 0, 1, 2], [1, 2]).verdict == "wrong"


def test_the_product_of_what_has_a_zero_has_the_derivative_of_the_others() -> None:
    assert judged(statistics.multiplied, [3, 0, 5], [0, 15, 0], 1).verdict == "pass"
    assert judged(statistics.multiplied, [3, 0, 5], [0, 0, 0], 1).verdict == "wrong"
    assert judged(statistics.multiplied, [0, 0, 5], [0, 0, 0], 1).verdict == "pass"


def test_a_step_has_no_derivative() -> None:
    def stepped(x: Node) -> Node:
        return multiply(x, whole.floor(x))

    assert judged(stepped, [2.5, -0.5], [2, -1], [1, 1]).verdict == "pass"
    assert judged(stepped, [2.5, -0.5], [4.5, -1], [1, 1]).verdict == "wrong"
