"""Questions about all the entries of an array, none of them negative, or of a mask.

NumPy's own reductions take a microsecond before they look at the first entry; where the largest one is takes a tenth
of that to find.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def repeated(x: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """An array repeated to a shape, as `numpy.broadcast_to` has it, but a single number sooner."""
    if x.size == 1 and not x.dtype.hasobject:
        return np.ndarray(shape, x.dtype, np.ascontiguousarray(x), 0, (0,) * len(shape))
    return np.broadcast_to(x, shape)


def core(x: Any) -> Any:
    """The entries of an array that are repeated along axes, once: its first along each axis without a stride."""
    strides = x.strides
    return x[tuple(slice(0, 1) if n == 0 else slice(None) for n in strides)] if 0 in strides else x


def entrywise(f: Any, x: Any) -> Any:
    """A function of each entry; what is repeated is computed once, and repeated."""
    once = core(x)
    y = f(once)
    return y if once is x else repeated(y, x.shape)


def plus(x: Any, y: Any) -> Any:
    """The sum of two arrays of one shape; x itself where y is 0 everywhere."""
    if 0 not in y.strides:
        return x + y
    one, other = core(x), core(y)
    if other.size == 1 and other.item() == 0:
        return x
    if other.shape == one.shape and one is not x:
        return np.broadcast_to(one + other, x.shape)
    return x + y


def highest(x: Any) -> Any:
    """The largest entry; NaN where there is one, 0 where there is no entry."""
    if 0 in x.strides:
        x = core(x)
    if not x.shape:
        return x.item()
    return x.item(x.argmax()) if x.size else 0.0


def lowest(x: Any) -> Any:
    """The smallest entry; NaN where there is one, 1 where there is no entry."""
    if 0 in x.strides:
        x = core(x)
    if not x.shape:
        return x.item()
    return x.item(x.argmin()) if x.size else 1.0


def pick(condition: Any, x: Any, y: Any) -> Any:
    """The entries of x where a condition holds, else those of y; of single numbers without NumPy."""
    return np.where(condition, x, y) if condition.shape else np.float64(x if condition else y)


def some(x: Any) -> bool:
    """Whether an entry is not 0."""
    if 0 in x.strides:
        x = core(x)
    if not x.shape:
        return bool(x != 0)
    return x.size > 0 and bool(x.item(x.argmax()) != 0)


def every(x: Any) -> bool:
    """Whether every entry is more than 0."""
    if 0 in x.strides:
        x = core(x)
    if not x.shape:
        return bool(x > 0)
    return not x.size or bool(x.item(x.argmin()) > 0)
