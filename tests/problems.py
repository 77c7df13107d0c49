"""Random problems, each from its seed alone: shapes from a fixed set, sizes over five decades, kinks, saturation."""

from __future__ import annotations

import numpy as np

from gradaudit.cases.edge_cases import SHAPES
from gradaudit.reference.problem import DTYPES, Problem, Shape

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


def wide_problem(seed: int) -> Problem:
    """A problem too large for a quick ball arithmetic, with tensors whose entries differ by up to 120 powers of ten."""
    rng = np.random.default_rng([seed, 3])
    N, D, H, C = (int(rng.integers(*sizes)) for sizes in ((30, 70), (15, 50), (15, 60), (2, 14)))
    dtype = DTYPES[rng.integers(2)]

    def draw(*size: int) -> np.ndarray:
        A, digits = rng.standard_normal(size), int(rng.choice([3, 20, 40] if dtype == "float32" else [3, 20, 60, 120]))
        rows = (size[0],) + (1,) * (len(size) - 1)
        kind = rng.integers(6)
        if kind == 0:  # every entry of a size of its own
            A *= 10.0 ** rng.integers(-digits, digits // 4, size)
        elif kind == 1:  # every row
            A *= 10.0 ** rng.integers(-digits, 1, rows)
        elif kind == 2:  # zeros
            A[rng.random(size) < 0.7] = 0
        elif kind == 3:  # whole numbers, and tiny ones between them
            A = np.where(rng.random(size) < 0.5, np.round(2 * A), A * 10.0**-digits)
        elif kind == 4 and len(size) == 2:  # rows that cancel
            A[:, -1] = -A[:, :-1].sum(axis=1)
        return A

    X, W1, b1 = draw(N, D), draw(D, H), draw(H)
    if rng.integers(2):
        b1 = -(X[rng.integers(N)] @ W1)
    W2, b2 = draw(H, C) * 10.0 ** rng.choice([-30, -2, 0, 1]), draw(C)
    floats = {"X": X, "W1": W1, "b1": b1, "W2": W2, "b2": b2}
    labels, reg = rng.integers(0, C, N), [0.0, 1e-8, 0.1][rng.integers(3)]
    return Problem(**{name: array.astype(dtype) for name, array in floats.items()}, y=labels, reg=reg)
