"""What a timer calls, with nothing left to the shell it is called from."""

from __future__ import annotations

import sys
from pathlib import Path

import workbench
from workbench.errors import UsageError
from workbench.schedule.schedules import Schedule


def command_of(schedule: Schedule) -> list[str]:
    """Return the command line of a schedule's run: this Python, whatever the working folder has."""
    # -P: a folder `workbench` in the project must not be taken for the package.
    words = [sys.executable, "-P", "-m", "workbench", "report", "scheduled-run", schedule.id]
    return [_printable(word) for word in words]


def environment_of(schedule: Schedule) -> dict[str, str]:
    """Return the variables it needs: the project, and this code."""
    return {
        "WORKBENCH_PROJECT": _printable(str(schedule.project)),
        "PYTHONPATH": _printable(str(Path(workbench.__file__).resolve().parents[1])),
    }


def _printable(word: str) -> str:
    if not word.isprintable():
        raise UsageError(
            f"a timer cannot call {word!r}", hint="rename the folder without control characters"
        )
    return word
