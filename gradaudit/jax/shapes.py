"""Primitives that only put entries elsewhere, or add them up there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from gradaudit.graph import Node, Shape
from gradaudit.jax.following import RULES, Equation
from gradaudit.jax.operands import Known, Operand, node_of, number, repeated
from gradaudit.operations import choices, entrywise, shapes
from gradaudit.operations.arrangements import arranged, flat, mixed, places, rearranged, replaced, stack, through
from gradaudit.operations.shapes import as_shape, gather, reshape, scatter, transpose


def _reshape(here: Equation, x: Operand) -> Node:
    order = here.params.get("dimensions")
    node = node_of(x) if here.name != "reshape" or order is None else transposed(node_of(x), order, here.line)
    return reshaped(node, here.shape, here.line)


def reshaped(node: Node, shape: Shape, line: str = "") -> Node:
    """A node of another shape, if it has not got it."""
    return node if node.shape == shape else through(node, lambda x: reshape(x, to=shape, line=line))


def transposed(node: Node, axes: Sequence[int], line: str = "") -> Node:
    """A node with its axes in another order, if it is another one."""
    if tuple(axes) == tuple(range(node.ndim)):
        return node
    return through(node, lambda x: transpose(x, axes=tuple(axes), line=line))


def _broadcast(here: Equation, x: Operand, *_: Operand) -> Node:
    """Axes of length 1 first, then the entries repeated along them."""
    node, dimensions = node_of(x), here.params["broadcast_dimensions"]
    wide = [1] * len(here.shape)
    for axis, n in zip(dimensions, node.shape, strict=True):
        wide[axis] = n
    return repeated(reshaped(node, tuple(wide)) if node.shape else node, here.shape)


def _slice(here: Equation, x: Operand) -> Node:
    starts, stops = here.params["start_indices"], here.params["limit_indices"]
    strides = here.params["strides"] or (1,) * len(starts)
    key = tuple(slice(*s) for s in zip(starts, stops, strides, strict=True))
    return rearranged(node_of(x), lambda y: y[key], here.line)


def _pad(here: Equation, x: Operand, value: Operand) -> Node:
    """Entries around and between; a negative number takes some away."""
    node, config = node_of(x), here.params["padding_config"]
    index = places(node.shape)
    for axis, (low, high, inside) in enumerate(config):
        index = np.moveaxis(index, axis, 0)
        wide = np.full((max(0, len(index) + (len(index) - 1) * inside), *index.shape[1:]), -1)
        wide[:: inside + 1] = index
        wide = wide[max(0, -low) : len(wide) - max(0, -high)]
        wide = np.pad(wide, [(max(0, low), max(0, high))] + [(0, 0)] * (wide.ndim - 1), constant_values=-1)
        index = np.moveaxis(wide, 0, axis)
    if isinstance(value, Known) and not value.array.any():
        return arranged(node, index, here.line)
    return mixed(number(x), index, as_shape(number(value), here.shape), here.line)


def _concatenated(here: Equation, *operands: Operand) -> Node:
    nodes = [number(x) for x in operands]
    return shapes.concatenate(*nodes, axis=here.params["dimension"], line=here.line)


def _split(here: Equation, x: Operand) -> list[Operand]:
    node, axis = node_of(x), here.params["axis"]
    parts = np.split(places(node.shape), np.cumsum(here.params["sizes"])[:-1], axis=axis)
    return [arranged(node, part, here.line) for part in parts]


def _stacked(here: Equation, *operands: Operand) -> Node:
    return stack([number(x) for x in operands], here.params["axis"], here.line)


def _unstacked(here: Equation, x: Operand) -> list[Operand]:
    node, axis = node_of(x), here.params["axis"]
    return [arranged(node, part, here.line) for part in np.moveaxis(places(node.shape), axis, 0)]


# --- at places that JAX computes --------------------------------------------------------------------------------------


def _numbers(here: Equation, operands: Sequence[Operand]) -> list[Any]:
    """The indices, which must not depend on an input."""
    if not all(isinstance(x, Known) for x in operands):
        raise here.refuse("has an index that depends on an input")
    return [x.value for x in operands]  # type: ignore[union-attr]


def _moved(here: Equation, x: Operand, *indices: Operand) -> Node:
    """What gather and dynamic_slice do, seen from what they do with the numbers of the entries."""
    node = node_of(x)
    changed = {"fill_value": 0} if here.params.get("mode") == jax.lax.GatherScatterMode.FILL_OR_DROP else {}
    numbers = np.asarray(places(node.shape) + 1, np.int32)
    index = np.asarray(here.bind(numbers, *_numbers(here, indices), **changed)).astype(np.int64) - 1
    if (index < 0).any() and here.params.get("fill_value") != 0:
        raise here.refuse("has an index out of bounds, where JAX returns NaN")
    return arranged(node, index, here.line)


def _written(here: Equation, x: Operand, new: Operand, *indices: Operand) -> Node:
    """What dynamic_update_slice does, and scatter with its operands in this order."""
    return _replaced(here, x, new, lambda a, b: here.bind(a, b, *_numbers(here, indices)))


def _scattered(here: Equation, x: Operand, index: Operand, new: Operand) -> Node:
    (at,) = _numbers(here, [index])
    return _replaced(here, x, new, lambda a, b: here.bind(a, at, b))


def _replaced(here: Equation, x: Operand, new: Operand, write: Any) -> Node:
    old, entries = number(x), number(new)
    size = int(np.prod(old.shape))
    source = write(np.asarray(places(old.shape), np.int32), np.asarray(places(entries.shape) + size, np.int32))
    both = shapes.concatenate(flat(old), flat(entries), axis=0)
    return gather(both, index=np.asarray(source).astype(np.int64), line=here.line)


def _targets(here: Equation, at: Any, shape: Shape, entries: Shape) -> Any:
    """Where a scatter puts each of its entries, -1 for nowhere: by the transpose of adding, of the places' numbers."""
    with jax.enable_x64(True):
        numbers = np.asarray(places(shape) + 1.0)
        like = jax.ShapeDtypeStruct(entries, np.float64)

        def added(new: Any) -> Any:
            return jax.lax.scatter_add(
                np.zeros(shape), at, new, here.params["dimension_numbers"], mode=here.params["mode"]
            )

        (there,) = jax.linear_transpose(added, like)(numbers)
    return np.asarray(there).astype(np.int64) - 1


def _added(here: Equation, x: Operand, index: Operand, new: Operand) -> Node:
    """The entries added at their places."""
    (at,) = _numbers(here, [index])
    old, entries = number(x), number(new)
    target = _targets(here, at, old.shape, entries.shape)
    terms = scatter(entries, index=target, into=old.shape, line=here.line)
    if here.name == "scatter-sub":
        return entrywise.subtract(old, terms, line=here.line)
    return terms if isinstance(x, Known) and not x.array.any() else entrywise.add(old, terms, line=here.line)


def _combined(operation: Any) -> Any:
    """The rule of a scatter that multiplies, or takes the larger: one after the other where places come twice."""

    def rule(here: Equation, x: Operand, index: Operand, new: Operand) -> Node:
        (at,) = _numbers(here, [index])
        result, entries = number(x), number(new)
        target = _targets(here, at, result.shape, entries.shape).reshape(-1)
        left = np.flatnonzero(target >= 0)
        while left.size:
            _, first = np.unique(target[left], return_index=True)
            chosen = left[first]
            there = gather(result, index=target[chosen])
            both = operation(there, gather(entries, index=chosen))
            result = replaced(result, target[chosen], both, here.line)
            left = np.delete(left, first)
        return result

    return rule


RULES.update(
    {
        "reshape": _reshape,
        "squeeze": _reshape,
        "expand_dims": _reshape,
        "broadcast_in_dim": _broadcast,
        "transpose": lambda here, x: transposed(node_of(x), here.params["permutation"], here.line),
        "rev": lambda here, x: rearranged(node_of(x), lambda y: np.flip(y, here.params["dimensions"]), here.line),
        "slice": _slice,
        "pad": _pad,
        "concatenate": _concatenated,
        "split": _split,
        "gather": _moved,
        "dynamic_slice": _moved,
        "dynamic_update_slice": _written,
        "scatter": _scattered,
        "scatter-add": _added,
        "scatter-sub": _added,
        "scatter-mul": _combined(entrywise.multiply),
        "scatter-max": _combined(choices.maximum),
        "scatter-min": _combined(choices.minimum),
        "stack": _stacked,
        "unstack": _unstacked,
        "tile": lambda here, x: rearranged(node_of(x), lambda y: np.tile(y, here.params["reps"]), here.line),
        "broadcast_to": lambda here, x: repeated(node_of(x), here.shape),
    }
)
