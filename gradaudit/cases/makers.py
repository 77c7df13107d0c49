"""Makers of the numbers of a case: X, y, W1, b1, W2, b2 in float64, from a seed and a shape; and changes of them.

A case keeps its special property when its numbers are rounded to float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from gradaudit.cases import images as digits
from gradaudit.reference.problem import Shape

Arrays = dict[str, NDArray[Any]]
Maker = Callable[[Generator, Shape], Arrays]


def normal(rng: Generator, shape: Shape) -> Arrays:
    """Standard normal inputs and parameters, uniform labels."""
    N, D, H, C = shape
    return {
        "X": rng.standard_normal((N, D)),
        "y": rng.integers(0, C, N),
        "W1": rng.standard_normal((D, H)),
        "b1": rng.standard_normal(H),
        "W2": rng.standard_normal((H, C)),
        "b2": rng.standard_normal(C),
    }


def integers(rng: Generator, shape: Shape) -> Arrays:
    """Small integers only: no sum of products is rounded, so every sign is certain."""
    N, D, H, C = shape
    draws = {"X": (N, D), "W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
    arrays = {name: rng.integers(-3, 4, size).astype(np.float64) for name, size in draws.items()}
    return {**arrays, "y": rng.integers(0, C, N)}


def then(make: Maker, change: Callable[[Arrays], Arrays]) -> Maker:
    """A maker that makes arrays and then changes them."""

    def make_and_change(rng: Generator, shape: Shape) -> Arrays:
        arrays = make(rng, shape)
        return arrays | change(arrays)

    return make_and_change


def zero_first_sample(arrays: Arrays) -> Arrays:
    """Biases that cancel the pre-activations of the first sample. For integers they cancel exactly."""
    return {"b1": -(arrays["X"][0] @ arrays["W1"])}


def negative_zeros(arrays: Arrays) -> Arrays:
    """Half of the samples are -0.0, and so are the biases."""
    X = arrays["X"].copy()
    X[::2] = -0.0
    return {"X": X, "W1": np.abs(arrays["W1"]), "b1": np.full_like(arrays["b1"], -0.0)}


def reach(arrays: Arrays) -> NDArray[Any]:
    """A bias for each unit that is larger than every pre-activation."""
    return np.asarray(1 + (np.abs(arrays["X"]) @ np.abs(arrays["W1"])).max(axis=0))


def scaled(scale: float, arrays: Arrays) -> Arrays:
    """The largest logit is within a factor 8 of `scale`. X, W1 and W2 are multiplied by the same power of two."""
    hidden = np.maximum(arrays["X"] @ arrays["W1"] + arrays["b1"], 0)
    largest = np.abs(hidden @ arrays["W2"] + arrays["b2"]).max() or 1.0
    f = 2.0 ** np.floor(np.log2(scale / largest) / 3)
    exponents = {"X": 1, "W1": 1, "b1": 2, "W2": 1, "b2": 3}
    return {name: arrays[name] * f**exponent for name, exponent in exponents.items()}


def equal_logits(arrays: Arrays) -> Arrays:
    """All logits of a sample are equal and large, and exact in both dtypes."""
    W2, C = arrays["W2"], arrays["W2"].shape[1]
    return {"W2": np.repeat(W2[:, :1], C, axis=1), "b2": np.full(C, 2.0**20)}


def far_equal_logits(arrays: Arrays) -> Arrays:
    """All logits of a sample are equal, and so large that float32 cannot add log C to them. The weights are small."""
    C = arrays["b2"].shape[0]
    return {"W1": arrays["W1"] / 8, "b1": arrays["b1"] / 8, "W2": 0 * arrays["W2"], "b2": np.full(C, 2.0**27)}


def saturated(gap: float, right: bool, arrays: Arrays) -> Arrays:
    """The logit of one class is larger by about `gap`. This class is the label if `right`, otherwise it is not."""
    C = arrays["b2"].shape[0]
    b2 = np.zeros(C)
    b2[0] = gap
    return {"W2": arrays["W2"] / 1024, "b2": b2, "y": np.full_like(arrays["y"], 0 if right else C - 1)}


def shrunk(names: tuple[str, ...], scale: float, arrays: Arrays) -> Arrays:
    """The first feature (of X), or the first row (of a parameter), times `scale`."""
    copies = {name: arrays[name].copy() for name in names}
    for name, array in copies.items():
        array[(slice(None), 0) if name == "X" else 0] *= scale
    return copies


def wide_columns(arrays: Arrays) -> Arrays:
    """Features of very different sizes."""
    return {"X": arrays["X"] * np.logspace(-8, 8, arrays["X"].shape[1])}


def first_rows_again(arrays: Arrays) -> Arrays:
    """Each sample occurs twice (the last sample once, if the number of samples is odd)."""
    rows = np.arange(len(arrays["y"])) // 2
    return {"X": arrays["X"][rows], "y": arrays["y"][rows]}


def images(rng: Generator, shape: Shape) -> Arrays:
    """A batch of real images and the initial parameters of a network."""
    training, _ = digits.split(rng)
    return {**digits.initial(rng, shape), **digits.batch(rng, training, shape.N)}


def tiny_feature(scale: float, arrays: Arrays) -> Arrays:
    """The first feature times `scale`. Its weights are 0, so that the regularisation does not hide its gradient."""
    W1 = arrays["W1"].copy()
    W1[0] = 0.0
    return {"W1": W1, **shrunk(("X",), scale, arrays)}


def tiny_units(arrays: Arrays) -> Arrays:
    """Units from 2^-100 (the first) to 1. Their weights in W2 are larger by the inverse factor, but at most by 2^50."""
    exponents = np.round(np.linspace(100, 0, arrays["b1"].size))
    f, growth = 2.0**-exponents, 2.0 ** np.minimum(exponents, 50)
    return {"W1": arrays["W1"] * f, "b1": arrays["b1"] * f, "W2": arrays["W2"] * growth[:, None]}
