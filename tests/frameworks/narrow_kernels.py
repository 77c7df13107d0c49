"""Operations and layers of PyTorch in float16 and bfloat16, each on operands of all kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from torch.nn import functional as F  # noqa: N812 (PyTorch's own name)

from gradaudit.functions.numbers import common, near_one, normal, scaled, sparse, whole

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
#: How long an axis is that is a sum's, now and then.
LONG = 5000


class Kernel(NamedTuple):
    """An operation, the shapes of its operands (n is a length that varies), and whether these are positive."""

    f: Callable[..., Any]
    shapes: Any = ((4, "n"),)
    positive: bool = False


def tied(rng: Generator, shape: Any) -> Any:
    """One of two numbers."""
    return rng.choice(rng.standard_normal(2), shape)


KINDS = (normal, normal, whole, scaled, sparse, tied, common, near_one)


def operands(kernel: Kernel, rng: Generator, dtype: torch.dtype, long: bool = False) -> tuple[torch.Tensor, ...]:
    """Its operands, each of any kind, for a random length; long ones are normal numbers."""
    n = int(rng.choice([300, LONG])) if long else int(rng.choice([1, 2, 5, 17]))
    arrays = []
    for shape in kernel.shapes:
        kind = normal if long else KINDS[rng.integers(len(KINDS))]
        x = kind(rng, tuple(n if s == "n" else s for s in shape))
        x = np.clip(x, -1000, 1000)
        arrays.append(np.abs(x) + 2.0**-6 if kernel.positive else x)
    return tuple(torch.from_numpy(np.asarray(x)).to(dtype).requires_grad_() for x in arrays)


MATRIX, PAIR, IMAGE = ((4, 6),), ((4, 6), (4, 6)), ((2, 4, 6, 6),)
LABELS, INDEX = torch.tensor([0, 2, 1, 2]), torch.tensor([0, 2, 2, 1])

TORCH = (
    "exp",
    "expm1",
    "exp2",
    "tanh",
    "sigmoid",
    "sin",
    "cos",
    "atan",
    "sinh",
    "cosh",
    "asinh",
    "square",
    "abs",
    "erfc",
)
OF_POSITIVE = ("log", "log1p", "log2", "log10", "sqrt", "rsqrt", "reciprocal", "lgamma", "digamma")
ACTIVATIONS = (
    *("relu", "relu6", "gelu", "silu", "mish", "elu", "selu", "celu", "leaky_relu", "hardswish", "hardsigmoid"),
    *("hardtanh", "softsign", "logsigmoid", "tanhshrink", "softshrink", "hardshrink", "softplus"),
)


def _target(x: Any) -> Any:
    """Numbers between 0 and 1."""
    return torch.linspace(0.125, 0.875, x.numel()).reshape(x.shape).to(x.dtype)


ENTRYWISE: dict[str, Kernel] = {
    **{name: Kernel(getattr(torch, name)) for name in TORCH},
    **{name: Kernel(getattr(torch, name), positive=True) for name in OF_POSITIVE},
    **{name: Kernel(getattr(F, name)) for name in ACTIVATIONS},
    "gelu with tanh": Kernel(lambda x: F.gelu(x, approximate="tanh")),
    "a cube": Kernel(lambda x: x**3),
    "a power": Kernel(lambda x: x**1.7, positive=True),
    "a multiple": Kernel(lambda x: 0.1 * x),
    "a quotient by 3": Kernel(lambda x: x / 3),
    "a bound": Kernel(lambda x: x.clamp(-0.5, 0.5)),
    "add": Kernel(torch.add, PAIR),
    "three addends": Kernel(lambda x, y: x + y + x * y, PAIR),
    "multiply": Kernel(torch.mul, PAIR),
    "divide": Kernel(torch.div, PAIR, True),
    "maximum": Kernel(torch.maximum, PAIR),
    "pow": Kernel(torch.pow, PAIR, True),
    "atan2": Kernel(torch.atan2, PAIR),
    "hypot": Kernel(torch.hypot, PAIR, True),
    "lerp": Kernel(lambda x, y: torch.lerp(x, y, 0.3), PAIR),
    "addcmul": Kernel(lambda x, y: torch.addcmul(x, x, y, value=0.5), PAIR),
    "where": Kernel(lambda x, y: torch.where(x > y, x, y * y), PAIR),
    "repeated": Kernel(lambda x, b: x * b, ((4, "n"), ("n",))),
}  # fmt: skip
REDUCTIONS: dict[str, Kernel] = {
    "sum": Kernel(lambda x: x.sum()),
    "sum of rows": Kernel(lambda x: x.sum(1)),
    "sum of columns": Kernel(lambda x: x.sum(0), (("n", 3),)),
    "mean": Kernel(lambda x: x.mean(1)),
    "variance": Kernel(lambda x: x.var(1, unbiased=False)),
    "norm": Kernel(lambda x: torch.linalg.vector_norm(x, dim=1), positive=True),
    "sum of squares": Kernel(lambda x: (x * x).sum()),
    "weighted": Kernel(lambda x, y: (x * y).sum(1), ((4, "n"), (4, "n"))),
    "largest": Kernel(lambda x: x.amax(1)),
    "log-sum-exp": Kernel(lambda x: x.logsumexp(1)),
    "cumulative sum": Kernel(lambda x: x.cumsum(1), ((2, 300),)),
    "cumulative product": Kernel(lambda x: (1 + x.tanh() / 2).cumprod(1), ((4, 5),)),
    "sorted": Kernel(lambda x: x.sort(1).values, MATRIX),
    "the largest three": Kernel(lambda x: x.topk(3, 1).values, MATRIX),
    "median": Kernel(lambda x: x.median(1).values, ((4, 5),)),
}
ROWS: dict[str, Kernel] = {
    "softmax": Kernel(lambda x: x.softmax(1)),
    "log-softmax": Kernel(lambda x: x.log_softmax(1)),
    "cross-entropy": Kernel(lambda x: F.cross_entropy(x, torch.zeros(4, dtype=torch.long))),
    "cross-entropy, smoothed": Kernel(lambda x: F.cross_entropy(x, LABELS, label_smoothing=0.1), MATRIX),
    "negative log-likelihood": Kernel(lambda x: F.nll_loss(x, LABELS, reduction="none"), MATRIX),
    "layer norm": Kernel(lambda x, w, b: F.layer_norm(x, w.shape, w, b), ((4, "n"), ("n",), ("n",))),
    "rms norm": Kernel(lambda x, w: F.rms_norm(x, w.shape, w, eps=1e-3), ((4, "n"), ("n",))),
    "batch norm": Kernel(lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), (("n", 3), (3,), (3,))),
    "group norm": Kernel(lambda x, w: F.group_norm(x, 2, w), ((2, 4, "n"), (4,))),
    "instance norm": Kernel(lambda x: F.instance_norm(x), ((2, 4, 9),)),
    "unit vectors": Kernel(lambda x: F.normalize(x), MATRIX, True),
    "cosine": Kernel(lambda x, y: F.cosine_similarity(x, y), PAIR, True),
}
LOSSES: dict[str, Kernel] = {
    "squares": Kernel(F.mse_loss, PAIR),
    "absolute values": Kernel(F.l1_loss, PAIR),
    "smooth absolute values": Kernel(F.smooth_l1_loss, PAIR),
    "Huber": Kernel(F.huber_loss, PAIR),
    "binary cross-entropy": Kernel(lambda x: F.binary_cross_entropy((3 * x.tanh()).sigmoid(), _target(x)), MATRIX),
    "binary cross-entropy of logits": Kernel(lambda x: F.binary_cross_entropy_with_logits(x, _target(x)), MATRIX),
    "Kullback-Leibler": Kernel(lambda x: F.kl_div(x.log_softmax(1), _target(x), reduction="batchmean"), MATRIX),
    "triplets": Kernel(lambda x, y: F.triplet_margin_loss(x, y, x.flip(0)), PAIR),
}
PRODUCTS: dict[str, Kernel] = {
    "matrix product": Kernel(torch.mm, ((3, "n"), ("n", 4))),
    "matrix times vector": Kernel(torch.mv, ((3, "n"), ("n",))),
    "dot product": Kernel(torch.dot, (("n",), ("n",))),
    "batched product": Kernel(torch.bmm, ((2, 3, "n"), (2, "n", 4))),
    "linear": Kernel(F.linear, ((3, "n"), (4, "n"), (4,))),
    "linear of many rows": Kernel(F.linear, (("n", 3), (4, 3), (4,))),
    "einsum": Kernel(lambda x, y: torch.einsum("nij,njk->ik", x, y), (("n", 3, 2), ("n", 2, 4))),
    "outer product": Kernel(torch.outer, (("n",), (4,))),
    "convolution": Kernel(lambda x, w, b: F.conv2d(x, w, b, padding=1), ((2, 4, 6, 6), (3, 4, 3, 3), (3,))),
    "convolution of one axis": Kernel(lambda x, w: F.conv1d(x, w, stride=2), ((2, 4, 9), (3, 4, 3))),
    "transposed convolution": Kernel(lambda x, w: F.conv_transpose1d(x, w, stride=2), ((2, 4, 5), (4, 3, 3))),
    "attention": Kernel(F.scaled_dot_product_attention, ((1, 2, 4, 5), (1, 2, 6, 5), (1, 2, 6, 3))),
    "LSTM cell": Kernel(
        lambda x, h, c, w, v: torch.cat(torch.lstm_cell(x, (h, c), w, v)), ((2, 3), (2, 4), (2, 4), (16, 3), (16, 4))
    ),
    "GRU cell": Kernel(lambda x, h, w, v: torch.gru_cell(x, h, w, v), ((2, 3), (2, 4), (12, 3), (12, 4))),
}
PLACES: dict[str, Kernel] = {
    "largest of windows": Kernel(lambda x: F.max_pool2d(x, 2), IMAGE),
    "mean of windows": Kernel(lambda x: F.avg_pool2d(x, 3, 1, 1), IMAGE),
    "adaptive mean": Kernel(lambda x: F.adaptive_avg_pool2d(x, (2, 3)), IMAGE),
    "bilinear interpolation": Kernel(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), IMAGE),
    "unfold and fold": Kernel(lambda x: F.fold(F.unfold(x, 2), (6, 6), 2), IMAGE),
    "embedding": Kernel(lambda x: F.embedding(INDEX, x), MATRIX),
    "picked": Kernel(lambda x: x[INDEX], MATRIX),
    "gather": Kernel(lambda x: x.gather(1, LABELS[:, None]), MATRIX),
    "index_add": Kernel(lambda x, y: x.index_add(0, INDEX, y), PAIR),
    "scatter_add": Kernel(lambda x, y: x.scatter_add(1, LABELS[:, None].repeat(1, 6), y), PAIR),
    "concatenation": Kernel(lambda x, y: torch.cat([x, y * y], 1), PAIR),
    "padding": Kernel(lambda x: F.pad(x, (1, 2)), MATRIX),
    "flip and roll": Kernel(lambda x: x.flip(1) + x.roll(1, 1), MATRIX),
    "transposed": Kernel(lambda x: x.T.reshape(-1)[::2], MATRIX),
}
KERNELS = ENTRYWISE | REDUCTIONS | ROWS | LOSSES | PRODUCTS | PLACES
#: What PyTorch's kernels for the CPU accumulate in float16 itself (`FINDINGS` in test_narrow.py): not among the right.
WRONG_IN_FLOAT16 = {"convolution of one axis", "transposed convolution", "convolution"}
#: No error of 3e-2 in bfloat16, or 4e-3 in float16, is certain to be seen: programs may write them in many steps.
DULL = {
    *("tanhshrink", "log-softmax", "cross-entropy", "rms norm", "unit vectors", "triplets", "LSTM cell", "variance"),
    *("group norm", "cosine", "GRU cell", "log-sum-exp", "cross-entropy, smoothed", "softmax", "instance norm"),
    *("attention", "bilinear interpolation", "cumulative product", "binary cross-entropy"),
    *("binary cross-entropy of logits", "Kullback-Leibler"),
}
