"""Problems and ids of cases from elsewhere: read as they are, or refused in one line; nothing in them is executed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradaudit import command_line
from gradaudit.cases.catalogue import CaseError, case_of
from gradaudit.reference.problem import Problem, ProblemError
from gradaudit.runs.shrink import load, save, shrink

HOSTILE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return packed.getvalue()


def npy(header: str) -> bytes:
    text = header.encode().ljust(118)
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "a bomb": lambda: zipped(("X.npy", bytes(100 << 20)), method=zipfile.ZIP_DEFLATED),
    "an unusual compression": lambda: zipped(("X.npy", bytes(9)), method=zipfile.ZIP_LZMA),
    "an array without its numbers": lambda: zipped(
        ("X.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 1000000000)}"))
    ),
    "a negative shape": lambda: zipped(("X.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 8)}"))),
    "complex numbers": lambda: zipped(
        ("X.npy", npy("{'descr': '<c16', 'fortran_order': False, 'shape': (1, 1)}") + bytes(16))
    ),
    "a header that is nested": lambda: zipped(("X.npy", npy("(" * 110))),
    "an encrypted array": lambda: zipped(("X.npy", b"x")).replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00"
    ),
}


@pytest.mark.parametrize("content", ARCHIVES.values(), ids=ARCHIVES.keys())
def test_an_archive_that_holds_no_problem_is_refused_in_one_line(
    tmp_path: Path, content: Callable[[], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "p.npz"
    file.write_bytes(content())
    assert command_line.main(["replay", str(file), "--framework", "numpy"]) == 2
    error = capsys.readouterr().err
    assert "holds no problem" in error
    assert error.count("\n") == 1


def test_a_compressed_problem_is_read(tmp_path: Path) -> None:
    posed: Problem = case_of("5x4x10x3-reg_0.1-random-float64-s0").problem()
    arrays = {name: getattr(posed, name) for name in ("X", "y", "W1", "b1", "W2", "b2", "reg")}
    np.savez_compressed(tmp_path / "p.npz", **arrays)
    assert np.array_equal(load(tmp_path / "p.npz").X, posed.X)


@HOSTILE
@given(st.text(max_size=40) | st.from_regex(r"\d+x\d+x\d+x\d+-reg_[\d.e-]+-random-float64-s\d+", fullmatch=True))
def test_an_id_names_a_case_or_is_refused(name: str) -> None:
    try:
        case = case_of(name)
    except CaseError:
        return
    assert name.isascii()
    assert max(case.shape) <= 1 << 22


@pytest.mark.parametrize(
    "name",
    [
        "999999999x1x1x1-reg_0-random-float64-s0",
        "100000x1x100000x1-reg_0-random-float64-s0",
        "\u0665x4x10x3-reg_0.1-random-float64-s0",
        "5x4x10x3-reg_0.1-random-float64-s" + "1" * 6000,
        "0x4x10x3-reg_0.1-random-float64-s0",
    ],
)
def test_an_id_beyond_the_limits_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["replay", name, "--framework", "numpy"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def failing(problem: Problem) -> bool:
    """As if a gradient were wrong wherever a sample has label 1 and a feature is negative."""
    return bool(((problem.X < 0).any(axis=1) & (problem.y == 1)).any())


def test_a_failing_problem_is_shrunk_to_what_fails() -> None:
    problem = case_of("17x13x11x5-reg_0.1-random-float64-s0").problem()
    small = shrink(problem, failing)
    assert failing(small)
    assert small.shape == (1, 1, 1, 2)
    assert small.reg == 0
    assert not small.W1.any()


def test_a_saved_problem_can_be_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem = case_of("6x5x4x4-reg_0.1-random-float32-s0").problem()
    save(tmp_path / "p.npz", problem)
    again = load(tmp_path / "p.npz")
    assert all(np.array_equal(getattr(again, n), getattr(problem, n)) for n in ("X", "y", "W1", "b1", "W2", "b2"))
    assert again.reg == problem.reg
    assert command_line.main(["replay", str(tmp_path / "p.npz"), "--framework", "numpy"]) == 0
    assert "0 of 45 entries are outside their bounds" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not so", b"\x80\x04cos\nsystem\n"])
def test_a_file_that_holds_no_problem_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "p.npz"
    file.write_bytes(content)
    with pytest.raises(ProblemError, match="holds no problem"):
        load(file)


def test_a_pickle_in_a_saved_problem_is_not_executed(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "executed",))

    np.savez(tmp_path / "p.npz", X=np.array([Evil()], dtype=object))
    with pytest.raises(ProblemError, match="holds no problem"):
        load(tmp_path / "p.npz")
    assert not (tmp_path / "executed").exists()
