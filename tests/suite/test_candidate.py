"""Somebody's implementation before the judge: right ones pass, wrong ones are named, and none takes the audit down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradaudit import command_line
from gradaudit.adapters.calls import hand_over
from gradaudit.adapters.candidate import CandidateError, call, load
from gradaudit.candidate.audit import Report
from gradaudit.cases.catalogue import case_of
from gradaudit.mistakes import MISTAKES
from gradaudit.reference.problem import Problem
from gradaudit.suite import WrongGradientError, audit_implementation, check, parametrize_with_cases
from tests.copies import file as implementation
from tests.implementations.correct import ALL, textbook
from tests.places import IMPLEMENTATIONS

TOY = "5x4x10x3-reg_0.1-random-float64"
ANOTHER_SEED = 7


def audited(file: str, name: str, **options: Any) -> Report:
    return audit_implementation(f"{implementation(file)}:{name}", **{"cases": "quick", **options})


@pytest.mark.parametrize("name", ALL)
def test_a_correct_implementation_passes_and_is_diagnosed_with_nothing(name: str) -> None:
    report = audited("correct", name)
    assert [f for f in report.findings if f.verdict != "pass"] == []
    assert report.ok
    assert report.diagnosis.text == ""


def test_a_loss_that_is_no_number_is_not_taken_for_a_known_mistake() -> None:
    """Nor for one whose signature, fitting float32, a NaN has too."""
    diagnosis = audited("misbehaving", "loss_is_nan").diagnosis
    assert (diagnosis.mistakes, diagnosis.unknown) == ((), ("loss",))


def test_another_shape_is_called_so() -> None:
    diagnosis = audited("misbehaving", "column_biases", words=TOY).diagnosis
    assert (diagnosis.mistakes, diagnosis.unknown, diagnosis.misshapen) == ((), (), ("b1", "b2"))
    assert diagnosis.brief == "another shape than expected: b1, b2"


def test_a_message_that_cannot_be_printed_does_no_harm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = f"{IMPLEMENTATIONS / 'misbehaving.py'}:says_what_cannot_be_printed"
    assert command_line.main(["candidate", target, "-k", TOY, "--out", str(tmp_path)]) == 1
    text = capsys.readouterr().out
    assert "ValueError: \ufffd" in text
    assert "\x1b" not in text


OUTCOMES = {
    "raises": ("error", "ZeroDivisionError: no batch"),
    "exits": ("error", "SystemExit: 0"),
    "ends": ("crash", "the process ended with status 7"),
    "segfaults": ("crash", "the process died of SIGSEGV"),
    "loops_for_ever": ("timeout", "no answer after 0.5 s"),
    "holds_the_interpreter": ("timeout", "no answer after 0.5 s"),
    "eats_memory": ("error", "MemoryError: it took more memory than its limit"),
    "returns_nothing": ("error", "it returned a NoneType; expected (loss, grads)"),
    "returns_three": ("error", "it returned a tuple of 3; expected (loss, grads)"),
    "other_keys": ("error", "its gradients have the keys ['weights']; expected W1, b1, W2, b2"),
    "returns_text": ("error", "W1 has dtype <U1; expected real floating-point numbers"),
    "returns_integers": ("error", "W1 has dtype int64; expected real floating-point numbers"),
    "column_biases": ("wrong", "b1 has shape (10, 1); expected (10,)"),
}


@pytest.mark.parametrize(("name", "outcome"), OUTCOMES.items(), ids=OUTCOMES)
def test_whatever_an_implementation_does_there_is_a_verdict(name: str, outcome: tuple[str, str]) -> None:
    limit = 0.5 if outcome[0] == "timeout" else 60.0
    report = audited("misbehaving", name, words=TOY, timeout=limit, memory=256)
    assert [(f.verdict, outcome[1] in f.message) for f in report.findings] == [(outcome[0], True)]
    assert not report.ok


def test_after_three_timeouts_the_rest_is_skipped(tmp_path: Path) -> None:
    command = [
        "candidate",
        f"{IMPLEMENTATIONS / 'misbehaving.py'}:loops_for_ever",
        "--timeout",
        "1",
        "--out",
        str(tmp_path),
    ]
    assert command_line.main(command) == 3
    verdicts = json.loads((tmp_path / "run.json").read_text())["counts"]["verdicts"]
    assert verdicts["timeout"] == 3
    assert verdicts["skipped"] == sum(verdicts.values()) - 3 > 500


def test_one_hang_does_not_take_the_other_cases_with_it() -> None:
    report = audited("misbehaving", "sleeps_once", words="random float64", timeout=10.0)
    assert {f.case.split("-")[0]: f.verdict for f in report.findings} == {
        "1x4x10x3": "pass",
        "5x4x10x3": "pass",
        "6x5x4x4": "timeout",
        "17x13x11x5": "pass",
    }


def test_what_an_implementation_prints_does_no_harm(capfd: pytest.CaptureFixture[str]) -> None:
    assert audited("misbehaving", "prints_a_gigabyte", words=TOY).ok
    assert capfd.readouterr() == ("", "")


NOTES = {
    "keeps_state": "it keeps state between calls: the second call differs from the first",
    "at_random": "its results are not repeatable: two fresh processes give different ones",
    "warns": "raises RuntimeWarning: this is slow",
}


@pytest.mark.parametrize(("name", "note"), NOTES.items(), ids=NOTES)
def test_what_is_noticed_beside_the_verdict(name: str, note: str) -> None:
    assert note in audited("misbehaving", name, words="5x4x10x3-reg_0.1-random").notes


def test_a_dtype_that_is_not_kept_is_noticed() -> None:
    report = audited("misbehaving", "always_float64", words="5x4x10x3-reg_0.1-random")
    assert "returns float64 where it is given float32" in report.notes
    assert report.ok


CONVENTIONS = {
    "half_l2": {"l2": "half"},
    "half_mean_l2": {"l2": "half-mean"},
    "summed": {"reduction": "sum"},
}


@pytest.mark.parametrize(("name", "options"), CONVENTIONS.items(), ids=CONVENTIONS)
def test_another_convention_is_accepted_when_it_is_asked_for_and_only_then(name: str, options: dict[str, str]) -> None:
    asked = " ".join(f"--{option} {value}" for option, value in options.items())
    assert audited("misbehaving", name, **options).ok
    report = audited("misbehaving", name)
    assert not report.ok
    assert any(note.endswith(f"accept it with {asked}") for note in report.notes)


def test_another_network_is_told_from_a_wrong_derivative() -> None:
    assert any("is that of its own loss, which is another network's" in n for n in audited("mistaken", "no_relu").notes)
    assert any("is not that of its own loss" in n for n in audited("mistaken", "mean_missing").notes)


def test_the_command_prints_the_diagnosis_and_keeps_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["candidate", f"{implementation('mistaken')}:mean_missing", "--cases", "quick", "--out", str(tmp_path)]
    assert command_line.main(command) == 1
    printed = capsys.readouterr().out
    assert "1/N is" in printed
    assert "there should stand ds = (p - onehot) / N" in printed
    lines = [json.loads(line) for line in (tmp_path / "findings.jsonl").read_text().splitlines()]
    assert {line["framework"] for line in lines} == {"candidate"}
    assert all("1/N is missing" in line["diagnosis"] for line in lines if line["verdict"] == "wrong")
    assert json.loads((tmp_path / "run.json").read_text())["tables"]["diagnosis"]["rows"][0][0] == "mean_missing"


def test_two_shards_of_a_candidate_merged_are_the_whole(tmp_path: Path) -> None:
    command = ["candidate", f"{implementation('mistaken')}:mean_missing", "--cases", "quick"]
    for shard in ("1/2", "2/2", "1/1"):
        command_line.main([*command, "--shard", shard, "--out", str(tmp_path / shard)])
    parts = [str(tmp_path / shard) for shard in ("1/2", "2/2")]
    assert command_line.main(["merge", *parts, "--out", str(tmp_path / "merged")]) == 1
    merged, whole = (tmp_path / name / "findings.jsonl" for name in ("merged", "1/1"))
    assert merged.read_bytes() == whole.read_bytes()


def test_the_command_passes_what_is_right(tmp_path: Path) -> None:
    command = ["candidate", f"{IMPLEMENTATIONS / 'correct.py'}:textbook", "--cases", "quick", "--out", str(tmp_path)]
    assert command_line.main(command) == 0


@pytest.mark.parametrize("name", ["numpy", "json", "audit", "torch", "with space.and.dots"])
def test_a_file_may_be_called_like_a_package(tmp_path: Path, name: str) -> None:
    file = tmp_path / f"{name}.py"
    file.write_text(
        "import numpy as np\n\ndef network(X, y, *parameters):\n    return 1.0, [np.copy(p) for p in parameters[:4]]\n"
    )
    report = audit_implementation(f"{file}:network", words=TOY)
    assert [finding.verdict for finding in report.findings] == ["wrong"]


BROKEN = {
    "{}/absent.py:f": "there is no file",
    "{}/correct.py": "is not the name of an implementation; expected FILE.py:NAME",
    "{}/correct.py:absent": "has no function or class 'absent'; expected one of textbook",
    "{}/syntax.py:f": "cannot be imported: SyntaxError",
    "{}/raises.py:f": "cannot be imported: RuntimeError: not today",
    "{}/exits.py:f": "cannot be imported: SystemExit: 0",
    "{}/dies.py:f": "cannot be imported: the process ended with status 3",
}


@pytest.mark.parametrize(("target", "message"), BROKEN.items(), ids=[key.split("/")[1] for key in BROKEN])
def test_what_cannot_be_imported_exits_2(
    target: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "correct.py").write_text("def textbook(): pass\n")
    (tmp_path / "syntax.py").write_text("def f(:\n")
    (tmp_path / "raises.py").write_text("raise RuntimeError('not today')\n")
    (tmp_path / "exits.py").write_text("raise SystemExit(0)\n")
    (tmp_path / "dies.py").write_text("import os\nos._exit(3)\n")
    assert command_line.main(["candidate", target.format(tmp_path), "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize("option", [["--timeout", "0"], ["--timeout", "soon"], ["--memory", "0"], ["--l2", "quarter"]])
def test_an_option_that_makes_no_sense_exits_2(option: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command_line.main(["candidate", f"{IMPLEMENTATIONS / 'correct.py'}:textbook", *option])
    assert stopped.value.code == 2


def test_check_judges_a_function_in_this_process() -> None:
    problem = case_of(f"{TOY}-s0").problem()
    assert check(textbook, problem).verdict == "pass"
    assert check(lambda *a: (textbook(*a)[0], {}), problem).verdict == "error"
    wrong = check(MISTAKES["mean_missing"].implementation(), problem)
    assert (wrong.verdict, wrong.tensor in ("W1", "b1", "W2", "b2")) == ("wrong", True)


def test_a_report_raises_on_failure_with_the_diagnosis() -> None:
    audited("correct", "textbook", words=TOY).raise_on_failure()
    with pytest.raises(WrongGradientError, match="1 of 1 cases fail"):
        audited("mistaken", "mean_missing", words=TOY).raise_on_failure()


def test_a_function_object_is_audited_by_its_file() -> None:
    assert audit_implementation(textbook, cases="quick", words=TOY).ok


def test_a_function_without_a_name_cannot_be_audited_in_another_process() -> None:
    with pytest.raises(ValueError, match="is not at the top level of a file"):
        audit_implementation(lambda *a: textbook(*a))


@parametrize_with_cases(dtypes=("float64",))
def test_a_user_has_one_item_a_case(problem: Problem) -> None:
    assert check(textbook, problem).verdict in ("pass", "undecided")


def test_a_candidate_that_is_not_callable_is_refused(tmp_path: Path) -> None:
    (tmp_path / "number.py").write_text("f = 3\n")
    with pytest.raises(CandidateError, match="expected one of none"):
        load(f"{tmp_path / 'number.py'}:f")


def test_arrays_of_other_libraries_are_read() -> None:
    import torch

    problem = case_of(f"{TOY}-s0").problem()

    def torch_arrays(*arrays: Any) -> Any:
        loss, grads = textbook(*arrays)
        return torch.tensor(loss, requires_grad=True), {f"grad_{k}": torch.tensor(v) for k, v in grads.items()}

    gradients = call(torch_arrays, hand_over(problem))
    assert all(isinstance(array, np.ndarray) for array in vars(gradients).values())
