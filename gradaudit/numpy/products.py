"""Sums of products: of matrices, over letters, of windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradaudit.graph import Node
from gradaudit.numpy.array import Recorded, marked, number
from gradaudit.numpy.lines import line
from gradaudit.operations import einsum as letters
from gradaudit.operations import entrywise, products
from gradaudit.operations.arrangements import flat, rearranged
from gradaudit.operations.shapes import as_shape, reshape
from gradaudit.operations.windows import convolution


def matmul(x: Any, y: Any) -> Recorded:
    """As np.matmul, vectors too."""
    a, b = number(x), number(y)
    if not a.shape or not b.shape:
        raise ValueError("a product of matrices of which one is a scalar; expected x * y")
    row, column = a.ndim == 1, b.ndim == 1
    a = reshape(a, to=(1, *a.shape)) if row else a
    b = reshape(b, to=(*b.shape, 1)) if column else b
    leading = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = as_shape(a, (*leading, *a.shape[-2:])), as_shape(b, (*leading, *b.shape[-2:]))
    result = products.matmul(a, b, line=line())
    shape = (*leading, *(() if row else a.shape[-2:-1]), *(() if column else b.shape[-1:]))
    return Recorded(reshape(result, to=shape, line=line()) if row or column else result)


def dot(x: Any, y: Any) -> Recorded:
    """As np.dot: over the last axis of one and the last but one of the other."""
    a, b = number(x), number(y)
    if not a.shape or not b.shape:
        return Recorded(a) * Recorded(b)  # type: ignore[no-any-return]
    if a.ndim <= 2 and b.ndim <= 2:
        return matmul(x, y)
    return tensordot(x, y, ([-1], [-2 if b.ndim > 1 else -1]))


def tensordot(x: Any, y: Any, axes: Any = 2) -> Recorded:
    """As np.tensordot."""
    a, b = number(x), number(y)
    if isinstance(axes, int):
        left, right = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        left, right = ([s] if isinstance(s, int) else list(s) for s in axes)
    left, right = [i % a.ndim for i in left], [i % b.ndim for i in right]
    names = [chr(97 + i) for i in range(a.ndim)]
    letters = [chr(65 + i) for i in range(b.ndim)]
    for i, j in zip(left, right, strict=True):
        letters[j] = names[i]
    outer = [n for i, n in enumerate(names) if i not in left] + [n for j, n in enumerate(letters) if j not in right]
    return einsum(f"{''.join(names)},{''.join(letters)}->{''.join(outer)}", x, y)


def inner(x: Any, y: Any) -> Recorded:
    """As np.inner: over the last axes."""
    a, b = number(x), number(y)
    return dot(x, y) if not a.shape or not b.shape else tensordot(x, y, ([-1], [-1]))


def einsum(subscripts: str, *operands: Any, optimize: Any = None) -> Recorded:  # noqa: ARG001 (the same values)
    """As np.einsum."""
    return Recorded(marked(letters.einsum(subscripts, *(number(x) for x in operands))))


def outer(x: Any, y: Any) -> Recorded:
    """As np.outer."""
    a, b = flat(number(x)), flat(number(y))
    shape = (*a.shape, *b.shape)
    a, b = as_shape(reshape(a, to=(*a.shape, 1)), shape), as_shape(b, shape)
    return Recorded(entrywise.multiply(a, b, line=line()))


def correlate(x: Any, y: Any, mode: str = "valid") -> Recorded:
    """As np.correlate of real vectors."""
    a, b = number(x), number(y)
    if a.shape < b.shape:  # of vectors: NumPy slides the shorter one, and puts the result in the other order
        return Recorded(rearranged(_slid(b, a, mode), np.flip))
    return Recorded(_slid(a, b, mode))


def convolve(x: Any, y: Any, mode: str = "full") -> Recorded:
    """As np.convolve."""
    long, short = sorted((number(x), number(y)), key=lambda node: -int(np.prod(node.shape)))
    return Recorded(_slid(long, rearranged(short, np.flip), mode))


def _slid(long: Node, short: Node, mode: str) -> Node:
    """The sums of products of a vector with parts of a longer one."""
    if long.ndim != 1 or short.ndim != 1 or not short.shape[0]:
        raise ValueError(f"arrays of the shapes {long.shape} and {short.shape}; expected vectors with an entry")
    n = short.shape[0]
    added = {"valid": (0, 0), "full": (n - 1, n - 1), "same": (n // 2, (n - 1) // 2)}
    if mode not in added:
        raise ValueError(f"the mode {mode!r}; expected one of {', '.join(added)}")
    result = convolution(_channel(long), _channel(short), padding=[added[mode]], line=line())
    return reshape(result, to=result.shape[2:], line=line())


def _channel(node: Node) -> Node:
    """A vector as one sample with one channel."""
    return reshape(node, to=(1, 1, *node.shape))


def vdot(x: Any, y: Any) -> Recorded:
    """As np.vdot of real arrays."""
    return matmul(Recorded(flat(number(x))), Recorded(flat(number(y))))


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.dot: dot,
    np.vdot: vdot,
    np.inner: inner,
    np.outer: outer,
    np.tensordot: tensordot,
    np.einsum: einsum,
    np.convolve: convolve,
    np.correlate: correlate,
}
