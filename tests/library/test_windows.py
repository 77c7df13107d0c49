"""Convolution and pooling: values and gradients of PyTorch and JAX pass, by any stride, padding, dilation, groups."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest

from gradaudit.certify import Certificates, certify
from gradaudit.derivative import gradient
from gradaudit.errors import GradientError
from gradaudit.exact.enclosure import Enclosure
from gradaudit.graph import Node
from gradaudit.judge import judge
from gradaudit.operations.shapes import constant, input_
from gradaudit.operations.windows import average_pooling, convolution, maximum_pooling
from gradaudit.rounding.arithmetic import Arithmetic

DTYPES = ("float64", "float32")
KINDS = ("convolution 1", "convolution 2", "average 1", "average 2", "maximum 1", "maximum 2")
OPERATIONS: dict[str, Callable[..., Node]] = {
    "convolution": convolution,
    "average": average_pooling,
    "maximum": maximum_pooling,
}


class Problem:
    """A random call of one of the operations: its operands, a cotangent, and what is asked for."""

    def __init__(self, kind: str, dtype: str, seed: int) -> None:
        self.name, self.axes = kind.split()[0], int(kind.split()[1])
        self.rng = np.random.default_rng([seed, KINDS.index(kind)])
        self.options = self._convolution(dtype) if self.name == "convolution" else self._pooling(dtype)
        nodes: list[Any] = [input_(size=x.shape) for x in self.operands]
        node = OPERATIONS[self.name](*nodes, **self._ours())
        self.cotangent = self._drawn(node.shape, dtype)
        outputs = [node, *gradient(node, nodes, constant(self.cotangent))]
        given: dict[Node, Any] = dict(zip(nodes, self.operands, strict=True))
        self.certificates: Certificates = certify(outputs, given, dtype)

    def _drawn(self, shape: Any, dtype: str) -> Any:
        return self.rng.standard_normal(shape).astype(dtype)

    def _each(self, low: int, high: int) -> tuple[int, ...]:
        return tuple(int(n) for n in self.rng.integers(low, high, self.axes))

    def _convolution(self, dtype: str) -> dict[str, Any]:
        groups, own, outputs = (int(n) for n in self.rng.integers(1, 4, 3))
        kernel, dilation = self._each(1, 4), self._each(1, 3)
        x = self._drawn((2, groups * own, *self._each(6, 10)), dtype)
        self.operands = [x, self._drawn((groups * outputs, own, *kernel), dtype)]
        return {"stride": self._each(1, 4), "padding": self._each(0, 3), "dilation": dilation, "groups": groups}

    def _pooling(self, dtype: str) -> dict[str, Any]:
        size, x = self._each(1, 4), self._drawn((2, 3, *self._each(6, 10)), dtype)
        if self.rng.random() < 0.5:  # ties
            x = np.round(x)
        self.operands = [x]
        padding = tuple(int(self.rng.integers(0, n // 2 + 1)) for n in size)
        return {"size": size, "stride": self._each(1, 4), "padding": padding} | (
            {"dilation": self._each(1, 3)} if self.name == "maximum" else {"count": bool(self.rng.random() < 0.5)}
        )

    def _ours(self) -> dict[str, Any]:
        return {"include_padding" if name == "count" else name: value for name, value in self.options.items()}

    def answers(self) -> list[Any]:
        """Value and gradients of PyTorch."""
        import torch
        from torch.nn import functional as F  # noqa: N812 (PyTorch's own name)

        functions: dict[str, Any] = {
            "convolution": (F.conv1d, F.conv2d), "average": (F.avg_pool1d, F.avg_pool2d),
            "maximum": (F.max_pool1d, F.max_pool2d),
        }  # fmt: skip
        names = {"count": "count_include_pad", "size": "kernel_size"}
        options = {names.get(name, name): value for name, value in self.options.items()}
        operands = [torch.tensor(x, requires_grad=True) for x in self.operands]
        value = functions[self.name][self.axes - 1](*operands, **options)
        value.backward(torch.tensor(self.cotangent))
        return [value.detach().numpy(), *(x.grad.numpy() for x in operands)]

    def findings(self, answers: list[Any]) -> list[Any]:
        names = ["value", "x", "w"][: len(answers)]
        return [judge(*each) for each in zip(names, answers, self.certificates.outputs, strict=True)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_pytorch_computes_passes(kind: str, dtype: str, figure: Callable[[str], None]) -> None:
    """60 problems each; the largest error over bound is printed."""
    worst = 0.0
    for seed in range(60):
        problem = Problem(kind, dtype, seed)
        for finding in problem.findings(problem.answers()):
            assert finding.verdict == "pass", (seed, problem.options, finding.message)
            worst = max(worst, finding.ratio)
    figure(f"largest error/bound of {kind}-d in PyTorch, {dtype}: {worst:.2f}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_jax_compiles_passes(dtype: str) -> None:
    import jax

    for seed in range(5):
        problem = Problem("convolution 2", dtype, seed)
        options = problem.options

        def function(x: Any, w: Any, options: Any = options) -> Any:
            return jax.lax.conv_general_dilated(
                x, w, options["stride"], [(p, p) for p in options["padding"]], rhs_dilation=options["dilation"],
                feature_group_count=options["groups"],
            )  # fmt: skip

        with jax.enable_x64(True):
            value, pull = jax.jit(lambda x, w, f=function: jax.vjp(f, x, w))(*problem.operands)
            answers = [np.array(a) for a in (value, *pull(problem.cotangent))]
        assert [f.verdict for f in problem.findings(answers)] == ["pass"] * 3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [16, 64])
def test_the_layers_of_a_network_pass(channels: int, dtype: str) -> None:
    """Kernels of 3 by 3 with many channels, for which libraries have special algorithms."""
    import torch

    rng = np.random.default_rng(channels)
    x = rng.standard_normal((2, channels, 12, 12)).astype(dtype)
    w = (rng.standard_normal((channels, channels, 3, 3)) / channels).astype(dtype)
    nodes = [input_(size=x.shape), input_(size=w.shape)]
    node = convolution(nodes[0], nodes[1], padding=1)
    c = rng.standard_normal(node.shape).astype(dtype)
    outputs = [node, *gradient(node, nodes, constant(c))]
    certificates = certify(outputs, {nodes[0]: x, nodes[1]: w}, dtype).outputs
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, w)]
    value = torch.nn.functional.conv2d(*tensors, padding=1)
    value.backward(torch.tensor(c))
    for got, certificate in zip([value, *(t.grad for t in tensors)], certificates, strict=True):
        assert judge("", got.detach().numpy(), certificate).verdict == "pass"


def by_definition(x: Any, w: Any, options: dict[str, Any]) -> dict[tuple[int, ...], tuple[Fraction, Fraction, int]]:
    """Each entry of a convolution in fractions, the sum of absolute values, and the number of its terms."""
    (N, C), (M, own) = x.shape[:2], w.shape[:2]
    sizes = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(
            x.shape[2:], w.shape[2:], options["stride"], options["padding"], options["dilation"], strict=True
        )
    ]
    entries = {}
    for n, m, *at in product(range(N), range(M), *map(range, sizes)):
        total, size, count = Fraction(0), Fraction(0), 0
        for c, *k in product(range(own), *map(range, w.shape[2:])):
            place = [
                a * s - p + d * i
                for a, s, p, d, i in zip(at, options["stride"], options["padding"], options["dilation"], k, strict=True)
            ]
            if all(0 <= q < length for q, length in zip(place, x.shape[2:], strict=True)):
                channel = m // (M // options["groups"]) * own + c
                assert channel < C
                term = Fraction(float(x[(n, channel, *place)])) * Fraction(float(w[(m, c, *k)]))
                total, size, count = total + term, size + abs(term), count + 1
        entries[(n, m, *at)] = total, size, count
    return entries


@pytest.mark.parametrize("kind", KINDS[:2])
def test_a_convolution_is_that_of_the_definition_and_its_bound_counts_its_terms(kind: str) -> None:
    """Gamma of as many products as there are inside of the array, once: the kernel times the channels of a group."""
    for seed in range(4):
        problem = Problem(kind, "float64", seed)
        certificate = problem.certificates.outputs[0]
        u = Arithmetic.of(np.dtype("float64")).u
        for index, (exact, size, count) in by_definition(
            problem.operands[0], problem.operands[1], problem.options
        ).items():
            e: Enclosure = certificate.exact
            distance = abs(Fraction(e.hi[index]) + Fraction(e.lo[index]) - exact)
            assert distance <= Fraction(e.radius[index]) <= Fraction(2) ** -80 * size
            expected = float(size) * count * u
            assert expected <= certificate.bound[index] * (1 + 1e-9) <= expected * (1 + 1e-5) + 1e-300


@pytest.mark.parametrize("bias", [False, True])
def test_sums_of_sums_are_bounded_as_one(bias: bool) -> None:
    """The gradient by the inputs adds up over kernels and windows; a bias is one more term of its sum."""
    from gradaudit.operations.entrywise import add
    from gradaudit.operations.shapes import broadcast

    u = 2.0**-53
    x, w, b = input_(size=(1, 1, 9)), input_(size=(4, 1, 3)), input_(size=(4, 1))
    rng = np.random.default_rng(0)
    given = {n: rng.uniform(1, 2, n.shape) for n in (x, w, b)}
    node = convolution(x, w)
    node = add(node, broadcast(b, to=node.shape)) if bias else node
    c = rng.uniform(1, 2, node.shape)
    by_x = gradient(node, [x], constant(c))[0]
    value, slope = certify([node, by_x], given, "float64").outputs
    terms = np.convolve(np.ones(7), np.ones(3)) * 4
    assert slope.bound[0, 0] == pytest.approx(terms * u * slope.exact.hi[0, 0], rel=1e-5)
    assert value.bound == pytest.approx((3 + bias) * u * value.exact.hi, rel=1e-5)


def _lost(problem: Problem, answers: list[Any]) -> None:
    """The gradient by the kernels lacks the last sample."""
    x, w = (input_(size=a.shape) for a in (problem.operands[0][:1], problem.operands[1]))
    node = convolution(x, w, **problem.options)
    part = gradient(node, [w], constant(problem.cotangent[:1]))[0]
    given = {x: problem.operands[0][:1], w: problem.operands[1]}
    answers[2] = certify([part], given, "float64").outputs[0].exact.hi


def _transposed_kernel(problem: Problem, answers: list[Any]) -> None:  # noqa: ARG001
    answers[2] = answers[2][..., ::-1].copy()


def _shifted(problem: Problem, answers: list[Any]) -> None:  # noqa: ARG001
    """The windows begin one entry later."""
    answers[1] = np.roll(answers[1], 1, axis=-1)


def _billionth(problem: Problem, answers: list[Any]) -> None:  # noqa: ARG001
    for a in answers:
        a[np.unravel_index(np.abs(a).argmax(), a.shape)] *= 1 + 1e-9


FAULTS = {"a lost term": _lost, "a transposed kernel": _transposed_kernel, "a wrong offset": _shifted,
          "a factor 1 + 1e-9": _billionth}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("kind", KINDS[:2])
def test_a_planted_fault_is_convicted(kind: str, fault: Callable[[Problem, list[Any]], None]) -> None:
    for seed in range(20, 30):
        problem = Problem(kind, "float64", seed)
        answers = [np.array(a) for a in problem.answers()]
        right = [a.copy() for a in answers]
        fault(problem, answers)
        for finding, a, b in zip(problem.findings(answers), answers, right, strict=True):
            assert finding.verdict == ("pass" if np.array_equal(a, b) else "wrong"), finding


@pytest.mark.parametrize("kind", KINDS[2:])
def test_a_billionth_is_convicted_in_a_pooling(kind: str) -> None:
    for seed in range(20, 30):
        problem = Problem(kind, "float64", seed)
        answers = [np.array(a) for a in problem.answers()]
        _billionth(problem, answers)
        assert problem.findings(answers)[0].verdict == "wrong"


def test_a_kernel_that_is_flipped_is_no_convolution_of_a_network() -> None:
    problem = Problem("convolution 2", "float64", 3)
    assert max(problem.operands[1].shape[2:]) > 1
    problem.operands[1] = problem.operands[1][..., ::-1, ::-1].copy()
    assert problem.findings(problem.answers())[0].verdict == "wrong"


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tie_in_a_pooling_accepts_either_side_and_nothing_further_from_the_exact_one(dtype: str) -> None:
    x, node = np.array([[[1.0, 1.0, 0.0, 2.0]]]).astype(dtype), input_(size=(1, 1, 4))
    by_x = gradient(maximum_pooling(node, (2,)), [node], constant(np.array([[[4.0, 8.0]]])))[0]
    certificate = certify([by_x], {node: x}, dtype).outputs[0]
    for first, second in ((4, 0), (0, 4), (2, 2), (3, 1)):
        assert judge("x", np.array([[[first, second, 0, 8]]], dtype=dtype), certificate).verdict == "pass"
    for wrong in ([8.5, 0, 0, 8], [-0.5, 4, 0, 8], [0, 4.5, 0, 8], [4, 0, 0, 7.99], [4, 0, 0.01, 8]):
        assert judge("x", np.array([[wrong]], dtype=dtype), certificate).verdict == "wrong"


def test_padding_never_is_the_largest() -> None:
    x, node = -np.arange(1.0, 5.0).reshape(1, 1, 4), input_(size=(1, 1, 4))
    certificate = certify([maximum_pooling(node, (2,), padding=1)], {node: x}, "float64").outputs[0]
    assert certificate.exact.hi.tolist() == [[[-1.0, -2.0, -4.0]]]
    assert not certificate.bound.any()


X4 = input_(size=(2, 4, 8, 8))
BAD: dict[str, tuple[Callable[[], Node], str]] = {
    "channels": (lambda: convolution(X4, input_(size=(2, 3, 3, 3))), "expected kernels for 4 channels"),
    "groups": (lambda: convolution(X4, input_(size=(3, 2, 3, 3)), groups=2), "and a multiple of 2 of them"),
    "axes": (lambda: convolution(X4, input_(size=(3, 4, 3))), "expected \\(N, C\\) and 1 more"),
    "stride": (lambda: average_pooling(X4, (2, 2), stride=0), "expected positive numbers"),
    "numbers": (lambda: average_pooling(X4, (2, 2), stride=(1, 1, 1)), "stride has 3 entries; expected 2"),
    "window": (lambda: maximum_pooling(X4, (9, 9)), "a window of 9 entries on 8, padding included"),
    "padding": (lambda: maximum_pooling(X4, (2, 2), padding=2), "has no entry; expected less padding"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD)
def test_a_bad_window_gets_one_line(call: Callable[[], Node], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_network_with_convolution_and_pooling_is_judged() -> None:
    """The definition in NumPy, the gradients of PyTorch, two layers and a cross-entropy."""
    import torch
    from numpy.lib.stride_tricks import sliding_window_view
    from torch.nn import functional as F  # noqa: N812 (PyTorch's own name)

    import gradaudit

    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((4, 2, 8, 8)), rng.integers(0, 3, 4)
    W, b, V = rng.standard_normal((5, 2, 3, 3)) / 4, rng.standard_normal(5), rng.standard_normal((45, 3)) / 6

    def definition(X: Any, y: Any, W: Any, b: Any, V: Any) -> Any:
        s = np.einsum("ncijhw,ochw->noij", sliding_window_view(X, (3, 3), (2, 3)), W) + b[:, None, None]
        a = np.maximum(s, 0).reshape(4, 5, 3, 2, 3, 2).max(axis=(3, 5))
        z = a.reshape(4, -1) @ V
        z = z - z.max(axis=1, keepdims=True)
        return -(z - np.log(np.exp(z).sum(axis=1, keepdims=True)))[np.arange(4), y].mean()

    tensors = [torch.tensor(a, requires_grad=True) for a in (X, W, b, V)]
    pooled = F.max_pool2d(F.conv2d(*tensors[:3]).relu(), 2)
    loss = F.cross_entropy(pooled.reshape(4, -1) @ tensors[3], torch.tensor(y))
    loss.backward()
    gradients = [t.grad.numpy() for t in tensors]
    assert gradaudit.check(definition, (X, y, W, b, V), gradients, loss.item())
    gradients[1] = gradients[1] * (1 + 1e-9)
    with pytest.raises(GradientError, match=r"2\[.*is wrong"):
        gradaudit.check(definition, (X, y, W, b, V), gradients)
