"""Attacks on what is proved: the smallest case of each that broke a bound, and the strongest of those that did not.

The function as it is written is computed and differentiated step by step, its known forms not replaced; the bound is
that of the graph in which they are.
"""

# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Thread
from typing import Any

import numpy as np
import pytest
from flint import ctx

import gradaudit
from gradaudit.derivative import pulled_back
from gradaudit.exact.balls import Balls
from gradaudit.exact.doubles import Doubles
from gradaudit.graph import Node, topological_order
from gradaudit.numpy import Recorded, recorded
from gradaudit.operations.shapes import constant, input_
from gradaudit.patterns import recognised
from gradaudit.readings import bounds, values
from tests.few_bits import ARITHMETICS, random_program, stored
from tests.few_bits import Program as Way
from tests.library.program_forms import run
from tests.library.random_graphs import few_bits

BITS = 300
PROGRAMS = 25
#: Arithmetics in which a factor that is applied to the parts of a form does not underflow.
WIDE = ARITHMETICS[:4]
LABELS = np.array([0, 2, 1])
SMOOTH = (np.eye(4) / 2 + 0.125)[LABELS]
C1, C2 = 1.375, 0.8125


def top(s: Any) -> Any:
    return s.max(axis=1, keepdims=True)


def quotient(z: Any) -> Any:
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)


def log_probability(z: Any) -> Any:
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def log_sum(s: Any, m: Any) -> Any:
    return m + np.log(np.exp(s - m[:, None]).sum(axis=1))


def picked(x: Any) -> Any:
    return x[np.arange(3), LABELS]


#: Forms that are replaced, or nearly: the shift is the row's largest, another row's, another array, or there is none.
FORMS: dict[str, Callable[[Any, Any], Any]] = {
    "softmax": lambda s, w: quotient(s - top(s)) * w,
    "exp z is computed twice": lambda s, w: np.exp(s - top(s)) / np.exp(s - top(s)).sum(axis=1)[:, None] * w,
    "shifted twice": lambda s, w: quotient((s - top(s)) - top(s - top(s))) * w,
    "not shifted": lambda s, w: quotient(s) * w,
    "shifted by an input": lambda s, w: quotient(s - w[:, :1]) * w,
    "shifted by the largest of all": lambda s, w: quotient(s - s.max()) * w,
    "shifted by the mean": lambda s, w: quotient(s - s.mean(axis=1, keepdims=True)) * w,
    "wrong axis": lambda s, w: np.exp(s - top(s)) / np.exp(s - top(s)).sum(axis=0) * w,
    "log-softmax": lambda s, w: log_probability(s - top(s)) * w,
    "log-softmax, not shifted": lambda s, w: log_probability(s) * w,
    "exp of log-softmax": lambda s, w: np.exp(log_probability(s - top(s))) * w,
    "exp(s - logsumexp)": lambda s, w: np.exp(s - log_sum(s, s.max(axis=1))[:, None]) * w,
    "s - logsumexp": lambda s, w: (s - log_sum(s, s.max(axis=1))[:, None]) * w,
    "logsumexp": lambda s, w: log_sum(s, s.max(axis=1)) + w[:, 0],
    "logsumexp of another shift": lambda s, w: log_sum(s, w[:, 0]),
    "labels by index": lambda s, w: -picked(log_probability(s - top(s))).mean() + w.sum(),
    "labels one-hot": lambda s, w: -(log_probability(s - top(s)) * np.eye(4)[LABELS]).sum(axis=1).mean() + w.sum(),
    "smoothed labels": lambda s, w: -(log_probability(s - top(s)) * SMOOTH).sum(axis=1) + w[:, 0],
    "labels of logsumexp": lambda s, w: (log_sum(s, s.max(axis=1)) - picked(s)).mean() + w.sum(),
    "one class": lambda s, w: log_probability(s[:, :1] - top(s[:, :1]))[np.arange(3), 0] + w[:, 0],
    "squares": lambda s, w: (s**2).sum() * w[0, 0] + (w**2).sum(),
    "negated twice": lambda s, w: -(-s * w) - -s,
    "a bias of one column": lambda s, w: (s @ w.T + s[:, 0]) * 2 + w[:, :3],
    "a bias of all rows": lambda s, w: (w[:, :3] + s @ w.T) @ s,
    "computed twice": lambda s, w: np.exp(s) * w - np.exp(s) * s,
}  # fmt: skip


def cancelling(rng: Any, x: Any, _: Any, z: Any) -> Sequence[Any]:
    x = rng.standard_normal(x.shape) + 1
    return x, -x * (1 + 2.0 ** -rng.integers(3, 9)), z * 2.0 ** -rng.integers(0, 12)


def overwhelmed(rng: Any, x: Any, y: Any, z: Any) -> Sequence[Any]:
    numbers = (rng.standard_normal(a.shape) for a in (x, y))
    return (*numbers, (1 + rng.random(z.shape)) * 2.0 ** rng.integers(2, 9))


#: Sums that are scaled, put together, picked and added again: of terms that cancel, or beside one that is far larger.
SUMS: dict[str, tuple[Callable[[Any, Any, Any], Any], Any]] = {
    "put together": (lambda x, y, z: C2 * np.concatenate([C1 * (x + y), z + C2 * z]), cancelling),
    "put together and added": (lambda x, y, z: np.concatenate([x.sum(axis=0), (C1 * (x + y))[0]])
                               + np.concatenate([z[0], z[1]]), overwhelmed),
    "scaled twice": (lambda x, y, z: C2 * (C1 * (x + y)) + z, cancelling),
    "divided twice": (lambda x, y, z: ((x + y) / 3) / 7 + z, cancelling),
    "scaled, of products": (lambda x, y, z: C1 * (x + y + x * y) + z, overwhelmed),
    "a product and more than a bias": (lambda x, y, z: (x @ y.T + y[:, 0]) + z[:, :1], overwhelmed),
    "two products": (lambda x, y, z: (x @ y.T + x @ x.T) + z[:, :1], overwhelmed),
    "picked": (lambda x, y, z: (x + y)[[0, 0, 1]].sum(axis=0) * C1 - (x + z).sum(axis=0), cancelling),
    "running": (lambda x, y, z: np.cumsum(C1 * (x + y), axis=0) * C2 + z, cancelling),
    "powers": (lambda x, y, z: (x**3 + y**3) * C1 + z**5 - C2 * z**5, cancelling),
    "masks": (lambda x, y, z: (x > y) * (x + y) * C1 + np.where(y > z, x + z, y * z), cancelling),
}  # fmt: skip


def followed(function: Any, shapes: Sequence[Any], way: Way) -> tuple[list[Node], list[list[Node]]]:
    """The inputs; outputs and gradients of the graph as it is written, and of that whose known forms are replaced."""
    nodes = [input_(size=shape) for shape in shapes]
    written = recorded(function, [Recorded(n) for n in nodes], {})
    rng = np.random.default_rng(way.seed)
    weights = [constant(stored(way.fp).round(rng.standard_normal(o.shape))) for o in written]
    graphs = (written, recognised(written))
    return nodes, [[*outputs, *pulled_back(outputs, nodes, weights)] for outputs in graphs]


def attacked(function: Any, way: Way, arrays: Sequence[Any]) -> float:
    """The largest error over bound of a program that computes the graph as it is written; no value may differ."""
    nodes, (written, replaced) = followed(function, [x.shape for x in arrays], way)
    given = {id(n): x for n, x in zip(nodes, arrays, strict=True)}
    orders = [topological_order(graph) for graph in (written, replaced)]
    A, ratio = Balls(BITS), 0.0
    with A.precision(), np.errstate(all="ignore"):
        exact, same = (values(A, order, given) for order in orders)
        of = bounds(way.fp, orders[1], same)
        computed = run(way, orders[0], given)
        for x, y in zip(written, replaced, strict=True):
            first, second, E = exact[id(x)], same[id(y)], of[id(y)].E
            apart = np.abs((first.hi - second.hi) + (first.lo - second.lo))
            assert (apart <= first.radius + second.radius).all()
            error = np.abs((computed[id(x)] - second.hi) - second.lo) - second.radius
            outside = ~(error <= E) & np.isfinite(E)
            assert not outside.any(), (way, computed[id(x)][outside], second.hi[outside], E[outside])
            ratio = max(ratio, float(np.where((E > 0) & np.isfinite(E), error / E, 0).max(initial=0)))
    return ratio


def drawn(seed: int, count: int, shape: tuple[int, int]) -> tuple[Any, Way, list[Any]]:
    """A program with all the exponents that it could want, and numbers that it holds."""
    rng = np.random.default_rng([seed, count])
    way = random_program(rng)
    while way.fp not in WIDE:
        way = random_program(rng)
    return rng, way, [few_bits(rng, way.fp, shape) for _ in range(count)]


@pytest.mark.parametrize("name", FORMS)
def test_a_form_that_is_computed_as_it_is_written_stays_in_the_bound_of_what_replaces_it(name: str) -> None:
    for seed in range(PROGRAMS):
        _, way, arrays = drawn(seed, 2, (3, 4))
        attacked(FORMS[name], way, arrays)


@pytest.mark.parametrize("name", SUMS)
def test_sums_of_sums_in_any_order(name: str) -> None:
    function, twist = SUMS[name]
    for seed in range(PROGRAMS):
        rng, way, arrays = drawn(seed, 3, (3, 4))
        attacked(function, way, [stored(way.fp).round(x) for x in twist(rng, *arrays)])


def test_a_sum_that_was_scaled_is_not_exact_for_being_put_beside_another() -> None:
    """Two factors may be applied to each term of a sum, whose rounding is not that of their sum."""
    function, twist = SUMS["put together"]
    rng = np.random.default_rng([231, 11])
    way = random_program(rng)
    arrays = [few_bits(rng, way.fp, (3, 4)) for _ in range(3)]
    attacked(function, way, [stored(way.fp).round(x) for x in twist(rng, *arrays)])


# --- by a framework: values and gradients in float32 ------------------------------------------------------------------


def judged(function: Any, arrays: Sequence[Any]) -> str:
    """The verdict on the value and gradients that PyTorch finds for `function(np or torch, *arrays)`."""
    torch = pytest.importorskip("torch")
    inputs = [torch.tensor(np.asarray(x, dtype=np.float32)).requires_grad_() for x in arrays]
    value = function(torch, *inputs)
    gradients = torch.autograd.grad(value, inputs, allow_unused=True, materialize_grads=True)
    numbers = [np.asarray(x, dtype=np.float32) for x in arrays]
    answers = [g.numpy() for g in gradients]
    return gradaudit.check(
        lambda *xs: function(np, *xs), numbers, answers, value.detach().numpy(), raise_exception=False
    ).verdict


def maximum(library: Any, x: Any) -> Any:
    return x.max(axis=1, keepdims=True) if library is np else library.amax(x, dim=1, keepdim=True)


def probabilities(library: Any, z: Any) -> Any:
    e = library.exp(z)
    return e / e.sum(axis=1, keepdims=True)


def random(*shapes: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in shapes]


def test_what_is_computed_twice_is_differentiated_twice() -> None:
    (x,) = random((20,))
    weights = [np.full(20, 1 + 2.0**-10), np.ones(20)]
    assert judged(lambda np, x, a, b: (np.exp(x) * a - np.exp(x) * b).sum(), [x, *weights]) == "pass"


def test_a_softmax_that_is_shifted_by_an_input_has_a_gradient_by_it() -> None:
    """It is 0, and a program finds a sum of roundings."""
    s, w, c = random((6, 5), (6, 5), (6, 1))
    assert judged(lambda np, s, w, c: (probabilities(np, s - c) * w).sum(), [s, w, c]) == "pass"


def test_a_row_that_is_shifted_by_the_largest_of_another_has_its_rounding() -> None:
    s, w = random((6, 5), (6, 5))
    s[0] += 30
    shifted = judged(lambda np, s, w: (probabilities(np, s - s.max()) * w).sum(), [s, w])
    assert shifted == "pass"


@pytest.mark.parametrize("offset", [100, -100, -85])
def test_exponentials_that_were_not_shifted_may_overflow(offset: float) -> None:
    s, w = random((6, 5), (6, 5))
    assert judged(lambda np, s, w: (probabilities(np, s) * w).sum(), [s + offset, w]) == "undecided"
    assert judged(lambda np, s, w: (probabilities(np, s) * w).sum(), [s, w]) == "pass"


def test_logsumexp_has_the_rounding_of_the_shift_that_it_is_written_with() -> None:
    s, c = random((6, 5), (6, 1))
    for shift in (c, c + 50):
        assert (
            judged(lambda np, s, c: (c + np.log(np.exp(s - c).sum(axis=1, keepdims=True))).sum(), [s, shift]) == "pass"
        )
        assert judged(lambda np, s, c: (c[:, 0] + np.log(np.exp(s - c).sum(axis=1))).sum(), [s, shift]) == "pass"


@pytest.mark.parametrize("classes", [50, 1000])
def test_the_maximum_of_logsumexp_is_left_in_the_graph(classes: int) -> None:
    """What its derivative adds is not small beside 1 / C."""

    def function(np: Any, s: Any) -> Any:
        m = maximum(np, s)
        return (m[:, 0] + np.log(np.exp(s - m).sum(axis=1))).sum()

    (s,) = random((20, classes))
    assert judged(function, [s / 1000]) != "wrong"


def test_a_mask_times_what_overflows_may_be_anything() -> None:
    x = np.array([100.0, -1.0, 3.0, 1000.0], dtype=np.float32)
    with np.errstate(all="ignore"):
        product = ((x < 0) * np.exp(x)).astype(np.float32)
    cotangent = np.ones(4, dtype=np.float32)
    report = gradaudit.check(lambda x: (x < 0) * np.exp(x), [x], [product], product, cotangent=cotangent,
                             raise_exception=False)  # fmt: skip
    assert np.isnan(product).any()
    assert report.verdict == "undecided"


# --- exact values -----------------------------------------------------------------------------------------------------


def test_a_constant_is_what_it_was_when_it_was_used() -> None:
    def function(x: Any) -> Any:
        weights = np.array([1.0, 2.0])
        first = (weights * x).sum()
        weights *= 10
        return first + (weights * x).sum()

    assert gradaudit.check(function, [np.ones(2)], [np.array([11.0, 22.0])], 33.0)


def test_a_quotient_by_a_power_of_two_that_is_subnormal_is_rounded() -> None:
    A = Doubles()
    quotient = A.divide(A.constant(np.array([(1 + 2.0**-52) * 2.0**-1010])), A.constant(np.array([2.0**40])))
    assert quotient.radius[0] > 0


def test_threads_that_certify_at_once_take_turns() -> None:
    """The precision of balls is one for the whole process: it is what it was when all are done."""

    def function(s: Any) -> Any:
        return -picked(np.log(quotient(s - top(s)))).mean()

    arrays = random((3, 4), (3, 4))
    right = [gradaudit.gradient(function, [x])[1][0] for x in arrays]
    before, apart = ctx.prec, []

    def certified(number: int) -> None:
        for _ in range(3):
            again, first = gradaudit.gradient(function, [arrays[number]])[1][0], right[number]
            apart.append(np.abs((again.hi - first.hi) + (again.lo - first.lo)) > again.radius + first.radius)

    threads = [Thread(target=certified, args=(n % 2,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(apart) == 12
    assert not np.any(apart)
    assert ctx.prec == before
