"""Custom rules of JAX: right ones accepted, wrong ones convicted, and what jax.test_util.check_grads says of them."""

# ruff: noqa: E402

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

from jax.test_util import check_grads as of_jax

from gradaudit import GradientError, UndecidedError
from gradaudit.jax import check_grads
from tests.frameworks.custom_rules import PAIRS, Pair

DTYPES = ("float32", "float64")
CASES = [pytest.param(pair, dtype, id=f"{name}-{dtype}") for name, pair in PAIRS.items() for dtype in DTYPES]
SEEN = [pytest.param(pair, dtype, id=f"{name}-{dtype}") for name, pair in PAIRS.items() for dtype in pair.dtypes]
FORWARD = [case for case in SEEN if str(case.id).split("-")[0] in ("tanh", "product", "quotient", "power")]


def arguments(pair: Pair, dtype: str) -> tuple[Any, ...]:
    return tuple(np.asarray(a, dtype) for a in pair.args)


def test_there_are_twenty_of_each() -> None:
    assert len(PAIRS) >= 20
    assert all(pair.dtypes for pair in PAIRS.values())


@pytest.mark.parametrize(("pair", "dtype"), CASES)
def test_a_right_rule_is_accepted(pair: Pair, dtype: str) -> None:
    assert check_grads(pair.right, arguments(pair, dtype)).ok


@pytest.mark.parametrize(("pair", "dtype"), SEEN)
def test_a_wrong_rule_is_convicted(pair: Pair, dtype: str) -> None:
    """And named, step by step, in one of the dtypes."""
    named = dtype == pair.dtypes[0]
    with pytest.raises(GradientError, match="is wrong: got") as caught:
        check_grads(pair.wrong, arguments(pair, dtype), steps="auto" if named else False)
    assert not isinstance(caught.value, UndecidedError)
    lines = str(caught.value).splitlines()
    assert any(line.startswith("args[") for line in lines)
    assert not named or lines[0].startswith(("the formula is wrong: custom_", "the kernel of convert_element_type"))


@pytest.mark.parametrize(("pair", "dtype"), FORWARD)
def test_a_forward_rule_is_judged_in_forward_mode(pair: Pair, dtype: str) -> None:
    assert check_grads(pair.right, arguments(pair, dtype), modes=("fwd",)).ok
    with pytest.raises(GradientError, match="value along args"):
        check_grads(pair.wrong, arguments(pair, dtype), modes=("fwd",))


def passes(check: Callable[..., Any], f: Callable[..., Any], args: tuple[Any, ...], dtype: str) -> bool:
    with jax.enable_x64(dtype == "float64"):
        try:
            check(f, args, order=1, modes=("rev",))
        except (AssertionError, TypeError):
            return False
        return True


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_jax_says_of_the_same(dtype: str, figure: Callable[[str], None]) -> None:
    """Printed: which wrong rules jax.test_util.check_grads passes, and which right ones it refuses."""
    wrong = {name: pair for name, pair in PAIRS.items() if dtype in pair.dtypes}
    missed = [name for name, pair in wrong.items() if passes(of_jax, pair.wrong, arguments(pair, dtype), dtype)]
    refused = [n for n, pair in PAIRS.items() if not passes(of_jax, pair.right, arguments(pair, dtype), dtype)]
    figure(
        f"jax.test_util.check_grads in {dtype}: of {len(wrong)} wrong rules it passes {len(missed)} "
        f"({', '.join(missed) or 'none'}); of {len(PAIRS)} right ones it refuses {len(refused)} "
        f"({', '.join(refused) or 'none'})"
    )
    assert len(missed) < len(wrong)
