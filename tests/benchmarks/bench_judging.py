"""Judging one gradient of a given implementation, beside the checkers that people use: time, power, false alarms."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import jax.test_util
import numpy as np
import pytest
import torch

from gradaudit.cases.catalogue import case_of
from gradaudit.reference import network
from gradaudit.reference.acceptance import accept
from gradaudit.reference.problem import PARAMETERS, Gradients, Problem
from gradaudit.verdicts.judge import Subject, judge

SHAPES = ("5x4x10x3", "64x32x48x10", "256x784x256x10")
#: So many random problems are judged to count false alarms; of the slow ones, fewer.
MANY, FEW = 100, 10
#: A call that takes longer is slow, in seconds.
SLOW = 0.5
NOBODY = Subject("", "", "", "", "")
#: Relative errors that are planted in the largest entry of dW1, smallest first.
PLANTED = tuple(10.0 ** (-n / 2) for n in range(30, 0, -1))

Spoil = Callable[[Gradients], Gradients]
Checker = Callable[[Problem, Spoil], bool]


@lru_cache(maxsize=8)
def posed(shape: str, seed: int = 0) -> Problem:
    return case_of(f"{shape}-reg_0.1-random-float64-s{seed}").problem()


def same(gradients: Gradients) -> Gradients:
    return gradients


def spoilt(relative: float) -> Spoil:
    """A change of the largest entry of dW1 by so large a part."""

    def changed(gradients: Gradients) -> Gradients:
        W1 = gradients.W1.copy()
        W1.flat[np.abs(W1).argmax()] *= 1 + relative
        return Gradients(gradients.loss, W1, gradients.b1, gradients.W2, gradients.b2)

    return changed


def gradaudit(problem: Problem, spoil: Spoil) -> bool:
    """Whether the judge lets the gradient pass."""
    return judge(NOBODY, spoil(network.gradients(problem)), accept(problem)).verdict == "pass"


def _hand(problem: Problem, spoil: Spoil) -> Any:
    """The implementation as a function of PyTorch's, of the parameters."""

    class Hand(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, *parameters: Any) -> Any:
            at = replace(problem, **dict(zip(PARAMETERS, (p.detach().numpy() for p in parameters), strict=True)))
            result = spoil(network.gradients(at))
            ctx.grads = [torch.from_numpy(np.array(getattr(result, name))) for name in PARAMETERS]
            return torch.from_numpy(np.array(result.loss))

        @staticmethod
        def backward(ctx: Any, outer: Any) -> Any:
            return tuple(outer * g for g in ctx.grads)

    return Hand.apply


def _leaves(problem: Problem) -> list[Any]:
    return [torch.tensor(getattr(problem, name), requires_grad=True) for name in PARAMETERS]


def gradcheck_fast(problem: Problem, spoil: Spoil) -> bool:
    """Whether PyTorch's checker passes it, along one random direction."""
    return bool(
        torch.autograd.gradcheck(_hand(problem, spoil), _leaves(problem), fast_mode=True, raise_exception=False)
    )


def gradcheck_slow(problem: Problem, spoil: Spoil) -> bool:
    """Whether PyTorch's checker passes it, entry by entry."""
    return bool(torch.autograd.gradcheck(_hand(problem, spoil), _leaves(problem), raise_exception=False))


def check_grads(problem: Problem, spoil: Spoil) -> bool:
    """Whether JAX's checker passes it: its loss, with the gradient that is judged in place of its own."""
    result = spoil(network.gradients(problem))
    grads = tuple(np.array(getattr(result, name)) for name in PARAMETERS)
    with jax.enable_x64(True):
        loss = jax.custom_vjp(lambda *parameters: _jax_loss(parameters, problem))
        loss.defvjp(lambda *p: (_jax_loss(p, problem), None), lambda _, outer: tuple(outer * g for g in grads))
        try:
            parameters = [np.array(getattr(problem, name)) for name in PARAMETERS]
            jax.test_util.check_grads(loss, parameters, order=1, modes=["rev"])
        except AssertionError:
            return False
    return True


@jax.jit  # type: ignore[untyped-decorator]
def _of(parameters: Any, X: Any, y: Any, reg: Any) -> Any:
    W1, b1, W2, b2 = parameters
    s = jax.nn.relu(X @ W1 + b1) @ W2 + b2
    loss = -jax.nn.log_softmax(s)[jax.numpy.arange(y.shape[0]), y].mean()
    return loss + reg * ((W1**2).sum() + (W2**2).sum())


def _jax_loss(parameters: Any, problem: Problem) -> Any:
    return _of(parameters, problem.X, problem.y, problem.reg)


CHECKERS: dict[str, Checker] = {
    "gradaudit": gradaudit,
    "gradcheck_fast_baseline": gradcheck_fast,
    "gradcheck_slow": gradcheck_slow,
    "check_grads": check_grads,
}


def extrapolated(checker: str, shape: str) -> bool:
    return checker == "gradcheck_slow" and shape == SHAPES[-1]


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("shape", SHAPES)
def bench_judging(benchmark: Any, shape: str, checker: str) -> None:
    benchmark.group = f"judging one gradient at {shape}"
    problem, check = posed(shape), CHECKERS[checker]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if extrapolated(checker, shape):
            function, leaves = _hand(problem, same), _leaves(problem)
            benchmark.pedantic(lambda: function(*leaves), rounds=10, warmup_rounds=1)
            entries = sum(getattr(problem, name).size for name in PARAMETERS)
            benchmark.extra_info["seconds"] = 2 * entries * benchmark.stats.stats.min
            benchmark.extra_info["extrapolated"] = f"two calls for each of {entries} entries"
            return
        passes = check(problem, same)
        began = time.perf_counter()
        check(problem, same)
        slow = time.perf_counter() - began > SLOW
        benchmark.pedantic(check, args=(problem, same), rounds=5 if slow else 40, warmup_rounds=1)
        remarks = [relative for relative in PLANTED if not check(problem, spoilt(relative))]
        smallest = f"{min(remarks):.0e}" if remarks else f"none of up to {max(PLANTED):.1g}"
        benchmark.extra_info["notices"] = smallest if passes else "calls it wrong anyway"
        number = FEW if slow else MANY
        alarms = sum(not check(posed(shape, seed), same) for seed in range(1, number + 1))
        benchmark.extra_info["false alarms"] = f"{alarms} of {number}"
