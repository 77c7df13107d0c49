"""Products along an axis, and cumulative ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradaudit.graph import Node
from gradaudit.operations.arrangements import flat, mixed, places
from gradaudit.operations.operation import Operand, Operation, define
from gradaudit.operations.shapes import concatenate, constant, gather
from gradaudit.rounding.arithmetic import OF_OVERFLOW, Arithmetic
from gradaudit.rounding.bound import Bound, rounded


def _value(A: Any, x: Any, axis: int, divided: bool = False) -> Any:  # noqa: ARG001
    """By halves; 1 for no factor."""
    axes = (slice(None),) * axis
    if not A.shape(x)[axis]:
        return A.constant(np.ones(A.shape(x)[:axis] + A.shape(x)[axis + 1 :]))
    while (count := A.shape(x)[axis]) > 1:
        half = count // 2
        first, other, rest = (
            A.restructure(lambda y, s=s: y[(*axes, s)], x)
            for s in (slice(0, half), slice(half, 2 * half), slice(2 * half, count))
        )
        both = A.multiply(first, other)
        x = both if count == 2 * half else A.restructure(lambda y, z: np.concatenate((y, z), axis), both, rest)
    return A.restructure(lambda y: y.reshape(y.shape[:axis] + y.shape[axis + 1 :]), x)


def _rounding(fp: Arithmetic, value: Any, x: Operand, axis: int, divided: bool = False) -> Bound:
    """gamma(n + 3) for n factors in any order, or for the product of all of them divided by one.

    Each factor moves the product by its bound times the others. A partial product may underflow, and what it has lost
    is multiplied by the others, of which those above 1 enlarge it; where these overflow, nothing is known. Factors that
    are exactly 1 round nothing, unless the product may be that of all, `divided` by one: a derivative.
    """
    n = ((np.abs(x.v) != 1) | (x.E != 0)).sum(axis=axis)
    moved = np.where((x.E > 0).any(axis=axis), (_others(x.reach, axis) * x.E).sum(axis=axis), 0.0)
    large = np.maximum(x.reach, 1).prod(axis=axis)
    v = np.abs(value.hi)
    E = moved + np.where((n > 1) | divided, fp.gamma(fp.steps(n) + 3) * (v + moved) + n * fp.eta * large, 0.0)
    E = np.where(((x.v == 0) & (x.E == 0)).any(axis=axis), 0.0, E)
    return rounded(np.where(large * OF_OVERFLOW <= fp.omega, E * (1 + 1e-6), np.inf))


def _others(x: Any, axis: int) -> Any:
    """Of each entry the product of the others."""
    x = np.moveaxis(x, axis, -1)
    ones = np.ones((*x.shape[:-1], 1))
    before = np.cumprod(np.concatenate((ones, x[..., :-1]), -1), -1)
    after = np.cumprod(np.concatenate((ones, x[..., :0:-1]), -1), -1)[..., ::-1]
    return np.moveaxis(before * after if x.shape[-1] else x, -1, axis)


def _derivative(node: Node, g: Node) -> list[Node | None]:
    """Of each factor the product of all, in which g stands in its place."""
    x, axis = node.inputs[0], node.parameters["axis"]
    index = np.moveaxis(places(x.shape), axis, -1)
    n = index.shape[-1]
    of_g = int(np.prod(x.shape)) + places(g.shape)
    table = np.where(np.eye(n, dtype=bool), of_g[..., None, None], index[..., None, :])
    both = concatenate(flat(x), flat(g), axis=0)
    table = np.moveaxis(table, -2, axis)
    return [product(gather(both, index=table), axis=x.ndim, divided=True)]


product: Operation = define(
    Operation(
        "product",
        shape=lambda x, axis, divided=False: x[:axis] + x[axis + 1 :],  # noqa: ARG005
        value=_value,
        derivative=_derivative,
        rounding=_rounding,
        algorithms="products in any order; the derivative also by dividing the product, where nothing underflows",
        source="Higham 2002, lemma 3.1",
    )
)


def cumulative_product(x: Node, axis: int) -> Node:
    """The products of the first 1, 2, ... entries along an axis; of n entries, n^2 are laid out."""
    index = np.moveaxis(places(x.shape), axis, -1)
    n = index.shape[-1]
    table = np.where(np.tri(n, dtype=bool), index[..., None, :], -1)
    table = np.moveaxis(table, -2, axis)
    return product(mixed(x, table, constant(np.ones(table.shape))), axis=x.ndim)
