"""The idioms of the ReLU and the cross-entropy, and the names of variants.

A variant is a way to compute the gradient (``autograd``, ``jit``), or the canonical way with another idiom of the ReLU
or the cross-entropy (``relu_where``, ``loss_logsumexp``). An adapter maps these names to its functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

#: The idioms of the ReLU. The first is the function of the framework.
RELUS = {
    "relu": "relu(x)",
    "maximum_x_0": "maximum(x, 0)",
    "maximum_0_x": "maximum(0, x)",
    "clip": "clip(x, min=0)",
    "where": "where(x > 0, x, 0)",
    "absolute": "(x + |x|) / 2",
    "product": "x * (x > 0)",
}
#: The idioms of the cross-entropy of logits s and labels y. The first is that of the framework's tutorial.
LOSSES = {
    "fused": "one function of logits and labels",
    "log_softmax": "-log_softmax(s)[y]",
    "logsumexp": "logsumexp(s) - s[y]",
    "log_of_softmax": "-log(softmax(s))[y]",
    "own_maximum": "z = s - max(s); log(sum(exp(z))) - z[y]",
}


class Spelling(NamedTuple):
    """A variant: its way to compute the gradient, and its idioms of the ReLU and the cross-entropy."""

    way: str
    relu: str
    loss: str


def spellings(ways: Iterable[str], relus: Iterable[str], losses: Iterable[str]) -> dict[str, Spelling]:
    """Variant -> its spelling: every way with the first idioms, then the first way with each other idiom."""
    ways, relus, losses = list(ways), list(relus), list(losses)
    variants = {way: Spelling(way, relus[0], losses[0]) for way in ways}
    variants |= {f"relu_{relu}": Spelling(ways[0], relu, losses[0]) for relu in relus[1:]}
    return variants | {f"loss_{loss}": Spelling(ways[0], relus[0], loss) for loss in losses[1:]}
