"""What puts entries elsewhere: shapes, views, parts, padding; and arrays that are like another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gradaudit.numpy.array import Recorded, node_of, number
from gradaudit.numpy.lines import line, refused
from gradaudit.operations import arrangements, shapes
from gradaudit.operations.arrangements import arranged, places
from gradaudit.operations.shapes import constant


def rearranging(change: Callable[..., Any]) -> Callable[..., Recorded]:
    """A function of NumPy that only arranges entries anew, followed by what it does with their places."""

    def function(x: Any, *args: Any, **kwargs: Any) -> Recorded:
        return _array(x).view(lambda y: change(y, *args, **kwargs))

    return function


def _array(x: Any) -> Recorded:
    return x if isinstance(x, Recorded) else Recorded(node_of(x))


def parting(change: Callable[..., Any]) -> Callable[..., list[Recorded]]:
    """A function of NumPy that divides an array into parts."""

    def function(x: Any, *args: Any, **kwargs: Any) -> list[Recorded]:
        array = _array(x)
        count = len(change(array.places, *args, **kwargs))
        return [array.view(lambda y, i=i: change(y, *args, **kwargs)[i]) for i in range(count)]  # type: ignore[misc]

    return function


def transposed(x: Any, axes: Any = None) -> Recorded:
    """As np.transpose."""
    array = _array(x)
    order = tuple(range(array.ndim))[::-1] if axes is None else tuple(a % array.ndim for a in axes)
    if array.dtype == bool:
        return array.view(lambda y: y.transpose(order))
    return array.view(lambda y: y.transpose(order), shapes.transpose(array.node, axes=order, line=line()))


def pad(x: Any, width: Any, mode: str = "constant", **options: Any) -> Recorded:
    """As np.pad, with constants or by reflection, edge or wrapping."""
    node = number(x)
    if mode == "constant":
        values = options.pop("constant_values", 0)
        if options or not isinstance(values, (int, float, tuple, list)):
            raise refused("np.pad with options, or with recorded constants")
        return Recorded(arrangements.pad(node, width, values, line()))
    if mode not in ("reflect", "symmetric", "edge", "wrap") or options.get("reflect_type", "even") != "even":
        raise refused(f"np.pad with the mode {mode!r} and options {options}")
    return Recorded(arranged(node, np.pad(places(node.shape), width, mode=mode), line()))  # type: ignore[call-overload]


def triangle(lower: bool) -> Callable[..., Recorded]:
    """np.tril or np.triu."""

    def function(x: Any, k: int = 0) -> Recorded:
        node = number(x)
        numbers = places(node.shape) + 1
        return Recorded(arranged(node, (np.tril(numbers, k) if lower else np.triu(numbers, k)) - 1, line()))

    return function


def diagonal_matrix(x: Any, k: int = 0) -> Recorded:
    """As np.diag."""
    node = number(x)
    if node.ndim != 1:
        return _array(x).view(lambda y: np.diagonal(y, k))
    return Recorded(arranged(node, np.diag(places(node.shape) + 1, k) - 1, line()))


def concatenate(parts: Sequence[Any], axis: int | None = 0) -> Recorded:
    """As np.concatenate."""
    nodes = [number(p) for p in parts]
    if axis is None:
        nodes, axis = [arrangements.flat(n) for n in nodes], 0
    _fit(axis, [n.shape for n in nodes])
    return Recorded(shapes.concatenate(*nodes, axis=axis % nodes[0].ndim, line=line()))


def _fit(axis: int, given: Sequence[tuple[int, ...]]) -> None:
    """Let NumPy say what does not fit."""
    np.concatenate([np.empty(shape, dtype=np.int8) for shape in given], axis)


def stack(parts: Sequence[Any], axis: int = 0) -> Recorded:
    """As np.stack."""
    nodes = [number(p) for p in parts]
    np.stack([np.empty(n.shape, dtype=np.int8) for n in nodes], axis)
    return Recorded(arrangements.stack(nodes, axis, line()))


def vstack(parts: Sequence[Any]) -> Recorded:
    """As np.vstack."""
    return concatenate([np.reshape(p, (1, -1)) if np.ndim(p) < 2 else p for p in parts], 0)


def hstack(parts: Sequence[Any]) -> Recorded:
    """As np.hstack."""
    return concatenate([np.reshape(p, (1,)) if np.ndim(p) < 1 else p for p in parts], 0 if np.ndim(parts[0]) < 2 else 1)


def column_stack(parts: Sequence[Any]) -> Recorded:
    """As np.column_stack."""
    return concatenate([np.reshape(p, (-1, 1)) if np.ndim(p) < 2 else p for p in parts], 1)


def append(x: Any, values: Any, axis: int | None = None) -> Recorded:
    """As np.append."""
    return concatenate([x, values], axis)


def full(value: float) -> Callable[..., Recorded]:
    """np.zeros and np.ones with like=x, to be written into."""

    def function(shape: Any, *_: Any, **__: Any) -> Recorded:
        return Recorded(constant(np.full(shape, value)))

    return function


def full_like(value: float) -> Callable[..., Recorded]:
    """np.zeros_like and np.ones_like."""

    def function(x: Any, *_: Any, shape: Any = None, **__: Any) -> Recorded:
        return Recorded(constant(np.full(np.shape(x) if shape is None else shape, value)))

    return function


def filled(shape: Any, value: Any, *_: Any, **__: Any) -> Recorded:
    """As np.full with like=x."""
    target = Recorded(constant(np.zeros(shape)))
    target[...] = value
    return target


def _copied(x: Any, *_: Any, **__: Any) -> Recorded:
    return Recorded(node_of(x))


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.transpose: transposed, np.pad: pad, np.tril: triangle(True), np.triu: triangle(False), np.diag: diagonal_matrix,
    np.concatenate: concatenate, np.stack: stack, np.vstack: vstack, np.hstack: hstack, np.append: append,
    np.column_stack: column_stack, np.copy: _copied, np.zeros: full(0.0), np.ones: full(1.0), np.empty: full(0.0),
    np.full: filled, np.zeros_like: full_like(0.0), np.ones_like: full_like(1.0), np.empty_like: full_like(0.0),
    np.full_like: lambda x, value, *_, **__: filled(np.shape(x), value),
    np.shape: lambda x: x.shape, np.ndim: lambda x: x.ndim, np.size: lambda x, axis=None: np.size(x.places, axis),
    **{f: rearranging(f) for f in (
        np.reshape, np.flip, np.fliplr, np.flipud, np.roll, np.repeat, np.tile, np.take, np.squeeze, np.expand_dims,
        np.swapaxes, np.moveaxis, np.ravel, np.diagonal, np.broadcast_to, np.take_along_axis, np.rot90, np.delete,
        np.atleast_1d, np.atleast_2d, np.atleast_3d, np.compress, np.extract, sliding_window_view, np.permute_dims,
        np.matrix_transpose, np.resize,
    )},
    **{f: parting(f) for f in (np.split, np.array_split, np.hsplit, np.vsplit, np.dsplit)},
}  # fmt: skip
