"""Orphans are what no metadata reaches, and never what a writer may still commit."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.unit.conftest import Land
from tests.unit.lake_rows import trade
from workbench.cli.maintenance import orphans as command
from workbench.config import Settings
from workbench.errors import UsageError
from workbench.jobs import uncommitted
from workbench.jobs.bookmark import Bookmark, write_bookmark
from workbench.lake.catalog import load_catalog
from workbench.lake.maintenance.claims import Claim
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


def test_what_a_job_may_still_commit_is_no_orphan(lake: Settings, land: Land) -> None:
    """It was killed between a checkpoint and its commit, and was down for longer than any bound."""
    land(trade(1))
    now = datetime.now(UTC)
    older = leave(lake, "data/older.parquet", 12)
    named = leave(lake, "data/named-in-the-checkpoint.parquet", 10.1)
    claims = [
        Claim(TRADES, "landing", now - timedelta(days=10)),
        Claim("ops.dead_letters", "router", now - timedelta(days=40)),
    ]
    for delete in (False, True):
        found = orphans(lake, [TRADES], claims=claims, delete=delete)
        assert [Path(orphan.file) for orphan in found] == [older]
    assert named.exists()
    assert orphans(lake, [TRADES], claims=[Claim(TRADES, "landing", None)]) == []
    # The job goes on: what it has not committed by now it never will.
    (gone,) = orphans(lake, [TRADES], claims=[Claim(TRADES, "landing", now)])
    assert Path(gone.file) == named
    (gone,) = orphans(lake, [TRADES], claims=claims, force=True)
    assert Path(gone.file) == named


@pytest.fixture
def cut_off(lake: Settings) -> Path:
    """The newest checkpoint of landing, made ten days ago."""
    write_bookmark(lake, "landing", Bookmark("a"))
    metadata = lake.stack_folder / "flink/checkpoints/a/chk-1/_metadata"
    metadata.parent.mkdir(parents=True)
    metadata.touch()
    os.utime(metadata, (0, time.time() - 10 * DAY))
    return metadata


def test_a_job_claims_what_it_wrote_before_the_state_that_it_goes_on_from(
    lake: Settings, cut_off: Path
) -> None:
    made_at = datetime.fromtimestamp(cut_off.stat().st_mtime, UTC)
    assert uncommitted.claims(lake) == [
        Claim(TRADES, "landing", made_at),
        Claim("ops.dead_letters", "landing", made_at),
    ]
    # Started again elsewhere: nobody sees its checkpoints. What is gone is nothing to start from.
    write_bookmark(lake, "landing", Bookmark("b", restored_from="s3://flink/savepoint-a-1"))
    assert {claim.made_at for claim in uncommitted.claims(lake)} == {None}
    write_bookmark(lake, "landing", Bookmark("b", restored_from="file:///gone/savepoint-a-1"))
    assert uncommitted.claims(lake) == []
    write_bookmark(lake, "landing", Bookmark("a", drained=True))
    assert uncommitted.claims(lake) == []


def test_the_command_leaves_out_what_a_job_may_commit_and_says_so(
    lake: Settings, land: Land, cut_off: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(trade(1))
    older = leave(lake, "data/older.parquet", 12)
    named = leave(lake, "data/named-in-the-checkpoint.parquet", 10.1)
    monkeypatch.setenv("WORKBENCH_PROJECT", str(lake.project))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(command, [TRADES, "--delete", "--json", *arguments])

    said = run()
    assert not older.exists() and named.exists()
    assert said.stderr.startswith(f"{TRADES}: files since ")
    assert "workbench jobs submit landing" in said.stderr
    os.utime(cut_off)
    assert run().stderr == ""
    assert not named.exists()


def test_nothing_is_deleted_where_a_manifest_cannot_be_read(lake: Settings, land: Land) -> None:
    land(trade(1))
    age(lake, 9)
    dead = leave(lake, "data/dead.parquet", 9)
    (manifest,) = (folder(lake) / "metadata").glob("*-m0.avro")
    manifest.write_bytes(b"torn")
    (found,) = orphans(lake, [TRADES], delete=True)
    assert found.error is not None and "a manifest cannot be read" in found.error
    assert dead.exists()
