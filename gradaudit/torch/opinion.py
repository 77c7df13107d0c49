"""A second opinion on a backward pass that is wrong: whether its formula or its rounding is at fault.

What the function does is followed, at the cotangents that it was given, and evaluated exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch

from gradaudit.certify import Certificate, certify
from gradaudit.errors import UnsupportedError
from gradaudit.graph import Node
from gradaudit.operations.entrywise import add
from gradaudit.operations.shapes import reshape
from gradaudit.rounding.arithmetic import Arithmetic
from gradaudit.steps import Known, cut
from gradaudit.torch.backward import Backward
from gradaudit.torch.following import Aside, Following

RIGHT = (
    "its formula is right: evaluated exactly it gives the exact gradient; its rounding is at fault, an unstable "
    "algorithm or a kernel of low precision"
)
WRONG = "its formula is wrong: evaluated exactly it is off as well"
CHANGED = "run once more it does not return the same"
OVERWRITTEN = "it reads what was written over since the forward pass"
OWN = (
    "evaluated exactly it is off as well, and PyTorch itself wrote it: look for a hook on it, and for values that were "
    "changed where autograd does not see it (.data, no_grad)"
)
HIDDEN = "autograd has no way to there: a detach, no_grad, or a tensor that a function was not given as an argument"


def opinion(
    following: Following,
    of: Backward,
    function: Any,
    exact: Sequence[tuple[Sequence[int], Certificate]],
    begins: Callable[[Node], bool],
    floats: Known,
    fp: Arithmetic,
) -> str:
    """What is at fault, in words; empty where the function cannot be followed.

    Parameters
    ----------
    following : Following
        The run, whose tensors are known.
    of : Backward
        Its backward pass.
    function
        The function of autograd that is at fault.
    exact : sequence of (sequence of int, Certificate)
        What it should have contributed to each array, with the numbers of what it returns for that one.
    begins, floats, fp
        Where the function's part of the graph begins, the program's floats, and what it computes in.
    """
    try:
        nodes, is_same, read = _followed(following, of, function)
        if not all(np.array_equal(floats(n), x) for n, x in read if begins(n)):
            return OVERWRITTEN
        if not is_same:
            return CHANGED
        parts = [([nodes[n] for n in numbers if n in nodes], c) for numbers, c in exact]
        if all(_agree(own, c, begins, floats, fp) for own, c in parts):
            return RIGHT
        return OWN if _is_own(function) else WRONG
    except UnsupportedError:
        return ""


def _is_own(function: Any) -> bool:
    """Whether it comes with PyTorch; what was written to a view may be anybody's."""
    if function.name() == "torch::autograd::CopySlices":
        return False
    own = getattr(type(function), "_forward_cls", None)
    return own is None or own.__module__.startswith("torch.")


def _followed(
    following: Following, of: Backward, function: Any
) -> tuple[dict[int, Node], bool, list[tuple[Node, Any]]]:
    """The nodes of what a function returns, computed from cotangents that are inputs.

    And whether it returned the same as before, and what it read: nodes and floats.
    """
    nodes: dict[int, Node] = {}
    again: dict[int, Any] = {}

    def before(received: Any) -> Any:
        copies = tuple(None if g is None else g.detach().clone() for g in received)
        for g in copies:
            if g is not None:
                following.begin(g, live=True)
        window.__enter__()
        return copies

    def after(returned: Any, received: Any) -> None:  # noqa: ARG001
        window.__exit__(None, None, None)
        nodes.update((n, following.node(t)) for n, t in enumerate(returned) if isinstance(t, torch.Tensor))
        again.update(enumerate(returned))

    window = Aside(following)
    handles = [function.register_prehook(before), function.register_hook(after)]
    try:
        of.again()
    finally:
        for handle in handles:
            handle.remove()
        window.close()
    is_same = all(_is_same(g, again.get(n)) for n, g in enumerate(of.returned[function]))
    return nodes, is_same, window.read


def _is_same(gradient: Any, other: Any) -> bool:
    """Whether two runs returned the same there; what autograd has summed over is not asked."""
    if gradient is None or other is None or gradient.shape != other.shape:
        return (gradient is None) == (other is None)
    return bool(torch.equal(gradient, other.to(gradient.dtype)) or gradient.isnan().any())


def _agree(
    nodes: Sequence[Node], exact: Certificate, begins: Callable[[Node], bool], floats: Known, fp: Arithmetic
) -> bool:
    """Whether a formula, evaluated exactly, is within the bound around the exact values."""
    if not nodes:
        return bool((np.abs(exact.exact.hi) <= exact.bound).all())
    total = reduce(add, (reshape(n, to=exact.exact.hi.shape) for n in nodes))
    roots, inputs, origins = cut([total], begins)
    given = {new: floats(origins[n]) for n, new in inputs.items()}
    value = certify(roots, given, fp, all_digits=True).outputs[0].exact
    with np.errstate(all="ignore"):
        difference = np.abs((value.hi - exact.exact.hi) + (value.lo - exact.exact.lo))
        return bool((difference <= exact.bound + value.radius).all())
