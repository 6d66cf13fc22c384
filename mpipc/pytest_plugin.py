"""What pytest gets from mpipc: an option for `mpipc.testing.suite`, and a line that says how much
was checked. pytest loads it by its entry point, so it must not import what the tests need."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("mpipc").addoption(
        "--mpipc-examples",
        type=int,
        metavar="N",
        help="how many examples mpipc.testing.suite tries for each method"
        " (by default as many as hypothesis's profile says)",
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    checked = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "mpipc" and report.when == "call"
    ]
    if checked:
        methods = len({subject for subject, _ in checked if "." in subject})
        examples = sum(count for _, count in checked)
        terminalreporter.write_line(f"mpipc: {methods} methods checked with {examples:,} examples")
