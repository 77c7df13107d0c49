"""The front end of JAX: what is followed, what is judged, what is refused."""

# ruff: noqa: E402

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp
from jax import lax

from gradaudit import GradientError, InputError, UnsupportedError
from gradaudit.jax import check_grads
from tests.frameworks.custom_rules import jvp, vjp

DTYPES = ("float32", "float64")
rng = np.random.default_rng(0)
x, p, v = rng.standard_normal((3, 4)), rng.random((3, 4)) + 0.3, rng.standard_normal(5)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def names(report: Any) -> list[str]:
    return [str(f.array) for f in report.findings]


# --- arguments --------------------------------------------------------------------------------------------------------


@each_dtype
def test_trees_are_named_by_their_paths(dtype: str) -> None:
    args = ({"W": x.astype(dtype), "b": [v.astype(dtype)]}, p.astype(dtype))
    report = check_grads(lambda t, p: {"a": t["W"] * p, "c": (t["b"][0] ** 2,)}, args)
    assert report.ok
    wanted = {"value['a']", "value['c'][0]", "args[0]['W']", "args[0]['b'][0]", "args[1]"}
    assert wanted <= set(names(report))


def test_whole_numbers_masks_and_options_are_passed_on_as_they_are() -> None:
    def f(x: Any, y: Any, mask: Any, power: int, way: str) -> Any:
        assert isinstance(y, np.ndarray)
        assert way == "sum"
        return jnp.where(mask, x, 0)[y].sum() ** power

    assert check_grads(f, (x, np.array([0, 2]), x > 0, 2, "sum")).ok


@pytest.mark.parametrize("leaking", [False, True])
def test_the_flag_for_float64_is_as_it_was(leaking: bool) -> None:
    before = jax.config.jax_enable_x64
    f = vjp(jnp.sin, lambda g, x: g if leaking else g * jnp.cos(x))
    check_grads(f, (x,), raise_exception=False)
    with pytest.raises(UnsupportedError):
        check_grads(lambda x: jnp.linalg.inv(x @ x.T), (x,))
    assert jax.config.jax_enable_x64 == before
    assert jnp.asarray(x).dtype == (np.float64 if before else np.float32)


@pytest.mark.parametrize("dtype", ["float8_e5m2", "float8_e4m3fn"])
def test_narrower_dtypes_are_refused(dtype: str) -> None:
    with pytest.raises(
        InputError, match=r"args\[0\] is of the dtype float8.*; expected one of float32, float64, float16"
    ):
        check_grads(jnp.sin, (jnp.asarray(x, dtype),))


@pytest.mark.parametrize(
    ("f", "args", "message"),
    [
        (jnp.sin, x, r"expected a tuple of the arguments"),
        (jnp.sin, (np.arange(3),), "args has no array of floats"),
        (jnp.add, (x, x.astype(np.float32)), "floats of two dtypes"),
        (lambda x: jnp.abs(x), (x + 1j,), "complex numbers; expected real ones"),
        (lambda x: x > 0, (x,), "returns no array of floats"),
        (jnp.sin, (np.array([1.0, np.inf]),), r"args\[0\] has an entry that is not finite"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(f: Any, args: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        check_grads(f, args)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("options", [{"order": 3}, {"order": 0}, {"modes": ("back",)}, {"modes": ()}])
def test_options_that_there_are_not(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="; expected"):
        check_grads(jnp.sin, (x,), **options)


def test_the_options_of_jax_are_accepted_without_meaning() -> None:
    wrong = vjp(jnp.sin, lambda g, x: g * jnp.cos(x) * (1 + 1e-9))
    with pytest.raises(GradientError):
        check_grads(wrong, (x,), 1, ("rev",), atol=1.0, rtol=1.0, eps=1e-3)


# --- what is followed -------------------------------------------------------------------------------------------------

FOLLOWED: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "jit": (jax.jit(lambda x: jnp.sin(jax.jit(jnp.exp)(x))), (x,)),
    "remat": (jax.checkpoint(lambda x: jnp.sin(jnp.sin(x))), (x,)),
    "scan": (lambda x: lax.scan(lambda c, r: (jnp.tanh(c + r), c * r), x[0], x), (x,)),
    "scan from the end": (lambda x: lax.scan(lambda c, r: (c * r, c), x[0], x, reverse=True), (x,)),
    "loop": (lambda x: lax.fori_loop(0, 3, lambda i, c: c * x[i], x[0]), (x,)),
    "map": (lambda x: lax.map(lambda r: jnp.sin(r).sum(), x), (x,)),
    "known branch": (lambda x: lax.cond(True, jnp.sin, jnp.cos, x), (x,)),
    "known case": (lambda x: lax.switch(2, [jnp.sin, jnp.cos, jnp.tanh], x), (x,)),
    "branch by a value": (lambda x: lax.cond(x.sum() > 0, jnp.sin, lambda x: x**2, x), (x,)),
    "case by values": (lambda x: lax.switch((x > 0).sum() - 4, [jnp.sin, jnp.cos, jnp.tanh], x), (x,)),
    "vmap": (jax.vmap(lambda r: jax.nn.softmax(r) @ r), (x,)),
    "vmap of a branch": (jax.vmap(lambda r: lax.cond(r[0] > 0, jnp.sin, jnp.cos, r)), (x,)),
    "a mapped axis": (jax.vmap(lambda r: r / lax.psum(r, "i"), axis_name="i"), (p,)),
    "a derivative inside": (lambda x: jax.grad(lambda x: (x**3).sum())(x), (x,)),
    "dropout": (lambda x: jnp.where(jax.random.bernoulli(jax.random.key(0), 0.7, x.shape), x / 0.7, 0), (x,)),
    "noise": (lambda m, s: m + s * jax.random.normal(jax.random.key(0), m.shape, m.dtype), (x, p)),
    "a permutation": (lambda x: jax.random.permutation(jax.random.PRNGKey(1), x), (x,)),
    "stop_gradient": (lambda x: (lax.stop_gradient(x) * x).sum(), (x,)),
    "straight through": (lambda x: x**2 + lax.stop_gradient(jnp.round(x) - x), (x,)),
    "a mask of values": (lambda x: jnp.where(x > 0, x, 0).sum() / (x > 0).sum(), (x,)),
    "infinities": (lambda x: jax.nn.softmax(jnp.where(np.tri(3, 4, dtype=bool), x, -jnp.inf)), (x,)),
    "softmax of a part": (lambda x: jax.nn.softmax(x, where=x > -1), (x,)),
    "nan_to_num": (jnp.nan_to_num, (x,)),
    "hypot": (jnp.hypot, (x, p)),
    "logaddexp": (jnp.logaddexp, (x, p)),
    "log_sigmoid": (jax.nn.log_sigmoid, (x,)),
    "xlogy": (jax.scipy.special.xlogy, (x, p)),
    "gelu": (lambda x: jax.nn.gelu(x, approximate=False), (x,)),
    "variance": (lambda x: jnp.var(x, axis=0, ddof=1), (x,)),
    "sort": (lambda x: jnp.sort(x, axis=0) ** 2, (x,)),
    "median": (jnp.median, (x,)),
    "top_k": (lambda x: lax.top_k(x, 2)[0], (x,)),
    "prod": (lambda x: jnp.prod(x, axis=1), (x,)),
    "cumprod": (lambda x: jnp.cumprod(x, axis=1), (x,)),
    "einsum": (lambda x, p: jnp.einsum("ij,kj->ki", x, p), (x, p)),
    "layers of sequences": (lambda x, b: jnp.tanh(x.reshape(3, 2, 2) @ x[:2, :2] + b), (x, 100 * v[:2])),
    "added at places": (lambda x: x.at[np.array([0, 1, 1], np.int32)].add(2 * x), (x,)),
    "set": (lambda x: x.at[1, 2].set(x[0, 0] ** 2), (x,)),
    "multiplied at places": (lambda x: x.at[np.array([1, 2, 0], np.int32)].multiply(x, unique_indices=True), (x,)),
    "segment_max": (lambda x: jax.ops.segment_max(x, np.array([0, 0, 1], np.int32), 2), (x,)),
    "written": (lambda x: lax.dynamic_update_slice(x, x[:1, :1] * 2, (1, 1)), (x,)),
    "remainder": (lambda x, p: jnp.mod(x * 3, p), (x, p)),
    "print": (lambda x: (jax.debug.callback(str, x.sum()), x**2)[1], (x,)),
}


@pytest.mark.parametrize(("name", "dtype"), [(name, DTYPES[n % 2]) for n, name in enumerate(FOLLOWED)])
def test_what_is_followed_is_accepted_in_both_modes(name: str, dtype: str) -> None:
    """Compilation takes most of the time: each in one of the dtypes."""
    f, args = FOLLOWED[name]
    report = check_grads(f, tuple(a.astype(dtype) for a in args), modes=("rev", "fwd"))
    assert max(f.resolution for f in report.findings) < (1e-2 if dtype == "float32" else 1e-6)


image, kernels = rng.standard_normal((2, 5, 5, 2)), rng.standard_normal((3, 3, 2, 3))
LAYOUT = ("NHWC", "HWIO", "NHWC")
WINDOWS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "same": (lambda i, k: lax.conv_general_dilated(i, k, (1, 1), "SAME", dimension_numbers=LAYOUT), (image, kernels)),
    "dilated": (
        lambda i, k: lax.conv_general_dilated(i, k, (2, 1), "VALID", rhs_dilation=(2, 1), dimension_numbers=LAYOUT),
        (image, kernels),
    ),
    "transposed": (
        lambda i, k: lax.conv_transpose(i, k, (2, 2), "SAME", dimension_numbers=LAYOUT), (image[:, :3, :3], kernels)
    ),
    "by channels": (
        lambda i, k: lax.conv_general_dilated(i, k, (1, 1), "SAME", dimension_numbers=LAYOUT, feature_group_count=2),
        (image, rng.standard_normal((3, 3, 1, 4))),
    ),
    "largest": (lambda i: lax.reduce_window(i, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME"), (image,)),
    "mean": (lambda i: lax.reduce_window(i, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") / 4, (image,)),
    "attention": (lambda q: jax.nn.dot_product_attention(q, 2 * q, q), (image[..., :2],)),
    "resized": (lambda i: jax.image.resize(i, (2, 7, 7, 2), "bilinear"), (image,)),
}  # fmt: skip


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_are_followed(name: str) -> None:
    f, args = WINDOWS[name]
    assert check_grads(f, tuple(a.astype(np.float32) for a in args), modes=("rev", "fwd")).ok


# --- what is judged ---------------------------------------------------------------------------------------------------


def test_of_a_custom_rule_the_function_is_followed_and_the_rule_is_judged() -> None:
    halved = vjp(lambda x: x**2, lambda g, x: g * x)
    with pytest.raises(
        GradientError, match=r"^the formula is wrong: custom_vjp rule of <lambda> (.|\n)*args\[0\]\[.*\] is wrong: got"
    ):
        check_grads(halved, (x,))
    assert check_grads(halved, (x,), reference=lambda x: x**2, raise_exception=False).verdict == "wrong"


def test_a_value_that_the_reverse_rule_changes_is_seen() -> None:
    f = jax.custom_vjp(jnp.sin)
    f.defvjp(lambda x: (jnp.sin(x) + 1e-3, x), lambda x, g: (g * jnp.cos(x),))
    with pytest.raises(GradientError, match=r"value of jax\.vjp"):
        check_grads(f, (x,))


def test_a_rule_that_is_wrong_only_when_compiled_is_seen() -> None:
    def back(g: Any, x: Any) -> Any:
        return g * jnp.cos(x) * (1.001 if isinstance(x, jax.core.Tracer) else 1.0)

    report = check_grads(vjp(jnp.sin, back), (x,), raise_exception=False)
    assert {str(f.array) for f in report.findings if f.verdict == "wrong"} == {"args[0], compiled"}


def test_a_function_that_draws_floats_is_judged_as_it_is() -> None:
    """Compiled as a whole, JAX draws other last digits of these: they are not the function that was followed."""
    ones, key = np.ones(3), jax.random.key(3)
    report = check_grads(
        lambda x: x * jax.random.dirichlet(key, ones, (50,), x.dtype), (np.random.default_rng(1).random((50, 3)),)
    )
    assert not any("compiled" in name for name in names(report))


def test_an_error_at_one_output_is_seen_in_the_jacobian() -> None:
    def back(g: Any, v: Any) -> Any:
        return (2 * g * v).at[3].multiply(1 + 1e-9)

    report = check_grads(vjp(lambda v: v**2, back), (v,), jacobian=True, raise_exception=False)
    wrong = {str(f.array) for f in report.findings if f.verdict == "wrong"}
    assert wrong == {"args[0] of value[3]"}
    assert check_grads(lambda v: v**2, (v,), jacobian=True).ok


@each_dtype
def test_the_second_derivative_is_judged_in_each_mode(dtype: str) -> None:
    def f(x: Any) -> Any:
        return jax.nn.logsumexp(jnp.tanh(x @ x.T), axis=1)

    report = check_grads(f, (x.astype(dtype),), order=2, modes=("rev", "fwd"))
    assert {"second derivative by args[0]", "derivative by args[0] along args"} <= set(names(report))


def test_a_wrong_second_derivative_is_convicted() -> None:
    """The rule's value is right, and its derivative is not: x is taken for a constant in it."""
    f = vjp(lambda x: x**3, lambda g, x: 3 * g * lax.stop_gradient(x) ** 2)
    assert check_grads(f, (x,)).ok
    with pytest.raises(GradientError, match="second derivative by args"):
        check_grads(f, (x,), order=2)


def test_the_second_derivative_of_a_forward_rule() -> None:
    right = jvp(lambda x: x**3, lambda a, t: 3 * a[0] ** 2 * t[0])
    wrong = jvp(lambda x: x**3, lambda a, t: 3 * lax.stop_gradient(a[0]) ** 2 * t[0])
    assert check_grads(right, (x,), order=2, modes=("rev", "fwd")).ok
    for modes in ("rev", "fwd"):
        with pytest.raises(GradientError, match="derivative by args"):
            check_grads(wrong, (x,), order=2, modes=modes)


# --- kinks ------------------------------------------------------------------------------------------------------------

AT_KINK = {
    "relu": (lambda x: jnp.maximum(x, 0), np.array([0.0, 1.0, -1.0])),
    "where": (lambda x: jnp.where(x >= 0, x, 2 * x), np.array([0.0, 1.0])),
    "clip": (lambda x: jnp.clip(x, -1, 1), np.array([-1.0, 0.5, 1.0])),
    "abs": (jnp.abs, np.array([0.0, 2.0])),
    "max": (lambda x: jnp.max(x), np.array([2.0, 1.0, 2.0])),
    "sort": (jnp.sort, np.array([2.0, 1.0, 2.0])),
}


@each_dtype
@pytest.mark.parametrize("name", AT_KINK)
def test_at_a_kink_what_jax_takes_is_accepted_and_reported(name: str, dtype: str) -> None:
    f, at = AT_KINK[name]
    report = check_grads(f, (at.astype(dtype),), modes=("rev", "fwd"))
    assert report.kinks


SLOPES = [(0.0, "pass"), (0.3, "pass"), (1.0, "pass"), (-1.1, "wrong"), (1.1, "wrong"), (-0.1, "wrong")]


@pytest.mark.parametrize(("slope", "verdict"), SLOPES)
def test_between_the_one_sided_derivatives_and_nothing_else(slope: float, verdict: str) -> None:
    f = vjp(lambda x: jnp.maximum(x, 0), lambda g, x: jnp.where(x > 0, g, jnp.where(x < 0, 0, g * slope)))
    assert check_grads(f, (np.array([0.0, 1.0, -1.0]),), raise_exception=False).verdict == verdict


def test_whole_numbers_have_no_kink() -> None:
    """A count that is equal to a number is no tie: the other branch is wrong."""

    def f(x: Any) -> Any:
        return jnp.where((x > 0).sum() == 2, x**2, x)

    at = np.array([1.0, 2.0, -1.0])
    assert not check_grads(f, (at,)).kinks
    other = vjp(f, lambda g, x: g + 0 * x)
    assert check_grads(other, (at,), raise_exception=False).verdict == "wrong"


# --- what is refused --------------------------------------------------------------------------------------------------


def called_back(x: Any) -> Any:
    return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)


REFUSED = {
    "pure_callback": called_back,
    "io_callback": lambda x: jax.experimental.io_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x),
    "lu": lambda x: jnp.linalg.inv(x @ x.T),
    "argmax": lambda x: x[:, jnp.argmax(x[0])],
    "bfloat16": lambda x: x.astype(jnp.bfloat16).astype(x.dtype),
    "taken for a number": lambda x: x if x.sum() > 0 else -x,
    "while": lambda x: lax.while_loop(lambda c: c.sum() < 9, lambda c: c * 2, jnp.abs(x)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_is_named_with_its_line(name: str) -> None:
    f = vjp(REFUSED[name], lambda g, x: g + 0 * x)
    with pytest.raises(UnsupportedError, match=rf"{name}.* at .*test_check_grads.py:\d+; .*reference=") as caught:
        check_grads(f, (x,))
    line = re.findall(r"test_check_grads.py:(\d+);", str(caught.value))[0]
    source = Path(__file__).read_text().splitlines()[int(line) - 1]
    assert "lambda x" in source or "pure_callback" in source


@each_dtype
def test_with_a_reference_what_leaves_jax_is_judged(dtype: str) -> None:
    right, wrong = (vjp(called_back, lambda g, x, k=k: k * g * jnp.cos(x)) for k in (1, 1.001))
    assert check_grads(right, (x.astype(dtype),), reference=jnp.sin).ok
    with pytest.raises(GradientError, match=r"args\[0\]"):
        check_grads(wrong, (x.astype(dtype),), reference=jnp.sin)
    with pytest.raises(GradientError, match="value"):
        check_grads(right, (x.astype(dtype),), reference=jnp.cos)


def test_a_reference_of_another_shape() -> None:
    with pytest.raises(InputError, match=r"reference returns arrays of the shapes \(4, 3\); expected those of f"):
        check_grads(jnp.sin, (x,), reference=lambda x: jnp.sin(x).T)


def test_a_function_with_a_branch_of_python_is_judged_by_its_reference() -> None:
    report = check_grads(lambda x: x**2 if x.sum() > -100 else x, (x,), reference=lambda x: x**2)
    assert report.ok
    assert not any("compiled" in name for name in names(report))
