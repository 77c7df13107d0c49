"""The path of the module whose forward pass is under way, as `named_modules` has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook


class Modules:
    """The modules that are under way, the outermost first; each with its path from there."""

    def __init__(self) -> None:
        self._stack: list[tuple[torch.nn.Module, str]] = []
        self._names: dict[torch.nn.Module, dict[torch.nn.Module, str]] = {}

    @property
    def path(self) -> str:
        """That of the innermost one; empty where there is none, and for the outermost."""
        return self._stack[-1][1] if self._stack else ""

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While this lasts, modules tell when they begin and end."""
        handles = [
            register_module_forward_pre_hook(self._begin),
            register_module_forward_hook(self._end, always_call=True),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _begin(self, module: torch.nn.Module, args: Any) -> None:  # noqa: ARG002
        self._stack.append((module, self._path(module)))

    def _end(self, module: torch.nn.Module, args: Any, output: Any) -> None:  # noqa: ARG002
        while self._stack and self._stack.pop()[0] is not module:
            pass

    def _path(self, module: torch.nn.Module) -> str:
        """From the nearest module above that has it."""
        for parent, path in reversed(self._stack):
            if parent not in self._names:
                self._names[parent] = {m: name for name, m in parent.named_modules()}
            name = self._names[parent].get(module)
            if name is not None:
                return ".".join(part for part in (path, name) if part)
        return type(module).__name__ if self._stack else ""
