"""Primitives entry by entry: arithmetic, elementary functions, comparisons, masks, choices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from gradaudit.graph import Node
from gradaudit.jax.following import RULES, Equation
from gradaudit.jax.operands import Known, Operand, is_float, known, mask_of, node_of, number, repeated
from gradaudit.operations import choices, entrywise
from gradaudit.operations.arrangements import mixed, places
from gradaudit.operations.operation import Operation
from gradaudit.operations.shapes import broadcast, constant, constant_, reshape, sum_axis


def marked(node: Node, here: Equation) -> Node:
    """The node, with where it stands; what a graph begins with stays itself."""
    return Node(node.operation, node.inputs, node.shape, node.parameters, here.line) if node.inputs else node


def entry_by_entry(operation: Callable[..., Node], read: Callable[[Operand], Node] = number) -> Callable[..., Node]:
    """The rule of a function of arrays that are repeated to one shape."""

    def rule(here: Equation, *operands: Operand) -> Node:
        return marked(operation(*(repeated(read(x), here.shape) for x in operands)), here)

    return rule


def compared(operation: Callable[..., Node], of_itself: bool) -> Callable[..., Operand]:
    """The rule of a comparison; a number compared with itself is not asked for rounding."""
    rule = entry_by_entry(operation)

    def comparison(here: Equation, x: Operand, y: Operand) -> Operand:
        return known(np.full(here.shape, of_itself)) if x is y else rule(here, x, y)

    return comparison


def logical(operation: Callable[..., Node]) -> Callable[..., Node]:
    """The rule of a function of masks."""
    rule = entry_by_entry(operation, mask_of)

    def function(here: Equation, *operands: Operand) -> Node:
        if here.dtype != bool:
            raise here.refuse("of bits of numbers that depend on an input")
        return rule(here, *operands)

    return function


def extremum(operation: Callable[..., Node], neutral: float) -> Callable[..., Operand]:
    """The rule of max or min; an operand that never is the result is left out."""
    rule = entry_by_entry(operation)

    def function(here: Equation, x: Operand, y: Operand) -> Operand:
        if here.dtype == bool:
            return logical(choices.either if neutral < 0 else choices.both)(here, x, y)
        for a, b in ((x, y), (y, x)):
            if isinstance(a, Known) and np.ndim(a.value) == 0 and float(a.array) == neutral:
                return repeated(number(b), here.shape)
        return rule(here, x, y)

    return function


def _integer_power(here: Equation, x: Operand) -> Node:
    return marked(entrywise.integer_power(number(x), exponent=int(here.params["y"])), here)


def _power(here: Equation, x: Operand, y: Operand) -> Node:
    base = repeated(number(x), here.shape)
    if isinstance(y, Known) and np.unique(y.array).size == 1:
        n = float(y.array.ravel()[0])
        if n == int(n) and abs(n) <= 64:
            return marked(entrywise.integer_power(base, exponent=int(n)), here)
        if n == 0.5:
            return marked(entrywise.sqrt(base), here)
        if n == -0.5:
            return marked(entrywise.rsqrt(base), here)
    exponent = repeated(number(y), here.shape)
    return marked(entrywise.exp(entrywise.multiply(exponent, entrywise.log(base))), here)


def _log1p(here: Equation, x: Operand) -> Node:
    return marked(entrywise.log1p(number(x)), here)


def is_positive(node: Node) -> bool:
    """Whether a node has, by what it is, no negative entry: an exponential, a square, a sum of them."""
    operation = node.operation
    if operation in (entrywise.exp, entrywise.sigmoid, entrywise.sqrt):
        return True
    if operation is constant_:
        return bool((node.parameters["values"] >= 0).all())
    if operation is entrywise.integer_power:
        return bool(node.parameters["exponent"] % 2 == 0)
    return operation in (sum_axis, broadcast, reshape) and is_positive(node.inputs[0])


def _absolute(here: Equation, x: Operand) -> Node:
    node = number(x)
    return node if is_positive(node) else marked(choices.absolute(node), here)


def _clamp(here: Equation, low: Operand, x: Operand, high: Operand) -> Node:
    ends = (repeated(number(end), here.shape) for end in (low, high))
    return marked(choices.clip(number(x), *ends), here)


def _select(here: Equation, which: Operand, *cases: Operand) -> Operand:
    """The entry of the case that `which` names: a mask, or whole numbers."""
    if isinstance(which, Known):
        return _selected(here, np.broadcast_to(which.array.astype(np.int64), here.shape), cases)
    if is_mask := here.dtype == bool:
        yes, no = mask_of(cases[1]), mask_of(cases[0])
        chosen = mask_of(which)
        return (
            marked(choices.either(choices.both(chosen, yes), choices.both(choices.opposite(chosen), no)), here)
            if len(cases) == 2
            else _never(here, is_mask)
        )
    result = repeated(number(cases[0]), here.shape)
    for n, case in enumerate(cases[1:], 1):
        mask = mask_of(which) if n == 1 and len(cases) == 2 else _reaches(number(which), n)
        result = choices.where(repeated(mask, here.shape), repeated(number(case), here.shape), result, line=here.line)
    return result


def _never(here: Equation, _: bool) -> Operand:
    raise here.refuse("of more than two masks")


def _reaches(which: Node, n: int) -> Node:
    return choices.greater_equal(which, constant(np.full(which.shape, n - 0.5)))


def _selected(here: Equation, which: Any, cases: tuple[Operand, ...]) -> Operand:
    """The entries of known cases; what is not chosen is not asked for."""
    present = np.unique(which)
    if present.size == 1:
        case = cases[int(present[0])]
        return (
            case if isinstance(case, Known) and case.array.shape == here.shape else repeated(node_of(case), here.shape)
        )
    result: Node | None = None
    for n in present:
        node = _only(repeated(number(cases[n]), here.shape), which == n)
        chosen = np.where(which == n, places(here.shape), -1)
        result = node if result is None else mixed(node, chosen, result, here.line)
    assert result is not None
    return mask_of(result) if here.dtype == bool else result


def _only(node: Node, chosen: Any) -> Node:
    """A node whose other entries are never used: of a constant they become 0, since they may be no numbers."""
    if node.operation is broadcast and node.inputs[0].operation is constant_:
        node = constant(np.broadcast_to(node.inputs[0].parameters["values"], node.shape))
    if node.operation is not constant_:
        return node
    return constant(np.where(chosen, node.parameters["values"], 0.0))


def _converted(here: Equation, x: Operand) -> Operand:
    """The same numbers in another dtype; to a narrower one of floats they would be rounded."""
    source, target = here.operand(0).dtype, here.dtype
    if np.dtype(bool) == target:
        return mask_of(x)
    if not is_float(target):
        if is_float(source):
            raise here.refuse(f"makes whole numbers ({target}) of floats that depend on an input")
        return number(x)
    if is_float(source) and jax.numpy.finfo(target).nmant < jax.numpy.finfo(source).nmant:
        raise here.refuse(f"rounds {source} to {target}: the definition would be less precise than the dtype judged")
    return number(x)


def _precision(here: Equation, x: Operand) -> Operand:
    info = jax.numpy.finfo(here.dtype)
    if here.params["exponent_bits"] < info.nexp or here.params["mantissa_bits"] < info.nmant:
        raise here.refuse("rounds to fewer bits")
    return x


def _finite(here: Equation, x: Operand) -> Operand:  # noqa: ARG001 (a rule)
    """Every number of a definition is finite; where a program's are not, the bound is not either."""
    return known(np.ones(here.shape, dtype=bool))


#: Its value is its operand's, and its derivative is 0: the user has said that it is to be a constant.
stopped: Operation = Operation(
    "stopped",
    shape=lambda x: x,
    value=lambda A, x: x,  # noqa: ARG005
    derivative=lambda node, g: [None],  # noqa: ARG005
    rounding=lambda fp, value, x: x.bound,  # noqa: ARG005
    size=lambda x: x,
)


def _stopped(here: Equation, x: Operand) -> Operand:
    node = node_of(x)
    return node if node.operation.mask else stopped(node, line=here.line)


def _same(here: Equation, *operands: Operand) -> Any:  # noqa: ARG001 (a rule)
    return list(operands)


def _tan(x: Node) -> Node:
    return entrywise.divide(entrywise.sin(x), entrywise.cos(x))


def _exp2(x: Node) -> Node:
    return entrywise.exp(entrywise.multiply(x, constant(np.full(x.shape, np.log(2.0)))))


RULES.update(
    {
        "add": entry_by_entry(entrywise.add),
        "add_any": entry_by_entry(entrywise.add),
        "sub": entry_by_entry(entrywise.subtract),
        "mul": entry_by_entry(entrywise.multiply),
        "div": entry_by_entry(entrywise.divide),
        "neg": entry_by_entry(entrywise.negative),
        "exp": entry_by_entry(entrywise.exp),
        "expm1": entry_by_entry(entrywise.expm1),
        "log": entry_by_entry(entrywise.log),
        "log1p": entry_by_entry(entrywise.log1p),
        "sqrt": entry_by_entry(entrywise.sqrt),
        "rsqrt": entry_by_entry(entrywise.rsqrt),
        "tanh": entry_by_entry(entrywise.tanh),
        "logistic": entry_by_entry(entrywise.sigmoid),
        "sin": entry_by_entry(entrywise.sin),
        "cos": entry_by_entry(entrywise.cos),
        "tan": entry_by_entry(_tan),
        "atan": entry_by_entry(entrywise.arctan),
        "erf": entry_by_entry(entrywise.erf),
        "square": entry_by_entry(entrywise.square),
        "integer_pow": _integer_power,
        "pow": _power,
        "abs": _absolute,
        "sign": entry_by_entry(choices.sign),
        "max": extremum(choices.maximum, -np.inf),
        "min": extremum(choices.minimum, np.inf),
        "clamp": _clamp,
        "gt": compared(choices.greater, False),
        "lt": compared(lambda x, y: choices.greater(y, x), False),
        "ge": compared(choices.greater_equal, True),
        "le": compared(lambda x, y: choices.greater_equal(y, x), True),
        "eq": compared(choices.equal, True),
        "ne": compared(lambda x, y: choices.opposite(choices.equal(x, y)), False),
        "and": logical(choices.both),
        "or": logical(choices.either),
        "not": logical(choices.opposite),
        "xor": logical(
            lambda x, y: choices.either(choices.both(x, choices.opposite(y)), choices.both(choices.opposite(x), y))
        ),
        "is_finite": _finite,
        "select_n": _select,
        "convert_element_type": _converted,
        "reduce_precision": _precision,
        "stop_gradient": _stopped,
        "copy": _same,
        "copy_p": _same,
        "optimization_barrier": _same,
        "name": _same,
        "sharding_constraint": _same,
    }
)
