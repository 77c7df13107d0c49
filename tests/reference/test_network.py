"""The canonical network: worked by hand, in its dtype, stable, pure; and the numbers that others published."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from gradaudit.reference import network
from gradaudit.reference.problem import TENSORS, Problem
from tests.places import ROOT

PUBLISHED = json.loads((ROOT / "tests" / "published.json").read_text())


def small(dtype: str = "float64") -> Problem:
    """Two samples, one feature, two units of which the second is inactive, two classes."""
    arrays = {
        "X": [[1.0], [2.0]],
        "W1": [[1.0, -1.0]],
        "b1": [0.0, 0.0],
        "W2": [[0.0, 0.0], [1.0, 3.0]],
        "b2": [0.0, 0.0],
    }
    return Problem(**{name: np.array(a, dtype=dtype) for name, a in arrays.items()}, y=np.array([0, 1]), reg=0.5)


def test_a_network_worked_by_hand() -> None:
    """All logits are 0, so p is 1/2 everywhere; unit 2 is dead; |W1|^2 + |W2|^2 is 12."""
    result = network.gradients(small())
    assert result.loss == pytest.approx(np.log(2) + 0.5 * 12, rel=1e-15)
    assert result.W2.tolist() == [[0.25 * (-1 + 2), 0.25 * (1 - 2)], [1.0, 3.0]]
    assert result.b2.tolist() == [0.0, 0.0]
    assert result.W1.tolist() == [[1.0, -1.0]]
    assert result.b1.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_everything_is_computed_in_the_dtype_given(dtype: str) -> None:
    problem = small(dtype)
    f = network.forward(problem)
    arrays = [
        *vars(f).values(),
        *vars(network.backward(problem, f)).values(),
        *vars(network.gradients(problem)).values(),
    ]
    assert {str(array.dtype) for array in arrays} == {dtype}


@pytest.mark.parametrize(("dtype", "logit"), [("float64", 1.7e308), ("float32", 3.3e38)])
def test_gradients_stay_finite_at_the_largest_logits(dtype: str, logit: float) -> None:
    problem = Problem(
        X=np.ones((2, 1), dtype), y=np.array([0, 1]), W1=np.ones((1, 1), dtype), b1=np.zeros(1, dtype),
        W2=np.zeros((1, 2), dtype), b2=np.array([logit, -logit], dtype), reg=0.0,
    )  # fmt: skip
    result = network.gradients(problem)
    assert result.b2.tolist() == [0.5, -0.5]
    assert all(np.isfinite(getattr(result, name)).all() for name in TENSORS[1:])


def toy() -> tuple[dict[str, Any], dict[str, Any]]:
    """The cs231n toy network of the published record, and that record."""
    golden = PUBLISHED["G1_cs231n_A1_toy"]
    state = np.random.RandomState(golden["seed_params"])
    W1, W2 = 0.1 * state.randn(4, 10), 0.1 * state.randn(10, 3)
    X = 10 * np.random.RandomState(1).randn(5, 4)
    return {"X": X, "y": np.array([0, 1, 2, 2, 1]), "W1": W1, "b1": np.zeros(10), "W2": W2, "b2": np.zeros(3)}, golden


def test_published_cs231n_toy_scores_and_loss() -> None:
    """Blind to the biases, which are all 0. Printed with 8 and 11 decimals; its 0.5 reg is half of ours."""
    arrays, golden = toy()
    problem = Problem(**arrays, reg=golden["reg"]["reg*sumsq"])
    result = network.forward(problem)
    assert np.round(result.s, 8).tolist() == golden["scores"]
    assert round(float(network.loss(problem, result)), 11) == golden["loss"]
    assert golden["reg"]["0.5*reg*sumsq"] / 2 == golden["reg"]["reg*sumsq"]


def test_published_cs231n_toy_has_inactive_units_but_no_kink() -> None:
    a = network.forward(Problem(**toy()[0], reg=0.0)).a
    assert (int((a < 0).sum()), a.size, int((a == 0).sum())) == (28, 50, 0)


@pytest.mark.parametrize(("reg", "printed"), [(0.0, "loss_reg0"), (0.5, "loss_reg1_half")])
def test_published_cs231n_fully_connected_loss(reg: float, printed: str) -> None:
    """Blind to every fault of the ReLU: none of its 150 hidden units is inactive. Printed with 10 decimals."""
    golden = PUBLISHED["G2_cs231n_A2_fc"]
    N, D, H, C = (golden[letter] for letter in "NDHC")
    problem = Problem(
        X=np.linspace(-5.5, 4.5, N * D).reshape(D, N).T,
        y=np.array([0, 5, 1]),
        W1=np.linspace(-0.7, 0.3, D * H).reshape(D, H),
        b1=np.linspace(-0.1, 0.9, H),
        W2=np.linspace(-0.3, 0.4, H * C).reshape(H, C),
        b2=np.linspace(-0.9, 0.1, C),
        reg=reg,
    )
    result = network.forward(problem)
    assert round(float(network.loss(problem, result)), 10) == golden[printed]
    assert int((result.a <= 0).sum()) == 0


def test_published_notebook_gradients_of_a_batch_of_one() -> None:
    """Blind to the biases, which are 0, and to 1/N, for N is 1. Printed with 12 decimals, dW1 and db1 with 8."""
    golden = PUBLISHED["G3_g-eoj"]
    arrays = {name: np.array(golden[name], dtype=np.float64) for name in ("X", "W1", "b1", "W2", "b2")}
    problem = Problem(**arrays, y=np.array(golden["y"]), reg=golden["reg"])
    f = network.forward(problem)
    b = network.backward(problem, f)
    assert np.round(f.s, 4).tolist() == golden["scores"]
    assert float(network.loss(problem, f)) == pytest.approx(golden["loss"], rel=1e-15)
    assert np.round(b.ds[0], 12).tolist() == golden["dscores"]
    printed_half_unit = 0.5e-12  # dW2 was printed from dscores as printed: h times that half unit, and its own
    assert (np.abs(b.dW2 - golden["dW2"]) <= printed_half_unit * (f.h.T + 1)).all()
    assert np.round(f.h.T @ [golden["dscores"]], 12).tolist() == golden["dW2"]
    assert np.round(b.db2, 12).tolist() == golden["db2"]
    assert np.round(b.dW1, 8).tolist() == golden["dW1_printed"]
    assert np.round(b.db1, 8).tolist() == golden["db1_printed"]
