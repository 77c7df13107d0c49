"""Following a jaxpr: equation by equation its operands become nodes of a graph.

Whole numbers, masks and random draws that depend on nothing that is differentiated by are computed by JAX itself, and
are constants. Floats that depend on no input are followed nevertheless: a compiler may compute a constant otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jax.extend.core import Literal

from gradaudit.graph import Node, Shape
from gradaudit.jax.lines import is_of_jax, line, refused
from gradaudit.jax.operands import Decided, Known, Operand, is_float, is_random_key, known, node_of

#: The dtype that is judged.
judged: ContextVar[Any] = ContextVar("judged", default=None)
#: What is followed, by the name of the primitive: from an equation and its operands to its result, or results.
RULES: dict[str, Callable[..., Any]] = {}
#: The same for what calls other jaxprs; these are followed whatever their operands are.
CALLS: dict[str, Callable[..., Sequence[Operand]]] = {}
#: What draws random numbers, or makes them from random bits.
DRAWS = ("random_", "threefry", "rng_", "bitcast_convert_type")


@dataclass(frozen=True, eq=False)
class Equation:
    """An equation of a jaxpr.

    Attributes
    ----------
    of : JaxprEqn
        JAX's own.
    line : str
        Where in the user's code it stands.
    inside : str
        What to say for the equations inside it that are JAX's own; empty if they say it themselves.
    """

    of: Any
    line: str

    @cached_property
    def name(self) -> str:
        """The name of the primitive."""
        return str(self.of.primitive.name)

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of the primitive."""
        return self.of.params  # type: ignore[no-any-return]

    @property
    def shape(self) -> Shape:
        """The shape of the first result."""
        return tuple(self.of.outvars[0].aval.shape)

    @property
    def dtype(self) -> Any:
        """The dtype of the first result."""
        return self.of.outvars[0].aval.dtype

    def operand(self, n: int) -> Any:
        """Shape and dtype of an operand."""
        return self.of.invars[n].aval

    def bind(self, *values: Any, **changed: Any) -> Any:
        """What JAX computes for other operands."""
        return self.of.primitive.bind(*values, **{**self.params, **changed})

    def refuse(self, why: str = "") -> Exception:
        """What to raise if it cannot be followed."""
        return refused(f"the primitive {self.name!r}{f' {why}' if why else ''}", self.line)


def followed(jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Operand], outer: str = "") -> list[Operand]:
    """What a jaxpr returns.

    Parameters
    ----------
    jaxpr : Jaxpr
        What is followed.
    constants : sequence
        The arrays that it has closed over.
    arguments : sequence of Node or Known
        Its arguments.
    outer : str
        Where in the user's code the call stands.

    Raises
    ------
    UnsupportedError
        If there is an equation that cannot be followed.
    """
    environment: dict[Any, Operand] = dict(zip(jaxpr.constvars, map(_closed_over, constants), strict=True))
    environment.update(zip(jaxpr.invars, arguments, strict=True))

    def read(atom: Any) -> Operand:
        return known(np.asarray(atom.val, atom.aval.dtype)) if isinstance(atom, Literal) else environment[atom]

    of_jax = bool(outer) and is_of_jax(jaxpr)
    for equation in jaxpr.eqns:
        here = Equation(equation, outer if of_jax else line(equation, outer))
        results = result(here, [read(v) for v in equation.invars])
        environment.update(zip(equation.outvars, results, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _closed_over(value: Any) -> Operand:
    return value if isinstance(value, (Node, Known)) else known(value)


def result(here: Equation, operands: list[Operand], ready: Sequence[Any] = ()) -> Sequence[Operand]:
    """What an equation makes of its operands; `ready` is what JAX has computed of it, if it has."""
    if here.name in CALLS and not draws(operands):
        return CALLS[here.name](here, *operands)
    if any(isinstance(x, Decided) for x in operands):
        x = next(x for x in operands if isinstance(x, Decided))
        raise here.refuse(f"uses whole numbers that {x.by!r} makes of values that depend on an input")
    if all(isinstance(x, Known) for x in operands):
        return _computed(here, operands, ready)  # type: ignore[arg-type]
    rule = RULES.get(here.name)
    if rule is None:
        raise here.refuse("cannot be followed")
    return _several(_applied(here, rule, operands))


def draws(operands: Sequence[Operand]) -> bool:
    """Whether a call makes nothing but random numbers: it is computed as a whole, as JAX does it."""
    numbers = [x for x in operands if isinstance(x, Known)]
    return len(numbers) == len(operands) and any(x.drawn or is_random_key(x.value) for x in numbers)


def _applied(here: Equation, rule: Callable[..., Any], operands: Sequence[Operand]) -> Any:
    """What a rule returns, or what it says about the equation."""
    for aval in (v.aval for v in here.of.outvars):
        if hasattr(aval, "dtype") and jax.dtypes.issubdtype(aval.dtype, np.complexfloating):
            raise here.refuse("of complex numbers")
    return rule(here, *operands)


def _several(results: Any) -> Sequence[Operand]:
    return results if isinstance(results, list) else [results]


def _computed(here: Equation, operands: list[Known], ready: Sequence[Any] = ()) -> Sequence[Operand]:
    """What JAX computes, or has computed; floats that were not drawn keep the nodes that compute them."""
    drawn = here.name.startswith(DRAWS) or draws(list(operands))
    if here.of.effects:
        raise here.refuse("has effects")
    table: list[Any] = list(ready)

    def value(n: int) -> Any:
        if not table:
            values = here.bind(*(x.value for x in operands))
            table.extend(values if here.of.primitive.multiple_results else [values])
        return table[n]

    def node(n: int) -> Node:
        return node_of(_several(_applied(here, RULES[here.name], operands))[n])

    results: list[Operand] = []
    for n, variable in enumerate(here.of.outvars):
        follow = not drawn and is_float(variable.aval.dtype) and here.name in RULES
        item = Known(lambda n=n: value(n), (lambda n=n: node(n)) if follow else None, drawn)  # type: ignore[misc]
        if not is_float(variable.aval.dtype):
            item.value  # noqa: B018 (at once: a loop of many steps would be a recursion as deep)
        results.append(item)
    return results
