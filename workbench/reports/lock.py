"""One run of a report and as-of at a time; the lock dies with its process."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from workbench.errors import WorkbenchError


class ReportIsRunning(WorkbenchError):
    """The same report is being run for the same as-of."""


@contextmanager
def one_run(folder: Path, *, wait: bool) -> Iterator[None]:
    """Be the only run of a report and as-of for the block.

    Parameters
    ----------
    folder
        ``reports/NAME/AS_OF``; the lock lies beside it and is never removed.
    wait
        Wait for another run; otherwise it is an error.

    Raises
    ------
    ReportIsRunning
        Names the process and since when it runs.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = folder.parent / f".{folder.name}.lock"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not wait:
                    raise ReportIsRunning(
                        f"report {folder.parent.name} as of {folder.name} is being run already: "
                        f"{_holder(file)}",
                        hint="give --wait, or come back when it is done",
                    ) from None
                time.sleep(0.1)
        text = json.dumps({"pid": os.getpid(), "since": f"{datetime.now(UTC):%H:%M:%S} UTC"})
        # It only says who runs: a full disk must not keep a report from being run.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text.encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _holder(file: Path) -> str:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        return f"process {known['pid']} since {known['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        # It has just taken the lock and not said who it is.
        return "a process that has just begun"
