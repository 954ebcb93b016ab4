"""``workbench status --watch`` on a real terminal: drawn over, ended by Ctrl-C, cleaned up."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time

from workbench.config import Settings

ALTERNATE, NORMAL, HOME, CLEAR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[H", b"\x1b[2J"


def test_a_terminal_is_drawn_over_and_given_back(lake: Settings) -> None:
    ours, theirs = pty.openpty()
    watch = subprocess.Popen(
        [sys.executable, "-c", "from workbench.cli import main; main(['status', '--watch'])"],
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "WORKBENCH_PROJECT": str(lake.project), "COLUMNS": "100"},
    )
    os.close(theirs)
    seen = b""
    until = time.monotonic() + 120
    try:
        while seen.count(HOME) < 3:
            assert time.monotonic() < until, seen
            seen += os.read(ours, 65_536)
        watch.send_signal(signal.SIGINT)
        while NORMAL not in seen:
            seen += os.read(ours, 65_536)
        assert watch.wait(30) == 0
    finally:
        watch.kill()
        watch.wait()
        os.close(ours)
    assert seen.startswith(ALTERNATE)
    assert CLEAR not in seen  # nothing is blank in between
    assert b"Traceback" not in seen
    assert b"market.trades" in seen
