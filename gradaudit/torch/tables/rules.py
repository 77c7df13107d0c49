"""How an operation of ATen is followed: what is shared by the tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch._decomp import decomposition_table

from gradaudit.graph import Node
from gradaudit.operations.arithmetic import times
from gradaudit.operations.arrangements import mixed, places
from gradaudit.operations.choices import where
from gradaudit.operations.shapes import as_shape, constant, constant_

F = TypeVar("F", bound=Callable[..., Any])


class Rule(NamedTuple):
    """How an operation is followed.

    Attributes
    ----------
    function : callable
        Of its arguments, floats and masks as nodes and whole numbers as arrays: the nodes of its results; None for
        what is no float.
    of_result : bool
        Whether the function is given the results that were computed, too, before its arguments.
    plain : bool
        Whether it takes masks as arrays: as the run had them.
    """

    function: Callable[..., Any]
    of_result: bool = False
    plain: bool = False


#: Every rule by the name of the operation, without the underscore of what writes in place.
RULES: dict[str, Rule] = {}
#: What depends on no number: results are constants.
EMPTY = {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted"}
CONSTANTS = EMPTY | {
    *("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full", "zeros", "ones", "full"),
    *("argmax", "argmin", "nonzero", "isnan", "isinf", "isfinite", "bucketize", "searchsorted", "isneginf", "isposinf"),
    *("zero", "argsort", "signbit", "count_nonzero", "histc", "allclose", "equal", "is_nonzero", "eye"),
    *("scalar_tensor", "logical_xor", "any", "all", "isin"),
    *("is_same_size"),
}
#: What is drawn: a constant, once it is.
RANDOM = {
    *("bernoulli", "rand_like", "randn_like", "randint_like", "uniform", "normal", "exponential", "cauchy", "random"),
    *("log_normal", "geometric", "multinomial", "poisson", "rand", "randn", "randint", "randperm"),
}
#: What decides: where it depends on no input, as it was.
DECIDING = {"floor", "ceil", "round", "trunc", "gt", "lt", "ge", "le", "eq", "ne", "logical_not", "bitwise_not", "sign"}
#: What is let through: it computes nothing.
PASSIVE = {
    "_local_scalar_dense",
    "item",
    "sym_size",
    "size",
    "stride",
    "is_pinned",
    "sym_stride",
    "_has_compatible_shallow_copy_type",
}
#: PyTorch's own definitions of what is composite.
DECOMPOSED: dict[Any, Callable[..., Any]] = decomposition_table


def rule(*names: str, of_result: bool = False, plain: bool = False) -> Callable[[F], F]:
    """Take a function for the rule of operations."""

    def defined(function: F) -> F:
        for name in names:
            assert name not in RULES, name
            RULES[name] = Rule(function, of_result, plain)
        return function

    return defined


#: What stands for infinity: larger than any number that is added to it or compared with it.
INFINITE = 2.0**100


def known(values: Any) -> Node:
    """A constant, whose infinite entries are very large numbers: a mask of attention has them."""
    return constant(finite(np.asarray(values, dtype=np.float64)))


def finite(values: Any) -> Any:
    """Numbers, the infinite ones of which are very large instead."""
    return np.where(np.isinf(values), np.copysign(INFINITE, values), values)


def infinite(x: Node) -> Any:
    """Where a node is infinite, since constants of that kind were put there; None if nowhere."""
    chosen = _infinite(x)
    return chosen if chosen is not None and chosen.any() else None


def _infinite(x: Node) -> Any:
    if x.operation is constant_:
        return np.abs(x.parameters["values"]) == INFINITE
    if not x.inputs or x.operation.name not in ("gather", "concatenate", "reshape", "broadcast", "transpose"):
        return None
    parts = [_infinite(n) for n in x.inputs]
    if all(p is None for p in parts):
        return None
    whole = [np.zeros(n.shape, dtype=bool) if p is None else p for p, n in zip(parts, x.inputs, strict=True)]
    if x.operation.name == "concatenate":
        return np.concatenate(whole, x.parameters["axis"])
    if x.operation.name == "gather":
        return np.append(whole[0].reshape(-1), False)[x.parameters["index"]]
    if x.operation.name == "transpose":
        return whole[0].transpose(x.parameters["axes"])
    to = x.parameters["to"]
    return whole[0].reshape(to) if x.operation.name == "reshape" else np.broadcast_to(whole[0], to)


def node(x: Any) -> Node:
    """An operand as a node: a number or an array is a constant."""
    return x if isinstance(x, Node) else known(x)


def number(x: Any) -> Node:
    """The same, a mask as ones and zeros."""
    n = node(x)
    if not n.operation.mask:
        return n
    return where(n, constant(np.ones(n.shape)), constant(np.zeros(n.shape)), line=n.line)


def alike(*operands: Any) -> list[Node]:
    """Operands, repeated to one shape."""
    nodes = [number(x) for x in operands]
    shape = np.broadcast_shapes(*(n.shape for n in nodes))
    return [as_shape(n, shape) for n in nodes]


def constants(x: Node, value: float) -> Node:
    """A number in the shape of a node."""
    return constant(np.full(x.shape, float(value)))


def scaled(x: Any, factor: Any) -> Node:
    """A multiple; the same where the factor is 1."""
    n = number(x)
    return n if factor == 1 else times(n, float(factor))


def with_line(n: Any, line: str, known: dict[int, Node]) -> Any:
    """A node, and those without a line that it is made of, with where they stand; inputs stay themselves."""
    if not isinstance(n, Node) or not n.inputs:
        return n
    if id(n) not in known:
        inputs = tuple(x if x.line else with_line(x, line, known) for x in n.inputs)
        known[id(n)] = Node(n.operation, inputs, n.shape, n.parameters, line)
    return known[id(n)]


def on_tensors(x: Any) -> Any:
    """An array as a tensor."""
    return torch.from_numpy(np.array(x)) if isinstance(x, np.ndarray) else x


def constant_where(chosen: Any, value: float, other: Node) -> Node:
    """A number where an array says so, else the entries of a node."""
    return mixed(other, np.where(chosen, -1, places(other.shape)), constants(other, value))
