"""One maintainer of a lake at a time; the lock dies with its process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.config import Settings
from workbench.errors import LakeError
from workbench.lake.catalog import is_embedded
from workbench.lock_file import Locked, take

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
        descriptor = take(file, what=what)
    except OSError as error:
        raise LakeError(
            f"the lake cannot be maintained: {file}: {error.strerror}",
            hint="may you write to the folder?",
        ) from error
    except Locked as busy:
        who = busy.in_words("process {pid}, `tables {what}` since {since}")
        raise LakeError(
            f"another maintainer works on this lake: {who}", hint="wait until it is done, or end it"
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)
