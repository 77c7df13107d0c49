"""What is remembered: the last result of a function; and the memory that large arrays had."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import is_
from typing import Any, TypeVar
from weakref import finalize

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])


def remembered(function: F) -> F:
    """The function, which returns its last result where it is called with the very same arguments again.

    The same objects, not equal ones: for functions of arrays that nobody changes.
    """
    last: tuple[tuple[Any, ...], Any] | None = None

    def remembering(*arguments: Any) -> Any:
        nonlocal last
        previous = last
        if previous and len(previous[0]) == len(arguments) and all(map(is_, previous[0], arguments)):
            return previous[1]
        result = function(*arguments)
        last = (arguments, result)
        return result

    remembering.__doc__, remembering.__name__ = function.__doc__, function.__name__
    return remembering  # type: ignore[return-value]


def remembered_of_array(function: F) -> F:
    """The function of an array that nobody changes, and of more; its result is forgotten with the array."""
    results: dict[Any, Any] = {}

    def remembering(array: Any, *more: Any) -> Any:
        if not isinstance(array, np.ndarray):  # a single number, which nobody can refer to
            return function(array, *more)
        key = (id(array), *more)
        if key not in results:
            results[key] = function(array, *more)
            finalize(array, results.pop, key, None)
        return results[key]

    remembering.__doc__, remembering.__name__ = function.__doc__, function.__name__
    return remembering  # type: ignore[return-value]


@cache
def keep_memory() -> None:
    """Let the C library keep the memory that arrays leave, for the next ones.

    glibc gives it back to the system once more is free than twice the largest block that was ever freed, of those that
    have 32 MiB or less (mallopt(3), M_MMAP_THRESHOLD). A block of that size, which nobody touches, is freed here: from
    then on 64 MiB are kept. Else every array of more than a few thousand entries is made of pages that the system has
    to find and clear again, which takes a third of the time that large graphs need. Elsewhere it changes nothing.
    """
    np.empty((1 << 22) - 1024)
