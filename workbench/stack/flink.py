"""The embedded cluster: a real JobManager and real TaskManager processes on loopback."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import psutil

from workbench.config import Settings
from workbench.stack.files import Layout, write_atomic
from workbench.stack.flink_home import (
    JAVA_17_OPTIONS,
    UTC,
    class_path,
    common_configuration,
    flat_yaml,
    home_environment,
)
from workbench.stack.java import Java
from workbench.stack.ports import HOST
from workbench.stack.processes import markers

JOBMANAGER = "jobmanager"
#: The TaskManagers there may be, each a part of its own.
TASKMANAGERS = ("taskmanager", "taskmanager-2")
RESOURCE_ID = "taskmanager.resource-id="

# MiB of the TaskManager beside its heap and its managed memory. Eight jobs with Iceberg sinks and
# exactly-once producers ran in this; Flink derives it from a total size where its scripts are used.
FRAMEWORK_HEAP = 128
FRAMEWORK_OFF_HEAP = 128
NETWORK = 128
METASPACE = 384
OVERHEAD = 128


def configuration(
    settings: Settings, layout: Layout, ports: dict[str, int]
) -> dict[str, str | int]:
    """Return the cluster's ``config.yaml`` as flat keys."""
    stack = settings.stack
    return {
        **common_configuration(layout),
        "jobmanager.rpc.address": HOST,
        "jobmanager.bind-host": HOST,
        "jobmanager.rpc.port": ports["flink_rpc"],
        "jobmanager.memory.heap.size": f"{stack.jobmanager_heap_mb}m",
        "jobmanager.execution.failover-strategy": "region",
        "rest.address": HOST,
        "rest.bind-address": HOST,
        "rest.port": ports["flink_rest"],
        "rest.bind-port": str(ports["flink_rest"]),
        "taskmanager.host": HOST,
        "taskmanager.bind-host": HOST,
        "taskmanager.numberOfTaskSlots": stack.slots,
        # Jobs in both of two: each has its classes loaded and compiled when the other dies.
        "taskmanager.load-balance.mode": "SLOTS",
        "taskmanager.cpu.cores": 2,
        "taskmanager.memory.framework.heap.size": f"{FRAMEWORK_HEAP}m",
        "taskmanager.memory.framework.off-heap.size": f"{FRAMEWORK_OFF_HEAP}m",
        "taskmanager.memory.task.heap.size": f"{stack.taskmanager_heap_mb - FRAMEWORK_HEAP}m",
        "taskmanager.memory.task.off-heap.size": "0",
        "taskmanager.memory.network.min": f"{NETWORK}m",
        "taskmanager.memory.network.max": f"{NETWORK}m",
        "taskmanager.memory.managed.size": f"{stack.taskmanager_managed_mb}m",
        "taskmanager.memory.jvm-metaspace.size": f"{METASPACE}m",
        "taskmanager.memory.jvm-overhead.min": f"{OVERHEAD}m",
        "taskmanager.memory.jvm-overhead.max": f"{OVERHEAD}m",
        # Started together with the JobManager, the TaskManager would ask again only after 10 s.
        "cluster.registration.error-delay": "500 ms",
        # A killed TaskManager is noticed once two heartbeats in a row find nobody: in 20 s, by
        # default. One that is only slow is given up after the timeout.
        "heartbeat.interval": "1000 ms",
        "heartbeat.timeout": "10000 ms",
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": "200 ms",
        "restart-strategy.exponential-delay.max-backoff": "30 s",
        "web.tmpdir": str(layout.flink_tmp),
        # The state of a job over REST is at most this old; the default of 3 s makes waiting slow.
        "web.refresh-interval": "500 ms",
        # So are the counts of `jobs status`; the default of 10 s shows a job as idle that is not.
        "metrics.fetcher.update-interval": "1 s",
        # Finished jobs stay visible for a day, but do not pile up.
        "jobstore.expiration-time": 86_400,
        "jobstore.max-capacity": 200,
    }


def prepare(settings: Settings, layout: Layout, ports: dict[str, int], home: Path) -> None:
    """Write the cluster's configuration."""
    conf = layout.flink_conf
    write_atomic(conf / "config.yaml", flat_yaml(configuration(settings, layout, ports)))
    for name in ("log4j-console.properties", "log4j.properties"):
        write_atomic(conf / name, (home / "conf" / name).read_text())


def _command(layout: Layout, java: Java, part: str, options: list[str], main: str) -> list[str]:
    return [
        java.executable,
        *options,
        *("-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", UTC),
        *JAVA_17_OPTIONS.split(),
        f"-Djava.io.tmpdir={layout.flink_tmp}",
        f"-Dlog.file={layout.logs / part}.log",
        f"-Dlog4j.configurationFile={layout.flink_conf / 'log4j-console.properties'}",
        *markers(layout, part),
        main,
        *("--configDir", str(layout.flink_conf)),
    ]


def _jobmanager_options(settings: Settings) -> list[str]:
    heap = settings.stack.jobmanager_heap_mb
    # It does little for long: code that is compiled once and quickly is enough.
    compiler = "-XX:TieredStopAtLevel=1"
    return [f"-Xms{min(heap, 256)}m", f"-Xmx{heap}m", "-XX:MaxMetaspaceSize=256m", compiler]


def taskmanagers(settings: Settings) -> tuple[str, ...]:
    """Return the TaskManagers of these settings.

    Examples
    --------
    >>> taskmanagers(Settings())
    ('taskmanager',)
    """
    return TASKMANAGERS[: settings.stack.taskmanagers]


def _taskmanager_options(settings: Settings) -> list[str]:
    """The memory parts of a TaskManager are in the configuration."""
    heap = settings.stack.taskmanager_heap_mb
    return [
        *(f"-Xms{min(heap, 512)}m", f"-Xmx{heap}m"),
        f"-XX:MaxDirectMemorySize={FRAMEWORK_OFF_HEAP + NETWORK}m",
        f"-XX:MaxMetaspaceSize={METASPACE}m",
    ]


def command(
    settings: Settings, layout: Layout, java: Java, part: str, shared: list[str]
) -> list[str]:
    """Return the command of a part of the cluster; `shared` are options of class-data sharing."""
    if part == JOBMANAGER:
        main = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
        return _command(layout, java, part, [*_jobmanager_options(settings), *shared], main)
    main = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
    options = [*_taskmanager_options(settings), *shared]
    # A name of its own for each start: the JobManager remembers a killed one for some seconds.
    name = f"{RESOURCE_ID}{part}-{uuid.uuid4().hex[:8]}"
    return [*_command(layout, java, part, options, main), "-D", name]


def environment(settings: Settings, layout: Layout, home: Path) -> dict[str, str]:
    """Return the variables of both processes."""
    return {
        **os.environ,
        **home_environment(settings, home),
        "FLINK_CONF_DIR": str(layout.flink_conf),
        "CLASSPATH": os.pathsep.join(map(str, class_path(home))),
    }


def ask(rest_url: str, path: str, timeout: float = 2.0) -> Any:
    """Return the answer of a GET of Flink's REST interface; None where nothing answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{rest_url}{path}", timeout=timeout) as answer:
            return json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return None


def resource_id(process: psutil.Process) -> str | None:
    """Return the name a TaskManager process was started under."""
    try:
        arguments = process.cmdline()
    except psutil.Error:
        return None
    return next((a.removeprefix(RESOURCE_ID) for a in arguments if a.startswith(RESOURCE_ID)), None)


def part_of(name: str) -> str:
    """Return the part whose process has a name in the cluster: each start has one of its own.

    Examples
    --------
    >>> part_of("taskmanager-2-0f31ab8c")
    'taskmanager-2'
    """
    return name.rpartition("-")[0]


def registered(rest_url: str) -> set[str]:
    """Return the names of the TaskManagers that the JobManager believes to have."""
    answer = ask(rest_url, "/taskmanagers") or {}
    return {str(manager["id"]) for manager in answer.get("taskmanagers", [])}


def running_jobs(rest_url: str) -> int:
    """Return how many jobs have not ended; 0 where nobody answers."""
    overview = ask(rest_url, "/jobs/overview") or {}
    ended = {"FINISHED", "CANCELED", "FAILED"}
    return sum(job.get("state") not in ended for job in overview.get("jobs", []))


def home_of(running: dict[str, psutil.Process]) -> Path | None:
    """Return the FLINK_HOME that the running cluster was started with."""
    try:
        return Path(running[JOBMANAGER].environ()["FLINK_HOME"])
    except (psutil.Error, KeyError):
        return None
