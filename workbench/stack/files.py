"""Where everything of the embedded stack lies: the checkout, the cache, the state folder."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import StackError

#: The folder that holds ``workbench/``, ``flink_jobs/`` and the locks.
CHECKOUT = Path(__file__).resolve().parents[2]
#: Below this much free space neither broker nor cluster can be expected to work.
MINIMUM_FREE_BYTES = 1 << 30


@dataclass(frozen=True)
class Layout:
    """The folders of one embedded stack; made by `make`, removed by a purge.

    Examples
    --------
    >>> Layout(Path("/x/.workbench")).checkpoints.as_posix()
    '/x/.workbench/flink/checkpoints'
    """

    folder: Path

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def state(self) -> Path:
        return self.folder / "stack.json"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def kafka(self) -> Path:
        return self.folder / "kafka"

    @property
    def flink(self) -> Path:
        return self.folder / "flink"

    @property
    def flink_conf(self) -> Path:
        return self.flink / "conf"

    @property
    def flink_tmp(self) -> Path:
        return self.flink / "tmp"

    @property
    def checkpoints(self) -> Path:
        return self.flink / "checkpoints"

    @property
    def savepoints(self) -> Path:
        return self.flink / "savepoints"

    def make(self) -> None:
        """Make all folders; the state is nobody else's to read."""
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            for folder in (
                self.run,
                self.logs,
                self.kafka,
                self.flink_conf,
                self.flink_tmp,
                self.checkpoints,
                self.savepoints,
            ):
                folder.mkdir(parents=True, exist_ok=True)


def cache_folder() -> Path:
    """Return the user's cache of the workbench (``XDG_CACHE_HOME`` is respected)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "workbench"


def free_bytes(folder: Path) -> int:
    """Return the free space of the disk that holds `folder`, which need not exist yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def check_free_space(folder: Path, needed: int = MINIMUM_FREE_BYTES) -> None:
    """Raise StackError where fewer than `needed` bytes are free for `folder`."""
    free = free_bytes(folder)
    if free < needed:
        raise StackError(
            f"only {free / 2**20:.0f} MiB are free for {folder}, {needed / 2**20:.0f} MiB needed",
            hint="make room, or set stack.folder to a larger disk",
        )


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a full disk or a folder that cannot be written into one line a person can act on."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StackError(
                f"the disk is full: cannot write {error.filename or folder}",
                hint="make room, or set stack.folder to a larger disk, then `workbench stack up`",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StackError(
                f"cannot write {error.filename or folder} ({error.strerror})",
                hint="set stack.folder (WORKBENCH_STACK__FOLDER) to a folder you may write",
            ) from error
        raise


def write_atomic(path: Path, text: str) -> None:
    """Write `text` so that a reader, or a crash, never meets half of it."""
    with disk_errors(path.parent):
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
