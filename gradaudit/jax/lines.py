"""Where in the user's code an equation stands, and what is said of one that cannot be followed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jax

from gradaudit.errors import UnsupportedError

#: Code that is not the user's: this package's and JAX's.
_NOT_THE_USERS = tuple(str(path) + os.sep for path in (Path(__file__).parents[1], Path(jax.__file__).parent))
INSTEAD = "give reference=, a function in JAX that says what is computed, or judge parts of it"


def line(equation: Any, outer: str = "") -> str:
    """Where in the user's code an equation stands, as FILE:LINE; `outer` if that is not known."""
    traceback = equation.source_info.traceback
    for frame in traceback.frames if traceback is not None else ():
        if not frame.file_name.startswith(_NOT_THE_USERS):
            return f"{frame.file_name}:{frame.line_num}"
    return outer


def is_of_jax(jaxpr: Any) -> bool:
    """Whether a jaxpr is that of a function of JAX itself, which may have been traced for another caller."""
    source = getattr(jaxpr.debug_info, "func_src_info", None) or ""
    return str(source).rpartition(" at ")[2].startswith(_NOT_THE_USERS)


def refused(what: str, where: str, instead: str = INSTEAD) -> UnsupportedError:
    """What to raise for something that cannot be followed."""
    return UnsupportedError(f"{what}{f' at {where}' if where else ''}; {instead}")


def user_line(traceback: Any) -> str:
    """The last line of the user's code in the traceback of an exception."""
    result = ""
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if not name.startswith(_NOT_THE_USERS):
            result = f"{name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return result
