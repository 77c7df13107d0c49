"""Python 2 among course code: known by what Python 3 says of it."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import NamedTuple

#: What Python 3 says of the syntax that Python 2 alone had, and what that is called.
_SYNTAX = {
    r"Missing parentheses in call to '(print|exec)'": r"\1 statement",
    r"multiple exception types must be parenthesized": "except A, e",
    r"parameters cannot be parenthesized": "tuple parameter",
}
#: The spellings of which Python 3 says no more than that they are no syntax.
_INVALID = {r"<>": "<>", r"`[^`]+`": "backticks", r"\b\d+[lL]\b": "long number", r"\braise\s+\w+\s*,": "raise A, text"}
#: Names, modules and methods that Python 2 alone had.
_NAMES = {"xrange", "unicode", "basestring", "raw_input", "unichr", "execfile"}
_MODULES = {"cPickle", "urllib2", "ConfigParser", "StringIO", "cStringIO", "Queue", "Tkinter", "__builtin__"}
_METHODS = {"iteritems", "itervalues", "iterkeys", "has_key"}


class Python2(NamedTuple):
    """What in a source is Python 2's alone, as in "print statement, line 12"; and the file."""

    what: str
    file: str


def python2(error: BaseException | None) -> Python2 | None:
    """What an error says of Python 2, if it does."""
    if isinstance(error, SyntaxError):
        what = _syntax(error)
        return Python2(f"{what}, line {error.lineno}", str(error.filename)) if what else None
    frames = [] if error is None else traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename]
    if isinstance(error, NameError) and error.name in _NAMES:
        what = error.name
    elif isinstance(error, ModuleNotFoundError) and error.name in _MODULES:
        what = f"import {error.name}"
    elif isinstance(error, AttributeError) and error.name in _METHODS:
        what = f".{error.name}()"
    else:
        return None
    return Python2(f"{what}, line {own[-1].lineno}", own[-1].filename)


def advice(old: Python2, file: str) -> str:
    """One line that says so, and how to mend it; `file` is what the user called the file, if it is that one."""
    where = file if file and Path(file).resolve() == Path(old.file).resolve() else old.file
    return f"{where} is Python 2 ({old.what}); convert it with `2to3 -w {where}`, which comes with Python up to 3.12"


def _syntax(error: SyntaxError) -> str:
    message, line = str(error.msg), error.text or ""
    for pattern, what in _SYNTAX.items():
        match = re.search(pattern, message)
        if match:
            return match.expand(what)
    if message.startswith(("invalid syntax", "invalid decimal literal")):
        return next((what for pattern, what in _INVALID.items() if re.search(pattern, line)), "")
    return ""
