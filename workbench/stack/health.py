"""What each part of the stack does right now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import psutil

from workbench.config import Settings
from workbench.stack import flink, kafka
from workbench.stack.endpoints import flink_address, kafka_address, read_ports
from workbench.stack.files import Layout
from workbench.stack.processes import find, read_record

State = Literal["running", "unhealthy", "dead", "down", "external"]
PARTS = (kafka.PART, flink.JOBMANAGER, *flink.TASKMANAGERS)


@dataclass(frozen=True)
class PartStatus:
    """One part of the stack.

    ``down`` was ended in order or never started; ``dead`` ended by itself or was killed;
    ``unhealthy`` runs but does not answer; ``external`` is configured and not ours to run.
    """

    part: str
    state: State
    #: Address for clients; the JobManager's is also the web page.
    address: str = ""
    pid: int | None = None
    since: datetime | None = None
    #: Resident memory in MiB, children (Python workers) included.
    memory_mb: int | None = None
    #: What a person should know, empty where all is well.
    note: str = ""


@dataclass(frozen=True)
class StackStatus:
    """All parts, in the order in which they are started."""

    parts: tuple[PartStatus, ...]

    @property
    def healthy(self) -> bool:
        return all(part.state in ("running", "external") for part in self.parts)

    @property
    def down(self) -> bool:
        """Nothing of ours runs, and nothing ended without being told to."""
        return all(part.state in ("down", "external") for part in self.parts)

    def part(self, name: str) -> PartStatus:
        return next(part for part in self.parts if part.part == name)


def settings_fingerprint(settings: Settings) -> str:
    """Return what decides how the processes are started."""
    # One TaskManager more or less changes nothing about the others.
    return settings.stack.model_dump_json(exclude={"taskmanagers"})


def wanted_parts(settings: Settings) -> tuple[str, ...]:
    """Return the parts that the embedded stack runs; configured addresses replace them."""
    parts: list[str] = []
    if settings.kafka.bootstrap_servers is None:
        parts.append(kafka.PART)
    if settings.flink.rest_url is None:
        parts += [flink.JOBMANAGER, *flink.taskmanagers(settings)]
    return tuple(parts)


def answers(part: str, ports: dict[str, int], process: psutil.Process) -> bool:
    """Say whether a part does its work: metadata, REST, this TaskManager registered."""
    if part == kafka.PART:
        return kafka.answers(kafka_address(ports))
    if part == flink.JOBMANAGER:
        return flink.ask(flink_address(ports), "/overview") is not None
    return flink.resource_id(process) in flink.registered(flink_address(ports))


def resident_mb(process: psutil.Process) -> int:
    """Return the resident memory of a process and its children in MiB."""
    total = 0
    try:
        for member in (process, *process.children(recursive=True)):
            try:
                total += member.memory_info().rss
            except psutil.Error:
                continue
    except psutil.Error:
        pass
    return total // 2**20


DEAD = {
    kafka.PART: "ended by itself or was killed; its data is kept, `workbench stack up` mends it",
    flink.JOBMANAGER: (
        "ended by itself or was killed, and its jobs with it (checkpoints are kept); "
        "`workbench stack up`, then submit the jobs again"
    ),
    **dict.fromkeys(
        flink.TASKMANAGERS,
        "ended by itself or was killed; jobs wait for it or go on in another one, "
        "`workbench stack up` mends it",
    ),
}


def _part(settings: Settings, layout: Layout, ports: dict[str, int], part: str) -> PartStatus:
    address = ""
    if ports:
        address = {
            kafka.PART: kafka_address(ports) if "kafka" in ports else "",
            flink.JOBMANAGER: flink_address(ports) if "flink_rest" in ports else "",
        }.get(part, "")
    process = find(layout, part)
    record = read_record(layout, part)
    if process is None:
        if record is None:
            return PartStatus(part, "down")
        return PartStatus(part, "dead", address, note=DEAD[part])
    try:
        since = datetime.fromtimestamp(process.create_time(), UTC)
    except psutil.NoSuchProcess:
        return PartStatus(part, "dead", address, note=DEAD[part])
    memory = resident_mb(process)
    if part in flink.TASKMANAGERS and find(layout, flink.JOBMANAGER) is None:
        note = "waits for a JobManager"
        return PartStatus(part, "unhealthy", address, process.pid, since, memory, note)
    if not ports or not answers(part, ports, process):
        note = "runs but does not answer; `workbench stack up` waits for it, then restarts it"
        return PartStatus(part, "unhealthy", address, process.pid, since, memory, note)
    note = ""
    if record and record.settings and record.settings != settings_fingerprint(settings):
        note = "started with other settings; `workbench stack down` and `up` apply the new ones"
    return PartStatus(part, "running", address, process.pid, since, memory, note)


def stack_status(settings: Settings) -> StackStatus:
    """Return what runs, where, since when and with how much memory."""
    layout = Layout(settings.stack_folder)
    ports = read_ports(layout)
    wanted = wanted_parts(settings)
    out = []
    for part in PARTS:
        if part in wanted:
            out.append(_part(settings, layout, ports, part))
        elif part not in flink.TASKMANAGERS[1:]:
            address = (
                settings.kafka.bootstrap_servers if part == kafka.PART else settings.flink.rest_url
            )
            out.append(PartStatus(part, "external", address or ""))
    return StackStatus(tuple(out))
