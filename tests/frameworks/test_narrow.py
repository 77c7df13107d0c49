"""Float16 and bfloat16 in PyTorch: kernels that are right pass, planted errors do not, and what accumulates badly."""

# ruff: noqa: ARG005 (a backward pass is given all there is)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812 (PyTorch's own name)

import gradaudit
from gradaudit.torch import gradcheck
from tests.frameworks.backwards import function, on
from tests.frameworks.narrow_kernels import DTYPES, DULL, KERNELS, WRONG_IN_FLOAT16, operands

#: An error that is to be seen in a step.
PLANTED = {"bfloat16": 3e-2, "float16": 4e-3}
SEEDS = 8


def is_right(name: str, dtype: str) -> bool:
    return not (dtype == "float16" and name in WRONG_IN_FLOAT16)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KERNELS)
def test_a_right_kernel_is_not_called_wrong(name: str, dtype: str, figure: Callable[[str], None]) -> None:
    """Forward and backward, on kinks, ties, zeros, offsets, large and small numbers; sums of up to 5,000."""
    if not is_right(name, dtype):
        pytest.skip("accumulates in float16: see the findings")
    kernel, passes, largest = KERNELS[name], 0, 0.0
    for seed in range(SEEDS):
        x = operands(kernel, np.random.default_rng([seed, *name.encode()]), DTYPES[dtype], seed >= 6)
        report = gradcheck(kernel.f, x, steps=False, raise_exception=False)
        assert report.verdict != "wrong", (seed, [f.message for f in report.findings if f.message])
        assert any(dtype in remark for remark in report.remarks)
        passes += sum(f.verdict == "pass" for f in report.findings)
        largest = max([largest, *(f.ratio for f in report.findings if f.verdict == "pass")])
    figure(f"{name} in {dtype}: largest error/bound {largest:.2g}, {passes} arrays decided")
    assert passes > 0 or name in DULL


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in KERNELS if name not in DULL])
def test_an_error_in_a_step_is_convicted(name: str, dtype: str) -> None:
    """A cotangent that is off by 3e-2, or 4e-3, on its way through the operation."""
    kernel, factor = KERNELS[name], 1 + PLANTED[dtype]
    if not is_right(name, dtype):
        pytest.skip("accumulates in float16: see the findings")
    slightly = function(lambda x: x.clone(), on(lambda x, y, g: (factor * g.float()).to(g.dtype)))
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(tuple(9 if n == "n" else n for n in shape)) for shape in kernel.shapes]
    arrays = [np.abs(x) + 0.1 if kernel.positive else x for x in arrays]
    x = tuple(torch.from_numpy(np.asarray(a)).to(DTYPES[dtype]).requires_grad_() for a in arrays)
    report = gradcheck(lambda *xs: kernel.f(*map(slightly, xs)), x, steps=False, raise_exception=False)
    assert report.verdict == "wrong"
    assert all(n.verdict != "wrong" for n in report.findings if str(n.array).startswith("output"))


# --- what PyTorch's kernels for the CPU accumulate in the dtype itself ------------------------------------------------


def positive(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    """Numbers between 1/2 and 3/2: nothing cancels."""
    return (torch.rand(shape, generator=torch.Generator().manual_seed(0)) + 0.5).to(dtype).requires_grad_()


def near_one(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    """Numbers that differ from 1 by a few units in the last place of bfloat16."""
    return (positive(*shape, dtype=torch.float64).mul(8).round() / 128 + 1 - 1 / 16).detach().to(dtype).requires_grad_()


NARROW = ("bfloat16", "float16")
#: Name: the dtypes, the function, its operands, the array that is wrong.
FINDINGS: dict[str, tuple[tuple[str, ...], Any, Any, str]] = {
    "a product along an axis": (
        NARROW,
        torch.prod,
        lambda of: (near_one(2000 if of == torch.bfloat16 else 200, dtype=of),),
        "output",
    ),
    "layer norm by its bias": (
        NARROW,
        lambda b, x: (F.layer_norm(x, (3,), None, b) * x).sum(),
        lambda of: (positive(3, dtype=of), positive(3000, 3, dtype=of).detach()),
        "input 0",
    ),
    "convolution by its weight": (
        ("float16",),
        lambda w, x: F.conv1d(x, w).sum(),
        lambda of: (positive(3, 1, 1, dtype=of), positive(3000, 1, 4, dtype=of).detach()),
        "input 0",
    ),
    "transposed convolution": (
        ("float16",),
        F.conv_transpose1d,  # what each entry of the kernel adds is rounded to float16
        lambda of: (positive(64, 4, 5, dtype=of), positive(4, 3, 3, dtype=of).detach()),
        "output",
    ),
    "erf near 0 in bfloat16": (
        ("bfloat16",),
        lambda x: torch.erf(x * 2.0**-20),
        lambda of: (positive(40, dtype=of),),
        "output",
    ),
    "erf near 0": (("float16",), lambda x: torch.erf(x * 2.0**-13), lambda of: (positive(40, dtype=of),), "output"),
}


@pytest.mark.parametrize(
    ("name", "dtype"), [(name, dtype) for name, (dtypes, *_) in FINDINGS.items() for dtype in dtypes]
)
def test_a_kernel_that_loses_digits_is_convicted(name: str, dtype: str) -> None:
    """The same function in float32 is right; where a later PyTorch has mended the kernel, it is so in this dtype."""
    _, f, operands_of, array = FINDINGS[name]
    report = gradcheck(f, operands_of(DTYPES[dtype]), raise_exception=False)
    assert array in {str(n.array) for n in report.findings if n.verdict == "wrong"}
    assert gradcheck(f, operands_of(torch.float32), raise_exception=False).verdict == "pass"


# --- dtypes that change inside a function -----------------------------------------------------------------------------


def test_what_is_computed_in_float32_and_rounded_is_in_the_model() -> None:
    x = positive(4, 5, dtype=torch.bfloat16)
    assert gradcheck(lambda x: (x.float() ** 2).to(torch.bfloat16), x)
    assert gradcheck(lambda x: x.float().tanh().to(torch.bfloat16) * x, x)
    report = gradcheck(lambda x: F.cross_entropy(x.float(), torch.arange(4)), x, raise_exception=False)
    assert report.verdict != "wrong"


@pytest.mark.parametrize(
    ("dtype", "to"),
    [(torch.float32, torch.bfloat16), (torch.bfloat16, torch.float16), (torch.float16, torch.bfloat16)],
)
def test_a_conversion_to_fewer_digits_or_smaller_numbers_is_refused(dtype: torch.dtype, to: torch.dtype) -> None:
    with pytest.raises(gradaudit.UnsupportedError, match=f"a conversion to {str(to)[6:]}"):
        gradcheck(lambda x: (x * x).to(to).to(x.dtype), positive(3, dtype=dtype))


def test_a_small_network_in_bfloat16() -> None:
    """What is decided is right; an error of a factor is wrong."""
    x, W, b = (positive(*shape, dtype=torch.bfloat16) for shape in ((8, 5), (5, 3), (3,)))
    labels = torch.arange(8) % 3
    report = gradcheck(lambda x, W, b: F.cross_entropy(x @ W + b, labels), (x, W, b), raise_exception=False)
    assert report.verdict != "wrong"
    twice = function(lambda x: x.clone(), on(lambda x, y, g: 2 * g))
    with pytest.raises(gradaudit.GradientError):
        gradcheck(lambda x, W, b: F.cross_entropy(twice(x @ W + b), labels), (x, W, b))
