"""The command line: options and exit statuses. It imports no number and no framework; a command imports its own."""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import shtab

from gradaudit.engines.threads import pin
from gradaudit.report.terminal import printing

pin()

#: Exit statuses (the contract; 0, 1 and 3 are returned by the commands): bad usage or input; nothing selected.
USAGE, NOTHING_SELECTED = 2, 5

_DTYPES = ("float64", "float32")
#: Options that belong to no command; any other before the first command belongs to `run`.
_OF_NO_COMMAND = ("-h", "--help", "--version", "--print-completion")
_FORMATS = ("html", "junit", "github", "gradescope")
_SELECTIONS = ("quick", "standard", "full")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    arguments : sequence of str
        By default those of the program. Given by a caller in Python, the work is done in the caller's process unless
        --workers says otherwise; the program's work is done in a process beside it, which may end as it likes.
    """
    with printing():
        return _run(list(sys.argv[1:] if arguments is None else arguments), workers=1 if arguments is None else 0)


def _run(given: list[str], workers: int) -> int:
    if not given or (given[0].startswith("-") and given[0] not in _OF_NO_COMMAND):
        given.insert(0, "run")
    options = _parser().parse_args(given)
    if getattr(options, "workers", workers) is None:
        options.workers = workers
    from gradaudit import commands

    try:
        if signal.getsignal(signal.SIGINT) not in (signal.default_int_handler, signal.SIG_IGN):
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return int(getattr(commands, options.command)(options))
    except commands.NothingSelected as error:
        print(f"gradaudit: {error}", file=sys.stderr)
        return NOTHING_SELECTED
    except KeyboardInterrupt:
        print("gradaudit: interrupted; no record was written", file=sys.stderr)
        return 130
    except MemoryError as error:
        print(f"gradaudit: there is not enough memory for that ({error}); choose smaller cases", file=sys.stderr)
        return USAGE
    except (LookupError, ValueError, OSError, ImportError) as error:
        if type(error).__module__.partition(".")[0] != "gradaudit":
            raise  # it is not about what the user gave, and keeps its traceback
        print("gradaudit: " + " ".join(str(error).splitlines()), file=sys.stderr)
        return USAGE


class _Version(argparse.Action):
    """Print the version of gradaudit."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from gradaudit.records.versions import made_by

        print(", ".join(f"{name} {version}" for name, version in made_by().items()))
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    """The options of every command."""
    parser = argparse.ArgumentParser(
        prog="gradaudit", description="Prove which gradients of a two-layer network are right."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version of gradaudit")
    shtab.add_argument_to(parser, "--print-completion", help="print a completion script for a shell")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", dest="command")

    run = commands.add_parser("run", help="judge the frameworks on the catalogue (the default command)")
    _add_selection(run)
    run.add_argument(
        "--frameworks", type=_names, metavar="NAMES", help="comma-separated (default: all that are installed)"
    )
    run.add_argument(
        "--variants",
        type=_names,
        default=("canonical",),
        metavar="NAMES",
        help="canonical, all, or names, comma-separated (default: canonical)",
    )
    _add_engine(run)
    _add_expected(run, default=())
    _add_record(run)

    candidate = commands.add_parser("candidate", help="judge your implementation, in a separate process")
    candidate.add_argument(
        "target", metavar="FILE.py:NAME", help="a function or a class; or many, as FOLDER:NAME or 'FOLDER/*.py:NAME'"
    )
    candidate.add_argument(
        "--l2",
        choices=("full", "half", "half-mean", "none"),
        default="full",
        help="its regulariser: reg |W|^2, reg/2 |W|^2, reg/(2 N) |W|^2, or none",
    )
    candidate.add_argument(
        "--reduction",
        choices=("mean", "sum"),
        default="mean",
        help="whether its loss is the mean or the sum over the samples",
    )
    candidate.add_argument("--bias-decay", action="store_true", help="its regulariser covers the biases too")
    candidate.add_argument(
        "--path",
        action="append",
        default=[],
        metavar="DIR",
        help="a folder of modules that it imports; may be repeated",
    )
    _add_limits(candidate)
    _add_selection(candidate)
    _add_record(candidate)

    sweep = commands.add_parser("sweep", help="judge many random problems; an interrupted sweep can be resumed")
    # no defaults: a sweep that goes on was asked for before, and the command fills them in for a new one
    sweep.add_argument("--count", type=_positive, metavar="N", help="the number of problems (default: 1000)")
    sweep.add_argument("--frameworks", type=_names, metavar="NAMES", help="comma-separated (default: all installed)")
    sweep.add_argument("--variants", type=_names, metavar="NAMES", help="canonical (the default), all, or names")
    sweep.add_argument(
        "--functions",
        action="store_true",
        default=None,
        help="random functions of the library's operations, by numpy, torch and jax, in place of the network",
    )
    sweep.add_argument("--candidate", metavar="FILE.py:NAME", help="judge this implementation in place of frameworks")
    _add_limits(sweep)
    sweep.add_argument("--dtypes", type=_dtypes, metavar="NAMES", help="default: float64,float32")
    sweep.add_argument("--seed", type=_seed, help="the seed of the random problems (default: 0)")
    _add_engine(sweep)
    _add_expected(sweep, default=None)
    sweep.add_argument("--shard", type=_shard, metavar="I/N", help="only the I-th of N parts")
    sweep.add_argument("--out", type=Path, metavar="DIR", help="default: audit-sweep")
    sweep.add_argument("--resume", type=Path, metavar="DIR", help="resume the sweep in DIR, with its own settings")
    _add_quiet(sweep)
    sweep.add_argument("--strict", action="store_true", default=None, help="also fail on an undecided verdict")

    merge = commands.add_parser("merge", help="combine the records of the shards of a run, or of several runs")
    merge.add_argument("records", nargs="+", type=Path, metavar="DIR", help="the shards' records")
    _add_out(merge)

    compare = commands.add_parser(
        "compare", help="list what changed between two runs, for example of two versions of a framework"
    )
    compare.add_argument("before", type=Path, metavar="A", help="a record")
    compare.add_argument("after", type=Path, metavar="B", help="another record")
    compare.add_argument(
        "--fail-on",
        type=_names,
        default=("verdict", "convention", "missing"),
        metavar="NAMES",
        help="of verdict, convention, missing and ratio:2x, comma-separated (default: verdict,convention,missing)",
    )

    replay = commands.add_parser("replay", help="judge one finding again, entry by entry")
    replay.add_argument("case", metavar="CASE-ID", help="the id of a case, or FILE.npz")
    who = replay.add_mutually_exclusive_group(required=True)
    who.add_argument("--framework", metavar="NAME", help="the framework")
    who.add_argument("--candidate", metavar="FILE.py:NAME", help="or your implementation")
    _add_limits(replay)
    replay.add_argument("--variant", metavar="NAME", help="the variant (default: canonical)")
    replay.add_argument(
        "--entries", type=_positive, default=10, metavar="N", help="the number of entries to show (default: 10)"
    )

    commands.add_parser(
        "ledger", help="list the formulas of the source: which are right, the correct ones, the evidence"
    )

    mistakes = commands.add_parser("mistakes", help="list the known mistakes, and which cases catch them")
    _add_selection(mistakes, default="quick")

    cases = commands.add_parser("cases", help="list the cases, each with its reason and what it can catch")
    _add_selection(cases)

    commands.add_parser("frameworks", help="list the frameworks, their versions and variants")

    commands.add_parser(
        "findings", help="list the known faults of the frameworks, and reproduce those of installed ones"
    )
    return parser


def _add_selection(parser: argparse.ArgumentParser, default: str = "standard") -> None:
    """The options that select cases."""
    parser.add_argument("--cases", choices=_SELECTIONS, default=default, help=f"how many (default: {default})")
    parser.add_argument(
        "--dtypes", type=_dtypes, default=_DTYPES, metavar="NAMES", help="comma-separated (default: float64,float32)"
    )
    parser.add_argument("--seed", type=_seed, default=0, help="the seed of the random numbers (default: 0)")
    parser.add_argument("-k", dest="words", default="", metavar="WORDS", help="only cases whose ids contain every word")


def _add_record(parser: argparse.ArgumentParser) -> None:
    """The options of a command that judges the cases of a selection and writes a record."""
    parser.add_argument(
        "--shard", type=_shard, default=(1, 1), metavar="I/N", help="only the I-th of N parts of the cases"
    )
    _add_out(parser)
    _add_quiet(parser)
    parser.add_argument("--strict", action="store_true", help="also fail on an undecided verdict")


def _add_engine(parser: argparse.ArgumentParser) -> None:
    """The options that say where the work is done."""
    parser.add_argument(
        "--engine", default="local", metavar="ENGINE", help="local, or tcp://HOST:PORT of a Dask cluster"
    )
    parser.add_argument(
        "--workers", type=_workers, metavar="N", help="the number of local processes (default: 1; 0: only this process)"
    )


def _add_expected(parser: argparse.ArgumentParser, default: tuple[str, ...] | None) -> None:
    """The option that names what is known of the frameworks; a sweep that goes on has it from before."""
    parser.add_argument(
        "--expected",
        type=_files,
        default=default,
        metavar="FILES",
        help="files of your own expected findings, in the form of adapters/expected.toml; comma-separated",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    """The options that limit a candidate."""
    parser.add_argument(
        "--timeout", type=_seconds, default=10.0, metavar="SECONDS", help="the limit of a call (default: 10)"
    )
    parser.add_argument(
        "--memory", type=_positive, default=4096, metavar="MIB", help="the limit of memory for calls (default: 4096)"
    )


def _add_quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def _add_out(parser: argparse.ArgumentParser) -> None:
    """The options that say where the record goes, and in which forms."""
    parser.add_argument(
        "--format",
        type=_formats,
        default=("html", "junit"),
        metavar="NAMES",
        help=f"of {', '.join(_FORMATS)}, comma-separated (default: html,junit)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("audit-report"),
        metavar="DIR",
        help="the record's folder (default: audit-report); an old record there is replaced by a complete new one",
    )


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise argparse.ArgumentTypeError("expected names separated by commas")
    return names


def _files(text: str) -> tuple[str, ...]:
    return tuple(str(Path(name).absolute()) for name in _names(text))


def _dtypes(text: str) -> tuple[str, ...]:
    names = _names(text)
    unknown = [name for name in names if name not in _DTYPES]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"{unknown[0]!r} is not a dtype of a case; expected one of {', '.join(_DTYPES)}"
        )
    return names


def _formats(text: str) -> tuple[str, ...]:
    names = _names(text)
    unknown = [name for name in names if name not in _FORMATS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not a format; expected one of {', '.join(_FORMATS)}")
    return names


def _seed(text: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed; expected a whole number >= 0 of at most 18 digits")
    return int(text)


def _workers(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of processes; expected a whole number >= 0")
    return int(text)


def _positive(text: str) -> int:
    if not re.fullmatch("[0-9]{1,15}", text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count; expected a whole number >= 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a limit; expected a number of seconds > 0")
    return seconds


def _shard(text: str) -> tuple[int, int]:
    from gradaudit.cases.shards import parse

    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
