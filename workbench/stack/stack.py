"""Start, mend and stop the embedded broker and cluster of one project folder."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread
from types import FrameType

import psutil

from workbench.config import Settings
from workbench.errors import StackError, UsageError
from workbench.stack import flink, kafka
from workbench.stack.endpoints import read_ports
from workbench.stack.files import Layout, check_free_space, disk_errors, write_atomic
from workbench.stack.flink_home import ensure_flink_home
from workbench.stack.guard import Guard, guarded
from workbench.stack.health import (
    PARTS,
    StackStatus,
    answers,
    settings_fingerprint,
    stack_status,
    wanted_parts,
)
from workbench.stack.jars import Progress, ensure_jars
from workbench.stack.java import Java, find_java
from workbench.stack.ports import settle
from workbench.stack.processes import (
    end,
    find,
    forget,
    read_record,
    spawn,
    tail,
    wait_until,
)

#: Seconds a part gets to answer. A slow disk and a busy machine included, none took a third of it.
START_TIMEOUT = 120.0
#: Seconds another `up` or `down` in the same folder is waited for.
LOCK_TIMEOUT = 180.0


@contextmanager
def _locked(layout: Layout, progress: Progress) -> Iterator[int]:
    """Hold the folder's lock; one `up` or `down` at a time."""
    layout.make()
    deadline = time.monotonic() + LOCK_TIMEOUT
    told = False
    while True:
        with disk_errors(layout.lock):
            descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A purge removes the file: the lock of a removed file keeps nobody else out.
            if layout.lock.exists() and os.path.samestat(
                os.fstat(descriptor), os.stat(layout.lock)
            ):
                break
            layout.make()
        except BlockingIOError:
            if not told:
                progress(
                    "another `workbench stack` command works in this folder; waiting for it"
                )
                told = True
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise StackError(
                f"another `workbench stack` command has held {layout.lock} for {LOCK_TIMEOUT:.0f} s",
                hint="see what it does, or end it, and try again",
            )
        time.sleep(0.2)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class _Stopped(KeyboardInterrupt):
    """A signal asked us to stop; unwinds like Ctrl-C does."""


@contextmanager
def _stopping_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the block like Ctrl-C, so that it cleans up."""
    if current_thread() is not main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        # Once is enough: a second one must not interrupt the cleaning.
        for name in watched:
            signal.signal(name, signal.SIG_IGN)
        raise _Stopped(signal.Signals(number).name)

    watched = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {name: signal.signal(name, stop) for name in watched}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _explain_death(layout: Layout, part: str) -> StackError:
    out = [
        *tail(layout.logs / f"{part}.log", 40),
        *tail(layout.logs / f"{part}.out", 40),
    ]
    if any("No space left on device" in line for line in out):
        return StackError(
            f"{part} ended: the disk of {layout.folder} is full",
            hint="make room, or set stack.folder to a larger disk, then `workbench stack up`",
        )
    telling = [
        line
        for line in out
        if "ERROR" in line or "Exception" in line or "rror:" in line
    ]
    said = (telling or out or ["nothing in its log"])[-1].strip()
    return StackError(
        f"{part} ended while starting: {said}",
        hint=f"see `workbench stack logs {part}`",
    )


class Stack:
    """The embedded stack of a project folder.

    Parameters
    ----------
    settings
        ``stack.*`` says where and how big; parts whose address is configured
        (``kafka.bootstrap_servers``, ``flink.rest_url``) are left out.

    Examples
    --------
    >>> from workbench.config import load_settings
    >>> stack = Stack(load_settings())
    >>> stack.up().healthy  # doctest: +SKIP
    True
    >>> stack.down()  # doctest: +SKIP
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.layout = Layout(settings.stack_folder)

    def status(self) -> StackStatus:
        """Return what runs, where, since when and with how much memory."""
        return stack_status(self.settings)

    def up(self, progress: Progress = lambda _: None) -> StackStatus:
        """Start what does not run, mend what does not answer, wait until all of it answers.

        Whatever ends this call early (an error, Ctrl-C, a signal, even ``kill -9``) ends what
        it had started; what ran before goes on.

        Raises
        ------
        StackError
            Where a part cannot be started; says which and why.
        """
        wanted = wanted_parts(self.settings)
        if not wanted:
            raise UsageError(
                "kafka.bootstrap_servers and flink.rest_url are both set: nothing is embedded",
                hint="remove one of them to have it run here",
            )
        with _stopping_signals(), _locked(self.layout, progress) as lock:
            check_free_space(self.layout.folder)
            found = {part: find(self.layout, part) for part in wanted}
            running = {part: process for part, process in found.items() if process}
            ports = read_ports(self.layout)
            if ports:
                self._end_unhealthy(running, ports, progress)
            else:
                # Nobody knows where these listen.
                end(running.values())
                running.clear()
            missing = [part for part in wanted if part not in running]
            if missing:
                with guarded(lock) as guard:
                    self._start(missing, running, guard, progress)
            return self.status()

    def _end_unhealthy(
        self,
        running: dict[str, psutil.Process],
        ports: dict[str, int],
        progress: Progress,
    ) -> None:
        """Give what runs without answering a while (it may just be starting), then end it."""
        for part in [p for p in PARTS if p in running]:
            if part == flink.TASKMANAGER and flink.JOBMANAGER not in running:
                continue  # It has nobody to register with yet, and will by itself.
            process = running[part]

            def gone(process: psutil.Process = process) -> bool:
                return (
                    not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
                )

            def ready(part: str = part) -> bool:
                return answers(part, ports, self.settings.stack.slots)

            patience = (
                5.0 if time.time() - process.create_time() > START_TIMEOUT else 45.0
            )
            wait_until(lambda: ready() or gone(), patience)
            if gone() or not ready():
                progress(
                    f"{part} (pid {process.pid}) does not answer; it is started anew"
                )
                end([process], patience=5)
                del running[part]

    def _start(
        self,
        missing: list[str],
        running: dict[str, psutil.Process],
        guard: Guard,
        progress: Progress,
    ) -> None:
        began = time.monotonic()
        java = find_java()
        home = ensure_flink_home(self.settings, progress=progress)
        jars = ensure_jars("kafka", progress=progress) if kafka.PART in missing else []
        ports = self._settle_ports(running)
        started: list[psutil.Process] = []

        def watch(process: psutil.Process) -> None:
            started.append(process)
            guard.watch(process)

        progress(f"starting {', '.join(missing)} (Java {java.version}, {java.source})")
        try:
            self._launch(missing, ports, java, home, jars, watch)
            self._wait(missing, ports, began, progress)
        except BaseException:
            end(started, patience=5)
            for part in missing:
                forget(self.layout, part)
            raise

    def _settle_ports(self, running: dict[str, psutil.Process]) -> dict[str, int]:
        stack = self.settings.stack
        services = {"kafka": stack.kafka_port, "kafka_controller": 0}
        services |= {"flink_rest": stack.flink_rest_port, "flink_rpc": 0}
        kept = read_ports(self.layout)
        in_use = set()
        if kafka.PART in running:
            in_use |= {"kafka", "kafka_controller"}
        if flink.JOBMANAGER in running:
            in_use |= {"flink_rest", "flink_rpc"}
        elif flink.TASKMANAGER in running:
            # A TaskManager that outlived its JobManager looks for it where it was.
            services["flink_rpc"] = kept["flink_rpc"]
        wanted = wanted_parts(self.settings)
        names = [
            n for n in services if kafka.PART in wanted or not n.startswith("kafka")
        ]
        names = [
            n for n in names if flink.JOBMANAGER in wanted or not n.startswith("flink")
        ]
        ports = settle(
            {name: services[name] for name in names},
            kept,
            frozenset(in_use) & set(names),
        )
        write_atomic(self.layout.state, json.dumps({"ports": ports}, indent=2) + "\n")
        return ports

    def _launch(
        self,
        missing: list[str],
        ports: dict[str, int],
        java: Java,
        home: Path,
        jars: list[Path],
        watch: Callable[[psutil.Process], None],
    ) -> None:
        """Start all of them at once; formatting the broker's storage meanwhile."""
        settings, layout = self.settings, self.layout
        fingerprint = settings_fingerprint(settings)
        commands = {
            flink.JOBMANAGER: flink.jobmanager_command,
            flink.TASKMANAGER: flink.taskmanager_command,
        }
        cluster = [part for part in missing if part in commands]
        if cluster:
            flink.prepare(settings, layout, ports, home)
            environment = flink.environment(settings, layout, home)
            for part in cluster:
                command = commands[part](settings, layout, java)
                spawn(layout, part, command, environment, fingerprint, watch)
        if kafka.PART in missing:
            command = kafka.prepare(settings, layout, ports, java, jars)
            spawn(
                layout, kafka.PART, command, kafka.environment(jars), fingerprint, watch
            )

    def _wait(
        self,
        missing: list[str],
        ports: dict[str, int],
        began: float,
        progress: Progress,
    ) -> None:
        pending = list(missing)
        what = {
            kafka.PART: "broker answers",
            flink.JOBMANAGER: "cluster answers",
            flink.TASKMANAGER: f"{self.settings.stack.slots} slots are there",
        }
        deadline = time.monotonic() + START_TIMEOUT
        while pending:
            for part in list(pending):
                if answers(part, ports, self.settings.stack.slots):
                    progress(f"  {what[part]} ({time.monotonic() - began:.1f} s)")
                    pending.remove(part)
                elif find(self.layout, part) is None:
                    raise _explain_death(self.layout, part)
            if time.monotonic() > deadline:
                raise StackError(
                    f"{pending[0]} did not answer within {START_TIMEOUT:.0f} s",
                    hint=f"see `workbench stack logs {pending[0]}`; is the machine overloaded?",
                )
            if pending:
                time.sleep(0.1)

    def down(self, progress: Progress = lambda _: None) -> list[str]:
        """End all parts; data, checkpoints and ports stay. Return the parts that were ended."""
        if not self.layout.folder.is_dir():
            return []
        with _locked(self.layout, progress):
            return self._down(progress)

    def _down(self, progress: Progress) -> list[str]:
        # Also parts that settings have since moved elsewhere, and a broken-off formatting.
        found = {part: find(self.layout, part) for part in (*PARTS, "kafka-format")}
        running = {part: process for part, process in found.items() if process}
        if running:
            progress(f"ending {', '.join(running)}")
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda process: end([process]), running.values()))
        for part in found:
            forget(self.layout, part)
        return list(running)

    def purge(self, progress: Progress = lambda _: None) -> None:
        """End all parts and remove the folder with topics, checkpoints, savepoints and logs.

        The lake (`lake.warehouse`) lies elsewhere and is left alone.
        """
        if not self.layout.folder.is_dir():
            return
        with _locked(self.layout, progress):
            self._down(progress)
            for entry in self.layout.folder.iterdir():
                if entry == self.layout.lock:
                    continue
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
            self.layout.lock.unlink()
        try:
            self.layout.folder.rmdir()
        except OSError:
            pass  # Another command has begun to use it.

    def logs(self, part: str) -> list[Path]:
        """Return the existing log files of a part: its log and what its process printed."""
        if part not in PARTS:
            raise UsageError(f"no part {part!r}", hint=f"parts: {', '.join(PARTS)}")
        files = [self.layout.logs / f"{part}{suffix}" for suffix in (".log", ".out")]
        return [path for path in files if path.is_file()]

    def started_by(self, part: str) -> int | None:
        """Return the recorded process id of a part, for tests and `doctor`."""
        record = read_record(self.layout, part)
        return record.pid if record else None
