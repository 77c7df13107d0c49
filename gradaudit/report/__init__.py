"""The reports of a run, in several formats; the module of a format is imported when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradaudit.verdicts.judge import Finding

#: Format -> (its file name, the module and the function that make its text).
FORMATS = {
    "html": ("index.html", "gradaudit.report.html", "page"),
    "junit": ("junit.xml", "gradaudit.report.junit", "junit"),
    "github": ("summary.md", "gradaudit.report.github", "summary"),
    "gradescope": ("results.json", "gradaudit.report.gradescope", "results"),
}


def rendered(formats: Sequence[str], run: Mapping[str, Any], findings: Sequence[Finding]) -> dict[str, str]:
    """The texts of a run in these formats, by file name."""
    texts = {}
    for name in formats:
        file, module, function = FORMATS[name]
        texts[file] = getattr(importlib.import_module(module), function)(run, findings)
    return texts
