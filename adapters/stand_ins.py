"""Stand-ins for modules that course code imports and that take no part in a gradient, where they are not installed.

Plots, progress bars and notebooks do nothing here; what `six`, `past` and `future` give is a name for something that
Python 3 has. Nothing that computes with arrays is stood in for.
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
    """What a plot is, where there is no plotting: whatever is done with it gives another one."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> Nothing:
        return self

    def __getitem__(self, _: Any) -> Nothing:
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        """Keep nothing."""

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __enter__(self) -> Nothing:
        return self

    def __exit__(self, *_: object) -> None:
        """Let every exception pass."""


class Bar:
    """A progress bar that shows nothing: what it is given, one after the other."""

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


def _two(*_: Any, **__: Any) -> tuple[Nothing, Nothing]:
    """A figure and its axes."""
    return Nothing(), Nothing()


def _old_div(a: Any, b: Any) -> Any:
    """The quotient as Python 2 took it: whole for whole numbers."""
    return a // b if isinstance(a, int) and isinstance(b, int) else a / b


def _items(mapping: Any) -> Any:
    return iter(mapping.items())


#: Where Python 3 has what Python 2 called otherwise.
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
_PLOTS: dict[str, Any] = {"subplots": _two}
_BARS: dict[str, Any] = {
    "tqdm": Bar,
    "tqdm_notebook": Bar,
    "trange": lambda *sizes, **_: Bar(range(*sizes)),
}
#: The packages that show something, with what they hold that is not `Nothing`.
PACKAGES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("matplotlib", "mpl_toolkits", "seaborn", "plotly", "IPython", "ipywidgets"), _PLOTS),
    "tqdm": _BARS,
}
#: The packages that give Python 3's things their names, and nothing else.
OLD_NAMES = ("six", "past", "future")


class _Silent(ModuleType):
    """A module of plots, bars or notebooks: each of its names is there."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing()


class StandIns(MetaPathFinder, Loader):
    """The last finder of modules: it is asked where every other has found nothing.

    Attributes
    ----------
    names : list of str
        The packages that were stood in for, in the order of their imports.
    """

    def __init__(self) -> None:
        self.names: list[str] = []

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 (the protocol's)
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """The stand-in of that name, if there is one; none for a part of a package that is installed."""
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
    """Put the stand-ins behind all other finders, once."""
    there = next((finder for finder in sys.meta_path if isinstance(finder, StandIns)), None)
    if there is None:
        there = StandIns()
        sys.meta_path.append(there)
    return there
