"""The edge cases, as data. Each has a reason and says what it can catch; it makes its numbers from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from gradaudit.cases.makers import (
    Arrays,
    Maker,
    equal_logits,
    far_equal_logits,
    first_rows_again,
    images,
    integers,
    negative_zeros,
    normal,
    reach,
    saturated,
    scaled,
    shrunk,
    then,
    tiny_feature,
    tiny_units,
    wide_columns,
    zero_first_sample,
)
from gradaudit.reference.problem import PARAMETERS, Shape

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
LARGE = (Shape(256, 784, 256, 10), Shape(10000, 4, 4, 3), Shape(1025, 65, 66, 67), Shape(66000, 2, 3, 2))
#: Shapes with equal sizes: two pairs of equal sizes, then one pair, then all four.
TWO_PAIRS = (Shape(6, 6, 4, 4), Shape(6, 4, 6, 4), Shape(17, 4, 4, 17))
EQUAL = (
    *TWO_PAIRS, Shape(4, 4, 6, 3), Shape(6, 4, 6, 3), Shape(4, 3, 6, 4), Shape(5, 4, 4, 3), Shape(6, 4, 5, 4), SQUARE,
    Shape(4, 4, 4, 4),
)  # fmt: skip
#: N.D, N.H and N.C are beyond 2^16, and N is not a multiple of a usual chunk size.
BEYOND = Shape(9600, 7, 8, 9)
#: One size is just beyond a power of two, or the product of two sizes is beyond 2^16: N.C, D.H, H.C.
LONG = (
    Shape(3, 129, 4, 5), Shape(1025, 4, 5, 3), Shape(3, 1025, 4, 5), Shape(3, 4, 1025, 5), Shape(65, 4, 5, 1025),
    Shape(3, 257, 256, 5), Shape(3, 4, 65, 1025),
)  # fmt: skip


@dataclass(frozen=True)
class EdgeCase:
    """One kind of input.

    Attributes
    ----------
    name, family : str
        Its name in the id of a case, and its group in the tables.
    reason, catches : str
        Why it is in the catalogue, and which mistakes it can catch.
    make : callable
        (generator, shape) -> arrays.
    shapes : tuple of Shape
        The shapes of its cases.
    dtypes : tuple of str
        The dtypes of its cases.
    layout, labels : str
        The memory layout of the arrays that an implementation receives, and the dtype of its labels.
    quick : tuple of Shape
        The shapes of the quick selection.
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


def _logits() -> list[EdgeCase]:
    """Large logits: rounded, and on a grid that needs no rounding."""
    cases = []
    for name, scale, dtypes in (
        ("1e2", 1e2, ("float64", "float32")),
        ("1e4", 1e4, ("float64", "float32")),
        ("1e8", 1e8, ("float64", "float32")),
        ("1e300", 1e300, ("float64",)),
        ("1e37", 1e37, ("float32",)),
    ):
        for kind, family, maker in (("logits", "large logits", normal), ("grid_logits", "exact logits", integers)):
            cases.append(
                EdgeCase(
                    name=f"{kind}_{name}",
                    family=family,
                    reason=f"logits of about {name}"
                    + (
                        ": the softmax saturates"
                        if kind == "logits"
                        else "; every sum is exact, so equal logits stay equal"
                    ),
                    catches="a softmax without its shift; a p - 1 that cancels; an overflow in between",
                    make=then(maker, partial(scaled, scale)),
                    dtypes=dtypes,
                )
            )
    return cases


def _saturation() -> list[EdgeCase]:
    """The logit of one class is much larger than the others."""
    return [
        EdgeCase(
            name=f"{'right' if right else 'wrong'}_by_{gap}",
            family="saturation",
            reason=f"{'the label' if right else 'another class than the label'} leads by {gap}",
            catches="log(p) of a p that has vanished; log(p + 1e-7); a clipped probability; a loss that stops growing",
            make=then(normal, partial(saturated, gap, right)),
        )
        for right in (True, False)
        for gap in (20, 37, 1000)
    ]


def _subnormal() -> list[EdgeCase]:
    """Numbers below the smallest normal number, which hardware may flush to zero."""
    return [
        EdgeCase(
            name=f"{kind}_{scale}",
            family="subnormal",
            reason=f"the first {'feature is' if kind == 'input' else 'rows of the parameters are'} about {scale}",
            catches="a division by a flushed number; a sign test on a flushed number",
            make=then(normal, partial(shrunk, names, float(scale))),
            dtypes=(dtype,),
        )
        for kind, names in (("input", ("X",)), ("parameters", PARAMETERS))
        for scale, dtype in (("1e-310", "float64"), ("1e-40", "float32"))
    ]


def _labels() -> list[EdgeCase]:
    """Labels: which of them occur, and how they are stored."""
    choices: dict[str, tuple[str, Callable[[Arrays], Arrays]]] = {
        "first_label": ("every label is the first class", lambda a: {"y": np.zeros_like(a["y"])}),
        "last_label": ("every label is the last class", lambda a: {"y": np.full_like(a["y"], a["b2"].size - 1)}),
        "unused_classes": ("only the first two classes occur", lambda a: {"y": a["y"] % 2}),
    }
    cases = [
        EdgeCase(
            name,
            "labels",
            reason,
            "a one-hot made from the labels that occur; labels shifted by one",
            then(normal, change),
        )
        for name, (reason, change) in choices.items()
    ]
    return cases + [
        EdgeCase(
            name=f"labels_{dtype}",
            family="labels",
            reason=f"the labels have the dtype {dtype}",
            catches="an index computed in the dtype of the labels, which overflows; a dtype refused without need",
            make=normal,
            labels=dtype,
            shapes=(TOY, *wide),
            quick=(TOY, *(shape for shape in wide if shape.N < 100)),
        )
        for dtype, wide in (
            ("int8", (UNEVEN, Shape(17, 4, 4, 17))),
            ("uint8", (UNEVEN, Shape(17, 4, 4, 17))),
            ("int16", (BEYOND,)),
            ("uint16", (BEYOND,)),
            ("int32", (UNEVEN,)),
            ("uint64", (UNEVEN,)),
        )
    ]


def _sizes() -> list[EdgeCase]:
    """Equal sizes, and sizes that are too large for an index, a chunk or a buffer."""
    return [
        EdgeCase(
            name="equal_sizes",
            family="sizes",
            reason="two sizes are equal: an axis that is recognised by its size may be the wrong one",
            catches="an axis, layout or buffer chosen by its size; a missing transpose that no shape reveals",
            make=normal,
            shapes=EQUAL,
            quick=TWO_PAIRS,
        ),
        EdgeCase(
            name="large_sizes",
            family="sizes",
            reason="a size just beyond a power of two, or arrays of more than 2^16 entries",
            catches="an index of 16 bits; a last chunk that is left out or has the wrong weight; a fixed buffer",
            make=normal,
            shapes=(BEYOND, *LONG),
            quick=(BEYOND, LONG[0]),
        ),
    ]


def _tiny() -> list[EdgeCase]:
    """Numbers that a tolerance would treat as 0. None is below the smallest normal number."""
    return [
        EdgeCase("tiny_units", "scales", "pre-activations from 1 down to 1e-30, with larger weights in W2",
                 "a ReLU that begins at 1e-8 or 1e-12, not at 0", then(normal, tiny_units)),
        *(
            EdgeCase(f"tiny_feature_{scale}", "scales", f"the first feature is about {scale}, and its weights are 0",
                     "an input that is treated as 0 because it is below a tolerance",
                     then(normal, partial(tiny_feature, float(scale))),
                     dtypes=dtypes)
            for scale, dtypes in (("1e-33", ("float64", "float32")), ("1e-300", ("float64",)))
        ),
    ]  # fmt: skip


def _layouts() -> list[EdgeCase]:
    """The memory layouts of the arrays."""
    return [
        EdgeCase(
            name=f"{layout}_arrays",
            family="layout",
            reason=f"the arrays are {how}",
            catches="a buffer read as if it were C-ordered; inputs changed in place",
            make=normal,
            layout=layout,
        )
        for layout, how in {
            "fortran": "in Fortran order",
            "strided": "every second entry of a larger array",
            "reversed": "views with negative strides",
            "read_only": "read-only",
        }.items()
    ]


_ALL = [
    EdgeCase("random", "random", "nothing special: normal inputs and parameters", "any wrong formula", normal, SHAPES,
             quick=(Shape(1, 4, 10, 3), TOY, SQUARE, UNEVEN)),
    EdgeCase("one_sample", "batch", "a batch of one", "an axis lost by squeezing", normal,
             (Shape(1, 4, 10, 3), Shape(1, 13, 11, 5)), quick=(Shape(1, 4, 10, 3),)),
    EdgeCase("one_class", "batch", "a single class: p = 1 and every data gradient is exactly 0",
             "an axis lost by squeezing; a softmax over samples", normal, (Shape(7, 5, 3, 1), Shape(1, 1, 1, 1)),
             quick=(Shape(7, 5, 3, 1),)),
    EdgeCase("one_class_far", "batch", "a single class, and samples whose logits differ by 1e4",
             "a maximum over the batch where there is one class", then(normal, partial(scaled, 1e4)),
             (Shape(7, 5, 3, 1),), quick=(Shape(7, 5, 3, 1),)),
    EdgeCase("duplicate_rows", "batch", "samples that occur twice", "gradients that are assigned by sample, not added",
             then(normal, first_rows_again)),
    EdgeCase("zero_input", "zeros", "X = 0: the pre-activations are the biases",
             "a weight gradient that is not exactly 0",
             then(normal, lambda a: {"X": np.zeros_like(a["X"])})),
    EdgeCase("zero_parameters", "zeros", "all parameters are 0: every unit is at the kink, all classes are equal",
             "a ReLU derivative at 0 other than 0; a division by a norm",
             then(normal, lambda a: {name: np.zeros_like(a[name]) for name in PARAMETERS})),
    EdgeCase("exact_kinks", "kinks", "integers whose first sample cancels to pre-activations of exactly 0",
             "a ReLU derivative of 1 or 1/2 at 0", then(integers, zero_first_sample)),
    EdgeCase("negative_zeros", "kinks", "inputs and biases of -0.0: pre-activations of both zeros",
             "a sign bit that is used as the sign", then(integers, negative_zeros)),
    EdgeCase("rounded_kinks", "undecidable kinks",
             "pre-activations that cancel up to rounding: both sides of the kink are right",
             "a judge that calls rounding a mistake", then(normal, zero_first_sample), MANY, quick=MANY[:1]),
    EdgeCase("all_dead", "units", "no unit is active: h = 0", "a mask that is forgotten, inverted or taken from dh",
             then(normal, lambda a: {"b1": -reach(a)})),
    EdgeCase("all_alive", "units", "every unit is active", "a mask where no unit is masked",
             then(normal, lambda a: {"b1": reach(a)})),
    EdgeCase("wide_columns", "scales", "features from 1e-8 to 1e8", "a sum that loses its small terms",
             then(normal, wide_columns)),
    EdgeCase("equal_logits", "exact logits", "logits that are equal and large",
             "a maximum whose gradient is added; equal logits that are treated differently",
             then(integers, equal_logits)),
    EdgeCase("far_equal_logits", "exact logits", "logits that are equal, and more than 2^24 times their differences",
             "a loss that loses every digit to the common offset of the logits", then(integers, far_equal_logits)),
    *_logits(),
    *_saturation(),
    *_subnormal(),
    *_labels(),
    *_layouts(),
    *_sizes(),
    *_tiny(),
    EdgeCase("digits", "images", "a batch of real images, handwritten digits",
             "mistakes that random numbers do not show",
             images, (DIGITS,), quick=()),
    EdgeCase("training", "training", "each step of a training on the images, at the parameters of the framework",
             "mistakes that only a training shows", images, (TRAINING,), quick=()),
]  # fmt: skip

#: Every edge case by its name.
EDGE_CASES = {case.name: case for case in _ALL}
