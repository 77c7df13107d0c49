"""What a run says, in the forms in which it is read; a form is imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradaudit.verdicts.judge import Finding

#: Format -> (the file that holds it, the module and function that write it).
FORMATS = {
    "html": ("index.html", "gradaudit.report.html", "page"),
    "junit": ("junit.xml", "gradaudit.report.junit", "junit"),
    "github": ("summary.md", "gradaudit.report.github", "summary"),
    "gradescope": ("results.json", "gradaudit.report.gradescope", "results"),
}


def rendered(formats: Sequence[str], run: Mapping[str, Any], findings: Sequence[Finding]) -> dict[str, str]:
    """The texts of a run's files, by file name, in the formats that are asked for."""
    texts = {}
    for name in formats:
        file, module, function = FORMATS[name]
        texts[file] = getattr(importlib.import_module(module), function)(run, findings)
    return texts
