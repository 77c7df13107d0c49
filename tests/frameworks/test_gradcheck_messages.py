"""What `gradaudit.torch.gradcheck` refuses, and what it says."""

# ruff: noqa: ARG005 (a backward pass is given all there is)
from __future__ import annotations

import copy
import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gradaudit
from gradaudit.torch import gradcheck
from tests.frameworks.backwards import drawn, function, on

# --- what is refused --------------------------------------------------------------------------------------------------


class ThroughNumPy(torch.autograd.Function):  # type: ignore[misc]
    """The sine, by NumPy."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return torch.from_numpy(np.sin(x.numpy()))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * x.cos()


class ThroughMemory(ThroughNumPy):
    """The same, written to memory by C."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        y, values = torch.zeros_like(x), np.sin(x.tolist())
        ctypes.memmove(y.data_ptr(), values.ctypes.data, values.nbytes)
        return y


class ThroughNothing(ThroughNumPy):
    """A result of another library, which nobody saw."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return torch.ones(3, dtype=x.dtype)


def _half(x: Any) -> Any:
    return (x.half() * 2).to(x.dtype)


REFUSED = {
    "NumPy": (ThroughNumPy.apply, r"\.numpy\(\) of what depends on an input, which leaves PyTorch"),
    "memory": (ThroughMemory.apply, r"\.tolist\(\) of what depends"),
    "nothing": (ThroughNothing.apply, "a result of ThroughNothing that no operation of PyTorch made"),
    "nothing, used": (lambda x: ThroughNothing.apply(x) * 2, "a result of ThroughNothing"),
    "a number that comes back, changed": (lambda x: x + (3 - abs(x[0].item())) ** 2, "a number that was read"),
    "np.asarray": (lambda x: x * float(np.asarray(x.detach()).sum()), r"np.asarray\(\) of what depends"),
    "a number that comes back": (lambda x: x * x.sum().item(), "a number that was read, as an argument"),
    "a float that comes back": (lambda x: x * (2 * float(x[0].detach())), r"float\(\) of what depends on an input"),
    "a deep copy": (lambda x: x * copy.deepcopy(x.detach()), r"copy.deepcopy\(\) of what depends on an input"),
    "a storage": (lambda x: x * torch.tensor(x.detach().untyped_storage().tolist()[0]), r"\.untyped_storage\(\) of"),
    "counts with weights": (lambda x: x * torch.tensor([0, 1, 1]).bincount(x.detach()).sum(), "aten::bincount"),
    "unique numbers": (lambda x: x * x.detach().unique().sum(), "aten::_unique2"),
    "an unknown operation": (lambda x: torch.linalg.eigvalsh(x[:, None] * x), "aten::_linalg_eigh"),
    "complex numbers": (lambda x: torch.fft.fft(x).real, "aten::_fft_r2c"),
    "a narrower dtype": (_half, "a conversion to float16"),
    "bits": (lambda x: x.view(torch.int64).view(torch.float64) * 1, "the bits of numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_is_refused_with_its_line(name: str) -> None:
    f, message = REFUSED[name]
    with pytest.raises(gradaudit.UnsupportedError, match=message) as caught:
        gradcheck(f, drawn((3,)))
    assert f"{Path(__file__).name}:" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("f", [ThroughNumPy, ThroughMemory])
def test_a_reference_says_what_is_computed(f: Any) -> None:
    assert gradcheck(f.apply, drawn((3,)), reference=torch.sin)
    with pytest.raises(gradaudit.GradientError, match=r"output.* is wrong"):
        gradcheck(f.apply, drawn((3,)), reference=torch.cos)
    with pytest.raises(gradaudit.InputError, match=r"func returns the shapes \[\(3,\)\], reference \[\(\)\]"):
        gradcheck(f.apply, drawn((3,)), reference=lambda x: x.sum())


def test_a_branch_that_reads_a_number_is_taken_and_reported() -> None:
    report = gradcheck(lambda x: x * 2 if x.sum() > 0 else x * 3, drawn((4,)))
    assert report
    assert "a number was read at" in report.remarks[0]
    assert f"{Path(__file__).name}:" in report.remarks[0]


X = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
BAD = {
    "no gradient": ((torch.sin, X.detach()), {}, "no input requires a gradient"),
    "eight bits": ((torch.sin, X.detach().to(torch.float8_e5m2).requires_grad_()), {}, "float8_e5m2; expected one of"),
    "two dtypes": ((torch.add, (X, X.detach().float())), {}, "float32 and float64"),
    "complex": ((torch.add, (X, X.detach() * 1j)), {}, "input 1 is complex"),
    "sparse": ((torch.add, (X, X.detach().to_sparse())), {}, "input 1 is torch.sparse_coo"),
    "infinity": ((torch.add, (X, X.detach() / 0)), {}, "input 1 is not finite"),
    "no function": ((3, X), {}, "func is of the type int"),
    "a number": ((torch.sin, 3.0), {}, "inputs is of the type float"),
    "nothing returned": ((lambda _: None, X), {}, "without a tensor of floats"),
    "forward mode": ((torch.sin, X), {"check_forward_ad": True}, "check_forward_ad is True"),
    "batches": ((torch.sin, X), {"check_batched_grad": True}, "check_batched_grad is True"),
    "an option": ((torch.sin, X), {"tolerance": 3}, "no option 'tolerance'"),
    "steps": ((torch.sin, X), {"steps": "all"}, "steps is 'all'"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_call_gets_one_line(name: str) -> None:
    args, options, message = BAD[name]
    with pytest.raises(gradaudit.InputError, match=message) as caught:
        gradcheck(*args, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_the_call_of_torch_is_taken_as_it_is() -> None:
    assert gradcheck(torch.sin, (X,), eps=1e-6, atol=1e-4, rtol=1e-3, nondet_tol=0.1, fast_mode=True)
    assert torch.autograd.gradcheck(torch.sin, (X,), eps=1e-6, atol=1e-4, fast_mode=True)


def test_inputs_are_not_changed_and_gradients_are_not_left_behind() -> None:
    (x,) = drawn((4,))
    before = x.detach().clone()
    y = torch.zeros(4, dtype=torch.float64)
    assert gradcheck(lambda x, y: y.copy_(x) * 2, (x, y))
    assert torch.equal(x, before)
    assert x.grad is None
    assert not y.any()


# --- what is said -----------------------------------------------------------------------------------------------------

CHANGES = {
    "every entry is 0": on(lambda x, y, g: 0 * g),
    "every entry has the wrong sign": on(lambda x, y, g: -g * y),
    "every entry is 4 times the exact one": on(lambda x, y, g: 4 * g * y),
    "it is transposed": on(lambda x, y, g: (g * y).T),
    "it is shifted by one along axis 0": on(lambda x, y, g: (g * y).roll(1, 0)),
    "it is turned round along axis 1": on(lambda x, y, g: (g * y).flip(1)),
    "no entry has more digits than a float32 has": on(lambda x, y, g: (g * y).float().double()),
    "no entry has more digits than a bfloat16 has": on(lambda x, y, g: (g * y).bfloat16().double()),
    "16 of 16 entries are not finite": on(lambda x, y, g: g * y / 0),
    "": on(lambda x, y, g: g * y + 1),
}


@pytest.mark.parametrize("words", CHANGES)
def test_a_change_that_explains_every_entry_is_named(words: str) -> None:
    with pytest.raises(gradaudit.GradientError) as caught:
        gradcheck(function(torch.exp, CHANGES[words]), drawn((4, 4)))
    first = next(line for line in str(caught.value).splitlines() if line.startswith("input 0["))
    assert first.partition("entries are wrong")[2].removeprefix(": ") == words


def test_what_is_wrong_in_one_entry_has_no_name() -> None:
    def backward(x: Any, y: Any, g: Any) -> Any:  # noqa: ARG001
        r = 2 * g * y
        r[1, 1] += 1
        return r

    with pytest.raises(gradaudit.GradientError) as caught:
        gradcheck(function(torch.exp, on(backward)), drawn((4, 4)))
    assert "times the exact one" not in str(caught.value)
