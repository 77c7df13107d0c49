"""Random functions, from their names to findings; and failing ones made small, as scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gradaudit.engines.base import Engine, Lost, Name, Names, in_order
from gradaudit.functions.drawing import case_of
from gradaudit.functions.judging import finding_on
from gradaudit.functions.shrinking import shrunk_script
from gradaudit.functions.writing import source
from gradaudit.verdicts.expected import expectations, explain
from gradaudit.verdicts.judge import FUNCTIONS, Finding, Subject


def judge_names(names: Names) -> Iterator[tuple[Name, Finding]]:
    """Judge functions, by their names: the id, the framework, the variant."""
    for name in names:
        case, framework, variant = name
        yield name, finding_on(case_of(case), framework, variant)


def give_up(name: Name, loss: Lost) -> Finding:
    """The finding on a function that ended its process."""
    case, framework, variant = name
    subject = Subject(case, FUNCTIONS, framework, variant, case_of(case).dtype)
    return Finding(*subject, verdict=loss.outcome, expected=False, message=str(loss))


def shrink(out: Path, findings: Sequence[Finding], engine: Engine) -> None:
    """Make functions that fail small, where the engine runs, and save each as a script that runs alone."""
    for finding in findings:
        name = (finding.case, finding.framework, finding.variant)
        ((_, results),) = in_order(engine, _scripts, [(name,)], lambda *_: "")
        (script,) = results
        if script:
            (out / f"{finding.id}.py").write_text(script, encoding="utf-8")


def _scripts(names: Names) -> Iterator[tuple[Name, str]]:
    for name in names:
        case, framework, variant = name
        yield name, shrunk_script(case_of(case), framework, variant)


def replay(name: str, framework: str, variant: str) -> tuple[Finding, str]:
    """The finding on a function, and its script: made small if it is wrong, else that of the function in a framework.

    Raises
    ------
    FunctionError
        If the name is no id of a function.
    """
    case = case_of(name)
    finding = explain(finding_on(case, framework, variant), expectations())
    if finding.verdict == "wrong":
        return finding, shrunk_script(case, framework, variant)
    return finding, "" if finding.verdict == "unsupported" else source(case.program, framework)
