"""The natural sizes (ROUNDING.md, 7): the operation on sizes for what is linear, |value| for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mpmath
import numpy as np
from mpmath import mpf

from gradaudit.graph import Node
from gradaudit.rounding.arithmetic import Arithmetic
from tests.library.again.entry import DIGITS, Again, dot, objects
from tests.library.again.linear import rows_of

Size = Any


def matmul(x: Size, y: Size) -> Size:
    result = np.empty((*x.shape[:-1], y.shape[-1]), dtype=object)
    for place in np.ndindex(result.shape):
        left, right = x[(*place[:-2], place[-2])], y[(*place[:-2], slice(None), place[-1])]
        result[place] = dot(left.tolist(), right.tolist())
    return result


def summed(x: Size, axis: int) -> Size:
    moved = np.moveaxis(x, axis, -1)
    return objects([sum(row.tolist(), mpf(0)) for row in rows_of(moved)], moved.shape[:-1])


def scatter(x: Size, index: Any, into: tuple[int, ...]) -> Size:
    result = [mpf(0)] * int(np.prod(into))
    for size, place in zip(x.ravel().tolist(), np.asarray(index).ravel().tolist(), strict=True):
        if place >= 0:
            result[place] += size
    return objects(result, into)


def gather(x: Size, index: Any) -> Size:
    flat = [*x.ravel().tolist(), mpf(0)]
    return objects([flat[i] for i in np.asarray(index).ravel().tolist()], np.shape(index))


def power_gradient(x: Size, g: Size, exponent: int) -> Size:
    def slope(a: Any) -> Any:
        return abs(exponent) * (a ** (exponent - 1) if a or exponent > 0 else mpmath.inf)

    return objects([slope(a) for a in x.ravel()], x.shape) * g


LINEAR: dict[str, Callable[..., Size]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x + y,
    "negative": lambda x: x,
    "multiply": lambda x, y: x * y,
    "sum": summed,
    "cumulative_sum": lambda x, axis: np.cumsum(x, axis=axis),
    "scatter": scatter,
    "gather": gather,
    "matmul": matmul,
    "affine": lambda x, y, b: matmul(x, y) + b,
    "power_gradient": power_gradient,
    "log_softmax": lambda x: x,
    "log_softmax_gradient": lambda x, g: g,  # noqa: ARG005
    "softmax_gradient": lambda x, g: g,  # noqa: ARG005
    "beside_largest": lambda d, x, g: d,  # noqa: ARG005
    "unshifted": lambda y, x, logarithm: y,  # noqa: ARG005
    "tanh_gradient": lambda y, g: (1 + y * y) * g,
    "averaged": lambda m, x, axes: m,  # noqa: ARG005
    "reshape": lambda x, to: x.reshape(to),
    "transpose": lambda x, axes: x.transpose(axes),
    "broadcast": lambda x, to: np.broadcast_to(x, to),
    "concatenate": lambda *xs, axis: np.concatenate(xs, axis=axis),
}


def sizes(fp: Arithmetic, order: Sequence[Node], of: Mapping[int, Again]) -> dict[int, Size]:
    """Of every node of an order that is no mask, by its id."""
    result: dict[int, Size] = {}
    with mpmath.workdps(DIGITS):
        for node in order:
            if not node.operation.mask:
                result[id(node)] = np.asarray(_size(fp, node, of, result), dtype=object)
    return result


def _size(fp: Arithmetic, node: Node, of: Mapping[int, Again], sizes: Mapping[int, Size]) -> Size:
    entries = of[id(node)].entries
    value = objects([abs(e.x) for e in entries.ravel()], node.shape)
    parts: list[Size] = [sizes.get(id(n)) for n in node.inputs]
    name = node.operation.name
    if name == "cross_entropy":
        return value + 1
    if name == "cross_entropy_gradient":
        return _cross_entropy_gradient(fp, node, value, of, parts[2])
    if name == "where":
        return np.maximum(value, _where(of[id(node.inputs[0])].entries, parts[1], parts[2]))
    if name == "masked":
        return np.maximum(value, _where(of[id(node.inputs[0])].entries, parts[1], np.full(node.shape, mpf(0))))
    if name == "divide":
        quotients = [a / b if b else mpmath.inf for a, b in zip(parts[0].ravel(), parts[1].ravel(), strict=True)]
        return np.maximum(value, objects(quotients, node.shape))
    if name in LINEAR:
        return np.maximum(value, LINEAR[name](*parts, **node.parameters))
    return value


def _where(mask: Any, x: Size, y: Size) -> Size:
    triples = zip(mask.ravel(), x.ravel(), y.ravel(), strict=True)
    return objects([max(a, b) if not c.certain else a if c.x else b for c, a, b in triples], mask.shape)


def _cross_entropy_gradient(fp: Arithmetic, node: Node, value: Size, of: Mapping[int, Again], g: Size) -> Size:
    """P is what the value and the size of g leave of it."""
    labels, least, result = of[id(node.inputs[1])].entries, mpf(2) ** fp.exponents[0] / mpf(fp.u), []
    for row, y, size in zip(rows_of(value), labels.ravel(), g.ravel(), strict=True):
        at = [c == int(y.x) for c in range(len(row))]
        p = [abs(v / (size or 1) - t) for v, t in zip(row, at, strict=True)]
        result += [max(a + t, least) * size for a, t in zip(p, at, strict=True)]
    return objects(result, value.shape)
