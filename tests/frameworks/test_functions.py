"""Every word of the random functions: what a framework writes for it is what its node says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradaudit import judge as library
from gradaudit.cases.random_problems import Sweep
from gradaudit.engines.base import Here
from gradaudit.functions import judging
from gradaudit.functions.growth import INPUT, Step
from gradaudit.functions.program import Program
from gradaudit.functions.running import run
from gradaudit.functions.shapes import Sizes
from gradaudit.functions.vocabulary import WORDS
from gradaudit.records.progress import Progress
from gradaudit.runs import sweep as sweeping
from gradaudit.verdicts.expected import entries_of, explain
from gradaudit.verdicts.judge import FUNCTIONS, Finding

#: Where the words of each domain are defined.
DOMAINS: dict[str, tuple[float, float]] = {
    "positive": (0.3, 2.0),
    "inside": (-0.8, 0.8),
    "outside": (1.2, 3.0),
    "unit": (0.1, 0.9),
}
WAYS = [
    *(("numpy", "value"), ("torch", "autograd"), ("torch", "func"), ("torch", "jvp")),
    *(("jax", "jit"), ("jax", "jit_jvp")),
]


def every_word(framework: str, dtype: str, sizes: tuple[int, int]) -> tuple[Program, dict[int, Any], list[str]]:
    """A function with every word of a framework once, each on inputs of its own; and the names of its outputs."""
    rng = np.random.default_rng(0)
    steps: list[Step] = []
    arrays: dict[int, Any] = {}
    outputs, names = [], []
    for name, word in WORDS.items():
        if not getattr(word, framework):
            continue
        shapes, parameters = word.draw(rng, Sizes(sizes))
        operands = tuple(range(len(steps), len(steps) + len(shapes)))
        for i, shape in zip(operands, shapes, strict=True):
            steps.append(Step(INPUT, (), {"size": shape}))
            arrays[i] = np.asarray(rng.uniform(*DOMAINS.get(word.domain, (-2.0, 2.0)), shape), dtype=dtype)
        outputs.append(len(steps))
        names.append(name)
        steps.append(Step(name, operands, parameters))
    return Program(tuple(steps), tuple(outputs)), arrays, names


def is_known(name: str, framework: str, variant: str, dtype: str, message: str) -> bool:
    finding = Finding("", FUNCTIONS, framework, variant, dtype, "wrong", expected=False, message=message)
    return explain(replace(finding, diagnosis=name), entries_of()).expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("framework", "variant"), WAYS)
def test_a_framework_computes_what_the_node_says(
    framework: str, variant: str, dtype: str, figure: Callable[[str], None]
) -> None:
    pytest.importorskip(framework)
    program, arrays, names = every_word(framework, dtype, (2, 3))
    result = run(program, list(arrays.values()), framework, variant)
    of = judging.certificates(program, arrays, dtype, result.forward)
    by_input = [names[program.outputs.index(o)] for o in program.outputs for _ in program.steps[o].operands]
    words = [*names, *(names if result.forward else by_input)]
    wrong, undecided = set(), set()
    for name, got, certificate in zip(words, [*result.values, *result.derivatives], of, strict=False):
        verdict = "wrong" if got.dtype != dtype else library.judge(name, got, certificate).verdict
        message = f"{got.dtype} of the shape" if got.dtype != dtype else ""
        if verdict == "wrong" and not is_known(name, framework, variant, dtype, message):
            wrong.add(name)
        if verdict == "undecided":
            undecided.add(name)
    figure(f"words of random functions in {framework} {variant}, {dtype}: {len(names)}, undecided {sorted(undecided)}")
    assert not wrong
    assert len(undecided) <= len(names) / 10


@pytest.mark.parametrize("framework", ["torch"])
def test_random_functions_are_as_expected(framework: str, tmp_path: Any) -> None:
    """In reverse mode: whatever is wrong is known."""
    pytest.importorskip(framework)
    entries = Progress.begun(tmp_path, Sweep(120, 11, ((framework, "autograd"),), functions=True))
    for _ in sweeping.judge_rest(entries, Here()):
        pass
    assert not [f.id for f in entries.findings() if f.verdict in ("wrong", "error") and not f.expected]
    assert entries.tally.counts()["verdicts"]["pass"] > 150
