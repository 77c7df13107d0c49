"""What an implementation did on a case."""

from __future__ import annotations

from typing import NamedTuple

from audit.catalogue import Case
from audit.judge import Finding
from reference.acceptance import Acceptance
from reference.problem import Gradients


class Observation(NamedTuple):
    """What an implementation did on a case; `gradients` is None where it raised."""

    case: Case
    acceptance: Acceptance
    gradients: Gradients | None
    changed: tuple[str, ...]
    finding: Finding
