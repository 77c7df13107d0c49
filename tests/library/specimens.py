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
from gradaudit.operations import OPERATIONS, choices, cross_entropy, entrywise
from gradaudit.operations.shapes import constant, input_
from tests.library import forms

Array = NDArray[Any]
Parameters = dict[str, Any]
Drawn = tuple[list[Shape], Parameters]

#: Sizes of axes: ones, primes and others.
SIZES = (1, 1, 2, 3, 4, 5, 7)
#: The most entries of an operand, but for a long axis.
MOST, LONG = 60, 131


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


def shape(rng: Generator, least: int = 0, empty: bool = True) -> Shape:
    """A random shape of `least` to three axes; now and then with an axis of no entries, if it may, or a long one."""
    sizes = [int(rng.choice(SIZES)) for _ in range(rng.integers(least, 4))]
    while np.prod(sizes, dtype=int) > MOST:
        sizes[int(np.argmax(sizes))] = 1
    if sizes and rng.random() < 0.05:
        sizes[rng.integers(len(sizes))] = 0 if empty else 1
    if sizes and rng.random() < 0.02:
        sizes = [1] * (len(sizes) - 1) + [LONG]
    return tuple(sizes)


def unary(rng: Generator) -> Drawn:
    return [shape(rng)], {}


def binary(rng: Generator) -> Drawn:
    return [shape(rng)] * 2, {}


def powers(rng: Generator) -> Drawn:
    return [shape(rng)], {"exponent": int(rng.integers(-5, 7))}


def along_axis(operands: int = 1, empty: bool = True) -> Callable[[Generator], Drawn]:
    def draw(rng: Generator) -> Drawn:
        x = shape(rng, 1, empty)
        return [x] * operands, {"axis": int(rng.integers(len(x)))}

    return draw


def rows(operands: int = 1) -> Callable[[Generator], Drawn]:
    """Along the last axis, which has entries."""
    return lambda rng: ([shape(rng, 1, empty=False)] * operands, {})


def matrices(rng: Generator) -> Drawn:
    leading = shape(rng)[:1]
    n, k, m = (int(rng.choice(SIZES)) for _ in range(3))
    k = 0 if rng.random() < 0.05 else LONG if rng.random() < 0.02 else k
    return [(*leading, n, k), (*leading, k, m)], {}


def with_bias(rng: Generator) -> Drawn:
    """Matrices, and a bias that is repeated to their product."""
    (x, y), _ = matrices(rng)
    full = (*x[:-1], y[-1])
    bias = tuple(1 if rng.random() < 0.4 else n for n in full)
    return [x, y, bias[rng.integers(len(bias) + 1) :]], {}


def slopes(rng: Generator) -> Drawn:
    """Of a power, pulled back with an array or with one number."""
    x = shape(rng)
    return [x, x if rng.random() < 0.5 else ()], {"exponent": int(rng.choice((-5, -3, -2, -1, 2, 2, 3, 6)))}


def labelled(rng: Generator) -> Drawn:
    """Rows, which have entries, and the label of each."""
    x = shape(rng, 1, empty=False)
    return [x], {"labels": rng.integers(x[-1], size=x[:-1])}


def labelled_with_cotangent(rng: Generator) -> Drawn:
    (x,), parameters = labelled(rng)
    return [x, x[:-1]], parameters


def reshaped(rng: Generator) -> Drawn:
    x = shape(rng)
    return [x], {"to": tuple(x[a] for a in rng.permutation(len(x)))}


def transposed(rng: Generator) -> Drawn:
    x = shape(rng)
    return [x], {"axes": tuple(int(a) for a in rng.permutation(len(x)))}


def repeated(rng: Generator) -> Drawn:
    to = shape(rng)
    x = tuple(1 if rng.random() < 0.4 else n for n in to)
    return [x[rng.integers(len(x) + 1) :]], {"to": to}


def gathered(rng: Generator) -> Drawn:
    x = shape(rng)
    return [x], {"index": rng.integers(-1, int(np.prod(x)), size=shape(rng))}


def scattered(rng: Generator) -> Drawn:
    x, into = shape(rng), shape(rng)
    return [x], {"index": rng.integers(-1, int(np.prod(into)), size=x), "into": into}


def pieces(rng: Generator) -> Drawn:
    x = shape(rng, 1)
    axis = int(rng.integers(len(x)))
    counts = rng.choice((0, 1, 2, 3), size=rng.integers(1, 4))
    return [(*x[:axis], int(n), *x[axis + 1 :]) for n in counts], {"axis": axis}


# --- all of them -----------------------------------------------------------------------------------------------------


def zeros(x: Node) -> Node:
    return constant(np.zeros(x.shape))


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
FORMS: dict[str, tuple[Callable[..., Any], ...]] = {
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), FUNCTIONS["sigmoid"].plain),
    "softplus": (lambda x: np.logaddexp(x, np.zeros_like(x)), FUNCTIONS["softplus"].plain),
    "erf": (forms.in_float64(FUNCTIONS["erf"].plain),),
    "bell": (forms.bell,),
    "erfc": (forms.in_float64(FUNCTIONS["erfc"].plain),),
    "erfinv": (forms.in_float64(FUNCTIONS["erfinv"].plain),),
    "lgamma": (forms.in_float64(FUNCTIONS["lgamma"].plain),),
}
SPECIMENS: dict[str, Specimen] = {
    "polygamma": Specimen(lambda rng: ([shape(rng)], {"n": int(rng.integers(3))}), (forms.polygamma,), positive=True),
    "add": Specimen(binary, (np.add,)),
    "subtract": Specimen(binary, (np.subtract,)),
    "negative": Specimen(unary, (np.negative,)),
    "multiply": Specimen(binary, (np.multiply,)),
    "divide": Specimen(binary, (np.divide, lambda x, y: x * (1 / y))),
    "integer_power": Specimen(powers, (lambda x, exponent: x**exponent, forms.products)),
    "maximum": Specimen(binary, (np.maximum,)),
    "where": Specimen(
        binary, (lambda x, y: np.where(x > y, x, y),), lambda x, y: choices.where(choices.greater(x, y), x, y)
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
    "is_largest": Specimen(along_axis(2, empty=False), (forms.at_largest,), choices.at_largest),
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
    "softmax": Specimen(rows(), (forms.softmax, lambda x: np.exp(forms.log_softmax(x)))),
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
