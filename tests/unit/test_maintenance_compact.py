"""Compaction changes files, never rows."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st
from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask
from pyiceberg.table import Table as IcebergTable

from tests.unit.conftest import Land
from tests.unit.lake_rows import at, trade, trades
from workbench.config import Settings, load_settings
from workbench.contracts import table_named
from workbench.errors import LakeError
from workbench.lake.catalog import load_catalog
from workbench.lake.maintenance import commit
from workbench.lake.maintenance import compact as module
from workbench.lake.maintenance.compact import Compaction, compact
from workbench.lake.session import open_session
from workbench.lake.tables import apply
from workbench.lake.write import append, replace_days

TRADES = "market.trades"


def table(lake: Settings) -> IcebergTable:
    return load_catalog(lake).load_table(TRADES)


def files(lake: Settings) -> list[DataFile]:
    return [task.file for task in table(lake).scan().plan_files()]


def tasks(lake: Settings) -> list[FileScanTask]:
    return list(table(lake).scan().plan_files())


def multiset(rows: pa.Table) -> Counter[tuple[Any, ...]]:
    """The rows with how often each occurs; values keep their types, decimals their scale."""
    return Counter(tuple(map(str, row.values())) for row in rows.to_pylist())


def run(lake: Settings, **options: Any) -> Compaction:
    (done,) = compact(lake, [TRADES], **options)
    return done


def bound(of: DataFile, column: str, lake: Settings, which: str) -> Any:
    field = table(lake).schema().find_field(column)
    return from_bytes(field.field_type, getattr(of, which)[field.field_id])


def test_a_day_becomes_one_sorted_file_and_no_row_changes(lake: Settings, land: Land) -> None:
    for start in range(12):
        land(
            *(
                trade(
                    start * 5 + i,
                    symbol=random.Random(start).choice(["AAPL", "MSFT"]),
                    event_time=at(-i, days=i % 2),
                    price=f"{start}.0000000{i + 1}",
                    exchange=None if i % 2 else "NYSE",
                )
                for i in range(5)
            )
        )
    before, old = table(lake).scan().to_arrow(), files(lake)
    done = run(lake)
    after, new = table(lake).scan().to_arrow(), files(lake)
    assert (done.outcome, done.days, done.rewritten_rows) == ("compacted", 2, 60)
    assert (done.files_before, done.files_after, len(new)) == (24, 2, 2)
    assert done.bytes_after == sum(file.file_size_in_bytes for file in new)
    assert multiset(after) == multiset(before)
    assert after.schema == before.schema
    for column in ("price", "event_time", "source_offset", "quantity"):
        for which, pick in (("lower_bounds", min), ("upper_bounds", max)):
            assert pick(bound(file, column, lake, which) for file in new) == pick(
                bound(file, column, lake, which) for file in old
            )
    for file in new:
        rows = pq.read_table(file.file_path.removeprefix("file://"), partitioning=None)
        order = table_named(TRADES).sort_by
        keys = list(zip(*(rows[name].to_pylist() for name in order), strict=True))
        assert keys == sorted(keys)


def test_the_snapshot_is_one_replace_with_exact_totals(lake: Settings, land: Land) -> None:
    for i in range(5):
        land(trade(i))
    parent = table(lake).current_snapshot()
    done = run(lake)
    head = table(lake).current_snapshot()
    assert head is not None and parent is not None and head.summary is not None
    assert head.parent_snapshot_id == parent.snapshot_id
    assert done.snapshot == str(head.snapshot_id)
    assert head.summary.operation.value == "replace"
    said = head.summary.additional_properties
    assert (said["total-records"], said["total-data-files"]) == ("5", "1")
    assert (said["added-records"], said["deleted-records"]) == ("5", "5")


def test_what_compression_hides_counts_as_well(
    lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are small on disk and large in memory are not read all at once."""
    for number in range(6):
        land(*(trade(number * 100 + i, exchange="x" * 2_000) for i in range(20)))
    monkeypatch.setattr(module, "UNMEASURED_BYTES", 0)
    (unpacked,) = {n // 1000 for n in module._unpacked(table(lake), tasks(lake))}
    on_disk = max(file.file_size_in_bytes for file in files(lake))
    # A dictionary holds such a text once; what matters here is that the bound is the footer's.
    monkeypatch.setattr(module, "UNPACKED_BYTES_PER_FILE", 1000 * (2 * unpacked + 2) + 500)
    assert on_disk < module.BYTES_PER_FILE
    before = multiset(table(lake).scan().to_arrow())
    done = run(lake)
    assert (done.files_before, done.files_after) == (6, 3)
    assert multiset(table(lake).scan().to_arrow()) == before


@bounds(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=0, max_size=12),
    days=st.integers(1, 3),
    most=st.integers(4, 20),
)
def test_rows_stay_and_a_second_run_finds_nothing(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], days: int, most: int
) -> None:
    lake = load_settings(tmp_path_factory.mktemp("lake"))
    apply(lake)
    for number, size in enumerate(sizes):
        rows = [trade(number * 10 + i, event_time=at(days=number % days)) for i in range(size)]
        append(lake, TRADES, trades(rows))
    before = multiset(table(lake).scan().to_arrow())
    first = run(lake, rows_per_file=most)
    head = table(lake).current_snapshot()
    assert multiset(table(lake).scan().to_arrow()) == before
    # Of the files of a day one at most is small, and none is larger than it may be.
    small = Counter(file.partition[0] for file in files(lake) if file.record_count * 2 < most)
    assert all(count == 1 for count in small.values())
    assert first.files_after == len(files(lake))
    again = run(lake, rows_per_file=most)
    assert (again.outcome, again.snapshot) == ("compact", None)
    assert table(lake).current_snapshot() == head


def test_a_dry_run_changes_nothing(lake: Settings, land: Land) -> None:
    for i in range(4):
        land(trade(i))
    head = table(lake).metadata_location
    done = run(lake, dry_run=True)
    assert (done.outcome, done.rewritten_files, done.files_after) == ("would compact", 4, 1)
    assert table(lake).metadata_location == head


def test_what_others_append_meanwhile_stays(
    lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(6):
        land(trade(i))
    entered = commit.ReplaceFiles._commit
    late = iter(range(100, 103))

    def meanwhile(self: commit.ReplaceFiles) -> Any:
        ready = entered(self)
        number = next(late, None)
        if number is not None:
            # A commit that lands after ours was prepared: ours has to be made again.
            land(trade(number))
        return ready

    monkeypatch.setattr(commit.ReplaceFiles, "_commit", meanwhile)
    done = run(lake)
    assert done.outcome == "compacted"
    ids = sorted(table(lake).scan().to_arrow()["trade_id"].to_pylist())
    assert ids == sorted([*(f"t{i}" for i in range(6)), "t100", "t101", "t102"])
    assert len(files(lake)) == 4
    # Manifests of attempts that did not land are gone.
    referenced = {
        m.manifest_path for s in table(lake).snapshots() for m in s.manifests(table(lake).io)
    }
    there = Path(table(lake).location().removeprefix("file://"), "metadata").glob("*-m*.avro")
    assert {f"file://{file}" for file in there} == referenced


def test_days_replaced_meanwhile_are_an_error_and_leave_nothing_behind(
    lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(6):
        land(trade(i))
    entered = commit.ReplaceFiles._commit

    def meanwhile(self: commit.ReplaceFiles) -> Any:
        ready = entered(self)
        replace_days(lake, TRADES, trades([trade(50)]))
        return ready

    monkeypatch.setattr(commit.ReplaceFiles, "_commit", meanwhile)
    done = run(lake)
    assert done.outcome == "failed"
    assert done.error is not None and "another writer was in the way" in done.error
    assert table(lake).scan().to_arrow()["trade_id"].to_pylist() == ["t50"]
    reached = {
        entry.data_file.file_path
        for snapshot in table(lake).snapshots()
        for manifest in snapshot.manifests(table(lake).io)
        for entry in manifest.fetch_manifest_entry(table(lake).io, discard_deleted=False)
    }
    there = Path(table(lake).location().removeprefix("file://"), "data").rglob("*.parquet")
    assert {f"file://{file}" for file in there} == reached


def test_a_repair_of_days_meets_a_compaction(lake: Settings, land: Land) -> None:
    for i in range(3):
        land(trade(i), trade(10 + i, event_time=at(days=1)))
    run(lake)
    replace_days(lake, TRADES, trades([trade(99)]))
    ids = table(lake).scan().to_arrow()["trade_id"].to_pylist()
    assert sorted(ids) == ["t10", "t11", "t12", "t99"]


def test_many_small_manifests_are_merged_without_touching_a_file(
    lake: Settings, land: Land
) -> None:
    for day in range(25):
        land(trade(day, event_time=at(days=-day)))
    before = {file.file_path for file in files(lake)}
    assert run(lake).outcome == "compacted"
    assert {file.file_path for file in files(lake)} == before
    snapshot = table(lake).current_snapshot()
    assert snapshot is not None and len(snapshot.manifests(table(lake).io)) == 1
    assert table(lake).scan().count() == 25
    assert run(lake).outcome == "compact"


def test_files_older_than_a_column_are_read_as_null(lake: Settings, land: Land) -> None:
    land(trade(1))
    with table(lake).update_schema() as update:
        from pyiceberg.types import StringType

        update.add_column("venue", StringType())
    land(trade(2))
    assert run(lake).outcome == "compacted"
    with open_session(lake) as session:
        query = "SELECT trade_id, venue FROM market.trades ORDER BY trade_id"
        assert session.sql(query).rows() == [("t1", None), ("t2", None)]


def test_a_session_pinned_before_reads_what_it_pinned(lake: Settings, land: Land) -> None:
    for i in range(4):
        land(trade(i))
    with open_session(lake) as session:
        run(lake)
        land(trade(9))
        count = "SELECT count(*) FROM market.trades"
        assert session.sql(count).rows() == [(4,)]
        assert session.refresh().sql(count).rows() == [(5,)]


def test_a_torn_data_file_is_named_and_other_tables_are_compacted(
    lake: Settings, land: Land
) -> None:
    for i in range(4):
        land(trade(i))
    torn = Path(files(lake)[0].file_path.removeprefix("file://"))
    torn.write_bytes(torn.read_bytes()[:100])
    done = {one.table: one for one in compact(lake)}
    error = done[TRADES].error
    assert error is not None and torn.name in error and "backfill" in error
    assert done["ops.dead_letters"].outcome == "compact"
    assert table(lake).current_snapshot() == table(lake).snapshots()[-1]


def test_without_a_lake_it_says_how_to_make_one(settings: Settings) -> None:
    with pytest.raises(LakeError, match="tables apply"):
        compact(settings)
