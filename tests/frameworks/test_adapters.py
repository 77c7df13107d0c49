"""Every adapter keeps the contract of `gradaudit.adapters.protocol`, whatever its framework: over what is installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from gradaudit import adapters
from gradaudit.adapters import FrameworkError, adapter, frameworks, installed
from gradaudit.adapters.calls import LAYOUTS, Caller, hand_over
from gradaudit.adapters.idioms import LOSSES, RELUS
from gradaudit.adapters.protocol import Inputs
from gradaudit.cases.catalogue import case_of
from gradaudit.reference.problem import DTYPES, PARAMETERS, TENSORS, Gradients, Problem

INSTALLED = installed()
#: Variants that return a wider dtype than they are given: adapters/expected.toml says why.
WIDER = {("torch", "forward"): "float64"}
EACH = [(framework, variant) for framework in INSTALLED for variant in adapter(framework).variants]


def problem(dtype: str = "float64") -> Problem:
    return case_of(f"5x4x10x3-reg_0.1-random-{dtype}-s0").problem()


@pytest.mark.parametrize("framework", INSTALLED)
def test_an_adapter_has_the_members_of_the_protocol(framework: str) -> None:
    entrant = adapter(framework)
    assert entrant.name == framework
    assert len(set(entrant.variants)) == len(entrant.variants) > 0
    assert all(re.fullmatch(r"\w+", variant) for variant in entrant.variants)
    assert set(entrant.dtypes) <= set(DTYPES)
    assert entrant.dtypes
    assert all(re.match(r"\d+\.\d+", version) for version in entrant.versions().values())


@pytest.mark.parametrize("framework", INSTALLED)
def test_the_first_variant_is_canonical(framework: str) -> None:
    """It has no idiom in its name, and every variant with an idiom names one that there is."""
    first, *rest = adapter(framework).variants
    idioms = {f"relu_{name}" for name in RELUS} | {f"loss_{name}" for name in LOSSES}
    assert not first.startswith(("relu_", "loss_"))
    assert {name for name in rest if name.startswith(("relu_", "loss_"))} <= idioms


@pytest.mark.parametrize("framework", INSTALLED)
def test_an_unknown_variant_is_refused(framework: str) -> None:
    with pytest.raises(LookupError):
        adapter(framework).gradients(hand_over(problem()), "no_such_variant")


@pytest.mark.parametrize(("framework", "variant"), EACH, ids=[".".join(pair) for pair in EACH])
def test_every_variant_returns_arrays_of_its_own_in_the_dtype_of_the_inputs(framework: str, variant: str) -> None:
    for dtype in adapter(framework).dtypes:
        inputs = hand_over(problem(dtype))
        first = adapter(framework).gradients(inputs, variant)
        second = adapter(framework).gradients(hand_over(problem(dtype)), variant)
        assert np.shape(first.loss) == ()
        for name in PARAMETERS:
            gradient, parameter = getattr(first, name), getattr(inputs, name)
            assert isinstance(gradient, np.ndarray)
            assert gradient.dtype == WIDER.get((framework, variant), dtype)
            assert gradient.shape == parameter.shape
            assert not any(np.shares_memory(gradient, array) for array in inputs[:6])
            assert not np.shares_memory(gradient, getattr(second, name))
        for name in TENSORS:
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("framework", INSTALLED)
def test_the_inputs_are_left_alone_in_every_layout(framework: str, layout: str) -> None:
    entrant = adapter(framework)
    answer = Caller(lambda inputs: entrant.gradients(inputs, entrant.variants[0]))(problem(), layout)
    assert answer.changed == ()
    assert answer.gradients is not None


class Absent:
    """An adapter of another package."""

    name, variants, dtypes = "absent", ("only",), ("float64",)

    def versions(self) -> dict[str, str]:
        """Its version."""
        return {"absent": "1.0"}

    def gradients(self, inputs: Inputs, variant: str) -> Gradients:  # noqa: ARG002 (the contract)
        """Zeros."""
        return Gradients(np.zeros(()), **{name: np.zeros_like(getattr(inputs, name)) for name in PARAMETERS})


absent = Absent()


@pytest.fixture
def point(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """An entry point of another package, which offers `absent`."""
    points = (EntryPoint("absent", f"{__name__}:absent", adapters.GROUP),)
    monkeypatch.setattr(adapters, "entry_points", lambda **_: points)
    adapters._plugins.cache_clear()
    yield monkeypatch
    adapters._plugins.cache_clear()


@pytest.mark.usefixtures("point")
def test_an_adapter_of_another_package_is_there_by_its_entry_point() -> None:
    assert list(frameworks())[-1] == "absent"
    assert adapter("absent") is absent
    assert "absent" in installed()


def test_two_adapters_of_one_name_are_refused(point: pytest.MonkeyPatch) -> None:
    points = (EntryPoint("torch", "mine:torch", adapters.GROUP),)
    point.setattr(adapters, "entry_points", lambda **_: points)
    adapters._plugins.cache_clear()
    with pytest.raises(FrameworkError, match="mine:torch offers an adapter 'torch', which exists already"):
        installed()
