"""Right backward passes are accepted, wrong ones are not; in float64 and in float32."""

from __future__ import annotations

import pytest
import torch

import gradaudit
from gradaudit.torch import gradcheck
from tests.frameworks.backwards import function
from tests.frameworks.backwards_torch import RIGHT, WRONG

DTYPES = {"float64": torch.float64, "float32": torch.float32}


def test_there_are_enough_of_them() -> None:
    assert len(RIGHT) >= 40
    assert len(WRONG) >= 40


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_one_is_accepted(name: str, dtype: str) -> None:
    case, backward = RIGHT[name]
    assert gradcheck(function(case.forward, backward), case.inputs(DTYPES[dtype]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_one_is_convicted(name: str, dtype: str) -> None:
    case, backward = WRONG[name]
    with pytest.raises(gradaudit.GradientError, match=r"input [0-9].* is wrong") as caught:
        gradcheck(function(case.forward, backward), case.inputs(DTYPES[dtype]))
    assert not isinstance(caught.value, gradaudit.UndecidedError)
    assert "output is wrong" not in str(caught.value)
