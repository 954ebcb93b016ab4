"""Stacks that may be hurt, and the runs on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.faults.harness import Run
from workbench.config import load_settings
from workbench.stack import Stack


@pytest.fixture(scope="session")
def fault_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of the fault suite's own: the one of the other tests must not be hurt."""
    folder = tmp_path_factory.mktemp("faults")
    stack = Stack(load_settings(folder, stack={"folder": folder / "stack"}))
    try:
        stack.up()
        yield stack
    finally:
        stack.purge()


@pytest.fixture
def start_run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Start a run on a stack; its line is printed and kept at the end, whatever came of it."""
    runs: list[Run] = []

    def start(name: str, stack: Stack, **options: Any) -> Run:
        stack.up()  # what the test before has left broken
        folder = tmp_path / f"run{len(runs)}"
        folder.mkdir()
        run = Run(name, stack, folder, **options)
        runs.append(run)
        run.start()
        return run

    yield start
    for run in runs:
        report = run.close()
        capture = request.config.pluginmanager.get_plugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            print(f"\n{report.line()}", flush=True)
        log = request.config.getoption("--fault-log")
        if log is not None:
            with Path(log).open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(report)) + "\n")
