"""Makers of cases' numbers: from a seed and a shape, X, y, W1, b1, W2, b2 in float64; and changes of them.

Rounding to float32 keeps what makes a case special.
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
    """Small integers throughout: no sum of products is rounded, so every sign is certain."""
    N, D, H, C = shape
    draws = {"X": (N, D), "W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
    arrays = {name: rng.integers(-3, 4, size).astype(np.float64) for name, size in draws.items()}
    return {**arrays, "y": rng.integers(0, C, N)}


def then(make: Maker, change: Callable[[Arrays], Arrays]) -> Maker:
    """A maker whose arrays are changed afterwards."""

    def changed(rng: Generator, shape: Shape) -> Arrays:
        arrays = make(rng, shape)
        return arrays | change(arrays)

    return changed


def zero_first_sample(arrays: Arrays) -> Arrays:
    """Biases that cancel the first sample's pre-activations: exactly, where the numbers are integers."""
    return {"b1": -(arrays["X"][0] @ arrays["W1"])}


def negative_zeros(arrays: Arrays) -> Arrays:
    """Half of the samples are -0.0, and so are the biases."""
    X = arrays["X"].copy()
    X[::2] = -0.0
    return {"X": X, "W1": np.abs(arrays["W1"]), "b1": np.full_like(arrays["b1"], -0.0)}


def reach(arrays: Arrays) -> NDArray[Any]:
    """A bias beyond every pre-activation, one a unit."""
    return np.asarray(1 + (np.abs(arrays["X"]) @ np.abs(arrays["W1"])).max(axis=0))


def scaled(scale: float, arrays: Arrays) -> Arrays:
    """The largest logit brought to within a factor 8 of `scale`, by a power of two shared by X, W1 and W2."""
    hidden = np.maximum(arrays["X"] @ arrays["W1"] + arrays["b1"], 0)
    largest = np.abs(hidden @ arrays["W2"] + arrays["b2"]).max() or 1.0
    f = 2.0 ** np.floor(np.log2(scale / largest) / 3)
    powers = {"X": 1, "W1": 1, "b1": 2, "W2": 1, "b2": 3}
    return {name: arrays[name] * f**power for name, power in powers.items()}


def equal_logits(arrays: Arrays) -> Arrays:
    """All logits of a sample equal and large, and exact in either dtype."""
    W2, C = arrays["W2"], arrays["W2"].shape[1]
    return {"W2": np.repeat(W2[:, :1], C, axis=1), "b2": np.full(C, 2.0**20)}


def far_equal_logits(arrays: Arrays) -> Arrays:
    """All logits of a sample equal, and so large that float32 cannot add log C to them; weights that weigh little."""
    C = arrays["b2"].shape[0]
    return {"W1": arrays["W1"] / 8, "b1": arrays["b1"] / 8, "W2": 0 * arrays["W2"], "b2": np.full(C, 2.0**27)}


def saturated(gap: float, right: bool, arrays: Arrays) -> Arrays:
    """One class leads by about `gap`; it is the label, or it is not."""
    C = arrays["b2"].shape[0]
    b2 = np.zeros(C)
    b2[0] = gap
    return {"W2": arrays["W2"] / 1024, "b2": b2, "y": np.full_like(arrays["y"], 0 if right else C - 1)}


def shrunk(names: tuple[str, ...], scale: float, arrays: Arrays) -> Arrays:
    """The first feature (of X), or the first row (of a parameter), times `scale`."""
    changed = {name: arrays[name].copy() for name in names}
    for name, array in changed.items():
        array[(slice(None), 0) if name == "X" else 0] *= scale
    return changed


def wide_columns(arrays: Arrays) -> Arrays:
    """Features of very different sizes."""
    return {"X": arrays["X"] * np.logspace(-8, 8, arrays["X"].shape[1])}


def first_rows_again(arrays: Arrays) -> Arrays:
    """Each sample stands there twice (the last one once where their number is odd)."""
    again = np.arange(len(arrays["y"])) // 2
    return {"X": arrays["X"][again], "y": arrays["y"][again]}


def images(rng: Generator, shape: Shape) -> Arrays:
    """A batch of real images and a network as one would initialise it."""
    training, _ = digits.split(rng)
    return {**digits.initial(rng, shape), **digits.batch(rng, training, shape.N)}


def tiny_feature(scale: float, arrays: Arrays) -> Arrays:
    """The first feature times `scale`; its weights are 0, so that no regularisation hides its gradient."""
    W1 = arrays["W1"].copy()
    W1[0] = 0.0
    return {"W1": W1, **shrunk(("X",), scale, arrays)}


def tiny_units(arrays: Arrays) -> Arrays:
    """Units from 1 down to 2^-100, the first the smallest; their weights in W2 the larger for it, up to 2^50."""
    exponents = np.round(np.linspace(100, 0, arrays["b1"].size))
    f, back = 2.0**-exponents, 2.0 ** np.minimum(exponents, 50)
    return {"W1": arrays["W1"] * f, "b1": arrays["b1"] * f, "W2": arrays["W2"] * back[:, None]}
