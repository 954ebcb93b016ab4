"""What holds for every test, the examples in docstrings included."""

from __future__ import annotations

import doctest
import os
import signal
from pathlib import Path

import pytest

#: What a developer's shell may say about the machine, as opposed to the project.
MACHINE = {"WORKBENCH_JAVA_HOME", "WORKBENCH_MAVEN_REPOSITORY"}


def pytest_configure() -> None:
    """Settings of the shell the tests are started from must not reach them."""
    # Whoever starts them in the background has these ignored, and all they start inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for name in list(os.environ):
        if name.upper().startswith("WORKBENCH_") and name not in MACHINE:
            del os.environ[name]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The fault suite keeps its reports where it is told to."""
    parser.addoption("--fault-log", metavar="FILE", help="append the faults' reports as JSON lines")


def _left_out(config: pytest.Config, items: list[pytest.Item]) -> list[pytest.Item]:
    """Long tests, unless -m says what to run or their file (or one test of it) is named."""
    if config.getoption("markexpr"):
        return []
    named = {(config.invocation_params.dir / arg.split("::")[0]).resolve() for arg in config.args}
    files = {path for path in named if path.is_file()}
    return [
        item
        for item in items
        if item.get_closest_marker("long") and Path(item.path).resolve() not in files
    ]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """An example that only shows (each line needs a running stack) is not a skipped test."""
    shown = _left_out(config, items) + [
        item
        for item in items
        if isinstance(item, pytest.DoctestItem)
        and item.dtest is not None
        and all(e.options.get(doctest.SKIP) for e in item.dtest.examples)
    ]
    if shown:
        config.hook.pytest_deselected(items=shown)
        items[:] = [item for item in items if item not in shown]
