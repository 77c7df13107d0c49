"""A graph read by the second evaluation: exact values and bounds of every node (ROUNDING.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mpmath
import numpy as np
from mpmath import mpf

from gradaudit.graph import Node
from gradaudit.rounding.arithmetic import Arithmetic
from tests.library.again import functions, linear, orders, planar, pointwise, softmax
from tests.library.again.entry import DIGITS, OF_EVALUATION, Again, Machine, levelled, objects

RULES: dict[str, Callable[..., Again]] = {
    **{name: functions.function(name) for name in functions.OURS},
    "polygamma": functions.polygamma,
    "tanh_gradient": functions.tanh_gradient,
    "power": planar.power,
    "xlogy": planar.xlogy,
    "arctan2": planar.arctan2,
    "step": planar.step,
    "product": planar.product,
    "averaged": planar.averaged,
    "sort": orders.sort,
    "is_ranked": orders.is_ranked,
    "permuted": orders.permuted,
    "add": linear.add,
    "subtract": linear.subtract,
    "negative": linear.negative,
    "multiply": linear.multiply,
    "divide": linear.divide,
    "sum": linear.sum_,
    "cumulative_sum": linear.cumulative_sum,
    "scatter": linear.scatter,
    "matmul": linear.matmul,
    "affine": linear.affine,
    "sum_of_squares": linear.sum_of_squares,
    "integer_power": linear.integer_power,
    "power_gradient": linear.power_gradient,
    "greater": pointwise.comparison(lambda d: bool(d > 0)),
    "greater_equal": pointwise.comparison(lambda d: bool(d >= 0)),
    "equal": pointwise.comparison(lambda d: bool(d == 0)),
    "opposite": pointwise.opposite,
    "both": pointwise.both,
    "where": pointwise.where,
    "masked": pointwise.masked,
    "absolute": pointwise.absolute,
    "maximum": pointwise.maximum,
    "largest": pointwise.largest,
    "is_largest": pointwise.is_largest,
    "reshape": pointwise.arranged(lambda x, to: x.reshape(to)),
    "transpose": pointwise.arranged(lambda x, axes: x.transpose(axes)),
    "broadcast": pointwise.arranged(lambda x, to: np.broadcast_to(x, to)),
    "gather": pointwise.gather,
    "concatenate": pointwise.concatenate,
    "softmax": softmax.softmax,
    "log_softmax": softmax.log_softmax,
    "logsumexp": softmax.logsumexp,
    "log_softmax_gradient": softmax.log_softmax_gradient,
    "softmax_gradient": softmax.softmax_gradient,
    "beside_largest": softmax.beside_largest,
    "unshifted": softmax.unshifted,
    "cross_entropy": softmax.cross_entropy,
    "cross_entropy_gradient": softmax.cross_entropy_gradient,
    "onehot": softmax.onehot,
}


def read(
    fp: Arithmetic, order: Sequence[Node], given: Mapping[int, Any], of_evaluation: Any = OF_EVALUATION
) -> dict[int, Again]:
    """Every node of an order, by its id; `given` holds the arrays of the inputs."""
    result: dict[int, Again] = {}
    with mpmath.workdps(DIGITS):
        m = Machine(fp, of_evaluation)
        for node in order:
            result[id(node)] = _read(m, node, given, result)
    return result


def _read(m: Machine, node: Node, given: Mapping[int, Any], of: Mapping[int, Again]) -> Again:
    if not node.inputs and node.operation.name in ("input", "constant"):
        leaf = node.operation.name == "input"
        array = np.asarray(given[id(node)] if leaf else node.parameters["values"])
        entries = [m.given(mpf(x)) for x in array.ravel().tolist()]
        return Again(objects(entries, array.shape))
    result = RULES[node.operation.name](m, *(of[id(n)] for n in node.inputs), **node.parameters)
    return result if node.operation.mask else levelled(result)
