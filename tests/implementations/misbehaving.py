"""Implementations that do not return: each has to end in a verdict, and the audit goes on."""

# mypy: ignore-errors

import ctypes
import os
import sys
import time

import numpy as np
from correct import textbook


def raises(*arguments):
    raise ZeroDivisionError("no\nbatch")


def exits(*arguments):
    sys.exit(0)


def ends(*arguments):
    os._exit(7)


def segfaults(*arguments):
    ctypes.string_at(0)


def loops_for_ever(*arguments):
    while True:
        pass


def holds_the_interpreter(*arguments):
    """A call of C that does not let go of the GIL."""
    ctypes.PyDLL(None).sleep(60)


def sleeps_once(X, y, W1, b1, W2, b2, reg):
    """Hangs on one case of many: the others are judged."""
    if len(y) == 6:
        time.sleep(60)
    return textbook(X, y, W1, b1, W2, b2, reg)


def prints_a_gigabyte(*arguments):
    line = "x" * (1 << 20)
    for _ in range(1 << 10):
        os.write(1, line.encode())
    print("done", file=sys.stderr)
    return textbook(*arguments)


def eats_memory(*arguments):
    kept = []
    while True:
        kept.append(np.ones(1 << 22))


def returns_nothing(*arguments):
    return None


def returns_three(*arguments):
    return 1.0, {}, {}


def other_keys(*arguments):
    return 1.0, {"weights": 1}


def returns_text(X, y, W1, b1, W2, b2, reg):
    return 1.0, ("a", "b", "c", "d")


def returns_integers(X, y, W1, b1, W2, b2, reg):
    return 1.0, tuple(P.astype(int) for P in (W1, b1, W2, b2))


def column_biases(*arguments):
    loss, g = textbook(*arguments)
    return loss, g | {"b1": g["b1"][:, None], "b2": g["b2"][:, None]}


calls = []


def keeps_state(*arguments):
    loss, g = textbook(*arguments)
    calls.append(1)
    return loss, g | {"b2": g["b2"] * (1 if len(calls) == 1 else 1 + 1e-15)}


def at_random(*arguments):
    loss, g = textbook(*arguments)
    return loss, g | {
        "b2": g["b2"] * (1 + np.random.default_rng().uniform(-1e-15, 1e-15, 3 if len(g["b2"]) == 3 else 1))
    }


def warns(*arguments):
    import warnings

    warnings.warn("this is slow", RuntimeWarning, stacklevel=1)
    return textbook(*arguments)


def always_float64(X, y, W1, b1, W2, b2, reg):
    return textbook(
        *(np.asarray(A, dtype=float) for A in (X,)), y, *(np.asarray(P, dtype=float) for P in (W1, b1, W2, b2)), reg
    )


def half_l2(X, y, W1, b1, W2, b2, reg):
    return textbook(X, y, W1, b1, W2, b2, X.dtype.type(reg) / 2)


def half_mean_l2(X, y, W1, b1, W2, b2, reg):
    return textbook(X, y, W1, b1, W2, b2, X.dtype.type(reg) / 2 / len(y))


def summed(X, y, W1, b1, W2, b2, reg):
    N = len(y)
    loss, g = textbook(X, y, W1, b1, W2, b2, X.dtype.type(reg) / N)
    return loss * N, {name: value * N for name, value in g.items()}


def loss_is_nan(*arguments):
    _, g = textbook(*arguments)
    return float("nan"), g


def says_what_cannot_be_printed(*arguments):
    raise ValueError("\ud800 \x00 \x1b[31m <script>")
