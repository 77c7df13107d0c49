"""The edge cases, as data: each says why it is there and what it can catch, and makes its numbers from a seed.

A maker returns X, y, W1, b1, W2, b2 in float64; rounding to float32 keeps what makes the case special.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from audit import digits
from reference.problem import Shape

Arrays = dict[str, NDArray[Any]]
Maker = Callable[[Generator, Shape], Arrays]

#: The shapes of the suite: the smallest ones, no two sizes equal, square factors, many classes, many samples.
SHAPES = tuple(
    Shape(*sizes)
    for sizes in (
        (1, 1, 1, 1), (1, 1, 1, 2), (1, 4, 10, 3), (5, 4, 10, 3), (2, 3, 5, 2), (7, 5, 3, 1), (3, 7, 1, 4),
        (4, 1, 6, 3), (6, 5, 4, 4), (17, 13, 11, 5), (64, 32, 48, 10), (3, 4, 5, 1000), (1000, 8, 8, 3),
    )
)  # fmt: skip
TOY, SQUARE, UNEVEN = Shape(5, 4, 10, 3), Shape(6, 5, 4, 4), Shape(17, 13, 11, 5)
SOME = (TOY, SQUARE, UNEVEN)
DIGITS, TRAINING = Shape(128, 64, 100, 10), Shape(128, 64, 32, 10)
MANY = (Shape(1000, 8, 8, 3), DIGITS)
LARGE = (Shape(256, 784, 256, 10), Shape(10000, 4, 4, 3))


@dataclass(frozen=True)
class EdgeCase:
    """One kind of input.

    Attributes
    ----------
    name, family : str
        What it is called in a case's id, and the group that the tables show it in.
    reason, catches : str
        Why it is there, and what a gradient that fails on it got wrong.
    make : callable
        (generator, shape) -> arrays.
    shapes : tuple of Shape
        The shapes it is posed in.
    dtypes : tuple of str
        The dtypes it makes sense in.
    layout, labels : str
        How its arrays lie in memory when they are handed over, and the dtype of its labels.
    """

    name: str
    family: str
    reason: str
    catches: str
    make: Maker
    shapes: tuple[Shape, ...] = SOME
    dtypes: tuple[str, ...] = ("float64", "float32")
    layout: str = "C"
    labels: str = "int64"
    quick: tuple[Shape, ...] = field(default=(TOY,))


def _normal(rng: Generator, shape: Shape) -> Arrays:
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


def _integers(rng: Generator, shape: Shape) -> Arrays:
    """Small integers throughout: no sum of products is rounded, so every sign is certain."""
    N, D, H, C = shape
    draws = {"X": (N, D), "W1": (D, H), "b1": (H,), "W2": (H, C), "b2": (C,)}
    arrays = {name: rng.integers(-3, 4, size).astype(np.float64) for name, size in draws.items()}
    return {**arrays, "y": rng.integers(0, C, N)}


def _with(make: Maker, change: Callable[[Arrays], Arrays]) -> Maker:
    """A maker whose arrays are changed afterwards."""

    def changed(rng: Generator, shape: Shape) -> Arrays:
        arrays = make(rng, shape)
        return arrays | change(arrays)

    return changed


def _zero_first_sample(arrays: Arrays) -> Arrays:
    """Biases that cancel the first sample's pre-activations: exactly, where the numbers are integers."""
    return {"b1": -(arrays["X"][0] @ arrays["W1"])}


def _negative_zeros(arrays: Arrays) -> Arrays:
    """Half of the samples are -0.0, and so are the biases."""
    X = arrays["X"].copy()
    X[::2] = -0.0
    return {"X": X, "W1": np.abs(arrays["W1"]), "b1": np.full_like(arrays["b1"], -0.0)}


def _reach(arrays: Arrays) -> NDArray[Any]:
    """A bias beyond every pre-activation, one a unit."""
    return np.asarray(1 + (np.abs(arrays["X"]) @ np.abs(arrays["W1"])).max(axis=0))


def _scaled(scale: float, arrays: Arrays) -> Arrays:
    """The largest logit brought to within a factor 8 of `scale`, by a power of two shared by X, W1 and W2."""
    hidden = np.maximum(arrays["X"] @ arrays["W1"] + arrays["b1"], 0)
    largest = np.abs(hidden @ arrays["W2"] + arrays["b2"]).max() or 1.0
    f = 2.0 ** np.floor(np.log2(scale / largest) / 3)
    powers = {"X": 1, "W1": 1, "b1": 2, "W2": 1, "b2": 3}
    return {name: arrays[name] * f**power for name, power in powers.items()}


def _equal_logits(arrays: Arrays) -> Arrays:
    """All logits of a sample equal and large, and exact in either dtype."""
    W2, C = arrays["W2"], arrays["W2"].shape[1]
    return {"W2": np.repeat(W2[:, :1], C, axis=1), "b2": np.full(C, 2.0**20)}


def _saturated(gap: float, right: bool, arrays: Arrays) -> Arrays:
    """One class leads by about `gap`; it is the label, or it is not."""
    C = arrays["b2"].shape[0]
    b2 = np.zeros(C)
    b2[0] = gap
    return {"W2": arrays["W2"] / 1024, "b2": b2, "y": np.full_like(arrays["y"], 0 if right else C - 1)}


def _shrunk(names: tuple[str, ...], scale: float, arrays: Arrays) -> Arrays:
    """The first feature (of X), or the first row (of a parameter), times `scale`."""
    changed = {name: arrays[name].copy() for name in names}
    for name, array in changed.items():
        array[(slice(None), 0) if name == "X" else 0] *= scale
    return changed


def _wide_columns(arrays: Arrays) -> Arrays:
    """Features of very different sizes."""
    return {"X": arrays["X"] * np.logspace(-8, 8, arrays["X"].shape[1])}


def _first_rows_again(arrays: Arrays) -> Arrays:
    """Each sample stands there twice (the last one once where their number is odd)."""
    again = np.arange(len(arrays["y"])) // 2
    return {"X": arrays["X"][again], "y": arrays["y"][again]}


def _images(rng: Generator, shape: Shape) -> Arrays:
    """A batch of real images and a network as one would initialise it."""
    training, _ = digits.split(rng)
    return {**digits.initial(rng, shape), **digits.batch(rng, training, shape.N)}


def _logits() -> list[EdgeCase]:
    """Large logits, rounded and on a grid that needs no rounding."""
    cases = []
    for name, scale, dtypes in (
        ("1e2", 1e2, ("float64", "float32")),
        ("1e4", 1e4, ("float64", "float32")),
        ("1e8", 1e8, ("float64", "float32")),
        ("1e300", 1e300, ("float64",)),
        ("1e37", 1e37, ("float32",)),
    ):
        for kind, family, maker in (("logits", "large logits", _normal), ("grid_logits", "exact logits", _integers)):
            cases.append(
                EdgeCase(
                    name=f"{kind}_{name}",
                    family=family,
                    reason=f"logits of about {name}"
                    + (": the softmax saturates" if kind == "logits" else ", every sum exact, so that ties stay ties"),
                    catches="a softmax without its shift; a p - 1 that cancels; an overflow on the way",
                    make=_with(maker, partial(_scaled, scale)),
                    dtypes=dtypes,
                )
            )
    return cases


def _saturation() -> list[EdgeCase]:
    """One class far ahead of the others."""
    return [
        EdgeCase(
            name=f"{'right' if right else 'wrong'}_by_{gap}",
            family="saturation",
            reason=f"{'the label' if right else 'another class than the label'} leads by {gap}",
            catches="log(p) of a p that has vanished; log(p + 1e-7); a clipped probability; a loss that stops growing",
            make=_with(_normal, partial(_saturated, gap, right)),
        )
        for right in (True, False)
        for gap in (20, 37, 1000)
    ]


def _subnormal() -> list[EdgeCase]:
    """Numbers below the smallest normal one, which hardware may flush to zero."""
    return [
        EdgeCase(
            name=f"{kind}_{scale}",
            family="subnormal",
            reason=f"the first {'feature is' if kind == 'input' else 'rows of the parameters are'} about {scale}",
            catches="a division by a flushed number; a sign test on a flushed one",
            make=_with(_normal, partial(_shrunk, names, float(scale))),
            dtypes=(dtype,),
        )
        for kind, names in (("input", ("X",)), ("parameters", ("W1", "b1", "W2", "b2")))
        for scale, dtype in (("1e-310", "float64"), ("1e-40", "float32"))
    ]


def _labels() -> list[EdgeCase]:
    """Which labels there are, and how they are stored."""
    chosen: dict[str, tuple[str, Callable[[Arrays], Arrays]]] = {
        "first_label": ("every label is the first class", lambda a: {"y": np.zeros_like(a["y"])}),
        "last_label": ("every label is the last class", lambda a: {"y": np.full_like(a["y"], a["b2"].size - 1)}),
        "unused_classes": ("only the first two classes occur", lambda a: {"y": a["y"] % 2}),
    }
    cases = [
        EdgeCase(
            name,
            "labels",
            reason,
            "a onehot built from the labels that occur; labels shifted by one",
            _with(_normal, change),
        )
        for name, (reason, change) in chosen.items()
    ]
    return cases + [
        EdgeCase(
            name=f"labels_{dtype}",
            family="labels",
            reason=f"the labels are handed over as {dtype}",
            catches="an index computed in the labels' dtype, which overflows; a dtype refused without need",
            make=_normal,
            labels=dtype,
            shapes=(TOY, UNEVEN),
        )
        for dtype in ("int8", "uint8", "int32")
    ]


def _layouts() -> list[EdgeCase]:
    """How the arrays lie in memory."""
    return [
        EdgeCase(
            name=f"{layout}_arrays",
            family="layout",
            reason=f"the arrays are handed over {how}",
            catches="a buffer read as if it were C-ordered; inputs changed in place",
            make=_normal,
            layout=layout,
        )
        for layout, how in {
            "fortran": "in Fortran order",
            "strided": "as every second entry of a larger array",
            "reversed": "with negative strides",
            "read_only": "read-only",
        }.items()
    ]


_ALL = [
    EdgeCase("random", "random", "nothing special: normal inputs and parameters", "any wrong formula", _normal, SHAPES,
             quick=(Shape(1, 4, 10, 3), TOY, SQUARE, UNEVEN)),
    EdgeCase("one_sample", "batch", "a batch of one", "an axis lost by squeezing; nothing of 1/N", _normal,
             (Shape(1, 4, 10, 3), Shape(1, 13, 11, 5)), quick=(Shape(1, 4, 10, 3),)),
    EdgeCase("one_class", "batch", "a single class: p = 1 and every data gradient is exactly 0",
             "an axis lost by squeezing; a softmax over samples", _normal, (Shape(7, 5, 3, 1), Shape(1, 1, 1, 1)),
             quick=(Shape(7, 5, 3, 1),)),
    EdgeCase("duplicate_rows", "batch", "samples that stand there twice", "gradients scattered by sample, not added",
             _with(_normal, _first_rows_again)),
    EdgeCase("zero_input", "zeros", "X = 0: pre-activations are the biases", "a weight gradient that is not exactly 0",
             _with(_normal, lambda a: {"X": np.zeros_like(a["X"])})),
    EdgeCase("zero_parameters", "zeros", "all parameters 0: every unit at the kink, every class alike",
             "a ReLU derivative at 0 other than 0; a division by a norm",
             _with(_normal, lambda a: {name: np.zeros_like(a[name]) for name in ("W1", "b1", "W2", "b2")})),
    EdgeCase("exact_kinks", "kinks", "integers whose first sample cancels to pre-activations of exactly 0",
             "a ReLU derivative of 1 or 1/2 at 0", _with(_integers, _zero_first_sample)),
    EdgeCase("negative_zeros", "kinks", "inputs and biases of -0.0: pre-activations of either zero",
             "a sign bit taken for a sign", _with(_integers, _negative_zeros)),
    EdgeCase("rounded_kinks", "undecidable kinks",
             "pre-activations that cancel up to rounding: either side of the kink is right",
             "a judge that convicts rounding", _with(_normal, _zero_first_sample), MANY, quick=MANY[:1]),
    EdgeCase("all_dead", "units", "no unit is active: h = 0", "a mask that is forgotten, inverted or taken from dh",
             _with(_normal, lambda a: {"b1": -_reach(a)})),
    EdgeCase("all_alive", "units", "every unit is active", "a mask applied where nothing is masked",
             _with(_normal, lambda a: {"b1": _reach(a)})),
    EdgeCase("wide_columns", "scales", "features from 1e-8 to 1e8", "a sum that loses its small terms",
             _with(_normal, _wide_columns)),
    EdgeCase("equal_logits", "exact logits", "logits that are equal and large",
             "a maximum whose gradient is counted; ties broken", _with(_integers, _equal_logits)),
    *_logits(),
    *_saturation(),
    *_subnormal(),
    *_labels(),
    *_layouts(),
    EdgeCase("digits", "images", "a batch of real images, handwritten digits", "what random numbers do not show",
             _images, (DIGITS,), quick=()),
    EdgeCase("training", "training", "each step of a training on the images, at the framework's own parameters",
             "what shows only where a training leads", _images, (TRAINING,), quick=()),
]  # fmt: skip

#: Every edge case by its name.
EDGE_CASES = {case.name: case for case in _ALL}
