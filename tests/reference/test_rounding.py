"""The acceptance bound: no correct program leaves it, not where an adversary would look, and it is not slack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradaudit.reference.acceptance import accept
from gradaudit.reference.graph import graph
from gradaudit.reference.problem import Problem
from gradaudit.rounding.arithmetic import NO_BIT, Arithmetic, lowest_bits
from gradaudit.verdicts.judge import Finding, Subject, describe, judge
from tests.answers import FRAMEWORKS, canonical


def judged(framework: str, problem: Problem) -> Finding:
    """The verdict on the canonical variant of a framework."""
    subject = Subject("", "", framework, "canonical", str(problem.dtype))
    return judge(subject, canonical(framework, problem), accept(problem))


def problem(dtype: str = "float32", reg: float = 0.0, **arrays: Any) -> Problem:
    """One sample, one feature, one unit, two classes, all numbers 1 (b1, b2 0), unless changed."""
    ones: dict[str, Any] = {"X": [[1]], "W1": [[1]], "b1": [0], "W2": [[1, -1]], "b2": [0, 0]}
    y = np.array(arrays.pop("y", [0]))
    return Problem(**{k: np.array(v, dtype=dtype) for k, v in (ones | arrays).items()}, y=y, reg=reg)


#: Where an earlier form of the bound, or a plausible one, was left by correct programs.
ATTACKS = {
    "exact arithmetic that underflows": problem(X=[[2.0**-80]], W1=[[2.0**-80]]),
    "subnormal input times a large weight": problem(X=[[2.0**-130]], W1=[[2.0**100]]),
    "large input times a subnormal weight": problem(X=[[2.0**100]], W1=[[2.0**-130]]),
    "subnormal bias": problem(b1=[2.0**-140], X=[[0]]),
    "subnormal regularisation term": problem(reg=1e-20, W1=[[2.0**-70]], X=[[0]]),
    "subnormal reg": problem(reg=2.0**-140, W1=[[2.0**20]]),
    "overflow on the way": problem(X=[[2.0**100]], W1=[[2.0**100]]),
    "a weight whose square overflows": problem(W1=[[2.0**70]], X=[[2.0**-70]], reg=0.1),
    "twice reg overflows": problem(reg=3e38, W1=[[0.25]]),
    "an offset of 4e4": problem(b2=[4e4, 4e4 + 1]),
    "an offset of 4e4 in float64": problem("float64", b2=[4e4, 4e4 + 1]),
    "many classes": problem(W2=[np.linspace(-1, 1, 1000)], b2=np.zeros(1000), y=[999]),
    "many classes far behind": problem(W2=[[36.0, *np.zeros(999)]], b2=np.zeros(1000)),
    "many classes far behind in float64": problem("float64", W2=[[36.0, *np.zeros(999)]], b2=np.zeros(1000)),
    "equal logits": problem(W2=[np.ones(100)], b2=np.zeros(100)),
    "an exact sum one too long for float64": problem("float64", X=[[2.0**53]], b1=[1], W2=[[1, 0]], b2=[-(2.0**53), 0]),
    "a logit that may be lost among eleven": problem(
        W1=[[2.0**31, 1, 2.0**31]],
        b1=np.zeros(3),
        W2=[[1, *np.zeros(10)], [-54, *np.zeros(10)], [-1, *np.zeros(10)]],
        b2=np.zeros(11),
    ),
    "a pre-activation beyond float64": problem("float64", X=[[1e200, 1e200]], W1=[[1e200], [-3e200]], W2=[[1, 0]]),
    "twice a weight overflows": problem(reg=1e-30, W1=[[3e38]], X=[[1e-38]]),
    "the largest float32": problem(b2=[3.4e38, -3.4e38]),
    "the largest float64": problem("float64", b2=[1.7e308, -1.7e308]),
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_no_false_alarm_where_an_adversary_looks(attack: Problem, framework: str) -> None:
    result = judged(framework, attack)
    assert result.verdict in ("pass", "undecided"), describe(result)


def test_jax_flushes_what_the_exact_arithmetic_rule_must_not_call_exact() -> None:
    """The product 2^-130 * 2^100 is exact and normal, but JAX takes the subnormal factor for 0, as the model allows."""
    attack = ATTACKS["subnormal input times a large weight"]
    assert (accept(attack).exact.h.hi == 2.0**-30).all()
    assert (canonical("numpy", attack).W2 != 0).all()
    assert canonical("jax", attack).W2.tolist() == [[0.0, 0.0]]
    assert judged("jax", attack).verdict == "undecided"


def test_integers_are_decided_at_the_kink() -> None:
    """X.W1 + b1 is exactly 0, no partial sum is rounded, so the derivative there must be 0."""
    bound = accept(problem(X=[[3]], W1=[[2]], b1=[-6])).bound
    assert bound.a.tolist() == [[0.0]]
    assert not bound.kinks.any()


def test_a_kink_within_rounding_accepts_both_sides() -> None:
    accepted = accept(problem(X=[[0.1]], W1=[[0.3]], b1=[-np.float32(0.1) * np.float32(0.3)]))
    assert accepted.bound.kinks.all()
    assert (accepted.bound.da >= np.abs(accepted.exact.dh.hi)).all()


def test_another_offset_is_allowed_when_the_graph_is_no_longer_remembered() -> None:
    posed = ATTACKS["an offset of 4e4"]
    accepted = accept(posed)
    graph.cache_clear()
    accept(posed)
    assert accepted.bound_allowing("whole").tensors["loss"] > accepted.bound.tensors["loss"]


def test_an_exact_sum_too_long_for_the_significand_is_rounded() -> None:
    """2^24 + 1 does not fit float32, so its arithmetic is not exact; 2^23 + 1 does."""
    assert accept(problem(X=[[2.0**24]], b1=[1])).bound.a[0, 0] > 0
    assert accept(problem(X=[[2.0**23]], b1=[1])).bound.a[0, 0] == 0


def test_the_lowest_bit_of_numbers() -> None:
    numbers = np.array([[0.0, 0.0], [3.0, 0.0], [12.0, 0.75], [2.0**-1074, 1.0]])
    assert lowest_bits(numbers).tolist() == [[NO_BIT, NO_BIT], [0, NO_BIT], [2, -2], [-1074, 0]]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_arithmetic_of_a_dtype(dtype: str) -> None:
    fp, first = Arithmetic.of(np.dtype(dtype)), np.dtype(dtype).type(1)
    assert first + first.dtype.type(fp.u) == first  # a tie, rounded to even
    assert first + first.dtype.type(2 * fp.u) > first
    assert fp.u == 2.0**-fp.precision
    assert fp.eta == 2.0 ** fp.exponents[0]
    assert 2.0 ** fp.exponents[1] <= fp.omega < 2.0 ** fp.exponents[1] * 2


def test_a_count_that_the_dtype_cannot_reach_has_no_finite_bound() -> None:
    fp = Arithmetic.of(np.dtype("float32"))
    assert fp.gamma(2**24) == np.inf
    assert fp.gamma(np.array([0, 1]))[0] == 0


def _exp(dtype: str, framework: str) -> Any:
    x = np.linspace(-80, 0, 100_001).astype(dtype)
    return x, _elementary(framework, "exp", x)


def _log(dtype: str, framework: str) -> Any:
    x = np.geomspace(1.001, 1000, 100_001).astype(dtype)
    return x, _elementary(framework, "log", x)


def _elementary(framework: str, name: str, x: Any) -> Any:
    """Exp or log of an array, by a framework."""
    if framework == "torch":
        import torch

        return getattr(torch, name)(torch.from_numpy(x)).numpy()
    if framework == "jax":
        import jax

        with jax.enable_x64(x.dtype == np.float64):
            return np.array(jax.jit(getattr(jax.numpy, name))(x))
    return getattr(np, name)(x)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "evaluate"), [("exp", _exp), ("log", _log)], ids=["exp", "log"])
def test_exp_and_log_are_as_accurate_as_the_model_says(
    name: str, evaluate: Any, dtype: str, framework: str, figure: Callable[[str], None]
) -> None:
    """The model allows K u of relative error; in float64 the truth comes from ball arithmetic."""
    from flint import arb, ctx

    from gradaudit.rounding.softmax import K

    x, got = evaluate(dtype, framework)
    every = 1 if dtype == "float32" else 20
    x, got = x[::every], got[::every]
    u = Arithmetic.of(np.dtype(dtype)).u
    with ctx.workprec(120):
        relative = [float(abs(arb(float(g)) / getattr(arb(float(v)), name)() - 1)) for v, g in zip(x, got, strict=True)]
    figure(f"K of {name} by {framework} in {dtype}: {max(relative) / u:.2f} u of {K} u")
    assert max(relative) <= K * u
