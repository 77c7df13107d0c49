"""A candidate's run for Gradescope: results.json, with partial credit by tensor."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gradaudit.reference.problem import TENSORS
from gradaudit.report.summary import sentence
from gradaudit.verdicts.judge import Finding

#: The points for a tensor that is right on every case.
POINTS = 20.0


def results(run: Mapping[str, Any], findings: Sequence[Finding]) -> str:
    """The content of results.json.

    The credit of a tensor is the part of the cases on which it is right. A run of frameworks does not count this for
    each tensor; there, every tensor has as credit the part of the cases that are as expected.
    """
    right = sum(finding.expected for finding in findings)
    totals = {name: (right, len(findings)) for name in TENSORS}
    for name, correct, of in run["tables"].get("tensors", {"rows": []})["rows"]:
        totals[name] = (correct, of)
    tests = [_test(name, *totals[name], run) for name in TENSORS]
    content = {
        "score": round(sum(test["score"] for test in tests), 2),
        "execution_time": run["timings"]["seconds"],
        "output": sentence(run) + "\n" + run["tables"].get("diagnosis", {"note": ""})["note"],
        "visibility": "visible",
        "tests": tests,
    }
    return json.dumps(content, indent=2) + "\n"


def _test(name: str, right: int, of: int, run: Mapping[str, Any]) -> dict[str, Any]:
    """The test of one tensor."""
    rows = run["tables"].get("diagnosis", {"rows": []})["rows"]
    word = re.compile(r"the loss\b" if name == "loss" else rf"\bd?{name}\b")
    evidences = [f"{mistake}: {text}" for mistake, text, _ in rows if mistake != "note" and word.search(text)]
    return {
        "name": "loss" if name == "loss" else f"gradient of {name}",
        "score": round(POINTS * right / of, 2) if of else 0.0,
        "max_score": POINTS,
        "status": "passed" if right == of else "failed",
        "output": "\n".join([f"right on {right} of {of} cases", *evidences]),
        "visibility": "visible",
    }
