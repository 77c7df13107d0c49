"""The matrix product, of which convolutions and einsum are made."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradaudit.graph import Node, Shape
from gradaudit.operations.operation import Operand, Operation, define
from gradaudit.operations.shapes import transpose
from gradaudit.rounding.arithmetic import Arithmetic, count, magnitude_product
from gradaudit.rounding.bound import FINEST, Bound, Terms, summed


def _shape(x: Shape, y: Shape) -> Shape:
    if len(x) < 2 or x[:-2] != y[:-2] or x[-1] != y[-2]:
        raise ValueError(f"a matrix product of the shapes {x} and {y}; expected (..., n, k) and (..., k, m)")
    return (*x[:-1], y[-1])


def _rounding(fp: Arithmetic, value: Any, x: Operand, y: Operand) -> Bound:  # noqa: ARG001
    """The sum of nz products, each rounded once; at most 3 nz eta may underflow (ROUNDING.md)."""
    a, b = np.abs(x.v), np.abs(y.v)
    reach_x, reach_y = a + x.E, b + y.E
    products = _each(count, reach_x, reach_y)
    size = _each(magnitude_product, reach_x, reach_y)
    error = _each(magnitude_product, x.E, b) + _each(magnitude_product, a, y.E) + _each(magnitude_product, x.E, y.E)
    grid_x, grid_y = x.bound.grid.min(axis=-1, initial=FINEST), y.bound.grid.min(axis=-2, initial=FINEST)
    pure = x.bound.pure.all(axis=-1)[..., :, None] & y.bound.pure.all(axis=-2)[..., None, :]
    terms = Terms(products, size, size, error, 3 * products * fp.eta, 1.0)
    return summed(fp, terms, pure, grid_x[..., :, None] + grid_y[..., None, :])


def _each(f: Any, A: Any, B: Any) -> Any:
    """A function of two matrices, of each pair in two stacks of them."""
    leading = A.shape[:-2]
    result = np.empty((*leading, A.shape[-2], B.shape[-1]))
    for i in np.ndindex(*leading):
        result[i] = f(A[i], B[i])
    return result


def _swapped(x: Node) -> Node:
    axes = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
    return transpose(x, axes=axes)


matmul: Operation = define(
    Operation(
        "matmul",
        shape=_shape,
        value=lambda A, x, y: A.matmul(x, y),
        derivative=lambda node, g: [matmul(g, _swapped(node.inputs[1])), matmul(_swapped(node.inputs[0]), g)],
        rounding=_rounding,
        size=np.matmul,
        algorithms="sums of products in any order, fused or not; not Strassen, Winograd or FFT, not TF32 or bfloat16",
        source="Higham 2002, sections 3.1 and 3.5",
    )
)
