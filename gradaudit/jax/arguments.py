"""The arguments of a check: trees of arrays, of which the floats are differentiated by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gradaudit.errors import InputError
from gradaudit.jax.operands import is_float

#: The dtypes that are judged.
JUDGED = tuple(map(np.dtype, (np.float32, np.float64, np.float16, jnp.bfloat16)))


@dataclass(frozen=True, eq=False)
class Arguments:
    """What a function is called with.

    Attributes
    ----------
    leaves : tuple
        The leaves of the tree.
    tree : PyTreeDef
        How they are put together.
    floats : dict of str to int
        The names of the leaves that are differentiated by, as `args[0]['W']`, and their numbers.
    dtype : dtype
        Of these.
    """

    leaves: tuple[Any, ...]
    tree: Any
    floats: dict[str, int]
    dtype: np.dtype[Any]

    @property
    def arrays(self) -> list[Any]:
        """The leaves that are differentiated by, as arrays of JAX."""
        return [jnp.asarray(self.leaves[n], self.dtype) for n in self.floats.values()]

    def function(self, f: Callable[..., Any]) -> Callable[..., list[Any]]:
        """A function of the float leaves alone: it returns the float leaves of what `f` returns."""

        def of_floats(*floats: Any) -> list[Any]:
            return list(outputs(f(*self._with(floats))).values())

        return of_floats

    def outputs(self, f: Callable[..., Any]) -> dict[str, Any]:
        """The float leaves of what a function returns at the arguments, by their names."""
        return outputs(f(*self._with(self.arrays)))

    def _with(self, floats: Sequence[Any]) -> Any:
        leaves = list(self.leaves)
        for n, x in zip(self.floats.values(), floats, strict=True):
            leaves[n] = x
        return jax.tree.unflatten(self.tree, leaves)


def outputs(result: Any) -> dict[str, Any]:
    """The float leaves of what a function returns, by their names.

    Raises
    ------
    InputError
        If there is none.
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(result)
    floats = {f"value{jax.tree_util.keystr(path)}": jnp.asarray(x) for path, x in leaves if _is_number(x)}
    floats = {name: x for name, x in floats.items() if is_float(x.dtype)}
    if not floats:
        raise InputError("the function returns no array of floats; expected one, or a tree of arrays with floats")
    return floats


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, (float, int, np.ndarray, np.generic, jax.Array))


def read_arguments(args: Any) -> Arguments:
    """The arguments, or what is wrong with them.

    Raises
    ------
    InputError
        If they are no tuple, have no floats, floats of two dtypes, or of one that is not judged.
    """
    if not isinstance(args, (tuple, list)):
        raise InputError(f"args is {type(args).__name__!r}; expected a tuple of the arguments, as check_grads(f, (x,))")
    paths, tree = jax.tree_util.tree_flatten_with_path(tuple(args))
    names = [f"args{jax.tree_util.keystr(path)}" for path, _ in paths]
    leaves = [leaf for _, leaf in paths]
    floats = {name: n for n, name in enumerate(names) if _is_float(name, leaves[n])}
    if not floats:
        raise InputError("args has no array of floats; expected at least one, to differentiate by")
    dtype = _dtype({name: leaves[n] for name, n in floats.items()})
    return Arguments(tuple(leaves), tree, floats, dtype)


def _is_float(name: str, leaf: Any) -> bool:
    if isinstance(leaf, complex) or (hasattr(leaf, "dtype") and np.dtype(getattr(leaf, "dtype", None)).kind == "c"):
        raise InputError(f"{name} has complex numbers; expected real ones: judge real and imaginary part")
    return isinstance(leaf, float) or (hasattr(leaf, "dtype") and is_float(leaf.dtype))


def _dtype(floats: dict[str, Any]) -> np.dtype[Any]:
    """The dtype of all floats; Python's take that of the arrays."""
    dtypes = {name: np.dtype(x.dtype) for name, x in floats.items() if hasattr(x, "dtype")}
    for name, dtype in dtypes.items():
        if dtype not in JUDGED:
            raise InputError(f"{name} is of the dtype {dtype}; expected one of {', '.join(map(str, JUDGED))}")
    if len(set(dtypes.values())) > 1:
        said = ", ".join(f"{name}: {dtype}" for name, dtype in dtypes.items())
        raise InputError(f"args has floats of two dtypes ({said}); expected one")
    return next(iter(dtypes.values()), np.dtype(jnp.asarray(1.0).dtype))


def finite(arrays: Sequence[Any], names: Sequence[str]) -> None:
    """Refuse what is no number.

    Raises
    ------
    InputError
        If an argument has an entry that is not finite.
    """
    for name, x in zip(names, arrays, strict=True):
        if not np.isfinite(np.asarray(x)).all():
            raise InputError(f"{name} has an entry that is not finite; expected finite numbers")
