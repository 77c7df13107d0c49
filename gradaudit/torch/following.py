"""A run that is followed: every operation of PyTorch below autograd becomes a node of a graph.

So the forward pass of a custom autograd.Function is seen, and what its backward pass does is not taken on trust.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from gradaudit.errors import InputError, UnsupportedError
from gradaudit.graph import Node
from gradaudit.operations.shapes import constant, input_
from gradaudit.torch.lines import line, refused
from gradaudit.torch.memory import Memory, key, numbers
from gradaudit.torch.tables import CONSTANTS, DECOMPOSED, EMPTY, PASSIVE, RANDOM, RULES, Rule, with_line

#: Methods by which numbers leave PyTorch as an array, or as an address that anybody may write to.
LEAVING = {"numpy": ".numpy()", "__array__": "np.asarray()", "tolist": ".tolist()", "data_ptr": ".data_ptr()",
           "__dlpack__": "DLPack", "__cuda_array_interface__": "__cuda_array_interface__"}  # fmt: skip


class Following(TorchDispatchMode):
    """The mode in which a function is followed.

    Attributes
    ----------
    inputs : dict of Node to ndarray
        The nodes that the graph begins with, and their floats.
    reads : list of str
        Where numbers were read that decide, or may decide, what is computed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inputs: dict[Node, Any] = {}
        self.reads: list[str] = []
        self.busy = False
        self._memories: dict[int, Memory] = {}
        self._sources: set[int] = set()

    def begin(self, tensor: torch.Tensor, live: bool) -> Node:
        """Record an input, whose memory is its own."""
        node = input_(size=tuple(tensor.shape))
        self.inputs[node] = numbers(tensor)
        self._memories[key(tensor)] = Memory(tensor, node, live)
        if live:
            self._sources.add(id(tensor))
        return node

    def is_recorded(self, tensor: Any) -> bool:
        """Whether there is a node for a tensor."""
        return isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided and key(tensor) in self._memories

    def is_live(self, tensor: Any) -> bool:
        """Whether a tensor depends on an input that is differentiated by."""
        return self.is_recorded(tensor) and self._memories[key(tensor)].live

    def node(self, tensor: torch.Tensor) -> Node:
        """The node of a tensor, which may be a constant.

        Raises
        ------
        UnsupportedError
            If the tensor was made by what is no operation of PyTorch.
        """
        if self.is_recorded(tensor):
            return self._memory(tensor).node(tensor)
        self._refuse_unseen(tensor)
        return constant(numbers(tensor))

    def _refuse_unseen(self, tensor: torch.Tensor) -> None:
        """Refuse what autograd says depends on an input, while no operation says so."""
        if tensor.grad_fn is not None and self._sources & _leaves(tensor.grad_fn):
            name = type(tensor.grad_fn).__name__.removesuffix("Backward")
            raise refused(f"a result of {name} that no operation of PyTorch made")

    def _memory(self, tensor: torch.Tensor) -> Memory:
        return self._memories[key(tensor)]

    # --- what PyTorch calls -----------------------------------------------------------------------------------------

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ARG002
        kwargs = kwargs or {}
        self.busy = True
        try:
            return self._followed(func, args, kwargs)
        except NotImplementedError as error:
            if isinstance(error, UnsupportedError):
                raise
            raise refused(f"{func} ({error})") from error
        finally:
            self.busy = False

    def _followed(self, func: Any, args: Any, kwargs: Any) -> Any:
        name = func._schema.name.removeprefix("aten::")
        if name in PASSIVE:
            if name == "_local_scalar_dense" and self.is_live(args[0]):
                self.reads.append(line())
            return func(*args, **kwargs)
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        live = any(self.is_live(t) for t in tensors)
        written = _written(func, args, kwargs)
        if not any(self.is_recorded(t) for t in tensors):
            return self._unrecorded(func, name, args, kwargs)
        base = _base(name, func)
        if base in CONSTANTS or base in RANDOM:
            return self._constant(func(*args, **kwargs), base, written)
        of = RULES.get(base)
        if of is None:
            return self._decomposed(func, args, kwargs, written, live)
        operand = self._plain if of.plain else self._operand
        given, named = tree_map(operand, (args, {k: v for k, v in kwargs.items() if k not in _OUTPUTS}))
        result = func(*args, **kwargs)
        nodes = self._called(func, of, given, named, result)
        self._record(result, nodes, written, live)
        return result

    def _unrecorded(self, func: Any, name: str, args: Any, kwargs: Any) -> Any:
        for t in tree_leaves((args, kwargs)):
            if isinstance(t, torch.Tensor) and t.is_floating_point():
                self._refuse_unseen(t)
        result = func(*args, **kwargs)
        return _cleared(result) if name in EMPTY else result

    def _operand(self, x: Any) -> Any:
        """An operand as the tables take it: a node for floats and masks, an array for whole numbers."""
        if not isinstance(x, torch.Tensor):
            return x
        if x.is_complex():
            raise refused("complex numbers")
        if x.layout != torch.strided:
            raise refused(f"a tensor of the layout {x.layout}")
        if x.is_floating_point() or self.is_recorded(x):
            return self.node(x)
        return numbers(x)

    def _plain(self, x: Any) -> Any:
        """The same, a mask as an array, too."""
        return numbers(x) if isinstance(x, torch.Tensor) and x.dtype == torch.bool else self._operand(x)

    def _called(self, func: Any, of: Rule, args: Any, kwargs: Any, result: Any) -> list[Any]:
        try:
            nodes = of.function(*((result, *args) if of.of_result else args), **kwargs)
        except UnsupportedError as error:
            raise refused(f"{func}: {error}") from error
        except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
            raise refused(f"{func} with arguments that are not known ({type(error).__name__}: {error})") from error
        where = line()
        return [with_line(n, where) for n in (nodes if isinstance(nodes, (tuple, list)) else [nodes])]

    def _record(self, result: Any, nodes: Sequence[Any], written: Sequence[torch.Tensor], live: bool) -> None:
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        for tensor, node in zip(results, nodes, strict=True):
            if not isinstance(tensor, torch.Tensor) or node is None:
                continue
            if tuple(tensor.shape) != node.shape:
                raise refused(f"a result of shape {tuple(tensor.shape)}, taken for one of shape {node.shape}")
            if any(tensor is w for w in written):
                self._write(tensor, node, live)
            elif self.is_recorded(tensor):
                self._memory(tensor).know(tensor, node)
            else:
                self._memories[key(tensor)] = Memory(tensor, node, live)

    def _write(self, tensor: torch.Tensor, node: Node, live: bool) -> None:
        if not self.is_recorded(tensor):
            self._memories[key(tensor)] = Memory.of_constant(tensor)
        self._memory(tensor).write(tensor, node, live)

    def _constant(self, result: Any, base: str, written: Sequence[torch.Tensor]) -> Any:
        """What is the same whatever the inputs are: a mask of dropout, zeros of a shape."""
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and any(tensor is w for w in written) and self.is_recorded(tensor):
                self._memory(tensor).write(tensor, constant(numbers(tensor)), False)
        return _cleared(result) if base in EMPTY else result

    def _decomposed(self, func: Any, args: Any, kwargs: Any, written: Any, live: bool) -> Any:
        """What has no rule of its own, made of what has: by PyTorch's own definitions."""
        rule = DECOMPOSED.get(func)
        if rule is None or written:
            if live or any(t.is_floating_point() for t in written):
                raise refused(f"the operation {func.name()}, which is not known,")
            return func(*args, **kwargs)
        result = func(*args, **kwargs)
        self.busy = False
        with self:
            again = rule(*args, **kwargs)
        self.busy = True
        if again is NotImplemented:
            raise refused(f"the operation {func.name()}, which is not known,")
        for tensor, other in zip(tree_leaves(result), tree_leaves(again), strict=True):
            if isinstance(tensor, torch.Tensor) and self.is_recorded(other):
                if not _agree(tensor, other):
                    raise refused(f"the operation {func.name()}, of which PyTorch has two meanings,")
                self._record(tensor, [self.node(other)], (), live)
        return result


class Leaving(TorchFunctionMode):
    """Notices numbers that leave PyTorch."""

    def __init__(self, following: Following) -> None:
        super().__init__()
        self._following = following

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ARG002
        name = getattr(func, "__name__", "")
        if name in LEAVING and args and not self._following.busy and self._following.is_live(args[0]):
            raise refused(f"{LEAVING[name]} of what depends on an input, which leaves PyTorch,")
        return func(*args, **(kwargs or {}))


_OUTPUTS = ("out", "dtype", "layout", "device", "pin_memory", "memory_format", "non_blocking")


def _leaves(function: Any) -> set[int]:
    """The ids of the tensors that autograd would reach from a function of its graph."""
    leaves: set[int] = set()
    seen: set[Any] = set()
    stack = [function]
    while stack:
        f = stack.pop()
        if f is None or f in seen:
            continue
        seen.add(f)
        if hasattr(f, "variable"):
            leaves.add(id(f.variable))
        stack += [n for n, _ in f.next_functions]
    return leaves


def _base(name: str, func: Any) -> str:
    """The name of an operation, without what says that it writes in place."""
    if name in RULES or name in CONSTANTS or name in RANDOM:
        return name
    short = name.removesuffix("_")
    if name.startswith("__i") and name.endswith("__"):
        short = f"__{name[3:]}"
    if short.removesuffix("_copy") in RULES and short not in RULES:
        short = short.removesuffix("_copy")
    return short if func._schema.name.startswith("aten::") else name


def _written(func: Any, args: Any, kwargs: Any) -> list[torch.Tensor]:
    """The tensors that an operation writes to."""
    written: list[torch.Tensor] = []
    for n, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = kwargs.get(argument.name) if argument.name in kwargs else args[n] if n < len(args) else None
            written += [t for t in tree_leaves(value) if isinstance(t, torch.Tensor)]
    return written


def _cleared(result: Any) -> Any:
    """Memory that nobody has written to yet, with zeros in it: what it had may be anything."""
    for tensor in tree_leaves(result):
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
            tensor.zero_()
    return result


def _agree(tensor: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two results are the same but for rounding: a coarse question, only asked of two kernels of PyTorch."""
    if tensor.shape != other.shape:
        return False
    a, b = numbers(tensor), numbers(other)
    size = float(np.abs(a[np.isfinite(a)]).max(initial=0.0)) if a.size else 0.0
    with np.errstate(all="ignore"):
        return bool(((a == b) | (np.abs(a - b) <= 1e-3 * size) | (np.isnan(a) & np.isnan(b))).all())


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
    with following, Leaving(following):
        result = func(*args, **kwargs)
    outputs = [t for t in tree_leaves(result) if isinstance(t, torch.Tensor) and t.is_floating_point()]
    if not outputs:
        raise InputError(
            f"the function returns {type(result).__name__!r} without a tensor of floats; expected what is computed "
            "from the inputs"
        )
    return following, nodes, outputs, [following.node(t) for t in outputs]
