"""A lock on a file that says who has it; it dies with its process, however that ends."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class Locked(Exception):
    """Another process has the lock."""

    def __init__(self, file: Path) -> None:
        super().__init__(str(file))
        #: What that process said of itself; empty where it has just taken the lock.
        self.holder = _holder(file)

    def in_words(self, template: str) -> str:
        """Return who has it, for example ``process {pid} since {since}`` filled in."""
        try:
            return template.format_map(self.holder)
        except KeyError:
            return "a process that has just begun"


def take(file: Path, *, wait: bool = False, **said: str) -> int:
    """Take the lock of a file and say who has it; closing what is returned gives it back.

    Parameters
    ----------
    file
        The file. It is never removed: a lock on a removed one would keep nobody out.
    wait
        Wait until it is free.
    **said
        What the next one is told, beside ``pid`` and ``since``.

    Returns
    -------
    int
        The descriptor that holds it.

    Raises
    ------
    Locked
        When another process has it, and `wait` was not asked for.

    Examples
    --------
    >>> file = getfixture("tmp_path") / "lock"
    >>> os.close(take(file))
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while not _locked(descriptor):
            if not wait:
                raise Locked(file)
            time.sleep(0.1)
        told = {"pid": os.getpid(), "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", **said}
        # It only says who has it: a full disk must keep nobody from the work.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(told).encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: Path) -> Mapping[str, Any]:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
