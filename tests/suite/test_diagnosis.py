"""The diagnosis of files unlike the code of the known mistakes: several names at once, and never a false one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from gradaudit.adapters.calls import Caller
from gradaudit.adapters.protocol import Inputs
from gradaudit.cases.catalogue import Case, case_of, cases
from gradaudit.mistakes import MISTAKES, Implementation, Mistake, evaluate
from gradaudit.mistakes.diagnosis import Diagnosis, diagnose
from gradaudit.reference.problem import Gradients
from gradaudit.suite import audit_implementation
from tests.implementations import course_loops, course_net_class, narrow, outsiders
from tests.observed import observed
from tests.places import IMPLEMENTATIONS as FILES

ANOTHER_SEED = 11
#: The functions of near_misses.py that no name is true of.
NOTHING = (
    "signs",
    "loss_zero",
    "triple",
    "random_signs",
    "sigmoid",
    "first_size",
    "eleven_tenths",
    "slightly_off",
)
COURSES = {
    (module.__name__.rpartition(".")[2], name): names
    for module in (course_net_class, course_loops)
    for name, names in module.MISTAKEN.items()
}


def diagnosis(file: str, name: str) -> Diagnosis:
    return audit_implementation(f"{FILES / file}.py:{name}", cases="quick", seed=ANOTHER_SEED).diagnosis


@lru_cache(maxsize=2)
def posed(selection: str) -> tuple[Case, ...]:
    """Cases that no mistake was tuned on."""
    return tuple(case for case in cases(selection, seed=ANOTHER_SEED) if case.step is None)


@pytest.mark.parametrize("name", MISTAKES)
def test_every_known_mistake_is_named_on_problems_it_was_not_tuned_on(name: str) -> None:
    """x_for_h raises unless D = H, which only the standard cases pose with the power to tell."""
    chosen = posed("quick")
    if name == "x_for_h":
        chosen = tuple(c for c in posed("standard") if c.edge.name == "random" and c.dtype == "float64")
    result = diagnose(observed(MISTAKES[name].caller(), chosen))
    assert [first.mistake for first in result.mistakes] == [name]
    assert MISTAKES[name].sentence in result.text
    assert MISTAKES[name].formula in result.text


#: Pairs of known mistakes, in the order of their names.
PAIRS = [
    ("a_for_h", "mask_forgotten"),
    ("bias_averaged", "l2_missing_in_gradient"),
    ("bias_regularised_in_gradient", "l2_missing_in_loss"),
    ("l2_factor_missing", "sum_in_loss"),
    ("l2_halved_in_loss", "mask_missing_in_b1"),
    ("l2_halved_in_loss", "mean_missing"),
    ("l2_missing_in_loss", "sign"),
    ("log_of_p_plus_1e-7", "mask_inverted"),
    ("mask_from_dh", "sum_in_loss"),
    ("bias_regularised_in_loss", "relu_derivative_1_at_0"),
]


def together(*names: str) -> Diagnosis:
    """The diagnosis of several known mistakes in one network."""
    changes = {step: change for name in names for step, change in MISTAKES[name].changes.items()}
    return diagnose(observed(Mistake("both", "", "", "", changes).caller(), posed("quick")))


@pytest.mark.parametrize("names", PAIRS, ids="+".join)
def test_of_two_mistakes_both_are_named_and_no_third(names: tuple[str, str]) -> None:
    result = together(*names)
    assert {first.mistake for first in result.mistakes} == set(names)
    assert result.unknown == ()


def test_two_mistakes_are_named_with_their_tensors() -> None:
    named = together("mask_missing_in_b1", "l2_halved_in_loss").mistakes
    assert {(first.mistake, first.tensors) for first in named} == {
        ("mask_missing_in_b1", ("b1",)),
        ("l2_halved_in_loss", ("loss",)),
    }


def test_what_equals_no_known_mistake_is_called_unknown() -> None:
    def tripled(inputs: Inputs) -> Gradients:
        loss, grads = evaluate({}, **inputs._asdict())
        return Gradients(np.asarray(loss), **{**grads, "W2": 3 * grads["W2"]})

    result = diagnose(observed(Caller(tripled), posed("quick")))
    assert (result.mistakes, result.unknown) == ((), ("W2",))
    assert "W2: explained by no known mistake" in result.text


def test_the_set_has_thirty() -> None:
    assert len(COURSES) == 30


@pytest.mark.parametrize(("file", "name"), COURSES)
def test_every_mistake_of_a_course_file_is_named_and_no_other(file: str, name: str) -> None:
    result = diagnosis(file, name)
    names = COURSES[file, name]
    if names == {"bias_regularised"}:  # a convention, which is said instead, and alone
        assert result.mistakes == ()
        assert "accept it with --bias-decay" in result.text
        return
    # where nothing is shifted, log p and log-softmax overflow on the same cases: one name says it all
    unseen: set[str] = {"log_of_softmax"} if "no_shift" in names else set()
    assert {first.mistake for first in result.mistakes} == names - unseen
    assert result.unknown == ()


@pytest.mark.parametrize("name", outsiders.MISTAKEN)
def test_every_mistake_of_a_notebook_is_named_and_no_other(name: str) -> None:
    """The softmax over samples in its two forms; float32 inside, which is NaN on the largest numbers; biases' decay."""
    result = of(getattr(outsiders, name))
    assert {first.mistake for first in result.mistakes} == outsiders.MISTAKEN[name]
    assert result.unknown == ()


def test_float32_inside_overflows_on_the_largest_numbers() -> None:
    """So that the name above holds where most entries are NaN."""
    inputs = case_of("5x4x10x3-reg_0.1-logits_1e300-float64-s0").problem()
    loss, _ = outsiders.single(inputs.X, inputs.y, inputs.W1, inputs.b1, inputs.W2, inputs.b2, inputs.reg)
    assert np.isnan(loss)


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("bias_in_gradient", "the gradient is not that of its own loss"),
        ("bias_in_both_linear", "the gradient is that of its own loss, which is another network's"),
    ],
)
def test_of_regularised_biases_diagnosis_and_note_agree(name: str, note: str) -> None:
    report = audit_implementation(f"{FILES / 'outsiders.py'}:{name}", cases="quick", seed=ANOTHER_SEED)
    assert {first.mistake for first in report.diagnosis.mistakes} == outsiders.MISTAKEN[name]
    assert [text.startswith(note) for text in report.notes if "its own loss" in text] == [True]


def test_biases_regularised_in_loss_and_gradient_alone_are_a_convention_and_no_mistake() -> None:
    report = audit_implementation(f"{FILES / 'outsiders.py'}:bias_in_both", cases="quick", seed=ANOTHER_SEED)
    assert report.diagnosis.mistakes == ()
    assert "accept it with --bias-decay" in report.notes[0]
    assert not any("its own loss" in note for note in report.notes)


@pytest.mark.parametrize("name", NOTHING)
def test_a_near_miss_has_no_name(name: str) -> None:
    result = diagnosis("near_misses", name)
    assert result.mistakes == ()
    assert result.text


def test_gradients_that_are_all_zero_are_called_so() -> None:
    assert [first.mistake for first in diagnosis("near_misses", "zeros").mistakes] == ["gradients_zero"]


def test_two_gradients_that_are_zero_are_not_called_all() -> None:
    """What is wrong with the biases is unknown: that no gradient is filled in is not true."""

    def partly_zero(*arrays: Any) -> tuple[Any, dict[str, Any]]:
        loss, g = evaluate({}, **dict(zip(Inputs._fields, arrays, strict=True)))
        return loss, {"W1": 0 * g["W1"], "b1": 3 * g["b1"], "W2": 0 * g["W2"], "b2": 3 * g["b2"]}

    assert of(partly_zero).mistakes == ()


def test_another_shape_hides_no_other_mistake() -> None:
    result = diagnosis("near_misses", "columns_without_mean")
    assert result.misshapen == ("b1", "b2")
    assert [first.mistake for first in result.mistakes] == ["mean_missing"]


def test_a_result_that_hangs_on_the_first_call_is_noticed() -> None:
    report = audit_implementation(f"{FILES / 'near_misses.py'}:first_size", cases="quick")
    assert "it keeps state between calls: a call depends on the sizes of the first" in report.notes


def of(implementation: Implementation, selection: str = "quick") -> Diagnosis:
    """The diagnosis of a function called in this process."""

    def gradients(inputs: Inputs) -> Gradients:
        loss, grads = implementation(*inputs)
        return Gradients(np.asarray(loss), **grads)

    return diagnose(observed(Caller(gradients), posed(selection)))


@pytest.mark.parametrize(
    ("name", "bits", "formats"),
    [
        ("tf32_products", 11, "TF32 or float16"),
        ("bfloat16_products", 8, "bfloat16"),
        ("half_operands", 11, "TF32 or float16"),
        ("half_between", 11, "TF32 or float16"),
        ("half_scaled_by_2_to_10", 11, "TF32 or float16"),
    ],
)
def test_fewer_bits_in_float32_alone_are_told_by_their_errors(name: str, bits: int, formats: str) -> None:
    result = of(getattr(narrow, name))
    assert (result.mistakes, result.unknown) == ((), ())
    assert result.text.startswith("float64 is right on ")
    assert f", as if products had {bits} bits ({formats})" in result.remark


@pytest.mark.parametrize("name", ["half_scaled_by_2_to_16", "single_scaled_by_2_to_120"])
def test_a_loss_scale_that_overflows_is_counted_and_has_no_name(name: str) -> None:
    """Most gradients are infinite there, or most are right: nothing is said of bits."""
    result = of(getattr(narrow, name))
    assert (result.mistakes, result.unknown) == ((), ())
    assert re.fullmatch(r"float64 is right on (\d+) of \1; float32 is wrong on \d+ of \d+", result.remark)


def test_inputs_changed_in_place_are_named_first() -> None:
    names = [first.mistake for first in diagnosis("near_misses", "centred_in_place").mistakes]
    assert names[:1] == ["inputs_changed"]


def test_the_note_of_another_convention_comes_first_alone() -> None:
    report = audit_implementation(f"{FILES / 'misbehaving.py'}:half_l2", cases="quick")
    assert report.diagnosis.mistakes == ()
    assert "accept it with --l2 half" in report.notes[0]
    assert not any("its own loss" in note for note in report.notes)
