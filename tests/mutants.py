"""Mutants: the mathematics and the judge with one token changed, each of which some test must notice.

``tox -e mutants`` copies the checkout, applies one mutant after the other, and prints which test killed it. A
mutant whose text does not stand in its file exactly once is an error, so that the list stays true.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.mutations import CHANGES, EXPLAINED, TESTS
from tests.places import ROOT

#: So many may survive, each with its explanation.
AT_MOST = 3


class Mutant(NamedTuple):
    """A change of one token, and why nothing notices it where nothing can."""

    file: str
    before: str
    after: str
    explanation: str = ""


def mutants() -> list[Mutant]:
    """All of them, in the order of their files."""
    listed = []
    for file, lines in CHANGES.items():
        for line in filter(str.strip, lines.splitlines()):
            before, after = (part.strip().replace("\\n", "\n") for part in line.split("=>"))
            listed.append(Mutant(file, before, after, EXPLAINED.get((file, before), "")))
    return listed


def failing(root: Path, names: tuple[str, ...]) -> str:
    """The first test of these files that fails in a checkout; empty where all pass."""
    for name in names:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", f"tests/{name}"]
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        if ended.returncode:
            test = re.search(r"^(?:FAILED|ERROR) tests/(.+?)(?: - |$)", ended.stdout, re.MULTILINE)
            return test.group(1) if test else f"{name}, which does not run"
    return ""


def killer(root: Path, mutant: Mutant) -> str:
    """The test that fails on a mutant of a copy of the checkout; empty where none does."""
    path = root / mutant.file
    text = path.read_text(encoding="utf-8")
    changed = text.replace(mutant.before, mutant.after)
    compile(changed, mutant.file, "exec")
    path.write_text(changed, encoding="utf-8")
    try:
        return failing(root, TESTS[mutant.file])
    finally:
        path.write_text(text, encoding="utf-8")


def main(words: list[str]) -> int:
    """Print the table of the mutants whose file holds one of the words, or of all."""
    chosen = [m for m in mutants() if not words or any(word in m.file for word in words)]
    for mutant in chosen:
        times = (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.before)
        if times != 1:
            raise SystemExit(f"{mutant.file} holds {mutant.before!r} {times} times; expected once: mend the list")
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "checkout"
        shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(".*", "audit-report", "__pycache__"))
        for names in dict.fromkeys(TESTS[mutant.file] for mutant in chosen):
            if failure := failing(root, names):
                raise SystemExit(f"{failure} fails without a mutant; mend it first")
        for mutant in chosen:
            by = killer(root, mutant)
            if not by:
                survivors.append(mutant)
            outcome = f"killed by {by}" if by else f"survives: {mutant.explanation or 'not explained'}"
            print(f"{mutant.file}: {mutant.before!r} -> {mutant.after!r}: {outcome}", flush=True)
    print(f"{len(chosen)} mutants, {len(survivors)} survive; at most {AT_MOST} may, each explained")
    return int(len(survivors) > AT_MOST or not all(m.explanation for m in survivors))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
