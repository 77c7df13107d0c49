"""A run as JUnit XML: a test case for each finding, with a name like those of pytest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from gradaudit.verdicts.judge import Finding, describe

#: The characters that XML 1.0 does not allow.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: Verdict -> its element; a pass has none.
ELEMENTS = {
    "wrong": "failure",
    "error": "error",
    "crash": "error",
    "timeout": "error",
    "undecided": "skipped",
    "skipped": "skipped",
    "unsupported": "skipped",
}


def junit(run: Mapping[str, Any], findings: Sequence[Finding]) -> str:
    """The XML document.

    Parameters
    ----------
    run : mapping
        The content of run.json.
    findings : sequence of Finding
        The findings. An expected one is skipped, with its reason; `undecided` is a failure if the run was strict.
    """
    suite = ElementTree.Element("testsuite", name="gradaudit")
    totals = {"failure": 0, "error": 0, "skipped": 0}
    for finding in findings:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=_printable(f"gradaudit.{finding.family}"),
            name=_printable(finding.id),
            time="0",
        )
        element = _element(finding, strict=run["settings"]["strict"])
        if element:
            totals[element] += 1
            outcome = ElementTree.SubElement(case, element, message=_printable(describe(finding) or finding.verdict))
            outcome.set("type", finding.verdict)
            outcome.text = _printable(finding.diagnosis)
    suite.set("tests", str(len(findings)))
    for element, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(attribute, str(totals[element]))
    suites = ElementTree.Element("testsuites", dict(suite.attrib))
    suites.append(suite)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _element(finding: Finding, strict: bool) -> str | None:
    """The element for the verdict of a finding."""
    if finding.verdict == "undecided" and strict and not finding.expected:
        return "failure"
    element = ELEMENTS.get(finding.verdict)
    return "skipped" if element and finding.expected else element


def _printable(text: str) -> str:
    """The text without the characters that XML does not allow."""
    return _UNPRINTABLE.sub("\ufffd", text)
