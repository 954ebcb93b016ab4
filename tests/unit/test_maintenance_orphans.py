"""Orphans are what no metadata reaches, and never what a writer may still commit."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.conftest import Land
from tests.unit.lake_rows import trade
from workbench.config import Settings
from workbench.errors import UsageError
from workbench.lake.catalog import load_catalog
from workbench.lake.maintenance.compact import compact
from workbench.lake.maintenance.expire import expire
from workbench.lake.maintenance.orphans import orphans
from workbench.lake.session import open_session

TRADES = "market.trades"
DAY = 86_400


def folder(lake: Settings) -> Path:
    location = load_catalog(lake).load_table(TRADES).location()
    return Path(location.removeprefix("file://"))


def leave(lake: Settings, name: str, days: float) -> Path:
    """A file that a dead writer left so many days ago."""
    file = folder(lake) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"left")
    then = time.time() - days * DAY
    os.utime(file, (then, then))
    return file


def age(lake: Settings, days: float) -> None:
    """Make every file of the table look so old."""
    then = time.time() - days * DAY
    for file in folder(lake).rglob("*"):
        os.utime(file, (then, then))


def test_only_what_nothing_reaches_is_found_and_deleted_when_asked(
    lake: Settings, land: Land
) -> None:
    for i in range(4):
        land(trade(i))
    compact(lake, [TRADES])
    age(lake, 9)
    left = [
        leave(lake, "data/event_time_day=2024-08-08/dead.parquet", 4),
        leave(lake, "metadata/.dead.avro.crc", 4),
        leave(lake, "metadata/dead.avro", 4),
        leave(lake, "metadata/00099-never-committed.metadata.json", 4),
    ]
    young = leave(lake, "data/event_time_day=2024-08-08/in-flight.parquet", 0.5)
    current = next((folder(lake) / "metadata").glob("*.metadata.json"))
    checksum = leave(lake, f"metadata/.{current.name}.crc", 4)
    found = orphans(lake, [TRADES])
    assert [Path(orphan.file) for orphan in found] == sorted(left)
    assert not any(orphan.deleted for orphan in found) and all(file.exists() for file in left)
    done = orphans(lake, [TRADES], delete=True)
    assert [orphan.deleted for orphan in done] == [True] * 4
    assert not any(file.exists() for file in left)
    assert young.exists() and checksum.exists()
    assert orphans(lake, [TRADES]) == []
    with open_session(lake) as session:
        assert session.sql("SELECT count(*) FROM market.trades").rows() == [(4,)]


def test_every_snapshot_that_is_kept_keeps_its_files(lake: Settings, land: Land) -> None:
    first = land(trade(1))
    land(trade(2))
    compact(lake, [TRADES])
    age(lake, 9)
    assert orphans(lake, [TRADES], delete=True) == []
    with open_session(lake, snapshots={TRADES: first}) as session:
        assert session.sql("SELECT trade_id FROM market.trades").rows() == [("t1",)]
        expire(lake, [TRADES], older_than=timedelta(0))
        age(lake, 9)
        assert orphans(lake, [TRADES], delete=True) == []
        assert session.sql("SELECT trade_id FROM market.trades").rows() == [("t1",)]


def test_a_young_file_is_protected_unless_forced(lake: Settings, land: Land) -> None:
    land(trade(1))
    file = leave(lake, "data/dead.parquet", 0.1)
    with pytest.raises(UsageError, match="--force"):
        orphans(lake, [TRADES], older_than=timedelta(hours=1))
    assert orphans(lake, [TRADES], older_than=timedelta(hours=1), force=True, delete=True)
    assert not file.exists()


def test_nothing_is_deleted_where_a_manifest_cannot_be_read(lake: Settings, land: Land) -> None:
    land(trade(1))
    age(lake, 9)
    dead = leave(lake, "data/dead.parquet", 9)
    (manifest,) = (folder(lake) / "metadata").glob("*-m0.avro")
    manifest.write_bytes(b"torn")
    (found,) = orphans(lake, [TRADES], delete=True)
    assert found.error is not None and "a manifest cannot be read" in found.error
    assert dead.exists()
