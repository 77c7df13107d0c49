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

from tests.places import ROOT

#: So many may survive, each with its explanation.
AT_MOST = 3


class Mutant(NamedTuple):
    """A change of one token, and why nothing notices it where nothing can."""

    file: str
    before: str
    after: str
    explanation: str = ""


#: The tests that are run for a file, the quickest first.
TESTS = {
    "reference/rounding.py": ("reference/test_rounding_again.py", "reference/test_rounding.py", "suite/test_judge.py"),
    "gradaudit/rounding/softmax.py": (
        "reference/test_rounding_again.py",
        "reference/test_rounding.py",
        "suite/test_judge.py",
    ),
    "gradaudit/rounding/arithmetic.py": ("reference/test_rounding_again.py", "reference/test_rounding.py"),
    "reference/certified.py": (
        "reference/test_enclosures.py",
        "reference/test_certified.py",
        "reference/test_products.py",
    ),
    "gradaudit/exact/enclosure.py": ("reference/test_enclosures.py", "reference/test_products.py"),
    "gradaudit/exact/splitting.py": ("reference/test_enclosures.py", "reference/test_products.py"),
    "reference/acceptance.py": ("reference/test_certified.py", "reference/test_products.py"),
    "gradaudit/verdicts/judge.py": ("suite/test_judge.py",),
    "gradaudit/mistakes/diagnosis.py": ("suite/test_diagnosis_words.py",),
    "gradaudit/mistakes/composition.py": ("suite/test_diagnosis_tolerance.py",),
    "gradaudit/runs/sweep.py": ("suite/test_sweep.py",),
    "gradaudit/records/progress.py": ("suite/test_sweep.py",),
    "gradaudit/records/tally.py": ("suite/test_sweep.py",),
}
_OF = {
    "reference/rounding.py": """
        fp.gamma(8) * (t      => fp.gamma(2) * (t
        2 * fp.gamma(C + 5)   => 1 * fp.gamma(C + 5)
        fp.gamma(C + 5)       => 1
        fp.gamma(4) * r       => fp.gamma(1) * r
        fp.gamma(n + 6)       => fp.gamma(n)
        fp.gamma(N + 1)       => fp.gamma(N)
        (2 * n + 2) * fp.eta  => (n + 2) * fp.eta
        fp.gamma(2) * (data   => fp.gamma(1) * (data
        2 * fp.eta * (r > 0)  => fp.eta * (r > 0)
        W2.T, fp.subnormal(W2).T    => W2.T, 0 * W2.T
        N * size)\\n    E_da   => size)\\n    E_da
        v.sign > 0, E_dh      => v.sign >= 0, E_dh
        dh + E_dh, np.where   => E_dh, np.where
        0.0)) / N + fp.eta    => 0.0)) / N
        fp.eta / fp.u) / N    => fp.eta) / N
        return 0.0            => return 1.0
        or_infinite(E) * OF_EVALUATION for  => or_infinite(E) for
    """,
    "gradaudit/rounding/softmax.py": """
        (2 + 2 * log_C)       => 1
        * (1 + fp.gamma(C + 3 * K))  => * 1
        2 * d + q             => d + q
        + K * u * (d          => + 0 * u * (d
        (K + 2) * el          => K * el
        + fp.gamma(C + 3 * K) + lost  => + fp.gamma(C + K) + lost
        log_Z + 2 * Emax      => log_Z + Emax
        cap) + 2 * fp.eta     => cap) + fp.eta
        -np.inf) + E < 0    => -np.inf) < 0
        np.abs(x).max       => x.max
        + E + Emax >= 0     => + E + Emax > 0
    """,
    "gradaudit/rounding/arithmetic.py": """
        3 * products * self.eta + flushed  => 1 * products * self.eta + flushed
        return E + 3 * products            => return E + 1 * products
        OF_EVALUATION = 1 + 1e-6           => OF_EVALUATION = 1 + 0
        products + (b != 0)                => products
        (E_A == 0).all                     => (E_A == 0).any
        grid >= low                        => grid >= low - 60
        (size * OF_OVERFLOW <= limit)      => (size <= 2 * limit)
        self.eta > A                       => self.eta >= A
        + magnitude_product(E_A.T, E_B)              => + 0
        - 53 + trailing                    => - 52 + trailing
        clip(grid + self.precision, low    => clip(grid + self.precision + 1, low
    """,
    "reference/certified.py": """
        + 2 * U * np.abs(lo)               => + 0 * U * np.abs(lo)
        (np.abs(a.lo) + a.radius) * UP     => np.abs(a.lo) * UP
        -rest / Z if label                 => p_row[label] - 1 if label
        0.0)\\n    return Enclosure         => 1.0)\\n    return Enclosure
        return 0 if ball.is_zero()         => return 0 if ball == 0
    """,
    "gradaudit/exact/splitting.py": """
        + A.radius @ size_B                => + 0 * A.radius @ size_B
        radius = k * (left.sizes @ reach)  => radius = 0 * (left.sizes @ reach)
        bits = (53                         => bits = (57
    """,
    "gradaudit/exact/enclosure.py": """
        slack = 2 * U                      => slack = 0 * U
        UP = 1 + 2.0**-30                  => UP = 1 - 2.0**-2
    """,
    "reference/acceptance.py": """
        SHARP = 2.0**-10                   => SHARP = 2.0**4
        bits <= last_bits                  => bits < 2 * last_bits
        (exact.radii["dh"], E.dh)          => (exact.radii["dh"], E.dh + 1)
    """,
    "gradaudit/verdicts/judge.py": """
        np.where(error == 0, 0, np.inf)    => np.where(error == 0, 0, 1)
        (c.ratio > 1).any()                => (c.ratio >= 1).any()
        (got - exact.hi) - exact.lo        => (got - exact.hi)
        resolution > USEFUL                => resolution > 1
        np.isfinite(got), ratio, np.inf    => np.isfinite(got), ratio, 0
        c.error <= offset_bound            => c.error >= offset_bound
    """,
    "gradaudit/mistakes/diagnosis.py": """
        plain = bool(f.bound) and          => plain = bool(f.bound) or
    """,
    "gradaudit/mistakes/composition.py": """
        <= 2 * larger                      => <= 9 * larger
        near, ~np.isfinite(values)         => near, np.isfinite(values)
    """,
    "gradaudit/runs/sweep.py": """
        progress.losses >= MOST_LOSSES     => progress.losses > MOST_LOSSES
    """,
    "gradaudit/records/progress.py": """
        self.done += 1                     => self.done += 2
    """,
    "gradaudit/records/tally.py": """
        2.0 ** ((edge + 1) / BINS)         => 2.0 ** (edge / BINS)
    """,
}
#: What no test can notice, and why: (file, before) -> explanation.
EXPLAINED = {
    ("reference/certified.py", "return 0 if ball.is_zero()"): "a ball equals 0 only where it is exactly 0: the same",
}


def mutants() -> list[Mutant]:
    """All of them, in the order of their files."""
    listed = []
    for file, lines in _OF.items():
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
