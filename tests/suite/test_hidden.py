"""Mistakes that hide: in sizes that agree, in memory, in arrays used again, in threads; and what cannot be seen."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gradaudit.adapters.calls import EARLIER, WATCHED, Caller, hand_over
from gradaudit.adapters.protocol import Inputs
from gradaudit.cases.catalogue import Case, case_of, cases
from gradaudit.mistakes.detection import verdict_on
from gradaudit.mistakes.hidden import HIDDEN
from gradaudit.reference import network
from gradaudit.reference.acceptance import Acceptance, accept
from gradaudit.reference.problem import Gradients, Problem
from tests.places import ROOT

TOY = case_of("5x4x10x3-reg_0.1-random-float64-s0")

#: Where each mistake is wrong: in these cases of `quick`, and in no other edge case of it.
WHERE = {
    "onehot_in_labels_dtype": {"labels_int8", "labels_uint8"},
    "onehot_in_16_bits": {"large_sizes"},
    "features_after_65536": {"large_sizes"},
    "units_after_65536": {"large_sizes"},
    "logits_after_65536": {"large_sizes"},
    "x_not_transposed": {"equal_sizes"},
    "b1_axis_by_size": {"equal_sizes"},
    "buffer_of_x": {"equal_sizes"},
    "relu_threshold_1e-8": {"tiny_units"},
    "relu_threshold_1e-12": {"tiny_units"},
    "maximum_squeezed": {"one_class_far"},
    "first_100_features": {"large_sizes"},
    "mean_of_means": {"large_sizes"},
    "remainder_dropped": {"large_sizes"},
    "update_lost": {"large_sizes"},
    "inputs_flushed": {"tiny_feature_1e-33", "tiny_feature_1e-300"},
    "memory_order": {"fortran_arrays"},
}


@pytest.fixture(scope="module")
def posed() -> list[tuple[Case, Acceptance]]:
    """The quick cases with what is right there."""
    return [(case, accept(case.problem())) for case in cases("quick")]


@pytest.mark.parametrize("name", WHERE)
def test_a_hidden_mistake_is_wrong_where_it_hides_and_right_elsewhere(
    name: str, posed: list[tuple[Case, Acceptance]]
) -> None:
    """Without the cases that were added for it, it would pass."""
    caller = next(mistake for mistake in HIDDEN if mistake.name == name).caller()
    verdicts = {(case, verdict_on(caller, case, acceptance).verdict) for case, acceptance in posed}
    assert {case.edge.name for case, verdict in verdicts if verdict != "pass"} == WHERE[name]
    assert {verdict for _, verdict in verdicts} == {"pass", "wrong"}


#: Two sizes that agree, and the mistake that shows there alone.
AGREEING = {
    "4x4x6x3": "x_not_transposed",
    "6x4x6x3": "b1_axis_by_size",
    "4x3x6x4": "softmax_axis_by_size",
    "5x4x4x3": "w1_transposed",
    "6x4x5x4": "buffer_of_x",
    "6x5x4x4": "w2_orientation_by_size",
}


@pytest.mark.parametrize(("shape", "culprit"), AGREEING.items(), ids=AGREEING)
def test_each_pair_of_equal_sizes_shows_its_own_mistake_and_no_other(shape: str, culprit: str) -> None:
    case = case_of(f"{shape}-reg_0.1-equal_sizes-float64-s0")
    acceptance = accept(case.problem())
    callers = {mistake.name: mistake.caller() for mistake in HIDDEN if mistake.name in AGREEING.values()}
    wrong = [name for name, caller in callers.items() if verdict_on(caller, case, acceptance).verdict != "pass"]
    assert wrong == [culprit]


@pytest.mark.parametrize("labels", ["int16", "uint16"])
def test_places_in_labels_of_16_bits_overflow_where_there_are_more_entries(labels: str) -> None:
    case = case_of(f"9600x7x8x9-reg_0-labels_{labels}-float64-s0")
    caller = next(mistake for mistake in HIDDEN if mistake.name == "onehot_in_labels_dtype").caller()
    assert verdict_on(caller, case, accept(case.problem())).verdict == "wrong"


@pytest.mark.parametrize("chunk", [32, 64, 100, 128, 256, 512, 1000, 1024])
def test_a_last_chunk_that_is_dropped_is_seen_whatever_the_chunk(chunk: int) -> None:
    """9,600 is a multiple of some of these, 1,025 of none."""
    case = case_of("1025x4x5x3-reg_0-large_sizes-float64-s0")

    def dropping(inputs: Inputs) -> Gradients:
        N = len(inputs.y)
        entries = N - N % chunk
        return network.gradients(Problem(**(inputs._asdict() | {"X": inputs.X[:entries], "y": inputs.y[:entries]})))

    result = verdict_on(Caller(dropping), case, accept(case.problem()))
    assert result.verdict == "wrong"


def right(inputs: Inputs) -> Gradients:
    return network.gradients(Problem(**inputs._asdict()))


def relabelling(inputs: Inputs) -> Gradients:
    gradients = right(inputs)
    inputs.y[0] += 1
    return gradients


def reading_memory(inputs: Inputs) -> Gradients:
    """X as it lies in memory: the same numbers, unless the array is in another order."""
    X = inputs.X.ravel(order="K").reshape(inputs.X.shape)
    return right(inputs._replace(X=X))


def reading_the_base(inputs: Inputs) -> Gradients:
    """The buffer that X is a view of, read from its beginning."""
    base = inputs.X if inputs.X.base is None else inputs.X.base
    return right(inputs._replace(X=np.asarray(base).reshape(-1)[: inputs.X.size].reshape(inputs.X.shape)))


def reshaping(inputs: Inputs) -> Gradients:
    """A transpose undone by a reshape, which is right only for a vector."""
    return right(inputs._replace(W2=inputs.W2.T.reshape(inputs.W2.shape)))


def test_labels_that_a_call_changes_are_named() -> None:
    assert Caller(relabelling)(TOY.problem()).changed == ("y",)
    assert verdict_on(Caller(relabelling), TOY, accept(TOY.problem())).message == "the call changed its inputs: y"


@pytest.mark.parametrize(
    ("function", "layouts"),
    [
        (right, set()),
        (reading_memory, {"fortran"}),
        (reading_the_base, {"strided", "reversed"}),
        (reshaping, {"C", "fortran", "strided", "reversed", "read_only"}),
    ],
)
def test_what_depends_on_the_layout_is_wrong_in_the_layouts_that_show_it(
    function: Callable[[Inputs], Gradients], layouts: set[str]
) -> None:
    """Each layout is posed to a mistake as to a framework; the same numbers pass in C order."""
    wrong = {
        edge: verdict_on(Caller(function), case, accept(case.problem())).verdict
        for edge in ("random", "fortran_arrays", "strided_arrays", "reversed_arrays", "read_only_arrays")
        for case in [case_of(f"5x4x10x3-reg_0.1-{edge}-float64-s0")]
    }
    names = {"C" if edge == "random" else edge.removesuffix("_arrays") for edge, v in wrong.items() if v == "wrong"}
    assert names == layouts


def into(buffers: list[Gradients]) -> Callable[[Inputs], Gradients]:
    """A function that fills these buffers in turn, and returns them."""
    turn = iter(range(1000))

    def filling(inputs: Inputs) -> Gradients:
        own, result = buffers[next(turn) % len(buffers)], right(inputs)
        for name in ("loss", "W1", "b1", "W2", "b2"):
            getattr(own, name)[...] = getattr(result, name)
        return own

    return filling


@pytest.mark.parametrize("buffers", range(1, WATCHED + 2))
def test_arrays_that_are_filled_again_are_noticed_up_to_the_calls_that_are_watched(buffers: int) -> None:
    """One buffer, two in turn, and so on; from one more than WATCHED on it is not seen, and says so here."""
    seeds = [case_of(f"5x4x10x3-reg_0.1-random-float64-s{seed}").problem() for seed in range(buffers + 1)]
    caller = Caller(into([right(hand_over(TOY.problem())) for _ in range(buffers)]))
    changed = [caller(problem).changed for problem in seeds]
    assert changed == [()] * buffers + [(EARLIER,) if buffers <= WATCHED else ()]


def test_fresh_arrays_are_not_taken_for_ones_that_are_filled_again() -> None:
    caller = Caller(right)
    assert [caller(case.problem()).changed for case in cases("quick")[:20]] == [()] * 20


def test_what_is_noticed_once_is_not_said_of_the_calls_after_it() -> None:
    """The call after the culprit's is right, and is called so."""
    first = right(hand_over(TOY.problem()))
    once = iter([first, first])

    def twice_the_same(inputs: Inputs) -> Gradients:
        own, result = next(once, None), right(inputs)
        if own is None:
            return result
        for name in ("loss", "W1", "b1", "W2", "b2"):
            getattr(own, name)[...] = getattr(result, name)
        return own

    caller = Caller(twice_the_same)
    seeds = [case_of(f"5x4x10x3-reg_0.1-random-float64-s{seed}").problem() for seed in range(5)]
    assert [caller(problem).changed for problem in seeds] == [(), (EARLIER,), (), (), ()]


def judged_with(threads: str, tmp_path: Path) -> str:
    """What the audit says of a file whose threads add to one sum without a lock, run with so many of them."""
    target = f"{ROOT / 'tests' / 'implementations' / 'threaded.py'}:network"
    command = [sys.executable, "-m", "gradaudit", "candidate", target, "-k", "5x4x10x3 random", "--out", str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": threads}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return f"{done.returncode}: {done.stdout.splitlines()[-2]}"


def test_a_fault_of_several_threads_is_seen_where_the_user_asks_for_several(tmp_path: Path) -> None:
    """One thread a library is what an audit asks for, so that by default the fault is not there to be seen."""
    assert [judged_with(threads, tmp_path)[0] for threads in ("1", "2")] == ["0", "1"]
