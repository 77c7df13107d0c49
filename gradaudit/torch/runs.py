"""A run of a function: followed, and watched for numbers that leave PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from gradaudit.errors import InputError
from gradaudit.graph import Node, topological_order
from gradaudit.operations.shapes import constant_
from gradaudit.torch.following import Following
from gradaudit.torch.lines import refused
from gradaudit.torch.reading import Read
from gradaudit.torch.tables import infinite

#: Methods by which numbers leave PyTorch as an array, or as an address that anybody may write to.
LEAVING = {
    "__float__": "float()", "__complex__": "complex()", "numpy": ".numpy()", "__array__": "np.asarray()",
    "tolist": ".tolist()", "data_ptr": ".data_ptr()", "__dlpack__": "DLPack",
    "__cuda_array_interface__": "__cuda_array_interface__",
    "untyped_storage": ".untyped_storage()",
    "storage": ".storage()",
    "__deepcopy__": "copy.deepcopy()",
    "__reduce_ex__": "a copy",
}  # fmt: skip


class Leaving(TorchFunctionMode):  # type: ignore[misc]
    """Notices numbers that leave PyTorch, and those that come back."""

    def __init__(self, following: Following) -> None:
        super().__init__()
        self._following = following

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._following.busy:
            return func(*args, **kwargs)
        if Read.exist and any(isinstance(x, Read) for x in tree_leaves((args, kwargs))):
            raise refused("a number that was read, as an argument", "leave out .item(), or give reference=")
        name = getattr(func, "__name__", "")
        if name in LEAVING and args and self._following.is_live(args[0]):
            raise refused(f"{LEAVING[name]} of what depends on an input, which leaves PyTorch,")
        result = func(*args, **kwargs)
        return Read(result) if name == "item" and isinstance(result, float) and self._following.reads else result


def followed(
    func: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    tensors: dict[str, torch.Tensor],
    sources: Sequence[str],
) -> tuple[Following, dict[str, Node], list[torch.Tensor], list[Node]]:
    """A function, run once and followed.

    Parameters
    ----------
    func, args, kwargs
        What is called.
    tensors : dict of str to Tensor
        The floats among its arguments and parameters, by name.
    sources : sequence of str
        Those that it is differentiated by.

    Returns
    -------
    tuple of Following, dict of Node, list of Tensor and list of Node
        The run, the nodes of the tensors, what is returned that is a float, and the nodes of that.
    """
    following = Following()
    nodes = {name: following.begin(t, name in sources) for name, t in tensors.items()}
    with following, Leaving(following), following.modules.watched():
        result = func(*args, **kwargs)
    outputs = [t for t in tree_leaves(result) if isinstance(t, torch.Tensor) and t.is_floating_point()]
    if not outputs:
        raise InputError(
            f"the function returns {type(result).__name__!r} without a tensor of floats; expected what is computed "
            "from the inputs"
        )
    graph = [following.node(t) for t in outputs]
    if not all(bool(torch.isfinite(t).all()) for t in outputs) and _has_infinite(graph):
        raise refused("an infinite result", "leave out the entries that a mask hides")
    return following, nodes, outputs, graph


def _has_infinite(graph: Sequence[Node]) -> bool:
    """Whether a graph has an infinite constant: a large number stands for it, which is not what it is."""
    return any(infinite(n) is not None for n in topological_order(graph) if n.operation is constant_)
