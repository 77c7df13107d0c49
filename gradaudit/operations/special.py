"""Special functions, entry by entry."""

from __future__ import annotations

from typing import Any

from gradaudit.exact import special
from gradaudit.graph import Node
from gradaudit.operations.arithmetic import multiply, negative
from gradaudit.operations.entrywise import bell, elementary, function_rounding, reciprocal
from gradaudit.operations.operation import Operand, Operation, define
from gradaudit.rounding.arithmetic import Arithmetic
from gradaudit.rounding.bound import Bound

erfc: Operation = elementary(special.ERFC, lambda x, y: negative(bell(x)))  # noqa: ARG005
erfinv: Operation = elementary(special.ERFINV, lambda x, y: reciprocal(bell(y)))  # noqa: ARG005
normal: Operation = elementary(special.NORMAL, lambda x, y: normal_density(x))  # noqa: ARG005
normal_density: Operation = elementary(special.NORMAL_DENSITY, lambda x, y: negative(multiply(x, y)))
lgamma: Operation = elementary(special.LGAMMA, lambda x, y: polygamma(x, n=0))  # noqa: ARG005


def _polygamma_rounding(fp: Arithmetic, value: Any, x: Operand, n: int) -> Bound:
    return function_rounding(special.polygamma(n))(fp, value, x)


polygamma: Operation = define(
    Operation(
        "polygamma",
        shape=lambda x, n: x,  # noqa: ARG005
        value=lambda A, x, n: A.function(special.polygamma(n), x),
        derivative=lambda node, g: [multiply(g, polygamma(node.inputs[0], n=node.parameters["n"] + 1))],
        rounding=_polygamma_rounding,
        algorithms="a library function of positive numbers, within 32 u; psi within 16 u, near its root of 1",
        source="DLMF 5.15",
    )
)


def digamma(x: Node) -> Node:
    """The derivative of lgamma, psi."""
    return polygamma(x, n=0)
