"""Changes that explain a wrong array: each is named where it was made, and none where something else is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradaudit.changes import change

RELATIVE = 2.0**-40


def exact(shape: tuple[int, ...], seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


MADE: dict[str, Any] = {
    "every entry is 0": np.zeros_like,
    "every entry has the wrong sign": np.negative,
    "every entry is 5 times the exact one": lambda x: 5 * x,
    "every entry is 0.2 times the exact one": lambda x: x / 5,
    "every entry is 1.000001 times the exact one": lambda x: x * 1.000001,
    "it is transposed": np.transpose,
    "it is turned round along axis 1": lambda x: x[:, ::-1],
    "it is shifted back by one along axis 0": lambda x: np.roll(x, -1, 0),
    "no entry has more digits than a float32 has": lambda x: x.astype(np.float32).astype(float),
    "no entry has more digits than a float16 has": lambda x: x.astype(np.float16).astype(float),
    "1 of 16 entries are not finite": lambda x: np.where(np.arange(16).reshape(4, 4) == 5, np.nan, x),
}


@pytest.mark.parametrize("name", MADE)
def test_a_change_is_named(name: str) -> None:
    x = exact((4, 4))
    bound = RELATIVE * np.abs(x)
    noise = 1 + RELATIVE / 8 * np.random.default_rng(1).uniform(-1, 1, x.shape) * ("digits" not in name)
    assert change(MADE[name](x) * noise, x, bound) == name


@pytest.mark.parametrize("name", [name for name in MADE if "finite" not in name])
def test_a_change_that_one_entry_contradicts_is_not(name: str) -> None:
    x = exact((4, 4))
    got = np.array(MADE[name](x))
    got[2, 1] += 1e-3 * (1 + RELATIVE * 7) * np.sqrt(2)
    assert change(got, x, RELATIVE * np.abs(x)) != name


@pytest.mark.parametrize("seed", range(200))
def test_noise_has_no_name(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 4, int(rng.integers(0, 3))))
    x = exact(shape, seed)
    got = x * (1 + rng.uniform(-1, 1, shape) * 10.0 ** -rng.integers(1, 9))
    assert change(np.asarray(got), np.asarray(x), RELATIVE * np.abs(x)) == ""


def test_what_lies_within_the_bound_tells_nothing() -> None:
    """Entries of which anything may be true, and one that is wrong."""
    x = np.array([1e-20, -1e-20, 1e-20, 1.0])
    bound = np.array([1e-10, 1e-10, 1e-10, 1e-16])
    for got in ([1e-20, 1e-20, 1e-20, 3.0], [1e-20, -1e-20, 1e-20, -1.0]):
        assert change(np.array(got), x, bound) == ""


def test_exact_values_of_few_digits_say_nothing_about_a_dtype() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0, 5.5])
    assert change(x * np.array([1, 1, 1, 1, 1.0625]), x, np.zeros(5)) == ""


def test_one_number_may_be_any_multiple() -> None:
    assert change(np.array([3.0]), np.array([1.0]), np.array([1e-16])) == ""


def test_digits_are_fewer_only_than_those_of_the_dtype() -> None:
    x = exact((4, 4))
    got = x.astype(np.float32).astype(float)
    assert change(got, x, RELATIVE * np.abs(x), precision=24) == ""
