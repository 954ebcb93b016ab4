"""What is missing or wrong on this machine and in this project folder, with a fix for each."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from workbench.config import Settings
from workbench.errors import WorkbenchError
from workbench.provenance import hide_in_text
from workbench.stack.files import CHECKOUT, MINIMUM_FREE_BYTES, free_bytes

State = Literal["ok", "note", "warn", "fail"]

#: What the stack takes with a few jobs running, and what a report needs beside it, in MiB.
COMFORTABLE_MEMORY_MB = 3072
#: A market day with its checkpoints and logs fits in this.
COMFORTABLE_DISK_BYTES = 5 << 30


@dataclass(frozen=True)
class Check:
    """One line of the doctor. ``note`` is no problem, ``warn`` may become one, ``fail`` is one."""

    name: str
    state: State
    message: str
    fix: str = ""


def _python(settings: Settings) -> Iterator[Check]:
    del settings
    version = sys.version.split()[0]
    if (3, 11) <= sys.version_info[:2] <= (3, 12):
        yield Check("python", "ok", f"{version} in {sys.prefix}")
    else:
        yield Check("python", "fail", f"{version} is not 3.11 or 3.12", "make PYTHON=... setup")


def locked_versions(lock: Path) -> dict[str, str]:
    """Return the version of each package that the lock names for this machine."""
    from packaging.markers import Marker

    versions = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        found = re.match(r"^([A-Za-z0-9._-]+)==(\S+)(?:\s*;\s*(.+?))?\s*\\?$", line)
        if found and (found[3] is None or Marker(found[3]).evaluate()):
            versions[found[1]] = found[2]
    return versions


def _packages(settings: Settings) -> Iterator[Check]:
    del settings
    lock = CHECKOUT / "requirements.lock"
    if not lock.is_file():
        yield Check("packages", "fail", f"{lock} is missing", "run from a complete checkout")
        return
    locked = locked_versions(lock)
    wrong = []
    for name, version in locked.items():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed = "missing"
        if installed != version:
            wrong.append(f"{name} {installed} (locked {version})")
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        yield Check("packages", "fail", "; ".join(wrong[:3]) + more, "make setup")
    else:
        yield Check("packages", "ok", f"{len(locked)} packages as in requirements.lock")


def _java(settings: Settings) -> Iterator[Check]:
    del settings
    from workbench.stack.java import find_java

    java = find_java()
    yield Check("java", "ok", f"{java.version} in {java.home} (from {java.source})")


def _jars(settings: Settings) -> Iterator[Check]:
    from workbench.stack.functions import functions_jar
    from workbench.stack.jars import check_all, read_lock

    jars = read_lock()
    problems = check_all(jars)
    for problem in problems:
        yield Check("jars", "fail", problem, "make setup")
    if not problems:
        yield Check("jars", "ok", f"{len(jars)} jars have the locked SHA-256")
        compiled = functions_jar(settings)
        if compiled:
            yield Check("functions", "ok", f"compiled: {compiled.name}")


def _ports(settings: Settings) -> Iterator[Check]:
    from workbench.stack.endpoints import read_ports
    from workbench.stack.files import Layout
    from workbench.stack.ports import holder, is_free
    from workbench.stack.processes import recorded

    layout = Layout(settings.stack_folder)
    kept = read_ports(layout)
    for name, part, port in (
        ("kafka", "kafka", settings.stack.kafka_port),
        ("flink_rest", "jobmanager", settings.stack.flink_rest_port),
    ):
        if not port:
            yield Check("ports", "ok", f"stack.{name}_port is chosen free at `workbench stack up`")
        elif is_free(port) or (kept.get(name) == port and recorded(layout, part) is not None):
            yield Check("ports", "ok", f"stack.{name}_port {port} is ours to use")
        else:
            taken = f"port {port} is taken by {holder(port)}"
            yield Check("ports", "fail", taken, f"end it, or set stack.{name}_port to 0")


def _obstacle(folder: Path) -> str:
    """Why nothing can be written in `folder`, which need not exist yet; empty where it can."""
    try:
        while not folder.exists():
            folder = folder.parent
        # Only making something tells: root may write everywhere, but not in /proc.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".workbench-doctor-"):
            return ""
    except OSError as error:
        return f"{folder}: {error.strerror}"


def _disk(settings: Settings) -> Iterator[Check]:
    for name, folder, setting in (
        ("stack", settings.stack_folder, "stack.folder"),
        ("warehouse", settings.warehouse, "lake.warehouse"),
    ):
        if obstacle := _obstacle(folder):
            message = f"the {name} cannot be written in {folder} ({obstacle})"
            yield Check("disk", "fail", message, f"choose another folder in {setting}")
            continue
        free = free_bytes(folder)
        state: State = "ok"
        if free < COMFORTABLE_DISK_BYTES:
            state = "fail" if free < MINIMUM_FREE_BYTES else "warn"
        fix = "" if state == "ok" else f"make room, or move it: {name} lies in {folder}"
        yield Check("disk", state, f"{free / 2**30:.1f} GiB are free for the {name}", fix)


def _memory(settings: Settings) -> Iterator[Check]:
    import psutil

    from workbench.stack.health import stack_status

    available = psutil.virtual_memory().available // 2**20
    ours = sum(part.memory_mb or 0 for part in stack_status(settings).parts)
    if available + ours >= COMFORTABLE_MEMORY_MB:
        yield Check("memory", "ok", f"{available} MiB are available, the stack holds {ours} MiB")
    else:
        fix = "end other programs, or lower stack.taskmanager_heap_mb and stack.kafka_heap_mb"
        yield Check("memory", "warn", f"only {available} MiB are available", fix)


def _catalog(settings: Settings) -> Iterator[Check]:
    from workbench.lake import catalog as lake

    if lake.is_embedded(settings) and not lake.catalog_file(settings).is_file():
        where = lake.catalog_file(settings)
        if _obstacle(settings.warehouse):
            message = f"cannot be made: {where}"
            yield Check("catalog", "fail", message, "choose another folder in lake.warehouse")
            return
        yield Check("catalog", "note", f"not made yet: {where}", "workbench tables apply")
        return
    catalog = lake.load_catalog(settings, create=False)
    tables = [name for space in catalog.list_namespaces() for name in catalog.list_tables(space)]
    yield Check("catalog", "ok", f"{settings.lake.catalog}: {len(tables)} tables")


def _duckdb(settings: Settings) -> Iterator[Check]:
    from workbench.lake.database import connect

    connect(settings).close()
    bounds = settings.duckdb
    sizes = f"{bounds.memory_limit} of memory, {bounds.max_temp_directory_size} of disk"
    yield Check("duckdb", "ok", f"a session may take {sizes}")


def _client_properties(settings: Settings) -> dict[str, str]:
    properties = dict(settings.kafka.properties)
    if settings.kafka.password is not None:
        properties["sasl.password"] = settings.kafka.password.get_secret_value()
    return properties


def _stack(settings: Settings) -> Iterator[Check]:
    from workbench.stack import flink, kafka
    from workbench.stack.health import stack_status

    status = stack_status(settings)
    for part in status.parts:
        name = "broker" if part.part == "kafka" else "cluster"
        if part.state == "external":
            if part.part == "taskmanager":
                continue
            reached = (
                kafka.answers(part.address, 5.0, _client_properties(settings))
                if part.part == "kafka"
                else flink.ask(part.address.rstrip("/"), "/overview", 5.0) is not None
            )
            key = "kafka.bootstrap_servers" if part.part == "kafka" else "flink.rest_url"
            if reached:
                yield Check(name, "ok", f"{part.address} answers ({key})")
            else:
                yield Check(name, "fail", f"{part.address} does not answer", f"check {key}")
        elif part.state == "down":
            fix = "workbench stack up" if status.down else "workbench stack up, which mends it"
            state: State = "note" if status.down else "fail"
            yield Check(name, state, f"{part.part} is not running", fix)
        elif part.state == "running":
            where = f"{part.part} {part.address}".strip()
            yield Check(name, "warn" if part.note else "ok", f"{where} answers", part.note)
        else:
            message = f"{part.part} is {part.state}: {part.note.partition(';')[0]}"
            yield Check(name, "fail", message, "workbench stack up")


CHECKS: dict[str, Callable[[Settings], Iterator[Check]]] = {
    "python": _python,
    "packages": _packages,
    "java": _java,
    "jars": _jars,
    "ports": _ports,
    "disk": _disk,
    "memory": _memory,
    "duckdb": _duckdb,
    "catalog": _catalog,
    "stack": _stack,
}


#: Checks that need no settings.
MACHINE_CHECKS = ("python", "packages", "java")


def examine(settings: Settings | WorkbenchError) -> Iterator[Check]:
    """Yield one line per thing that was looked at, as it is found.

    Parameters
    ----------
    settings
        The settings in force, or why there are none: then only the machine is looked at.

    A check that cannot be made is a line too: one broken part never hides the others.

    Examples
    --------
    >>> from workbench.config import load_settings
    >>> next(examine(load_settings())).name
    'python'
    """
    names = tuple(CHECKS)
    if isinstance(settings, WorkbenchError):
        yield Check("settings", "fail", settings.message, settings.hint or "")
        settings, names = Settings.model_construct(), MACHINE_CHECKS
    for name in names:
        try:
            yield from CHECKS[name](settings)
        except WorkbenchError as error:
            yield Check(name, "fail", error.message, error.hint or "")
        except Exception as error:
            given = {**settings.kafka.properties, **settings.lake.properties}
            said = (hide_in_text(str(error), given).splitlines() or [""])[0]
            yield Check(name, "fail", f"{type(error).__name__}: {said}", "make setup")
