"""Functions entry by entry, and masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradaudit.graph import Node
from gradaudit.numpy.array import Recorded, marked, node_of, number
from gradaudit.numpy.lines import line, refused
from gradaudit.numpy.products import matmul
from gradaudit.operations import choices, entrywise, planar, special, whole
from gradaudit.operations.arrangements import mixed, places, through
from gradaudit.operations.shapes import as_shape, constant


def repeated(node: Node, shape: tuple[int, ...]) -> Node:
    """A node repeated to a shape, masks too."""
    return through(node, lambda x: as_shape(x, shape)) if node.shape != shape else node


def entry_by_entry(operation: Callable[..., Node], read: Callable[[Any], Node] = number) -> Callable[..., Recorded]:
    """A function of recorded arrays that repeats them to one shape."""

    def function(*values: Any) -> Recorded:
        nodes = [read(v) for v in values]
        shape = np.broadcast_shapes(*(n.shape for n in nodes))
        return Recorded(marked(operation(*(repeated(n, shape) for n in nodes))))

    return function


def _multiply(x: Any, y: Any) -> Recorded:
    """A product; with a mask, the numbers where it holds and 0 elsewhere."""
    for mask, other in ((x, y), (y, x)):
        if isinstance(mask, Recorded) and mask.dtype == bool:
            return where(mask, other, 0.0)
    return _PRODUCT(x, y)


_PRODUCT = entry_by_entry(entrywise.multiply)


def _power(x: Any, n: Any) -> Recorded:
    if isinstance(n, Recorded) or np.ndim(n):
        return _POWER(x, n)
    base, exponent = number(x), float(n)
    if exponent == int(exponent) and abs(exponent) <= 64:
        return Recorded(marked(entrywise.integer_power(base, exponent=int(exponent))))
    if exponent == 0.5:
        return Recorded(marked(entrywise.sqrt(base)))
    if exponent == -0.5:
        return Recorded(marked(entrywise.rsqrt(base)))
    return _POWER(x, exponent)


_POWER = entry_by_entry(planar.power)


def _step(to: str) -> Callable[..., Recorded]:
    return entry_by_entry(lambda x: whole.step(x, to=to))


def clip(x: Any, low: Any = None, high: Any = None, **options: Any) -> Recorded:
    """As np.clip; a bound may be missing, and be called `min` or `max`."""
    low, high = options.pop("min", low), options.pop("max", high)
    if set(options) - {"out"} or options.get("out") is not None:
        raise refused("np.clip with options")
    result = Recorded(number(x))
    for limit, function in ((low, np.maximum), (high, np.minimum)):
        result = result if limit is None or limit is np._NoValue else function(result, limit)
    return result


def where(mask: Any, x: Any = None, y: Any = None) -> Recorded:
    """As np.where with three arguments; the mask may be a recorded comparison or a plain array."""
    if x is None or y is None:
        raise refused("np.where without values", "its result is an index, which depends on values")
    a, b = number(x), number(y)
    shape = np.broadcast_shapes(np.shape(mask), a.shape, b.shape)
    a, b = as_shape(a, shape), as_shape(b, shape)
    if isinstance(mask, Recorded):
        chooser = mask.node if mask.dtype == bool else _nonzero(mask.node)
        return Recorded(choices.where(repeated(chooser, shape), a, b, line=line()))
    chosen = np.broadcast_to(np.asarray(mask, dtype=bool), shape)
    return Recorded(mixed(a, np.where(chosen, places(shape), -1), b, line()))


def _nonzero(node: Node) -> Node:
    return choices.opposite(choices.equal(node, constant(np.zeros(node.shape))))


def _compared(operation: Callable[..., Node], swapped: bool = False) -> Callable[..., Recorded]:
    function = entry_by_entry(operation)
    return (lambda x, y: function(y, x)) if swapped else function


def _masks(operation: Callable[..., Node]) -> Callable[..., Recorded]:
    """A function of masks; plain ones become comparisons of constants."""

    def mask(value: Any) -> Node:
        node = node_of(value)
        return node if node.operation.mask else _nonzero(node)

    return entry_by_entry(operation, mask)


#: By the function, or for another package's by its name.
UFUNCS: dict[Any, Callable[..., Recorded]] = {
    np.add: entry_by_entry(entrywise.add),
    np.subtract: entry_by_entry(entrywise.subtract),
    np.multiply: _multiply,
    np.divide: entry_by_entry(entrywise.divide),
    np.negative: entry_by_entry(entrywise.negative),
    np.positive: lambda x: Recorded(number(x)),
    np.power: _power,
    np.float_power: _power,
    np.square: entry_by_entry(entrywise.square),
    np.reciprocal: entry_by_entry(entrywise.reciprocal),
    np.matmul: matmul,
    np.exp: entry_by_entry(entrywise.exp),
    np.expm1: entry_by_entry(entrywise.expm1),
    np.log: entry_by_entry(entrywise.log),
    np.log1p: entry_by_entry(entrywise.log1p),
    np.sqrt: entry_by_entry(entrywise.sqrt),
    np.hypot: entry_by_entry(planar.hypotenuse),
    np.tanh: entry_by_entry(entrywise.tanh),
    np.sin: entry_by_entry(entrywise.sin),
    np.cos: entry_by_entry(entrywise.cos),
    np.arctan: entry_by_entry(entrywise.arctan),
    np.tan: entry_by_entry(entrywise.tan),
    np.arcsin: entry_by_entry(entrywise.arcsin),
    np.arccos: entry_by_entry(entrywise.arccos),
    np.sinh: entry_by_entry(entrywise.sinh),
    np.cosh: entry_by_entry(entrywise.cosh),
    np.arcsinh: entry_by_entry(entrywise.arcsinh),
    np.arccosh: entry_by_entry(entrywise.arccosh),
    np.arctanh: entry_by_entry(entrywise.arctanh),
    np.exp2: entry_by_entry(entrywise.exp2),
    np.log2: entry_by_entry(entrywise.log2),
    np.log10: entry_by_entry(entrywise.log10),
    np.cbrt: entry_by_entry(entrywise.cbrt),
    "expit": entry_by_entry(entrywise.sigmoid),
    "erf": entry_by_entry(entrywise.erf),
    "erfc": entry_by_entry(special.erfc),
    "ndtr": entry_by_entry(special.normal),
    "erfinv": entry_by_entry(special.erfinv),
    "gammaln": entry_by_entry(special.lgamma),
    "psi": entry_by_entry(special.digamma),
    np.maximum: entry_by_entry(choices.maximum),
    np.minimum: entry_by_entry(choices.minimum),
    np.absolute: entry_by_entry(choices.absolute),
    np.fabs: entry_by_entry(choices.absolute),
    np.sign: entry_by_entry(choices.sign),
    np.greater: _compared(choices.greater),
    np.less: _compared(choices.greater, swapped=True),
    np.greater_equal: _compared(choices.greater_equal),
    np.less_equal: _compared(choices.greater_equal, swapped=True),
    np.equal: _compared(choices.equal),
    np.not_equal: _compared(lambda x, y: choices.opposite(choices.equal(x, y))),
    np.logical_and: _masks(choices.both),
    np.logical_or: _masks(choices.either),
    np.logical_not: _masks(choices.opposite),
    np.bitwise_and: _masks(choices.both),
    np.bitwise_or: _masks(choices.either),
    np.invert: _masks(choices.opposite),
    np.arctan2: entry_by_entry(planar.arctan2),
    "xlogy": entry_by_entry(planar.xlogy),
    np.floor: _step("floor"),
    np.ceil: _step("ceil"),
    np.trunc: _step("trunc"),
    np.rint: _step("round"),
    np.floor_divide: entry_by_entry(lambda x, n: whole.floor(entrywise.divide(x, n))),
    np.remainder: entry_by_entry(whole.remainder),
    np.fmod: entry_by_entry(whole.fmod),
    np.logaddexp: entry_by_entry(planar.logaddexp),
}
FUNCTIONS: dict[Any, Callable[..., Any]] = {np.clip: clip, np.where: where}
