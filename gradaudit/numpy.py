"""A function written in NumPy becomes a graph: it is called once, with arrays that record what is done with them.

Whatever is done with recorded arrays alone is followed; integers, masks of known arrays and plain arrays are
constants. What would need a number (a branch, ``float(x)``) is refused, never guessed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from gradaudit.errors import UnsupportedError
from gradaudit.graph import Node, Shape
from gradaudit.operations import choices, entrywise, products, shapes
from gradaudit.operations import softmax as soft
from gradaudit.operations.shapes import as_shape, constant, gather, reshape, total, transpose

_HERE = str(Path(__file__).parent)


def line() -> str:
    """Where in the user's code the present call stands, as FILE:LINE."""
    frame = sys._getframe(1)
    numpy = str(Path(np.__file__).parent)
    while frame.f_back and (frame.f_code.co_filename.startswith((_HERE, numpy))):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _refused(what: str) -> UnsupportedError:
    return UnsupportedError(f"{what} at {line()}; write it with operations that are known, or judge parts of it")


class Recorded(NDArrayOperatorsMixin):
    """An array that records: it has a shape and no numbers."""

    __slots__ = ("node",)
    __array_priority__ = 1000

    def __init__(self, node: Node) -> None:
        self.node = node

    # --- what an array is -------------------------------------------------------------------------------------------

    @property
    def shape(self) -> Shape:
        """The shape."""
        return self.node.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.node.shape)

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(np.prod(self.node.shape))

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64, or bool for a mask: what the values are that it stands for."""
        return np.dtype(bool if self.node.operation.mask else np.float64)

    @property
    def T(self) -> Recorded:  # noqa: N802 (NumPy's)
        """The transpose."""
        return _transposed(self)

    def __len__(self) -> int:
        return self.node.shape[0]

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"<an array of shape {self.shape} that is recorded>"

    # --- what would need a number -----------------------------------------------------------------------------------

    def __bool__(self) -> bool:
        raise _refused("a branch on a recorded value")

    def __float__(self) -> float:
        raise _refused("float() of a recorded value")

    def __int__(self) -> int:
        raise _refused("int() of a recorded value")

    __index__ = __int__

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise _refused("a recorded array taken for a plain one")

    # --- what is recorded -------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        out = options.pop("out", None)
        if method == "__call__" and ufunc in UFUNCS and not options:
            result = UFUNCS[ufunc](*inputs)
        elif method == "reduce" and ufunc in REDUCTIONS:
            result = REDUCTIONS[ufunc](*inputs, **options)
        elif method == "accumulate" and ufunc is np.add:
            result = cumsum(*inputs, **options)
        else:
            what = f"np.{ufunc.__name__}" + (f".{method}" if method != "__call__" else "")
            raise _refused(f"{what}{' with options' if options else ''}")
        if out is not None:
            (target,) = out
            if not isinstance(target, Recorded):
                raise _refused("a result written into a plain array")
            target.node = as_shape(result.node, target.shape)
            return target
        return result

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function not in FUNCTIONS:
            raise _refused(f"np.{getattr(function, '__name__', function)}")
        return FUNCTIONS[function](*args, **kwargs)

    def __getitem__(self, key: Any) -> Recorded:
        places = np.arange(self.size).reshape(self.shape)
        return Recorded(gather(self.node, index=np.asarray(places[_plain(key)]), line=line()))

    def __setitem__(self, key: Any, value: Any) -> None:
        places = np.arange(self.size).reshape(self.shape)
        chosen = places[_plain(key)]
        new = as_shape(node_of(value), np.shape(chosen))
        both = shapes.concatenate(_flat(self.node), _flat(new), axis=0)
        where = places.reshape(-1).copy()
        where[np.reshape(chosen, -1)] = self.size + np.arange(np.size(chosen))
        self.node = gather(both, index=where.reshape(self.shape), line=line())

    # --- methods ----------------------------------------------------------------------------------------------------

    def sum(self, axis: Any = None, keepdims: bool = False, **_: Any) -> Recorded:
        """As ndarray.sum."""
        return sum_(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False, **_: Any) -> Recorded:
        """As ndarray.mean."""
        return mean(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, keepdims: bool = False, ddof: int = 0, **_: Any) -> Recorded:
        """As ndarray.var: by two passes."""
        return var(self, axis=axis, keepdims=keepdims, ddof=ddof)

    def std(self, axis: Any = None, keepdims: bool = False, ddof: int = 0, **_: Any) -> Recorded:
        """As ndarray.std."""
        return Recorded(entrywise.sqrt(var(self, axis=axis, keepdims=keepdims, ddof=ddof).node))

    def max(self, axis: Any = None, keepdims: bool = False, **_: Any) -> Recorded:
        """As ndarray.max."""
        return max_(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False, **_: Any) -> Recorded:
        """As ndarray.min."""
        return min_(self, axis=axis, keepdims=keepdims)

    def reshape(self, *to: Any, **_: Any) -> Recorded:
        """As ndarray.reshape."""
        return _reshaped(self, to[0] if len(to) == 1 and not isinstance(to[0], int) else to)

    def ravel(self, *_: Any) -> Recorded:
        """As ndarray.ravel."""
        return _reshaped(self, (-1,))

    flatten = ravel

    def transpose(self, *axes: Any) -> Recorded:
        """As ndarray.transpose."""
        return _transposed(self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None)

    def dot(self, other: Any) -> Recorded:
        """As ndarray.dot."""
        return matmul(self, other)

    def cumsum(self, axis: Any = None) -> Recorded:
        """As ndarray.cumsum."""
        return cumsum(self, axis=axis)

    def copy(self, *_: Any, **__: Any) -> Recorded:
        """A copy, which can be written into on its own."""
        return Recorded(self.node)

    def astype(self, *_: Any, **__: Any) -> Recorded:
        """The same values: a definition says what is computed, not in which dtype."""
        return Recorded(self.node)

    def clip(self, low: Any = None, high: Any = None, **_: Any) -> Recorded:
        """As ndarray.clip."""
        return clip(self, low, high)

    def squeeze(self, axis: Any = None) -> Recorded:
        """As ndarray.squeeze."""
        return _reshaped(self, np.squeeze(np.empty(self.shape, dtype=np.int8), axis=axis).shape)


def node_of(value: Any) -> Node:
    """The node of a recorded array, or of a constant."""
    if isinstance(value, Recorded):
        return value.node
    if isinstance(value, (list, tuple)) and any(isinstance(v, Recorded) for v in value):
        return stack(value).node
    return constant(value)


def _plain(key: Any) -> Any:
    parts = key if isinstance(key, tuple) else (key,)
    if any(isinstance(part, Recorded) for part in parts):
        raise _refused("an index that is a recorded value")
    return key


def _flat(node: Node) -> Node:
    return reshape(node, to=(int(np.prod(node.shape)),))


def _entrywise(operation: Callable[..., Node]) -> Callable[..., Recorded]:
    """A function of recorded arrays that repeats them to one shape."""

    def recorded(*values: Any) -> Recorded:
        nodes = [node_of(v) for v in values]
        shape = np.broadcast_shapes(*(n.shape for n in nodes))
        return Recorded(_at(operation(*(as_shape(n, shape) for n in nodes))))

    return recorded


def _at(node: Node) -> Node:
    """The node, with where it stands."""
    return Node(node.operation, node.inputs, node.shape, node.parameters, line())


def _power(x: Any, n: Any) -> Recorded:
    if isinstance(n, Recorded) or np.ndim(n):
        raise _refused("a power whose exponent is an array")
    base, exponent = node_of(x), float(n)
    if not isinstance(x, Recorded):
        raise _refused("a power whose exponent is recorded")
    if exponent == int(exponent) and abs(exponent) <= 64:
        return Recorded(_at(entrywise.integer_power(base, exponent=int(exponent))))
    if exponent == 0.5:
        return Recorded(_at(entrywise.sqrt(base)))
    if exponent == -0.5:
        return Recorded(_at(entrywise.rsqrt(base)))
    return Recorded(_at(entrywise.exp(entrywise.times(entrywise.log(base), exponent))))


def _reciprocal(x: Node) -> Node:
    return entrywise.divide(constant(np.ones(x.shape)), x)


def matmul(x: Any, y: Any) -> Recorded:
    """As np.matmul, vectors too."""
    a, b = node_of(x), node_of(y)
    if not a.shape or not b.shape:
        return _entrywise(entrywise.multiply)(x, y)
    rows, columns = a.ndim == 1, b.ndim == 1
    a = reshape(a, to=(1, *a.shape)) if rows else a
    b = reshape(b, to=(*b.shape, 1)) if columns else b
    leading = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    result = products.matmul(
        as_shape(a, (*leading, *a.shape[-2:])), as_shape(b, (*leading, *b.shape[-2:])), line=line()
    )
    shape = list(result.shape)
    if columns:
        del shape[-1]
    if rows:
        del shape[-1 if columns else -2]
    return Recorded(reshape(result, to=tuple(shape)) if rows or columns else result)


def _axes(x: Node, axis: Any) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(x.ndim))
    return tuple(a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,)))


def sum_(x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Recorded:
    """As np.sum."""
    _no(options)
    node = node_of(x)
    return Recorded(_at(total(node, _axes(node, axis), bool(keepdims))) if node.ndim else node)


def _no(options: dict[str, Any]) -> None:
    """Refuse options that change a value; the defaults may be there."""
    for name, value in options.items():
        if value is not None and value is not np._NoValue and value is not False:
            raise _refused(f"the option {name}={value!r}")


def mean(x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Recorded:
    """As np.mean."""
    _no(options)
    node = node_of(x)
    count = int(np.prod([node.shape[a] for a in _axes(node, axis)]))
    return sum_(x, axis, keepdims) / float(count)  # type: ignore[no-any-return]


def var(x: Any, axis: Any = None, keepdims: bool = False, ddof: int = 0, **options: Any) -> Recorded:
    """As np.var: the mean of the squares of what is left when the mean is subtracted."""
    _no(options)
    node = node_of(x)
    count = int(np.prod([node.shape[a] for a in _axes(node, axis)]))
    left = Recorded(node) - mean(x, axis, keepdims=True)
    return sum_(left**2, axis, keepdims) / float(count - ddof)  # type: ignore[no-any-return]


def max_(x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Recorded:
    """As np.max."""
    _no(options)
    node = node_of(x)
    axes = _axes(node, axis)
    kept = tuple(1 if a in axes else n for a, n in enumerate(node.shape))
    for a in sorted(axes, reverse=True):
        node = choices.largest(node, axis=a)
    return Recorded(_at(reshape(node, to=kept) if keepdims else node))


def min_(x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Recorded:
    """As np.min."""
    return -max_(-Recorded(node_of(x)), axis, keepdims, **options)  # type: ignore[no-any-return]


def cumsum(x: Any, axis: Any = None, **options: Any) -> Recorded:
    """As np.cumsum."""
    _no({k: v for k, v in options.items() if k != "dtype"})
    node = node_of(x)
    if axis is None:
        node, axis = _flat(node), 0
    return Recorded(shapes.cumulative_sum(node, axis=axis % node.ndim, line=line()))


def clip(x: Any, low: Any = None, high: Any = None, **options: Any) -> Recorded:
    """As np.clip."""
    _no(options)
    result = Recorded(node_of(x))
    if low is not None:
        result = _entrywise(choices.maximum)(result, low)
    return result if high is None else _entrywise(choices.minimum)(result, high)


def where(mask: Any, x: Any = None, y: Any = None) -> Recorded:
    """As np.where with three arguments; the mask may be a recorded comparison or a plain array."""
    if x is None or y is None:
        raise _refused("np.where without values")
    a, b = node_of(x), node_of(y)
    if isinstance(mask, Recorded):
        shape = np.broadcast_shapes(mask.shape, a.shape, b.shape)
        if mask.shape != shape:
            raise _refused("np.where with a mask that is repeated")
        return Recorded(choices.where(mask.node, as_shape(a, shape), as_shape(b, shape), line=line()))
    shape = np.broadcast_shapes(np.shape(mask), a.shape, b.shape)
    chosen = np.broadcast_to(np.asarray(mask, dtype=bool), shape)
    both = shapes.concatenate(_flat(as_shape(a, shape)), _flat(as_shape(b, shape)), axis=0)
    places = np.arange(chosen.size).reshape(shape)
    return Recorded(gather(both, index=np.where(chosen, places, places + chosen.size), line=line()))


def _reshaped(x: Any, to: Any, *_: Any, **__: Any) -> Recorded:
    node = node_of(x)
    shape = np.empty(node.shape, dtype=np.int8).reshape(to).shape
    return Recorded(reshape(node, to=shape, line=line()))


def _transposed(x: Any, axes: Any = None) -> Recorded:
    node = node_of(x)
    order = tuple(range(node.ndim))[::-1] if axes is None else tuple(a % node.ndim for a in axes)
    return Recorded(transpose(node, axes=order, line=line()))


def rearranged(change: Callable[..., Any]) -> Callable[..., Recorded]:
    """A function of NumPy that only arranges entries anew, followed by what it does with their places."""

    def recorded(x: Any, *args: Any, **kwargs: Any) -> Recorded:
        node = node_of(x)
        places = np.arange(int(np.prod(node.shape))).reshape(node.shape)
        return Recorded(gather(node, index=np.asarray(change(places, *args, **kwargs)), line=line()))

    return recorded


def pad(x: Any, width: Any, mode: str = "constant", **options: Any) -> Recorded:
    """As np.pad, with zeros or by reflection, edge or wrapping."""
    node = node_of(x)
    places = np.arange(int(np.prod(node.shape))).reshape(node.shape)
    if mode == "constant":
        if np.any(options.get("constant_values", 0)):
            raise _refused("np.pad with other constants than 0")
        index = np.pad(places, width, constant_values=-1)
    else:
        index = np.pad(places, width, mode=mode, **options)  # type: ignore[call-overload]
    return Recorded(gather(node, index=index, line=line()))


def triangle(lower: bool) -> Callable[..., Recorded]:
    """np.tril or np.triu."""

    def recorded(x: Any, k: int = 0) -> Recorded:
        node = node_of(x)
        places = np.arange(1, int(np.prod(node.shape)) + 1).reshape(node.shape)
        index = (np.tril(places, k) if lower else np.triu(places, k)) - 1
        return Recorded(gather(node, index=index, line=line()))

    return recorded


def concatenate(parts: Sequence[Any], axis: int = 0) -> Recorded:
    """As np.concatenate."""
    nodes = [node_of(p) for p in parts]
    return Recorded(shapes.concatenate(*nodes, axis=axis % nodes[0].ndim, line=line()))


def stack(parts: Sequence[Any], axis: int = 0) -> Recorded:
    """As np.stack."""
    nodes = [node_of(p) for p in parts]
    place = axis % (nodes[0].ndim + 1)
    wide = [reshape(n, to=(*n.shape[:place], 1, *n.shape[place:])) for n in nodes]
    return Recorded(shapes.concatenate(*wide, axis=place, line=line()))


def einsum(subscripts: str, *operands: Any, **options: Any) -> Recorded:
    """As np.einsum: two operands at a time, each pair one batched matrix product."""
    _no({k: v for k, v in options.items() if k != "optimize"})
    parts, _, output = subscripts.replace(" ", "").partition("->")
    letters = parts.split(",")
    if "." in subscripts:
        raise _refused("np.einsum with an ellipsis")
    if "->" not in subscripts:
        output = "".join(sorted(c for c in set(parts) - {","} if parts.count(c) == 1))
    nodes = [node_of(x) for x in operands]
    parted = [_diagonal(n, x) for n, x in zip(letters, nodes, strict=True)]
    name, node = parted[0]
    for i in range(1, len(parted)):
        needed = set(output).union(*(n for n, _ in parted[i + 1 :]))
        name, node = _contracted(name, node, *parted[i], needed)
    summed = [c for c in name if c not in output]
    if summed:
        node = total(node, [name.index(c) for c in summed])
        name = "".join(c for c in name if c in output)
    return Recorded(_at(transpose(node, axes=tuple(name.index(c) for c in output))))


def _diagonal(name: str, node: Node) -> tuple[str, Node]:
    """An operand whose letters differ: where one stands twice, its diagonal."""
    while len(set(name)) < len(name):
        c = next(c for c in name if name.count(c) > 1)
        first, second = name.index(c), name.index(c, name.index(c) + 1)
        places = np.arange(int(np.prod(node.shape))).reshape(node.shape)
        node = gather(node, index=np.diagonal(places, axis1=first, axis2=second))
        name = name[:first] + name[first + 1 : second] + name[second + 1 :] + c
    return name, node


def _contracted(one: str, x: Node, other: str, y: Node, needed: set[str]) -> tuple[str, Node]:
    """The product of two operands, summed over the letters that nobody needs any more."""
    sizes = dict(zip(one + other, x.shape + y.shape, strict=True))
    batch = [c for c in one if c in other and c in needed]
    inner = [c for c in one if c in other and c not in needed]
    left, right = [c for c in one if c not in other], [c for c in other if c not in one]

    def arranged(name: str, node: Node, *groups: list[str]) -> Node:
        node = transpose(node, axes=tuple(name.index(c) for group in groups for c in group))
        lengths = (int(np.prod([sizes[c] for c in group])) for group in groups)
        return reshape(node, to=tuple(lengths))

    product = products.matmul(arranged(one, x, batch, left, inner), arranged(other, y, batch, inner, right))
    name = "".join(batch + left + right)
    return name, reshape(product, to=tuple(sizes[c] for c in name))


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Recorded:  # noqa: A002 (NumPy's)
    """As np.linalg.norm: of vectors, and Frobenius."""
    if ord not in (None, 2, "fro") or (ord == 2 and axis is None and node_of(x).ndim > 1):
        raise _refused(f"np.linalg.norm with ord={ord!r}")
    return Recorded(_at(entrywise.sqrt(sum_(Recorded(node_of(x)) ** 2, axis, keepdims).node)))


def _compared(operation: Callable[..., Node], swapped: bool = False) -> Callable[..., Recorded]:
    recorded = _entrywise(operation)
    return (lambda x, y: recorded(y, x)) if swapped else recorded


def _zeros(x: Any, *_: Any, **__: Any) -> Any:
    return Recorded(constant(np.zeros(node_of(x).shape)))


def _ones(x: Any, *_: Any, **__: Any) -> Any:
    return Recorded(constant(np.ones(node_of(x).shape)))


UFUNCS: dict[Any, Callable[..., Recorded]] = {
    np.add: _entrywise(entrywise.add),
    np.subtract: _entrywise(entrywise.subtract),
    np.multiply: _entrywise(entrywise.multiply),
    np.divide: _entrywise(entrywise.divide),
    np.negative: _entrywise(entrywise.negative),
    np.positive: lambda x: Recorded(node_of(x)),
    np.power: _power,
    np.float_power: _power,
    np.square: _entrywise(entrywise.square),
    np.reciprocal: _entrywise(_reciprocal),
    np.matmul: matmul,
    np.exp: _entrywise(entrywise.exp),
    np.expm1: _entrywise(entrywise.expm1),
    np.log: _entrywise(entrywise.log),
    np.log1p: _entrywise(entrywise.log1p),
    np.sqrt: _entrywise(entrywise.sqrt),
    np.tanh: _entrywise(entrywise.tanh),
    np.sin: _entrywise(entrywise.sin),
    np.cos: _entrywise(entrywise.cos),
    np.maximum: _entrywise(choices.maximum),
    np.minimum: _entrywise(choices.minimum),
    np.absolute: _entrywise(choices.absolute),
    np.fabs: _entrywise(choices.absolute),
    np.sign: _entrywise(choices.sign),
    np.greater: _compared(choices.greater),
    np.less: _compared(choices.greater, swapped=True),
    np.greater_equal: _compared(choices.greater_equal),
    np.less_equal: _compared(choices.greater_equal, swapped=True),
    np.equal: _compared(choices.equal),
    np.logaddexp: lambda x, y: Recorded(soft.logsumexp(stack([Recorded(node_of(x)), Recorded(node_of(y))], -1).node)),
}
REDUCTIONS: dict[Any, Callable[..., Recorded]] = {np.add: sum_, np.maximum: max_, np.minimum: min_}
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: sum_, np.mean: mean, np.var: var, np.max: max_, np.min: min_, np.amax: max_, np.amin: min_,
    np.std: lambda x, *a, **k: Recorded(_at(entrywise.sqrt(var(x, *a, **k).node))),
    np.cumsum: cumsum, np.clip: clip, np.where: where, np.reshape: _reshaped, np.transpose: _transposed,
    np.dot: matmul, np.vdot: lambda x, y: matmul(x.ravel(), y.ravel()), np.einsum: einsum, np.linalg.norm: norm,
    np.outer: lambda x, y: _reshaped(x, (-1, 1)) * _reshaped(y, (1, -1)),
    np.concatenate: concatenate, np.stack: stack, np.pad: pad, np.tril: triangle(True), np.triu: triangle(False),
    np.vstack: lambda parts: concatenate([_reshaped(p, (1, -1)) if np.ndim(p) < 2 else p for p in parts], 0),
    np.hstack: lambda parts: concatenate(parts, 0 if np.ndim(parts[0]) == 1 else 1),
    np.zeros_like: _zeros, np.ones_like: _ones, np.shape: lambda x: x.shape, np.ndim: lambda x: x.ndim,
    np.size: lambda x: x.size, np.copy: lambda x, **_: x.copy(),
    **{f: rearranged(f) for f in (
        np.flip, np.roll, np.repeat, np.tile, np.take, np.squeeze, np.expand_dims, np.swapaxes, np.moveaxis, np.ravel,
        np.diagonal, np.broadcast_to, np.take_along_axis, np.rot90, np.delete, np.atleast_2d,
    )},
}  # fmt: skip


def recorded(definition: Callable[..., Any], arguments: Sequence[Any], keywords: dict[str, Any]) -> list[Node]:
    """The nodes of what a definition returns, called with recorded arrays.

    Raises
    ------
    UnsupportedError
        If it does what cannot be followed; the message names it and the line.
    """
    result = definition(*arguments, **keywords)
    results = result if isinstance(result, (tuple, list)) else [result]
    return [node_of(r) for r in results]
