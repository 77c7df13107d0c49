"""Implementations that are made of the known mistakes, where a candidate's process can import them.

The project itself is hidden from that process, so it is given a folder with a copy of the mistakes.
"""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.places import IMPLEMENTATIONS, ROOT

#: The files of tests/implementations that import the mistakes.
OF_MISTAKES = ("mistaken.py",)
_folders: list[TemporaryDirectory[str]] = []


@lru_cache(maxsize=1)
def with_mistakes() -> Path:
    """A folder with the files of OF_MISTAKES and what they import; removed when this process ends."""
    _folders.append(TemporaryDirectory())
    folder = Path(_folders[0].name)
    folder.chmod(0o755)
    for name in OF_MISTAKES:
        shutil.copyfile(IMPLEMENTATIONS / name, folder / name)
    others = shutil.ignore_patterns("matrix.py", "__pycache__")
    shutil.copytree(ROOT / "audit" / "mistakes", folder / "audit" / "mistakes", ignore=others)
    (folder / "audit" / "__init__.py").touch()
    return folder


def file(name: str) -> Path:
    """The file of an implementation, without ``.py``, that a candidate's process can import."""
    return (with_mistakes() if f"{name}.py" in OF_MISTAKES else IMPLEMENTATIONS) / f"{name}.py"
