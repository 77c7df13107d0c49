"""What the commands of the command line do; each takes the parsed options and returns the exit status."""

from gradaudit.commands.candidate import candidate
from gradaudit.commands.listings import NothingSelected, cases, findings, frameworks, ledger, mistakes
from gradaudit.commands.records import compare, merge
from gradaudit.commands.run import replay, run
from gradaudit.commands.sweep import sweep

__all__ = [
    "NothingSelected",
    "candidate",
    "cases",
    "compare",
    "findings",
    "frameworks",
    "ledger",
    "merge",
    "mistakes",
    "replay",
    "run",
    "sweep",
]
