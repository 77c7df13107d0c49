"""Primitives entry by entry: arithmetic, elementary functions, comparisons, masks, choices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from gradaudit.graph import Node
from gradaudit.jax.following import RULES, Equation, judged
from gradaudit.jax.operands import Known, Operand, is_float, known, mask_of, node_of, number, repeated
from gradaudit.operations import choices, entrywise, planar, special, statistics, whole
from gradaudit.operations.arrangements import mixed, places
from gradaudit.operations.shapes import broadcast, constant, constant_, reshape, stopped, sum_axis


def marked(node: Node, here: Equation) -> Node:
    """The node, with where it stands; what a graph begins with stays itself."""
    return Node(node.operation, node.inputs, node.shape, node.parameters, here.line) if node.inputs else node


def entry_by_entry(operation: Callable[..., Node], read: Callable[[Operand], Node] = number) -> Callable[..., Node]:
    """The rule of a function of arrays that are repeated to one shape."""

    def rule(here: Equation, *operands: Operand) -> Node:
        return marked(operation(*(repeated(read(x), here.shape) for x in operands)), here)

    return rule


def compared(operation: Callable[..., Node], of_itself: bool, order: int) -> Callable[..., Operand]:
    """The rule of a comparison.

    A number compared with itself, or with an infinity, is not asked for rounding: every number of a definition is
    finite. Whole numbers are compared with what lies between them, so that no tie is left open.

    Parameters
    ----------
    operation : callable
        Of two nodes, where the first is to be the larger one (`order` 1) or the smaller one (-1); 0 for eq and ne.
    of_itself : bool
        What a number compared with itself gives.
    order : {1, -1, 0}
        Which operand is to be larger.
    """
    rule = entry_by_entry(operation)

    def comparison(here: Equation, x: Operand, y: Operand) -> Operand:
        if x is y:
            return known(np.full(here.shape, of_itself))
        for b, side in ((y, 1), (x, -1)):
            if isinstance(b, Known) and is_float(b.value.dtype) and _all_infinite(b.array):
                return known(np.full(here.shape, _beside_infinity(b.array, order * side, of_itself)))
        if is_float(here.operand(0).dtype):
            return rule(here, x, y)
        return _whole_compared(here, number(x), number(y), of_itself, order)

    return comparison


def _all_infinite(array: Any) -> bool:
    return bool(array.size and np.isinf(array).all() and (array == array.ravel()[0]).all())


def _beside_infinity(array: Any, order: int, of_itself: bool) -> bool:
    """What a comparison of a finite number with an infinity gives."""
    if order == 0:
        return not of_itself
    return bool(array.ravel()[0] < 0) == (order > 0)


def _whole_compared(here: Equation, x: Node, y: Node, of_itself: bool, order: int) -> Node:
    x, y = repeated(x, here.shape), repeated(y, here.shape)
    half = constant(np.full(here.shape, 0.5))
    if order < 0:
        x, y = y, x
    above = choices.greater(x, entrywise.subtract(y, half), line=here.line)  # x >= y
    if order:
        return above if of_itself else choices.greater(x, entrywise.add(y, half), line=here.line)
    same = choices.both(above, choices.greater(entrywise.add(y, half), x, line=here.line))
    return same if of_itself else choices.opposite(same)


def logical(operation: Callable[..., Node]) -> Callable[..., Node]:
    """The rule of a function of masks."""
    rule = entry_by_entry(operation, mask_of)

    def function(here: Equation, *operands: Operand) -> Node:
        if np.dtype(bool) != here.dtype:
            raise here.refuse("of bits of numbers that depend on an input")
        return rule(here, *operands)

    return function


def extremum(operation: Callable[..., Node], neutral: float) -> Callable[..., Operand]:
    """The rule of max or min; an operand that never is the result is left out."""
    rule = entry_by_entry(operation)

    def function(here: Equation, x: Operand, y: Operand) -> Operand:
        if np.dtype(bool) == here.dtype:
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
        return marked(statistics.raised(base, float(y.array.ravel()[0])), here)
    return marked(planar.power(base, repeated(number(y), here.shape)), here)


def _divide(here: Equation, x: Operand, y: Operand) -> Node:
    if not is_float(here.dtype):
        raise here.refuse("divides whole numbers that depend on an input")
    return _QUOTIENT(here, x, y)


_QUOTIENT = entry_by_entry(entrywise.divide)


def _rounded(here: Equation, x: Operand) -> Node:
    if here.params["rounding_method"] != jax.lax.RoundingMethod.TO_NEAREST_EVEN:
        raise here.refuse("rounds halves away from zero")
    return marked(whole.step(number(x), to="round"), here)


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
    masks = np.dtype(bool) == here.dtype
    result = repeated(mask_of(cases[0]) if masks else number(cases[0]), here.shape)
    for n, case in enumerate(cases[1:], 1):
        chosen = node_of(which) if node_of(which).operation.mask else _reaches(node_of(which), n)
        chosen = repeated(chosen, here.shape)
        if masks:
            result = _either(chosen, repeated(mask_of(case), here.shape), result)
        else:
            result = choices.where(chosen, repeated(number(case), here.shape), result, line=here.line)
    return result


def _either(mask: Node, yes: Node, no: Node) -> Node:
    """One mask where a mask holds, and another where it does not."""
    return choices.either(choices.both(mask, yes), choices.both(choices.opposite(mask), no))


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
    return mask_of(result, whole=True) if np.dtype(bool) == here.dtype else result


def _only(node: Node, chosen: Any) -> Node:
    """A node whose other entries are never used: of a constant they become 0, since they may be no numbers."""
    if node.operation is broadcast and node.inputs[0].operation is constant_:
        node = constant(np.broadcast_to(node.inputs[0].parameters["values"], node.shape))
    if node.operation is not constant_:
        return node
    return constant(np.where(chosen, node.parameters["values"], 0.0))


def _is_narrower(dtype: Any, source: Any) -> bool:
    """Whether a dtype of floats has fewer digits than another one, or smaller numbers."""
    own, other = jax.numpy.finfo(dtype), jax.numpy.finfo(source)
    return bool(own.nmant < other.nmant or float(own.max) < float(other.max) / 2)


def _converted(here: Equation, x: Operand) -> Operand:
    """The same numbers in another dtype; to a narrower one of floats they would be rounded."""
    source, target = here.operand(0).dtype, here.dtype
    if np.dtype(bool) == target:
        return mask_of(x, whole=not is_float(source))
    if not is_float(target):
        return marked(whole.step(number(x), to="trunc"), here) if is_float(source) else number(x)
    narrower = is_float(source) and _is_narrower(target, source)
    if narrower and not (target == judged.get() and target.itemsize == 2):  # each operation is rounded to such a dtype
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


def _stopped(here: Equation, x: Operand) -> Operand:
    node = node_of(x)
    return node if node.operation.mask else stopped(node, line=here.line)


def _same(here: Equation, *operands: Operand) -> Any:  # noqa: ARG001 (a rule)
    return list(operands)


RULES.update(
    {
        "add": entry_by_entry(entrywise.add),
        "add_any": entry_by_entry(entrywise.add),
        "sub": entry_by_entry(entrywise.subtract),
        "mul": entry_by_entry(entrywise.multiply),
        "div": _divide,
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
        "tan": entry_by_entry(entrywise.tan),
        "asin": entry_by_entry(entrywise.arcsin),
        "acos": entry_by_entry(entrywise.arccos),
        "atan": entry_by_entry(entrywise.arctan),
        "atan2": entry_by_entry(planar.arctan2),
        "sinh": entry_by_entry(entrywise.sinh),
        "cosh": entry_by_entry(entrywise.cosh),
        "asinh": entry_by_entry(entrywise.arcsinh),
        "acosh": entry_by_entry(entrywise.arccosh),
        "atanh": entry_by_entry(entrywise.arctanh),
        "exp2": entry_by_entry(entrywise.exp2),
        "cbrt": entry_by_entry(entrywise.cbrt),
        "erfc": entry_by_entry(special.erfc),
        "erf_inv": entry_by_entry(special.erfinv),
        "lgamma": entry_by_entry(special.lgamma),
        "digamma": entry_by_entry(special.digamma),
        "floor": entry_by_entry(lambda x: whole.step(x, to="floor")),
        "ceil": entry_by_entry(lambda x: whole.step(x, to="ceil")),
        "round": _rounded,
        "rem": entry_by_entry(whole.fmod),
        "erf": entry_by_entry(entrywise.erf),
        "square": entry_by_entry(entrywise.square),
        "integer_pow": _integer_power,
        "pow": _power,
        "abs": _absolute,
        "sign": entry_by_entry(choices.sign),
        "max": extremum(choices.maximum, -np.inf),
        "min": extremum(choices.minimum, np.inf),
        "clamp": _clamp,
        "gt": compared(choices.greater, False, 1),
        **dict.fromkeys(("lt", "lt_to"), compared(lambda x, y: choices.greater(y, x), False, -1)),
        "ge": compared(choices.greater_equal, True, 1),
        **dict.fromkeys(("le", "le_to"), compared(lambda x, y: choices.greater_equal(y, x), True, -1)),
        **dict.fromkeys(("eq", "eq_to"), compared(choices.equal, True, 0)),
        "ne": compared(lambda x, y: choices.opposite(choices.equal(x, y)), False, 0),
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
