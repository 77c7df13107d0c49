"""Random problems, each from its seed alone: shapes from a fixed set, sizes over five decades, kinks, saturation."""

from __future__ import annotations

import numpy as np

from audit.edge_cases import SHAPES
from reference.problem import DTYPES, Problem, Shape

#: Small shapes only, so that thousands of problems are judged in seconds.
SMALL = tuple(shape for shape in SHAPES if max(shape) <= 17)


def random_problem(seed: int, shapes: tuple[Shape, ...] = SMALL) -> Problem:
    """A problem of a random shape and dtype, its tensors scaled by 1e-3 to 300 each."""
    rng = np.random.default_rng([seed, 2])
    N, D, H, C = shapes[rng.integers(len(shapes))]
    dtype = DTYPES[rng.integers(2)]

    def draw(*size: int) -> np.ndarray:
        scale = 10 ** rng.uniform(-3, np.log10(300))
        numbers = rng.standard_normal(size) if rng.random() < 0.7 else rng.integers(-3, 4, size).astype(float)
        return np.asarray(scale * numbers)

    X, W1, b1, W2, b2 = draw(N, D), draw(D, H), draw(H), draw(H, C), draw(C)
    y = rng.integers(0, C, N)
    twist = rng.integers(6)
    if twist == 0:  # a kink, decidable or not
        b1 = -(X[0] @ W1)
    elif twist == 1:  # a kink that is certain
        X, W1 = np.round(X), np.round(W1)
        b1 = -(X[0] @ W1)
    elif twist == 2:  # saturation, right or wrong
        b2[rng.integers(C)] += 10 ** rng.uniform(0, 3)
    elif twist == 3:  # an offset common to all logits
        b2 += 10 ** rng.uniform(0, 4)
    elif twist == 4:  # zeros
        X[rng.random(X.shape) < 0.5] = 0
        W2[rng.random(W2.shape) < 0.5] = 0
    reg = [0.0, 1e-3, 0.1, 1e3][rng.integers(4)]
    floats = {"X": X, "W1": W1, "b1": b1, "W2": W2, "b2": b2}
    return Problem(**{name: array.astype(dtype) for name, array in floats.items()}, y=y, reg=reg)
