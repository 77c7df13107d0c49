"""A function as source code of a few lines, in the words of a framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradaudit.functions.growth import INPUT
from gradaudit.functions.program import Program
from gradaudit.functions.vocabulary import WORDS


class NotWritten(LookupError):
    """A framework has no word for an operation."""


def names(program: Program) -> list[str]:
    """The name of each step in the source: x0, x1, ... for inputs, v2, v3, ... for what is computed."""
    inputs = {step: n for n, step in enumerate(program.inputs)}
    return [f"x{inputs[i]}" if i in inputs else f"v{i}" for i in range(len(program.steps))]


def source(program: Program, framework: str) -> str:
    """The definition of `f`, which returns a tuple.

    Raises
    ------
    NotWritten
        If the framework has no word for an operation.
    """
    called = names(program)
    lines = [f"def f({', '.join(called[i] for i in program.inputs)}):"]
    for name, step in zip(called, program.steps, strict=True):
        if step.name != INPUT:
            lines.append(
                f"    {name} = {written(step.name, framework, [called[i] for i in step.operands], step.parameters)}"
            )
    lines.append(f"    return ({', '.join(called[i] for i in program.outputs)},)")
    return "\n".join(lines) + "\n"


def written(name: str, framework: str, operands: list[str], parameters: Mapping[str, Any]) -> str:
    """An operation on named operands."""
    text = getattr(WORDS[name], framework)
    if not text:
        raise NotWritten(f"{framework} has no {name}")
    plain = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in parameters.items()}
    return str(text.format(*operands, all=", ".join(operands), **plain))
