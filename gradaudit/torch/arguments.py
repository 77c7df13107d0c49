"""What `gradcheck` was called with: copies of the tensors, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._pytree import tree_map

from gradaudit.errors import InputError

DTYPES = {torch.float64: "float64", torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16"}
#: Options of torch.autograd.gradcheck that have no meaning here.
IDLE = ("eps", "atol", "rtol", "nondet_tol", "fast_mode", "check_undefined_grad")
#: The others, with the only value that is taken.
FIXED = {
    "check_grad_dtypes": False,
    "check_batched_grad": False,
    "check_batched_forward_grad": False,
    "check_forward_ad": False,
    "check_backward_ad": True,
    "check_sparse_nnz": False,
    "masked": None,
}


@dataclass(frozen=True)
class Arguments:
    """Arguments of a function.

    Attributes
    ----------
    args, kwargs
        What the function is called with.
    tensors : dict of str to Tensor
        The floats among them, and a module's parameters, by name.
    sources : list of str
        Those that are differentiated by.
    dtype : str
        Of all of them.
    """

    args: Sequence[Any]
    kwargs: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    sources: list[str]
    dtype: str

    def copy(self) -> Arguments:
        """The same with copies of the tensors."""
        new = {id(t): t.detach().clone().requires_grad_(t.requires_grad) for t in self.tensors.values()}
        args, kwargs = tree_map(lambda x: new.get(id(x), x), (list(self.args), self.kwargs))
        return Arguments(args, kwargs, {name: new[id(t)] for name, t in self.tensors.items()}, self.sources, self.dtype)


def read_steps(steps: Any, has_reference: bool) -> tuple[bool | None, tuple[str, ...]]:
    """Whether the steps are judged: at once, never, or (None) where the end does not tell; and of which modules alone.

    Raises
    ------
    InputError
        If it is nothing of all that.
    """
    names = () if isinstance(steps, (str, bool)) else tuple(steps) if isinstance(steps, (tuple, list)) else None
    if steps not in ("auto", True, False) and not (names and all(isinstance(name, str) for name in names)):
        raise InputError(f"steps is {steps!r}; expected 'auto', True, False, or the names of modules in a list")
    if has_reference and steps not in ("auto", False):
        raise InputError("steps of a function with a reference, whose own steps nobody sees; leave out steps=")
    return (False if has_reference else None if steps == "auto" else bool(steps)), names or ()


def read_options(options: Mapping[str, Any]) -> None:
    """Refuse what has no meaning here.

    Raises
    ------
    InputError
        If an option is not known, or asks for what is not checked.
    """
    for name, value in options.items():
        if name in IDLE:
            continue
        if name not in FIXED:
            raise InputError(f"gradcheck has no option {name!r}; expected those of torch.autograd.gradcheck")
        if value is not FIXED[name]:
            raise InputError(f"{name} is {value!r}, which is not checked here; expected {FIXED[name]!r}: leave it out")


def read_arguments(func: Callable[..., Any], inputs: Any, kwargs: Mapping[str, Any]) -> Arguments:
    """The arguments, copied and named.

    Raises
    ------
    InputError
        If there is nothing to differentiate by, or the dtypes do not fit.
    """
    if not callable(func):
        raise InputError(f"func is of the type {type(func).__name__}; expected a function")
    given = (inputs,) if isinstance(inputs, torch.Tensor) else inputs
    if not isinstance(given, (tuple, list)):
        raise InputError(f"inputs is of the type {type(inputs).__name__}; expected a tensor or a tuple")
    tensors: dict[str, torch.Tensor] = {}
    args = [_copied(x, f"input {n}", tensors) for n, x in enumerate(given)]
    named = {name: _copied(x, name, tensors) for name, x in kwargs.items()}
    parameters = dict(func.named_parameters()) if isinstance(func, torch.nn.Module) else {}
    for name, p in parameters.items():
        tensors[name] = p
    sources = [name for name, t in tensors.items() if t.requires_grad]
    if not sources:
        raise InputError("no input requires a gradient; expected a tensor with requires_grad=True")
    return Arguments(args, named, tensors, sources, _dtype(tensors))


def _copied(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """An argument with copies of its tensors, which are put down by their names."""
    count = 0

    def copied(x: Any) -> Any:
        nonlocal count
        if not isinstance(x, torch.Tensor):
            return x
        if x.layout != torch.strided or x.is_complex():
            raise InputError(f"{name} is {'complex' if x.is_complex() else x.layout}; expected a dense tensor of reals")
        if not x.is_floating_point():
            return x.clone()
        own = name if x is value else f"{name}[{count}]"
        count += 1
        if not bool(torch.isfinite(x).all()):
            raise InputError(f"{own} is not finite; expected finite numbers")
        tensors[own] = _copy(x)
        return tensors[own]

    return tree_map(copied, value)


def _copy(x: torch.Tensor) -> torch.Tensor:
    """A copy; of a view that owns a part of its memory, with the whole memory."""
    count = x.untyped_storage().nbytes() // x.element_size()
    dense = all(stride > 0 for n, stride in zip(x.shape, x.stride(), strict=True) if n > 1)
    if x.numel() in (0, count) or not dense:
        return x.detach().clone().requires_grad_(x.requires_grad)
    whole = x.detach().as_strided((count,), (1,), 0).clone()
    return whole.as_strided(x.shape, x.stride(), x.storage_offset()).requires_grad_(x.requires_grad)


def _dtype(tensors: Mapping[str, torch.Tensor]) -> str:
    """The one dtype of all tensors."""
    dtypes = {t.dtype for t in tensors.values()}
    other = [t for t in dtypes if t not in DTYPES]
    if other:
        raise InputError(f"an input has the dtype {other[0]}; expected one of {', '.join(DTYPES.values())}")
    if len(dtypes) > 1:
        names = " and ".join(sorted(DTYPES[t] for t in dtypes))
        raise InputError(f"inputs of {names}; expected one dtype for all of them")
    return DTYPES[dtypes.pop()]
