"""Those who are judged: one module a framework, imported only when it is asked for."""

from __future__ import annotations

import importlib
import importlib.util
from typing import cast

from adapters.protocol import Adapter

#: Framework -> (its adapter's module, the package that it needs), in the order of the reports.
FRAMEWORKS = {
    "numpy": ("adapters.numpy_reference", "numpy"),
    "torch": ("adapters.torch_autograd", "torch"),
    "jax": ("adapters.jax_grad", "jax"),
    "autograd": ("adapters.autograd_hips", "autograd"),
    "tensorflow": ("adapters.tensorflow_tape", "tensorflow"),
    "keras": ("adapters.keras_tape", "keras"),
    "sklearn": ("adapters.sklearn_mlp", "sklearn"),
    "mlx": ("adapters.mlx_grad", "mlx"),
    "paddle": ("adapters.paddle_autograd", "paddle"),
    "mindspore": ("adapters.mindspore_grad", "mindspore"),
    "pytensor": ("adapters.pytensor_grad", "pytensor"),
    "casadi": ("adapters.casadi_mx", "casadi"),
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
