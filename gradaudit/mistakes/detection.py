"""The suite's power: which case family catches which known mistake, and what a common checker says of the same."""

from __future__ import annotations

import importlib.util
import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from gradaudit.adapters.calls import Caller
from gradaudit.cases.catalogue import Case
from gradaudit.mistakes import MISTAKES, Implementation
from gradaudit.reference.acceptance import Acceptance, accept
from gradaudit.reference.problem import PARAMETERS, Problem
from gradaudit.verdicts.judge import Finding, Subject, judge_answer

#: The problem on which the common checker is asked.
CHECKED = "5x4x10x3-reg_0.1-random-float64-s0"


def verdict_on(caller: Caller, case: Case, acceptance: Acceptance, name: str = "") -> Finding:
    """The finding on a known mistake, called in this process."""
    subject = Subject(case.id, case.family, "mistake", name, case.dtype)
    return judge_answer(subject, caller(acceptance.problem, case.edge.layout, case.edge.labels), acceptance)


@lru_cache(maxsize=4)
def detection(cases: tuple[Case, ...]) -> dict[str, Any]:
    """How many cases of each family catch each mistake.

    Parameters
    ----------
    cases : tuple of Case
        The cases; the steps of a training are left out.

    Returns
    -------
    dict
        A table: a row a mistake, a column a family, then what `torch.autograd.gradcheck` says (if PyTorch is there).
    """
    posed = [case for case in cases if case.step is None]
    families = list(dict.fromkeys(case.family for case in posed))
    caught = {name: dict.fromkeys(families, 0) for name in MISTAKES}
    edges = dict.fromkeys(case.edge.name for case in posed)
    callers = {name: mistake.caller() for name, mistake in MISTAKES.items()}
    useless = set(edges)
    for case in posed:
        acceptance = accept(case.problem())
        for name, caller in callers.items():
            if verdict_on(caller, case, acceptance, name).verdict in ("wrong", "error"):
                caught[name][case.family] += 1
                useless.discard(case.edge.name)
    said = {name: gradcheck(name) for name in MISTAKES}
    total = {family: sum(case.family == family for case in posed) for family in families}
    idle = f" Caught nothing: {', '.join(sorted(useless))}." if useless else ""
    return {
        "title": f"known mistakes caught, in how many of the {len(posed)} cases",
        "columns": ["mistake", *(f"{family} ({total[family]})" for family in families), "gradcheck"],
        "note": f"gradcheck: what torch.autograd.gradcheck says of the same function on {CHECKED}.{idle}",
        "rows": [[name, *caught[name].values(), said[name]] for name in MISTAKES],
    }


def uncaught(table: dict[str, Any]) -> list[str]:
    """The mistakes of a matrix that no case caught."""
    return [row[0] for row in table["rows"] if not any(row[1:-1])]


def gradcheck(name: str) -> str:
    """What PyTorch's checker, at its default tolerances, says of a mistake on one problem.

    Returns
    -------
    str
        "passes", "fails", "raises", or "not asked" where PyTorch is not installed.
    """
    if not importlib.util.find_spec("torch"):
        return "not asked"
    import torch

    from gradaudit.cases.catalogue import case_of

    problem = case_of(CHECKED).problem()
    function = _as_function(MISTAKES[name].implementation(), problem)
    leaves = [torch.tensor(getattr(problem, p), requires_grad=True) for p in PARAMETERS]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return "passes" if torch.autograd.gradcheck(function, leaves, raise_exception=False) else "fails"
        except Exception:  # the mistake itself raises on this shape
            return "raises"


def _as_function(implementation: Implementation, problem: Problem) -> Any:
    """The implementation as a function of the parameters whose derivative, for PyTorch, is what it returns."""
    import torch

    class Hand(torch.autograd.Function):  # type: ignore[misc] # torch is not there where types are checked
        @staticmethod
        def forward(ctx: Any, *parameters: Any) -> Any:
            fresh = (np.array(p.detach().numpy()) for p in parameters)
            loss, grads = implementation(np.array(problem.X), problem.y, *fresh, problem.reg)
            ctx.grads = [torch.as_tensor(np.array(g)) for g in grads.values()]
            return torch.as_tensor(np.array(loss))

        @staticmethod
        def backward(ctx: Any, outer: Any) -> Any:
            return tuple(outer * g for g in ctx.grads)

    return Hand.apply
