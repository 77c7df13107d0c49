"""Activations, normalisations, losses and layers: what PyTorch differentiates passes, and small errors do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradaudit.checking import cotangent
from gradaudit.operations.shapes import input_
from gradaudit.recording import Recording
from tests.library.composites import CASES, Case, normal

torch = pytest.importorskip("torch")

DTYPES = ("float32", "float64")
#: The relative error of the largest entry of a gradient that has to be seen.
SEEN = {"float32": 1e-3, "float64": 1e-9}
#: Where PyTorch is wrong: the derivative of CELU has 1 / alpha, that of hardsigmoid 1 / 6, as a float32 in float64 too.
FAULTS = {("celu", "float64"), ("hardsigmoid", "float64")}
#: Where JAX is: dot_product_attention has its softmax in float32, in float64 too.
FAULTS_OF_JAX = {("attention", "float64")}


def differentiated(case: Case, arrays: list[Any], weights: Any) -> tuple[Any, list[Any]]:
    """The value in PyTorch, and its gradients."""
    tensors = [torch.from_numpy(x).requires_grad_() for x in arrays]
    value = case.program(*tensors)
    gradients = torch.autograd.grad(value, tensors, torch.from_numpy(weights), allow_unused=True)
    return value.detach().numpy(), [
        np.zeros_like(x) if g is None else g.numpy() for g, x in zip(gradients, arrays, strict=True)
    ]


def posed(case: Case, dtype: str, seed: int) -> tuple[Recording, Any, Any, list[Any]]:
    """A recording, what it is pulled back with, and PyTorch's value and gradients."""
    rng = np.random.default_rng(seed)
    arrays = [np.asarray(case.draw(rng, shape)).astype(dtype) for shape in case.shapes]
    nodes = [input_(size=x.shape) for x in arrays]
    output = case.make(*nodes)
    weights = np.asarray(cotangent(output.shape, seed, dtype), dtype=dtype)
    value, gradients = differentiated(case, arrays, weights)
    assert value.shape == output.shape
    inputs = dict(zip(nodes, arrays, strict=True))
    return Recording([output], dict(enumerate(nodes)), inputs, np.dtype(dtype)), weights, value, gradients


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_right_gradients_pass(name: str, dtype: str, figure: Callable[[str], None]) -> None:
    ratio = 0.0
    for seed in range(3):
        recording, weights, value, gradients = posed(CASES[name], dtype, seed)
        report = recording.report(dict(enumerate(gradients)), [weights], {"value": value})
        assert report.verdict == ("wrong" if (name, dtype) in FAULTS else "pass"), report
        ratio = max(ratio, *(f.ratio for f in report.findings if np.isfinite(f.ratio)))
    figure(f"largest error/bound of {name} in PyTorch, {dtype}: {ratio:.2g}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_a_small_error_in_the_largest_entry_is_convicted(name: str, dtype: str) -> None:
    recording, weights, _, gradients = posed(CASES[name], dtype, 0)
    for k, g in enumerate(gradients):
        if not g.any():
            continue
        wrong = [np.array(x) for x in gradients]
        place = np.unravel_index(np.abs(g).argmax(), g.shape)
        wrong[k][place] *= 1 + SEEN[dtype]
        assert recording.report(dict(enumerate(wrong)), [weights]).verdict == "wrong", k


#: Numbers that are large, small, whole, sparse, or share an offset.
KINDS: dict[str, Callable[[Any, Any], Any]] = {
    "large": lambda rng, shape: rng.standard_normal(shape) * 20,
    "huge": lambda rng, shape: rng.standard_normal(shape) * 1e4,
    "small": lambda rng, shape: rng.standard_normal(shape) * 1e-4,
    "whole": lambda rng, shape: rng.integers(-3, 4, shape).astype(float),
    "common": lambda rng, shape: rng.standard_normal(shape) + 1000,
    "sparse": lambda rng, shape: np.where(rng.random(shape) < 0.5, 0.0, rng.standard_normal(shape)),
}
#: Where PyTorch errs on some of them: its scatter_reduce shares the derivative with an equal entry that takes no part;
#: its soft margin is log1p(exp(z)), which overflows; the derivative of its logcumsumexp adds the numbers themselves to
#: logarithms of the cotangent.
KNOWN = {
    ("scatter_reduce amax False", "sparse"),
    ("scatter_reduce amin False", "sparse"),
    ("soft margin", "huge"),
    ("soft margin", "common"),
    ("cumulative logsumexp", "huge"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_right_gradient_is_called_wrong(kind: str, figure: Callable[[str], None]) -> None:
    verdicts: dict[str, int] = {}
    for name, case in CASES.items():
        if case.draw is not normal:
            continue
        for dtype in DTYPES:
            recording, weights, value, gradients = posed(replace(case, draw=KINDS[kind]), dtype, 0)
            report = recording.report(dict(enumerate(gradients)), [weights], {"value": value})
            verdicts[report.verdict] = verdicts.get(report.verdict, 0) + 1
            assert report.verdict != "wrong" or {(name, kind), (name, dtype)} & (KNOWN | FAULTS), (name, report)
    figure(f"{kind} numbers in {len(CASES)} composites of PyTorch: {verdicts}")


def of_jax(program: Callable[..., Any], arrays: list[Any], weights: Any) -> tuple[Any, list[Any]]:
    """The value in JAX, compiled, and its gradients."""
    jax = pytest.importorskip("jax")
    with jax.enable_x64(weights.dtype == np.float64):
        value, pull = jax.vjp(jax.jit(program), *arrays)
        return np.array(value), [np.array(g) for g in pull(weights)]


def in_jax() -> dict[str, Callable[..., Any]]:
    """What JAX has of the composites, by their names."""
    jax = pytest.importorskip("jax")
    nn, jnp = jax.nn, jax.numpy
    return {
        "gelu": lambda x: nn.gelu(x, approximate=False),
        "gelu by tanh": nn.gelu,
        "silu": nn.silu,
        "mish": nn.mish,
        "elu": lambda x: nn.elu(x, 1.5),
        "selu": nn.selu,
        "celu": lambda x: nn.celu(x, 0.7),
        "leaky relu": nn.leaky_relu,
        "hardsigmoid": lambda x: nn.hard_sigmoid(x * 3),
        "hardswish": lambda x: nn.hard_swish(x * 3),
        "softsign": nn.soft_sign,
        "log sigmoid": nn.log_sigmoid,
        "mse": lambda x, y: jnp.mean((x - y) ** 2),
        "product": lambda x: jnp.prod(x, axis=1),
        "cumulative product": lambda x: jnp.cumprod(x, axis=1),
        "sort": lambda x: jnp.sort(x, axis=0, descending=True),
        "top": lambda x: jax.lax.top_k(x, 2)[0],
        "cumulative maximum": lambda x: jax.lax.cummax(x, axis=1),
        "cumulative minimum": lambda x: jax.lax.cummin(x, axis=0),
        "cumulative logsumexp": lambda x: jax.lax.cumlogsumexp(x, axis=1),
        "deviation": lambda x: jnp.std(x, axis=1, ddof=1),
        "norm 3": lambda x: jnp.linalg.norm(x, 3, axis=1),
        "layer norm": lambda x, w, b: nn.standardize(x, axis=1, epsilon=1e-5) * w + b,
        "cosine similarity": lambda x, y: (
            jnp.sum(x * y, axis=1) / (jnp.linalg.norm(x, axis=1) * jnp.linalg.norm(y, axis=1))
        ),
        "attention": lambda q, k, v: jnp.swapaxes(
            nn.dot_product_attention(*(jnp.swapaxes(z, 1, 2) for z in (q, k, v))), 1, 2
        ),
        "nearest, exact": lambda x: jax.image.resize(x, (*x.shape[:2], 7, 3), "nearest"),
    }


@pytest.mark.parametrize("dtype", DTYPES)
def test_right_gradients_of_jax_pass(dtype: str, figure: Callable[[str], None]) -> None:
    for name, program in in_jax().items():
        recording, weights, _, _ = posed(CASES[name], dtype, 0)
        value, gradients = of_jax(program, list(recording.inputs.values()), weights)
        report = recording.report(dict(enumerate(gradients)), [weights], {"value": value})
        assert report.verdict == ("wrong" if (name, dtype) in FAULTS_OF_JAX else "pass"), (name, report)
        ratio = max(f.ratio for f in report.findings)
        figure(f"largest error/bound of {name} in JAX, {dtype}: {ratio:.2g}")
