"""Every bad input is refused in one line that says what, what was expected and how to mend it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradaudit.reference.problem import Gradients, Problem, ProblemError


def arguments(**changed: Any) -> dict[str, Any]:
    """A valid problem's arguments (N, D, H, C = 3, 2, 4, 3), some of them changed."""
    valid = {
        "X": np.ones((3, 2)),
        "y": np.array([0, 1, 2]),
        "W1": np.ones((2, 4)),
        "b1": np.ones(4),
        "W2": np.ones((4, 3)),
        "b2": np.ones(3),
        "reg": 0.1,
    }
    return valid | changed


BAD = {
    "X a vector": ({"X": np.ones(3)}, "X has shape (3,); expected a matrix (N, D)"),
    "W1 of another D": ({"W1": np.ones((5, 4))}, "W1 has shape (5, 4); expected (2, 4)"),
    "W2 of another H": ({"W2": np.ones((5, 3))}, "W1 has shape (2, 4); expected (2, 5)"),
    "b1 of length 1": ({"b1": np.ones(1)}, "b1 has shape (1,); expected (4,)"),
    "b1 a row": ({"b1": np.ones((1, 4))}, "b1 has shape (1, 4); expected (4,)"),
    "b2 a matrix": ({"b2": np.ones((3, 3))}, "b2 has shape (3, 3); expected (3,)"),
    "y of length 1": ({"y": np.array([0])}, "y has shape (1,); expected (3,)"),
    "y a column": ({"y": np.array([[0], [1], [2]])}, "y has shape (3, 1); expected (3,)"),
    "label C": ({"y": np.array([0, 1, 3])}, "y[2] is 3; expected a class index from 0 to 2"),
    "label -1": ({"y": np.array([-1, 1, 2])}, "y[0] is -1; expected a class index from 0 to 2"),
    "label -100": ({"y": np.array([0, -100, 2])}, "y[1] is -100; expected a class index from 0 to 2"),
    "huge unsigned label": ({"y": np.array([0, 1, 2**64 - 1], dtype=np.uint64)}, "y[2] is 18446744073709551615"),
    "float labels": ({"y": np.array([0.0, 1.0, 2.0])}, "y has dtype float64; expected integer class indices"),
    "boolean labels": ({"y": np.array([True, False, True])}, "y has dtype bool; expected integer class indices"),
    "masked labels": ({"y": np.ma.array([0, 1, 2])}, "y is a masked array"),
    "NaN": ({"X": np.array([[1.0, np.nan]] * 3)}, "X[0, 1] is nan; expected finite numbers"),
    "infinity": ({"b2": np.array([1.0, 1.0, -np.inf])}, "b2[2] is -inf; expected finite numbers"),
    "negative reg": ({"reg": -1e-3}, "reg is -0.001; expected a finite number >= 0"),
    "reg NaN": ({"reg": float("nan")}, "reg is nan; expected a finite number >= 0"),
    "reg infinite": ({"reg": float("inf")}, "reg is inf; expected a finite number >= 0"),
    "reg no number": ({"reg": "much"}, "reg is 'much'; expected one number >= 0"),
    "reg beyond float32": (
        {name: array.astype("float32") for name, array in arguments().items() if name not in ("y", "reg")}
        | {"reg": 1e39},
        "reg is 1e+39; expected a finite number >= 0 that float32 can hold",
    ),
    "empty batch": ({"X": np.ones((0, 2)), "y": np.array([], dtype=int)}, "X has shape (0, 2); expected no empty axis"),
    "no hidden unit": ({"W1": np.ones((2, 0)), "W2": np.ones((0, 3))}, "W1 has shape (2, 0); expected no empty axis"),
    "mixed dtypes": ({"W2": np.ones((4, 3), dtype="float32")}, "W2 has dtype float32 and X has float64"),
    "float16": ({"X": np.ones((3, 2), dtype="float16")}, "X has dtype float16; expected float64 or float32"),
    "integers": ({"X": np.ones((3, 2), dtype=int)}, "X has dtype int64; expected float64 or float32"),
    "complex": ({"b1": np.ones(4, dtype=complex)}, "b1 has dtype complex128; expected float64 or float32"),
    "objects": ({"b1": np.array([1.0] * 4, dtype=object)}, "b1 has dtype object; expected float64 or float32"),
    "a list": ({"b1": [1.0] * 4}, "b1 is a list; expected a NumPy array"),
    "masked": ({"X": np.ma.array(np.ones((3, 2)))}, "X is a masked array"),
}


@pytest.mark.parametrize(("changed", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_in_one_line(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ProblemError) as caught:
        Problem(**arguments(**changed))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_arrays_are_private_read_only_and_in_c_order() -> None:
    X = np.asfortranarray(np.arange(6.0).reshape(3, 2))
    problem = Problem(**arguments(X=X))
    X[0, 0] = 99
    assert problem.X[0, 0] == 0
    assert problem.X.flags.c_contiguous
    assert not any(getattr(problem, name).flags.writeable for name in ("X", "y", "W1", "b1", "W2", "b2"))


def test_labels_of_any_integer_dtype_become_int64() -> None:
    assert Problem(**arguments(y=np.array([0, 1, 2], dtype="uint8"))).y.dtype == np.int64


def test_big_endian_numbers_keep_their_values() -> None:
    X = np.arange(6.0).reshape(3, 2)
    assert np.array_equal(Problem(**arguments(X=X.astype(">f8"))).X, X)


def test_reg_is_rounded_to_the_dtype() -> None:
    assert Problem(**arguments(reg=0.1)).astype("float32").reg == float(np.float32(0.1))


@pytest.mark.parametrize("tensor", [np.ones(3, dtype=int), np.ones(3, dtype=complex), "gradient", None], ids=str)
def test_gradients_are_real_floating_point_arrays(tensor: Any) -> None:
    with pytest.raises(TypeError, match="expected real floating-point numbers"):
        Gradients(loss=np.array(1.0), W1=np.ones(1), b1=np.ones(1), W2=tensor, b2=np.ones(1))
