"""What only puts entries elsewhere: padding, stacking, and whatever a function of NumPy does with their places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradaudit.graph import Node, Shape
from gradaudit.operations.operation import Operation
from gradaudit.operations.shapes import as_shape, concatenate, constant, gather, reshape
from gradaudit.operations.sums import Indices


def places(shape: Shape) -> Indices:
    """The numbers of an array's entries, row by row, in its shape."""
    return np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)


def flat(x: Node) -> Node:
    """The entries as a vector."""
    return reshape(x, to=(int(np.prod(x.shape)),))


def arranged(x: Node, index: Any, line: str = "") -> Node:
    """The entries that an index of places names, in its shape; -1 names 0.

    Where all of them stay in their order it is a reshape; of a mask it is the mask of arranged operands.
    """
    index = np.asarray(index, dtype=np.int64)
    size = int(np.prod(x.shape))
    if index.size == size and np.array_equal(index.reshape(-1), np.arange(size)):
        return x if index.shape == x.shape else through(x, lambda y: reshape(y, to=index.shape, line=line))
    return through(x, lambda y: gather(y, index=index, line=line))


def rearranged(x: Node, change: Callable[[Any], Any], line: str = "") -> Node:
    """What a function does that only arranges entries anew: `change` is given their places."""
    return arranged(x, change(places(x.shape)), line)


def through(x: Node, change: Callable[[Node], Node]) -> Node:
    """A change of an array; a mask is made again of its changed operands, since only numbers can be arranged."""
    if not x.operation.mask:
        return change(x)
    operation: Operation = x.operation
    return operation(*(through(n, change) for n in x.inputs), line=x.line, **x.parameters)


def mixed(x: Node, index: Any, other: Node, line: str = "") -> Node:
    """The entries that an index of places names, and those of `other`, of its shape, where it names none (-1)."""
    index = np.asarray(index, dtype=np.int64)
    size = int(np.prod(x.shape))
    both = concatenate(flat(x), flat(other), axis=0)
    return gather(both, index=np.where(index < 0, size + places(index.shape), index), line=line)


def pad(x: Node, width: Any, values: Any = 0, line: str = "") -> Node:
    """Constants around an array; `width` and `values` as `numpy.pad` takes them."""
    index = np.pad(places(x.shape), width, constant_values=-1)
    if not np.any(values):
        return arranged(x, index, line)
    return mixed(x, index, constant(np.pad(np.zeros(x.shape), width, constant_values=values)), line)


def stack(parts: Sequence[Node], axis: int = 0, line: str = "") -> Node:
    """Arrays of one shape along a new axis."""
    place = axis % (parts[0].ndim + 1)
    wide = [reshape(n, to=(*n.shape[:place], 1, *n.shape[place:])) for n in parts]
    return concatenate(*wide, axis=place, line=line)


def replaced(x: Node, index: Any, new: Node, line: str = "") -> Node:
    """An array with other entries at the places of an index, the last one where an index names a place twice."""
    index = np.asarray(index, dtype=np.int64)
    new, size = as_shape(new, index.shape), int(np.prod(x.shape))
    if index.size == size and np.array_equal(index.reshape(-1), np.arange(size)):
        return reshape(new, to=x.shape, line=line) if new.shape != x.shape else new
    source = np.arange(size)
    source[index.reshape(-1)] = size + np.arange(index.size)
    return gather(concatenate(flat(x), flat(new), axis=0), index=source.reshape(x.shape), line=line)
