"""`gradaudit.check` on functions as people write them: right gradients pass, wrong ones do not, bad calls are told."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradaudit
from tests.library.answers import definition, inputs, of_jax
from tests.library.functions import ALL
from tests.places import ROOT

DTYPES = ("float64", "float32")


@pytest.mark.parametrize("name", ALL)
def test_certified_gradients_agree_with_more_bits(name: str) -> None:
    """The pairs lie within their radii of balls of 512 bits."""
    from gradaudit.derivative import gradient
    from gradaudit.exact.balls import Balls
    from gradaudit.exact.pairs import Pairs
    from gradaudit.graph import topological_order
    from gradaudit.numpy import Recorded, recorded
    from gradaudit.operations.shapes import input_
    from gradaudit.readings import values

    arrays = inputs(name, "float64", seed=3)
    nodes = [input_(size=x.shape) if x.dtype.kind == "f" else x for x in arrays]
    (output,) = recorded(definition(name), [Recorded(n) if not isinstance(n, np.ndarray) else n for n in nodes], {})
    sources = [n for n in nodes if not isinstance(n, np.ndarray)]
    outputs = [output, *gradient(output, sources)]
    known = {id(n): x for n, x in zip(nodes, arrays, strict=True)}
    balls = Balls(512)
    pairs = values(Pairs(), topological_order(outputs), known)
    with balls.precision():
        exact = values(balls, topological_order(outputs), known)
    for node in outputs:
        first, other = pairs[id(node)], exact[id(node)]
        error = np.abs((first.hi - other.hi) + (first.lo - other.lo))
        assert (error <= first.radius + other.radius + 2.0**-104 * np.abs(first.hi)).all()
        assert (first.radius <= 2.0**-50 * max(1.0, float(np.abs(first.hi).max()))).all()


def test_the_value_is_judged_too() -> None:
    arrays = inputs("tanh", "float64")
    value, gradients = of_jax("tanh", arrays)
    with pytest.raises(gradaudit.GradientError, match="value is wrong"):
        gradaudit.check(definition("tanh"), arrays, gradients, value * (1 + 1e-9))


def test_either_side_of_a_kink_is_accepted_and_named_and_nothing_beyond() -> None:
    x = np.array([1.0, 0.0, -1.0])

    def function(x: Any) -> Any:
        return np.maximum(x, 0).sum()

    for slope in (0.0, 0.5, 1.0):
        report = gradaudit.check(function, [x], [np.array([1.0, slope, 0.0])])
        assert report
        assert __file__ in report.kinks[0].place
    with pytest.raises(gradaudit.GradientError):
        gradaudit.check(function, [x], [np.array([1.0, 1.5, 0.0])])


def test_writes_in_place_are_followed() -> None:
    def function(x: Any) -> Any:
        y = x * 1.0
        y[0] = 3 * x[1]
        y[1:] *= x[1:]
        y[np.array([0, 2])] -= 1
        return (y**2).sum()

    x = np.array([0.5, -1.5, 2.0])
    right = np.array([0.0, 2 * 3 * (3 * x[1] - 1) + 4 * x[1] ** 3, 2 * (x[2] ** 2 - 1) * 2 * x[2]])
    assert gradaudit.check(function, [x], [right])


def _branches(x: Any) -> Any:
    return x.sum() if x[0] > 0 else -x.sum()


def _filled(x: Any) -> Any:
    a = np.zeros(3)
    a[0] = x[0]
    return a.sum()


def _added(x: Any) -> Any:
    a = np.zeros(3)
    a += x
    return a.sum()


REFUSED = {
    "a branch": (_branches, "a branch on a recorded value"),
    "float()": (lambda x: float(x.sum()), "float\\(\\) of a recorded value"),
    "an unknown function": (lambda x: np.fft.fft(x).sum(), "np.fft"),
    "an unknown ufunc": (lambda x: np.nextafter(x, 0).sum(), "np.nextafter"),
    "an unknown method": (lambda x: x.argsort().sum(), "\\.argsort of a recorded array"),
    "options": (lambda x: np.sum(x, where=[True, False, True]), "np.sum with arguments that are not known"),
    "int()": (lambda x: [1, 2, 3][x[0]] * x.sum(), "int\\(\\) of a recorded value"),
    "a search": (lambda x: x.sum() if 1.0 in x else -x.sum(), "a search among recorded values"),
    "math": (lambda x: math.exp(x.sum()), "float\\(\\) of a recorded value"),
    "a plain array to be filled": (_filled, "begin with np.zeros\\(shape, like=x\\)"),
    "a plain array added to": (_added, "a result written into a plain array"),
    "a norm": (lambda x: np.linalg.norm(np.outer(x, x), "nuc"), "np.linalg.norm of matrices with ord='nuc'"),
    "an index": (lambda x: x[x > 0].sum(), "an index that is a recorded value"),
    "a mask of -inf": (lambda x: np.exp(np.where([True, False, True], x, -np.inf)).sum(), "write -1e9 for -inf"),
    "a bound of -inf": (lambda x: np.maximum(x, -np.inf).sum(), "a bound that is infinite can be left out"),
    "NaN": (lambda x: (x * np.nan).sum(), "a constant that is not finite"),
    "a plain array": (lambda x: np.asarray(x).sum(), "taken for a plain one"),
}


@pytest.mark.parametrize(("function", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_followed_is_refused_with_its_line(function: Any, message: str) -> None:
    with pytest.raises(gradaudit.UnsupportedError, match=message) as caught:
        gradaudit.check(function, [np.ones(3)], [np.ones(3)])
    assert f"{Path(__file__).name}:" in str(caught.value)


def _sum(x: Any, y: Any) -> Any:
    return (x * y).sum()


X = np.ones((2, 3))
BAD = {
    "a gradient missing": (_sum, [X, X], [X], "there are 1 gradients; expected 2"),
    "None": (_sum, [X, X], [X, None], "the gradient by input 1 is missing"),
    "another shape": (_sum, [X, X], [X, X.T], "the gradient by input 1 has the shape \\(3, 2\\); expected \\(2, 3\\)"),
    "integers": (_sum, [X, X], [X, X.astype(int)], "the gradient by input 1 has the dtype int64; expected float64"),
    "NaN": (_sum, [X, np.full((2, 3), np.nan)], [X, X], "input 1\\[0, 0\\] is nan; expected finite numbers"),
    "two dtypes": (_sum, [X, X.astype(np.float32)], [X, X], "expected one of float64"),
    "no scalar": (lambda x, y: x * y, [X, X], [X, X], "expected one scalar: add it up"),
    "no floats": (_sum, [X.astype(int), X.astype(int)], [X, X], "there is no float input"),
    "an array for the inputs": (_sum, X, [X, X], "inputs is of the type ndarray; expected a tuple"),
    "an array for the gradients": (_sum, [X, X], X, "gradients is of the type ndarray; expected a tuple"),
    "no function": (3, [X, X], [X, X], "definition is of the type int; expected a function"),
    "a narrow gradient": (
        _sum, [X, X], [X, X.astype(np.float32)], "dtype float32, the inputs float64; expected one dtype"
    ),
    "a complex gradient": (_sum, [X, X], [X, X * 1j], "the dtype complex128; expected float64"),
    "more than double precision": (_sum, [X.astype(np.longdouble)] * 2, [X, X], "bfloat16: use astype"),
    "infinity": (_sum, [X, np.float64(np.inf)], [X, X], "input 1 is inf; expected finite numbers"),
    "a gradient by nothing": (
        _sum, {"x": X, "y": X}, {"x": X, "z": X}, "a gradient by 'z', but no such input; expected some of"
    ),
    "too few inputs": (_sum, [X], [X], "the definition does not take 1 inputs: missing a required argument: 'y'"),
    "another name": (_sum, {"x": X, "z": X}, {"x": X, "z": X}, "does not take the inputs \\['x', 'z'\\]"),
    "nothing returned": (lambda *_: None, [X, X], [X, X], "the definition returns 'NoneType'"),
    "a constant returned": (lambda *_: 3.0, [X, X], [X, X], "which depends on no input"),
    "shapes of operands": (lambda x, y: (x @ y).sum(), [X, X], [X, X], "np.matmul at .*a matrix product of the shapes"),
    "shapes of a sum": (
        lambda x, y: (x + y[:, :2]).sum(), [X, X], [X, X], "np.add at .*: shape mismatch"
    ),
    "an axis": (lambda x, y: (x + y).sum(axis=2), [X, X], [X, X], "np.sum at .*the axes \\(2,\\) of an array"),
}  # fmt: skip


@pytest.mark.parametrize(("function", "given", "gradients", "message"), BAD.values(), ids=BAD)
def test_a_bad_call_gets_one_line(function: Any, given: Any, gradients: Any, message: str) -> None:
    with pytest.raises(gradaudit.InputError, match=message) as caught:
        gradaudit.check(function, given, gradients)
    assert "\n" not in str(caught.value)


def test_a_report_says_what_is_wrong_and_raises_only_when_it_should() -> None:
    report = gradaudit.check(_sum, {"x": X, "y": 2 * X}, {"x": 3 * X, "y": X}, raise_exception=False)
    assert not report
    assert [f.verdict for f in report.findings] == ["wrong", "pass"]
    assert "x[0, 0] is wrong: got 3.0, exact 2.0, error 1, bound" in report.findings[0].message
    assert str(report).count("\n") == 2


def test_gradients_that_nobody_can_judge_raise_undecided() -> None:
    """Thirty layers in float32: the bound allows more than there is."""

    def deep(x: Any, W: Any) -> Any:
        for _ in range(30):
            x = np.tanh(x @ W)
        return (x**2).sum()

    rng = np.random.default_rng(1)
    x, W = rng.standard_normal((4, 20)).astype(np.float32), (rng.standard_normal((20, 20)) / 4).astype(np.float32)
    exact = gradaudit.gradient(deep, [x, W])[1]
    with pytest.raises(gradaudit.UndecidedError, match="use float64"):
        gradaudit.check(deep, [x, W], [exact[0].hi.astype(np.float32), exact[1].hi.astype(np.float32)])


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_lies_beyond_the_floats_is_undecided(dtype: str) -> None:
    """exp(1000) is infinite in any program: right, and nothing that a float could be held against."""
    x = np.array([1000.0], dtype=dtype)
    with pytest.raises(gradaudit.UndecidedError):
        gradaudit.check(lambda x: np.exp(x).sum(), [x], [np.full_like(x, np.inf)])


def test_the_library_knows_no_suite() -> None:
    program = (
        "import sys, gradaudit\n"
        "print(sorted(m for m in sys.modules if m.partition('.')[0] in "
        "('audit', 'reference', 'adapters', 'torch', 'jax', 'rich', 'sklearn', 'scipy')))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_function_of_more_than_a_scalar_is_pulled_back() -> None:
    rng = np.random.default_rng(2)
    x, W = rng.standard_normal((5, 4)), rng.standard_normal((4, 3))

    def function(x: Any, W: Any) -> Any:
        return np.tanh(x @ W)

    c = gradaudit.cotangent((5, 3), seed=4)
    slope = c * (1 - np.tanh(x @ W) ** 2)
    gradients = [slope @ W.T, x.T @ slope]
    assert gradaudit.check(function, [x, W], gradients, np.tanh(x @ W), cotangent=c)
    wrong = gradients[1].copy()
    wrong[0, 0] += 1e-9
    with pytest.raises(gradaudit.GradientError, match=r"1\[0, 0\] is wrong"):
        gradaudit.check(function, [x, W], [gradients[0], wrong], cotangent=c)
    for bad, message in ((None, "or give cotangent="), (c.T, "expected the same shapes"), (c * np.inf, "not finite")):
        with pytest.raises(gradaudit.InputError, match=message):
            gradaudit.check(function, [x, W], gradients, cotangent=bad)
    with pytest.raises(gradaudit.InputError, match="value is an array of shape \\(\\)"):
        gradaudit.check(function, [x, W], gradients, 1.0, cotangent=c)


def test_a_cotangent_has_few_bits_and_both_signs() -> None:
    c = gradaudit.cotangent((40, 5), seed=1, dtype=np.float32)
    assert c.dtype == np.float32
    assert set(np.unique(np.abs(c) * 8)) == set(range(8, 16))
    assert {-1.0, 1.0} == set(np.sign(c).ravel())
    assert (c == gradaudit.cotangent((40, 5), seed=1)).all()


def test_a_function_of_several_arrays_is_pulled_back() -> None:
    x = np.array([0.5, -1.5, 2.0])
    cotangents = (gradaudit.cotangent((3,)), np.float64(2.0))

    def function(x: Any) -> Any:
        return x * x, x.sum()

    right = cotangents[0] * 2 * x + 2.0
    values = (x * x, x.sum())
    report = gradaudit.check(function, [x], [right], values, cotangent=cotangents)
    assert [f.array for f in report.findings] == ["value 0", "value 1", 0]
    assert report
    with pytest.raises(gradaudit.GradientError, match="value 1 is wrong"):
        gradaudit.check(function, [x], [right], (x * x, x.sum() * (1 + 1e-9)), cotangent=cotangents)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_constant_that_the_dtype_has_not_got_may_be_rounded(dtype: str) -> None:
    """0.1 in a float32 program is the float32 next to it, in a constant or a number that is handed in."""
    x, tenth = np.array([1.0, 2.0, 3.0], dtype=dtype), np.array(0.1, dtype=dtype)
    for function, given in ((lambda x: (0.1 * x).sum(), [x]), (lambda x, c: (c * x).sum(), [x, 0.1])):
        gradients = [np.full(3, tenth), np.array(6, dtype=dtype)][: len(given)]
        assert gradaudit.check(function, given, gradients)
        with pytest.raises(gradaudit.GradientError):
            gradaudit.check(function, given, [np.nextafter(g, g + 1) for g in gradients])


def test_arrays_of_other_packages_are_taken() -> None:
    import jax.numpy as jnp
    import torch

    x = np.array([1.0, 2.0], dtype=np.float32)
    for convert in (torch.tensor, jnp.asarray):
        assert gradaudit.check(lambda x: (x * x).sum(), [convert(x)], [convert(2 * x)])
    with pytest.raises(gradaudit.InputError, match="input 0 is no array of NumPy \\(Can't call numpy"):
        gradaudit.check(lambda x: x.sum(), [torch.tensor(x, requires_grad=True)], [x])
