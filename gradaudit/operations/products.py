"""The matrix product, of which convolutions and einsum are made, and the product with a bias."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.enclosure import NORMAL
from gradaudit.exact.entries import every, highest, lowest, some
from gradaudit.graph import Node, Shape
from gradaudit.operations.operation import Array, Operand, Operation, define
from gradaudit.operations.shapes import sum_to, transpose
from gradaudit.rounding.arithmetic import OF_OVERFLOW, Arithmetic, count, lowest_bits, magnitude_product
from gradaudit.rounding.bound import FINEST, Bound, Exponents, Terms, summed, terms_of, together

#: So many products of a sum are looked at, to find one that is rounded; and how far from one to the next, a prime.
LOOKED_AT, APART = 256, 7919


def _shape(x: Shape, y: Shape) -> Shape:
    if len(x) < 2 or x[:-2] != y[:-2] or x[-1] != y[-2]:
        raise ValueError(f"a matrix product of the shapes {x} and {y}; expected (..., n, k) and (..., k, m)")
    return (*x[:-1], y[-1])


def _affine_shape(x: Shape, y: Shape, b: Shape) -> Shape:
    shape = _shape(x, y)
    if np.broadcast_shapes(shape, b) != shape:
        raise ValueError(f"a bias of the shape {b} for a product of the shape {shape}; expected one that is repeated")
    return shape


def _rounding(fp: Arithmetic, value: Any, x: Operand, y: Operand) -> Bound:
    """The sum of nz products, each rounded once; at most 2 nz eta may underflow (ROUNDING.md, 1 and 2)."""
    v = value.hi if fp.is_narrow else None
    return summed(fp, *_products(fp, x, y), late=x.bound.late * y.bound.late, closed=True, v=v)


def _affine_rounding(fp: Arithmetic, value: Any, x: Operand, y: Operand, b: Operand) -> Bound:
    """The bias is one more term: it may begin the sum, or end it."""
    products, pure, grid = _products(fp, x, y)
    terms, late = together(products, terms_of(b, closed=True)), x.bound.late * y.bound.late
    if grid is None or b.bound.rough:
        both, finest = None, None
    else:
        both, finest = pure & b.bound.pure, lambda: np.minimum(grid(), b.bound.grid)
    if late == b.bound.late and not fp.is_narrow:
        return summed(fp, terms, both, finest, late, closed=True)
    fits, largest = products.size * (OF_OVERFLOW * late) <= fp.widest, OF_OVERFLOW * late
    late = late if late == b.bound.late else 1.0
    if not fp.is_narrow:
        return summed(fp, terms, both, finest, late, closed=True).where(fits)
    v = np.abs(value.hi) + b.reach  # the product alone is no larger than the result and the bias
    bound = summed(fp, terms, both, finest, late, closed=True, v=v)
    return bound.where(fits & ((v + bound.E) * largest <= fp.omega))


def _products(fp: Arithmetic, x: Operand, y: Operand) -> tuple[Terms, Any, Any]:
    """The products that are added: as terms, where none was rounded before, and the finest of their grids."""
    products, size, error = _each(count, x.reach, y.reach), _each(magnitude_product, x.reach, y.reach), 0.0
    if some(y.E):
        error = _each(magnitude_product, x.reach, y.E)
    if some(x.E):
        error = error + _each(magnitude_product, x.E, y.size)
    terms = Terms(products, size, size, error, products * fp.eta, 1.0)
    rough = x.bound.rough or y.bound.rough or _are_all_rounded(fp, x, y, terms)
    if fp.is_narrow:  # rounded once, after n products and n - 1 additions in the wider dtype
        counted = np.where(products > 0, 1 + products * fp.part, 0.0)
        terms = terms._replace(count=counted, more=products - counted)
    if rough:
        return terms, None, None
    pure_x, pure_y = x.bound.pure.all(axis=-1, keepdims=True), y.bound.pure.all(axis=-2, keepdims=True)
    if not (some(pure_x) and some(pure_y)):
        return terms, None, None

    def grid() -> Exponents:
        grid_x, grid_y = _grid(x).min(axis=-1, initial=FINEST), _grid(y).min(axis=-2, initial=FINEST)
        return np.asarray(grid_x[..., :, None] + grid_y[..., None, :])

    return terms, pure_x & pure_y, grid


def _grid(x: Operand) -> Exponents:
    """The grid of an operand: that of its value where a program certainly has this value."""
    known = x.bound.pure & (x.E == 0) & (x.value.radius == 0)
    if every(known):
        return lowest_bits(x.v)
    grid: Exponents = x.bound.grid
    return np.where(known, lowest_bits(x.v), grid) if some(known) else grid


def _are_all_rounded(fp: Arithmetic, x: Operand, y: Operand, terms: Terms) -> bool:
    """Whether no sum is exact, and what underflows is nothing beside its rounding.

    Where both factors of a product have one digit more than half of the dtype's, the product has more than the dtype.
    """
    if some(x.E) or some(y.E) or some(x.value.radius) or some(y.value.radius):
        return False
    if fp.u * lowest(terms.size) < 2.0**40 * highest(np.asarray(terms.count)) * fp.eta:
        return False
    (K, columns), rows = y.v.shape[-2:], x.v.shape[-2]
    left, right = x.v.reshape(-1, rows, K), y.v.reshape(-1, K, columns)
    return all(_has_such_a_product(fp, A, B) for A, B in zip(left, right, strict=True))


def _has_such_a_product(fp: Arithmetic, A: Array, B: Array) -> bool:
    """Whether each row of A has an entry of many digits where a whole row of B has many."""
    rows = np.arange(len(A))
    places = np.arange(min(len(B), LOOKED_AT)) * APART % len(B)
    for k in places[_have_many_digits(fp, B[places]).all(axis=-1)]:
        rows = rows[~_have_many_digits(fp, A[rows, k])]
        if not len(rows):
            return True
    return False


def _have_many_digits(fp: Arithmetic, v: Array) -> NDArray[np.bool_]:
    """Which numbers have one digit more than half of the dtype's, or more."""
    bits = np.ascontiguousarray(v).view(np.int64)
    return np.asarray(((bits & (1 << 53 - (fp.precision + 1) // 2) - 1) != 0) & (np.abs(v) >= NORMAL))


def _each(f: Any, A: Any, B: Any) -> Any:
    """A function of two matrices, of each pair in two stacks of them."""
    if A.ndim == 2:
        return f(A, B)
    leading = A.shape[:-2]
    if math.prod(leading) == 1:
        single = f(A.reshape(A.shape[-2:]), B.reshape(B.shape[-2:]))
        return single if isinstance(single, float) else single.reshape(*leading, *single.shape)
    result = np.empty((*leading, A.shape[-2], B.shape[-1]))
    for i in np.ndindex(*leading):
        result[i] = f(A[i], B[i])
    return result


def _swapped(x: Node) -> Node:
    axes = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
    return transpose(x, axes=axes)


def _derivative(node: Node, g: Node) -> list[Node | None]:
    return [matmul(g, _swapped(node.inputs[1])), matmul(_swapped(node.inputs[0]), g)]


def _affine_size(x: Array, y: Array, b: Array) -> Array:
    return np.asarray(np.matmul(x, y) + b)


matmul: Operation = define(
    Operation(
        "matmul",
        shape=_shape,
        value=lambda A, x, y: A.matmul(x, y),
        derivative=_derivative,
        rounding=_rounding,
        size=np.matmul,
        algorithms="sums of products in any order, fused or not; not Strassen, Winograd or FFT, not TF32 or bfloat16",
        source="Higham 2002, sections 3.1 and 3.5",
    )
)
affine: Operation = define(
    Operation(
        "affine",
        shape=_affine_shape,
        value=lambda A, x, y, b: A.add(A.matmul(x, y), b),
        derivative=lambda node, g: [*_derivative(node, g), sum_to(g, node.inputs[2].shape)],
        rounding=_affine_rounding,
        size=_affine_size,
        algorithms="as matmul; what is added takes part in the accumulation, first, last or in between",
        source="Higham 2002, sections 3.1 and 3.5",
    )
)
