"""Float16 and bfloat16 in JAX: kernels that are right pass, planted errors do not, and what accumulates badly."""

# ruff: noqa: ARG005, E402

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp
from jax import lax

import gradaudit
from gradaudit.functions.numbers import common, near_one, normal, scaled, sparse, whole
from gradaudit.jax import check_grads
from tests.frameworks.custom_rules import vjp

DTYPES = ("bfloat16", "float16")
PLANTED = {"bfloat16": 3e-2, "float16": 4e-3}
KINDS = (normal, whole, scaled, sparse, common, near_one)
MATRIX, PAIR, IMAGE = ((4, 6),), ((4, 6), (4, 6)), ((2, 3, 4, 4),)
INDEX = np.array([0, 2, 2, 1], np.int32)

#: Name: the function, the shapes of its operands.
KERNELS: dict[str, tuple[Callable[..., Any], Any]] = {
    **{name: (getattr(jnp, name), MATRIX) for name in ("exp", "expm1", "tanh", "sin", "arcsinh", "cosh")},
    **{name: (getattr(jax.nn, name), MATRIX) for name in ("sigmoid", "softplus", "gelu", "silu", "relu", "elu")},
    "log": (lambda x: jnp.log(jnp.abs(x) + 0.5), MATRIX),
    "log2": (lambda x: jnp.log2(jnp.abs(x) + 0.5), MATRIX),
    "square root": (lambda x: jnp.sqrt(jnp.abs(x) + 0.5), MATRIX),
    "reciprocal root": (lambda x: lax.rsqrt(jnp.abs(x) + 0.5), MATRIX),
    "erf": (lax.erf, MATRIX),
    "cube": (lambda x: x**3, MATRIX),
    "add": (jnp.add, PAIR),
    "multiply": (jnp.multiply, PAIR),
    "divide": (lambda x, y: x / (jnp.abs(y) + 0.5), PAIR),
    "maximum": (jnp.maximum, PAIR),
    "where": (lambda x, y: jnp.where(x > y, x, y * y), PAIR),
    "sum": (lambda x: x.sum(1), ((4, 5000),)),
    "mean": (lambda x: x.mean(1), ((4, 300),)),
    "weighted": (lambda x, y: (x * y).sum(1), ((4, 300), (4, 300))),
    "largest": (lambda x: x.max(1), MATRIX),
    "log-sum-exp": (lambda x: jax.nn.logsumexp(x, axis=1), MATRIX),
    "softmax": (lambda x: jax.nn.softmax(x, axis=1), MATRIX),
    "log-softmax": (lambda x: jax.nn.log_softmax(x, axis=1), MATRIX),
    "matrix product": (jnp.matmul, ((3, 5000), (5000, 4))),
    "matrix times vector": (jnp.matmul, ((3, 300), (300,))),
    "convolution": (lambda x, w: lax.conv(x, w, (1, 1), "SAME"), (*IMAGE, (4, 3, 3, 3))),
    "largest of windows": (
        lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"),
        IMAGE,
    ),
    "picked": (lambda x: x[INDEX], MATRIX),
    "added to places": (lambda x, y: x.at[INDEX].add(y), PAIR),
    "concatenation": (lambda x, y: jnp.concatenate([x, y * y], 1), PAIR),
    "a loop": (lambda x: lax.scan(lambda c, r: (jnp.tanh(c * 0.5 + r), c), jnp.zeros(6, x.dtype), x)[0], MATRIX),
    "squares": (lambda x, y: ((x - y) ** 2).mean(), PAIR),
    "sorted": (lambda x: jnp.sort(x, 1), MATRIX),
}
#: A correct program may be off by as much as is planted.
DULL = {"reciprocal root", "log-sum-exp", "softmax", "log-softmax", "gelu", "softplus", "a loop"}


def operands(shapes: Any, rng: Any, dtype: str) -> tuple[Any, ...]:
    kinds = [normal if max(s) > 100 else KINDS[rng.integers(len(KINDS))] for s in shapes]
    return tuple(jnp.asarray(np.clip(k(rng, s), -100, 100), dtype) for k, s in zip(kinds, shapes, strict=True))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KERNELS)
def test_a_right_kernel_is_not_called_wrong(name: str, dtype: str, figure: Callable[[str], None]) -> None:
    """As it is and compiled; kinks, ties, zeros, offsets, sums of up to 5,000."""
    f, shapes = KERNELS[name]
    args = operands(shapes, np.random.default_rng([*dtype.encode(), *name.encode()]), dtype)
    report = check_grads(f, args, raise_exception=False)
    assert report.verdict != "wrong", [n.message for n in report.findings if n.message]
    assert any(dtype in remark for remark in report.remarks)
    largest = max([0.0, *(n.ratio for n in report.findings if n.verdict == "pass")])
    figure(f"{name} of JAX in {dtype}: largest error/bound {largest:.2g}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in KERNELS if name not in DULL])
def test_an_error_in_a_step_is_convicted(name: str, dtype: str) -> None:
    f, shapes = KERNELS[name]
    slightly = vjp(lambda x: 1 * x, lambda g, x: ((1 + PLANTED[dtype]) * g.astype(jnp.float32)).astype(g.dtype))
    rng = np.random.default_rng(1)
    args = tuple(jnp.asarray(rng.standard_normal(s), dtype) for s in shapes)
    report = check_grads(lambda *xs: f(*map(slightly, xs)), args, raise_exception=False)
    wrong = {str(n.array) for n in report.findings if n.verdict == "wrong"}
    assert wrong
    assert all(n.startswith("args") for n in wrong)


# --- what XLA accumulates in the dtype on the CPU ---------------------------------------------------------------------


def positive(*shape: int) -> Any:
    return np.random.default_rng(0).random(shape) + 0.5


#: A large number, and small ones that are lost where each is added to it in the dtype.
LOST = np.where(np.arange(96).reshape(32, 3) < 3, 256.0, 0.125)
#: Name: the function, its arguments, the array that is wrong.
FINDINGS: dict[str, tuple[Callable[..., Any], Any, str]] = {
    "the derivative of what is repeated": (lambda b, x: (x * b).sum(), (positive(3), LOST), "args[0]"),
    "a cumulative sum": (jnp.cumsum, (positive(300),), "value"),
    "means of windows": (
        lambda x: lax.reduce_window(x, np.array(0, x.dtype), lax.add, (4, 4), (4, 4), "VALID") / 16,
        (positive(16, 16),),
        "value",
    ),
    "powers of two": (jnp.exp2, (8 * positive(50),), "value"),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FINDINGS)
def test_a_kernel_that_loses_digits_is_convicted(name: str, dtype: str) -> None:
    f, args, array = FINDINGS[name]
    report = check_grads(f, tuple(jnp.asarray(x, dtype) for x in args), raise_exception=False)
    assert any(str(n.array).startswith(array) for n in report.findings if n.verdict == "wrong")


def test_every_partial_sum_is_rounded() -> None:
    """256 and 31 halves: JAX's own sum adds in float32, the one that it differentiates with does not."""
    x = jnp.asarray([256.0, *[0.5] * 31], jnp.bfloat16)
    _, pull = jax.vjp(lambda b: jnp.broadcast_to(b, x.shape), jnp.zeros((), jnp.bfloat16))
    assert (float(jnp.sum(x)), float(pull(x)[0])) == (272.0, 256.0)


# --- dtypes that change inside a function -----------------------------------------------------------------------------


def test_what_is_computed_in_float32_and_rounded_is_in_the_model() -> None:
    args = (jnp.asarray(positive(4, 5), jnp.bfloat16),)
    assert check_grads(lambda x: (x.astype(jnp.float32) ** 2).astype(jnp.bfloat16), args)
    assert check_grads(lambda x: jnp.tanh(x.astype(jnp.float32)), args)


@pytest.mark.parametrize(
    ("dtype", "to"), [("float32", "bfloat16"), ("float32", "float16"), ("bfloat16", "float16"), ("float16", "bfloat16")]
)
def test_a_conversion_to_fewer_digits_or_smaller_numbers_is_refused(dtype: str, to: str) -> None:
    with pytest.raises(gradaudit.UnsupportedError, match=f"rounds {dtype} to {to}"):
        check_grads(lambda x: (x * x).astype(to).astype(x.dtype), (jnp.asarray(positive(3), dtype),))
