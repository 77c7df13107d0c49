"""What all tests share: pinned threads, and figures that a test measured, printed after the last one."""

from __future__ import annotations

from audit.threads import pin

pin()

from collections.abc import Callable

import pytest


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
