"""Step by step: deep networks certified, and what is wrong in them named."""

# ruff: noqa: E402

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp
from jax import lax

from gradaudit import GradientError, InputError, UndecidedError
from gradaudit.jax import check_grads, kernels
from gradaudit.jax.walking import Cell, computed
from tests.frameworks.custom_rules import PAIRS, vjp
from tests.frameworks.deep_jax import NETWORKS, arguments, planted

ERRORS = {"float32": 1e-4, "float64": 1e-11}
rng = np.random.default_rng(0)
x = rng.standard_normal((3, 4))
DEEP = arguments("tanh", 12, "float32")


def deep(x: Any, weights: Any) -> Any:
    """A network that the bound from end to end says nothing of, in float32."""
    return lax.scan(lambda h, W: (jnp.tanh(h @ W), None), x, jnp.stack(weights))[0]


def judged(f: Callable[..., Any], args: Any, **options: Any) -> Any:
    return check_grads(f, args, raise_exception=False, **options)


def faults(report: Any) -> list[str]:
    return [f"{step.kind}: {step.name}" for step in report.steps if step.verdict == "wrong"]


# --- deep networks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_deep_networks_are_certified(name: str, figure: Callable[[str], None]) -> None:
    network, layers = NETWORKS[name]
    report = check_grads(network, arguments(name, layers, "float32"), steps=True)
    assert {step.kind for step in report.steps} == {"formula", "kernel"}
    assert all(step.verdict == "pass" for step in report.steps)
    worst = {kind: max(s.worst.ratio for s in report.steps if s.kind == kind) for kind in ("formula", "kernel")}
    figure(
        f"JAX step by step, {name}, {layers} layers, float32: largest error/bound of a kernel {worst['kernel']:.2g}, "
        f"of the formula {worst['formula']:.2g}"
    )


def test_without_steps_nobody_can_tell() -> None:
    with pytest.raises(UndecidedError):
        check_grads(deep, DEEP, steps=False)
    assert "certified step by step" in str(check_grads(deep, DEEP))


def test_what_nobody_can_tell_is_undecided_but_step_by_step() -> None:
    at = np.array([1.0, 2.0], np.float32) + np.float32(1e-7)
    with pytest.raises(UndecidedError, match="is undecided"):
        check_grads(lambda x: jnp.sqrt(x - 1), (at,), steps=False)
    assert check_grads(lambda x: jnp.sqrt(x - 1), (at,)).steps


def test_what_is_planted_anywhere_is_convicted_and_named(
    request: pytest.FixtureRequest, figure: Callable[[str], None]
) -> None:
    count = request.config.getoption("--plantings")
    for n in range(count):
        draw = np.random.default_rng(n)
        name = str(draw.choice(list(NETWORKS)))
        layers = int(draw.integers(2, NETWORKS[name][1] + 1))
        dtype = ("float32", "float64")[n % 2]
        layer = 0 if name == "lstm" else int(draw.integers(layers))
        args = arguments(name, layers, dtype, n)
        report = judged(planted(name, layer, ERRORS[dtype]), args, steps=True)
        message = f"{name}, {layers} layers, wrong in layer {layer}, {dtype}, seed {n}"
        named = {fault.partition(",")[0] for fault in faults(report)}
        assert (report.verdict, named) == ("wrong", {"formula: custom_vjp rule of bend"}), message
    figure(f"wrong rules planted in JAX's networks, wrong by 1e-4 or 1e-11: {count} of {count} convicted and named")


def test_the_same_function_with_a_right_rule_is_certified() -> None:
    report = check_grads(planted("tanh", 7, 0.0), DEEP)
    assert report.steps


def test_the_message_begins_with_what_is_at_fault_and_its_line() -> None:
    with pytest.raises(GradientError) as caught:
        check_grads(planted("tanh", 7, 1e-4), DEEP)
    assert str(caught.value).startswith("the formula is wrong: custom_vjp rule of bend at ")
    assert "deep_jax.py:" in str(caught.value).splitlines()[0]


def test_calls_at_one_line_are_numbered() -> None:
    wrong = vjp(jnp.sin, lambda g, x: g * jnp.cos(x) * jnp.where(x.sum() > 5, 1.01, 1.0))

    def f(x: Any) -> Any:
        return [wrong(x + n) for n in (0.0, 7.0, 0.0)]

    assert faults(judged(f, (np.array([0.5, 1.0]),))) == ["formula: custom_vjp rule of sin, call 2"]


# --- the formula ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "wrong"), [(1e-20, True), (1e-24, False)])
def test_a_formula_is_read_without_rounding(error: float, wrong: bool) -> None:
    """Errors that no float of the gradient shows; 2^-73 of the largest entry counts as nothing."""
    report = judged(vjp(jnp.sin, lambda g, x: g * jnp.cos(x) + error), (x,), steps=True)
    assert bool(faults(report)) == wrong == (not report.ok)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("roundings", "wrong"), [(0, False), (32, True)])
def test_a_constant_of_a_rule_may_be_rounded_but_once(dtype: str, roundings: int, wrong: bool) -> None:
    """The density of the normal distribution: 1 / sqrt(2 pi) is no float, and its function has another constant."""
    factor = 0.3989422804014327 * (1 + roundings * float(np.finfo(dtype).eps))

    def distribution(x: Any) -> Any:
        return 0.5 + 0.5 * lax.erf(x * 0.7071067811865476)

    f = vjp(distribution, lambda g, x: g * factor * jnp.exp(-x * x / 2))
    assert bool(faults(judged(f, (x.astype(dtype),), steps=True))) == wrong


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_rule_may_have_a_multiple_of_a_constant_of_its_function(dtype: str) -> None:
    pair = PAIRS["gelu"]
    report = check_grads(pair.right, tuple(a.astype(dtype) for a in pair.args), steps=True)
    assert any(s.kind == "formula" and "gelu" in s.name for s in report.steps)


def test_a_value_that_the_reverse_rule_changes_is_the_fault_of_the_formula() -> None:
    f = jax.custom_vjp(jnp.sin)
    f.defvjp(lambda x: (jnp.sin(x) + 1e-3, x), lambda x, g: (g * jnp.cos(x),))
    with pytest.raises(GradientError, match=r"^the formula is wrong: custom_vjp rule of sin: value"):
        check_grads(f, (x,))


def test_whatever_a_program_calls_is_entered() -> None:
    wrong = vjp(jnp.sin, lambda g, x: g * jnp.cos(x) * (1 + 1e-11))

    def calls(x: Any, count: int = 9) -> Any:
        x = jax.jit(jax.checkpoint(lambda x: jnp.tanh(3 * x)))(x)
        x, _ = lax.scan(lambda c, r: (jnp.tanh(wrong(c) + r), None), x, jnp.stack([x, 2 * x]))
        x = lax.cond(count > 3, lambda x: lax.cond(x.sum() > 99, wrong, jnp.cos, x), wrong, x)
        return lax.fori_loop(0, count, lambda i, c: jnp.tanh(c * x[i % 3]), x)

    assert set(faults(judged(calls, (x,)))) == {f"formula: custom_vjp rule of sin, call {n}" for n in (1, 2)}


def test_a_loop_may_begin_with_constants() -> None:
    """Its first step is differentiated by fewer operands than the others."""
    wrong = vjp(jnp.multiply, lambda g, a, b: (g * b, g * a * (1 + 1e-11)))
    f = lambda x: lax.scan(lambda c, r: (c + wrong(jnp.cos(c), r), None), jnp.zeros(4), x)[0]  # noqa: E731
    report = judged(f, (x,))
    assert set(faults(report)) == {f"formula: custom_vjp rule, call {n}" for n in (1, 2, 3)}
    assert all(step.verdict == "pass" for step in report.steps if step.kind == "kernel")


@pytest.mark.parametrize("groups", [{"batch_group_count": 2}, {"feature_group_count": 2}])
def test_convolutions_by_groups_and_their_gradients(groups: dict[str, int]) -> None:
    """The gradient of the one has the other."""
    kernel = rng.standard_normal((3, 3, 2 // groups.get("feature_group_count", 1), 4)).astype(np.float32)

    def f(i: Any, k: Any) -> Any:
        return lax.conv_general_dilated(i, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), **groups)

    assert check_grads(f, (rng.standard_normal((2, 4, 4, 2)).astype(np.float32), kernel), steps=True).ok


def test_axes_that_are_turned_while_an_array_is_reshaped() -> None:
    assert check_grads(lambda x: lax.reshape(x, (2, 6), dimensions=(1, 0)) ** 2, (x,), steps=True).ok


# --- kinks ------------------------------------------------------------------------------------------------------------

TIES: dict[str, Any] = {
    "relu": jax.nn.relu,
    "maximum": lambda x: jnp.maximum(x, 0),
    "abs": jnp.abs,
    "clip": lambda x: jnp.clip(x, -1, 1),
    "largest": lambda x: x - x.max(1, keepdims=True),
    "sorted": lambda x: jnp.sort(x, axis=1),
    "pooled": lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 2), (1, 1), "SAME"),
}


@pytest.mark.parametrize("name", TIES)
def test_at_a_tie_whatever_lies_between_is_accepted_at_any_depth(name: str) -> None:
    """All ties at once, in the first layer; below it the bound from end to end says nothing."""
    tied = np.array([[0, 0, 1, -1, 1, 2], [-1, -1, -1, 0, 0, 0]], np.float32)
    report = check_grads(lambda x, weights: deep(TIES[name](x), weights), (tied, DEEP[1]), steps=True)
    assert report.steps


@pytest.mark.parametrize(("slope", "verdict"), [(0.0, "pass"), (0.5, "pass"), (1.0, "pass"), (1.1, "wrong")])
def test_beyond_the_one_sided_derivatives_a_rule_is_wrong_at_any_depth(slope: float, verdict: str) -> None:
    relu = vjp(lambda x: jnp.maximum(x, 0), lambda g, x: jnp.where(x > 0, g, jnp.where(x < 0, 0, g * slope)))
    tied = np.array([[0, 0, 1, -1, 1, 2]], np.float32)
    report = judged(lambda x, weights: deep(relu(x), weights), (tied, DEEP[1]), steps=True)
    assert report.verdict == verdict


# --- kernels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("primitive", ["exp", "dot_general", "reduce_sum", "select_n", "mul"])
def test_a_kernel_that_is_not_exact_enough_is_named(primitive: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """JAX has no such kernel: it is put between, and errs in one entry by 4e-6."""

    def spoilt(here: Any, cells: list[Cell]) -> list[Any]:
        results = computed(here, cells)
        if here.name != primitive:
            return results
        return [jnp.ravel(r).at[0].multiply(1 + 4e-6).reshape(r.shape) for r in results]

    monkeypatch.setattr(kernels, "computed", spoilt)
    f = lambda x: jax.nn.softmax(jax.nn.relu(x @ x.T + 1))  # noqa: E731
    report = judged(f, (x.astype(np.float32),), steps=True)
    assert set(faults(report)) == {f"kernel: {primitive}"}
    assert f"the kernel of {primitive} at " in next(s.message for s in report.steps)


def test_a_rule_in_a_narrower_dtype_is_the_fault_of_a_kernel() -> None:
    pair = PAIRS["sine in half"]
    with pytest.raises(GradientError, match=r"^the kernel of convert_element_type"):
        check_grads(pair.wrong, (x.astype(np.float32),))


def test_numbers_below_the_dtype_are_no_fault_of_a_kernel() -> None:
    assert judged(lambda x: jnp.exp(jnp.exp(x - 100) - 100) + x, (x.astype(np.float32),), steps=True).ok
    assert judged(lambda x: jnp.sin(0 * x) + x, (x.astype(np.float32),), steps=True).ok


def test_infinities_that_are_meant_are_not_judged() -> None:
    mask = np.tri(3, 4, dtype=bool)

    def f(x: Any) -> Any:
        return jax.nn.softmax(jnp.where(mask, x, -jnp.inf)) + jnp.where(mask, 1 / jnp.where(mask, x, 0), 0)

    assert check_grads(f, (x.astype(np.float32),), steps=True).ok


# --- what steps do not prove ------------------------------------------------------------------------------------------


def test_a_rule_that_is_another_one_while_it_is_traced_is_not_certified() -> None:
    """What is read is the program as it is traced; run as it is it gives other floats."""

    def back(g: Any, x: Any) -> Any:
        return g * jnp.cos(x) * (1.0 if isinstance(x, jax.core.Tracer) else 1.001)

    f = vjp(jnp.sin, back)
    report = judged(lambda x, weights: deep(f(x), weights), DEEP)
    assert report.verdict == "undecided"
    assert "gives other floats than its steps for args[0]" in str(report)


def test_what_cannot_be_followed_leaves_the_verdict() -> None:
    def called_back(x: Any) -> Any:
        return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    wrong = vjp(called_back, lambda g, x: g * jnp.cos(x) * 1.001)
    report = judged(wrong, (x,), reference=jnp.sin)
    assert report.verdict == "wrong"
    assert any("pure_callback" in step.message for step in report.steps)


def test_of_a_forward_mode_that_is_wrong_the_steps_say_nothing() -> None:
    pair = PAIRS["tanh"]
    assert not judged(pair.wrong, (x,), modes=("fwd",)).steps


@pytest.mark.parametrize("steps", ["always", None, 2])
def test_steps_that_there_are_not(steps: Any) -> None:
    with pytest.raises(InputError, match="expected 'auto', True or False"):
        check_grads(jnp.sin, (x,), steps=steps)
