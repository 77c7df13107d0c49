"""Functions with derivatives of their own, as people write them: each once right and once with a usual mistake."""

# mypy: ignore-errors
# ruff: noqa: ARG005

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_rng = np.random.default_rng(16)
x, y, W = (_rng.standard_normal(shape) for shape in ((4, 5), (4, 5), (5, 5)))
p = np.abs(x) + 0.5
v, image = _rng.standard_normal(6), _rng.standard_normal((1, 1, 7))
kernel = _rng.standard_normal((1, 1, 3))
#: Of 32 bits: JAX 0.10 keeps what it made of an array of 64 where its flag for 64 bits was off.
labels, rows = np.array([0, 2, 1, 4], np.int32), np.array([0, 3, 3, 1, 3], np.int32)


class Pair(NamedTuple):
    """A function, right and wrong.

    Attributes
    ----------
    right, wrong : callable
        The function, with the rule and with the mistaken one.
    args : tuple of ndarray
        Where.
    mistake : str
        What is wrong.
    dtypes : tuple of str
        In which the mistake can be seen.
    """

    right: Callable[..., Any]
    wrong: Callable[..., Any]
    args: tuple[Any, ...]
    mistake: str
    dtypes: tuple[str, ...] = ("float32", "float64")


def vjp(f: Callable[..., Any], backward: Callable[..., Any]) -> Callable[..., Any]:
    """A function with its own reverse rule: (cotangent, *arguments) -> one derivative, or a tuple of them."""
    ruled = jax.custom_vjp(f)

    def back(arguments: Any, g: Any) -> Any:
        result = backward(g, *arguments)
        return result if isinstance(result, tuple) else (result,)

    ruled.defvjp(lambda *arguments: (f(*arguments), arguments), back)
    return ruled


def jvp(f: Callable[..., Any], forward: Callable[..., Any]) -> Callable[..., Any]:
    """A function with its own forward rule: (arguments, tangents) -> the tangent."""
    ruled = jax.custom_jvp(f)
    ruled.defjvp(lambda arguments, tangents: (f(*arguments), forward(arguments, tangents)))
    return ruled


def pair(f: Any, right: Any, wrong: Any, args: Any, mistake: str, rule: Any = vjp, **options: Any) -> Pair:
    return Pair(rule(f, right), rule(f, wrong), args, mistake, **options)


def unit(x):
    return x / jnp.sqrt((x**2).sum(1, keepdims=True))


def unit_back(g, x):
    n, u = jnp.sqrt((x**2).sum(1, keepdims=True)), unit(x)
    return (g - u * (g * u).sum(1, keepdims=True)) / n


def layer_norm(x):
    m = x.mean(1, keepdims=True)
    return (x - m) / jnp.sqrt(((x - m) ** 2).mean(1, keepdims=True) + 1e-5)


def layer_norm_back(g, x):
    n, s = layer_norm(x), jnp.sqrt(((x - x.mean(1, keepdims=True)) ** 2).mean(1, keepdims=True) + 1e-5)
    return (g - g.mean(1, keepdims=True) - n * (g * n).mean(1, keepdims=True)) / s


def gelu(x):
    return 0.5 * x * (1 + jnp.tanh(0.7978845608 * (x + 0.044715 * x**3)))


def gelu_back(g, x):
    t = jnp.tanh(0.7978845608 * (x + 0.044715 * x**3))
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.7978845608 * (1 + 3 * 0.044715 * x**2))


def gelu_erf_back(g, x):
    density = jnp.exp(-x * x / 2) * 0.3989422804014327
    return g * (0.5 * (1 + lax.erf(x * 0.7071067811865476)) + x * density)


def softmax(x):
    e = jnp.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def softmax_back(g, x):
    s = softmax(x)
    return s * (g - (g * s).sum(1, keepdims=True))


def softplus(x):
    return jnp.logaddexp(x, 0.0)


def sigmoid(x):
    return 1 / (1 + jnp.exp(-x))


def cross_entropy(x):
    return -jax.nn.log_softmax(x)[np.arange(4), labels].mean()


def cross_entropy_back(g, x):
    return g * (jax.nn.softmax(x) - jax.nn.one_hot(labels, 5, dtype=x.dtype)) / 4


def scores(q, k):
    return q @ k.T / 5**0.5


def variance(x):
    return ((x - x.mean(0)) ** 2).sum(0) / 3


def convolved(w):
    return lax.conv_general_dilated(jnp.asarray(image, w.dtype), w, (1,), "VALID")


def convolved_back(g, w):
    window = jnp.asarray(image, w.dtype)[0, 0]
    return jnp.stack([(window[k : k + 5] * g[0, 0]).sum() for k in range(3)]).reshape(1, 1, 3)


def narrow(g, x):
    return (g.astype(jnp.bfloat16) * jnp.cos(x).astype(jnp.bfloat16)).astype(x.dtype)


def single(g, x):
    return (g.astype(jnp.float32) * jnp.cos(x.astype(jnp.float32))).astype(x.dtype)


def swish(x, b):
    return x * sigmoid(b * x)


def swish_back(g, x, b):
    s = sigmoid(b * x)
    return g * (s + b * x * s * (1 - s)), (g * x * x * s * (1 - s)).sum()


def distances(a, b):
    return jnp.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))


def distances_back(g, a, b):
    d = (a[:, None] - b[None]) / distances(a, b)[..., None] * g[..., None]
    return d.sum(1), -d.sum(0)


FACTOR = ("float64",)
PAIRS = {
    "unit": pair(unit, unit_back, lambda g, x: g / jnp.sqrt((x**2).sum(1, keepdims=True)), (x,), "no projection"),
    "layer_norm": pair(
        layer_norm, layer_norm_back, lambda g, x: g / jnp.sqrt(x.var(1, keepdims=True) + 1e-5), (x,),
        "statistics treated as constants",
    ),
    "layer_norm mean": pair(
        layer_norm, layer_norm_back, lambda g, x: layer_norm_back(g, x) + g.mean(1, keepdims=True), (x,),
        "the mean's part missing",
    ),
    "embedding": pair(
        lambda W: W[rows], lambda g, W: jnp.zeros_like(W).at[rows].add(g),
        lambda g, W: jnp.zeros_like(W).at[rows].set(g), (W,), "repeated rows overwritten, not added",
    ),
    "gelu": pair(gelu, gelu_back, gelu_erf_back, (x,), "the derivative of the other GELU"),
    "softplus": pair(
        softplus, lambda g, x: g * jax.nn.sigmoid(x), lambda g, x: g * jnp.where(x > 1, 1.0, jax.nn.sigmoid(x)), (x,),
        "a threshold that only the derivative has",
    ),
    "sine in half": pair(jnp.sin, lambda g, x: g * jnp.cos(x), narrow, (x,), "bfloat16 inside"),
    "sine in single": pair(jnp.sin, lambda g, x: g * jnp.cos(x), single, (x,), "float32 inside", dtypes=FACTOR),
    "sine": pair(
        jnp.sin, lambda g, x: g * jnp.cos(x), lambda g, x: g * jnp.cos(x) * (1 + 1e-9), (x,), "a factor off by 1e-9",
        dtypes=FACTOR,
    ),
    "softmax": pair(softmax, softmax_back, lambda g, x: g * softmax(x) * (1 - softmax(x)), (x,), "the diagonal alone"),
    "logsumexp": pair(
        lambda x: jax.nn.logsumexp(x, axis=1), lambda g, x: g[:, None] * jax.nn.softmax(x),
        lambda g, x: jax.nn.softmax(x), (x,), "the cotangent forgotten",
    ),
    "matmul": pair(
        lambda x, W: x @ W, lambda g, x, W: (g @ W.T, x.T @ g), lambda g, x, W: (g @ W, x.T @ g), (x, W),
        "a transpose missing",
    ),
    "bias": pair(
        lambda x, b: x + b, lambda g, x, b: (g, g.sum(0)), lambda g, x, b: (g, g.mean(0)), (x, x[0]),
        "a mean in place of a sum",
    ),
    "relu": pair(
        lambda x: jnp.maximum(x, 0), lambda g, x: jnp.where(x > 0, g, 0), lambda g, x: jnp.where(x < 0, g, 0), (x,),
        "the other side",
    ),
    "clip": pair(
        lambda x: jnp.clip(x, -0.5, 0.5), lambda g, x: jnp.where(jnp.abs(x) < 0.5, g, 0), lambda g, x: g, (x,),
        "passed straight through",
    ),
    "sqrt": pair(
        lambda x: jnp.sqrt(x + 1e-3), lambda g, x: g / (2 * jnp.sqrt(x + 1e-3)), lambda g, x: g / (2 * jnp.sqrt(x)),
        (p,), "an epsilon that only the value has",
    ),
    "sigmoid": pair(
        sigmoid, lambda g, x: g * sigmoid(x) * (1 - sigmoid(x)), lambda g, x: g * x * (1 - x), (x,),
        "input in place of output",
    ),
    "log1p": pair(jnp.log1p, lambda g, x: g / (1 + x), lambda g, x: g / x, (p,), "1 forgotten"),
    "cumsum": pair(
        lambda v: jnp.cumsum(v), lambda g, v: jnp.cumsum(g[::-1])[::-1], lambda g, v: jnp.cumsum(g), (v,),
        "not from the other end",
    ),
    "max": pair(
        lambda x: x.max(1), lambda g, x: jnp.where(x == x.max(1, keepdims=True), g[:, None], 0),
        lambda g, x: jnp.broadcast_to(g[:, None] / 5, x.shape), (x,), "as a mean",
    ),
    "cross_entropy": pair(
        cross_entropy, cross_entropy_back, lambda g, x: 4 * cross_entropy_back(g, x), (x,), "the mean's 1/N missing"
    ),
    "scores": pair(
        scores, lambda g, q, k: (g @ k / 5**0.5, g.T @ q / 5**0.5), lambda g, q, k: (g @ k / 5**0.5, g.T @ q), (x, y),
        "the scale missing in one of two",
    ),
    "variance": pair(
        variance, lambda g, x: 2 * g * (x - x.mean(0)) / 3, lambda g, x: 2 * g * (x - x.mean(0)) / 4, (x,),
        "n in place of n - 1",
    ),
    "swish": pair(
        swish, swish_back, lambda g, x, b: (swish_back(g, x, b)[0], (g * x * sigmoid(b * x)).sum()),
        (x, np.array(1.5)), "a parameter's derivative",
    ),
    "quadratic": pair(
        lambda v, A: v @ A @ v, lambda g, v, A: (g * (A + A.T) @ v, g * jnp.outer(v, v)),
        lambda g, v, A: (2 * g * A @ v, g * jnp.outer(v, v)), (v[:5], W), "a matrix taken for symmetric",
    ),
    "convolution": pair(
        convolved, convolved_back, lambda g, w: jnp.flip(convolved_back(g, w), 2), (kernel,), "the kernel flipped"
    ),
    "roll": pair(
        lambda v: jnp.roll(v, 1), lambda g, v: jnp.roll(g, -1), lambda g, v: jnp.roll(g, 1), (v,), "the same direction"
    ),
    "distances": pair(
        distances, distances_back, lambda g, a, b: (distances_back(g, a, b)[0], distances_back(g, a, b)[0]), (x, y),
        "the sign of the second",
    ),
    "tanh": pair(
        jnp.tanh, lambda a, t: t[0] * (1 - jnp.tanh(a[0]) ** 2), lambda a, t: t[0] * (1 - jnp.tanh(a[0])), (x,),
        "a square missing", rule=jvp,
    ),
    "product": pair(
        lambda x, y: x * y, lambda a, t: t[0] * a[1] + a[0] * t[1], lambda a, t: t[0] * a[1], (x, y),
        "one of two terms missing", rule=jvp,
    ),
    "quotient": pair(
        lambda x, y: x / y, lambda a, t: (t[0] - a[0] / a[1] * t[1]) / a[1],
        lambda a, t: (t[0] + a[0] / a[1] * t[1]) / a[1], (x, p), "a sign", rule=jvp,
    ),
    "power": pair(
        lambda x: x**3, lambda a, t: 3 * a[0] ** 2 * t[0], lambda a, t: 3 * a[0] ** 2 * t[0] * (1 + 1e-9), (x,),
        "a factor off by 1e-9", rule=jvp, dtypes=FACTOR,
    ),
}  # fmt: skip
