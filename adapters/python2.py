"""Python 2 among course code: known by what Python 3 says of it."""

from __future__ import annotations

import re
import traceback

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


def python2(error: BaseException) -> str:
    """What in the source is Python 2's alone, and where, as in "print statement, line 12"; empty if nothing is."""
    if isinstance(error, SyntaxError):
        return _placed(_syntax(error), error.lineno)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)]
    lineno = lines[-1] if lines else None
    if isinstance(error, NameError) and error.name in _NAMES:
        return _placed(error.name, lineno)
    if isinstance(error, ModuleNotFoundError) and error.name in _MODULES:
        of_file = [f.lineno for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename]
        return _placed(f"import {error.name}", of_file[-1] if of_file else None)
    if isinstance(error, AttributeError) and error.name in _METHODS:
        return _placed(f".{error.name}()", lineno)
    return ""


def advice(file: str, what: str) -> str:
    """One line that says so, and how to mend it."""
    return f"{file} is Python 2 ({what}); convert it with `2to3 -w {file}`, which comes with Python up to 3.12"


def _syntax(error: SyntaxError) -> str:
    message, line = str(error.msg), error.text or ""
    for pattern, what in _SYNTAX.items():
        match = re.search(pattern, message)
        if match:
            return match.expand(what)
    if message.startswith(("invalid syntax", "invalid decimal literal")):
        return next((what for pattern, what in _INVALID.items() if re.search(pattern, line)), "")
    return ""


def _placed(what: str, lineno: int | None) -> str:
    return f"{what}, line {lineno}" if what and lineno else what
