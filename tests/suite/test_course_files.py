"""Files of courses are judged as they are: how they are called, what they import, and what is said of it."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import pytest

from gradaudit import command_line
from gradaudit.adapters.candidate import CandidateError, load
from gradaudit.adapters.python2 import python2
from gradaudit.adapters.stand_ins import OLD_NAMES, PACKAGES, Bar, StandIns
from gradaudit.candidate.audit import Report
from gradaudit.cases.catalogue import case_of
from gradaudit.suite import audit_implementation, check
from tests.implementations.correct import textbook
from tests.places import IMPLEMENTATIONS

TOY = "5x4x10x3-reg_0.1-random-float64"
MAPPING = "called as f({}), params a mapping of W1, b1, W2, b2"
LAYERS = "called as .loss(x, t) and .gradient(x, t), t as {}"
ROWS = "rows of zeros and a one"


def audited(target: str, **options: Any) -> Report:
    file, _, name = target.rpartition(":")
    return audit_implementation(f"{IMPLEMENTATIONS / file}.py:{name}", **{"cases": "quick", **options})


CALLED: dict[str, tuple[dict[str, Any], str]] = {
    "courses_functions:params_first": ({}, MAPPING.format("params, X, y, reg")),
    "courses_functions:params_third": ({}, MAPPING.format("X, y, params, reg")),
    "courses_functions:two_layer_net": ({}, MAPPING.format("X, params, y, reg")),
    "courses_functions:parameters_first": (
        {},
        "called as f(W1, b1, W2, b2, X, y, reg), by the names of its arguments",
    ),
    "courses_functions:rows": ({}, "b1 and b2 are rows, judged by their values"),
    "courses_functions:none": ({"l2": "none"}, MAPPING.format("params, X, y, reg")),
    "courses_functions:biases_too": ({"bias_decay": True}, ""),
    "courses_functions:biases_too_by_half": ({"bias_decay": True, "l2": "half"}, ""),
    "courses_layers:TwoLayerNet": ({"l2": "none"}, LAYERS.format(ROWS)),
    "courses_layers:LabelsOnly": ({"l2": "none", "words": "random float64"}, LAYERS.format("class indices")),
    "courses_layers:OnehotOnly": ({"l2": "none"}, LAYERS.format(ROWS)),
    "courses_layers:MultiLayerNet": ({"l2": "half"}, f"{LAYERS.format(ROWS)}; made as MultiLayerNet(D, [H], C)"),
    "courses_objects:TwoLayerNet": (
        {"bias_decay": True},
        "called as .compute_loss_and_gradients(X, y), gradients read from .params(); made as TwoLayerNet(D, C, H)",
    ),
    "courses_objects:FullyConnectedNet": ({"l2": "half"}, "made as FullyConnectedNet([H], D, C)"),
}


@pytest.mark.parametrize(("target", "expected"), CALLED.items(), ids=CALLED)
def test_a_right_network_passes_in_the_way_of_its_course_and_the_way_is_named(
    target: str, expected: tuple[dict[str, Any], str]
) -> None:
    options, note = expected
    report = audited(target, **options)
    assert [(f.verdict, f.case, f.message) for f in report.findings if f.verdict not in ("pass", "undecided")] == []
    assert report.ok
    assert not note or note in report.notes


def test_the_canonical_ways_are_not_remarked_upon() -> None:
    for name in ("textbook", "CourseNet", "SecondCourseNet"):
        assert audited(f"correct:{name}", words=TOY).notes == ()


CONVENTIONS = {
    "none": {"l2": "none"},
    "biases_too": {"bias_decay": True},
    "biases_too_by_half": {"l2": "half", "bias_decay": True},
}


@pytest.mark.parametrize(("name", "options"), CONVENTIONS.items(), ids=CONVENTIONS)
def test_another_regulariser_stays_wrong_until_it_is_asked_for(name: str, options: dict[str, Any]) -> None:
    report = audited(f"courses_functions:{name}", words="random")
    assert not report.ok
    asked = {"none": "--l2 none", "biases_too": "--bias-decay", "biases_too_by_half": "--l2 half --bias-decay"}[name]
    assert any(note.endswith(f"accept it with {asked}") for note in report.notes)
    assert audited(f"courses_functions:{name}", words="random", **options).ok


def test_a_network_of_the_canonical_regulariser_is_wrong_in_another_convention() -> None:
    for options in ({"l2": "none"}, {"bias_decay": True}):
        report = audited("correct:textbook", words="random reg_0.1", **options)
        assert {finding.verdict for finding in report.findings} == {"wrong"}


def test_a_mistake_beside_the_decay_of_the_biases_is_named() -> None:
    report = audited("courses_functions:biases_too_without_mean", bias_decay=True)
    assert [first.mistake for first in report.diagnosis.mistakes] == ["mean_missing"]


WRONG: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "params_first": ({}, ("W1", "b1", "W2", "b2")),
    "rows": ({}, ("b2",)),
    "Layers": ({"l2": "none"}, ("W1", "b1")),
    "Stale": ({"l2": "none"}, ("loss", "W1", "b1", "W2", "b2")),
    "Objects": ({"bias_decay": True}, ("W2",)),
}


@pytest.mark.parametrize(("name", "expected"), WRONG.items(), ids=WRONG)
def test_no_way_of_calling_hides_a_mistake(name: str, expected: tuple[dict[str, Any], tuple[str, ...]]) -> None:
    options, tensors = expected
    report = audited(f"courses_wrong:{name}", words="5x4x10x3-reg_0.1-random", **options)
    assert {finding.verdict for finding in report.findings} == {"wrong"}
    assert tuple(name for name, right in report.right.items() if right < len(report.findings)) == tensors


def test_a_type_error_of_a_later_call_is_a_finding() -> None:
    report = audited("courses_wrong:type_error_later", words="random float64")
    assert [finding.verdict for finding in report.findings[:3]] == ["pass", "error", "error"]
    assert report.findings[1].message == "TypeError: not again"


def test_the_way_of_calling_does_not_depend_on_the_case() -> None:
    """Nor on where the cases begin: every shard says the same."""
    for shard in ((1, 2), (2, 2)):
        notes = audited("courses_layers:LabelsOnly", l2="none", words="random", shard=shard).notes
        assert LAYERS.format("class indices") in notes


REFUSED = {
    "courses_functions:of_other_arguments": "it is of_other_arguments(images, labels, network); expected f(X, y, W1,",
    "courses_functions:of_seven_and_fails": "its first call fails (TypeError: object of type 'float' has no len()",
    "courses_functions:of_python2": "courses_functions.py is Python 2 (unicode, line 1",
    "courses_objects:WithoutLoss": "the class WithoutLoss has no method loss; expected f(X, y, W1,",
    "courses_objects:OfOtherShapes": "the class OfOtherShapes cannot be made (its parameters have other shapes than",
}


@pytest.mark.parametrize(("target", "message"), REFUSED.items(), ids=REFUSED)
def test_what_cannot_be_called_ends_the_run_with_one_line(
    target: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, _, name = target.rpartition(":")
    assert command_line.main(["candidate", f"{IMPLEMENTATIONS / file}.py:{name}", "--out", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert (printed.err.count("\n"), printed.out) == (1, "")


def test_check_judges_other_ways_too_and_is_silent() -> None:
    """Warnings are errors in these tests."""
    problem = case_of(f"{TOY}-s0").problem()

    def rows(*arguments: Any) -> Any:
        loss, g = textbook(*arguments)
        return loss, {name: array[None] if array.ndim == 1 else array for name, array in g.items()}

    assert check(rows, problem).verdict == "pass"


NETWORK = (IMPLEMENTATIONS / "correct.py").read_text()
CALLS = "\ndef f(*arguments):\n    return textbook(*arguments)\n"


def written(folder: Path, files: dict[str, str]) -> Path:
    """Files in a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_file_of_a_package_is_imported_as_part_of_it(tmp_path: Path) -> None:
    """Relative imports, and the package's own name."""
    folder = written(
        tmp_path,
        {
            "course/__init__.py": "",
            "course/layers.py": NETWORK,
            "course/nets/__init__.py": "",
            "course/nets/relative.py": f"from ..layers import textbook\n{CALLS}",
            "course/nets/absolute.py": f"from course.layers import *\n{CALLS}",
        },
    )
    for name in ("relative", "absolute"):
        assert audit_implementation(f"{folder}/course/nets/{name}.py:f", cases="quick", words=TOY).ok


def test_a_package_called_like_one_of_ours_is_imported_on_its_own(tmp_path: Path) -> None:
    folder = written(tmp_path, {"adapters/__init__.py": "", "adapters/net.py": NETWORK})
    assert audit_implementation(f"{folder}/adapters/net.py:textbook", cases="quick", words=TOY).ok


def test_what_a_file_imports_may_be_elsewhere(tmp_path: Path) -> None:
    """Without `__init__.py` nobody knows where it begins: the message says which folder would do."""
    folder = written(
        tmp_path / "homework",
        {
            "lib/layers.py": NETWORK,
            "lib/nets/net.py": f"from lib.layers import textbook\n{CALLS}",
        },
    )
    target = f"{folder}/lib/nets/net.py:f"
    with pytest.raises(CandidateError, match=f"No module named 'lib'; add its folder: --path {folder}"):
        audit_implementation(target, cases="quick", words=TOY)
    assert audit_implementation(target, cases="quick", words=TOY, path=[str(folder)]).ok


def test_the_parent_folder_may_be_added_by_the_file_itself(tmp_path: Path) -> None:
    code = f"import os, sys\nsys.path.append(os.pardir)\nfrom common.layers import textbook\n{CALLS}"
    folder = written(tmp_path, {"common/__init__.py": "", "common/layers.py": NETWORK, "ch05/net.py": code})
    assert audit_implementation(f"{folder}/ch05/net.py:f", cases="quick", words=TOY).ok


def test_what_is_stood_in_for_is_named_and_what_is_installed_is_not() -> None:
    notes = audited("courses_functions:params_first", words=TOY).notes
    missing = [name for name in ("matplotlib", "past", "six", "tqdm") if PathFinder.find_spec(name) is None]
    assert [note for note in notes if "stood in for" in note] == [
        f"not installed and stood in for: {', '.join(missing)}"
    ] * bool(missing)


@pytest.mark.parametrize("name", ["matplotlib.pyplot", "six.moves", "past.builtins", "future", "tqdm.auto", "IPython"])
def test_a_stand_in_is_harmless(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if none of them were installed."""
    finder = StandIns()
    for package in (*PACKAGES, *OLD_NAMES):
        for known in [known for known in sys.modules if known.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, known)
    monkeypatch.setattr(sys, "meta_path", [finder])
    modules = dict(sys.modules)
    try:
        module = importlib.import_module(name)
    finally:
        for added in set(sys.modules) - set(modules):
            del sys.modules[added]
    assert finder.names == [name.partition(".")[0]]
    if name == "matplotlib.pyplot":
        with module.style.context("dark"):
            assert list(module.figure(figsize=(3, 4)).gca().lines) == []
        with pytest.raises(TypeError):
            float(module.plot([1, 2]))
    if name in ("six.moves", "past.builtins", "future"):
        assert (list(module.xrange(3)), module.iteritems({1: 2}).__next__()) == ([0, 1, 2], (1, 2))
        assert (module.old_div(7, 2), module.old_div(7.0, 2)) == (3, 3.5)
    if name == "tqdm.auto":
        assert list(module.trange(3)) == list(module.tqdm(range(3), total=3)) == list(Bar(range(3)))


@pytest.mark.parametrize("name", ["numpy", "scipy", "torch", "pandas", "sklearn", "matplotlib_inline", "pylab"])
def test_nothing_that_computes_is_stood_in_for(name: str) -> None:
    assert StandIns().find_spec(name) is None


def test_a_part_that_an_installed_package_lacks_is_not_stood_in_for() -> None:
    assert StandIns().find_spec("matplotlib.no_such_part") is None


def test_a_missing_module_that_computes_is_an_error(tmp_path: Path) -> None:
    folder = written(tmp_path, {"net.py": "import no_such_numerics\n"})
    with pytest.raises(CandidateError, match="ModuleNotFoundError: No module named 'no_such_numerics'"):
        load(f"{folder}/net.py:f")


PYTHON2 = {
    "print 'loss', 1": "print statement, line 1",
    "\nexec 'x = 1'": "exec statement, line 2",
    "try:\n    pass\nexcept ValueError, e:\n    pass": "except A, e, line 3",
    "x = 10L": "long number, line 1",
    "if 1 <> 2: pass": "<>, line 1",
    "x = `1`": "backticks, line 1",
    "raise ValueError, 'no'": "raise A, text, line 1",
    "def f(a, (b, c)): pass": "tuple parameter, line 1",
    "import cPickle": "import cPickle, line 1",
    "x = 1\nfor i in xrange(3): pass": "xrange, line 2",
    "{}.has_key(1)": ".has_key(), line 1",
}


@pytest.mark.parametrize(("code", "what"), PYTHON2.items(), ids=PYTHON2.values())
def test_python_2_is_called_so_in_one_line(code: str, what: str, tmp_path: Path) -> None:
    file = written(tmp_path, {"old.py": code}) / "old.py"
    with pytest.raises(CandidateError) as refused:
        audit_implementation(f"{file}:f", cases="quick", words=TOY)
    assert str(refused.value) == (
        f"{file} is Python 2 ({what}); convert it with `2to3 -w {file}`, which comes with Python up to 3.12"
    )


def test_python_2_in_a_module_that_is_imported_is_named_by_that_module(tmp_path: Path) -> None:
    """Found when it is called for the first time."""
    layers = "def textbook(*arguments):\n    return [None for _ in xrange(3)]\n"
    folder = written(tmp_path, {"layers.py": layers, "net.py": f"from layers import textbook\n{CALLS}"})
    with pytest.raises(CandidateError, match=rf"{folder}/layers.py is Python 2 \(xrange, line 2\)"):
        audit_implementation(f"{folder}/net.py:f", cases="quick", words=TOY)


@pytest.mark.parametrize(
    "code", ["def f(:", "x = 07", "if 1:\n        a = 1\n\tb = 2", "x = 1_", "prin 'x'", "y = xrnge"]
)
def test_what_is_only_wrong_is_not_called_python_2(code: str) -> None:
    with pytest.raises((SyntaxError, NameError)) as broken:
        exec(compile(code, "net.py", "exec"), {})
    assert python2(broken.value) is None
