"""The judge is judged: what is inside the bound passes, what is one step outside is caught, in every tensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradaudit.cases.catalogue import case_of
from gradaudit.exact.enclosure import Enclosure
from gradaudit.reference.acceptance import Acceptance, accept
from gradaudit.reference.problem import TENSORS, Gradients, Problem
from gradaudit.verdicts.judge import Finding, Subject, describe, judge
from tests.answers import FRAMEWORKS, acceptance_of, canonical

SUBJECT = Subject("case", "family", "framework", "variant", "float64")
CASE = {dtype: case_of(f"5x4x10x3-reg_0.1-random-{dtype}-s0") for dtype in ("float64", "float32")}


def exact(accepted: Acceptance) -> Gradients:
    """The certified values, rounded to float64."""
    return Gradients(**{name: accepted.exact.tensors[name].hi.copy() for name in TENSORS})


def off_by(accepted: Acceptance, name: str, bounds: float) -> Finding:
    """The verdict on the exact gradient with the largest entry of one tensor off by so many times its bound."""
    gradients = exact(accepted)
    tensor = getattr(gradients, name)
    index = np.unravel_index(np.abs(tensor).argmax(), tensor.shape)
    tensor[index] += bounds * accepted.bound.tensors[name][index]
    return judge(SUBJECT, gradients, accepted)


@pytest.mark.parametrize("name", TENSORS)
def test_the_bound_is_where_pass_ends(name: str) -> None:
    accepted = acceptance_of(CASE["float64"])
    assert off_by(accepted, name, 0.9).verdict == "pass"
    result = off_by(accepted, name, 1.1)
    assert (result.verdict, result.tensor) == ("wrong", name)
    assert result.ratio == pytest.approx(1.1, rel=0.2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", TENSORS)
def test_a_number_that_is_not_finite_is_wrong(name: str, value: float) -> None:
    accepted = acceptance_of(CASE["float64"])
    gradients = exact(accepted)
    getattr(gradients, name)[...] = value
    result = judge(SUBJECT, gradients, accepted)
    assert (result.verdict, result.tensor, result.ratio) == ("wrong", name, np.inf)


@pytest.mark.parametrize("name", TENSORS[1:])
@pytest.mark.parametrize(
    "change",
    [np.zeros_like, np.negative, lambda g: g * 5, lambda g: g / 5, lambda g: g.astype("float32").astype("float64")],
    ids=["zeros", "negated", "times N", "over N", "through float32"],
)
def test_a_wrong_tensor_is_wrong(name: str, change: Callable[[Any], Any]) -> None:
    accepted = acceptance_of(CASE["float64"])
    gradients = replace(exact(accepted), **{name: change(getattr(exact(accepted), name))})
    result = judge(SUBJECT, gradients, accepted)
    assert (result.verdict, result.tensor) == ("wrong", name)


@pytest.mark.parametrize("name", TENSORS)
def test_another_shape_is_wrong_even_where_it_would_broadcast(name: str) -> None:
    accepted = acceptance_of(CASE["float64"])
    gradients = replace(exact(accepted), **{name: getattr(exact(accepted), name)[None]})
    result = judge(SUBJECT, gradients, accepted)
    assert result.verdict == "wrong"
    assert result.message.startswith(f"{name} has shape (1,")


def test_changed_inputs_are_wrong() -> None:
    accepted = acceptance_of(CASE["float64"])
    result = judge(SUBJECT, exact(accepted), accepted, changed=("W1",))
    assert (result.verdict, result.message) == ("wrong", "the call changed its inputs: W1")


@pytest.mark.parametrize("name", ["W1", "b1"])
def test_any_error_is_wrong_where_the_bound_is_0(name: str) -> None:
    """No unit is active and nothing is regularised, so dW1 and db1 are exactly 0: the smallest number is an error."""
    accepted = acceptance_of(case_of("5x4x10x3-reg_0-all_dead-float64-s0"))
    assert not accepted.bound.tensors[name].any()
    planted = exact(accepted)
    assert judge(SUBJECT, planted, accepted).verdict == "pass"
    getattr(planted, name)[-1] = np.nextafter(0, 1)
    result = judge(SUBJECT, planted, accepted)
    assert (result.verdict, result.tensor, result.ratio) == ("wrong", name, np.inf)


def held(hi: float, lo: float, bound: float) -> Acceptance:
    """An acceptance whose db2 is everywhere ``hi + lo``, within a bound, all of them typed."""
    accepted = acceptance_of(CASE["float64"])
    b2 = accepted.exact.tensors["b2"]
    typed = Enclosure(np.full_like(b2.hi, hi), np.full_like(b2.hi, lo), np.zeros_like(b2.hi))
    values = replace(accepted.exact, tensors={**accepted.exact.tensors, "b2": typed})
    bounds = replace(accepted.bound, tensors={**accepted.bound.tensors, "b2": np.full_like(b2.hi, bound)})
    return replace(accepted, exact=values, bound=bounds)


def test_an_error_as_large_as_its_bound_passes() -> None:
    accepted = held(1.0, 0.0, 2.0**-40)
    at_bound = replace(exact(accepted), b2=exact(accepted).b2 + 2.0**-40)
    result = judge(SUBJECT, at_bound, accepted)
    assert (result.verdict, result.ratio) == ("pass", 1.0)


@pytest.mark.parametrize(("part", "verdict"), [(2.0**-4, "pass"), (2.0**-3, "undecided")])
def test_a_bound_is_of_use_up_to_a_sixteenth_of_the_natural_size(part: float, verdict: str) -> None:
    size = acceptance_of(CASE["float64"]).bound.sizes["b2"]
    accepted = held(1.0, 0.0, part * size)
    assert judge(SUBJECT, exact(accepted), accepted).verdict == verdict


def test_the_low_part_of_an_exact_value_counts() -> None:
    accepted = held(1.0, 2.0**-60, 2.0**-61)
    result = judge(SUBJECT, exact(accepted), accepted)
    assert (result.error, result.ratio) == (2.0**-60, 2.0)


def test_ties_go_to_the_first_tensor_and_entry() -> None:
    result = judge(SUBJECT, exact(acceptance_of(CASE["float64"])), acceptance_of(CASE["float64"]))
    nans = {name: np.full_like(getattr(exact(acceptance_of(CASE["float64"])), name), np.nan) for name in ("W2", "b1")}
    tied = judge(SUBJECT, replace(exact(acceptance_of(CASE["float64"])), **nans), acceptance_of(CASE["float64"]))
    assert result.verdict == "pass"
    assert (tied.tensor, tied.index) == ("b1", (0,))


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("derivative", [0.5, 1.0])
def test_another_derivative_at_the_kink_is_wrong_where_the_kink_is_certain(derivative: float, framework: str) -> None:
    """The units of the first sample are exactly 0: adding `derivative` of dh there is what the other rules would do."""
    accepted = acceptance_of(case_of("5x4x10x3-reg_0.1-exact_kinks-float64-s0"))
    at_kink = np.where(accepted.exact.sign == 0, derivative * accepted.exact.dh.hi, 0)
    right = canonical(framework, accepted.problem)
    wrong = replace(right, W1=right.W1 + accepted.problem.X.T @ at_kink, b1=right.b1 + at_kink.sum(axis=0))
    assert judge(SUBJECT, right, accepted).verdict == "pass"
    assert judge(SUBJECT, wrong, accepted).verdict == "wrong"


@pytest.mark.parametrize("side", [0.0, 0.5, 1.0])
def test_every_derivative_between_the_sides_passes_where_the_kink_is_not_decidable(side: float) -> None:
    accepted = acceptance_of(case_of("1000x8x8x3-reg_0.1-rounded_kinks-float64-s0"))
    kinks, dh = accepted.bound.kinks, accepted.exact.dh.hi
    moved = np.where(kinks, side * dh, accepted.exact.da.hi)
    gradients = replace(
        exact(accepted),
        W1=accepted.problem.X.T @ moved + 2 * accepted.problem.reg * accepted.problem.W1,
        b1=moved.sum(axis=0),
    )
    assert kinks.sum() == 8
    assert judge(SUBJECT, gradients, accepted).verdict == "pass"


def offset(common: float, reg: float = 0.0) -> Acceptance:
    """Four samples without an active unit, so that the logits are b2, exactly, with a common offset."""
    b2 = common + np.array([0.0, 1.0, 2.0])
    numbers = {"X": np.zeros((4, 1)), "W1": np.ones((1, 1)), "b1": -np.ones(1), "W2": np.ones((1, 3)), "b2": b2}
    return accept(Problem(**numbers, y=np.array([0, 1, 2, 0]), reg=reg))


def with_loss_off(accepted: Acceptance, by: float) -> Finding:
    """The verdict on the exact gradients beside a loss that is off."""
    right = exact(accepted)
    return judge(SUBJECT, replace(right, loss=right.loss + by), accepted)


def test_digits_lost_to_a_common_offset_are_undecided_not_wrong() -> None:
    """At an offset of 2^40, logsumexp(s) - s[y] rounds by 2^-13 in float64: neither right nor convicted."""
    result = with_loss_off(offset(2.0**40), 2.0**-13)
    assert (result.verdict, result.message) == ("undecided", "digits lost to a common offset of the logits")


@pytest.mark.parametrize("reg", [0.0, 1000.0])
@pytest.mark.parametrize(("part", "verdict"), [(0.99, "undecided"), (1.01, "wrong")])
def test_a_loss_of_which_an_offset_leaves_no_digit_is_wrong(part: float, verdict: str, reg: float) -> None:
    """At an offset of 2^50, logsumexp(s) - s[y] rounds by 1/8 in float64, which is more than 2^-4 of 1 + l.

    However large the regulariser is: no offset reaches it.
    """
    accepted = offset(2.0**50, reg)
    gone = 2.0**-4 * (1 + accepted.exact.losses.hi.mean()) + float(accepted.bound.tensors["loss"])
    result = with_loss_off(accepted, part * gone)
    assert (result.verdict, result.message, result.tensor) == (
        verdict,
        "digits lost to a common offset of the logits",
        "loss",
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_loss_of_moderate_logits_cannot_lose_all_digits_to_an_offset(dtype: str) -> None:
    """ROUNDING.md, section 8: up to this size, the bound with every offset is not so much wider."""
    largest = 2.0**-4 / (3 * float(np.finfo(dtype).eps) / 2 * (1 + 2.0**-10))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        N, C = int(rng.integers(1, 50)), int(rng.integers(1, 8))
        shapes = {"X": (N, 2), "W1": (2, 3), "b1": (3,), "W2": (3, C)}
        numbers = {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}
        b2 = ((largest - 100) * rng.choice([-1, 1]) + rng.standard_normal(C)).astype(dtype)
        accepted = accept(Problem(**numbers, b2=b2, y=rng.integers(0, C, N), reg=0.0))
        wider = accepted.bound_allowing("whole").tensors["loss"] - accepted.bound.tensors["loss"]
        assert np.abs(accepted.exact.s.hi).max() <= largest
        assert 0 < wider <= 2.0**-4 * accepted.bound.data_sizes["loss"], seed


def test_a_gradient_of_which_no_digit_is_left_is_wrong_and_not_for_the_offset() -> None:
    """At an offset of 2^52 the offset's own allowance would hide a mean that is missing."""
    accepted = offset(2.0**52)
    right = exact(accepted)
    result = judge(SUBJECT, replace(right, b2=4 * right.b2), accepted)
    assert (result.verdict, result.message) == ("wrong", "")


def test_a_loss_within_its_bound_is_not_what_has_no_digit_left() -> None:
    """Another tensor that lost digits to the offset stays undecided, however much the bound of the loss allows."""
    accepted = offset(2.0**40)
    right = exact(accepted)
    off = right.b2 + 2.0**-15 * np.array([1.0, -1.0, 0.0])
    assert judge(SUBJECT, replace(right, b2=off), accepted).verdict == "undecided"


@pytest.mark.parametrize(("common", "by"), [(0.0, 2.0**-13), (2.0**40, 2.0**-10)])
def test_digits_lost_to_no_offset_or_beyond_it_are_wrong(common: float, by: float) -> None:
    assert with_loss_off(offset(common), by).verdict == "wrong"


def test_half_of_the_digits_may_be_lost_to_an_offset() -> None:
    assert with_loss_off(offset(2.0**40), 2.0**-27).verdict == "pass"


def test_a_db2_that_no_softmax_gives_is_wrong_whatever_the_offset() -> None:
    """exp(s - logsumexp(s)) does not sum to 1 then; neither does db2 sum to 0."""
    accepted = offset(2.0**40)
    right = exact(accepted)
    assert judge(SUBJECT, replace(right, b2=right.b2 + 2.0**-15), accepted).verdict == "wrong"


def overflowing() -> Acceptance:
    """A problem in which a correct float32 program may overflow, though not in db2's and db1's every form."""
    numbers = {"X": [[2.0**100]], "W1": [[2.0**100]], "b1": [0], "W2": [[1, -1]], "b2": [0, 0]}
    return accept(Problem(**{k: np.array(v, "float32") for k, v in numbers.items()}, y=np.array([0]), reg=0.0))


def test_where_a_correct_program_may_overflow_nothing_passes() -> None:
    accepted = overflowing()
    result = judge(SUBJECT, exact(accepted), accepted)
    assert (result.verdict, result.resolution) == ("undecided", np.inf)


def test_an_infinite_bound_of_an_infinite_size_is_no_power() -> None:
    """Neither the bound nor the natural size of dW1 is finite: whatever it is, nothing can be said of it."""
    numbers = {"X": [[1e200]], "W1": [[1e-200]], "b1": [0], "W2": [[1e150, -1e150]], "b2": [0, 0]}
    accepted = accept(Problem(**{k: np.array(v, "float64") for k, v in numbers.items()}, y=np.array([0]), reg=0.0))
    result = judge(SUBJECT, replace(exact(accepted), W1=np.full((1, 1), 12345.0)), accepted)
    assert (result.verdict, result.resolution) == ("undecided", np.inf)


def test_a_bound_without_power_does_not_pass_and_still_convicts() -> None:
    """One sample at an undecidable kink: dW1 and db1 may be anything up to dh, but not beyond it."""
    numbers = {"X": [[0.1]], "W1": [[0.3]], "b1": [-0.1 * 0.3], "W2": [[1, -1]], "b2": [0, 0]}
    accepted = accept(Problem(**{k: np.array(v, "float64") for k, v in numbers.items()}, y=np.array([0]), reg=0.0))
    assert off_by(accepted, "b1", 0.0).verdict == "undecided"
    assert off_by(accepted, "b1", 1.5).verdict == "wrong"


def blind(hi: float, bound: float) -> float:
    """The share of blind entries where db2 is everywhere `hi`, within a bound."""
    accepted = held(hi, 0.0, bound)
    share = judge(SUBJECT, exact(accepted), accepted).blind
    assert share is not None
    return share


def test_entries_whose_bound_exceeds_their_size_are_blind() -> None:
    """Of the tensors, db2 alone is typed: 3 entries of the 84 that are not 0."""
    assert blind(1.0, 1.0) == 0.0
    assert blind(-1.0, 1.0) == 0.0
    nonzero = sum(np.count_nonzero(exact(held(1.0, 0.0, 2.0)).__dict__[name]) for name in TENSORS)
    assert blind(-1.0, 2.0) == blind(1.0, 2.0) == 3 / nonzero


def test_an_entry_that_is_exactly_0_has_no_sign_to_be_blind_to() -> None:
    assert blind(0.0, 2.0) == 0.0


def test_the_labels_entry_of_a_saturated_softmax_is_blind() -> None:
    """A computed p - 1 is 0 where it is -5e-17, and passes; of the 3 entries not 0, it and the loss are blind."""
    numbers = {"X": [[0.0]], "W1": [[1.0]], "b1": [-1.0], "W2": [[0.0, 0.0]], "b2": [37.42994775023705, 0.0]}
    accepted = accept(Problem(**{k: np.array(v, "float64") for k, v in numbers.items()}, y=np.array([0]), reg=0.0))
    right = exact(accepted)
    result = judge(SUBJECT, replace(right, b2=right.b2 * np.array([0.0, 1.0])), accepted)
    assert (result.verdict, result.blind) == ("pass", 2 / 3)


def test_a_finding_in_words_gives_what_was_got_what_is_exact_and_how_far_is_allowed() -> None:
    words = describe(off_by(acceptance_of(CASE["float64"]), "W2", 1.5))
    assert words.startswith("W2[")
    assert all(word in words for word in ("got ", "exact ", "error ", "bound ", "ratio 1.5"))


#: The relative error that has to be seen in the largest entry of any one tensor.
PLANTED = {"float64": 1e-12, "float32": 1e-3}


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("dtype", PLANTED)
def test_a_planted_error_in_one_entry_is_caught(dtype: str, name: str, figure: Callable[[str], None]) -> None:
    """On top of every framework's own rounding; the smallest error that is still caught is printed."""
    accepted = acceptance_of(CASE[dtype])

    def caught(relative: float, framework: str) -> bool:
        right = canonical(framework, accepted.problem)
        tensor = np.array(getattr(right, name), dtype=np.float64)
        index = np.unravel_index(np.abs(tensor).argmax(), tensor.shape)
        tensor[index] *= 1 + relative
        return judge(SUBJECT, replace(right, **{name: tensor}), accepted).verdict == "wrong"

    grid = PLANTED[dtype] * 10 ** np.arange(0, -6, -0.1)
    smallest = max(min(r for r in grid if caught(r, framework)) for framework in FRAMEWORKS)
    figure(f"smallest planted relative error caught in {name}, {dtype}, by every framework: {smallest:.1e}")
    assert all(caught(PLANTED[dtype], framework) for framework in FRAMEWORKS)
