"""What is known of a tensor's memory: the node of its entries, through views and writes in place.

Tensors that share a storage share a `Memory`. It has one node, of the tensor that was made first, and knows which
entry of the storage each of its entries is; every other tensor takes its entries from there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from gradaudit.graph import Node
from gradaudit.operations.arrangements import arranged, replaced
from gradaudit.operations.shapes import constant


class Geometry(NamedTuple):
    """Which entries of its storage a tensor has.

    Attributes
    ----------
    offset : int
        The first one.
    shape, strides : tuple of int
        As PyTorch's, in entries.
    """

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @classmethod
    def of(cls, tensor: torch.Tensor) -> Geometry:
        """That of a tensor."""
        return cls(int(tensor.storage_offset()), tuple(tensor.shape), tuple(tensor.stride()))

    @property
    def places(self) -> NDArray[np.int64]:
        """The numbers of the entries in the storage, in the tensor's shape."""
        places = np.full(self.shape, self.offset, dtype=np.int64)
        for axis, (n, stride) in enumerate(zip(self.shape, self.strides, strict=True)):
            steps = np.arange(n, dtype=np.int64) * stride
            places = places + steps.reshape(-1, *[1] * (len(self.shape) - axis - 1))
        return places


class Memory:
    """A storage whose entries are recorded.

    Attributes
    ----------
    live : bool
        Whether they depend on an input that is differentiated by.
    is_mixed : bool
        Whether it was written to in parts.
    """

    def __init__(self, tensor: torch.Tensor, node: Node, live: bool) -> None:
        self.live, self.is_mixed = live, False
        self._storage = tensor.untyped_storage()  # kept alive: its address is its name
        self._itemsize = tensor.element_size()
        self._base = Geometry.of(tensor)
        self._node = node
        self._known: dict[Geometry, Node] = {self._base: node}
        self._views: set[Geometry] = set()

    @classmethod
    def of_constant(cls, tensor: torch.Tensor) -> Memory:
        """That of a tensor that was no recorded one until now."""
        count = tensor.untyped_storage().nbytes() // tensor.element_size()
        if not (tensor.is_contiguous() and tensor.numel() == count):
            tensor = tensor.detach().as_strided((count,), (1,), 0)
        return cls(tensor, constant(numbers(tensor)), live=False)

    def node(self, tensor: torch.Tensor) -> Node:
        """The node of a tensor of this storage.

        Raises
        ------
        ValueError
            If its entries are of another size.
        """
        self._fits(tensor)
        geometry = Geometry.of(tensor)
        if geometry not in self._known:
            self._known[geometry] = arranged(self._node, self._positions(geometry))
            self._views.add(geometry)
        return self._known[geometry]

    def is_whole(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor has the entries of the one that was made first."""
        return Geometry.of(tensor) == self._base

    def know(self, tensor: torch.Tensor, node: Node) -> None:
        """Take a node for that of a view, where there is a shorter one than its places tell."""
        self._fits(tensor)
        geometry = Geometry.of(tensor)
        if geometry not in self._known:
            self._known[geometry] = node
            self._views |= {geometry} if tensor._is_view() else set()

    def write(self, tensor: torch.Tensor, node: Node, live: bool) -> None:
        """Put other numbers into a tensor of this storage.

        For autograd every view of it is then one of what it is now: the nodes of views are forgotten.
        """
        self._fits(tensor)
        geometry, others = Geometry.of(tensor), dict[Geometry, Node]()
        if geometry == self._base:
            self._node, self.live = node, live
        else:
            alone = {g: n for g, n in self._known.items() if g not in self._views}
            others = {g: n for g, n in alone.items() if not np.intersect1d(g.places, geometry.places).size}
            others |= {} if tensor._is_view() else {geometry: node}
            if self._node.operation.mask or node.operation.mask:
                raise ValueError("a mask that is written to in parts")
            self._node = replaced(self._node, self._positions(geometry), node)
            self.live |= live
            self.is_mixed = True
        self._known, self._views = others | {self._base: self._node}, set()

    def _fits(self, tensor: torch.Tensor) -> None:
        if tensor.element_size() != self._itemsize:
            raise ValueError(f"the memory of a tensor read as {tensor.dtype}")

    def _positions(self, geometry: Geometry) -> NDArray[np.int64]:
        """Which entries of the node a tensor has."""
        own = self._base.places.reshape(-1)
        wanted = geometry.places
        if not wanted.size:
            return wanted
        order = np.argsort(own, kind="stable")
        positions = np.minimum(np.searchsorted(own, wanted, sorter=order), own.size - 1)
        result = np.asarray(order[positions], dtype=np.int64)
        if not (own[result] == wanted).all():
            raise ValueError("memory beyond a tensor")
        return result


def key(tensor: torch.Tensor) -> int:
    """What tensors have in common that share a storage."""
    return int(tensor.untyped_storage()._cdata)


def array(tensor: torch.Tensor) -> NDArray[Any]:
    """A tensor as an array; bfloat16, which NumPy has not got, as float32."""
    tensor = tensor.detach().cpu()
    tensor = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    return np.asarray(tensor.numpy(force=True))


def numbers(tensor: torch.Tensor) -> NDArray[Any]:
    """A copy of a tensor's numbers; floats of any width as float64."""
    tensor = tensor.detach()
    if tensor.is_floating_point():
        tensor = tensor.to(torch.float64)
    return np.array(tensor.numpy(force=True), copy=True)
