"""Stand-ins for modules that course code imports but that a gradient does not need, if they are not installed.

Plots, progress bars and notebooks do nothing. `six`, `past` and `future` give other names to parts of Python 3. A
module that computes with arrays has no stand-in.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import pickle
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class Nothing:
    """A plot where there is no plotting. Every operation on it returns the same kind of object."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> Nothing:
        return self

    def __getitem__(self, _: Any) -> Nothing:
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        """Do nothing."""

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __enter__(self) -> Nothing:
        return self

    def __exit__(self, *_: object) -> None:
        """Let every exception pass."""


class Bar:
    """A progress bar that shows nothing: it gives the items of its iterable."""

    def __init__(self, iterable: Any = (), *_: Any, **__: Any) -> None:
        self._iterable = iterable

    def __iter__(self) -> Iterator[Any]:
        return iter(self._iterable)

    def __getattr__(self, name: str) -> Any:
        return getattr(Nothing(), name)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        """Let every exception pass."""


def _figure_and_axes(*_: Any, **__: Any) -> tuple[Nothing, Nothing]:
    """A figure and its axes."""
    return Nothing(), Nothing()


def _old_div(a: Any, b: Any) -> Any:
    """The quotient of Python 2, which is an integer for integers."""
    return a // b if isinstance(a, int) and isinstance(b, int) else a / b


def _items(mapping: Any) -> Any:
    return iter(mapping.items())


#: Names of Python 2 -> their equivalents in Python 3.
_RENAMED = {
    "xrange": range,
    "unicode": str,
    "basestring": str,
    "long": int,
    "raw_input": input,
    "reduce": functools.reduce,
    "cPickle": pickle,
    "iteritems": _items,
    "iterkeys": iter,
    "itervalues": lambda mapping: iter(mapping.values()),
    "old_div": _old_div,
    "string_types": (str,),
    "integer_types": (int,),
    "text_type": str,
    "PY2": False,
    "PY3": True,
}
_PLOTS: dict[str, Any] = {"subplots": _figure_and_axes}
_BARS: dict[str, Any] = {
    "tqdm": Bar,
    "tqdm_notebook": Bar,
    "trange": lambda *sizes, **_: Bar(range(*sizes)),
}
#: The packages for output, with their members that are not `Nothing`.
PACKAGES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("matplotlib", "mpl_toolkits", "seaborn", "plotly", "IPython", "ipywidgets"), _PLOTS),
    "tqdm": _BARS,
}
#: The packages that only give other names to parts of Python 3.
OLD_NAMES = ("six", "past", "future")


class _Silent(ModuleType):
    """A module of plots, bars or notebooks, which has every name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing()


class StandIns(MetaPathFinder, Loader):
    """The last finder of modules, for modules that no other finder knows.

    Attributes
    ----------
    names : list of str
        The packages with stand-ins, in the order of their imports.
    """

    def __init__(self) -> None:
        self.names: list[str] = []

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 (the protocol's)
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """The stand-in of this name, if there is one. A part of an installed package has none."""
        package = name.partition(".")[0]
        if package not in PACKAGES and package not in OLD_NAMES:
            return None
        if package != name and package not in self.names:
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An empty module, or a silent one."""
        return (_Silent if spec.name.partition(".")[0] in PACKAGES else ModuleType)(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module."""
        package = module.__name__.partition(".")[0]
        if package not in self.names:
            self.names.append(package)
        if package in PACKAGES:
            vars(module).update(PACKAGES[package])
            return
        vars(module).update({name: value for name, value in vars(builtins).items() if not name.startswith("_")})
        vars(module).update(_RENAMED)
        if module.__name__ == "future":
            vars(module)["standard_library"] = Nothing()  # install_aliases() has nothing to do in Python 3
        if module.__name__ == "six.moves":
            vars(module)["urllib"] = importlib.import_module("urllib")


def install() -> StandIns:
    """Add the stand-ins after all other finders, once."""
    finder = next((finder for finder in sys.meta_path if isinstance(finder, StandIns)), None)
    if finder is None:
        finder = StandIns()
        sys.meta_path.append(finder)
    return finder
