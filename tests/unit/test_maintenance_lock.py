"""One maintainer at a time, and none that is dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from workbench.config import Settings
from workbench.errors import LakeError
from workbench.lake.maintenance.compact import compact
from workbench.lake.maintenance.lock import maintaining

HOLD = """
import sys
from pathlib import Path
from workbench.config import load_settings
from workbench.lake.maintenance.lock import maintaining
with maintaining(load_settings(Path(sys.argv[1])), "expire"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_is_told_who_works_and_a_dead_one_does_not_hold(lake: Settings) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lake.project)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(LakeError, match=f"process {other.pid}, `tables expire` since "):
            compact(lake)
        # Looking is always possible.
        assert compact(lake, dry_run=True)
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        assert compact(lake)
    finally:
        other.kill()
        other.communicate()


def test_it_is_free_after_an_error(lake: Settings) -> None:
    with pytest.raises(ZeroDivisionError), maintaining(lake, "compact"):
        raise ZeroDivisionError
    with maintaining(lake, "expire"), pytest.raises(LakeError), maintaining(lake, "compact"):
        pass
