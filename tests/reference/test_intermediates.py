"""The derivatives between the loss and the parameters, ds, dh and da, against the frameworks' own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from gradaudit.adapters.calls import hand_over
from gradaudit.cases.catalogue import case_of
from gradaudit.reference import network
from gradaudit.reference.problem import Problem
from tests.answers import acceptance_of

EDGES = ("random", "exact_kinks", "zero_parameters", "all_dead", "right_by_37", "logits_1e4")


def _numpy(problem: Problem) -> Mapping[str, Any]:
    result = network.backward(problem, network.forward(problem))
    return {"ds": result.ds, "dh": result.dh, "da": result.da}


def _torch(problem: Problem) -> Mapping[str, Any]:
    from gradaudit.adapters.torch_autograd import intermediates

    return intermediates(hand_over(problem))


def _jax(problem: Problem) -> Mapping[str, Any]:
    from gradaudit.adapters.jax_grad import intermediates

    return intermediates(hand_over(problem))


@pytest.mark.parametrize("intermediates", [_numpy, _torch, _jax], ids=["numpy", "torch", "jax"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("edge", EDGES)
def test_intermediate_gradients_are_within_their_bounds(edge: str, dtype: str, intermediates: Any) -> None:
    accepted = acceptance_of(case_of(f"5x4x10x3-reg_0.1-{edge}-{dtype}-s0"))
    result = intermediates(accepted.problem)
    outside = [
        name
        for name in ("ds", "dh", "da")
        if (np.abs(result[name] - getattr(accepted.exact, name).hi) > getattr(accepted.bound, name)).any()
    ]
    assert outside == []
