"""A number that was read from a tensor: it may decide a branch, and it may not come back into what is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Read(float):
    """A number that was read; so is what is computed from it.

    Attributes
    ----------
    exist : bool
        Whether there was ever one.
    """

    exist = False

    def __new__(cls, value: float) -> Read:
        """The number, as one that was read."""
        Read.exist = True
        return super().__new__(cls, value)


def _marking(name: str) -> Callable[..., Any]:
    plain = getattr(float, name)

    def marking(self: Read, *others: Any) -> Any:
        result = plain(self, *others)
        return Read(result) if isinstance(result, float) else result

    return marking


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(Read, f"__{_name}__", _marking(f"__{_name}__"))
    setattr(Read, f"__r{_name}__", _marking(f"__r{_name}__"))
for _name in ("neg", "pos", "abs"):
    setattr(Read, f"__{_name}__", _marking(f"__{_name}__"))
