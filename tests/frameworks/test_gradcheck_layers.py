"""Layers and losses of a course and of a transformer: each is followed, and an error in its backward pass is seen."""

# ruff: noqa: ARG005 (a backward pass is given all there is)
from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812 (PyTorch's own name)

import gradaudit
from gradaudit.torch import gradcheck
from tests.frameworks.backwards import drawn, function, on

DTYPES = {"float64": torch.float64, "float32": torch.float32}
LABELS, IGNORED = torch.tensor([0, 1, 3, 4]), torch.tensor([0, 1, -100, 4])
HIDDEN = torch.ones(4, 4).triu(1).bool()


def other(x: Any, *shape: int) -> Any:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(shape or x.shape, generator=generator, dtype=torch.float64).to(x.dtype)


def _scores(x: Any) -> Any:
    return x @ x.T


LAYERS: dict[str, Any] = {
    "cross-entropy with weights and labels that are ignored": lambda x: F.cross_entropy(
        x, IGNORED, weight=other(x, 5), label_smoothing=0.1
    ),
    "cross-entropy of probabilities": lambda x: F.cross_entropy(x, other(x).softmax(-1), reduction="sum"),
    "negative log-likelihood": lambda x: F.nll_loss(x.log_softmax(-1), LABELS, other(x, 5)),
    "binary cross-entropy": lambda x: F.binary_cross_entropy(x.sigmoid(), other(x)),
    "binary cross-entropy of logits": lambda x: F.binary_cross_entropy_with_logits(
        x, other(x), weight=other(x, 5), pos_weight=other(x, 5)
    ),
    "Kullback-Leibler": lambda x: F.kl_div(x.log_softmax(-1), other(x).softmax(-1), reduction="batchmean"),
    "squares": lambda x: F.mse_loss(x, other(x)),
    "smooth absolute values": lambda x: F.smooth_l1_loss(x, other(x)) + F.huber_loss(x, other(x), delta=0.3),
    "hinge": lambda x: F.multi_margin_loss(x, LABELS),
    "triplets": lambda x: F.triplet_margin_loss(x, other(x), x.flip(0)),
    "cosine": lambda x: F.cosine_similarity(x, other(x)),
    "embedding": lambda x: F.embedding(torch.tensor([[0, 1], [1, 3]]), x),
    "linear": lambda x: F.linear(x, other(x, 3, 5), other(x, 3)),
    "convolution": lambda x: F.conv1d(x[None], other(x, 2, 4, 3), other(x, 2), stride=2, padding=1),
    "transposed convolution": lambda x: F.conv_transpose1d(x[None], other(x, 4, 2, 3), stride=2, output_padding=1),
    "pooling": lambda x: F.max_pool2d(x[None], 2) + F.avg_pool2d(x[None], 2) + F.adaptive_avg_pool2d(x[None], (2, 2)),
    "bilinear interpolation": lambda x: F.interpolate(x[None, None], scale_factor=2, mode="bilinear"),
    "unfold and fold": lambda x: F.fold(F.unfold(x[None, None], 2), (4, 5), 2),
    "normalisation": lambda x: F.layer_norm(x, (5,), other(x, 5)) + F.normalize(x) + F.rms_norm(x, (5,)),
    "by groups": lambda x: F.group_norm(x[None], 2, other(x, 4)) + F.instance_norm(x[None]) + F.batch_norm(
        x, None, None, other(x, 5), training=True
    ),
    "a mask in attention": lambda x: _scores(x).masked_fill(HIDDEN, float("-inf")).softmax(-1) @ x,
    "a mask that is added": lambda x: (_scores(x) + torch.full((4, 4), float("-inf")).triu(1)).softmax(-1) @ x,
    "attention": lambda x: F.scaled_dot_product_attention(x[None, None], x[None, None], other(x)[None, None]),
    "attention with a mask": lambda x: F.scaled_dot_product_attention(
        x[None, None], x[None, None], x[None, None], attn_mask=~HIDDEN
    ),
    "products and sums": lambda x: x.cumprod(1) + x.cumsum(0) + x.prod(1, keepdim=True) + x.var(0) + x.logsumexp(0),
    "places": lambda x: x.gather(1, LABELS[:, None]) + x.index_add(0, torch.tensor([0, 2, 2]), x[:3]),
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_followed_and_an_error_is_seen(name: str, dtype: str) -> None:
    x = drawn((4, 5), dtype=DTYPES[dtype])
    factor = 1 + {"float64": 1e-9, "float32": 1e-3}[dtype]
    slightly = function(lambda x: x.clone(), on(lambda x, y, g: factor * g))
    assert gradcheck(LAYERS[name], x)
    with pytest.raises(gradaudit.GradientError, match=r"input 0.* is wrong"):
        gradcheck(lambda x: LAYERS[name](slightly(x)), x)
