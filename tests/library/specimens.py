"""Every operation on random operands: its node, and the same in NumPy.

An elementary function is picked up from the table of functions by itself, any other operation from `SPECIMENS`; one
that is in neither has no proof, and a test says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from gradaudit.exact.functions import FUNCTIONS
from gradaudit.graph import Node, Shape, topological_order
from gradaudit.operations import OPERATIONS, choices, cross_entropy, entrywise, largest, normalisation, orders
from gradaudit.operations import softmax as soft
from gradaudit.operations.arrangements import places
from gradaudit.operations.shapes import broadcast, constant, gather, input_, reshape
from gradaudit.operations.whole import STEPS, step
from tests.library import forms
from tests.library.draws import (
    Drawn,
    along_axis,
    binary,
    gathered,
    labelled,
    labelled_with_cotangent,
    matrices,
    pieces,
    powers,
    repeated,
    reshaped,
    rows,
    scattered,
    shape,
    slopes,
    transposed,
    unary,
    with_bias,
    with_row_cotangent,
)

Array = NDArray[Any]


@dataclass(frozen=True)
class Specimen:
    """How to pose an operation.

    Attributes
    ----------
    draw : callable
        rng -> the shapes of its operands, and its parameters.
    programs : tuple of callable
        The same in NumPy, in several usual forms: (*arrays, **parameters) -> array.
    make : callable, optional
        (*nodes, **parameters) -> its node; the operation itself where there is none.
    positive : bool
        Whether most of its operands are to be positive.
    domain : callable
        What brings an array to where it is defined.
    """

    draw: Callable[[Generator], Drawn]
    programs: tuple[Callable[..., Any], ...]
    make: Callable[..., Node] | None = None
    positive: bool = False
    domain: Callable[[Array], Array] = np.asarray


@dataclass(frozen=True)
class Pose:
    """An operation on operands.

    Attributes
    ----------
    output : Node
        Its node.
    inputs : list of Node
        Those of its operands.
    arrays : list of ndarray
        The operands.
    programs : list of callable
        arrays -> the result in NumPy.
    """

    output: Node
    inputs: list[Node]
    arrays: list[Array]
    programs: list[Callable[..., Any]] = field(default_factory=list)


# --- all of them -----------------------------------------------------------------------------------------------------


def zeros(x: Node) -> Node:
    return constant(np.zeros(x.shape))


def logsumexp_gradient(x: Node, g: Node) -> Node:
    """The derivative of log-sum-exp, at whose largest entries that of the maximum is added."""
    (by_x,) = soft.logsumexp.derivative(soft.logsumexp(x), g)
    assert by_x is not None
    return by_x


def chosen_by(comparison: Any) -> Callable[..., Node]:
    """The smaller by one comparison, the larger by another."""
    return lambda x, y: choices.where(comparison(x, y), y, x)


def inside(x: Array) -> Array:
    """What is outside of -1 and 1 goes inside."""
    with np.errstate(all="ignore"):
        return np.where(np.abs(x) > 1, 1 / x, x).astype(x.dtype)


def outside(x: Array) -> Array:
    """Above 1."""
    with np.errstate(all="ignore"):
        return np.where(np.abs(x) < 1, np.minimum(1 / np.abs(x), np.finfo(x.dtype).max), np.abs(x)).astype(x.dtype)


#: Where elementary functions are defined that are not so everywhere, or for all positive numbers.
DOMAINS: dict[str, Callable[[Array], Array]] = {
    "arcsin": inside,
    "arccos": inside,
    "arctanh": inside,
    "arccosh": outside,
    "erfinv": inside,
}


def at_rank(x: Node, g: Node) -> Node:
    """G where x is the middle one of its row, else 0."""
    n = x.shape[-1]
    index = np.moveaxis(places((*x.shape, n)), -2, 0)[n // 2]
    mask = orders.is_ranked(x)
    wide = broadcast(reshape(g, to=(*g.shape[:-1], 1, n)), to=(*g.shape, n))
    return gather(choices.where(mask, wide, zeros(wide)), index=index)


FORMS: dict[str, tuple[Callable[..., Any], ...]] = {
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), FUNCTIONS["sigmoid"].plain),
    "softplus": (lambda x: np.logaddexp(x, np.zeros_like(x)), FUNCTIONS["softplus"].plain),
    "erf": (forms.in_float64(FUNCTIONS["erf"].plain),),
    "bell": (forms.bell,),
    "erfc": (forms.in_float64(FUNCTIONS["erfc"].plain),),
    "erfinv": (forms.in_float64(FUNCTIONS["erfinv"].plain),),
    "normal": (forms.in_float64(FUNCTIONS["normal"].plain), forms.normal),
    "lgamma": (forms.in_float64(FUNCTIONS["lgamma"].plain),),
}
SPECIMENS: dict[str, Specimen] = {
    "tanh_gradient": Specimen(binary, (lambda y, g: g * (1 - y * y), lambda y, g: (g + g * y) * (1 - y))),
    "product": Specimen(along_axis(), (lambda x, axis: x.prod(axis=axis), forms.factors)),
    "sort": Specimen(rows(), (lambda x: np.sort(x, axis=-1),)),
    "is_ranked": Specimen(rows(2), (forms.at_rank,), at_rank),
    "permuted": Specimen(
        rows(2),
        (lambda x, g: np.take_along_axis(g, np.argsort(x, axis=-1, kind="stable"), -1),),
        lambda x, g: orders.permuted(orders.is_ranked(x), g, inverse=False),
    ),
    "power": Specimen(binary, (np.power, lambda x, y: np.float_power(x, y).astype(x.dtype)), positive=True),
    "xlogy": Specimen(binary, (lambda x, y: np.where(x == 0, x, x * np.log(y)),), positive=True),
    "arctan2": Specimen(binary, (np.arctan2,)),
    "step": Specimen(
        lambda rng: ([shape(rng)], {"to": str(rng.choice(list(STEPS)))}),
        (lambda x, to: x * STEPS[to](x),),
        lambda x, to: entrywise.multiply(x, step(x, to=to)),
    ),
    "polygamma": Specimen(lambda rng: ([shape(rng)], {"n": int(rng.integers(3))}), (forms.polygamma,), positive=True),
    "add": Specimen(binary, (np.add,)),
    "subtract": Specimen(binary, (np.subtract,)),
    "negative": Specimen(unary, (np.negative,)),
    "multiply": Specimen(binary, (np.multiply,)),
    "divide": Specimen(binary, (np.divide, lambda x, y: x * (1 / y))),
    "integer_power": Specimen(powers, (lambda x, exponent: x**exponent, forms.products)),
    "maximum": Specimen(binary, (np.maximum,)),
    "absolute": Specimen(unary, (np.abs, lambda x: np.maximum(x, -x), lambda x: np.where(x > 0, x, -x))),
    "where": Specimen(
        binary, (lambda x, y: np.where(x > y, x, y),), lambda x, y: choices.where(choices.greater(x, y), x, y)
    ),
    "masked": Specimen(
        binary,
        (lambda x, y: np.where(x > y, x, 0), lambda x, y: x * (x > y)),
        lambda x, y: choices.masked(choices.greater(x, y), x),
    ),
    "greater": Specimen(binary, (lambda x, y: np.where(x > y, y, x),), chosen_by(choices.greater)),
    "greater_equal": Specimen(binary, (lambda x, y: np.where(x >= y, y, x),), chosen_by(choices.greater_equal)),
    "equal": Specimen(binary, (lambda x, y: np.where(x == y, y, x),), chosen_by(choices.equal)),
    "largest": Specimen(along_axis(empty=False), (lambda x, axis: x.max(axis=axis),)),
    "opposite": Specimen(
        binary,
        (lambda x, y: np.where(x > y, x, y),),
        lambda x, y: choices.where(choices.opposite(choices.greater(x, y)), y, x),
    ),
    "both": Specimen(
        binary,
        (lambda x, y: np.where((x > y) & (y >= 0 * y), x, y),),
        lambda x, y: choices.where(choices.both(choices.greater(x, y), choices.greater_equal(y, zeros(y))), x, y),
    ),
    "is_largest": Specimen(along_axis(2, empty=False), (forms.at_largest,), largest.at_largest),
    "sum": Specimen(along_axis(), (lambda x, axis: x.sum(axis=axis), forms.one_by_one)),
    "cumulative_sum": Specimen(along_axis(empty=False), (lambda x, axis: np.cumsum(x, axis=axis),)),
    "reshape": Specimen(reshaped, (lambda x, to: x.reshape(to),)),
    "transpose": Specimen(transposed, (lambda x, axes: x.transpose(axes),)),
    "broadcast": Specimen(repeated, (lambda x, to: np.broadcast_to(x, to),)),
    "gather": Specimen(gathered, (forms.gather,)),
    "scatter": Specimen(scattered, (forms.scatter,)),
    "concatenate": Specimen(pieces, (lambda *xs, axis: np.concatenate(xs, axis=axis),)),
    "matmul": Specimen(matrices, (np.matmul, lambda x, y: np.einsum("...ij,...jk->...ik", x, y))),
    "affine": Specimen(with_bias, (lambda x, y, b: np.matmul(x, y) + b, forms.bias_first)),
    "sum_of_squares": Specimen(
        unary, (lambda x: (x * x).sum(), lambda x: np.dot(x.ravel(), x.ravel()), lambda x: (x**2).sum())
    ),
    "power_gradient": Specimen(
        slopes,
        (
            lambda x, g, exponent: g * (x.dtype.type(exponent) * x ** (exponent - 1)),
            lambda x, g, exponent: x.dtype.type(exponent) * (g * forms.products(x, exponent - 1)),
            lambda x, g, exponent: (
                sum([g * forms.products(x, exponent - 1)] * exponent, np.zeros_like(x))
                if exponent > 0
                else g * x.dtype.type(exponent) * forms.products(x, exponent - 1)
            ),
        ),
    ),
    "cross_entropy": Specimen(
        labelled,
        (
            lambda x, labels: -forms.picked(forms.log_softmax(x), labels),
            lambda x, labels: np.log(np.exp(forms.shifted(x)).sum(axis=-1)) - forms.picked(forms.shifted(x), labels),
        ),
        lambda x, labels: cross_entropy.cross_entropy(x, constant(labels)),
    ),
    "cross_entropy_gradient": Specimen(
        labelled_with_cotangent,
        (forms.cross_entropy_gradient, forms.second_cross_entropy_gradient),
        lambda x, g, labels: cross_entropy.cross_entropy_gradient(x, constant(labels), g),
    ),
    "onehot": Specimen(
        labelled,
        (lambda x, labels: x * forms.onehot(x, labels),),
        lambda x, labels: entrywise.multiply(x, cross_entropy.onehot(constant(labels), columns=x.shape[-1])),
    ),
    "beside_largest": Specimen(
        with_row_cotangent, (forms.logsumexp_gradient, forms.second_logsumexp_gradient), logsumexp_gradient
    ),
    "unshifted": Specimen(
        rows(),
        (lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True),),
        lambda x: soft.unshifted(soft.softmax(x), x, logarithm=False),
    ),
    "averaged": Specimen(
        along_axis(empty=False),
        (lambda x, axis: x.mean(axis=axis, keepdims=True), forms.welford),
        lambda x, axis: normalisation.average(x, [axis]),
    ),
    "softmax": Specimen(rows(), (forms.softmax, lambda x: np.exp(forms.log_softmax(x)))),
    "softmax_gradient": Specimen(
        rows(2), (forms.softmax_gradient, forms.second_softmax_gradient, forms.composed_softmax_gradient)
    ),
    "log_softmax": Specimen(rows(), (forms.log_softmax,)),
    "logsumexp": Specimen(rows(), (forms.logsumexp,)),
    "log_softmax_gradient": Specimen(rows(2), (forms.log_softmax_gradient, forms.second_log_softmax_gradient)),
}
#: What a graph begins with has no operands.
LEAVES = {"input", "constant"}
NAMES = sorted(set(OPERATIONS) - LEAVES)


def specimen(name: str) -> Specimen:
    """That of an operation.

    Raises
    ------
    LookupError
        If it has none, and is no elementary function.
    """
    if name in SPECIMENS:
        return SPECIMENS[name]
    if name not in FUNCTIONS:
        raise LookupError(f"the operation {name!r} has no specimen: add it to SPECIMENS in tests/library/specimens.py")
    f = FUNCTIONS[name]
    positive = not bool(f.defined(np.array(-2.0), np.array(-2.0)))
    return Specimen(unary, FORMS.get(name, (f.plain,)), positive=positive, domain=DOMAINS.get(name, np.asarray))


def posed(name: str, rng: Generator, numbers: Callable[[Generator, Shape, bool], Array]) -> Pose:
    """An operation on random operands, which `numbers` draws: (rng, shape, whether they are to be positive)."""
    of = specimen(name)
    shapes, parameters = of.draw(rng)
    inputs = [input_(size=size) for size in shapes]
    output = (of.make or OPERATIONS[name])(*inputs, **parameters)
    arrays = [of.domain(numbers(rng, size, of.positive)) for size in shapes]
    programs = [lambda *xs, f=f: f(*xs, **parameters) for f in of.programs]
    return Pose(output, inputs, arrays, programs)


def plain(rng: Generator, size: Shape, positive: bool) -> Array:
    """Numbers without a twist: no kink, no tie, nothing large or small."""
    x = rng.standard_normal(size)
    return np.exp(x) if positive else np.asarray(x)


def evaluated(A: Any, outputs: list[Node], given: dict[int, Any]) -> list[Any]:
    """The outputs in an arithmetic, the inputs given in it."""
    own: dict[int, Any] = dict(given)
    for node in topological_order(outputs):
        if id(node) not in own:
            own[id(node)] = node.operation.value(A, *(own[id(n)] for n in node.inputs), **node.parameters)
    return [own[id(node)] for node in outputs]
