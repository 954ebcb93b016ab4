"""Start, mend and stop the embedded broker and cluster of one project folder."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from workbench.config import Settings
from workbench.errors import StackError, UsageError
from workbench.stack import flink, kafka
from workbench.stack.class_sharing import shared_classes
from workbench.stack.endpoints import flink_address, read_ports
from workbench.stack.files import (
    MAKE_ROOM,
    Layout,
    check_free_space,
    check_own_folder,
    is_full,
    remove,
    write_atomic,
)
from workbench.stack.flink_home import ensure_flink_home, shared_class_path
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
from workbench.stack.lock import Signals, locked
from workbench.stack.ports import is_free, settle
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


def _explain_death(layout: Layout, part: str) -> StackError:
    files = [layout.logs / f"{part}{suffix}" for suffix in (".log", ".out")]
    out = [line for file in files for line in tail(file, 40)]
    if is_full(layout.folder, out):
        return StackError(f"{part} ended: the disk of {layout.folder} is full", hint=MAKE_ROOM)
    telling = [line for line in out if "ERROR" in line or "Exception" in line or "rror:" in line]
    said = (telling or out or ["nothing in its log"])[-1].strip()
    return StackError(
        f"{part} ended while starting: {said}",
        hint=f"see `workbench stack logs {part}`",
    )


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@dataclass
class _Run:
    """One `up` at work."""

    missing: list[str]
    running: dict[str, psutil.Process]
    #: None where the cluster is not ours.
    home: Path | None
    guard: Guard
    signals: Signals
    progress: Progress
    #: What this `up` has started, and ends again if it cannot finish.
    started: dict[str, psutil.Process] = field(default_factory=dict)

    def watch(self, part: str, process: psutil.Process) -> None:
        self.started[part] = process
        self.guard.watch(process)


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
        UsageError
            Where nothing is embedded, or the folder is somebody else's.
        """
        wanted = wanted_parts(self.settings)
        if not wanted:
            raise UsageError(
                "kafka.bootstrap_servers and flink.rest_url are both set: nothing is embedded",
                hint="remove one of them to have it run here",
            )
        self._check_folder()
        signals = Signals()
        with signals.watched(), locked(self.layout, progress) as lock:
            check_free_space(self.layout.folder)
            home = None
            if flink.JOBMANAGER in wanted:
                home = ensure_flink_home(self.settings, progress=progress)
                self._end_surplus(wanted, progress)
            found = {part: find(self.layout, part) for part in wanted}
            running = {part: process for part, process in found.items() if process}
            self._end_broken(running, home, progress)
            missing = [part for part in wanted if part not in running]
            if missing:
                with guarded(lock) as guard:
                    self._start(_Run(missing, running, home, guard, signals, progress))
            return self.status()

    def _check_folder(self) -> None:
        """Refuse a folder that a purge could not tell from what the user keeps there."""
        check_own_folder(self.layout.folder, "stack.folder", self.settings.project)
        # Hidden files are let be: a .gitignore is no reason to refuse.
        others = [path.name for path in self.layout.others() if not path.name.startswith(".")]
        if others and not self.layout.is_ours:
            raise UsageError(
                f"stack.folder {self.layout.folder} holds {others[0]}, which is not of a stack",
                hint="set stack.folder to a new or an empty folder",
            )

    def _end_surplus(self, wanted: Collection[str], progress: Progress) -> None:
        """End TaskManagers above the number that is wanted; their jobs go on in the others."""
        for part in flink.TASKMANAGERS:
            process = None if part in wanted else find(self.layout, part)
            if process is not None:
                progress(f"{part} (pid {process.pid}) is one more than stack.taskmanagers: ending")
                end([process])
                forget(self.layout, part)

    def _end_broken(
        self, running: dict[str, psutil.Process], home: Path | None, progress: Progress
    ) -> None:
        """End what cannot be used as it is, and take it out of `running`."""
        ports = read_ports(self.layout)
        why: dict[str, str] = {}
        if not ports:
            why = dict.fromkeys(running, "has an unknown address")
        elif flink.JOBMANAGER not in running and not is_free(ports.get("flink_rpc", 0)):
            why |= dict.fromkeys(flink.TASKMANAGERS, "looks for a JobManager whose port is taken")
        if flink.JOBMANAGER in running and ports and home != flink.home_of(running):
            if flink.running_jobs(flink_address(ports)):
                progress("the cluster runs on older jars or functions than the project has now")
            else:
                older = "runs on older jars or functions"
                why |= dict.fromkeys((flink.JOBMANAGER, *flink.TASKMANAGERS), older)
        for part in [part for part in PARTS if part in running]:
            reason = why.get(part)
            # Without a JobManager the TaskManager cannot answer; it will register by itself.
            waits = part in flink.TASKMANAGERS and flink.JOBMANAGER not in running
            if reason is None and (waits or self._comes_round(part, running[part], ports)):
                continue
            process = running.pop(part)
            reason = reason or "does not answer"
            progress(f"{part} (pid {process.pid}) {reason}: it is started anew")
            end([process], patience=5)

    def _comes_round(self, part: str, process: psutil.Process, ports: dict[str, int]) -> bool:
        """Wait a while for a part that runs: it may just be starting."""

        def ready() -> bool:
            return answers(part, ports, process)

        def over() -> bool:
            return ready() or not process.is_running() or _is_zombie(process)

        old = time.time() - process.create_time() > START_TIMEOUT
        wait_until(over, 8.0 if old else 45.0)
        return ready()

    def _start(self, run: _Run) -> None:
        java = find_java()
        jars = ensure_jars("kafka", progress=run.progress) if kafka.PART in run.missing else []
        ports = self._settle_ports(run.running)
        run.progress(f"starting {', '.join(run.missing)} (Java {java.version}, {java.source})")
        try:
            self._launch(run, ports, java, jars)
            self._wait(run, ports)
        except BaseException:
            end(run.started.values(), patience=5)
            for part in run.missing:
                forget(self.layout, part)
            raise

    def _settle_ports(self, running: dict[str, psutil.Process]) -> dict[str, int]:
        stack = self.settings.stack
        services = {"kafka": stack.kafka_port, "kafka_controller": 0}
        services |= {"flink_rest": stack.flink_rest_port, "flink_rpc": 0}
        if stack.kafka_advertised_port:
            services["kafka_internal"] = 0
        kept = read_ports(self.layout)
        in_use = set()
        if kafka.PART in running:
            in_use |= {"kafka", "kafka_controller", "kafka_internal"} & set(kept)
        if flink.JOBMANAGER in running:
            in_use |= {"flink_rest", "flink_rpc"}
        elif any(part in running for part in flink.TASKMANAGERS):
            # A TaskManager that outlived its JobManager looks for it where it was.
            services["flink_rpc"] = kept["flink_rpc"]
        wanted = wanted_parts(self.settings)
        names = [n for n in services if kafka.PART in wanted or not n.startswith("kafka")]
        names = [n for n in names if flink.JOBMANAGER in wanted or not n.startswith("flink")]
        ports = settle(
            {name: services[name] for name in names},
            kept,
            frozenset(in_use) & set(names),
        )
        write_atomic(self.layout.state, json.dumps({"ports": ports}, indent=2) + "\n")
        return ports

    def _launch(self, run: _Run, ports: dict[str, int], java: Java, jars: list[Path]) -> None:
        """Start all of them at once; the broker's storage is formatted meanwhile."""
        settings, layout = self.settings, self.layout
        fingerprint = settings_fingerprint(settings)

        def launch(part: str, command: list[str], environment: dict[str, str]) -> None:
            with run.signals.hold():
                spawn(
                    layout,
                    part,
                    command,
                    environment,
                    fingerprint,
                    started=lambda process: run.watch(part, process),
                )

        cluster = [part for part in run.missing if part != kafka.PART]
        if cluster and run.home:
            flink.prepare(settings, layout, ports, run.home)
            environment = flink.environment(settings, layout, run.home)
            shared = shared_classes(java, shared_class_path(run.home), run.progress)
            for part in cluster:
                launch(part, flink.command(settings, layout, java, part, shared), environment)
        if kafka.PART in run.missing:
            command = kafka.prepare(settings, layout, ports, java, jars)
            launch(kafka.PART, command, kafka.environment(jars))

    def _wait(self, run: _Run, ports: dict[str, int]) -> None:
        began = time.monotonic()
        what = {
            kafka.PART: "broker answers",
            flink.JOBMANAGER: "cluster answers",
            **dict.fromkeys(flink.TASKMANAGERS, f"{self.settings.stack.slots} slots are there"),
        }
        # Also what ran before: a TaskManager registers with a new JobManager.
        pending = {**run.running, **run.started}
        managers = [process for part, process in pending.items() if part in flink.TASKMANAGERS]

        def ready(part: str, process: psutil.Process) -> bool:
            if not answers(part, ports, process):
                return False
            if part not in flink.TASKMANAGERS:
                return True
            # Asked each time: a process that is just being started has no command line yet.
            alive = {flink.resource_id(manager) for manager in managers}
            # A killed TaskManager stays registered for some seconds, and its slots with it.
            return flink.registered(flink_address(ports)) <= alive

        while pending:
            for part, process in list(pending.items()):
                if not process.is_running() or _is_zombie(process):
                    raise _explain_death(self.layout, part)
                if ready(part, process):
                    run.progress(f"  {what[part]} ({time.monotonic() - began:.1f} s)")
                    del pending[part]
            if pending and time.monotonic() - began > START_TIMEOUT:
                late = next(iter(pending))
                raise StackError(
                    f"{late} did not answer within {START_TIMEOUT:.0f} s",
                    hint=f"see `workbench stack logs {late}`; is the machine overloaded?",
                )
            if pending:
                time.sleep(0.1)

    def down(self, progress: Progress = lambda _: None) -> list[str]:
        """End all parts; data, checkpoints and ports stay. Return the parts that were ended."""
        if not self.layout.is_ours:
            return []
        with locked(self.layout, progress):
            return self._down(progress)

    def _down(self, progress: Progress) -> list[str]:
        # Also parts that settings have since moved elsewhere, and a broken-off formatting.
        found = {part: find(self.layout, part) for part in (*PARTS, "kafka-format")}
        running = {part: process for part, process in found.items() if process}
        ports = read_ports(self.layout)
        jobs = flink.running_jobs(flink_address(ports)) if flink.JOBMANAGER in running else 0
        if jobs:
            progress(f"{jobs} running jobs end with the cluster; their last checkpoints are kept")
        if running:
            progress(f"ending {', '.join(running)}")
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda process: end([process]), running.values()))
        for part in found:
            forget(self.layout, part)
        return list(running)

    def purge(self, progress: Progress = lambda _: None) -> list[Path]:
        """End all parts and remove topics, checkpoints, savepoints and logs.

        What the workbench did not put into the folder stays, and so does the lake
        (`lake.warehouse`), which lies elsewhere.

        Returns
        -------
        list of Path
            What was in the folder beside the stack, and stays.

        Raises
        ------
        UsageError
            Where the folder is the project, the home folder or above one of them.
        """
        layout = self.layout
        check_own_folder(layout.folder, "stack.folder", self.settings.project)
        if not layout.is_ours:
            return layout.others()
        with locked(layout, progress):
            self._down(progress)
            for path in layout.belongings():
                remove(path)
            others = layout.others()
            if not others:
                layout.marker.unlink()
            layout.lock.unlink()
        # Another command may have begun to use it.
        with suppress(OSError):
            layout.folder.rmdir()
        return others

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
