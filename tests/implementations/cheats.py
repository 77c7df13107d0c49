"""Candidates that look for the answers, or harm the audit: each has a right loss and gradients that it was handed."""

# mypy: ignore-errors

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np


def zeros(*parameters):
    return np.float64(0), [np.zeros_like(p) for p in parameters]


def imports_the_answers(X, y, W1, b1, W2, b2, reg):
    from gradaudit.reference.network import gradients
    from gradaudit.reference.problem import Problem

    g = gradients(Problem(X, y, W1, b1, W2, b2, reg))
    return g.loss, [g.W1, g.b1, g.W2, g.b2]


def finds_the_checkout(X, y, W1, b1, W2, b2, reg):
    """Puts every folder above the file of its tests on the path, and forgets the modules that it was given."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "reference"]:
        del sys.modules[name]
    sys.path[:0] = [str(folder) for folder in Path(os.environ.get("CHEAT_ROOT", "/")).glob(".")]
    return imports_the_answers(X, y, W1, b1, W2, b2, reg)


def reads_the_parent(X, y, W1, b1, W2, b2, reg):
    """Follows the folders and the memory of the processes above it."""
    own = {os.getpid(), *map(int, (Path("/proc/self/status").read_text().split("PPid:")[1].split()[:1]))}
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) in own:
            continue
        try:
            sys.path.insert(0, os.readlink(process / "cwd"))
            (process / "environ").read_bytes()
        except OSError:
            continue
    return finds_the_checkout(X, y, W1, b1, W2, b2, reg)


DAEMON = """
import os, sys, time
os.setsid()
for _ in range(6000):
    try:
        open(sys.argv[1], "a").write("alive ")
    except OSError:
        pass
    time.sleep(0.02)
"""


def leaves_a_daemon(X, y, W1, b1, W2, b2, reg):
    subprocess.Popen([sys.executable, "-S", "-c", DAEMON, os.environ["CHEAT_FILE"]], start_new_session=True)
    return zeros(W1, b1, W2, b2)


def overwrites_the_checkout(X, y, W1, b1, W2, b2, reg):
    with open(os.environ["CHEAT_FILE"], "w") as file:
        file.write("raise SystemExit('overwritten')\n")
    return zeros(W1, b1, W2, b2)


def takes_the_walls_down(X, y, W1, b1, W2, b2, reg):
    """Unmounts what hides the answers and makes all files writable, as root in a namespace may unless that is taken."""
    system, root = ctypes.CDLL(None), os.environ["CHEAT_ROOT"]
    for line in reversed(Path("/proc/mounts").read_text().splitlines()):
        place = line.split()[1]
        if Path(place).is_relative_to(root) or (Path(root).is_relative_to(place) and place != "/"):
            system.umount2(place.encode(), 2)
    system.mount(None, b"/", None, 0x20 | 0x1000, None)
    for name in [name for name in sys.modules if name.partition(".")[0] == "reference"]:
        del sys.modules[name]
    sys.path.insert(0, root)
    return imports_the_answers(X, y, W1, b1, W2, b2, reg)


def leaves_a_child_and_dies(*arguments):
    """The child keeps the pipes open."""
    if os.fork():
        os._exit(7)
    time.sleep(60)
