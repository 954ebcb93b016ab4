"""Waiting for parts that were just started."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from workbench.config import load_settings
from workbench.stack import Stack, flink, stack


def test_a_taskmanager_without_a_command_line_yet_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between fork and exec a process has no arguments, and so no name in the cluster."""
    names = iter([None])
    monkeypatch.setattr(flink, "resource_id", lambda process: next(names, "taskmanager-1"))
    monkeypatch.setattr(flink, "registered", lambda url: {"taskmanager-1"})
    monkeypatch.setattr(stack, "answers", lambda part, ports, process: True)
    monkeypatch.setattr(stack, "START_TIMEOUT", 5.0)
    said: list[str] = []
    run: Any = SimpleNamespace(
        running={}, started={"taskmanager": psutil.Process()}, progress=said.append
    )
    Stack(load_settings(tmp_path))._wait(run, {"flink_rest": 1})
    assert "slots are there" in said[0]
