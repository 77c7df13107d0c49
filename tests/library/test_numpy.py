"""What the front end follows of NumPy: each expression's value is NumPy's, its gradient that of the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flint import arb
from numpy.lib.stride_tricks import sliding_window_view

import gradaudit
from gradaudit.derivative import gradient
from gradaudit.exact.balls import Balls
from gradaudit.exact.doubles import Doubles
from gradaudit.graph import Node, topological_order
from gradaudit.numpy import Recorded, recorded
from gradaudit.operations import shapes
from gradaudit.operations.entrywise import multiply
from gradaudit.operations.shapes import constant, input_
from gradaudit.readings import values

#: Operands by the names that expressions use.
SHAPES = {"x": (3, 4), "y": (4, 3), "t": (2, 3, 4), "v": (5,), "u": (4,)}
EXPRESSIONS = """
np.convolve(v, u)
np.convolve(u, v, 'same')
np.convolve(v, u, 'same')
np.convolve(u, v, 'valid')
np.convolve(v, [1.0, 0.0, -1.0])
np.correlate(v, u)
np.correlate(u, v, 'full')
np.correlate(v, u[:3], 'same')
np.correlate(u[:2], v, 'same')
np.correlate(u[:3], v, 'valid')
sliding_window_view(t, (2, 2), (1, 2)).sum(axis=(3, 4))
sliding_window_view(v, 3) @ u[:3]
np.pad(x, 2)
np.pad(x, ((1, 2), (0, 1)), constant_values=3.0)
np.pad(x, ((1, 0), (0, 2)), constant_values=((1, 2), (3, 4)))
np.pad(x, 1, mode='reflect')
np.pad(x, 1, mode='edge')
np.pad(x, ((0, 1), (2, 0)), mode='wrap')
np.stack([x, 2 * x], axis=-1)
np.stack((x, y.T), axis=1)
np.concatenate([x, y.T], axis=None)
np.concatenate(np.split(x, 2, axis=1)[::-1], axis=1)
np.array_split(x, 3, axis=1)[0]
np.hstack([x, x]) + np.vstack([x[0], x[1]]).sum()
np.column_stack([x, x[:, 0]])
np.append(x, [1.0, 2.0])
np.flip(x)
np.flip(t, axis=(0, 2))
np.cumsum(x)
np.cumsum(t, axis=1)
x.cumsum(-1)
np.add.accumulate(x)
np.take(x, [0, 2, 2], axis=1)
x.take([1, 5, 5])
np.take_along_axis(x, np.array([[0], [3], [3]]), axis=1)
np.tensordot(x, y, 1)
np.tensordot(x, y, ([0, 1], [1, 0]))
np.tensordot(t, x, 2)
np.tensordot(x, y, 0)
np.dot(t, y)
x.dot(y)
np.dot(x, u)
np.inner(t, x)
np.outer(v, x)
np.vdot(x, x) + u @ u
np.matmul(t, y) @ x
np.einsum('ij,jk->ik', x, y)
np.einsum('ij,jk', x, y)
np.einsum('bij,bik->bjk', t, t)
np.einsum('...j,jk->k...', t, y)
np.einsum('i...,i...->...', x, x)
np.einsum('ii->i', x[:, :3])
np.einsum('ij,bij,bij->b', x, t, t)
np.mean(t, axis=(0, 2))
t.mean(axis=1, keepdims=True)
np.var(t, axis=(0, -1), ddof=1, keepdims=True)
t.var(ddof=1) + t.var()
np.std(t, axis=1, ddof=1)
np.std(t, correction=1) * t.std()
np.average(x, axis=0) + np.average(x, axis=0, weights=np.exp(x))
np.linalg.norm(t, axis=1)
np.linalg.norm(t) + np.linalg.norm(x, 'fro') + np.linalg.norm(x, axis=(0, 1))
np.linalg.norm(x, 1, axis=0)
np.linalg.norm(x, np.inf, axis=1, keepdims=True)
np.clip(x, -0.5, 0.5) + x.clip(0) + x.clip(max=0.1)
np.clip(x, None, y.T)
np.prod(t, axis=(0, 2)) + x.prod(axis=0)[:3] + np.prod(u, keepdims=True)
np.cumprod(x, axis=1) + np.multiply.accumulate(x) + np.multiply.reduce(x) + x.cumprod(0)
np.sort(t, axis=1) * 2 + np.sort(x) + np.sort(v[:4])[::-1] + np.sort(x, axis=None)[3]
np.median(x) + np.median(t, axis=1) + np.median(x, axis=0, keepdims=True) + np.median(v)
np.maximum.accumulate(x) + np.minimum.accumulate(x, axis=1) + np.logaddexp.accumulate(x, axis=1)
np.linalg.norm(x, 3, axis=0) + np.linalg.norm(x, 2.5, axis=0) + np.linalg.norm(x, -np.inf, axis=0)
np.linalg.norm(x, 0, axis=0) * x + np.linalg.norm(u, 0.5)
np.diff(x) + np.diff(x, axis=1)
np.diff(x, 2, axis=0)
np.trace(x) + x.trace(1)
np.diag(x) + np.diag(u, 1)[:3, 1]
np.tril(x) + np.triu(x, 1)
x.max(axis=(0, 1)) + x.min()
np.max(t, axis=(0, 1), keepdims=True)
np.where(x > 0, x, 0.1 * x) * (x > -1)
((x > 0) & (x < 1) | ~(x > -1)) * x
np.logical_or(x > 1, x != x[0]) * 1.0 + x
(x > 0).sum(axis=0) * x
(x > 0).astype(float) * x
np.where(x[:, :1] > 0, x, -x)
(x > 0).T * x.T
np.where([True, False, True, False], x, 2 * x)
np.hypot(x, 1) + np.logaddexp(x, 0) + np.square(x) + np.arctan(x)
np.tan(x) + np.sinh(x) * np.cosh(x) + np.arcsinh(x) + np.exp2(x) + np.cbrt(x)
np.arcsin(np.tanh(x)) + np.arccos(np.tanh(x)) * np.arctanh(np.tanh(x)) + np.arccosh(1 + x**2)
np.log2(np.exp(x)) + np.log10(np.exp(x)) + np.arctan2(x, y.T) + np.arctan2(x, -0.3)
np.exp(x) ** y.T + np.exp(u) ** np.array([1, 2.5, 0, -1]) + 2.0**x + x ** np.array([2.0, 3, 1, 0])
x * np.floor(3 * x) + np.ceil(x) * x + np.trunc(x) * x + np.rint(x) * x + x % 0.7 + np.fmod(x, y.T) + x // 0.5
x**-2 + x**2 + np.sign(x) + abs(x) + np.exp(u)**1.5
np.moveaxis(t, 0, 1).reshape(3, -1).swapaxes(0, 1)
np.repeat(x, 2, axis=0) + np.tile(y.T, (2, 1))
x[[0, 1], [1, 2]] + x[None, 0, 1:3, None].squeeze()
np.rot90(np.roll(np.delete(x, 1, 0), 1))
sum(row.sum() for row in x)
np.zeros_like(x) + np.ones((3, 4), like=x) * x
"""


def fill(x: Any) -> Any:
    """An array that is filled piece by piece."""
    a = np.zeros((3, 4), like=x)
    a[1] = x[0]
    a[:, 2] = x[:, 1] * 3
    b = np.full((2, 2), 7.0, like=x)
    b[0, 0] = x[0, 0]
    return np.concatenate([a.ravel(), b.ravel()])


def views(x: Any) -> Any:
    """Writes through views are seen in what they are views of, those into copies are not."""
    a = x.copy()
    b, c, d = a.T, a.reshape(-1), a[1:]
    b[0] = 1.0
    c[5:8] *= 2
    d += a[0]
    a[[0, 1]][0] = 9.0
    a.flatten()[0] = 9.0
    return a * 1 + b.T + c.reshape(3, 4) + x


def in_place(x: Any) -> Any:
    a = x * 1.0
    a[a < 0] = 0.25
    np.add.at(a, ([0, 0, 1], [1, 1, 2]), a[2, :3])
    np.subtract.at(a, 2, np.exp(x[0]))
    np.exp(a[0], out=a[0])
    a[1:] -= a[:-1]
    a[..., 1] = x[:, 2]
    a *= a
    return a


WRITTEN = (fill, views, in_place)
FUNCTIONS: dict[str, Any] = {
    **{e: (lambda code: lambda **o: eval(code, {"np": np, "sliding_window_view": sliding_window_view, **o}))(e)
       for e in EXPRESSIONS.strip().splitlines()},
    **{f.__name__: f for f in WRITTEN},
}  # fmt: skip


def operands(name: str, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng([seed, len(name)])
    used = {"x"} if name in {f.__name__ for f in WRITTEN} else set(compile(name, "", "eval").co_names)
    if "for row" in name:
        used = {"x"}
    return {k: rng.standard_normal(shape) for k, shape in SHAPES.items() if k in used}


def graph(name: str, arrays: dict[str, Any]) -> tuple[Node, dict[str, Node]]:
    nodes = {k: input_(size=a.shape) for k, a in arrays.items()}
    (output,) = recorded(FUNCTIONS[name], [], {k: Recorded(n) for k, n in nodes.items()})
    return output, nodes


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_value_is_that_of_numpy(name: str) -> None:
    for seed in range(3):
        arrays = operands(name, seed)
        output, nodes = graph(name, arrays)
        given = {id(nodes[k]): a for k, a in arrays.items()}
        exact = values(Doubles(), topological_order([output]), given)[id(output)]
        expected = np.asarray(FUNCTIONS[name](**{k: a.copy() for k, a in arrays.items()}))
        assert exact.hi.shape == expected.shape
        assert np.isfinite(exact.radius).all()
        slack = 64 * 2.0**-53 * (np.abs(expected) + np.abs(expected).max(initial=0))  # NumPy's own rounding
        assert (np.abs(exact.hi - expected) <= exact.radius + slack).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_gradient_is_that_of_the_definition(name: str) -> None:
    """Balls of 700 bits at a step of 2^-200 along a random direction: the quotient is the derivative to 2^-120."""
    arrays = operands(name, 7)
    output, nodes = graph(name, arrays)
    rng, step = np.random.default_rng(1), arb(2) ** -200
    scalar = shapes.total(multiply(output, constant(rng.standard_normal(output.shape))))
    by = gradient(scalar, list(nodes.values()))
    balls = Balls(700)
    with balls.precision():
        base = {id(nodes[k]): balls.constant(a) for k, a in arrays.items()}
        ways = {key: balls.constant(rng.standard_normal(a.shape)) for key, a in base.items()}
        moved = {key: a + step * ways[key] for key, a in base.items()}
        quotient = (evaluated(balls, [scalar], moved)[0] - evaluated(balls, [scalar], base)[0]) / step
        slopes = evaluated(balls, by, base)
        expected = sum((g * ways[id(n)]).sum() for g, n in zip(slopes, nodes.values(), strict=True))
        assert abs(quotient - expected) < arb(2) ** -120


def evaluated(balls: Balls, outputs: list[Node], given: dict[int, Any]) -> list[Any]:
    own: dict[int, Any] = dict(given)
    for node in topological_order(outputs):
        if id(node) not in own:
            own[id(node)] = node.operation.value(balls, *(own[id(n)] for n in node.inputs), **node.parameters)
    return [own[id(node)] for node in outputs]


def test_a_copy_of_a_view_is_no_view() -> None:
    def function(x: Any) -> Any:
        a = x * 1.0
        b = a.copy()
        b[0] = 0.0
        return (a * a).sum()

    x = np.array([1.0, 2.0])
    assert gradaudit.check(function, [x], [2 * x])


def test_a_write_into_a_repeated_array_is_refused() -> None:
    def function(x: Any) -> Any:
        a = np.broadcast_to(x, (2, 2))
        a[0] = 1.0
        return a.sum()

    with pytest.raises(gradaudit.InputError, match=r"a write into a read-only array at .*expected a copy"):
        gradaudit.check(function, [np.ones(2)], [np.ones(2)])


def test_functions_of_scipy_are_followed() -> None:
    special = pytest.importorskip("scipy.special")
    x = np.array([0.5, -1.5])
    s = special.expit(x)
    right = s * (1 - s) + 2 / np.sqrt(np.pi) * np.exp(-x * x)
    assert gradaudit.check(lambda x: (special.expit(x) + special.erf(x)).sum(), [x], [right])
