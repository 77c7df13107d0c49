"""Random shapes and parameters of operations' operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator

from gradaudit.graph import Shape

Parameters = dict[str, Any]
Drawn = tuple[list[Shape], Parameters]

#: Sizes of axes: ones, primes and others.
SIZES = (1, 1, 2, 3, 4, 5, 7)
#: The most entries of an operand, but for a long axis.
MOST, LONG = 60, 131


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
