"""The diagnosis of files unlike the code of the known mistakes: several names at once, and never a false one."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit import audit_implementation
from audit.diagnosis import Diagnosis
from tests.implementations import course_loops, course_net_class, near_misses

FILES = Path(__file__).parent / "implementations"
ANOTHER_SEED = 11
COURSES = {
    (module.__name__.rpartition(".")[2], name): names
    for module in (course_net_class, course_loops)
    for name, names in module.MISTAKEN.items()
}


def diagnosis(file: str, name: str) -> Diagnosis:
    return audit_implementation(f"{FILES / file}.py:{name}", cases="quick", seed=ANOTHER_SEED).diagnosis


def test_the_set_has_thirty() -> None:
    assert len(COURSES) == 30


@pytest.mark.parametrize(("file", "name"), COURSES)
def test_every_mistake_of_a_course_file_is_named_and_no_other(file: str, name: str) -> None:
    result = diagnosis(file, name)
    names = COURSES[file, name]
    # where nothing is shifted, log p and log-softmax overflow on the same cases: one name says it all
    unseen: set[str] = {"log_of_softmax"} if "no_shift" in names else set()
    assert {one.mistake for one in result.named} == names - unseen
    assert result.unknown == ()


@pytest.mark.parametrize("name", near_misses.NOTHING)
def test_a_near_miss_has_no_name(name: str) -> None:
    result = diagnosis("near_misses", name)
    assert result.named == ()
    assert result.text


def test_gradients_that_are_all_zero_are_called_so() -> None:
    assert [one.mistake for one in diagnosis("near_misses", "zeros").named] == ["gradients_zero"]


def test_another_shape_hides_no_other_mistake() -> None:
    result = diagnosis("near_misses", "rows_without_mean")
    assert result.misshapen == ("b1", "b2")
    assert [one.mistake for one in result.named] == ["mean_missing"]


def test_a_result_that_hangs_on_the_first_call_is_noticed() -> None:
    report = audit_implementation(f"{FILES / 'near_misses.py'}:first_size", cases="quick")
    assert "it keeps state between calls: a call depends on the sizes of the first" in report.notes


@pytest.mark.parametrize(("name", "bits"), [("rounded_to_11_bits", 11), ("rounded_to_8_bits", 8)])
def test_products_of_few_bits_in_float32_alone_are_told_by_their_errors(name: str, bits: int) -> None:
    result = diagnosis("near_misses", name)
    assert result.named == ()
    assert f"as if products had {bits} bits" in result.text
    assert result.text.startswith("float64 is right on ")


def test_inputs_changed_in_place_are_named_first() -> None:
    names = [one.mistake for one in diagnosis("near_misses", "centred_in_place").named]
    assert names[:1] == ["inputs_changed"]


def test_the_note_of_another_convention_comes_first_alone() -> None:
    report = audit_implementation(f"{FILES / 'misbehaving.py'}:half_l2", cases="quick")
    assert report.diagnosis.named == ()
    assert "accept it with --l2 half" in report.notes[0]
    assert not any("its own loss" in note for note in report.notes)
