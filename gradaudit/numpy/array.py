"""The array that records: it has a shape and no numbers, and keeps the node of what was computed.

What NumPy would make a view shares its memory here too, so that writes in place are followed through it: an array
knows its root, the array that owns the entries, and which of the root's entries it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from gradaudit.errors import InputError, UnsupportedError
from gradaudit.graph import Node, Shape
from gradaudit.numpy.lines import line, refused
from gradaudit.operations.arrangements import arranged, places, replaced, stack
from gradaudit.operations.choices import where
from gradaudit.operations.entrywise import add, negative
from gradaudit.operations.shapes import as_shape, constant, reshape, scatter
from gradaudit.operations.sums import Indices
from gradaudit.rounding.arithmetic import is_float

#: What is followed, each with what records it: the methods of ufuncs, and functions; other modules fill them.
TABLES: dict[str, dict[Any, Callable[..., Any]]] = {"__call__": {}, "reduce": {}, "accumulate": {}}
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
_SAME = ("sum", "mean", "var", "std", "max", "min", "prod", "cumsum", "cumprod", "dot", "clip", "squeeze", "ravel",
         "swapaxes", "take", "repeat", "diagonal", "trace")  # fmt: skip
#: Methods of an array that are functions of NumPy.
METHODS: dict[str, Callable[..., Any]] = {name: getattr(np, name) for name in _SAME}
_FILL = "to fill an array, begin with np.zeros(shape, like=x), x being one of the inputs"
_FINITE = "where a softmax is masked, write -1e9 for -inf; a bound that is infinite can be left out"
_NUMBER = "a definition is followed without numbers: use np.where, np.maximum, or a plain array"


class Recorded(NDArrayOperatorsMixin):
    """An array that records.

    Attributes
    ----------
    node : Node
        What it is computed by.
    places : ndarray of int
        Which entries of its root it has.
    """

    __slots__ = ("_node", "_places", "_root", "_seen", "_writes")
    __array_priority__ = 1000

    def __init__(self, node: Node) -> None:
        self._node, self._root = node, self
        self._places: Indices | None = None
        self._seen = self._writes = 0

    @property
    def node(self) -> Node:
        if self._root is not self and self._seen != self._root._writes:
            self._node, self._seen = arranged(self._root._node, self.places), self._root._writes
        return self._node

    @property
    def places(self) -> Indices:
        if self._places is None:
            self._places = places(self.shape)
        return self._places

    def view(self, change: Callable[[Any], Any], node: Node | None = None) -> Recorded:
        """What a function does that only arranges entries anew: a view where NumPy would make one of an array.

        Parameters
        ----------
        change : callable
            Is given the array's places.
        node : Node, optional
            The node of the result, where there is a shorter one than `change` tells.
        """
        changed = np.asarray(change(self.places))
        result = Recorded(node if node is not None else arranged(self._root._node, changed, line()))
        if np.may_share_memory(changed, self._root.places):
            result._root, result._places, result._seen = self._root, changed, self._root._writes
        return result

    def write(self, chosen: Indices, value: Node) -> None:
        """Put numbers at some of the root's places.

        Raises
        ------
        InputError
            If the array is read-only, as what np.broadcast_to returns.
        """
        if not self.places.flags.writeable:
            raise InputError(f"a write into a read-only array at {line()}; expected a copy of it: x.copy()")
        extra = value.ndim - chosen.ndim
        if extra > 0 and value.shape[:extra] == (1,) * extra:
            value = reshape(value, to=value.shape[extra:])
        root = self._root
        root._node, root._writes = replaced(root._node, chosen, value, line()), root._writes + 1

    # --- what an array is -------------------------------------------------------------------------------------------

    @property
    def shape(self) -> Shape:
        """The shape."""
        return self._node.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(np.prod(self.shape))

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64, or bool for a mask: what the values are that it stands for."""
        return np.dtype(bool if self._node.operation.mask else np.float64)

    @property
    def T(self) -> Any:  # noqa: N802 (NumPy's)
        """The transpose."""
        return np.transpose(self)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a recorded scalar")
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"<an array of shape {self.shape} that is recorded>"

    # --- what would need a number -----------------------------------------------------------------------------------

    def __bool__(self) -> bool:
        raise refused("a branch on a recorded value", _NUMBER)

    def __float__(self) -> float:
        raise refused("float() of a recorded value", f"{_NUMBER}; {_FILL}")

    def __int__(self) -> int:
        raise refused("int() of a recorded value", _NUMBER)

    __index__ = __int__

    def __complex__(self) -> complex:
        raise refused("complex() of a recorded value", "a definition is of real numbers")

    def __contains__(self, value: Any) -> bool:
        raise refused("a search among recorded values", _NUMBER)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise refused("a recorded array taken for a plain one", f"leave out np.array and np.asarray; {_FILL}")

    # --- what is recorded -------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        out = options.pop("out", None)
        name = f"np.{ufunc.__name__}" + (f".{method}" if method != "__call__" else "")
        if method == "at" and ufunc in (np.add, np.subtract):
            return _added_at(ufunc, *inputs)
        table = TABLES.get(method, {})
        function = table.get(ufunc) or table.get(ufunc.__name__)
        if function is None:
            raise refused(name)
        result = _called(name, function, inputs, options)
        return result if out is None else _written(out, result)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
        if function not in FUNCTIONS:
            raise refused(name)
        return _called(name, FUNCTIONS[function], args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in METHODS:
            return partial(METHODS[name], self)
        if not name.startswith("_") and hasattr(np.ndarray, name):
            raise refused(f".{name} of a recorded array")
        raise AttributeError(f"a recorded array has no attribute {name!r}")

    def __getitem__(self, key: Any) -> Recorded:
        if _has_recorded(key):
            raise refused("an index that is a recorded value", _NUMBER)
        return self.view(lambda x: x[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, Recorded) and key.node.operation.mask and key.shape == self.shape and np.ndim(value) == 0:
            new = as_shape(node_of(value), self.shape)
            self.write(self.places, where(key.node, new, self.node, line=line()))
        elif _has_recorded(key):
            raise refused("an index that is a recorded value", _NUMBER)
        else:
            chosen = np.asarray(self.places[key])
            same = isinstance(value, Recorded) and value._root is self._root and np.array_equal(value.places, chosen)
            if not same:
                self.write(chosen, node_of(value))

    def reshape(self, *to: Any, **_: Any) -> Any:
        """As ndarray.reshape."""
        return np.reshape(self, to[0] if len(to) == 1 and not isinstance(to[0], int) else to)

    def transpose(self, *axes: Any) -> Any:
        """As ndarray.transpose."""
        return np.transpose(self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None)

    def flatten(self, *_: Any) -> Recorded:
        """As ndarray.flatten: a copy."""
        return Recorded(arranged(self.node, places((self.size,)), line()))

    def copy(self, *_: Any, **__: Any) -> Recorded:
        """A copy, which can be written into on its own."""
        return Recorded(self.node)

    __copy__ = __deepcopy__ = copy

    def astype(self, dtype: Any, *_: Any, **__: Any) -> Recorded:
        """The same values: a definition says what is computed, not in which dtype of floats."""
        if is_float(np.dtype(dtype)):
            return Recorded(number(self))
        raise refused(f".astype({np.dtype(dtype).name}) of a recorded array", "a definition is of real numbers")


def _called(name: str, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What a recording function returns; what it cannot take becomes a message with the user's line."""
    try:
        return function(*args, **kwargs)
    except TypeError as error:
        raise refused(f"{name} with arguments that are not known ({error})") from error
    except InputError:
        raise
    except (ValueError, IndexError) as error:
        raise InputError(f"{name} at {line()}: {error}") from error


def _has_recorded(key: Any) -> bool:
    return any(isinstance(part, Recorded) for part in (key if isinstance(key, tuple) else (key,)))


def _written(out: Sequence[Any], result: Recorded) -> Recorded:
    """A result put into an array that is there already."""
    (target,) = out
    if not isinstance(target, Recorded):
        raise refused("a result written into a plain array", _FILL)
    target.write(target.places, result.node)
    return target


def _added_at(ufunc: Any, target: Any, key: Any, value: Any) -> None:
    """np.add.at and np.subtract.at."""
    if not isinstance(target, Recorded) or _has_recorded(key):
        raise refused(f"np.{ufunc.__name__}.at into a plain array, or at recorded places", _FILL)
    index = np.asarray(places(target.shape)[key])
    term = number(value)
    added = scatter(as_shape(term, index.shape), index=index, into=target.shape, line=line())
    target.write(target.places, add(target.node, added if ufunc is np.add else negative(added), line=line()))


def node_of(value: Any) -> Node:
    """The node of a recorded array, of a list of them, or of a constant."""
    if isinstance(value, Recorded):
        return value.node
    if isinstance(value, (list, tuple)) and any(isinstance(v, (Recorded, list, tuple)) for v in value):
        return stack([node_of(v) for v in value], line=line())
    node = constant(value)
    if not np.isfinite(node.parameters["values"]).all():
        raise refused("a constant that is not finite", _FINITE)
    return node


def number(value: Any) -> Node:
    """The same, a mask as ones and zeros."""
    node = node_of(value)
    if not node.operation.mask:
        return node
    return where(node, constant(np.ones(node.shape)), constant(np.zeros(node.shape)), line=node.line)


def marked(node: Node) -> Node:
    """The node, with where it stands; what a graph begins with stays itself."""
    return Node(node.operation, node.inputs, node.shape, node.parameters, line()) if node.inputs else node


def recorded(definition: Callable[..., Any], arguments: Sequence[Any], keywords: dict[str, Any]) -> list[Node]:
    """The nodes of what a definition returns, called with recorded arrays.

    Raises
    ------
    UnsupportedError
        If it does what cannot be followed; the message names it and the line.
    InputError
        If it returns what is no recorded array: nothing, or a number that depends on no input.
    """
    try:
        result = definition(*arguments, **keywords)
    except ValueError as error:  # NumPy's own, where it asked for a number and was refused
        if isinstance(error.__cause__, UnsupportedError):
            raise error.__cause__ from None
        raise
    results = result if isinstance(result, (tuple, list)) else [result]
    for r in results:
        if not isinstance(r, Recorded):
            raise InputError(
                f"the definition returns {type(r).__name__!r}, which depends on no input; expected what is computed "
                "from its arguments with NumPy"
            )
    return [number(r) for r in results]
