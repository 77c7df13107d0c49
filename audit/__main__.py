"""The command line: ``python -m audit``. It imports what a command needs, and no framework before it is asked for."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from audit.threads import pin

pin()

#: Exit statuses (the contract): all as expected; a finding is not; bad usage or input; nothing selected.
OK, NOT_EXPECTED, USAGE, NOTHING_SELECTED = 0, 1, 2, 5

_DTYPES = ("float64", "float32")
_SELECTIONS = ("quick", "standard", "full")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given.insert(0, "run")
    options = _parser().parse_args(given)
    try:
        return int(options.command(options))
    except BrokenPipeError:
        sys.stderr.close()
        return OK
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (LookupError, ValueError, OSError) as error:
        if type(error).__module__.partition(".")[0] not in ("audit", "adapters", "reference"):
            raise
        print(f"audit: {error}", file=sys.stderr)
        return USAGE


def _parser() -> argparse.ArgumentParser:
    """The options of every command."""
    parser = argparse.ArgumentParser(
        prog="python -m audit", description="Prove which gradients of a two-layer network are right."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="judge the frameworks on the catalogue (the default command)")
    run.set_defaults(command=_run)
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
    run.add_argument(
        "--out",
        type=Path,
        default=Path("audit-report"),
        metavar="DIR",
        help="the record's folder (default: audit-report)",
    )
    run.add_argument("--strict", action="store_true", help="let an undecided verdict fail too")

    cases = commands.add_parser("cases", help="list the cases, each with its reason and what it can catch")
    cases.set_defaults(command=_cases)
    _add_selection(cases)

    frameworks = commands.add_parser("frameworks", help="list the frameworks, their versions and variants")
    frameworks.set_defaults(command=_frameworks)
    return parser


def _add_selection(parser: argparse.ArgumentParser) -> None:
    """The options that select cases."""
    parser.add_argument("--cases", choices=_SELECTIONS, default="standard", help="how many (default: standard)")
    parser.add_argument(
        "--dtypes", type=_dtypes, default=_DTYPES, metavar="NAMES", help="comma-separated (default: float64,float32)"
    )
    parser.add_argument("--seed", type=_seed, default=0, help="of the random numbers (default: 0)")
    parser.add_argument("-k", dest="words", default="", metavar="WORDS", help="only items whose id contains every word")


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise argparse.ArgumentTypeError("expected names separated by commas")
    return names


def _dtypes(text: str) -> tuple[str, ...]:
    names = _names(text)
    unknown = [name for name in names if name not in _DTYPES]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is no dtype of a case; expected of {', '.join(_DTYPES)}")
    return names


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no seed; expected a whole number >= 0")
    return int(text)


def _run(options: argparse.Namespace) -> int:
    """`run`: judge, write the record, print it."""
    from rich.console import Console

    from adapters import adapter, installed
    from audit import record
    from audit.report import console
    from audit.run import Settings, findings, plan, plan_hash, tables

    settings = Settings(
        frameworks=options.frameworks or tuple(installed()),
        variants=options.variants,
        dtypes=options.dtypes,
        cases=options.cases,
        words=options.words,
        seed=options.seed,
    )
    began = time.perf_counter()
    items = plan(settings)
    if not items:
        print(
            f"audit: no item's id contains {options.words!r}; `python -m audit cases` lists the cases", file=sys.stderr
        )
        return NOTHING_SELECTED
    out: Path = options.out
    record.check(out)
    found = list(findings(items))
    if options.strict:
        failing = [f for f in found if not f.expected]
    else:
        failing = [f for f in found if not f.expected and f.verdict != "undecided"]
    run = {
        "schema": record.SCHEMA,
        "ok": not failing,
        "counts": record.counts(found),
        "versions": {k: v for name in settings.frameworks for k, v in adapter(name).versions().items()},
        "machine": record.machine(),
        "settings": {
            "frameworks": settings.frameworks,
            "variants": settings.variants,
            "dtypes": settings.dtypes,
            "cases": settings.cases,
            "words": settings.words,
            "seed": settings.seed,
            "strict": options.strict,
        },
        "plan": plan_hash(items),
        "shard": "1/1",
        "timings": {"seconds": round(time.perf_counter() - began, 3)},
        "tables": tables(items),
    }
    record.write(out, run, found)
    console.show(Console(), run, found)
    print(f"The record is in {out}: run.json, findings.jsonl.")
    return NOT_EXPECTED if failing else OK


def _cases(options: argparse.Namespace) -> int:
    """`cases`: the edge cases with their reasons, then the ids."""
    from audit.catalogue import cases

    chosen = cases(options.cases, options.dtypes, options.seed)
    chosen = [case for case in chosen if all(word in case.id for word in options.words.split())]
    if not chosen:
        print(f"audit: no case's id contains {options.words!r}", file=sys.stderr)
        return NOTHING_SELECTED
    for edge in dict.fromkeys(case.edge for case in chosen):
        ids = [case.id for case in chosen if case.edge is edge]
        print(f"{edge.name} ({edge.family}): {edge.reason}\n    catches {edge.catches}")
        print("".join(f"    {case_id}\n" for case_id in ids))
    print(f"{len(chosen)} cases")
    return OK


def _frameworks(options: argparse.Namespace) -> int:  # noqa: ARG001 (every command takes the options)
    """`frameworks`: what could be judged, and what is installed."""
    from adapters import FRAMEWORKS, adapter, installed

    there = installed()
    for name, (_, package) in FRAMEWORKS.items():
        if name not in there:
            print(f"{name}: not installed (needs {package})")
            continue
        judged = adapter(name)
        versions = ", ".join(f"{package} {version}" for package, version in judged.versions().items())
        print(f"{name}: {versions}; variants {', '.join(judged.variants)}; dtypes {', '.join(judged.dtypes)}")
    return OK


if __name__ == "__main__":
    sys.exit(main())
