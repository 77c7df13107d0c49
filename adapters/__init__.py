"""Those who are judged: one module a framework, imported only when it is asked for."""

from __future__ import annotations

import importlib
import importlib.util
from typing import cast

from gradaudit.adapters.protocol import Adapter

#: Framework -> (its adapter's module, the package that it needs), in the order of the reports.
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
    """A framework that is unknown or not installed."""


def installed() -> list[str]:
    """The frameworks whose package is there, found without importing it."""
    return [name for name, (_, package) in FRAMEWORKS.items() if importlib.util.find_spec(package)]


def adapter(name: str) -> Adapter:
    """The adapter of a framework.

    Raises
    ------
    FrameworkError
        If there is no such framework, or its package is not installed.
    """
    if name not in FRAMEWORKS:
        raise FrameworkError(f"there is no framework {name!r}; expected one of {', '.join(FRAMEWORKS)}")
    module, package = FRAMEWORKS[name]
    if not importlib.util.find_spec(package):
        raise FrameworkError(
            f"{name} is not installed; expected the package {package}: install it, or leave {name} out"
        )
    return cast(Adapter, importlib.import_module(module))
