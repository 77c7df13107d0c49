"""Implementations that are made of the known mistakes, where a candidate's process can import them.

The project itself is hidden from that process, so it is given a folder with a copy of the mistakes.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.places import IMPLEMENTATIONS, ROOT

#: The files of tests/implementations that import the mistakes.
OF_MISTAKES = ("mistaken.py",)
#: What the copy of the room gradaudit/mistakes is called: gradaudit itself is there, without that room.
COPY = "copied_mistakes"
_folders: list[TemporaryDirectory[str]] = []


@lru_cache(maxsize=1)
def with_mistakes() -> Path:
    """A folder with the files of OF_MISTAKES and what they import; removed when this process ends."""
    _folders.append(TemporaryDirectory())
    folder = Path(_folders[0].name)
    folder.chmod(0o755)
    sources = [IMPLEMENTATIONS / name for name in OF_MISTAKES]
    sources += [
        ROOT / "gradaudit" / "mistakes" / name for name in ("__init__.py", "network.py", "formulas.py", "hidden.py")
    ]
    (folder / COPY).mkdir()
    for source in sources:
        place = folder / COPY if source.parent.name == "mistakes" else folder
        (place / source.name).write_text(source.read_text().replace("gradaudit.mistakes", COPY))
    return folder


def file(name: str) -> Path:
    """The file of an implementation, without ``.py``, that a candidate's process can import."""
    return (with_mistakes() if f"{name}.py" in OF_MISTAKES else IMPLEMENTATIONS) / f"{name}.py"
