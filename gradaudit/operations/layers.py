"""Layers, of operations that are there already: linear maps, attention, cells, embeddings, places."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.exact.arithmetic import grouped
from gradaudit.graph import Node
from gradaudit.operations.activations import full
from gradaudit.operations.arrangements import flat, mixed, places
from gradaudit.operations.choices import largest, relu
from gradaudit.operations.entrywise import add, divide, multiply, negative, sigmoid, subtract, tanh
from gradaudit.operations.factors import product
from gradaudit.operations.products import affine, matmul
from gradaudit.operations.shapes import as_shape, concatenate, constant, gather, reshape, scatter, transpose
from gradaudit.operations.softmax import softmax
from gradaudit.operations.windows import LOWEST

Index = NDArray[np.integer[Any]]


def swapped(x: Node) -> Node:
    """The last two axes exchanged."""
    return transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def linear(x: Node, weight: Node, bias: Node | None = None) -> Node:
    """Value: x W' + b, with x of the shape (..., I), W (O, I) and b (O,)."""
    flattened = reshape(x, to=(int(np.prod(x.shape[:-1])), x.shape[-1]))
    result = matmul(flattened, swapped(weight)) if bias is None else affine(flattened, swapped(weight), bias)
    return reshape(result, to=(*x.shape[:-1], weight.shape[0]))


def bilinear(x: Node, y: Node, weight: Node, bias: Node | None = None) -> Node:
    """The sums of x_i W_oij y_j, with x of the shape (N, I), y (N, J), W (O, I, J), and b (O,)."""
    (N, I), (O, _, J) = x.shape, weight.shape  # noqa: E741
    left = matmul(x, reshape(transpose(weight, axes=(1, 0, 2)), to=(I, O * J)))
    sums = matmul(reshape(left, to=(N, O, J)), reshape(y, to=(N, J, 1)))
    result = reshape(sums, to=(N, O))
    return result if bias is None else add(result, as_shape(bias, result.shape))


# --- attention --------------------------------------------------------------------------------------------------------


def attention(q: Node, k: Node, v: Node, mask: Any = None, causal: bool = False, scale: float | None = None) -> Node:
    """Softmax(scale q k' + mask) v.

    Parameters
    ----------
    q, k, v : Node, shape (..., L, E), (..., S, E), (..., S, V)
        Queries, keys and values, with the same leading axes.
    mask : Node or ndarray, optional
        What is added to the logits; an array of bool says what is attended to. It is repeated to (..., L, S).
    causal : bool
        Whether query i attends to the keys 0 to i alone.
    scale : float, optional
        1 / sqrt(E) if not given.

    Returns
    -------
    Node, shape (..., L, V)
    """
    factor = full(q, 1 / np.sqrt(q.shape[-1]) if scale is None else scale)
    logits = matmul(multiply(q, factor), swapped(k))
    chosen = np.ones(logits.shape, dtype=bool)
    if causal:
        chosen = chosen & np.tri(*logits.shape[-2:], dtype=np.bool_)
    if isinstance(mask, Node):
        logits = add(logits, as_shape(mask, logits.shape))
    elif mask is not None and np.asarray(mask).dtype == bool:
        chosen = chosen & mask
    elif mask is not None:
        chosen = chosen & (np.asarray(mask) > -np.inf)
        logits = add(logits, as_shape(constant(np.where(np.isneginf(mask), 0.0, mask)), logits.shape))
    return matmul(masked_softmax(logits, chosen), v)


def masked_softmax(x: Node, mask: Any) -> Node:
    """The softmax of rows over the columns where a known mask holds, 0 elsewhere and where it holds nowhere.

    What a program gives by adding minus infinity to the other logits. Rows with the same columns are taken together.
    """
    S = x.shape[-1]
    chosen = np.broadcast_to(np.asarray(mask, dtype=bool), x.shape).reshape(-1, S)
    if chosen.all():
        return softmax(x)
    patterns, of = np.unique(chosen, axis=0, return_inverse=True)
    index, parts, count = np.full(chosen.shape, -1, dtype=np.int64), [], 0
    for number, pattern in enumerate(patterns):
        at = np.ix_(np.flatnonzero(of.reshape(-1) == number), np.flatnonzero(pattern))
        taken = places(x.shape).reshape(-1, S)[at]
        if taken.size:
            parts.append(flat(softmax(gather(x, index=taken))))
            index[at] = count + places(taken.shape)
            count += taken.size
    if not parts:
        return constant(np.zeros(x.shape))
    return gather(concatenate(*parts, axis=0), index=index.reshape(x.shape))


# --- recurrent cells --------------------------------------------------------------------------------------------------


def _gates(x: Node, weight: Node, bias: Node | None, count: int) -> list[Node]:
    """The parts of x W' + b, of the shape (N, count H)."""
    every = linear(x, weight, bias)
    return [gather(every, index=part) for part in np.split(places(every.shape), count, axis=1)]


def rnn_cell(
    x: Node, h: Node, w_x: Node, w_h: Node, b_x: Node | None = None, b_h: Node | None = None, rectified: bool = False
) -> Node:
    """Tanh (or relu) of W_x x + b_x + W_h h + b_h; x (N, I), h (N, H), W_x (H, I), W_h (H, H)."""
    a = add(linear(x, w_x, b_x), linear(h, w_h, b_h))
    return relu(a) if rectified else tanh(a)


def lstm_cell(
    x: Node, state: tuple[Node, Node], w_x: Node, w_h: Node, b_x: Node | None = None, b_h: Node | None = None
) -> tuple[Node, Node]:
    """One step of an LSTM: c = f c + i g, h = o tanh c, with the gates i, f, g, o in PyTorch's order.

    Parameters
    ----------
    x : Node, shape (N, I)
        What comes in.
    state : tuple of Node, shape (N, H)
        h and c.
    w_x, w_h : Node, shape (4 H, I), (4 H, H)
        Weights.
    b_x, b_h : Node, shape (4 H,), optional
        Biases.
    """
    h, c = state
    of_x, of_h = _gates(x, w_x, b_x, 4), _gates(h, w_h, b_h, 4)
    i, f, g, o = (add(a, b) for a, b in zip(of_x, of_h, strict=True))
    c = add(multiply(sigmoid(f), c), multiply(sigmoid(i), tanh(g)))
    return multiply(sigmoid(o), tanh(c)), c


def gru_cell(x: Node, h: Node, w_x: Node, w_h: Node, b_x: Node | None = None, b_h: Node | None = None) -> Node:
    """One step of a GRU: h = n + z (h - n), n = tanh(W x + r W h), with the gates r, z, n in PyTorch's order.

    Shapes are those of `lstm_cell`, with 3 H in place of 4 H.
    """
    (r_x, z_x, n_x), (r_h, z_h, n_h) = _gates(x, w_x, b_x, 3), _gates(h, w_h, b_h, 3)
    r, z = sigmoid(add(r_x, r_h)), sigmoid(add(z_x, z_h))
    n = tanh(add(n_x, multiply(r, n_h)))
    return add(n, multiply(z, subtract(h, n)))


# --- places -----------------------------------------------------------------------------------------------------------


def embedding(weight: Node, labels: Index) -> Node:
    """Row after row of a table (V, D), by its number: labels of any shape, then D."""
    return gather(weight, index=np.take(places(weight.shape), labels, axis=0))


def along(x: Node, index: Index, axis: int) -> Node:
    """As `numpy.take_along_axis`, of an index that may be shorter along the other axes (PyTorch's gather)."""
    return gather(x, index=places_along(x.shape, index, axis))


def places_along(shape: tuple[int, ...], index: Index, axis: int) -> Index:
    """The places that an index along an axis names in an array of a shape."""
    grid: list[Any] = list(np.indices(index.shape, sparse=True))
    grid[axis] = index
    return np.asarray(places(shape)[tuple(grid)])


def added_at(x: Node, index: Index, part: Node) -> Node:
    """x, with a part added at the places of an index, of the part's shape: scatter_add, index_add."""
    return add(x, scatter(part, index=np.asarray(index, dtype=np.int64), into=x.shape))


def reduced_at(x: Node, index: Index, part: Node, reduction: str, include: bool = True) -> Node:
    """Entries that go to the same place together: their "sum", "mean", "prod", "amax" or "amin".

    Parameters
    ----------
    x : Node
        What is there already.
    index : ndarray of int
        The place in x of each entry of the part, in its shape.
    part : Node
        What goes there.
    reduction : str
        What is done.
    include : bool
        Whether what is there already takes part where something goes.

    Raises
    ------
    ValueError
        For another reduction.
    """
    index, size = np.asarray(index, dtype=np.int64), int(np.prod(x.shape))
    count = np.bincount(index.reshape(-1), minlength=size).reshape(x.shape)
    own = np.where((count > 0) & (not include), -1, places(x.shape)).reshape(-1)
    if reduction in ("sum", "mean"):
        sums = added_at(gather(x, index=own.reshape(x.shape)), index, part)
        return (
            sums if reduction == "sum" else divide(sums, constant(np.maximum(count + (own >= 0).reshape(x.shape), 1)))
        )
    if reduction == "amin":
        return negative(reduced_at(negative(x), index, negative(part), "amax", include))
    if reduction not in ("prod", "amax"):
        raise ValueError(f"reduction={reduction!r}; expected 'sum', 'mean', 'prod', 'amax' or 'amin'")
    table = grouped(index.reshape(-1).tobytes(), size)
    table = np.where(table == index.size, -1, table + size)
    table = np.concatenate([own[:, None], table], axis=1)
    neutral = constant(np.full(table.shape, 1.0 if reduction == "prod" else LOWEST))
    entries = mixed(_joined(x, part), table, neutral)
    return reshape(product(entries, axis=1) if reduction == "prod" else largest(entries, axis=1), to=x.shape)


def _joined(x: Node, y: Node) -> Node:
    """The entries of two arrays, one after the other."""
    return concatenate(flat(x), flat(y), axis=0)
