"""Class-data sharing: Flink's classes are parsed and verified once per machine, not per start.

A JVM that starts maps an archive of classes instead of reading them from the jars. The archive is
made from the list ``flink-classes.lst.gz`` (``python -m bench classes`` renews it), lies in the
user's cache, and is good for exactly one Java and one class path: its name carries a hash of both.
It is never a reason for a failed start: where there is none, or Java does not like it, classes are
loaded from the jars as ever.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from workbench.errors import StackError
from workbench.stack.files import cache_folder, disk_errors
from workbench.stack.jars import Progress
from workbench.stack.java import Java

CLASS_LIST = Path(__file__).with_name("flink-classes.lst.gz")
#: Archives that are kept: of other checkouts and of what was before.
_KEPT = 3
_TIMEOUT_S = 180


def _fingerprint(java: Java, class_path: Sequence[Path]) -> str:
    """Return a hash of all that an archive depends on: Java itself checks most of it, silently."""
    digest = hashlib.sha256(CLASS_LIST.read_bytes())
    for path in (java.home / "lib" / "server" / "libjvm.so", *class_path):
        seen = path.stat()
        digest.update(f"{path}\0{seen.st_size}\0{seen.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]


def _make(target: Path, java: Java, class_path: Sequence[Path]) -> None:
    """Write an archive, and put it in its place once it is whole."""
    classes, temporary = target.with_suffix(".lst"), target.with_suffix(".part")
    try:
        classes.write_bytes(gzip.decompress(CLASS_LIST.read_bytes()))
        temporary.unlink(missing_ok=True)
        done = subprocess.run(
            [
                java.executable,
                *("-Xshare:dump", "-XX:+UseSerialGC", "-Xlog:disable", "-Xlog:all=error:stderr"),
                f"-XX:SharedClassListFile={classes}",
                f"-XX:SharedArchiveFile={temporary}",
            ],
            check=False,
            env={**os.environ, "CLASSPATH": os.pathsep.join(map(str, class_path))},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
        if done.returncode != 0 or not temporary.is_file():
            said = (done.stderr + done.stdout).strip().splitlines() or ["no output"]
            raise StackError(f"the archive of classes could not be made: {said[-1].strip()}")
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        classes.unlink(missing_ok=True)
        temporary.unlink(missing_ok=True)


def _forget_old(folder: Path) -> None:
    """Remove archives that were not used for longest; a JVM that runs keeps what it has mapped."""
    by_use = sorted(folder.glob("flink-*.jsa"), key=lambda file: file.stat().st_mtime)
    for file in by_use[:-_KEPT]:
        file.unlink(missing_ok=True)


def shared_classes(
    java: Java, class_path: Sequence[Path], progress: Progress = lambda _: None
) -> list[str]:
    """Return the options by which a JVM of the cluster maps its classes, making the archive first.

    Safe to be called by several processes at once: one makes the archive, the others wait for it.

    Parameters
    ----------
    java
        The Java that will run.
    class_path
        The jars that the class path begins with, in its order; more may follow them.
    progress
        Is told when the archive is made, which takes some seconds, and why it could not be.

    Returns
    -------
    list of str
        Empty where there is no archive: it could not be made, now or before.

    Examples
    --------
    >>> from workbench.stack.java import find_java
    >>> shared_classes(find_java(), [])  # doctest: +SKIP
    ['-XX:SharedArchiveFile=.../.cache/workbench/classes/flink-0f31ab8c24c1d0a7.jsa']
    """
    try:
        folder = cache_folder() / "classes"
        target = folder / f"flink-{_fingerprint(java, class_path)}.jsa"
        refused = target.with_suffix(".refused")
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if refused.is_file():
                    return []
                if not target.is_file():
                    progress("archiving the classes of Flink, once: later starts are faster")
                    try:
                        _make(target, java, class_path)
                    except (StackError, subprocess.TimeoutExpired):
                        refused.touch()  # it would fail the next time, too
                        raise
                    _forget_old(folder)
                with suppress(OSError):
                    os.utime(target)
        return [f"-XX:SharedArchiveFile={target}"]
    except (OSError, StackError, subprocess.SubprocessError) as error:
        progress(f"classes are loaded from the jars: {error}")
        return []
