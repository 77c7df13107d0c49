"""PyTorch's own test suite, judged: op_db, the first samples of each operation that has a gradient, in two dtypes.

``python -m tests.frameworks.opinfo`` writes docs/opinfo.tsv; names behind it choose operations, which are printed.
It needs expecttest, as PyTorch's tests do.
"""

from __future__ import annotations

import signal
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from typing import Any, NamedTuple

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

import gradaudit
from gradaudit.torch import gradcheck
from tests.places import ROOT

SAMPLES = 5
SECONDS = 10
DTYPES = {"float64": torch.float64, "float32": torch.float32}
#: What is called wrong, and why it is: findings about PyTorch's kernels, not about the bound.
FINDINGS = {
    "as_strided_scatter": "the gradient by the first argument goes to what is overwritten, not to the rest",
    "nn.functional.max_unpool1d": "entries that name one place twice get the gradient both, though one of them is lost",
    "nn.functional.max_unpool2d": "the same",
    "nn.functional.max_unpool3d": "the same",
    "nn.functional.hardsigmoid": "1/6 is a float32 in the float64 backward kernel: a relative error of 3e-8",
    "logcumsumexp": "its backward takes exp of differences of logarithms, which for large inputs loses their digits",
    **dict.fromkeys(
        (
            "digamma",
            *(f"polygamma.polygamma_n_{n}" for n in range(5)),
            "special.polygamma.special_polygamma_n_0",
        ),
        "the trigamma of float64 is right to 2e-10 only",
    ),
}
VERDICTS = ("pass", "wrong", "undecided", "unsupported", "refused", "slow", "crash")
TABLE = ROOT / "docs" / "opinfo.tsv"


class Row(NamedTuple):
    """What became of the samples of one operation in one dtype.

    Attributes
    ----------
    verdicts : Counter
        How many samples have each verdict.
    accepted : str
        How many of them torch.autograd.gradcheck accepts, in float64; it is not for float32.
    note : str
        Reasons.
    """

    name: str
    dtype: str
    verdicts: Counter[str]
    accepted: str
    note: str

    @property
    def is_judged(self) -> bool:
        """Whether every sample was, and all of them pass."""
        return bool(self.verdicts) and set(self.verdicts) == {"pass"}

    def __str__(self) -> str:
        counts = [str(self.verdicts[v]) for v in VERDICTS]
        return "\t".join([self.name, self.dtype, *counts, self.accepted, self.note])


def operations() -> list[Any]:
    """The OpInfos that have a gradient in float64 on the CPU."""
    from torch.testing._internal.common_methods_invocations import op_db

    return [o for o in op_db if o.supports_autograd and o.supports_dtype(torch.float64, "cpu")]


def full_name(op: Any) -> str:
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else str(op.name)


def called(op: Any, sample: Any) -> tuple[Any, tuple[torch.Tensor, ...]]:
    """A sample as a function, and its tensors."""
    leaves, form = tree_flatten((sample.input, tuple(sample.args), sample.kwargs))
    tensors = [x for x in leaves if isinstance(x, torch.Tensor)]

    def function(*given: torch.Tensor) -> Any:
        remaining = iter(given)
        first, args, kwargs = tree_unflatten(
            [next(remaining) if isinstance(x, torch.Tensor) else x for x in leaves], form
        )
        result = op(first, *args, **kwargs)
        return sample.output_process_fn_grad(result) if sample.output_process_fn_grad else result

    return function, tuple(tensors)


def is_accepted(op: Any, sample: Any) -> bool:
    """Whether PyTorch's own gradcheck accepts it."""
    function, tensors = called(op, sample)
    options = {"check_batched_grad": False, "fast_mode": True, "raise_exception": False}
    try:
        return bool(torch.autograd.gradcheck(function, tensors, **options))
    except Exception:
        return False


def judged(op: Any, sample: Any) -> tuple[str, str]:
    """The verdict on a sample, and the reason for it."""
    function, tensors = called(op, sample)
    try:
        report = gradcheck(function, tensors, raise_exception=False)
    except gradaudit.UnsupportedError as error:
        return "unsupported", str(error).partition(" at /")[0]
    except gradaudit.InputError as error:
        return "refused", str(error)
    except TimeoutError:
        return "slow", f"more than {SECONDS} s"
    except Exception as error:
        return "crash", f"{type(error).__name__}: {error}"
    messages = [step.message for step in report.steps if step.verdict == report.verdict]
    note = "; ".join([*messages, *(f.message for f in report.findings if f.verdict == report.verdict)])
    return report.verdict, note


def _late(*_: Any) -> None:
    raise TimeoutError


def row(name: str, dtype: str) -> Row:
    """The row of an operation."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    op = next(o for o in operations() if full_name(o) == name)
    torch.manual_seed(0)
    verdicts: Counter[str] = Counter()
    accepted = 0
    notes = [FINDINGS[name]] if name in FINDINGS else []
    signal.signal(signal.SIGALRM, _late)
    for sample in islice(_samples(op, DTYPES[dtype]), SAMPLES):
        signal.alarm(SECONDS)
        try:
            verdict, note = judged(op, sample)
            accepted += dtype == "float64" and is_accepted(op, sample)
        except TimeoutError:
            verdict, note = "slow", f"more than {SECONDS} s"
        finally:
            signal.alarm(0)
        verdicts[verdict] += 1
        if verdict != "pass" and note not in notes:
            notes.append(" ".join(note.split())[:300])
    return Row(name, dtype, verdicts, str(accepted) if dtype == "float64" else "", " | ".join(notes))


def _samples(op: Any, dtype: torch.dtype) -> Iterator[Any]:
    return iter(op.sample_inputs("cpu", dtype, requires_grad=True))


def rows(names: list[str], workers: int = 2) -> Iterator[Row]:
    """The rows, in the order of the names."""
    tasks = [(name, dtype) for name in names for dtype in DTYPES]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        yield from pool.map(row, *zip(*tasks, strict=True), chunksize=4)


def summary(table: list[Row]) -> str:
    """How many operations were judged, and what became of the others."""
    names = dict.fromkeys(r.name for r in table)
    by_name = {name: [r for r in table if r.name == name] for name in names}
    complete = sum(all(r.is_judged for r in of) for of in by_name.values())
    total = Counter(v for r in table for v in r.verdicts.elements())
    counts = ", ".join(f"{total[v]} {v}" for v in VERDICTS)
    return f"{complete} of {len(names)} operations have all samples judged and passed; samples: {counts}"


def main(names: list[str]) -> None:
    """Write the table, or print that of some operations."""
    known = [full_name(o) for o in operations()]
    table = []
    for r in rows([n for n in known if n in names] if names else known):
        table.append(r)
        if names:
            print(r)
    if not names:
        head = "\t".join(["operation", "dtype", *VERDICTS, "gradcheck", "note"])
        TABLE.write_text("\n".join([head, *map(str, table)]) + "\n")
    print(summary(table))


if __name__ == "__main__":
    main(sys.argv[1:])
