"""What is compiled is kept where nobody else can put anything, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradaudit.adapters.cache import private_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_the_folder_is_the_users_own() -> None:
    folder = private_folder("jax-1")
    assert folder is not None
    assert folder.stat().st_mode & 0o777 == 0o700
    assert private_folder("jax-1") == folder
    assert private_folder("jax-2") != folder


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o705])
def test_a_folder_that_others_can_enter_is_not_used(mode: int) -> None:
    folder = private_folder("jax-1")
    assert folder is not None
    folder.chmod(mode)
    assert private_folder("jax-1") is None


def test_without_a_place_for_it_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert private_folder("jax-1") is None
