"""How people write the two functions that leave a choice, the ReLU and the cross-entropy; and how variants are named.

A variant is a way of asking for the gradient (``autograd``, ``jit``), or the canonical way with the ReLU or the
cross-entropy written otherwise (``relu_where``, ``loss_logsumexp``). An adapter maps these names to its functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

#: The ReLU, first as the framework names it.
RELUS = {
    "relu": "relu(x)",
    "maximum_x_0": "maximum(x, 0)",
    "maximum_0_x": "maximum(0, x)",
    "clip": "clip(x, min=0)",
    "where": "where(x > 0, x, 0)",
    "absolute": "(x + |x|) / 2",
    "product": "x * (x > 0)",
}
#: The cross-entropy of logits s and labels y, first as the framework's tutorial writes it.
LOSSES = {
    "fused": "one function of logits and labels",
    "log_softmax": "-log_softmax(s)[y]",
    "logsumexp": "logsumexp(s) - s[y]",
    "log_of_softmax": "-log(softmax(s))[y]",
    "own_maximum": "z = s - max(s); log(sum(exp(z))) - z[y]",
}


class Spelling(NamedTuple):
    """How a variant asks for the gradient, and how it writes the ReLU and the cross-entropy."""

    way: str
    relu: str
    loss: str


def spellings(ways: Iterable[str], relus: Iterable[str], losses: Iterable[str]) -> dict[str, Spelling]:
    """Variant -> what its name says: every way with the first idioms, then the first way with each other idiom."""
    ways, relus, losses = list(ways), list(relus), list(losses)
    found = {way: Spelling(way, relus[0], losses[0]) for way in ways}
    found |= {f"relu_{relu}": Spelling(ways[0], relu, losses[0]) for relu in relus[1:]}
    return found | {f"loss_{loss}": Spelling(ways[0], relus[0], loss) for loss in losses[1:]}
