"""A walk through a jaxpr as JAX runs it: into whatever an equation calls, along the branches that are taken."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from gradaudit.jax.following import Equation
from gradaudit.jax.lines import is_of_jax, line
from gradaudit.jax.operands import Operand

#: Where primitives that call a jaxpr have it.
CALLED = {
    **dict.fromkeys(("jit", "pjit", "closed_call", "remat", "remat2", "checkpoint"), "jaxpr"),
    **dict.fromkeys(("core_call", "call", "custom_vjp_call", "custom_jvp_call"), "call_jaxpr"),
}
CUSTOM = ("custom_vjp_call", "custom_jvp_call")
SILENT = ("debug_print", "debug_callback")


@dataclass(frozen=True, eq=False)
class Cell:
    """One array of a run.

    Attributes
    ----------
    value : array
        What the program has there: an array of JAX or NumPy, or random keys.
    operand : Node or Known, optional
        What it is in a graph, where one is built.
    """

    value: Any
    operand: Operand | None = None


class Walk(ABC):
    """A run of a jaxpr; what is done with each equation that calls no other jaxpr is the subclass's.

    Attributes
    ----------
    whole : tuple of str
        Primitives that call a jaxpr, and that are not entered.
    """

    whole: tuple[str, ...] = ()

    @abstractmethod
    def leaf(self, here: Equation, cells: Sequence[Cell]) -> Sequence[Cell]:
        """The results of an equation."""

    def is_whole(self, here: Equation, cells: Sequence[Cell]) -> bool:  # noqa: ARG002 (a subclass asks)
        """Whether an equation that calls a jaxpr is not entered."""
        return here.name in self.whole

    def decision(self, cell: Cell) -> Any:
        """What a branch, or the end of a loop, is decided by."""
        return np.asarray(cell.value)

    def constant(self, value: Any) -> Cell:
        """An array that the jaxpr has closed over, or a number that stands in it."""
        return Cell(value)

    def part(self, cell: Cell, n: int) -> Cell:
        """The entry of a sequence that a step of a loop is given."""
        return Cell(cell.value[n])

    def stacked(self, cells: Sequence[Cell]) -> Cell:
        """The results of the steps of a loop, one after the other."""
        return Cell(jnp.stack([c.value for c in cells]))

    def run(self, jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Cell], outer: str = "") -> list[Cell]:
        """What a jaxpr returns; `outer` is where in the user's code the call stands."""
        environment: dict[Any, Cell] = dict(zip(jaxpr.constvars, map(self.constant, constants), strict=True))
        environment.update(zip(jaxpr.invars, arguments, strict=True))

        def read(atom: Any) -> Cell:
            if isinstance(atom, Literal):
                return self.constant(np.asarray(atom.val, atom.aval.dtype))
            return environment[atom]

        of_jax = bool(outer) and is_of_jax(jaxpr)
        for equation in jaxpr.eqns:
            here = Equation(equation, outer if of_jax else line(equation, outer))
            results = self._results(here, [read(v) for v in equation.invars])
            environment.update(zip(equation.outvars, results, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def _results(self, here: Equation, cells: list[Cell]) -> Sequence[Cell]:
        if here.name in SILENT:
            return []
        if self.is_whole(here, cells):
            return self.leaf(here, cells)
        if here.name in CALLED:
            return self._inside(here, here.params[CALLED[here.name]], cells)
        if here.name == "scan":
            return self._scan(here, cells)
        if here.name == "while":
            return self._while(here, cells)
        if here.name == "cond":
            branches = here.params["branches"]
            taken = int(np.clip(int(self.decision(cells[0])), 0, len(branches) - 1))
            return self._inside(here, branches[taken], cells[1:])
        return self.leaf(here, cells)

    def _inside(self, here: Equation, closed: Any, cells: Sequence[Cell]) -> list[Cell]:
        jaxpr, constants = (closed.jaxpr, closed.consts) if hasattr(closed, "consts") else (closed, ())
        return self.run(jaxpr, constants, cells, here.line)

    def _scan(self, here: Equation, cells: Sequence[Cell]) -> list[Cell]:
        params, length = here.params, here.params["length"]
        first = params["num_consts"] + params["num_carry"]
        constants, carry = cells[: params["num_consts"]], list(cells[params["num_consts"] : first])
        rows: list[Sequence[Cell]] = [()] * length
        for n in reversed(range(length)) if params["reverse"] else range(length):
            entries = [self.part(c, n) for c in cells[first:]]
            results = self._inside(here, params["jaxpr"], [*constants, *carry, *entries])
            carry, rows[n] = results[: len(carry)], results[len(carry) :]
        if not length:
            shapes = [v.aval for v in here.of.outvars[len(carry) :]]
            return [*carry, *(self.constant(np.zeros(a.shape, a.dtype)) for a in shapes)]
        return [*carry, *(self.stacked(column) for column in zip(*rows, strict=True))]

    def _while(self, here: Equation, cells: Sequence[Cell]) -> list[Cell]:
        of_condition, of_body = here.params["cond_nconsts"], here.params["body_nconsts"]
        asked, used = cells[:of_condition], cells[of_condition : of_condition + of_body]
        carry = list(cells[of_condition + of_body :])
        while self.decision(self._inside(here, here.params["cond_jaxpr"], [*asked, *carry])[0]):
            carry = self._inside(here, here.params["body_jaxpr"], [*used, *carry])
        return carry


def computed(here: Equation, cells: Sequence[Cell]) -> list[Any]:
    """What JAX computes of an equation that calls no other jaxpr."""
    result = here.bind(*(c.value for c in cells))
    return list(result) if here.of.primitive.multiple_results else [result]
