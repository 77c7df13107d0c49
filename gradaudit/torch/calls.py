"""A call of an operation of ATen: what it is, what it reads and writes, what PyTorch says that it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves, tree_map

from gradaudit.torch.memory import key, numbers
from gradaudit.torch.tables import CONSTANTS, DECOMPOSED, EMPTY, PASSIVE, RANDOM, RULES

#: Arguments that say where and how a result is put.
_OUTPUTS = ("out", "dtype", "layout", "device", "pin_memory", "memory_format", "non_blocking")
#: How far two kernels of PyTorch may be apart that compute the same, and that in units of the last digit; it only tells
#: two meanings from each other.
SAME_MEANING, SAME_DIGITS = 1e-3, 16


@dataclass
class Call:
    """A call of an operation.

    Attributes
    ----------
    func, args, kwargs
        What is called.
    base : str
        Its name in the tables: without what says that it writes in place.
    tensors, written : list of Tensor
        All that it is given, and those that it writes to.
    result, is_done
        What it returned, and whether it was run.
    """

    func: Any
    args: Any
    kwargs: Any
    base: str
    tensors: list[torch.Tensor]
    written: list[torch.Tensor]
    result: Any = field(default=None)
    is_done: bool = False

    @classmethod
    def of(cls, func: Any, args: Any, kwargs: Any) -> Call:
        """The call."""
        return cls(func, args, kwargs, _base(func), tensors_of(args, kwargs), _written(func, args, kwargs))

    def run(self) -> Any:
        """Carry it out."""
        self.is_done = True
        self.result = self.func(*self.args, **self.kwargs)
        return self.result

    @property
    def name(self) -> str:
        """The full name, as PyTorch has it."""
        return str(self.func.name())

    @property
    def keys(self) -> set[int]:
        """The storages that it is given."""
        return {key(t) for t in self.tensors if t.layout == torch.strided}

    def writes(self, tensor: torch.Tensor) -> bool:
        """Whether it puts other numbers into a tensor; ``squeeze_`` and its like only look at it in another shape."""
        return torch.Tag.inplace_view not in self.func.tags and any(tensor is w for w in self.written)

    @property
    def options(self) -> dict[str, Any]:
        """The arguments by name that say what is computed."""
        return {k: v for k, v in self.kwargs.items() if k not in _OUTPUTS}

    @property
    def options_of_functions(self) -> dict[str, Any]:
        """The arguments by name, but for what is written to."""
        return {k: v for k, v in self.kwargs.items() if k != "out"}

    def definitions(self) -> Iterator[Callable[..., Any]]:
        """What PyTorch says that the operation is made of; of one that writes in place, the other one."""
        if self.func.namespace == "prims":
            yield getattr(self.func, "prim_impl_aten", None) or _of_prim(self.func)
            return
        func = self.func
        if self.written:
            packet = getattr(torch.ops.aten, self.base, None)
            if packet is None or len(self.written) > 1:
                return
            yield packet
            return
        if func in DECOMPOSED:
            yield DECOMPOSED[func]
        yield func.decompose


def _of_prim(func: Any) -> Callable[..., Any]:
    import torch._prims as prims

    impl: Callable[..., Any] = getattr(prims, func._schema.name.removeprefix("prims::")).impl_aten
    return impl


#: What holds no tensor, of what operations are given.
_PLAIN = (int, float, bool, str, type(None), torch.dtype, torch.device, torch.layout, torch.memory_format)


def tensors_of(args: Any, kwargs: Any) -> list[torch.Tensor]:
    """The tensors among arguments, at any depth."""
    tensors: list[torch.Tensor] = []
    for x in (*args, *kwargs.values()):
        if isinstance(x, torch.Tensor):
            tensors.append(x)
        elif type(x) not in _PLAIN:
            tensors += [t for t in tree_leaves(x) if isinstance(t, torch.Tensor)]
    return tensors


def mapped(change: Callable[[Any], Any], args: Any, kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    """Arguments with each tensor among them changed, at any depth."""

    def of(x: Any) -> Any:
        if isinstance(x, torch.Tensor):
            return change(x)
        return x if type(x) in _PLAIN else tree_map(change, x)

    return [of(x) for x in args], {name: of(x) for name, x in kwargs.items()}


@cache
def _base(func: Any) -> str:
    """The name of an operation in the tables."""
    name: str = func._schema.name.removeprefix("aten::")
    if name in RULES or name in CONSTANTS or name in RANDOM or name in PASSIVE or name in EMPTY:
        return name
    if not func._schema.name.startswith("aten::"):
        return name
    if name.startswith("__i") and name.endswith("__"):
        return {"__ior__": "__or__", "__iand__": "__and__"}.get(name, name)
    return name.removesuffix("_")


def _written(func: Any, args: Any, kwargs: Any) -> list[torch.Tensor]:
    """The tensors that an operation writes to, which its schema tells but for running statistics."""
    written: list[torch.Tensor] = []
    if func._schema.name == "aten::native_batch_norm" and args[5]:
        written += [t for t in args[3:5] if t is not None]
    for n, name in _changing(func):
        value = kwargs.get(name) if name in kwargs else args[n] if n < len(args) else None
        written += [t for t in tree_leaves(value) if isinstance(t, torch.Tensor)]
    return written


@cache
def _changing(func: Any) -> list[tuple[int, str]]:
    """The arguments that an operation writes to, by number and name."""
    arguments = enumerate(func._schema.arguments)
    return [(n, a.name) for n, a in arguments if a.alias_info is not None and a.alias_info.is_write]


def cleared(result: Any) -> Any:
    """Memory that nobody has written to yet, with zeros in it: what it had may be anything."""
    for tensor in tree_leaves(result):
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
            tensor.zero_()
    return result


def agree(tensor: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two results mean the same: a coarse question, only asked of two kernels of PyTorch."""
    if tensor.shape != other.shape:
        return False
    a, b = numbers(tensor), numbers(other)
    size = float(np.abs(a[np.isfinite(a)]).max(initial=0.0)) if a.size else 0.0
    apart = (
        max(SAME_MEANING, SAME_DIGITS * torch.finfo(tensor.dtype).eps) if tensor.is_floating_point() else SAME_MEANING
    )
    with np.errstate(all="ignore"):
        return bool(((a == b) | (np.abs(a - b) <= apart * size) | (np.isnan(a) & np.isnan(b))).all())


def leaves(function: Any) -> set[int]:
    """The ids of the tensors that autograd would reach from a function of its graph."""
    ids: set[int] = set()
    seen: set[Any] = set()
    stack = [function]
    while stack:
        f = stack.pop()
        if f is None or f in seen:
            continue
        seen.add(f)
        if hasattr(f, "variable"):
            ids.add(id(f.variable))
        stack += [n for n, _ in f.next_functions]
    return ids
