"""Where everything of the embedded stack lies: the checkout, the cache, the state folder."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import StackError, UsageError

#: The folder that holds ``workbench/``, ``flink_jobs/`` and the locks.
CHECKOUT = Path(__file__).resolve().parents[2]
#: Below this much free space neither broker nor cluster can be expected to work.
MINIMUM_FREE_BYTES = 1 << 30
#: What other parts of the workbench keep in the stack's folder, some of it before the first `up`.
BESIDE = ("batch", "demo-batch", "demo-live", "jobs", "logs", "reference", "status.json")


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
    def marker(self) -> Path:
        """Says that the folder is a stack's: without it nothing in there is ours to remove."""
        return self.folder / ".workbench-stack"

    @property
    def is_ours(self) -> bool:
        """Whether a stack made the folder; older ones left no marker but their ports."""
        return self.marker.is_file() or self.state.is_file()

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
            # Before anything else: what comes after it must be removable.
            self.marker.write_text("This folder is made and removed by `workbench stack`.\n")
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

    def belongings(self) -> list[Path]:
        """Return what is there of the stack and its neighbours, without marker and lock."""
        paths = [self.folder / name for name in BESIDE]
        paths += [self.state, self.run, self.kafka, self.flink]
        # A crash leaves these: of `write_atomic`, and of a JVM, whose working folder this is.
        for pattern in (f".{self.state.name}.*", "hs_err_pid*.log"):
            paths += self.folder.glob(pattern)
        return [path for path in paths if path.exists() or path.is_symlink()]

    def others(self) -> list[Path]:
        """Return what is in the folder and not of the workbench."""
        if not self.folder.is_dir():
            return []
        known = {self.marker, self.lock, *self.belongings()}
        return sorted(path for path in self.folder.iterdir() if path not in known)


def check_own_folder(folder: Path, setting: str, project: Path) -> None:
    """Refuse a folder for the workbench's own data that holds much more than that.

    Parameters
    ----------
    folder
        An absolute folder, which need not exist.
    setting
        The setting that named it, for the message.
    project
        The project folder.

    Raises
    ------
    UsageError
        Where `folder` is the project, the home folder, the root or above one of them.

    Examples
    --------
    >>> check_own_folder(Path("/x"), "stack.folder", project=Path("/x/project"))
    Traceback (most recent call last):
    workbench.errors.UsageError: stack.folder is /x, which holds the project folder /x/project: ...
    """
    for kept, name in ((project.resolve(), "project"), (Path.home().resolve(), "home")):
        if folder == kept or folder in kept.parents:
            which = f"the {name} folder" if folder == kept else f"which holds the {name} folder"
            raise UsageError(
                f"{setting} is {folder}, {which}" + (f" {kept}" if folder != kept else ""),
                hint=f"set {setting} to a folder of its own, for example "
                + (".workbench" if setting == "stack.folder" else "warehouse"),
            )


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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


#: What a person does about a full disk.
MAKE_ROOM = "make room, or set stack.folder to a larger disk, then `workbench stack up`"


def is_full(folder: Path, said: Iterable[str] = ()) -> bool:
    """Return whether the disk of a folder is full, or a program has said so.

    What lies on a full disk may not have been written, the cause included.
    """
    return free_bytes(folder) < 1 << 20 or any("No space left on device" in line for line in said)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a full disk or a folder that cannot be written into one line a person can act on."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StackError(
                f"the disk is full: cannot write {error.filename or folder}",
                hint=MAKE_ROOM,
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
