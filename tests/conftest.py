"""What all tests share: pinned threads, and figures that a test measured, printed after the last one."""

from __future__ import annotations

from gradaudit.engines.threads import pin

pin()

from collections.abc import Callable

import pytest

from gradaudit.cases.shards import belongs, parse


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--shard I/N``, which divides the tests as the command line does the cases, and the size of the attack."""
    parser.addoption("--shard", type=parse, metavar="I/N", help="only the I-th of N parts of the tests")
    parser.addoption("--random-problems", type=int, default=2000, metavar="N", help="for test_attack.py")
    parser.addoption("--few-bit-networks", type=int, default=2000, metavar="N", help="for test_attack.py")
    parser.addoption("--operation-problems", type=int, default=60, metavar="N", help="for library/test_operations.py")
    parser.addoption("--random-graphs", type=int, default=150, metavar="N", help="for library/test_graphs.py")
    parser.addoption("--deep-networks", type=int, default=15, metavar="N", help="for frameworks/test_gradcheck_deep.py")
    parser.addoption("--resnet-steps", type=int, default=2, metavar="N", help="for frameworks/test_resnet.py")
    parser.addoption("--plantings", type=int, default=1, metavar="N", help="for the deep networks of frameworks/")
    parser.addoption("--climbs", type=int, default=1, metavar="N", help="for library/test_climbs.py")
    parser.addoption("--planted-graphs", type=int, default=60, metavar="N", help="for library/test_planted_graphs.py")
    parser.addoption("--planted-problems", type=int, default=100, metavar="N", help="for library/test_planted.py")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the shard: those of its cases, and those without a case by their own names."""
    shard = config.getoption("--shard")
    if shard:
        items[:] = [item for item in items if belongs(_name(item), shard)]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Let a shard without a test succeed."""
    if session.config.getoption("--shard") and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


def _name(item: pytest.Item) -> str:
    """The id of the test's case, if it has one, else its own."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return str(getattr(parameters.get("case"), "id", item.nodeid))


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Keep a sentence with a measured figure; it is printed when all tests have run, by whatever worker."""
    return lambda sentence: record_property("figure", sentence)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures, in the order of their tests' names."""
    reports = [r for key in ("passed", "failed") for r in terminalreporter.stats.get(key, []) if r.when == "call"]
    figures = sorted((r.nodeid, text) for r in reports for name, text in r.user_properties if name == "figure")
    if figures:
        terminalreporter.section("figures measured")
        for _, text in figures:
            terminalreporter.line(text)
