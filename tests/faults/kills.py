"""Ways to hurt a running stack, each at a moment that is known."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil

from workbench.config import Settings
from workbench.lake.catalog import catalog_file
from workbench.lake.locations import local_path
from workbench.stack import Stack
from workbench.stack.files import Layout


def process(stack: Stack, part: str) -> psutil.Process:
    """Return the process of a part."""
    pid = stack.started_by(part)
    assert pid is not None, f"{part} was never started"
    return psutil.Process(pid)


def kill(stack: Stack, part: str) -> None:
    """End a part with SIGKILL and wait until it is gone."""
    victim = process(stack, part)
    victim.kill()
    with suppress(psutil.NoSuchProcess):
        victim.wait(10)


def newest(settings: Settings, job_id: str) -> Path | None:
    """Return the folder of the newest checkpoint of a job, complete or not."""
    folder = Layout(settings.stack_folder).checkpoints / job_id
    found = list(folder.glob("chk-*"))
    return max(found, key=lambda path: int(path.name[4:]), default=None)


def is_complete(checkpoint: Path) -> bool:
    return (checkpoint / "_metadata").is_file()


def kill_during_a_checkpoint(stack: Stack, job_id: str, timeout: float = 60) -> Path:
    """Kill the TaskManager while a checkpoint of a job is on its way; return its folder.

    The process is stopped first, so that the moment can be looked at: only where the checkpoint
    is still not complete a second later is it killed, else it goes on until the next one.
    """
    victim = process(stack, "taskmanager")
    until = time.monotonic() + timeout
    before = newest(stack.settings, job_id)
    while time.monotonic() < until:
        checkpoint = newest(stack.settings, job_id)
        if checkpoint is None or checkpoint == before or is_complete(checkpoint):
            time.sleep(0.002)
            continue
        victim.suspend()
        time.sleep(1)
        if checkpoint.is_dir() and not is_complete(checkpoint):
            victim.kill()
            victim.wait(10)
            return checkpoint
        victim.resume()
        before = checkpoint
    raise AssertionError(f"no checkpoint was met half-way in {timeout} s")


@contextmanager
def locked_catalog(settings: Settings) -> Iterator[None]:
    """Keep every writer of the SQLite catalog waiting."""
    file = catalog_file(settings)
    with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def newest_metadata(settings: Settings, table: str) -> Path:
    """Return the metadata file that the catalog names for a table, torn or not."""
    with closing(sqlite3.connect(catalog_file(settings))) as connection:
        (location,) = connection.execute(
            "SELECT metadata_location FROM iceberg_tables "
            "WHERE table_namespace || '.' || table_name = ?",
            (table,),
        ).fetchone()
    return Path(local_path(location))


@contextmanager
def torn(file: Path) -> Iterator[None]:
    """Let a file have lost its second half during the block."""
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    try:
        yield
    finally:
        file.write_bytes(whole)
