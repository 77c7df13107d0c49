"""Python 2 in course code, recognised by the errors of Python 3."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import NamedTuple

#: Messages of Python 3 for the syntax of Python 2, and the name of that syntax.
_SYNTAX = {
    r"Missing parentheses in call to '(print|exec)'": r"\1 statement",
    r"multiple exception types must be parenthesized": "except A, e",
    r"parameters cannot be parenthesized": "tuple parameter",
}
#: Syntax of Python 2 for which Python 3 only reports invalid syntax.
_INVALID = {r"<>": "<>", r"`[^`]+`": "backticks", r"\b\d+[lL]\b": "long number", r"\braise\s+\w+\s*,": "raise A, text"}
#: Names, modules and methods that only Python 2 has.
_NAMES = {"xrange", "unicode", "basestring", "raw_input", "unichr", "execfile"}
_MODULES = {"cPickle", "urllib2", "ConfigParser", "StringIO", "cStringIO", "Queue", "Tkinter", "__builtin__"}
_METHODS = {"iteritems", "itervalues", "iterkeys", "has_key"}


class Python2(NamedTuple):
    """A part of a source that only Python 2 has, such as "print statement, line 12", and the file."""

    text: str
    file: str


def python2(error: BaseException | None) -> Python2 | None:
    """The part of Python 2 that an error is about, if any."""
    if isinstance(error, SyntaxError):
        text = _syntax(error)
        return Python2(f"{text}, line {error.lineno}", str(error.filename)) if text else None
    frames = [] if error is None else traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename]
    if isinstance(error, NameError) and error.name in _NAMES:
        text = error.name
    elif isinstance(error, ModuleNotFoundError) and error.name in _MODULES:
        text = f"import {error.name}"
    elif isinstance(error, AttributeError) and error.name in _METHODS:
        text = f".{error.name}()"
    else:
        return None
    return Python2(f"{text}, line {own[-1].lineno}", own[-1].filename)


def advice(old: Python2, file: str) -> str:
    """One line that says how to mend it. If it is the user's own file, its name is `file`."""
    where = file if file and Path(file).resolve() == Path(old.file).resolve() else old.file
    return f"{where} is Python 2 ({old.text}); convert it with `2to3 -w {where}`, which comes with Python up to 3.12"


def _syntax(error: SyntaxError) -> str:
    message, line = str(error.msg), error.text or ""
    for pattern, text in _SYNTAX.items():
        match = re.search(pattern, message)
        if match:
            return match.expand(text)
    if message.startswith(("invalid syntax", "invalid decimal literal")):
        return next((text for pattern, text in _INVALID.items() if re.search(pattern, line)), "")
    return ""
