"""The gradient check for PyTorch: a function is run once, and what it and its backward pass computed is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves

from gradaudit.checking import cotangent
from gradaudit.errors import InputError
from gradaudit.judge import Report, worst, worst_first
from gradaudit.recording import Recording
from gradaudit.torch.arguments import read_arguments, read_options, read_steps
from gradaudit.torch.judgement import Run
from gradaudit.torch.runs import followed


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    reference: Callable[..., Any] | None = None,
    steps: Any = "auto",
    jacobian: bool = False,
    seed: int = 0,
    raise_exception: bool = True,
    kwargs: Mapping[str, Any] | None = None,
    **options: Any,
) -> Report:
    """Judge the value of a function in PyTorch and the gradients that its backward pass computes.

    The function is run once, in the dtype of its inputs, and what that run computed is judged: its outputs, and what
    autograd returns for them. The forward pass is followed below autograd: a custom ``autograd.Function`` may be part
    of the function, and its backward pass is what is judged. No tolerance is involved: how far a correct program may
    be from the exact gradient is derived, entry by entry.

    Parameters
    ----------
    func : callable or torch.nn.Module
        Returns a tensor, or several. A module is differentiated by its parameters as well.
    inputs : Tensor, or sequence of anything
        Its arguments. Those tensors are differentiated by that require a gradient; all of float64, float32,
        float16 or bfloat16. The function gets copies.
    reference : callable, optional
        A function in PyTorch of the same arguments that says what `func` computes, where `func` leaves PyTorch: a
        kernel in CUDA, Triton, C or NumPy. Only the reference is followed then.
    steps : {"auto", True, False}, or sequence of str
        Whether the certificate is made step by step: each operation, each function of the backward pass and each sum of
        contributions is held against its own definition, at the floats that the program had there. Nothing grows with
        depth, and what is wrong has a name. True does that alone; "auto" where the end does not tell, or says wrong.
        Names of modules restrict the steps to what is computed in them.
    jacobian : bool
        Whether each entry of the outputs is pulled back alone. If not, all of them are pulled back together, with
        numbers drawn from the seed: an error in any entry of the Jacobian is seen.
    seed : int
        Of those numbers.
    raise_exception : bool
        Whether to raise unless everything passes.
    kwargs : mapping, optional
        Arguments by name.
    **options
        Those of `torch.autograd.gradcheck`. eps, atol, rtol, nondet_tol, fast_mode and check_undefined_grad are
        accepted and have no meaning: nothing is differenced. The others are accepted only as their defaults.

    Returns
    -------
    Report
        True if everything passes; printed as a table.

    Raises
    ------
    GradientError
        If a gradient or an output is wrong.
    UndecidedError
        If nobody can tell in this dtype.
    UnsupportedError
        If the function does what cannot be followed: the message names it and the line.
    InputError
        If the arguments do not fit together.

    Notes
    -----
    At a kink that rounding or a tie leaves open either side is accepted, and what lies between or is no further away;
    `report.kinks` says where.

    What is judged is the branch that was taken: numbers may be read (``if x.sum() > 0``), and `report.remarks` says
    where. Random numbers are constants, once drawn. ``detach`` does not make a constant of anything: what is computed
    is judged, whoever hides it from autograd.
    """
    read_options(options)
    stepwise, modules = read_steps(steps, reference is not None)
    arguments = read_arguments(func, inputs, kwargs or {})
    if reference is None:
        following, nodes, outputs, graph = followed(
            func, arguments.args, arguments.kwargs, arguments.tensors, arguments.sources
        )
    else:
        twin = arguments.copy()
        following, nodes, shown, graph = followed(reference, twin.args, twin.kwargs, twin.tensors, twin.sources)
        outputs = _floats(func(*arguments.args, **arguments.kwargs))
        _same_shapes(outputs, shown)
    sources = {name: nodes[name] for name in arguments.sources}
    run = Run(arguments, outputs, graph, Recording(graph, sources, following.inputs, arguments.dtype), following)
    reports = [run.judged(weights, stepwise, modules) for weights in _cotangents(outputs, jacobian, seed)]
    report = _together(reports, [*_remarks(following.reads), *_alone(outputs)])
    if raise_exception:
        report.raise_unless_ok()
    return report


def _floats(result: Any) -> list[torch.Tensor]:
    return [t for t in tree_leaves(result) if isinstance(t, torch.Tensor) and t.is_floating_point()]


def _same_shapes(outputs: Sequence[torch.Tensor], shown: Sequence[torch.Tensor]) -> None:
    got, expected = ([tuple(t.shape) for t in ts] for ts in (outputs, shown))
    if got != expected:
        raise InputError(f"func returns the shapes {got}, reference {expected}; expected the same")


def _cotangents(outputs: Sequence[torch.Tensor], jacobian: bool, seed: int) -> list[list[Any]]:
    """What the outputs are pulled back with: once, or once for each of their entries."""
    shapes, silent = [tuple(t.shape) for t in outputs], _without_gradient(outputs)
    if not jacobian:
        drawn = [cotangent(shape, seed + n) for n, shape in enumerate(shapes)]
        return [[np.zeros_like(c) if n in silent else c for n, c in enumerate(drawn)]]
    sizes = [int(np.prod(shape)) for shape in shapes]
    units = np.eye(sum(sizes))[np.repeat([n not in silent for n in range(len(sizes))], sizes)]
    ends = np.cumsum(sizes)[:-1]
    return [[part.reshape(s) for part, s in zip(np.split(row, ends), shapes, strict=True)] for row in units]


def _without_gradient(outputs: Sequence[torch.Tensor]) -> list[int]:
    """The outputs that autograd takes for constants, where it does not of all: as mark_non_differentiable says."""
    return [n for n, t in enumerate(outputs) if not t.requires_grad and any(o.requires_grad for o in outputs)]


def _alone(outputs: Sequence[torch.Tensor]) -> list[str]:
    return [f"output {n} has no gradient for autograd: its value alone is judged" for n in _without_gradient(outputs)]


def _remarks(reads: Sequence[str]) -> list[str]:
    return [f"a number was read at {place}: the branch that was taken is judged" for place in dict.fromkeys(reads)]


def _together(reports: Sequence[Report], remarks: Sequence[str]) -> Report:
    """One report of those of several cotangents: of each array the worst finding."""
    findings = [worst(of) for of in zip(*(r.findings for r in reports), strict=True)]
    kinks = tuple(dict.fromkeys(kink for r in reports for kink in r.kinks))
    steps = worst_first(step for n, r in enumerate(reports) for step in r.steps if not n or step.kind != "forward")
    own = dict.fromkeys(remark for r in reports for remark in r.remarks)
    return Report(tuple(findings), kinks, steps, (*remarks, *own))
