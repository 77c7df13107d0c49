"""Random functions: made again from an id, swept to one record, judged, and made small when they fail."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradaudit import command_line
from gradaudit.cases.random_problems import FUNCTIONS_BATCH, Sweep
from gradaudit.certify import certify
from gradaudit.engines.base import Here
from gradaudit.functions import drawing, judging, shrinking
from gradaudit.functions.drawing import BLOCK, DTYPES, Case, FunctionError, case_of
from gradaudit.functions.growth import INPUT, Step
from gradaudit.functions.program import Program
from gradaudit.functions.running import run
from gradaudit.functions.shrinking import Small, shrunk, shrunk_script
from gradaudit.functions.vocabulary import WORDS
from gradaudit.functions.writing import NotWritten, source
from gradaudit.records.progress import Progress
from gradaudit.runs import sweep as sweeping
from gradaudit.verdicts.expected import Expectation, explain
from gradaudit.verdicts.judge import FUNCTIONS, Finding
from tests.suite.test_sweep import same

COUNT = 3 * FUNCTIONS_BATCH + 5
RUN = ["sweep", "--functions", "--frameworks", "numpy", "--count", str(COUNT)]


# --- what is drawn ----------------------------------------------------------------------------------------------------


def test_a_function_is_made_again_from_its_id() -> None:
    case = case_of("function-3-17-float32")
    before, arrays = case.program.steps, case.arrays()
    drawing.program.cache_clear()
    again = case_of(case.id)
    assert repr(again.program.steps) == repr(before)
    assert all(np.array_equal(a, arrays[i]) for i, a in again.arrays().items())


@pytest.mark.parametrize("text", ["function-3", "function-3-17-float16", "5x4x10x3-reg_0.1-random-float64-s0"])
def test_what_is_no_id_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(FunctionError, match="expected one like function-0-17-float32"):
        case_of(text)


def test_functions_are_of_every_kind() -> None:
    """All operations; two to thirty of them and more; values used again; ones, primes, ties, zeros and extremes."""
    programs = [Case(0, n * BLOCK // 100, "float32").program for n in range(800)]
    lengths = [len(p.operations) for p in programs]
    assert {name for p in programs for name in p.operations} == set(WORDS)
    assert min(lengths) <= 2
    assert max(lengths) >= 30
    shapes = {node.shape for p in programs for node in p.nodes}
    assert {(), (3,), (1, 3), (2, 1), (2, 3), (131,), (1, 7)} <= shapes
    used = [[j for s in p.steps for j in s.operands] for p in programs]
    assert sum(len(u) > len(set(u)) for u in used) > len(programs) / 4
    numbers = [x for n in range(300) for x in Case(0, n, "float32").arrays().values() if x.size]
    assert any(len(np.unique(x)) < x.size for x in numbers)
    assert any((x == 0).any() for x in numbers)
    assert any((np.abs(x) > 1e20).any() for x in numbers)
    assert any(((x != 0) & (np.abs(x) < np.finfo(np.float32).smallest_normal)).any() for x in numbers)


def test_most_functions_can_be_decided(figure: Callable[[str], None]) -> None:
    undecided = 0
    for number in range(60):
        for dtype in DTYPES:
            case = Case(7, number, dtype)
            given = case.program.given(case.arrays())
            certificates = certify(case.program.reverse, given, dtype, judging.LAST_BITS).outputs
            undecided += any(not np.isfinite(c.bound).all() or c.resolution > 2**-4 for c in certificates)
    figure(f"undecided random functions: {undecided} of {60 * len(DTYPES)}")
    assert undecided <= 0.25 * 60 * len(DTYPES)


def test_a_function_is_python_in_every_framework() -> None:
    for number in range(60):
        for framework in ("numpy", "torch", "jax"):
            try:
                compile(source(Case(0, number, "float32").program, framework), "function", "exec")
            except NotWritten:
                assert framework == "numpy"


# --- the record -------------------------------------------------------------------------------------------------------


def swept(out: Path, *options: str) -> Path:
    assert command_line.main([*RUN, *options, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swept(tmp_path_factory.mktemp("whole"))


def test_two_workers_leave_the_same_record(whole: Path, tmp_path: Path) -> None:
    assert same(swept(tmp_path, "--workers", "2"), whole)


def test_an_interrupted_sweep_goes_on_where_it_was(whole: Path, tmp_path: Path) -> None:
    entries = Progress.begun(tmp_path, Sweep(COUNT, 0, (("numpy", "value"),), functions=True))
    running = sweeping.judge_rest(entries, Here())
    next(running)
    next(running)
    assert command_line.main(["sweep", "--resume", str(tmp_path)]) == 0
    assert same(tmp_path, whole)


def test_two_shards_are_the_whole(whole: Path, tmp_path: Path) -> None:
    parts = [swept(tmp_path / str(i), "--shard", f"{i}/2") for i in (1, 2)]
    lines = [set((folder / "findings.jsonl").read_text().splitlines()) for folder in (*parts, whole)]
    assert lines[0] | lines[1] == lines[2]
    assert not lines[0] & lines[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--candidate", "mine.py:network"], "a candidate is one network"),
        (["--variants", "backwards"], "no framework has the variant backwards"),
        (["--resume", "nowhere"], "cannot be asked for something else"),
    ],
)
def test_what_is_impossible_is_refused_in_a_line(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main([*RUN, "--out", str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err


def test_a_finding_is_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    names = (f"function-0-{n}-float64" for n in range(40))
    name = next(n for n in names if judging.finding_on(case_of(n), "numpy", "value").verdict == "pass")
    assert command_line.main(["replay", name, "--framework", "numpy"]) == 0
    assert capsys.readouterr().out.startswith(f"pass numpy.value-{name}")


# --- what fails -------------------------------------------------------------------------------------------------------

#: Faults of single operations, in NumPy: a factor, a sign, an offset, a wrong branch, a wrong axis.
FAULTS = {
    "tanh": "np.tanh({0}) * (1 + 1e-4)",
    "sin": "-np.sin({0})",
    "square_and_one": "{0} ** 2 + 1.01",
    "relu": "np.where({0} > 0, {0}, {0} * 0.01)",
    "broadcast": "np.broadcast_to({0}, {to}) * 1.001",
}


def planted(name: str, monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    """Functions on which a fault of one operation shows."""
    monkeypatch.setitem(WORDS, name, replace(WORDS[name], numpy=FAULTS[name]))
    cases = (Case(0, n, "float64") for n in range(2000))
    return [c for c, _ in zip((c for c in cases if _shows(c, name)), range(4), strict=False)]


def _shows(case: Case, name: str) -> bool:
    return name in case.program.operations and judging.finding_on(case, "numpy", "value").verdict == "wrong"


@pytest.mark.parametrize("company", [False, True], ids=["alone", "in company"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_failing_function_is_made_small(name: str, company: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """To at most three operations, one of them the fault; also where no step is known to fail by itself."""
    cases = planted(name, monkeypatch)
    assert len(cases) == 4
    for case in cases:
        assert name in judging.finding_on(case, "numpy", "value").diagnosis
    if company:
        monkeypatch.setattr(shrinking, "steps_alone", lambda *_: [])
    for case in cases:
        small = shrunk(Small(case.program, case.arrays()), "numpy", "value", "y")
        assert judging.fails(small.program, small.arrays, "numpy", "value", "y")
        assert name in small.program.operations
        assert len(small.program.operations) <= 3


def test_a_small_function_runs_alone_and_shows_the_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    case = planted("sin", monkeypatch)[0]
    file = tmp_path / "small.py"
    file.write_text(shrunk_script(case, "numpy", "value"))
    printed = subprocess.run(
        [sys.executable, str(file)], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    got, exact = (float(line.split()[1]) for line in printed.splitlines())
    assert got == pytest.approx(-exact)
    assert exact != 0
    assert "gradaudit" not in file.read_text()


def test_a_sweep_saves_what_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(WORDS, "sin", replace(WORDS["sin"], numpy=FAULTS["sin"]))
    assert command_line.main([*RUN, "--workers", "0", "--out", str(tmp_path)]) == 1
    assert "np.sin" in next(tmp_path.glob("numpy.value-function-*.py")).read_text()


WRONG = Finding("case", FUNCTIONS, "torch", "jvp", "float64", "wrong", expected=False, diagnosis="celu, digamma")
CELU = Expectation("torch", "because", families=(FUNCTIONS,), operations=("celu",))


def test_a_finding_is_known_only_if_each_wrong_operation_is() -> None:
    other = replace(CELU, operations=("digamma",), reason="so")
    assert not explain(WRONG, [CELU]).expected
    assert explain(WRONG, [CELU, other]).diagnosis == "celu: because; digamma: so"
    assert not explain(WRONG, [CELU, replace(other, dtypes=("float32",))]).expected
    assert not explain(WRONG, [CELU, replace(other, variants=("autograd",))]).expected
    assert not explain(replace(WRONG, diagnosis=""), [CELU, other]).expected


def test_an_entry_of_operations_explains_no_network() -> None:
    network = replace(WRONG, family="kinks")
    assert not explain(network, [replace(CELU, families=())]).expected


def test_a_wrong_shape_or_dtype_is_wrong() -> None:
    program = Program((Step(INPUT, (), {"size": (3,)}), Step("exp", (0,), {})), (1,))
    arrays: dict[int, Any] = {0: np.ones(3, np.float32)}
    of = judging.certificates(program, arrays, "float32", forward=False)
    result = run(program, list(arrays.values()), "numpy", "value")
    assert judging.verdict(result, of, "float32").verdict == "pass"
    for values in ([result.values[0].astype(np.float64)], [result.values[0][:2]]):
        judged = judging.verdict(result._replace(values=values), of, "float32")
        assert judged.verdict == "wrong"
        assert "is y0; expected float32 of the shape (3,)" in judged.message
