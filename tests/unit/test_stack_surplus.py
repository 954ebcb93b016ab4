"""One TaskManager less in the settings ends the second at the next ``up``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workbench.config import load_settings
from workbench.stack import Stack
from workbench.stack.health import wanted_parts
from workbench.stack.processes import find, markers


@pytest.mark.parametrize(("taskmanagers", "ended"), [(1, True), (2, False)])
def test_a_taskmanager_above_the_number_that_is_wanted_is_ended(
    tmp_path: Path, taskmanagers: int, ended: bool
) -> None:
    stack = Stack(load_settings(tmp_path, stack={"taskmanagers": taskmanagers}))
    stack.layout.make()
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    second = subprocess.Popen([*command, *markers(stack.layout, "taskmanager-2")])
    said: list[str] = []
    try:
        assert find(stack.layout, "taskmanager-2") is not None
        stack._end_surplus(wanted_parts(stack.settings), said.append)
        assert (find(stack.layout, "taskmanager-2") is None) is ended
        assert ("one more than stack.taskmanagers" in "".join(said)) is ended
    finally:
        second.kill()
        second.wait(30)
