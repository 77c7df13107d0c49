"""Real images: the handwritten digits of scikit-learn (1,797 images of 8 x 8 pixels). They need no download."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from gradaudit.reference.problem import Shape

Arrays = dict[str, NDArray[Any]]

#: The number of images that test a training.
HELD_OUT = 360


@cache
def images() -> tuple[NDArray[Any], NDArray[Any]]:
    """Pixels in 0..1, shape (1797, 64), float64, and labels 0..9, shape (1797,), int64."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return pixels / 16, labels


def split(rng: Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The indices of the images for the training, and of the held-out images."""
    order = rng.permutation(len(images()[1]))
    return order[HELD_OUT:], order[:HELD_OUT]


def initial(rng: Generator, shape: Shape) -> Arrays:
    """Initial parameters, float64 (He et al. 2015)."""
    _, D, H, C = shape
    return {
        "W1": rng.standard_normal((D, H)) * np.sqrt(2 / D),
        "b1": np.zeros(H),
        "W2": rng.standard_normal((H, C)) * np.sqrt(2 / H),
        "b2": np.zeros(C),
    }


def batch(rng: Generator, pool: NDArray[np.int64], size: int) -> Arrays:
    """X and y of a batch of different images."""
    pixels, labels = images()
    indices = rng.choice(pool, size, replace=False)
    return {"X": pixels[indices], "y": labels[indices]}
