"""The catalogue: ids that hold everything, cases that are what they say, nothing twice."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gradaudit.cases.catalogue import CaseError, case_of, cases
from gradaudit.cases.edge_cases import EDGE_CASES
from gradaudit.reference import network
from gradaudit.reference.problem import Problem, Shape

TOY = "5x4x10x3-reg_0.1"


def posed(edge: str, dtype: str = "float64", start: str = TOY) -> Problem:
    return case_of(f"{start}-{edge}-{dtype}-s0").problem()


@pytest.mark.parametrize("selection", ["quick", "standard", "full"])
def test_every_id_is_unique_and_makes_its_case_again(selection: str) -> None:
    chosen = cases(selection)
    assert len({case.id for case in chosen}) == len(chosen)
    assert [case_of(case.id) for case in chosen] == chosen


def test_each_selection_contains_the_one_before() -> None:
    quick, standard, full = (set(cases(selection)) for selection in ("quick", "standard", "full"))
    assert quick < standard < full


def test_every_edge_case_is_in_the_standard_selection_with_a_reason() -> None:
    assert {case.edge.name for case in cases("standard")} == set(EDGE_CASES)
    assert all(edge.reason and edge.catches for edge in EDGE_CASES.values())


def test_the_order_does_not_depend_on_the_process() -> None:
    assert [case.id for case in cases("quick")][:2] == [
        "1x4x10x3-reg_0.1-random-float64-s0",
        "1x4x10x3-reg_0.1-random-float32-s0",
    ]


@pytest.mark.parametrize("case", cases("quick"), ids=lambda case: case.id)
def test_a_case_is_the_same_numbers_each_time(case: object) -> None:
    item, two = (case_of(case.id).problem() for _ in range(2))  # type: ignore[attr-defined]
    assert all(np.array_equal(getattr(item, name), getattr(two, name)) for name in ("X", "y", "W1", "b1", "W2", "b2"))


def test_both_dtypes_pose_the_same_numbers() -> None:
    double, single = posed("random").astype("float32"), posed("random", "float32")
    assert np.array_equal(double.X, single.X)
    assert np.array_equal(double.W2, single.W2)


def test_another_seed_is_another_problem() -> None:
    assert not np.array_equal(posed("random").X, case_of(f"{TOY}-random-float64-s1").problem().X)


def test_logits_that_are_0_stay_so_when_they_are_scaled() -> None:
    """Small integers make such networks now and then; a hundred thousand random problems had 18."""
    assert case_of("1x1x1x2-reg_0.1-grid_logits_1e300-float64-s49307").problem().shape == (1, 1, 1, 2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("random", "is not a case id"),
        ("5x4x10-reg_0.1-random-float64-s0", "is not a case id"),
        ("5x4x10x3-reg_e-random-float64-s0", "is not a case id"),
        ("5x4x10x3-reg_1.2.3-random-float64-s0", "is not a case id"),
        ("128x64x32x10-reg_0.0001-training-float64-s0-t200", "the training has the steps 0 to 199"),
        (f"{TOY}-nonsense-float64-s0", "there is no edge case 'nonsense'"),
        (f"{TOY}-random-float16-s0", "'float16' is not a dtype"),
    ],
)
def test_an_id_of_no_case_is_refused(wrong: str, message: str) -> None:
    with pytest.raises(CaseError, match=message):
        case_of(wrong)


def forward(edge: str, dtype: str = "float64", start: str = TOY) -> network.Forward:
    return network.forward(posed(edge, dtype, start))


def test_edge_cases_are_what_they_say() -> None:
    assert (forward("exact_kinks").a[0] == 0).all()
    assert np.signbit([*posed("negative_zeros").X[0], *posed("negative_zeros").b1]).all()
    assert (forward("negative_zeros").a[0] == 0).all()
    assert (forward("zero_parameters").a == 0).all()
    assert (forward("all_dead").a < 0).all()
    assert (forward("all_alive").a > 0).all()
    assert np.ptp(forward("equal_logits", "float32").s, axis=1).tolist() == [0.0] * 5
    assert (posed("zero_input").X == 0).all()
    assert (posed("duplicate_rows").X[0] == posed("duplicate_rows").X[1]).all()
    assert set(posed("first_label").y) == {0}
    assert set(posed("last_label").y) == {2}
    assert set(posed("unused_classes").y) <= {0, 1}
    assert np.ptp(forward("one_class_far", start="7x5x3x1-reg_0").s) > 1e3
    assert (posed("tiny_feature_1e-33", "float32").X[:, 0] != 0).all()
    assert (np.abs(posed("tiny_feature_1e-300").X[:, 0]) < 1e-298).all()
    assert (posed("tiny_feature_1e-33").W1[0] == 0).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_tiny_units_are_active_below_every_threshold_and_count(dtype: str) -> None:
    """Between any two of 1, 1e-8, 1e-12 and 1e-30 lies a pre-activation, and the small ones' derivatives are large."""
    a = forward("tiny_units", dtype).a
    active = a[a > 0]
    for high, low in itertools.pairwise((1e1, 1e-8, 1e-12, 1e-31)):
        assert ((active < high) & (active > low)).any()
    assert (np.abs(network.gradients(posed("tiny_units", dtype)).b1[:5]) > 1e9).any()


def test_every_pair_of_sizes_is_equal_somewhere_and_nothing_else_is() -> None:
    """In each selection; in `standard` also without another pair that could hide what the first one shows."""
    pairs = set(itertools.combinations(range(4), 2))

    def equal(shape: Shape) -> set[tuple[int, int]]:
        return {(i, j) for i, j in pairs if shape[i] == shape[j]}

    for selection in ("quick", "standard"):
        assert (
            set().union(*(equal(case.shape) for case in cases(selection) if case.edge.name == "equal_sizes")) == pairs
        )
    alone = [equal(shape) for shape in EDGE_CASES["equal_sizes"].shapes if len(equal(shape)) == 1]
    assert set().union(*alone) == pairs


@pytest.mark.parametrize("sizes", ["ND", "NH", "NC", "DH", "HC"])
def test_some_case_has_more_than_65536_entries_in_every_array(sizes: str) -> None:
    item, other = ("NDHC".index(size) for size in sizes)
    assert any(case.shape[item] * case.shape[other] > 2**16 for case in cases("standard"))


@pytest.mark.parametrize("size", range(4), ids="NDHC")
def test_every_size_is_somewhere_beyond_1024_and_no_multiple_of_64(size: int) -> None:
    assert any(case.shape[size] > 1024 and case.shape[size] % 64 for case in cases("standard"))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
def test_labels_fit_their_dtype_and_their_places_do_not(dtype: str) -> None:
    posed_so = [case for case in cases("standard") if case.edge.labels == dtype]
    largest = np.iinfo(dtype).max
    assert all(largest >= case.shape.C - 1 for case in posed_so)
    assert any(case.shape.N - 1 <= largest < case.shape.N * case.shape.C - 1 for case in posed_so)


@pytest.mark.parametrize(
    ("edge", "dtype", "largest"),
    [("logits_1e2", "float64", 1e2), ("logits_1e300", "float64", 1e300), ("grid_logits_1e37", "float32", 1e37)],
)
def test_large_logits_are_as_large_as_they_say(edge: str, dtype: str, largest: float) -> None:
    reached = float(np.abs(forward(edge, dtype).s).max())
    assert largest / 8 <= reached <= largest


@pytest.mark.parametrize("gap", [20, 37, 1000])
@pytest.mark.parametrize("right", [True, False])
def test_saturated_cases_lead_by_their_gap(gap: int, right: bool) -> None:
    problem = posed(f"{'right' if right else 'wrong'}_by_{gap}")
    s = network.forward(problem).s
    assert ((s[:, 0] - s[:, 1:].max(axis=1)) > gap - 1).all()
    assert (problem.y == 0).all() == right


@pytest.mark.parametrize(("edge", "dtype"), [("input_1e-310", "float64"), ("input_1e-40", "float32")])
def test_subnormal_inputs_are_subnormal(edge: str, dtype: str) -> None:
    first = np.abs(posed(edge, dtype).X[:, 0])
    assert ((first > 0) & (first < np.finfo(dtype).smallest_normal)).any()


def test_images_are_images() -> None:
    problem = posed("digits", start="128x64x100x10-reg_0.001")
    assert (problem.X.min(), problem.X.max()) == (0.0, 1.0)
    assert set(problem.y) == set(range(10))
    assert (problem.X == 0).mean() > 0.3
