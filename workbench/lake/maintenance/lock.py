"""One maintainer of a lake at a time; the lock dies with its process."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from workbench.config import Settings
from workbench.errors import LakeError
from workbench.lake.catalog import is_embedded

LOCK_FILE = "maintenance.lock"


def lock_file(settings: Settings) -> Path:
    """Return the file that a maintainer locks.

    It lies beside the embedded catalog. For another catalog it lies in the stack's folder, where
    only maintainers of the same project on the same machine see it; two others are still safe,
    because a commit that meets another one is made again or refused.
    """
    folder = settings.warehouse if is_embedded(settings) else settings.stack_folder
    return folder / LOCK_FILE


@contextmanager
def maintaining(settings: Settings, what: str) -> Iterator[None]:
    """Be the only maintainer for the block.

    Parameters
    ----------
    settings
        The settings in force.
    what
        What is done, as the next one is told: ``compact``.

    Raises
    ------
    LakeError
        When another maintainer works; names its process, and what it does since when.
    """
    file = lock_file(settings)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise LakeError(
            f"the lake cannot be maintained: {file}: {error.strerror}",
            hint="may you write to the folder?",
        ) from error
    # The file is never removed: a lock on a removed one would keep nobody out.
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LakeError(
                f"another maintainer works on this lake: {_holder(file)}",
                hint="wait until it is done, or end it",
            ) from None
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        text = json.dumps({"pid": os.getpid(), "what": what, "since": now})
        # It only says who works: on a full disk expiry is what makes room again.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text.encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _holder(file: Path) -> str:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        return f"process {known['pid']}, `tables {known['what']}` since {known['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        # It has just taken the lock and not said who it is.
        return "a process that has just begun"
