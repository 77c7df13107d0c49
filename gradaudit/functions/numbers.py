"""Random numbers of a dtype, of every kind that rounding, kinks, ties, saturation and underflow are sensitive to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from gradaudit.graph import Shape
from gradaudit.rounding.arithmetic import BFLOAT16, Arithmetic

Draw = Callable[[Generator, Shape], Any]


def normal(rng: Generator, shape: Shape) -> Any:
    """Nothing special."""
    return rng.standard_normal(shape)


def whole(rng: Generator, shape: Shape) -> Any:
    """Ties, kinks, and sums that nothing rounds."""
    return rng.integers(-4, 5, shape).astype(float)


def scaled(rng: Generator, shape: Shape) -> Any:
    """Saturation, or nearly nothing."""
    return rng.standard_normal(shape) * 2.0 ** rng.integers(-12, 12)


def far(rng: Generator, shape: Shape) -> Any:
    """All of one scale, anywhere up to 1e30."""
    return rng.standard_normal(shape) * 10.0 ** rng.uniform(-30, 30)


def mixed(rng: Generator, shape: Shape) -> Any:
    """Each of its own scale."""
    return rng.standard_normal(shape) * 10.0 ** rng.uniform(-30, 30, shape)


def sparse(rng: Generator, shape: Shape) -> Any:
    """Zeros."""
    return np.where(rng.random(shape) < 0.5, 0.0, rng.standard_normal(shape))


def common(rng: Generator, shape: Shape) -> Any:
    """An offset that all of them share."""
    return rng.standard_normal(shape) + 10.0 ** rng.uniform(0, 6) * rng.choice((-1, 1))


def near_one(rng: Generator, shape: Shape) -> Any:
    """Where a logarithm is small."""
    return 1 + rng.standard_normal(shape) * 2.0 ** -float(rng.integers(0, 20))


def halves(rng: Generator, shape: Shape) -> Any:
    """Few different numbers: ties, and kinks."""
    return rng.integers(-3, 4, shape) / 2


def large(rng: Generator, shape: Shape) -> Any:
    """Where functions saturate."""
    return rng.standard_normal(shape) * rng.choice((5.0, 20.0))


def of_dtype(info: Any) -> tuple[Draw, ...]:
    """The kinds that depend on a dtype, which a `finfo` describes."""
    smallest, eps = float(info.smallest_normal), float(info.eps)

    def extreme(rng: Generator, shape: Shape) -> Any:
        """Near the smallest or the largest numbers."""
        end = info.minexp + rng.integers(-8, 9) if rng.random() < 0.5 else info.maxexp - rng.integers(0, 8)
        return np.ldexp(np.clip(rng.standard_normal(shape), -1, 1), int(end) - 1)

    def faint(rng: Generator, shape: Shape) -> Any:
        """Subnormal numbers among others."""
        x = rng.standard_normal(shape)
        return np.where(rng.random(shape) < 0.4, x * smallest * rng.choice((0.5, 2.0**-10)), x)

    def tied(rng: Generator, shape: Shape) -> Any:
        """One of two numbers, or nearly."""
        x = rng.choice(rng.standard_normal(2), shape)
        return x * (1 + eps * rng.integers(0, 3, shape) * rng.integers(2))

    return extreme, faint, tied


def numbers(dtype: str) -> Callable[[Generator, Shape, bool], NDArray[Any]]:
    """What draws an array of a dtype, of any kind: (rng, shape, whether most of them are to be positive).

    NumPy has no bfloat16: its numbers are drawn as float64.
    """
    narrow = dtype == "bfloat16"
    info: Any = BFLOAT16 if narrow else np.finfo(dtype)
    kinds: tuple[Draw, ...] = (normal, whole, scaled, far, mixed, sparse, common, near_one, *of_dtype(info))

    def draw(rng: Generator, shape: Shape, positive: bool) -> NDArray[Any]:
        x = np.asarray(kinds[rng.integers(len(kinds))](rng, shape))
        x = np.abs(x) if positive and rng.random() < 0.9 else x
        x = np.clip(x, -float(info.max), float(info.max))
        return _of(Arithmetic.of(dtype), x) if narrow else np.asarray(x, dtype=dtype)

    return draw


def _of(fp: Arithmetic, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest numbers that an arithmetic holds, subnormal ones among them."""
    last = np.maximum(np.frexp(x)[1] - fp.precision, fp.exponents[0] - fp.precision + 1)
    result: NDArray[np.float64] = np.ldexp(np.rint(np.ldexp(x, -last)), last)
    return result
