"""The report's forms: the same totals in each, and nothing that a name contains does any harm."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from junitparser import JUnitXml
from rich.console import Console

from gradaudit import command_line
from gradaudit.records import record
from gradaudit.report import FORMATS, rendered
from gradaudit.report.console import show
from gradaudit.report.github import ANNOTATIONS, annotate
from gradaudit.report.summary import blind_share
from gradaudit.verdicts.judge import Finding
from tests.copies import file as implementation

ALL = ",".join(FORMATS)

HARMFUL = {
    "markup": "</script><script>alert(1)</script><img src=x onerror=alert(1)>",
    "quotes": "\"'`&lt;",
    "newlines": "one\ntwo\r\nthree\u2028four",
    "control characters": "bell\x07 null\x00 escape\x1b[31m lone\ud800",
    "4000 characters": "x" * 4000,
    "markdown": "| a | **b** | [c](http://example.org) ::error::",
    "rich": "[bold red]not[/] [link=http://example.org]this",
}


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of a run in every format."""
    out = tmp_path_factory.mktemp("right")
    command_line.main(["run", "--cases", "quick", "--frameworks", "numpy", "--format", ALL, "--out", str(out)])
    return out


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of a wrong candidate in every format."""
    out = tmp_path_factory.mktemp("wrong")
    target = f"{implementation('mistaken')}:mean_missing"
    command_line.main(["candidate", target, "--cases", "quick", "--format", ALL, "--out", str(out)])
    return out


@pytest.mark.parametrize("which", ["right", "wrong"])
def test_junit_has_the_same_totals_as_run_json(which: str, request: pytest.FixtureRequest) -> None:
    out: Path = request.getfixturevalue(which)
    verdicts = json.loads((out / "run.json").read_text())["counts"]["verdicts"]
    suites = JUnitXml.fromfile(str(out / "junit.xml"))
    assert suites.tests == sum(verdicts.values()) == sum(len(list(suite)) for suite in suites)
    assert suites.failures == verdicts["wrong"]
    assert suites.errors == verdicts["error"] + verdicts["crash"] + verdicts["timeout"]
    assert suites.skipped == verdicts["undecided"] + verdicts["skipped"] + verdicts["unsupported"]


def test_junit_names_are_framework_variant_and_case(right: Path) -> None:
    names = [case.get("name") for case in ElementTree.parse(right / "junit.xml").iter("testcase")]
    assert names[0] == "numpy.reference-1x4x10x3-reg_0.1-random-float64-s0"
    assert len(set(names)) == len(names)


def test_the_page_is_self_contained(right: Path, wrong: Path) -> None:
    for out in (right, wrong):
        page = (out / "index.html").read_text()
        addresses = re.findall(r"\b(?:src|href)=[\"']?([^\"' >]*)", page)
        assert all(address.startswith(("#", "data:,")) for address in addresses)
        assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", page)
        assert len(page) < 1_000_000


def test_the_page_says_first_what_matters(right: Path) -> None:
    page = (right / "index.html").read_text()
    order = [
        "All as expected",
        "Worst error/bound:",
        "misprint",
        "families",
        'id="ledger"',
        'id="mistakes"',
        'id="findings"',
        'id="versions"',
    ]
    places = [page.index(text) for text in order]
    assert places == sorted(places)
    assert "(1/N) * (probs - onehot)" in page


def test_the_page_of_a_candidate_is_a_letter_to_its_author(wrong: Path) -> None:
    page = (wrong / "index.html").read_text()
    order = ["Your gradient is not right yet.", "1/N is missing", "ds = (p - onehot) / N", "Look at this entry first"]
    places = [page.index(text) for text in order]
    assert places == sorted(places)


def test_gradescope_has_its_documented_fields_and_partial_credit(right: Path, wrong: Path) -> None:
    full, part = (json.loads((out / "results.json").read_text()) for out in (right, wrong))
    assert full["score"] == 100
    assert {"score", "execution_time", "output", "visibility", "tests"} <= set(part)
    assert all(set(test) == {"name", "score", "max_score", "status", "output", "visibility"} for test in part["tests"])
    scores = {test["name"]: (test["score"], test["status"]) for test in part["tests"]}
    assert scores["loss"] == (20, "passed")
    assert 0 < scores["gradient of W2"][0] < 10
    assert part["score"] == pytest.approx(sum(test["score"] for test in part["tests"]))
    assert "1/N is missing" in next(test["output"] for test in part["tests"] if test["name"] == "gradient of W2")


def test_github_has_a_summary_and_at_most_ten_annotations(
    wrong: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = tmp_path / "step.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    target = f"{implementation('mistaken')}:mean_missing"
    command_line.main(["candidate", target, "--cases", "quick", "--format", "github", "--out", str(tmp_path / "out")])
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("::error ")]
    assert len(printed) == ANNOTATIONS == len(annotate(record.read(wrong).findings))
    assert step.read_text() == (tmp_path / "out/summary.md").read_text()
    assert len(step.read_bytes()) < 1 << 20


def spoiled(run: dict[str, Any], result: list[Finding], text: str) -> tuple[dict[str, Any], list[Finding]]:
    """A record in which everything that can hold a text holds that one."""
    findings = [
        replace(f, framework=text, variant=text, message=text, diagnosis=text, case=text, family=text)
        for f in result[:5]
    ]
    table = {"title": text, "columns": [text, text], "note": text, "rows": [[text, text]]}
    diagnosis = {"title": text, "columns": [text] * 3, "note": text, "rows": [[text, text, text], ["note", text, ""]]}
    return run | {"tables": {text: table, "diagnosis": diagnosis}, "versions": {text: text}}, findings


@pytest.mark.parametrize("text", HARMFUL.values(), ids=HARMFUL.keys())
def test_names_do_no_harm_in_any_format(text: str, wrong: Path) -> None:
    _, run, result = record.read(wrong)
    run, findings = spoiled(run, result, text)
    texts = rendered(list(FORMATS), run, findings)
    assert "<script>alert" not in texts["index.html"]
    assert "<img src=x" not in texts["index.html"]
    assert ElementTree.fromstring(texts["junit.xml"]).get("tests") == "5"
    assert len(json.loads(texts["results.json"])["tests"]) == 5
    assert "<script>" not in texts["summary.md"]
    assert "](http" not in texts["summary.md"]
    assert all(command.startswith("::error title=") and "\n" not in command for command in annotate(findings))
    assert all(json.loads(record.line(finding))["case"] == text for finding in findings)
    console = Console(record=True, width=80, file=io.StringIO())
    show(console, run, findings)
    assert "http://example.org" not in console.export_html() or "href" not in console.export_html()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_console_fits_its_width_and_colours_only_terminals(width: int, right: Path, wrong: Path) -> None:
    for out in (right, wrong):
        _, run, result = record.read(out)
        console = Console(width=width, record=True, force_terminal=False)
        with console.capture() as capture:
            show(console, run, result)
        lines = [line for line in capture.get().splitlines() if "gradaudit replay" not in line]
        assert max(map(len, lines)) <= width
        assert "\x1b" not in capture.get()


def test_an_unknown_format_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command_line.main(["run", "--format", "pdf"])
    assert stopped.value.code == 2
    assert "'pdf' is not a format; expected one of html, junit, github, gradescope" in capsys.readouterr().err


def test_the_share_of_blind_entries_is_a_mean_over_the_passes() -> None:
    """What is wrong, and what has no entry that is not 0, has no share."""
    of = [("pass", 0.5), ("pass", 0.0), ("pass", None), ("wrong", 1.0)]
    result = [Finding("c", "f", "n", "v", "float64", verdict, True, blind=blind) for verdict, blind in of]  # type: ignore[arg-type]
    assert blind_share(result) == 0.25
    assert blind_share(result[2:]) is None
