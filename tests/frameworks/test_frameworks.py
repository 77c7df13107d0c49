"""Every framework on every case, against the certified values and against one another."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from gradaudit.adapters import adapter, installed
from gradaudit.cases.catalogue import Case, case_of, cases
from gradaudit.cases.edge_cases import SQUARE, TOY
from gradaudit.cases.plan import Item
from gradaudit.reference.problem import TENSORS
from gradaudit.runs.run import judge_item
from gradaudit.verdicts.expected import expectations, explain
from gradaudit.verdicts.judge import describe
from tests.answers import CANONICAL, FRAMEWORKS, acceptance_of, answer

STANDARD = [case for case in cases("standard") if case.step is None]
INSTALLED = {name: adapter(name).variants[0] for name in installed()}
EACH_FRAMEWORK = [
    pytest.param(case, name, id=Item(case, name, variant).id)
    for case in STANDARD
    for name, variant in INSTALLED.items()
]
KNOWN = expectations()
EACH_PAIR = [
    pytest.param(case, *pair, id=f"{'~'.join(pair)}-{case.id}")
    for case in STANDARD
    for pair in combinations(FRAMEWORKS, 2)
]


@pytest.mark.parametrize(("case", "framework"), EACH_FRAMEWORK)
def test_gradient_is_within_the_bound_of_the_certified_values(case: Case, framework: str) -> None:
    """Or outside it in a way that is known; of NumPy, PyTorch and JAX nothing is."""
    finding = explain(judge_item(Item(case, framework, INSTALLED[framework]), acceptance_of(case)), KNOWN)
    assert finding.verdict == "pass" or (finding.expected and framework not in CANONICAL), describe(finding)


@pytest.mark.parametrize(("framework", "variant"), CANONICAL.items())
def test_the_canonical_variant_is_the_first(framework: str, variant: str) -> None:
    assert adapter(framework).variants[0] == variant


@pytest.mark.parametrize(("case", "first", "second"), EACH_PAIR)
def test_frameworks_agree_within_twice_the_bound(case: Case, first: str, second: str) -> None:
    bounds = acceptance_of(case).bound.tensors
    left, right = answer(first, case), answer(second, case)
    apart = {name: np.abs(getattr(left, name).astype(float) - getattr(right, name).astype(float)) for name in TENSORS}
    too_far = [name for name in TENSORS if (apart[name] > 2 * bounds[name]).any()]
    assert too_far == []


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [TOY, SQUARE], ids=str)
def test_jax_gradient_that_is_not_compiled_is_right_too(shape: object, dtype: str) -> None:
    case = case_of(f"{shape}-reg_0.1-random-{dtype}-s0")
    finding = judge_item(Item(case, "jax", "eager"), acceptance_of(case))
    assert finding.verdict == "pass", describe(finding)


def test_jax_in_float64_leaves_its_default_precision_alone() -> None:
    import jax.numpy as jnp

    answer("jax", case_of("5x4x10x3-reg_0.1-random-float64-s0"))
    assert jnp.zeros(1, dtype=float).dtype == np.float32
