"""Products of matrices, and what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradaudit.graph import Node
from gradaudit.operations.arrangements import arranged
from gradaudit.operations.entrywise import add, multiply
from gradaudit.operations.products import matmul
from gradaudit.operations.shapes import as_shape, reshape, sum_axis
from gradaudit.operations.windows import convolution
from gradaudit.torch.tables.arrangements import by_places
from gradaudit.torch.tables.rules import number, rule, scaled


@rule("mm", "bmm")
def _product(x: Any, y: Any, *_: Any) -> Node:
    return matmul(number(x), number(y))


@rule("mv")
def _of_vector(x: Any, y: Any) -> Node:
    x, y = number(x), number(y)
    return reshape(matmul(x, reshape(y, to=(*y.shape, 1))), to=(x.shape[0],))


@rule("dot", "vdot")
def _of_vectors(x: Any, y: Any) -> Node:
    x, y = number(x), number(y)
    return reshape(matmul(reshape(x, to=(1, *x.shape)), reshape(y, to=(*y.shape, 1))), to=())


@rule("linalg_vecdot")
def _by_vectors(x: Any, y: Any, dim: int = -1) -> Node:
    x, y = number(x), number(y)
    shape = np.broadcast_shapes(x.shape, y.shape)
    return sum_axis(multiply(as_shape(x, shape), as_shape(y, shape)), axis=dim % len(shape))


def _added(bias: Any, product: Node, beta: Any, alpha: Any) -> Node:
    product = scaled(product, alpha)
    return product if beta == 0 else add(product, as_shape(scaled(bias, beta), product.shape))


@rule("addmm", "baddbmm")
def _affine(b: Any, x: Any, y: Any, *, beta: Any = 1, alpha: Any = 1, **_: Any) -> Node:
    return _added(b, _product(x, y), beta, alpha)


@rule("addbmm")
def _sum_of_products(b: Any, x: Any, y: Any, *, beta: Any = 1, alpha: Any = 1) -> Node:
    return _added(b, sum_axis(_product(x, y), axis=0), beta, alpha)


@rule("addmv")
def _affine_of_vector(b: Any, x: Any, y: Any, *, beta: Any = 1, alpha: Any = 1) -> Node:
    return _added(b, _of_vector(x, y), beta, alpha)


@rule("addr")
def _outer_added(b: Any, x: Any, y: Any, *, beta: Any = 1, alpha: Any = 1) -> Node:
    x, y = number(x), number(y)
    shape = (*x.shape, *y.shape)
    outer = multiply(as_shape(reshape(x, to=(*x.shape, 1)), shape), as_shape(y, shape))
    return _added(b, outer, beta, alpha)


@rule("linear")
def _linear(x: Any, w: Any, b: Any = None) -> Node:
    x, w = number(x), number(w)
    rows = reshape(x, to=(int(np.prod(x.shape[:-1])), x.shape[-1]))
    product = matmul(rows, by_places("transpose_copy", w, 0, 1))
    product = product if b is None else _added(b, product, 1, 1)
    return reshape(product, to=(*x.shape[:-1], w.shape[0]))


@rule("convolution", "_convolution", "convolution_overrideable", "mkldnn_convolution")
def _convolved(
    x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, output_padding: Any,
    groups: int, *_: Any,
) -> Node:  # fmt: skip
    x, w = number(x), number(w)
    batch = x if x.ndim == w.ndim else reshape(x, to=(1, *x.shape))
    axes = w.ndim - 2

    def each(numbers: Any) -> list[int]:
        return list(numbers) * axes if len(numbers) == 1 else list(numbers)

    stride, padding, dilation = each(stride), each(padding), each(dilation)
    if transposed:
        batch, w, padding = _spread(batch, w, stride, padding, dilation, each(output_padding), groups)
        stride = [1] * axes
    result = convolution(batch, w, stride, padding, dilation, groups, None if b is None else number(b))
    return result if x.ndim == w.ndim else reshape(result, to=result.shape[1:])


def _spread(
    x: Node, w: Node, stride: Any, padding: Any, dilation: Any, output_padding: Any, groups: int
) -> tuple[Node, Node, Any]:
    """A transposed convolution as a convolution: of entries with zeros between them, with the kernel turned round."""
    axes = w.ndim - 2
    index = np.arange(int(np.prod(x.shape))).reshape(x.shape)
    for a in range(axes):
        n = index.shape[2 + a]
        wide = np.full((*index.shape[: 2 + a], (n - 1) * stride[a] + 1, *index.shape[3 + a :]), -1)
        wide[(slice(None),) * (2 + a) + (slice(None, None, stride[a]),)] = index
        index = wide
    ends = [dilation[a] * (w.shape[2 + a] - 1) - padding[a] for a in range(axes)]
    pads = [(e, e + o) for e, o in zip(ends, output_padding, strict=True)]
    index = np.pad(index, [(0, 0), (0, 0), *((max(a, 0), max(b, 0)) for a, b in pads)], constant_values=-1)
    cut = tuple(slice(max(-a, 0), index.shape[2 + n] - max(-b, 0)) for n, (a, b) in enumerate(pads))
    index = index[(slice(None), slice(None), *cut)]
    kernels = np.arange(int(np.prod(w.shape))).reshape(groups, w.shape[0] // groups, *w.shape[1:])
    kernels = np.flip(kernels.swapaxes(1, 2), tuple(range(3, 3 + axes)))
    kernels = kernels.reshape(groups * w.shape[1], w.shape[0] // groups, *w.shape[2:])
    return arranged(x, index), arranged(w, kernels), [0] * axes
