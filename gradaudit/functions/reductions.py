"""The operations of random functions that are not entry by entry: sums, orders, products, losses, arrangements."""

from __future__ import annotations

import numpy as np

from gradaudit.functions import shapes
from gradaudit.functions.growth import FRESH
from gradaudit.functions.words import Word
from gradaudit.graph import Node
from gradaudit.operations import arrangements, entrywise, factors, layers, losses, normalisation, orders, statistics
from gradaudit.operations import shapes as arranged
from gradaudit.operations import softmax as soft
from gradaudit.operations.largest import largest
from gradaudit.operations.products import affine, matmul

_NN = "torch.nn.functional"


def reduction(make: object, numpy: str, torch: str = "", jax: str = "") -> Word:
    """An operation along an axis."""
    name = numpy
    return Word(
        make,  # type: ignore[arg-type]
        f"np.{name}({{0}}, axis={{axis}})",
        f"torch.{torch or name}({{0}}, dim={{axis}})",
        jax or f"jnp.{name}({{0}}, axis={{axis}})",
        draw=shapes.along,
    )


def _smallest(x: Node, axis: int) -> Node:
    return entrywise.negative(largest(entrywise.negative(x), axis=axis))


def _logsumexp(x: Node, axis: int) -> Node:
    return soft.logsumexp(_last(x, axis))


def _last(x: Node, axis: int) -> Node:
    """With an axis as the last one."""
    return arranged.transpose(x, axes=(*(a for a in range(x.ndim) if a != axis), axis))


def _along_last(make: object) -> object:
    """An operation along the last axis, along any."""

    def made(x: Node, axis: int) -> Node:
        order = [a for a in range(x.ndim) if a != axis]
        back = tuple(int(a) for a in np.argsort([*order, axis]))
        return arranged.transpose(make(_last(x, axis)), axes=back)  # type: ignore[operator]

    return made


def _attention(q: Node, k: Node, v: Node) -> Node:
    return layers.attention(q, k, v)


_SHIFTED = "({0} - {0}.max({axis}, keepdims=True))"
_EXP = f"np.exp({_SHIFTED})"
REDUCTIONS: dict[str, Word] = {
    "sum": reduction(arranged.sum_axis, "sum"),
    "mean": reduction(lambda x, axis: statistics.mean(x, (axis,)), "mean"),
    "total": Word(arranged.total, "np.sum({0})", "torch.sum({0})", "jnp.sum({0})"),
    "largest": reduction(largest, "max", "amax"),
    "smallest": reduction(_smallest, "min", "amin"),
    "product": reduction(factors.product, "prod"),
    "variance": Word(
        lambda x, axis: statistics.variance(x, (axis,)), "np.var({0}, axis={axis})",
        "torch.var({0}, dim={axis}, correction=0)", "jnp.var({0}, axis={axis})",
        draw=shapes.along_several, domain=FRESH,
    ),
    "deviation": Word(
        lambda x, axis: entrywise.sqrt(statistics.variance(x, (axis,), ddof=1)), "np.std({0}, axis={axis}, ddof=1)",
        "torch.std({0}, dim={axis})", "jnp.std({0}, axis={axis}, ddof=1)", draw=shapes.along_several, domain=FRESH,
    ),
    "norm": Word(
        lambda x, axis: statistics.norm(x, (axis,)),
        "np.linalg.norm({0}, axis={axis})",
        "torch.linalg.vector_norm({0}, dim={axis})",
        "jnp.linalg.norm({0}, axis={axis})",
        draw=shapes.along,
    ),
    "logsumexp": Word(
        _logsumexp,
        f"np.log({_EXP}.sum({{axis}})) + {{0}}.max({{axis}})",
        "torch.logsumexp({0}, dim={axis})",
        "jax.scipy.special.logsumexp({0}, axis={axis})",
        draw=shapes.along,
    ),
    "softmax": Word(
        _along_last(soft.softmax),  # type: ignore[arg-type]
        f"{_EXP} / {_EXP}.sum({{axis}}, keepdims=True)",
        "torch.softmax({0}, dim={axis})",
        "jax.nn.softmax({0}, axis={axis})",
        draw=shapes.along,
    ),
    "log_softmax": Word(
        _along_last(soft.log_softmax),  # type: ignore[arg-type]
        f"{_SHIFTED} - np.log({_EXP}.sum({{axis}}, keepdims=True))",
        "torch.log_softmax({0}, dim={axis})",
        "jax.nn.log_softmax({0}, axis={axis})",
        draw=shapes.along,
    ),
    "cumulative_sum": reduction(arranged.cumulative_sum, "cumsum"),
    "cumulative_product": reduction(factors.cumulative_product, "cumprod"),
    "cumulative_logsumexp": Word(
        orders.cumulative_logsumexp, "", "torch.logcumsumexp({0}, dim={axis})", "jax.lax.cumlogsumexp({0}, {axis})",
        draw=shapes.along,
    ),
    "cumulative_maximum": Word(
        orders.cumulative_maximum, "np.maximum.accumulate({0}, {axis})", "torch.cummax({0}, dim={axis})[0]",
        "jax.lax.cummax({0}, {axis})", draw=shapes.along,
    ),
    "sort": Word(
        lambda x, axis: orders.sort(x, axis), "np.sort({0}, axis={axis})", "torch.sort({0}, dim={axis})[0]",
        "jnp.sort({0}, axis={axis})", draw=shapes.along,
    ),
    "median": Word(
        lambda x, axis: orders.median(x, axis), "np.median({0}, axis={axis})", "torch.quantile({0}, 0.5, dim={axis})",
        "jnp.median({0}, axis={axis})", draw=shapes.along_odd,
    ),
    "reshape": Word(arranged.reshape, *3 * ("{0}.reshape({to})",), draw=shapes.reshaped),
    "broadcast": Word(
        arranged.broadcast, "np.broadcast_to({0}, {to})", "torch.broadcast_to({0}, {to})",
        "jnp.broadcast_to({0}, {to})", draw=shapes.repeated,
    ),
    "gather": Word(
        lambda x, index: arranged.gather(x, index=arrangements.places(x.shape)[..., index]),
        "{0}[..., {index}]", "{0}[..., {index}]", "{0}[..., jnp.array({index})]", draw=shapes.gathered,
    ),
    "flip": Word(
        arranged.flip, "np.flip({0}, {axis})", "torch.flip({0}, ({axis},))", "jnp.flip({0}, {axis})", draw=shapes.along
    ),
    "concatenate": Word(
        arranged.concatenate, "np.concatenate([{all}], {axis})", "torch.cat([{all}], {axis})",
        "jnp.concatenate([{all}], {axis})", draw=shapes.joined,
    ),
    "stack": Word(
        lambda *xs, axis: arrangements.stack(xs, axis), "np.stack([{all}], {axis})", "torch.stack([{all}], {axis})",
        "jnp.stack([{all}], {axis})", draw=shapes.stacked,
    ),
    "matmul": Word(matmul, *3 * ("{0} @ {1}",), draw=shapes.matrices),
    "affine": Word(affine, "{0} @ {1} + {2}", "torch.addmm({2}, {0}, {1})", "{0} @ {1} + {2}", draw=shapes.with_bias),
    "cross_entropy": Word(
        lambda x, labels: losses.cross_entropy(x, labels),
        "",
        f"{_NN}.cross_entropy({{0}}, torch.tensor({{labels}}))",
        "-jnp.mean(jnp.take_along_axis(jax.nn.log_softmax({0}), jnp.array({labels})[:, None], 1))",
        draw=shapes.labelled,
    ),
    "huber": Word(
        lambda x, y: losses.huber(x, y), "", f"{_NN}.huber_loss({{0}}, {{1}})",
        "jnp.mean(jnp.where(jnp.abs({0} - {1}) < 1, 0.5 * ({0} - {1}) ** 2, jnp.abs({0} - {1}) - 0.5))",
        draw=shapes.alike(2),
    ),
    "bce_with_logits": Word(
        lambda x, y: losses.bce_with_logits(x, y), "", f"{_NN}.binary_cross_entropy_with_logits({{0}}, {{1}})",
        "jnp.mean(jax.nn.softplus({0}) - {0} * {1})", draw=shapes.alike(2),
    ),
    "layer_norm": Word(
        lambda x: normalisation.layer_norm(x, 1), "", f"{_NN}.layer_norm({{0}}, {{0}}.shape[-1:])",
        "jax.nn.standardize({0})", draw=shapes.rows, domain=FRESH,
    ),
    "rms_norm": Word(
        lambda x: normalisation.rms_norm(x, 1), "", f"{_NN}.rms_norm({{0}}, {{0}}.shape[-1:], eps=1e-6)",
        "{0} * jax.lax.rsqrt(jnp.mean({0} ** 2, -1, keepdims=True) + 1e-6)", draw=shapes.rows,
    ),
    "attention": Word(
        _attention, "", f"{_NN}.scaled_dot_product_attention({{0}}, {{1}}, {{2}})",
        "jax.nn.softmax({0} @ {1}.mT / {0}.shape[-1] ** 0.5) @ {2}",
        draw=shapes.attended,
    ),
}  # fmt: skip
