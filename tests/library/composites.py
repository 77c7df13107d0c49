"""What is made of operations: each as a node, and as PyTorch has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from gradaudit.graph import Node, Shape
from gradaudit.operations import activations as act
from gradaudit.operations import entrywise, factors, layers, losses, normalisation, orders, resizing, statistics
from gradaudit.operations.shapes import constant

S = (4, 5)


def normal(rng: Any, shape: Shape) -> Any:
    return rng.standard_normal(shape)


def unit(rng: Any, shape: Shape) -> Any:
    """Between 0 and 1."""
    return rng.uniform(0.02, 0.98, shape)


def signs(rng: Any, shape: Shape) -> Any:
    return rng.choice([-1.0, 1.0], shape)


@dataclass(frozen=True)
class Case:
    """A function of arrays.

    Attributes
    ----------
    make : callable
        Of nodes.
    program : callable
        The same of PyTorch's tensors.
    shapes : sequence of tuple of int
        Of its operands.
    draw : callable
        (rng, shape) -> an operand.
    """

    make: Callable[..., Node]
    program: Callable[..., Any]
    shapes: Sequence[Shape] = (S,)
    draw: Callable[[Any, Shape], Any] = normal


ACTIVATIONS = {
    "gelu": Case(act.gelu, functional.gelu),
    "gelu by tanh": Case(lambda x: act.gelu(x, tanh_form=True), lambda x: functional.gelu(x, approximate="tanh")),
    "silu": Case(act.silu, functional.silu),
    "mish": Case(act.mish, functional.mish),
    "elu": Case(lambda x: act.elu(x, 1.5), lambda x: functional.elu(x, 1.5)),
    "selu": Case(act.selu, functional.selu),
    "celu": Case(lambda x: act.celu(x, 0.7), lambda x: functional.celu(x, 0.7)),
    "leaky relu": Case(act.leaky_relu, functional.leaky_relu),
    "prelu": Case(lambda x, a: act.prelu(x, normalisation.channels(a, x.shape)), functional.prelu, (S, (5,))),
    "threshold": Case(lambda x: act.threshold(x, 0.1, 20.0), lambda x: functional.threshold(x, 0.1, 20.0)),
    "hardtanh": Case(lambda x: act.hardtanh(x, -0.5, 0.7), lambda x: functional.hardtanh(x, -0.5, 0.7)),
    "hardsigmoid": Case(lambda x: act.hardsigmoid(entrywise.times(x, 3.0)), lambda x: functional.hardsigmoid(x * 3)),
    "hardswish": Case(lambda x: act.hardswish(entrywise.times(x, 3.0)), lambda x: functional.hardswish(x * 3)),
    "softsign": Case(act.softsign, functional.softsign),
    "log sigmoid": Case(act.log_sigmoid, functional.logsigmoid),
    "softplus": Case(lambda x: act.softplus_of(x, 2.0, 20.0), lambda x: functional.softplus(x, 2.0)),
    "logit": Case(act.logit, torch.logit, draw=unit),
    "softshrink": Case(act.softshrink, functional.softshrink),
    "hardshrink": Case(act.hardshrink, functional.hardshrink),
    "tanhshrink": Case(act.tanhshrink, functional.tanhshrink),
}
C = (3, 6, 4, 2)
MEANS, SPREADS = np.array([0.25, -1, 0.5, 2, 0, 1]), np.array([0.5, 1, 2, 0.125, 3, 1])


def like(x: Any, values: Any) -> Any:
    return torch.tensor(values, dtype=x.dtype)


NORMALISATIONS = {
    "layer norm": Case(
        lambda x, w, b: normalisation.layer_norm(x, 1, w, b),
        lambda x, w, b: functional.layer_norm(x, (5,), w, b),
        (S, (5,), (5,)),
    ),
    "layer norm of two axes": Case(
        lambda x: normalisation.layer_norm(x, 2), lambda x: functional.layer_norm(x, (4, 2)), (C,)
    ),
    "group norm": Case(
        lambda x, w, b: normalisation.group_norm(x, 3, w, b),
        lambda x, w, b: functional.group_norm(x, 3, w, b),
        (C, (6,), (6,)),
    ),
    "batch norm in training": Case(
        normalisation.batch_norm,
        lambda x, w, b: functional.batch_norm(x, None, None, w, b, training=True),
        (C, (6,), (6,)),
    ),
    "batch norm in evaluation": Case(
        lambda x, w, b: normalisation.batch_norm(x, w, b, running=(constant(MEANS), constant(SPREADS))),
        lambda x, w, b: functional.batch_norm(x, like(x, MEANS), like(x, SPREADS), w, b),
        (C, (6,), (6,)),
    ),
    "instance norm": Case(
        normalisation.instance_norm,
        lambda x, w, b: functional.instance_norm(x, weight=w, bias=b),
        (C, (6,), (6,)),
    ),
    "rms norm": Case(
        lambda x, w: normalisation.rms_norm(x, 1, w, 1e-6),
        lambda x, w: functional.rms_norm(x, (5,), w, 1e-6),
        (S, (5,)),
    ),
    "normalised": Case(normalisation.normalised, functional.normalize),
}
LABELS, IGNORED = np.array([0, 4, 2, 2]), np.array([0, -1, 2, 1])
TARGET, OTHER = torch.tensor(LABELS), torch.tensor(IGNORED)
RISING = np.arange(1.0, 6)


def one(x: Any) -> Any:
    return torch.ones_like(x)


PLANE = np.arange(3 * 4 * 2).reshape(3, 4, 2) % 6
LOSSES = {
    "mse": Case(losses.mse, functional.mse_loss, (S, S)),
    "l1": Case(losses.l1, functional.l1_loss, (S, S)),
    "smooth l1": Case(
        lambda x, y: losses.smooth_l1(x, y, 0.7), lambda x, y: functional.smooth_l1_loss(x, y, beta=0.7), (S, S)
    ),
    "huber": Case(lambda x, y: losses.huber(x, y, 0.7), lambda x, y: functional.huber_loss(x, y, delta=0.7), (S, S)),
    "bce": Case(losses.bce, functional.binary_cross_entropy, (S, S), unit),
    "bce with logits": Case(losses.bce_with_logits, functional.binary_cross_entropy_with_logits, (S, S)),
    "bce with logits and weights": Case(
        lambda x, y: losses.bce_with_logits(x, y, constant(RISING), constant(RISING / 2)),
        lambda x, y: functional.binary_cross_entropy_with_logits(x, y, like(x, RISING), pos_weight=like(x, RISING) / 2),
        (S, S),
    ),
    "kl": Case(
        lambda x, p: losses.kl_div(x, p, reduction="batchmean"),
        lambda x, p: functional.kl_div(x, p, reduction="batchmean"),
        (S, S),
        unit,
    ),
    "kl of logarithms": Case(
        lambda x, p: losses.kl_div(x, p, True, "sum"),
        lambda x, p: functional.kl_div(x, p, reduction="sum", log_target=True),
        (S, S),
    ),
    "nll": Case(lambda x: losses.nll(x, LABELS), lambda x: functional.nll_loss(x, TARGET)),
    "nll with weights": Case(
        lambda x, w: losses.nll(x, IGNORED, entrywise.multiply(w, w), -1),
        lambda x, w: -(x[[0, 2, 3], [0, 2, 1]] * (w * w)[[0, 2, 1]]).sum() / (w * w)[[0, 2, 1]].sum(),
        (S, (5,)),
    ),
    "cross-entropy": Case(lambda x: losses.cross_entropy(x, LABELS), lambda x: functional.cross_entropy(x, TARGET)),
    "cross-entropy, ignoring": Case(
        lambda x: losses.cross_entropy(x, IGNORED, ignored=-1),
        lambda x: functional.cross_entropy(x, OTHER, ignore_index=-1),
    ),
    "cross-entropy of planes": Case(
        lambda x: losses.cross_entropy(x, PLANE), lambda x: functional.cross_entropy(x, torch.tensor(PLANE)), (C,)
    ),
    "cross-entropy with smoothing": Case(
        lambda x: losses.cross_entropy(x, IGNORED, ignored=-1, smoothing=0.1),
        lambda x: functional.cross_entropy(x, OTHER, ignore_index=-1, label_smoothing=0.1),
    ),
    "cross-entropy with weights and smoothing": Case(
        lambda x: losses.cross_entropy(x, LABELS, constant(RISING), smoothing=0.1),
        lambda x: functional.cross_entropy(x, TARGET, like(x, RISING), label_smoothing=0.1),
    ),
    "cross-entropy with probabilities": Case(losses.soft_cross_entropy, functional.cross_entropy, (S, S)),
    "multiclass hinge": Case(
        lambda x: losses.multiclass_hinge(x, LABELS), lambda x: functional.multi_margin_loss(x, TARGET)
    ),
    "soft margin": Case(
        lambda x: losses.soft_margin(x, act.full(x, -1.0)), lambda x: functional.soft_margin_loss(x, -one(x))
    ),
    "margin ranking": Case(
        lambda x, y, z: losses.margin_ranking(x, y, z, 0.2),
        lambda x, y, z: functional.margin_ranking_loss(x, y, z, 0.2),
        (S, S, S),
    ),
    "cosine similarity": Case(losses.cosine_similarity, functional.cosine_similarity, (S, S)),
}
REDUCTIONS = {
    "product": Case(lambda x: statistics.multiplied(x, (1,)), lambda x: x.prod(1)),
    "product of all": Case(statistics.multiplied, torch.prod),
    "cumulative product": Case(lambda x: factors.cumulative_product(x, 1), lambda x: x.cumprod(1)),
    "sort": Case(lambda x: orders.sort(x, 0, descending=True), lambda x: x.sort(0, descending=True)[0]),
    "top": Case(lambda x: orders.top(x, 2), lambda x: x.topk(2)[0]),
    "median": Case(lambda x: orders.median(x, 0, mean=False), lambda x: x.median(0)[0]),
    "cumulative maximum": Case(lambda x: orders.cumulative_maximum(x, 1), lambda x: x.cummax(1)[0]),
    "cumulative minimum": Case(lambda x: orders.cumulative_minimum(x, 0), lambda x: x.cummin(0)[0]),
    "cumulative logsumexp": Case(lambda x: orders.cumulative_logsumexp(x, 1), lambda x: x.logcumsumexp(1)),
    "deviation": Case(lambda x: entrywise.sqrt(statistics.variance(x, (1,), ddof=1)), lambda x: x.std(1)),
    "variance": Case(lambda x: statistics.variance(x, (0,), ddof=0), lambda x: x.var(0, correction=0)),
    **{
        f"norm {p}": Case(
            lambda x, p=p: statistics.norm(x, (1,), order=p), lambda x, p=p: torch.linalg.vector_norm(x, p, 1)
        )
        for p in (1, 2, 3, 2.5, 0.5, np.inf, -np.inf)
    },
}


INDEX = np.array([[0, 2, 1], [3, 3, 0]])
PLACES = torch.tensor(INDEX)


def added(x: Any, y: Any, axis: int = 0) -> Any:
    return x.scatter_add(axis, PLACES, y)


def at(x: Node) -> Any:
    return layers.places_along(x.shape, INDEX, 0)


def both(pair: Any) -> Any:
    return pair[0] * 2 + pair[1]


def pair(h: Node, c: Node) -> Node:
    return entrywise.add(entrywise.times(h, 2.0), c)


Q, H, GATES = (2, 3, 4, 5), (3, 4), ((3, 5), (3, 4), (3, 4), (16, 5), (16, 4), (16,), (16,))
GRU = ((3, 5), (3, 4), (12, 5), (12, 4), (12,), (12,))
CHOSEN = np.random.default_rng(0).random((4, 4)) < 0.6
CHOSEN[:, 0] = True
LAYERS = {
    "linear": Case(layers.linear, functional.linear, ((2, 3, 4), (5, 4), (5,))),
    "bilinear form": Case(layers.bilinear, functional.bilinear, ((3, 4), (3, 5), (2, 4, 5), (2,))),
    "attention": Case(layers.attention, functional.scaled_dot_product_attention, (Q, Q, Q)),
    "causal attention": Case(
        lambda q, k, v: layers.attention(q, k, v, causal=True),
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, is_causal=True),
        (Q, Q, Q),
    ),
    "attention with a mask": Case(
        lambda q, k, v: layers.attention(q, k, v, mask=CHOSEN),
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, attn_mask=torch.tensor(CHOSEN)),
        (Q, Q, Q),
    ),
    "rnn cell": Case(layers.rnn_cell, torch.rnn_tanh_cell, ((3, 5), (3, 4), (4, 5), (4, 4), (4,), (4,))),
    "lstm cell": Case(
        lambda x, h, c, *w: pair(*layers.lstm_cell(x, (h, c), *w)),
        lambda x, h, c, *w: both(torch.lstm_cell(x, (h, c), *w)),
        GATES,
    ),
    "gru cell": Case(layers.gru_cell, torch.gru_cell, GRU),
    "embedding": Case(lambda w: layers.embedding(w, INDEX), lambda w: functional.embedding(PLACES, w)),
    "gather": Case(lambda x: layers.along(x, INDEX, 0), lambda x: x.gather(0, PLACES)),
    "scatter_add": Case(lambda x, y: layers.added_at(x, at(x), y), added, (S, (2, 3))),
    **{
        f"scatter_reduce {name} {include}": Case(
            lambda x, y, n=name, i=include: layers.reduced_at(x, at(x), y, n, i),
            lambda x, y, n=name, i=include: x.scatter_reduce(0, PLACES, y, n, include_self=i),
            (S, (2, 3)),
        )
        for name in ("sum", "mean", "prod", "amax", "amin")
        for include in (True, False)
    },
    "nearest": Case(lambda x: resizing.nearest(x, (7, 3)), lambda x: functional.interpolate(x, (7, 3)), (C,)),
    "nearest, exact": Case(
        lambda x: resizing.nearest(x, (7, 3), exact=True),
        lambda x: functional.interpolate(x, (7, 3), mode="nearest-exact"),
        (C,),
    ),
    **{
        f"bilinear {sizes} {corners}": Case(
            lambda x, s=sizes, c=corners: resizing.interpolated(x, s, c),
            lambda x, s=sizes, c=corners: functional.interpolate(x, s, mode="bilinear", align_corners=c),
            ((2, 3, 4, 5),),
        )
        for sizes in ((7, 3), (4, 11), (2, 10), (1, 1))
        for corners in (False, True)
    },
    "linear interpolation": Case(
        lambda x: resizing.interpolated(x, (9,)), lambda x: functional.interpolate(x, 9, mode="linear"), ((2, 3, 5),)
    ),
    "adaptive average": Case(
        lambda x: resizing.adaptive_average_pooling(x, (3, 2)),
        lambda x: functional.adaptive_avg_pool2d(x, (3, 2)),
        ((2, 3, 5, 4),),
    ),
    "adaptive maximum": Case(
        lambda x: resizing.adaptive_maximum_pooling(x, (3, 2)),
        lambda x: functional.adaptive_max_pool2d(x, (3, 2)),
        ((2, 3, 5, 4),),
    ),
    "unfold": Case(
        lambda x: resizing.unfold(x, (2, 3), 2, 1, (1, 2)),
        lambda x: functional.unfold(x, (2, 3), padding=1, stride=2, dilation=(1, 2)),
        ((2, 3, 5, 6),),
    ),
    "fold": Case(
        lambda x: resizing.fold(x, (4, 5), (2, 2), 1, 1),
        lambda x: functional.fold(x, (4, 5), (2, 2), padding=1),
        ((2, 12, 30),),
    ),
    "transposed convolution": Case(
        lambda x, w: resizing.transposed_convolution(x, w, 2, 1, 1, 1, 2),
        lambda x, w: functional.conv_transpose2d(x, w, None, 2, 1, 1, 2, 1),
        ((2, 4, 3, 4), (4, 3, 3, 2)),
    ),
    "transposed convolution, dilated": Case(
        lambda x, w: resizing.transposed_convolution(x, w, 1, 3, 0, 2),
        lambda x, w: functional.conv_transpose1d(x, w, None, 1, 3, 0, 1, 2),
        ((2, 4, 6), (4, 3, 2)),
    ),
}
CASES: dict[str, Case] = {**LAYERS, **ACTIVATIONS, **NORMALISATIONS, **LOSSES, **REDUCTIONS}
