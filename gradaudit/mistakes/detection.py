"""The table of mistakes: which family of cases catches which known mistake, and the result of a common checker."""

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

#: The case of the common checker.
CHECK_CASE = "5x4x10x3-reg_0.1-random-float64-s0"


def verdict_on(caller: Caller, case: Case, acceptance: Acceptance, name: str = "") -> Finding:
    """The finding on a known mistake, which is called in this process."""
    subject = Subject(case.id, case.family, "mistake", name, case.dtype)
    return judge_answer(subject, caller(acceptance.problem, case.edge.layout, case.edge.labels), acceptance)


@lru_cache(maxsize=4)
def detection(cases: tuple[Case, ...]) -> dict[str, Any]:
    """How many cases of each family catch each mistake.

    Parameters
    ----------
    cases : tuple of Case
        The cases. The steps of a training are not used.

    Returns
    -------
    dict
        A table with a row for each mistake, a column for each family, and a column for `torch.autograd.gradcheck`.
    """
    selection = [case for case in cases if case.step is None]
    families = list(dict.fromkeys(case.family for case in selection))
    catches = {name: dict.fromkeys(families, 0) for name in MISTAKES}
    edges = dict.fromkeys(case.edge.name for case in selection)
    callers = {name: mistake.caller() for name, mistake in MISTAKES.items()}
    idle_edges = set(edges)
    for case in selection:
        acceptance = accept(case.problem())
        for name, caller in callers.items():
            if verdict_on(caller, case, acceptance, name).verdict in ("wrong", "error"):
                catches[name][case.family] += 1
                idle_edges.discard(case.edge.name)
    replies = {name: gradcheck(name) for name in MISTAKES}
    total = {family: sum(case.family == family for case in selection) for family in families}
    idle_text = f" Caught nothing: {', '.join(sorted(idle_edges))}." if idle_edges else ""
    return {
        "title": f"known mistakes caught, in how many of the {len(selection)} cases",
        "columns": ["mistake", *(f"{family} ({total[family]})" for family in families), "gradcheck"],
        "note": f"gradcheck: the result of torch.autograd.gradcheck for the same function on {CHECK_CASE}.{idle_text}",
        "rows": [[name, *catches[name].values(), replies[name]] for name in MISTAKES],
    }


def uncaught(table: dict[str, Any]) -> list[str]:
    """The mistakes of a table that no case caught."""
    return [row[0] for row in table["rows"] if not any(row[1:-1])]


def gradcheck(name: str) -> str:
    """The result of the checker of PyTorch, with its default tolerances, for a mistake on one problem.

    Returns
    -------
    str
        "passes", "fails", "raises", or "not asked" where PyTorch is not installed.
    """
    if not importlib.util.find_spec("torch"):
        return "not asked"
    import torch

    from gradaudit.cases.catalogue import case_of

    problem = case_of(CHECK_CASE).problem()
    function = _as_function(MISTAKES[name].implementation(), problem)
    leaves = [torch.tensor(getattr(problem, p), requires_grad=True) for p in PARAMETERS]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return "passes" if torch.autograd.gradcheck(function, leaves, raise_exception=False) else "fails"
        except Exception:  # the mistake itself raises on this shape
            return "raises"


def _as_function(implementation: Implementation, problem: Problem) -> Any:
    """The implementation as a PyTorch function of the parameters. Its backward pass gives the returned gradients."""
    import torch

    class Hand(torch.autograd.Function):  # type: ignore[misc] # torch is not there where types are checked
        @staticmethod
        def forward(ctx: Any, *parameters: Any) -> Any:
            copies = (np.array(p.detach().numpy()) for p in parameters)
            loss, grads = implementation(np.array(problem.X), problem.y, *copies, problem.reg)
            ctx.grads = [torch.as_tensor(np.array(g)) for g in grads.values()]
            return torch.as_tensor(np.array(loss))

        @staticmethod
        def backward(ctx: Any, outer: Any) -> Any:
            return tuple(outer * g for g in ctx.grads)

    return Hand.apply
