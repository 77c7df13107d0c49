"""The house: rooms in one order, each importing only from those before it; no file that nobody can read at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import gradaudit

PACKAGE = Path(gradaudit.__file__).parent
#: The rooms in their order, single files among them: the library, the network, those who are judged, the suite.
ROOMS = (
    *("errors", "memory", "graph", "exact", "rounding", "operations", "patterns", "derivative", "readings", "certify"),
    *("changes", "judge", "parts", "steps", "recording", "numpy", "arguments", "checking", "jax", "torch"),
    "reference",
    "adapters",
    *("verdicts", "functions", "cases", "mistakes", "engines", "candidate", "comparison", "records", "runs", "report"),
    "commands",
    *("suite", "command_line", "__main__"),
)
#: No file is longer than this, in lines.
LONGEST = 350
FILES = sorted(
    path for folder in (PACKAGE, PACKAGE / "reference", PACKAGE / "adapters") for path in folder.rglob("*.py")
)


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The modules of gradaudit that a file imports when it runs, wherever in it, and the lines."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "gradaudit":
            yield from ((f"gradaudit.{name.name}", node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are written in full"
            yield node.module or "", node.lineno
        yield from imports(node)


def room(parts: tuple[str, ...]) -> str:
    return parts[0].removesuffix(".py")


def test_every_room_has_its_place() -> None:
    there = {
        room((path.name,)) for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert there - {"__init__"} == set(ROOMS)


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_from_the_rooms_before_it(file: Path) -> None:
    own = room(file.relative_to(PACKAGE).parts)
    if own == "__init__":  # it imports what it offers when that is asked for
        return
    later = ROOMS[ROOMS.index(own) + 1 :]
    for module, line in imports(ast.parse(file.read_text())):
        package, _, rest = module.partition(".")
        assert package not in ("audit", "adapters", "reference", "tests"), f"line {line}"
        if package == "gradaudit" and rest and rest != "__version__":
            assert room(tuple(rest.split("."))) not in later, f"line {line} imports {module}"


@pytest.mark.parametrize("file", [*FILES, *Path(__file__).parents[1].rglob("*.py")], ids=lambda path: path.name)
def test_a_file_can_be_read_at_once(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= LONGEST
