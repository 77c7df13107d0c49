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
