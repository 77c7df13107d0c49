"""The package as its users have it: installed, away from the checkout, beside packages of theirs with our old names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gradaudit

PACKAGE = Path(gradaudit.__file__).parent
COMMAND = Path(sys.executable).parent / "gradaudit"
#: An implementation, right if the gradients are divided by N.
NETWORK = """
import numpy as np

def network(X, y, W1, b1, W2, b2, reg):
    N = len(y)
    h = np.maximum(X @ W1 + b1, 0)
    z = h @ W2 + b2
    z = z - z.max(axis=1, keepdims=True)
    e = np.exp(z)
    p = e / e.sum(axis=1, keepdims=True)
    loss = (np.log(e.sum(axis=1)) - z[range(N), y]).mean() + reg * ((W1**2).sum() + (W2**2).sum())
    p[range(N), y] -= 1
    p /= {divisor}
    da = (p @ W2.T) * (h > 0)
    return loss, (X.T @ da + 2 * reg * W1, da.sum(axis=0), h.T @ p + 2 * reg * W2, p.sum(axis=0))
"""
#: A test suite of a user, whose own packages have names that others use too.
SUITE = """
import audit, reference, tests
import pytest
from gradaudit.suite import check, parametrize_with_cases
from mine import network

@parametrize_with_cases()
def test_network(problem):
    assert check(network, problem).verdict in ("pass", "undecided")

def test_my_own_packages():
    assert (audit.mine, reference.mine, tests.mine) == (1, 2, 3)
"""


def write_repository(folder: Path) -> None:
    """Write a repository of a user: a right implementation, a suite, and packages with names that others use too."""
    for number, name in enumerate(("audit", "reference", "tests"), start=1):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"mine = {number}\n")
    (folder / "mine.py").write_text(NETWORK.replace("{divisor}", "N"))
    (folder / "tests" / "test_mine.py").write_text(SUITE)
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n")


def run(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "PYTHONPATH"))}
    return subprocess.run(list(map(str, words)), cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_it_is_installed_as_files_away_from_the_checkout() -> None:
    assert "site-packages" in PACKAGE.parts
    assert not [path for path in PACKAGE.rglob("*") if path.is_symlink()]
    assert (PACKAGE / "rounding" / "ROUNDING.md").is_file()
    assert (PACKAGE / "adapters" / "expected.toml").is_file()
    assert (PACKAGE / "py.typed").is_file()


def test_importing_it_imports_no_framework_and_no_suite(tmp_path: Path) -> None:
    heavy = "{'numpy', 'torch', 'jax', 'sklearn', 'rich', 'gradaudit.suite', 'gradaudit.adapters'}"
    done = run(sys.executable, "-c", f"import sys, gradaudit; print({heavy} & set(sys.modules))", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("set()\n", "")


@pytest.mark.parametrize("command", [(COMMAND,), (sys.executable, "-m", "gradaudit")], ids=["gradaudit", "python -m"])
def test_the_quick_cases_are_run(command: tuple[object, ...], tmp_path: Path) -> None:
    done = run(*command, "run", "--cases", "quick", "--frameworks", "numpy", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "audit-report" / "run.json").read_text())["kind"] == "run"
    assert (tmp_path / "audit-report" / "index.html").is_file()


def test_every_framework_that_is_installed_is_run(tmp_path: Path) -> None:
    done = run(COMMAND, "--cases", "quick", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "All as expected" in done.stdout


@pytest.mark.parametrize(("divisor", "status"), [("N", 0), ("1", 1)])
def test_a_candidate_is_judged_and_a_mistake_in_it_has_a_name(divisor: str, status: int, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NETWORK.replace("{divisor}", divisor))
    done = run(COMMAND, "candidate", "mine.py:network", "--cases", "quick", cwd=tmp_path)
    assert done.returncode == status, done.stderr
    assert ("mean_missing: " in done.stdout) == (status == 1)


def test_a_suite_in_a_repository_with_packages_of_the_same_names(tmp_path: Path) -> None:
    write_repository(tmp_path)
    done = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    (tmp_path / "mine.py").write_text(NETWORK.replace("{divisor}", "1"))
    done = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert done.returncode == 1
    assert "'wrong' in ('pass', 'undecided')" in done.stdout


def test_the_commands_that_read_files_of_the_package(tmp_path: Path) -> None:
    for command in ("ledger", "findings", "frameworks", "mistakes", "cases", "--version"):
        done = run(COMMAND, command, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), command
        assert done.stdout


def test_a_shell_can_complete_the_command(tmp_path: Path) -> None:
    done = run(COMMAND, "--print-completion", "bash", cwd=tmp_path)
    assert done.returncode == 0
    assert "candidate" in done.stdout
