"""What only puts entries elsewhere. PyTorch's own kernels do it, on the numbers of the places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_map

from gradaudit.graph import Node
from gradaudit.operations.arrangements import arranged, flat, mixed, replaced, stack, through
from gradaudit.operations.entrywise import add, divide, negative
from gradaudit.operations.largest import largest
from gradaudit.operations.shapes import as_shape, concatenate, constant, gather, reshape, scatter, sum_axis, transpose
from gradaudit.operations.windows import LOWEST
from gradaudit.torch.tables.rules import RULES, Rule, constant_where, node, number, on_tensors, rule, scaled

# --- views: only those of which there is a shorter node; the memory knows the others ----------------------------------


@rule("view", "_unsafe_view", "reshape", "_reshape_alias", "squeeze", "unsqueeze", "flatten", of_result=True)
def _reshaped(result: Any, x: Any, *_: Any, **__: Any) -> Node:
    if any(isinstance(d, torch.dtype) for d in _):
        raise ValueError("the bits of numbers")
    to = tuple(result.shape)
    return through(node(x), lambda n: n if n.shape == to else reshape(n, to=to))


@rule("expand", of_result=True)
def _repeated(result: Any, x: Any, *_: Any, **__: Any) -> Node:
    to = tuple(result.shape)
    return through(node(x), lambda n: as_shape(n, to))


@rule("permute")
def _permuted(x: Any, axes: Any) -> Node:
    order = tuple(int(a) % len(axes) for a in axes)
    return through(node(x), lambda n: transpose(n, axes=order))


@rule("transpose", "t", "numpy_T", "matrix_H", "mT")
def _transposed(x: Any, one: int = 0, other: int = 1) -> Node:
    n = node(x)
    axes = list(range(n.ndim))
    if n.ndim > 1:
        axes[one], axes[other] = axes[other], axes[one]
    return through(n, lambda y: transpose(y, axes=tuple(axes)) if y.ndim > 1 else y)


@rule("select", "slice", "diagonal", "as_strided", "unfold", "split", "split_with_sizes", "unbind", "movedim",
      "narrow", "chunk", "tensor_split", "hsplit", "vsplit", "dsplit", "swapaxes", of_result=True)  # fmt: skip
def _viewed(result: Any, *_: Any, **__: Any) -> Any:
    return [None] * (len(result) if isinstance(result, (list, tuple)) else 1)


@rule("clone", "detach", "alias", "lift_fresh", "contiguous", "_to_copy", "positive", "lift", "_conj", "resolve_conj",
      "resolve_neg", "_neg_view", "view_as", "real", "to", "ensure_nonzero_memory", of_result=True)  # fmt: skip
def _same(result: Any, x: Any, *_: Any, **__: Any) -> Any:
    n = node(x)
    return number(n) if result.is_floating_point() else n if n.operation.mask else None


@rule("copy", of_result=True)
def _copied(result: Any, x: Any, y: Any, *_: Any, **__: Any) -> Node:  # noqa: ARG001
    return as_shape(number(y), tuple(result.shape))


@rule("fill", of_result=True)
def _filled(result: Any, x: Any, value: Any) -> Node:  # noqa: ARG001
    return as_shape(number(value), tuple(result.shape))


# --- by PyTorch's own kernels -----------------------------------------------------------------------------------------


def by_places(name: str, *args: Any, **kwargs: Any) -> Any:
    """What an operation does that puts entries of its operands, or zeros, elsewhere."""
    nodes: list[Node] = []
    start = 1

    def placed(x: Any) -> Any:
        nonlocal start
        if not isinstance(x, Node):
            return on_tensors(x)
        size = int(np.prod(x.shape))
        nodes.append(x)
        start += size
        return torch.arange(start - size, start, dtype=torch.float64).reshape(x.shape)

    packet = getattr(torch.ops.aten, name)
    result = packet(*tree_map(placed, args), **tree_map(placed, kwargs))
    if isinstance(result, (tuple, list)):
        return [_taken(nodes, r) for r in result]
    return _taken(nodes, result)


def _taken(nodes: Sequence[Node], result: torch.Tensor) -> Node:
    """The entries of nodes that a kernel put somewhere."""
    index = result.to(torch.int64).numpy() - 1
    if len(nodes) == 1:
        return arranged(nodes[0], index)
    return gather(concatenate(*(flat(number(n)) for n in nodes), axis=0), index=index)


def _arranging(name: str, plain: bool = True) -> None:
    RULES[name] = Rule(lambda *args, **kwargs: by_places(name, *args, **kwargs), False, plain)


for _name in (
    *("flip", "roll", "rot90", "repeat", "tile", "diag_embed", "tril", "triu", "gather", "index", "index_select"),
    *("take", "masked_select", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "replication_pad1d"),
    *("replication_pad2d", "replication_pad3d", "pixel_shuffle", "pixel_unshuffle", "im2col", "channel_shuffle"),
    *("slice_scatter", "select_scatter", "diagonal_scatter", "index_copy", "masked_scatter", "_pad_circular"),
    *("repeat_interleave", "block_diag", "view_copy", "as_strided_scatter", "upsample_nearest1d", "upsample_nearest2d"),
    *("upsample_nearest3d", "_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d"),
    *("unfold_copy", "diagonal_copy", "select_copy", "slice_copy", "expand_copy", "permute_copy", "squeeze_copy"),
    *(
        "unsqueeze_copy",
        "transpose_copy",
        "t_copy",
        "alias_copy",
        "_reshape_copy",
        "max_unpool2d",
        "max_unpool3d",
    ),
    *(
        "as_strided_copy",
        "_chunk_cat",
        "take_along_dim",
        "trace_copy",
        "diag",
        "fliplr",
        "flipud",
        "narrow_copy",
        "split_copy",
        "split_with_sizes_copy",
        "unbind_copy",
    ),
):
    if _name not in RULES:
        _arranging(_name)


@rule("constant_pad_nd", plain=True)
def _padded(x: Node, pad: Any, value: Any = 0) -> Node:
    """Zeros around, or constants: a negative pad takes entries away."""
    if value == 0:
        return by_places("constant_pad_nd", x, pad, 0)  # type: ignore[no-any-return]
    index = by_places("constant_pad_nd", node(np.ones(x.shape)), pad, 0)
    outside = index.parameters["index"] < 0
    inner = by_places("constant_pad_nd", x, pad, 0)
    return constant_where(outside, float(value), inner)


@rule("cat")
def _concatenated(parts: Any, axis: int = 0) -> Node:
    nodes = [n for n in map(number, parts) if n.shape != (0,)] or [number(parts[0])]
    return nodes[0] if len(nodes) == 1 else concatenate(*nodes, axis=axis % nodes[0].ndim)


@rule("stack")
def _stacked(parts: Any, axis: int = 0) -> Node:
    return stack([number(p) for p in parts], axis)


@rule("embedding", plain=True)
def _embedded(weight: Node, indices: Any, *_: Any, **__: Any) -> Node:
    rows = by_places("index_select", weight, 0, indices.reshape(-1))
    return reshape(rows, to=(*indices.shape, weight.shape[1]))


# --- what is put, and what is added, at places ------------------------------------------------------------------------


def _places(x: Node) -> torch.Tensor:
    return torch.arange(int(np.prod(x.shape)), dtype=torch.float64).reshape(x.shape)


def _sum_at(x: Node, index: Any, values: Node) -> Node:
    """X with values added at places of it."""
    return add(x, scatter(as_shape(values, index.shape), index=index, into=x.shape))


@rule("index_put", "_unsafe_index_put", "_index_put_impl", plain=True)
def _put(x: Node, indices: Any, values: Any, accumulate: bool = False, *_: Any) -> Node:
    chosen = torch.ops.aten.index(_places(x), tree_map(on_tensors, list(indices))).to(torch.int64).numpy()
    values = number(values)
    if accumulate:
        return _sum_at(x, chosen, values)
    return replaced_at(x, chosen, values)


def replaced_at(x: Node, index: Any, values: Node) -> Node:
    """X with other entries at places of it."""
    return replaced(x, index, as_shape(values, index.shape))


@rule("put", plain=True)
def _put_flat(x: Node, index: Any, values: Any, accumulate: bool = False) -> Node:
    index = np.where(index < 0, index + int(np.prod(x.shape)), index)
    values = number(values)
    values = reshape(values, to=index.shape) if values.shape != index.shape else values
    return _sum_at(x, index, values) if accumulate else replaced_at(x, index, values)


@rule("index_add", plain=True)
def _index_added(x: Node, axis: int, index: Any, source: Any, alpha: Any = 1) -> Node:
    index = np.atleast_1d(index)
    chosen = np.take(np.arange(int(np.prod(x.shape))).reshape(x.shape or (1,)), index, axis if x.shape else 0)
    return _sum_at(x, chosen.reshape(number(source).shape), scaled(source, alpha))


@rule("index_fill", plain=True)
def _index_filled(x: Node, axis: int, index: Any, value: Any) -> Node:
    chosen = np.take(np.arange(int(np.prod(x.shape))).reshape(x.shape or (1,)), np.atleast_1d(index), axis)
    values = as_shape(number(value), chosen.shape)
    return replaced_at(x, chosen, values)


def _scatter_places(x: Node, axis: int, index: Any) -> Any:
    """The places of x that an index along an axis names."""
    index = np.asarray(index)
    if not x.shape:
        return np.zeros(index.shape, dtype=np.int64)
    grid = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    grid[axis] = index
    return np.ravel_multi_index(np.broadcast_arrays(*grid), x.shape) if index.size else index


@rule("scatter_add", plain=True)
def _scatter_added(x: Node, axis: int, index: Any, source: Any) -> Node:
    places = _scatter_places(x, axis, index)
    return _sum_at(x, places, _part(number(source), places.shape))


def _part(source: Node, shape: Any) -> Node:
    """The first entries along each axis: as many as an index has."""
    if source.shape == tuple(shape) or not source.shape:
        return source
    index = np.arange(int(np.prod(source.shape))).reshape(source.shape)[tuple(slice(n) for n in shape)]
    return gather(source, index=index)


@rule("scatter", plain=True)
def _scattered(x: Node, axis: int, index: Any, source: Any, reduce: str | None = None) -> Node:
    places = _scatter_places(x, axis, index)
    values = _part(number(source), places.shape)
    if reduce == "add":
        return _sum_at(x, places, values)
    if reduce is not None:
        raise ValueError(f"reduce={reduce!r}")
    return replaced_at(x, places, values)


@rule("scatter_reduce", plain=True)
def _scatter_reduced(x: Node, axis: int, index: Any, source: Any, reduce: str, include_self: bool = True) -> Node:
    places = _scatter_places(x, axis, index)
    return _reduced(x, places, _part(number(source), places.shape), reduce, include_self)


@rule("index_reduce", plain=True)
def _index_reduced(x: Node, axis: int, index: Any, source: Any, reduce: str, *, include_self: bool = True) -> Node:
    index = np.atleast_1d(index)
    chosen = np.take(np.arange(int(np.prod(x.shape))).reshape(x.shape or (1,)), index, axis if x.shape else 0)
    return _reduced(x, chosen.reshape(number(source).shape), number(source), reduce, include_self)


def _reduced(x: Node, places: Any, source: Node, reduce: str, include_self: bool) -> Node:
    """What goes to each place, reduced: with what is there, if that is included."""
    reduce = {"add": "sum", "multiply": "prod"}.get(reduce, reduce)
    source = as_shape(source, places.shape)
    if reduce == "sum" and include_self:
        return _sum_at(x, places, source)
    if reduce == "prod":
        raise ValueError("products at places")
    size = int(np.prod(x.shape))
    groups: list[list[int]] = [[n] if include_self else [] for n in range(size)]
    for n, place in enumerate(places.reshape(-1)):
        groups[int(place)].append(size + n)
    for n, group in enumerate(groups):
        if not group:
            group.append(n)
    longest = max(map(len, groups), default=0)
    table = np.array([g + [-1] * (longest - len(g)) for g in groups]).reshape(size, longest)
    both = concatenate(flat(x), flat(source), axis=0)
    sign = -1 if reduce == "amin" else 1
    neutral = {"sum": 0.0, "mean": 0.0, "amax": LOWEST, "amin": LOWEST}[reduce]
    entries = mixed(both if sign > 0 else negative(both), table, constant(np.full(table.shape, neutral)))
    if reduce in ("sum", "mean"):
        result = sum_axis(entries, axis=1)
        if reduce == "mean":
            result = divide(result, constant(np.array([float(len(g)) for g in groups])))
    else:
        result = largest(entries, axis=1)
        result = result if sign > 0 else negative(result)
    return reshape(result, to=x.shape)
