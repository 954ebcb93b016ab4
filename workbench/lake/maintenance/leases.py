"""Leases: which snapshots open sessions read, so that expiry leaves their files alone.

A session of the embedded lake writes a small file that it keeps locked (`flock`). The lock goes
with its process, so a lease that can be locked belongs to nobody. The file is there before the
session looks for snapshots: expiry, which looks for leases once more after its commit and before
it deletes anything, cannot miss a session that still saw an expired snapshot.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.config import Settings
from workbench.lake.catalog import is_embedded

if TYPE_CHECKING:
    from workbench.lake.pins import Pin

FOLDER = ".leases"
#: A session that has begun to open is waited for this long.
OPENING_S = 10.0


@dataclass(frozen=True)
class Held:
    """One snapshot that an open session reads."""

    table: str
    snapshot_id: int
    #: Where its list of manifests is: its files can be found though the table has forgotten it.
    manifest_list: str


@dataclass(frozen=True)
class Readers:
    """What open sessions hold.

    Parameters
    ----------
    held
        The snapshots that they have named.
    opening
        Whether a session has been opening for so long that nobody waits for it: it may hold
        anything besides.
    """

    held: frozenset[Held] = frozenset()
    opening: bool = False


class Lease:
    """What one session holds; see `hold`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._owner = os.getpid()
        self._released = False

    def name(self, pins: Iterable[Pin]) -> bool:
        """Say which snapshots are held; until then the lease holds all of them.

        False where it cannot be written, as on a full disk.
        """
        held = [
            {
                "table": pin.table.name,
                "snapshot": str(pin.snapshot.snapshot_id),
                "manifest_list": pin.snapshot.manifest_list,
            }
            for pin in pins
            if pin.snapshot is not None
        ]
        text = json.dumps({"pid": self._owner, "held": held}).encode()
        try:
            # What is read in the middle of it is no JSON, and holds everything.
            return os.pwrite(self._descriptor, text, 0) == len(text)
        except OSError:
            return False

    def release(self) -> None:
        """Let go; a second time does nothing."""
        if self._released:
            return
        self._released = True
        # A forked child has the same file and the same lock: they are its parent's.
        if os.getpid() == self._owner:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)


def hold(settings: Settings) -> Lease | None:
    """Begin a lease; None where there can be none.

    That is a lake with another catalog, or a warehouse that may not be written: expiry does not
    know of such a session, and only the age of its snapshots protects them.
    """
    if not is_embedded(settings) or not settings.warehouse.is_dir():
        return None
    folder = settings.warehouse / FOLDER
    path = folder / f"{os.getpid()}-{uuid.uuid4().hex}.json"
    try:
        folder.mkdir(exist_ok=True)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Somebody may have taken it for a dead one before it was locked.
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return Lease(path, descriptor)
            os.close(descriptor)
    except OSError:
        return None


def readers(settings: Settings, *, wait: float = OPENING_S) -> Readers:
    """Return what open sessions hold, and remove the leases of dead ones.

    A session that is opening is waited for, `wait` seconds in all.
    """
    until = time.monotonic() + wait
    folder = settings.warehouse / FOLDER
    found: set[Held] = set()
    if not is_embedded(settings) or not folder.is_dir():
        return Readers()
    opening = False
    for path in sorted(folder.glob("*.json")):
        while (one := _read(path)) is None:
            if time.monotonic() > until:
                opening = True
                break
            time.sleep(0.05)
        found |= one or set()
    return Readers(frozenset(found), opening)


def _read(path: Path) -> set[Held] | None:
    """What a lease holds: nothing when its owner is gone, None while it is opening."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return set()
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _parse(os.pread(descriptor, os.fstat(descriptor).st_size, 0))
        path.unlink(missing_ok=True)
        return set()
    finally:
        os.close(descriptor)


def _parse(text: bytes) -> set[Held] | None:
    try:
        return {
            Held(one["table"], int(one["snapshot"]), one["manifest_list"])
            for one in json.loads(text)["held"]
        }
    except (ValueError, KeyError, TypeError):
        return None
