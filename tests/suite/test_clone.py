"""A clone that installs nothing but the dependencies does what the installed package does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installed.test_installed import NETWORK, write_repository
from tests.places import ROOT


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the repository as it is, with what is not committed."""
    place = tmp_path_factory.mktemp("clone") / "gradaudit"
    subprocess.run(["git", "clone", "-q", "--no-checkout", str(ROOT), str(place)], check=True)
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\n")
    there = [name for name in files if name and os.path.lexists(ROOT / name)]
    subprocess.run(["cp", "-P", "--parents", *there, str(place)], cwd=ROOT, check=True)
    return place


def run(clone: Path, folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")} | {"PYTHONPATH": str(clone)}
    command = [sys.executable, "-m", *map(str, words)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_its_two_rooms_are_links_and_it_is_what_is_imported(clone: Path, tmp_path: Path) -> None:
    assert os.readlink(clone / "gradaudit" / "reference") == "../reference"
    assert os.readlink(clone / "gradaudit" / "adapters") == "../adapters"
    program = "import gradaudit.reference.problem as p; print(p.__file__)"
    (tmp_path / "where.py").write_text(program)
    assert run(clone, tmp_path, "where").stdout.startswith(str(clone))


def test_the_quick_cases_are_run(clone: Path, tmp_path: Path) -> None:
    done = run(clone, tmp_path, "gradaudit", "run", "--cases", "quick", "--frameworks", "numpy")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "audit-report" / "run.json").read_text())["ok"] is True


@pytest.mark.parametrize(("divisor", "status"), [("N", 0), ("1", 1)])
def test_a_candidate_is_judged(divisor: str, status: int, clone: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NETWORK.replace("{divisor}", divisor))
    done = run(clone, tmp_path, "gradaudit", "candidate", "mine.py:network", "-k", "5x4x10x3-reg_0.1-random")
    assert done.returncode == status, done.stderr
    assert ("mean_missing: " in done.stdout) == (status == 1)


def test_a_suite_in_a_repository_with_packages_of_the_same_names(clone: Path, tmp_path: Path) -> None:
    write_repository(tmp_path)
    done = run(clone, tmp_path, "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout
