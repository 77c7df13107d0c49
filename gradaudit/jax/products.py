"""Products of matrices, and convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradaudit.graph import Node
from gradaudit.jax.following import RULES, Equation
from gradaudit.jax.operands import Operand, number
from gradaudit.jax.shapes import reshaped, transposed
from gradaudit.operations import products
from gradaudit.operations.arrangements import arranged, places
from gradaudit.operations.windows import convolution


def _product(here: Equation, x: Operand, y: Operand) -> Node:
    """Batch axes first, then what is left of each; summed over the others: one matrix product."""
    a, b = number(x), number(y)
    (inner_a, inner_b), (batch_a, batch_b) = here.params["dimension_numbers"]
    left = [i for i in range(a.ndim) if i not in (*inner_a, *batch_a)]
    right = [i for i in range(b.ndim) if i not in (*inner_b, *batch_b)]
    if not batch_a and not inner_a:
        batch_shape: tuple[int, ...] = ()
    batch_shape = tuple(a.shape[i] for i in batch_a)
    n = int(np.prod([a.shape[i] for i in left]))
    k = int(np.prod([a.shape[i] for i in inner_a]))
    m = int(np.prod([b.shape[i] for i in right]))
    a_matrix = reshaped(transposed(a, [*batch_a, *left, *inner_a]), (*batch_shape, n, k))
    b_matrix = reshaped(transposed(b, [*batch_b, *inner_b, *right]), (*batch_shape, k, m))
    return reshaped(products.matmul(a_matrix, b_matrix, line=here.line), here.shape, here.line)


def _convolved(here: Equation, x: Operand, w: Operand) -> Node:
    """Samples and channels first; the input is dilated by zeros between its entries."""
    params: dict[str, Any] = here.params
    numbers = params["dimension_numbers"]
    a, b = transposed(number(x), numbers.lhs_spec), transposed(number(w), numbers.rhs_spec)
    groups = params["batch_group_count"]
    if groups != 1:  # groups of samples become groups of channels
        parts = reshaped(a, (groups, a.shape[0] // groups, *a.shape[1:]))
        turned = transposed(parts, [1, 0, *range(2, parts.ndim)])
        a = reshaped(turned, (a.shape[0] // groups, groups * a.shape[1], *a.shape[2:]))
    pairs, index = [], places(a.shape)
    for axis, (dilation, (low, high)) in enumerate(zip(params["lhs_dilation"], params["padding"], strict=True), 2):
        index = np.moveaxis(index, axis, 0)
        wide = np.full(((len(index) - 1) * dilation + 1, *index.shape[1:]), -1)
        wide[::dilation] = index
        wide = wide[max(0, -low) : len(wide) - max(0, -high)]
        index = np.moveaxis(wide, 0, axis)
        pairs.append((max(0, low), max(0, high)))
    result = convolution(
        arranged(a, index), b, params["window_strides"], pairs, params["rhs_dilation"],
        params["feature_group_count"] * groups,
        line=here.line,
    )  # fmt: skip
    return transposed(result, np.argsort(numbers.out_spec).tolist(), here.line)


RULES.update({"dot_general": _product, "conv_general_dilated": _convolved})
