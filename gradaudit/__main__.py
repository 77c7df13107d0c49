"""The program: ``gradaudit``, or ``python -m gradaudit``."""

from __future__ import annotations

import os
import signal
import sys


def _interrupted(*_: object) -> None:
    """End at once, on Ctrl-C, as long as there is nothing to keep: no import on the way can get hold of it."""
    os.write(2, b"gradaudit: interrupted; no record was written\n")
    os._exit(130)


def program() -> int:
    """Run the command that the program was called with; its exit status."""
    signal.signal(signal.SIGINT, _interrupted)
    from gradaudit.command_line import main

    try:
        return main()
    except BrokenPipeError:  # whoever reads what is printed has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


if __name__ == "__main__":
    sys.exit(program())
