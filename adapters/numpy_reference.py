"""NumPy: the canonical network with the gradients derived by hand."""

from __future__ import annotations

import numpy as np

from gradaudit.adapters.protocol import Inputs, normalised
from gradaudit.reference import network
from gradaudit.reference.problem import Gradients, Problem

name = "numpy"
variants = ("reference",)
dtypes = ("float64", "float32")


def versions() -> dict[str, str]:
    """NumPy's version."""
    return {"numpy": np.__version__}


def gradients(inputs: Inputs, variant: str) -> Gradients:
    """The loss and its gradients by the formulas of reference/network.py."""
    if variant not in variants:
        raise KeyError(variant)
    return network.gradients(Problem(*normalised(inputs)))
