"""Processes of the stack: started apart from the terminal, recognised without doubt, ended.

A process id alone proves nothing: it may belong to somebody else by now. Every process of a stack
carries the folder and the part in its command line; only a process that does is believed or
ended. So a stale record, or one that was never written, does no harm.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from workbench.stack.files import Layout, disk_errors, write_atomic

#: Start times are compared this loosely, in seconds: the system clock may have been set meanwhile.
CLOCK_TOLERANCE = 10.0
#: Children are meant to outlive us; Python would complain about each one it lost sight of.
_children: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Record:
    """What is remembered of a started process."""

    part: str
    pid: int
    #: Start of the process in seconds since 1970, by the kernel.
    started: float
    #: The settings it was started with; others now mean that a restart would change something.
    settings: str = ""


def markers(layout: Layout, part: str) -> list[str]:
    """Return the arguments by which a JVM of this stack is recognised."""
    return [f"-Dworkbench.stack={layout.folder}", f"-Dworkbench.part={part}"]


def _record_file(layout: Layout, part: str) -> Path:
    return layout.run / f"{part}.json"


def read_record(layout: Layout, part: str) -> Record | None:
    """Return the record of a part, None where there is none that can be read."""
    try:
        return Record(**json.loads(_record_file(layout, part).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write_record(layout: Layout, record: Record) -> None:
    layout.run.mkdir(parents=True, exist_ok=True)
    write_atomic(_record_file(layout, record.part), json.dumps(asdict(record)))


def forget(layout: Layout, part: str) -> None:
    """Remove the record of a part."""
    _record_file(layout, part).unlink(missing_ok=True)


def _belongs(process: psutil.Process, layout: Layout, part: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return set(markers(layout, part)) <= set(process.cmdline())
    except psutil.Error:
        return False


def recorded(layout: Layout, part: str) -> psutil.Process | None:
    """Return the running process of the record; None where it is gone or somebody else's."""
    record = read_record(layout, part)
    if record is None:
        return None
    try:
        process = psutil.Process(record.pid)
        if abs(process.create_time() - record.started) > CLOCK_TOLERANCE:
            return None
    except psutil.Error:
        return None
    return process if _belongs(process, layout, part) else None


def find(layout: Layout, part: str) -> psutil.Process | None:
    """Return the running process of a part, recorded or left behind by a crash (then adopted)."""
    process = recorded(layout, part)
    if process is not None:
        return process
    for candidate in psutil.process_iter():
        if _belongs(candidate, layout, part):
            try:
                write_record(layout, Record(part, candidate.pid, candidate.create_time()))
            except psutil.Error:
                continue
            return candidate
    return None


def spawn(
    layout: Layout,
    part: str,
    command: list[str],
    environment: dict[str, str],
    settings: str = "",
    started: Callable[[psutil.Process], None] = lambda _: None,
) -> psutil.Process:
    """Start a part in a session of its own and record it before anything else can fail.

    What it prints goes to ``logs/PART.out``. Both logs start anew each time; the log of the
    last time is kept as ``logs/PART.previous.log``.
    """
    log = layout.logs / f"{part}.log"
    if log.is_file():
        log.replace(log.with_suffix(".previous.log"))
    with disk_errors(layout.logs), (layout.logs / f"{part}.out").open("wb") as out:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=layout.folder,
            # A Ctrl-C or a closed terminal reaches the group of the terminal, not this one.
            start_new_session=True,
        )
    _children.append(child)
    process = psutil.Process(child.pid)
    started(process)
    try:
        write_record(layout, Record(part, process.pid, process.create_time(), settings))
    except BaseException:
        end([process], patience=0)
        raise
    return process


def end(processes: Iterable[psutil.Process], patience: float = 15.0) -> list[int]:
    """End processes and their children, politely and then not; return the ids that were killed."""
    everyone: list[psutil.Process] = []
    for process in processes:
        try:
            everyone += [process, *process.children(recursive=True)]
        except psutil.Error:
            everyone.append(process)
    if patience > 0:
        for process in everyone:
            _send(process.terminate)
        _, alive = psutil.wait_procs(everyone, timeout=patience)
    else:
        alive = everyone
    for process in alive:
        _send(process.kill)
    psutil.wait_procs(alive, timeout=10)
    return [process.pid for process in alive]


def _send(signal: Callable[[], None]) -> None:
    with suppress(psutil.NoSuchProcess):
        signal()


def wait_until(
    condition: Callable[[], bool],
    timeout: float,
    alive: Callable[[], None] = lambda: None,
) -> bool:
    """Ask `condition` until it holds or `timeout` seconds are over; `alive` may raise."""
    deadline = time.monotonic() + timeout
    while True:
        if condition():
            return True
        alive()
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)


def tail(path: Path, lines: int = 20) -> list[str]:
    """Return the last lines of a log; empty where there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 400 * max(lines, 20)))
            return stream.read().decode("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        return []
