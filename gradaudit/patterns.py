"""Forms of one function that are bounded together: a softmax composed of its parts is the softmax.

Each rule replaces a node by another of the same exact value, whose rounding covers every usual way to compute it. They
are applied before a graph is differentiated: a program may differentiate any of the forms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradaudit.graph import Node, topological_order
from gradaudit.operations.arithmetic import multiply, negative, subtract
from gradaudit.operations.cross_entropy import Labels, cross_entropy
from gradaudit.operations.entrywise import exp, log
from gradaudit.operations.largest import largest
from gradaudit.operations.operation import Operation
from gradaudit.operations.powers import integer_power, sum_of_squares
from gradaudit.operations.products import affine, matmul
from gradaudit.operations.shapes import (
    broadcast,
    constant,
    constant_,
    gather,
    input_,
    reshape,
    stopped,
    sum_axis,
    transpose,
)
from gradaudit.operations.softmax import log_softmax, logsumexp, softmax, unshifted

#: What is made of arrays of more entries is not compared.
LARGE = 1 << 14


def recognised(outputs: Sequence[Node]) -> list[Node]:
    """The same outputs, with every known form replaced.

    What is computed twice stays two nodes: a program may differentiate each of them.
    """
    new: dict[int, Node] = {}
    for node in topological_order(outputs):
        inputs = tuple(new[id(n)] for n in node.inputs)
        rebuilt = node.on(inputs)
        form = FORMS.get(rebuilt.operation.name)
        new[id(node)] = (form(rebuilt) if form else None) or rebuilt
    return [new[id(node)] for node in outputs]


def merged(outputs: Sequence[Node]) -> list[Node]:
    """The same outputs, with what is computed twice computed once, for whoever only reads; each mask has its line."""
    new: dict[int, Node] = {}
    known: dict[Any, Node] = {}
    for node in topological_order(outputs):
        inputs = tuple(new[id(n)] for n in node.inputs)
        alone = node.operation is input_ or node.operation.mask or any(np.size(x) > LARGE for x in _arrays(node))
        key = id(node) if alone else (id(node.operation), node.shape, *map(id, inputs), *_details(node))
        new[id(node)] = known.setdefault(key, node.on(inputs))
    return [new[id(node)] for node in outputs]


def alike(node: Node, other: Node) -> bool:
    """Whether two nodes are computed by the same operations from the same inputs."""
    pairs, seen = [(node, other)], set()
    while pairs:
        a, b = pairs.pop()
        if a is b or (id(a), id(b)) in seen:
            continue
        seen.add((id(a), id(b)))
        if a.operation is not b.operation or a.operation is input_ or a.shape != b.shape or _details(a) != _details(b):
            return False
        pairs.extend(zip(a.inputs, b.inputs, strict=True))
    return True


def _arrays(node: Node) -> list[NDArray[Any]]:
    return [x for x in node.parameters.values() if isinstance(x, np.ndarray)]


def _details(node: Node) -> tuple[Any, ...]:
    return len(node.inputs), *(_comparable(value) for value in node.parameters.values())


def _comparable(value: Any) -> Any:
    return (value.shape, value.dtype.str, value.tobytes()) if isinstance(value, np.ndarray) else repr(value)


# --- the forms, by the operation at their end -------------------------------------------------------------------------


def _divided(node: Node) -> Node | None:
    """The softmax: exp z over the sum of its rows."""
    top, bottom = node.inputs
    if top.operation is exp and _is_sum_of(bottom, top):
        return _by_any_form(softmax, top.inputs[0], line=node.line)
    return None


def _negated(node: Node) -> Node | None:
    """What was negated twice."""
    x = node.inputs[0]
    return x.inputs[0] if x.operation is negative else None


def _log(node: Node) -> Node | None:
    """The logarithm of a softmax, or of the probabilities of labels."""
    x = node.inputs[0]
    if x.operation is softmax:
        return log_softmax(x.inputs[0], line=node.line)
    labels = _labels(x, softmax)
    return None if labels is None else _log_probability(x.inputs[0].inputs[0], labels, line=node.line)


def _exp(node: Node) -> Node | None:
    """The exponential of a log-softmax."""
    x = node.inputs[0]
    return softmax(x.inputs[0], line=node.line) if x.operation is log_softmax else None


def _subtracted(node: Node) -> Node | None:
    """The log-softmax: z less the logarithm of the sum of exp z; or log-sum-exp less the labels' own."""
    z, shift = node.inputs
    inner = _by_rows(shift)
    if inner is not None and inner.operation is log and inner.inputs[0].operation is sum_axis:
        e = inner.inputs[0].inputs[0]
        if e.operation is exp and alike(e.inputs[0], z) and _is_last(inner.inputs[0]):
            return _by_any_form(log_softmax, z, line=node.line)
    if inner is not None and inner.operation is logsumexp and alike(inner.inputs[0], z):
        return log_softmax(_unshifted(z), line=node.line)
    if z.operation is logsumexp:
        labels = _labels(shift, None)
        if labels is not None and alike(shift.inputs[0], z.inputs[0]):
            return cross_entropy(z.inputs[0], constant(labels), line=node.line)
    return None


def _gathered(node: Node) -> Node | None:
    """Of a log-softmax the entries of the labels, one a row."""
    labels = _labels(node, log_softmax)
    return None if labels is None else _log_probability(node.inputs[0].inputs[0], labels, line=node.line)


def _reshaped(node: Node) -> Node | None:
    """Of a log-softmax of one class the entries, whose labels can only be that class."""
    x = node.inputs[0]
    if x.operation is not log_softmax or x.shape != (*node.shape, 1):
        return None
    return _log_probability(x.inputs[0], np.zeros(node.shape, dtype=np.int64), line=node.line)


def _summed(node: Node) -> Node | None:
    """The sum of all squares; or that of the rows of a log-softmax times an array with one 1 a row, and else 0."""
    x = node.inputs[0]
    power = x.inputs[0] if x.operation is reshape else x
    if not node.shape and power.operation is integer_power and power.parameters["exponent"] == 2:
        return sum_of_squares(power.inputs[0], line=node.line)
    if x.operation is not multiply or not _is_last(node):
        return None
    for log_p, onehot in (x.inputs, x.inputs[::-1]):
        if log_p.operation is log_softmax and onehot.operation is constant_:
            Y = onehot.parameters["values"]
            if ((Y == 0) | (Y == 1)).all() and (Y.sum(axis=-1) == 1).all():
                return _log_probability(log_p.inputs[0], Y.argmax(axis=-1), line=node.line)
    return None


def _added(node: Node) -> Node | None:
    """A product and its bias; or m + log sum exp(x - m), where m is the largest of each row."""
    for x, b in (node.inputs, node.inputs[::-1]):
        if x.operation is matmul and _is_bias(b):
            return affine(*x.inputs, b.inputs[0] if b.operation is broadcast else b, line=node.line)
        if x.operation is reshape and x.inputs[0].operation is matmul and _is_row(b, x.inputs[0]):
            row = reshape(b.inputs[0], to=b.shape[-1:])
            return reshape(affine(*x.inputs[0].inputs, row, line=node.line), to=node.shape, line=node.line)
        if _is_convolution(x) and _is_of_channels(b):
            return _with_bias(x, reshape(b.inputs[0], to=b.shape[1:2]), node.line)
        if x.operation is log and x.inputs[0].operation is sum_axis and _is_last(x.inputs[0]):
            e = x.inputs[0].inputs[0]
            if e.operation is exp and e.inputs[0].operation is subtract:
                y, shift = e.inputs[0].inputs
                if _is_largest(shift, y) and _is_largest(b, y):
                    return logsumexp(y, line=node.line)
    return None


FORMS: dict[str, Callable[[Node], Node | None]] = {
    "divide": _divided, "log": _log, "exp": _exp, "subtract": _subtracted, "gather": _gathered, "sum": _summed,
    "add": _added, "negative": _negated, "reshape": _reshaped,
}  # fmt: skip


# --- what they are made of --------------------------------------------------------------------------------------------


def _log_probability(x: Node, labels: Labels, line: str) -> Node:
    """What a softmax has for the label of each row, in logarithms."""
    return negative(cross_entropy(x, constant(labels), line=line), line=line)


def _labels(node: Node, operation: object) -> Labels | None:
    """The label of each row where a node takes one entry a row from the result of an operation (None: from any)."""
    if node.operation is not gather or (operation is not None and node.inputs[0].operation is not operation):
        return None
    shape, index = node.inputs[0].shape, node.parameters["index"]
    if not shape or index.shape != shape[:-1] or not shape[-1]:
        return None
    first = np.arange(index.size).reshape(index.shape) * shape[-1]
    labels: Labels = index - first
    return labels if bool(((labels >= 0) & (labels < shape[-1])).all()) else None


def _is_bias(node: Node) -> bool:
    """Whether an addend is the same for every row of a product, or known from outside: it may be fused into it."""
    if node.operation is broadcast:
        inner = node.inputs[0].shape
        return len(inner) < 2 or inner[-2] == 1
    return node.operation is input_ or node.operation is constant_


def _is_row(node: Node, product: Node) -> bool:
    """Whether an addend is one row, repeated, as long as the rows of a product that was given more axes."""
    row = node.inputs[0].shape if node.operation is broadcast else ()
    return bool(row) and row[-1] == node.shape[-1] == product.shape[-1] == int(np.prod(row))


def _is_convolution(node: Node) -> bool:
    """Whether a node is what `windows.convolution` makes: sums of products, arranged anew."""
    by_sample = node.inputs[0] if node.operation is reshape else node
    if by_sample.operation is not transpose or by_sample.parameters["axes"] != (1, 0, 3, 2):
        return False
    sums = by_sample.inputs[0].inputs[0] if by_sample.inputs[0].operation is reshape else by_sample
    return sums.operation is matmul and node.shape[:2] == (by_sample.shape[0], by_sample.shape[1] * by_sample.shape[2])


def _is_of_channels(node: Node) -> bool:
    """Whether an addend is one number a channel, the second axis, repeated."""
    row = node.inputs[0].shape if node.operation is broadcast else ()
    row = (1,) * (node.ndim - len(row)) + row
    return node.ndim > 2 and row == (1, node.shape[1], *(1,) * (node.ndim - 2))


def _with_bias(node: Node, bias: Node, line: str) -> Node:
    """A convolution with a bias that takes part in the accumulation."""
    by_sample = node.inputs[0]
    stacked = by_sample.inputs[0]
    sums = stacked.inputs[0]
    sums = affine(*sums.inputs, reshape(bias, to=(sums.shape[0], 1, sums.shape[-1])), line=line)
    by_sample = transpose(reshape(sums, to=stacked.shape), axes=(1, 0, 3, 2))
    return reshape(by_sample, to=node.shape, line=line)


def _core(node: Node) -> Node:
    """A node before axes of length 1 were given to it or taken from it."""
    while node.operation is reshape and _long(node.shape) == _long(node.inputs[0].shape):
        node = node.inputs[0]
    return node


def _long(shape: tuple[int, ...]) -> list[int]:
    return [n for n in shape if n != 1]


def _is_last(node: Node) -> bool:
    """Whether a sum is over the last axis."""
    return bool(node.parameters["axis"] == node.inputs[0].ndim - 1)


def _by_rows(node: Node) -> Node | None:
    """What is repeated along the last axis in a node, one number a row; None if that is not what it is."""
    inner = node.inputs[0] if node.operation is broadcast else node  # rows of one number are repeated as they are
    if not inner.shape or inner.shape[-1] != 1 or inner.shape[:-1] != node.shape[:-1]:
        return None
    if inner.operation is reshape and inner.inputs[0].shape == inner.shape[:-1]:
        return inner.inputs[0]
    if inner.operation is log and inner.inputs[0].operation is reshape:  # the axis of a sum was kept
        core = inner.inputs[0].inputs[0]
        return log(core) if core.shape == inner.shape[:-1] else None
    return inner if inner.operation in (log, logsumexp, sum_axis) else None


def _is_sum_of(node: Node, terms: Node) -> bool:
    """Whether a node is the sum of the rows of another, repeated along them."""
    inner = _by_rows(node)
    return inner is not None and inner.operation is sum_axis and _is_last(inner) and alike(inner.inputs[0], terms)


def _by_any_form(operation: Operation, z: Node, line: str) -> Node:
    """A softmax, or its logarithm, of z; where z is not known to be shifted by its largest, exp z may overflow."""
    x = _unshifted(z)
    y = operation(x, line=line)
    return y if x is not z else unshifted(y, x, logarithm=operation is log_softmax, line=line)


def _unshifted(z: Node) -> Node:
    """The argument of a softmax without the largest of each row that was subtracted from it: the softmax is the same.

    Nothing else may be left out: a program rounds the difference, and differentiates by what is subtracted.
    """
    while z.operation is subtract and _is_largest(z.inputs[1], z.inputs[0]):
        z = z.inputs[0]
    return z


def _is_largest(node: Node, x: Node) -> bool:
    """Whether a node is the largest of each row of x, in any shape that leaves it one number a row."""
    core = _core(node.inputs[0] if node.operation is broadcast else node)
    core = _core(core.inputs[0]) if core.operation is stopped else core
    if core.operation is not largest or core.parameters["axis"] != core.inputs[0].ndim - 1:
        return False
    return core.inputs[0].shape == x.shape and _has_rows(node, x) and alike(core.inputs[0], x)


def _has_rows(node: Node, x: Node) -> bool:
    """Whether the numbers of x's rows stand where those rows are: one a row, or repeated along it."""
    inner = node.inputs[0] if node.operation is broadcast else node
    return node.shape == x.shape[:-1] or inner.shape in ((*x.shape[:-1], 1), *([()] if x.ndim == 1 else []))
