"""Exact relations that the gradient obeys, whatever the numbers, for certified values and for every framework.

Certified values may differ by the sharpness to which they are known, a framework's by its bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from gradaudit.certify import SHARP
from gradaudit.reference.acceptance import Acceptance, accept
from gradaudit.reference.problem import PARAMETERS, TENSORS, Gradients, Problem
from tests.answers import FRAMEWORKS, canonical

Tensors = dict[str, NDArray[Any]]
#: The same examples in every run, on every worker.
EXAMPLES = settings(max_examples=40, derandomize=True, deadline=None, database=None)


@st.composite
def problems(draw: Callable[[Any], Any], reg: float | None = None, classes: int | None = None) -> Problem:
    """Small problems on multiples of 1/16, so that zeros, ties and kinks are frequent and shifts are exact.

    The shapes are few, so that JAX compiles few.
    """
    N, D, H, C = draw(st.sampled_from([(1, 2, 3, 2), (4, 2, 3, 3), (3, 1, 4, 2)]))
    C = classes or C
    numbers = st.integers(-48, 48).map(lambda n: n / 16)
    floats = {
        name: draw(arrays(np.float64, shape, elements=numbers))
        for name, shape in {"X": (N, D), "W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}.items()
    }
    y = draw(arrays(np.int64, (N,), elements=st.integers(0, C - 1)))
    return Problem(**floats, y=y, reg=draw(st.sampled_from([0.0, 0.125, 4.0])) if reg is None else reg)


def changed(problem: Problem, **arrays: Any) -> Problem:
    return replace(problem, **arrays)


rational = np.vectorize(Fraction, otypes=[object])


def exactly(accepted: Acceptance) -> tuple[Tensors, Tensors]:
    """The certified values, hi + lo as fractions, and how far they may be from the exact ones."""
    exact, bound = accepted.exact.tensors, accepted.bound.tensors
    values = {name: np.asarray(rational(exact[name].hi) + rational(exact[name].lo)) for name in TENSORS}
    return values, {name: np.asarray(rational(SHARP * bound[name])) for name in TENSORS}


def of_framework(name: str) -> Callable[[Acceptance], tuple[Tensors, Tensors]]:
    """What a framework computes, and its bounds."""

    def answers(accepted: Acceptance) -> tuple[Tensors, Tensors]:
        gradients: Gradients = canonical(name, accepted.problem)
        return {tensor: getattr(gradients, tensor) for tensor in TENSORS}, dict(accepted.bound.tensors)

    return answers


every_source = pytest.mark.parametrize(
    "source", [exactly, *map(of_framework, FRAMEWORKS)], ids=["certified", *FRAMEWORKS]
)
Source = Callable[[Acceptance], tuple[Tensors, Tensors]]


def differ(
    source: Source, first: Problem, other: Problem, back: Callable[[str, Any], Any] = lambda _, t: t
) -> list[str]:
    """The gradients in which two problems differ more than they may; the second's are carried `back` to the first's."""
    (a, a_off), (b, b_off) = source(accept(first)), source(accept(other))
    return [
        name
        for name in PARAMETERS
        if (np.abs(a[name] - back(name, b[name])) > a_off[name] + np.abs(back(name, b_off[name]))).any()
    ]


@every_source
@EXAMPLES
@given(problem=problems())
def test_db2_sums_to_zero(source: Source, problem: Problem) -> None:
    values, off = source(accept(problem))
    assert abs(values["b2"].sum()) <= off["b2"].sum()


@every_source
@EXAMPLES
@given(problem=problems(), data=st.data())
def test_the_order_of_the_samples_does_not_matter(source: Source, problem: Problem, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(problem.shape.N)))
    assert differ(source, problem, changed(problem, X=problem.X[order], y=problem.y[order])) == []


@every_source
@EXAMPLES
@given(problem=problems(), data=st.data())
def test_classes_can_be_renamed(source: Source, problem: Problem, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(problem.shape.C)))
    renamed = changed(problem, W2=problem.W2[:, order], b2=problem.b2[order], y=np.argsort(order)[problem.y])
    inverse = np.argsort(order)
    assert differ(source, problem, renamed, lambda name, t: t[..., inverse] if name in ("W2", "b2") else t) == []


@every_source
@EXAMPLES
@given(problem=problems(), data=st.data())
def test_hidden_units_can_be_renumbered(source: Source, problem: Problem, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(problem.shape.H)))
    other = changed(problem, W1=problem.W1[:, order], b1=problem.b1[order], W2=problem.W2[order])
    inverse = np.argsort(order)
    back = {"W1": lambda t: t[:, inverse], "b1": lambda t: t[inverse], "W2": lambda t: t[inverse], "b2": lambda t: t}
    assert differ(source, problem, other, lambda name, t: back[name](t)) == []


@every_source
@EXAMPLES
@given(problem=problems())
def test_the_same_batch_twice_has_the_same_mean(source: Source, problem: Problem) -> None:
    assert differ(source, problem, changed(problem, X=np.tile(problem.X, (2, 1)), y=np.tile(problem.y, 2))) == []


@every_source
@EXAMPLES
@given(problem=problems(), constant=st.integers(-64, 64))
def test_a_constant_added_to_b2_changes_no_gradient(source: Source, problem: Problem, constant: int) -> None:
    assert differ(source, problem, changed(problem, b2=problem.b2 + constant)) == []


@every_source
@EXAMPLES
@given(problem=problems(reg=0.0))
def test_the_slope_in_reg_is_twice_the_weights(source: Source, problem: Problem) -> None:
    """With reg = 1/2 the regulariser's gradient is W itself, which is subtracted on the way back."""
    weights = {"W1": rational(problem.W1), "W2": rational(problem.W2)}
    (a, a_off), (b, b_off) = source(accept(problem)), source(accept(changed(problem, reg=0.5)))
    assert all(
        (np.abs(b[name] - a[name] - weights.get(name, 0)) <= a_off[name] + b_off[name]).all() for name in PARAMETERS
    )


@every_source
@EXAMPLES
@given(problem=problems(reg=0.0), exponent=st.sampled_from([-3, -1, 2, 5]))
def test_a_unit_scaled_up_and_down_again_does_the_same(source: Source, problem: Problem, exponent: int) -> None:
    c = Fraction(2) ** exponent
    f = float(c)
    scaled = changed(problem, W1=f * problem.W1, b1=f * problem.b1, W2=problem.W2 / f)
    factor = {"W1": c, "b1": c, "W2": 1 / c, "b2": 1}
    assert differ(source, problem, scaled, lambda name, t: factor[name] * t) == []


@every_source
@EXAMPLES
@given(problem=problems(reg=0.0))
def test_a_unit_that_is_dead_has_no_gradient(source: Source, problem: Problem) -> None:
    """Exactly none: no bound is needed."""
    reach = 1 + (np.abs(problem.X) @ np.abs(problem.W1))[:, 0].max()
    values, _ = source(accept(changed(problem, b1=np.array([-reach, *problem.b1[1:]]))))
    assert not values["W1"][:, 0].any()
    assert not values["b1"][:1].any()
    assert not values["W2"][:1].any()


@every_source
@EXAMPLES
@given(problem=problems(reg=0.0, classes=1))
def test_one_class_has_no_gradient(source: Source, problem: Problem) -> None:
    """Exactly none: p is 1."""
    values, _ = source(accept(problem))
    assert not any(values[name].any() for name in PARAMETERS)
