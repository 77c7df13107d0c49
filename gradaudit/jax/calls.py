"""Primitives that call other jaxprs: functions, loops, branches; custom rules, of which the function is followed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradaudit.graph import Node
from gradaudit.jax.entrywise import marked
from gradaudit.jax.following import CALLS, Equation, followed
from gradaudit.jax.lines import is_of_jax
from gradaudit.jax.operands import Known, Operand, is_float, known, node_of, number, repeated
from gradaudit.operations import choices
from gradaudit.operations.arrangements import arranged, places, stack
from gradaudit.operations.planar import xlogy
from gradaudit.operations.shapes import constant
from gradaudit.operations.softmax import logsumexp

#: No loop is followed further.
LONGEST = 10_000


def _called(parameter: str) -> Callable[..., Sequence[Operand]]:
    """The rule of a primitive that has its jaxpr in a parameter."""

    def rule(here: Equation, *operands: Operand) -> Sequence[Operand]:
        return _inside(here, here.params[parameter], operands)

    return rule


def _inside(here: Equation, closed: Any, operands: Sequence[Operand]) -> list[Operand]:
    jaxpr, constants = (closed.jaxpr, closed.consts) if hasattr(closed, "consts") else (closed, ())
    return followed(jaxpr, constants, operands, here.line)


def part(operand: Operand, n: int) -> Operand:
    """An entry along the first axis."""
    if isinstance(operand, Known):
        return Known(
            lambda: operand.value[n], (lambda: _row(operand.node, n)) if _is_followed(operand) else None, operand.drawn
        )
    return _row(node_of(operand), n)


def _row(node: Node, n: int) -> Node:
    return arranged(node, places(node.shape)[n])


def _is_followed(operand: Known) -> bool:
    return not operand.drawn and is_float(operand.value.dtype)


def stacked(parts: Sequence[Operand]) -> Operand:
    """The results of a loop's steps, along a new first axis."""
    if all(isinstance(p, Known) and not is_float(p.value.dtype) for p in parts):
        return known(np.stack([p.value for p in parts]))  # type: ignore[union-attr]
    return stack([number(p) for p in parts])


def _scan(here: Equation, *operands: Operand) -> Sequence[Operand]:
    """Step by step."""
    params, length = here.params, here.params["length"]
    constants = operands[: params["num_consts"]]
    first = params["num_consts"] + params["num_carry"]
    carry, sequences = list(operands[params["num_consts"] : first]), operands[first:]
    rows: list[Sequence[Operand]] = [()] * length
    for n in reversed(range(length)) if params["reverse"] else range(length):
        results = _inside(here, params["jaxpr"], [*constants, *carry, *(part(x, n) for x in sequences)])
        carry, rows[n] = results[: len(carry)], results[len(carry) :]
    shapes = [v.aval for v in here.of.outvars[len(carry) :]]
    if not length:
        return [*carry, *(known(np.zeros(a.shape, a.dtype)) for a in shapes)]
    return [*carry, *(stacked(column) for column in zip(*rows, strict=True))]


def _while(here: Equation, *operands: Operand) -> Sequence[Operand]:
    """As often as its condition holds, which must not depend on an input."""
    of_condition, of_body = here.params["cond_nconsts"], here.params["body_nconsts"]
    asked, used = operands[:of_condition], operands[of_condition : of_condition + of_body]
    carry = list(operands[of_condition + of_body :])
    for _ in range(LONGEST):
        (goes_on,) = _inside(here, here.params["cond_jaxpr"], [*asked, *carry])
        if not isinstance(goes_on, Known):
            raise here.refuse("repeats as long as numbers that depend on an input say")
        if not bool(goes_on.array):
            return carry
        carry = _inside(here, here.params["body_jaxpr"], [*used, *carry])
    raise here.refuse(f"repeats more than {LONGEST} times")


def _branched(here: Equation, which: Operand, *operands: Operand) -> Sequence[Operand]:
    """The branch that is taken; where numbers decide that depend on an input, all, and what each of them decides."""
    branches = here.params["branches"]
    if isinstance(which, Known):
        return _inside(here, branches[int(np.clip(int(which.array), 0, len(branches) - 1))], operands)
    results = _inside(here, branches[0], operands)
    for n, branch in enumerate(branches[1:], 1):
        index = number(which)
        mask = choices.greater_equal(index, constant(np.full(index.shape, n - 0.5)), line=here.line)
        others = _inside(here, branch, operands)
        results = [_either(here, mask, new, old) for new, old in zip(others, results, strict=True)]
    return results


def _either(here: Equation, mask: Node, new: Operand, old: Operand) -> Operand:
    if new is old or (isinstance(new, Known) and isinstance(old, Known) and np.array_equal(new.array, old.array)):
        return new
    shape = node_of(new).shape
    return marked(choices.where(repeated(mask, shape), number(new), number(old)), here)


def _custom(here: Equation, *operands: Operand) -> Sequence[Operand]:
    """The function, not its rule; some of JAX's own are one operation."""
    closed = here.params["call_jaxpr"]
    name = str(closed.jaxpr.debug_info.func_src_info).partition(" at ")[0]
    if name not in OWN or not is_of_jax(closed.jaxpr):
        return _inside(here, closed, operands)
    shape = here.shape
    return [marked(OWN[name](*(repeated(number(x), shape) for x in operands)), here)]


#: Functions of JAX with a rule of its own, each one operation however it is computed.
OWN: dict[str, Callable[..., Node]] = {
    "logaddexp": lambda x, y: logsumexp(stack([x, y], axis=-1)),
    "xlogy": xlogy,
}


def _nothing(here: Equation, *operands: Operand) -> Sequence[Operand]:  # noqa: ARG001 (a rule)
    return []


CALLS.update(
    {
        **dict.fromkeys(("jit", "pjit", "closed_call", "remat", "remat2", "checkpoint"), _called("jaxpr")),
        **dict.fromkeys(("core_call", "call", "custom_vjp_call"), _called("call_jaxpr")),
        "custom_jvp_call": _custom,
        **dict.fromkeys(("debug_print", "debug_callback"), _nothing),
        "scan": _scan,
        "while": _while,
        "cond": _branched,
    }
)
