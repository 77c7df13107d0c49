"""The observation of an implementation on a case."""

from __future__ import annotations

from typing import NamedTuple

from gradaudit.cases.catalogue import Case
from gradaudit.reference.acceptance import Acceptance
from gradaudit.reference.problem import Gradients
from gradaudit.verdicts.judge import Finding


class Observation(NamedTuple):
    """The result of an implementation on a case. `gradients` is None if it raised."""

    case: Case
    acceptance: Acceptance
    gradients: Gradients | None
    changed: tuple[str, ...]
    finding: Finding
