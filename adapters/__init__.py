"""The frameworks that are judged: one module for each framework, imported only when it is needed.

Another package can add an adapter by an entry point in the group ``gradaudit.adapters``: the name of the framework, and
``module`` or ``module:object`` with the members of `gradaudit.adapters.protocol.Adapter`.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from gradaudit.adapters.protocol import Adapter

GROUP = "gradaudit.adapters"
#: Framework -> (the module of its adapter, the package that it needs), in the order of the reports.
FRAMEWORKS = {
    "numpy": ("gradaudit.adapters.numpy_reference", "numpy"),
    "torch": ("gradaudit.adapters.torch_autograd", "torch"),
    "jax": ("gradaudit.adapters.jax_grad", "jax"),
    "autograd": ("gradaudit.adapters.autograd_hips", "autograd"),
    "tensorflow": ("gradaudit.adapters.tensorflow_tape", "tensorflow"),
    "keras": ("gradaudit.adapters.keras_tape", "keras"),
    "sklearn": ("gradaudit.adapters.sklearn_mlp", "sklearn"),
    "mlx": ("gradaudit.adapters.mlx_grad", "mlx"),
    "paddle": ("gradaudit.adapters.paddle_autograd", "paddle"),
    "mindspore": ("gradaudit.adapters.mindspore_grad", "mindspore"),
    "pytensor": ("gradaudit.adapters.pytensor_grad", "pytensor"),
    "casadi": ("gradaudit.adapters.casadi_mx", "casadi"),
}


class FrameworkError(LookupError):
    """A framework that is unknown, not installed, or defined twice."""


@lru_cache(maxsize=1)
def _plugins() -> dict[str, EntryPoint]:
    """The adapters of other packages, by the names of their frameworks."""
    points: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        if point.name in FRAMEWORKS or point.name in points:
            raise FrameworkError(
                f"{point.value} offers an adapter {point.name!r}, which exists already; rename or remove it"
            )
        points[point.name] = point
    return points


def frameworks() -> dict[str, str]:
    """Every framework and the package that it needs. The adapters of other packages are last."""
    own = {name: package for name, (_, package) in FRAMEWORKS.items()}
    return own | {name: point.module.partition(".")[0] for name, point in _plugins().items()}


def installed() -> list[str]:
    """The frameworks whose package is installed. The packages are not imported."""
    return [name for name, package in frameworks().items() if importlib.util.find_spec(package)]


def adapter(name: str) -> Adapter:
    """The adapter of a framework.

    Raises
    ------
    FrameworkError
        If there is no such framework, or its package is not installed.
    """
    packages = frameworks()
    if name not in packages:
        raise FrameworkError(f"there is no framework {name!r}; expected one of {', '.join(packages)}")
    if not importlib.util.find_spec(packages[name]):
        package = packages[name]
        raise FrameworkError(
            f"{name} is not installed; expected the package {package}: install it, or leave {name} out"
        )
    if name in FRAMEWORKS:
        return cast(Adapter, importlib.import_module(FRAMEWORKS[name][0]))
    return cast(Adapter, _plugins()[name].load())
