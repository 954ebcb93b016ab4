"""One run of a report and as-of at a time; the lock dies with its process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.lock_file import Locked, take


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
    try:
        descriptor = take(folder.parent / f".{folder.name}.lock", wait=wait)
    except Locked as busy:
        raise ReportIsRunning(
            f"report {folder.parent.name} as of {folder.name} is being run already: "
            f"{busy.in_words('process {pid} since {since}')}",
            hint="give --wait, or come back when it is done",
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)
