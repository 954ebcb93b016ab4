"""Expiry removes what nobody needs: no reader's file, no job's newest checkpoint."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st
from pyiceberg.table import Table as IcebergTable

from tests.unit.conftest import Land
from tests.unit.lake_rows import trade, trades
from workbench.config import Settings, load_settings
from workbench.contracts import table_named
from workbench.errors import LakeError
from workbench.lake.catalog import load_catalog
from workbench.lake.maintenance import expire as module
from workbench.lake.maintenance import leases
from workbench.lake.maintenance.compact import compact
from workbench.lake.maintenance.expire import Expiry, expire
from workbench.lake.maintenance.leases import FOLDER
from workbench.lake.maintenance.markers import CHECKPOINT, JOB_ID, OPERATOR_ID
from workbench.lake.session import open_session
from workbench.lake.tables import apply
from workbench.lake.write import _data_files, prepare

TRADES = "market.trades"
COUNT = "SELECT count(*) FROM market.trades"


def table(lake: Settings) -> IcebergTable:
    return load_catalog(lake).load_table(TRADES)


def run(lake: Settings, **options: Any) -> Expiry:
    (done,) = expire(lake, [TRADES], **{"older_than": timedelta(0), **options})
    return done


def on_disk(lake: Settings, pattern: str) -> set[str]:
    folder = Path(table(lake).location().removeprefix("file://"))
    return {f"file://{file}" for file in folder.rglob(pattern)}


def data_of(current: IcebergTable) -> set[str]:
    """The data files that the snapshots of a table reach."""
    return {
        entry.data_file.file_path
        for snapshot in current.snapshots()
        for manifest in snapshot.manifests(current.io)
        for entry in manifest.fetch_manifest_entry(current.io, discard_deleted=True)
    }


def commit_like_flink(lake: Settings, number: int, job: str, operator: str | None) -> None:
    """Append one row as Iceberg's sink does, with what it writes into the summary."""
    current = table(lake)
    said = {JOB_ID: job, CHECKPOINT: str(number)} | ({OPERATOR_ID: operator} if operator else {})
    contract = table_named(TRADES)
    files = _data_files(current, contract, prepare(contract, trades([trade(number)])))
    transaction = current.transaction()
    with transaction.update_snapshot(snapshot_properties=said).fast_append() as append:
        for file in files:
            append.append_data_file(file)
    transaction.commit_transaction()


def committed_checkpoint(current: IcebergTable, job: str, operator: str) -> int:
    """`SinkUtil.getMaxCommittedCheckpointId` of Iceberg 1.11, line by line."""
    snapshot = current.current_snapshot()
    while snapshot is not None:
        said = snapshot.summary.additional_properties if snapshot.summary else {}
        if said.get(JOB_ID) == job and said.get(OPERATOR_ID) in (None, operator):
            value = said.get(CHECKPOINT)
            if value is not None:
                return int(value)
        parent = snapshot.parent_snapshot_id
        snapshot = current.snapshot_by_id(parent) if parent is not None else None
    return -1


def test_old_snapshots_go_with_the_files_that_only_they_reached(lake: Settings, land: Land) -> None:
    for i in range(6):
        land(trade(i))
    compact(lake, [TRADES])
    done = run(lake)
    current = table(lake)
    assert (done.outcome, done.snapshots_before, done.expired) == ("expired", 7, 6)
    assert len(current.snapshots()) == 1
    assert on_disk(lake, "*.parquet") == data_of(current)
    head = current.current_snapshot()
    assert head is not None
    assert on_disk(lake, "*.avro") == {
        head.manifest_list,
        *(manifest.manifest_path for manifest in head.manifests(current.io)),
    }
    assert done.deleted_files == 6 + 6 + 6
    with open_session(lake) as session:
        assert session.sql(COUNT).rows() == [(6,)]
    assert run(lake).outcome == "nothing old"


def test_what_is_young_stays(lake: Settings, land: Land) -> None:
    for i in range(3):
        land(trade(i))
    assert run(lake, older_than=timedelta(hours=1)).outcome == "nothing old"
    assert len(table(lake).snapshots()) == 3


def test_what_was_the_newest_at_the_bound_stays(lake: Settings, land: Land) -> None:
    for i in range(4):
        land(trade(i))
        time.sleep(0.002)
    *_, superseded, newest = table(lake).snapshots()
    # A moment after the third commit and before the fourth: that state is younger than the bound.
    bound = datetime.fromtimestamp((superseded.timestamp_ms + 1) / 1000, UTC)
    assert superseded.timestamp_ms + 1 <= newest.timestamp_ms
    plan = module._plan(table(lake).metadata, bound, leases.Readers())
    assert len(plan.remove) == 2 and superseded.snapshot_id not in plan.remove


def test_a_dry_run_changes_nothing(lake: Settings, land: Land) -> None:
    for i in range(3):
        land(trade(i))
    before = table(lake).metadata_location
    assert (run(lake, dry_run=True).outcome, run(lake, dry_run=True).expired) == ("would expire", 2)
    assert table(lake).metadata_location == before


def test_tags_are_kept(lake: Settings, land: Land) -> None:
    tagged = land(trade(1))
    land(trade(2))
    assert tagged is not None
    table(lake).manage_snapshots().create_tag(int(tagged), "report").commit()
    land(trade(3))
    done = run(lake)
    assert (done.expired, done.kept_for_readers) == (1, 1)
    with open_session(lake, snapshots={TRADES: tagged}) as session:
        assert session.sql(COUNT).rows() == [(1,)]


def test_many_snapshots_go_in_several_commits(
    lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PER_COMMIT", 3)
    for i in range(8):
        land(trade(i))
    assert run(lake).expired == 7
    assert table(lake).scan().count() == 8


# Jobs


def test_the_newest_checkpoint_of_every_job_stays_where_the_sink_looks(lake: Settings) -> None:
    for number, (job, operator) in enumerate(
        [("old", "a"), ("old", "b"), ("stopped", "a"), ("now", "a"), ("stopped", "a"), ("now", "a")]
    ):
        commit_like_flink(lake, number, job, operator)
    rows = table(lake).scan().count()
    done = run(lake)
    current = table(lake)
    assert done.jobs_carried == 3
    asked = [("old", "a"), ("old", "b"), ("stopped", "a"), ("now", "a"), ("never", "a")]
    assert [committed_checkpoint(current, *one) for one in asked] == [0, 1, 4, 5, -1]
    assert current.scan().count() == rows
    assert current.metadata.current_snapshot_id == current.snapshots()[-1].snapshot_id
    # The head of before goes when it is old; what only says things again is not said once more.
    assert (run(lake).expired, run(lake).outcome) == (3, "nothing old")
    assert [committed_checkpoint(table(lake), *one) for one in asked] == [0, 1, 4, 5, -1]


@bounds(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["x", "y", "z"]), st.sampled_from(["a", "b"])),
            st.sampled_from(["expire", "compact", "half"]),
        ),
        max_size=9,
    )
)
def test_no_step_of_maintenance_changes_what_a_sink_is_told(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any]
) -> None:
    lake = load_settings(tmp_path_factory.mktemp("lake"))
    apply(lake)
    newest: dict[tuple[str, str], int] = {}
    for number, step in enumerate(steps):
        if isinstance(step, tuple):
            commit_like_flink(lake, number, *step)
            newest[step] = number
        elif step == "compact":
            compact(lake, [TRADES])
        elif step == "expire":
            run(lake)
        elif table(lake).snapshots():
            middle = table(lake).snapshots()[len(table(lake).snapshots()) // 2]
            run(
                lake,
                older_than=timedelta(
                    seconds=datetime.now(UTC).timestamp() - middle.timestamp_ms / 1000
                ),
            )
        current = table(lake)
        for key, checkpoint in newest.items():
            assert committed_checkpoint(current, *key) == checkpoint
        # What is left can be read, and nothing else is on the disk.
        assert current.scan().count() == sum(isinstance(one, tuple) for one in steps[: number + 1])
        assert on_disk(lake, "*.parquet") == data_of(current)


def test_a_job_is_forgotten_a_month_after_its_last_commit(
    lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_like_flink(lake, 1, "old", "a")
    commit_like_flink(lake, 2, "new", "a")
    monkeypatch.setattr(module, "JOB_MEMORY", timedelta(0))
    assert run(lake).jobs_carried == 0
    assert committed_checkpoint(table(lake), "old", "a") == -1


def test_a_commit_meanwhile_makes_it_decide_anew(
    lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_like_flink(lake, 1, "job", "a")
    commit_like_flink(lake, 2, "other", "a")
    entered, first = module.Note._commit, iter([True])

    def meanwhile(self: module.Note) -> Any:
        ready = entered(self)
        if next(first, False):
            commit_like_flink(lake, 3, "job", "a")
        return ready

    monkeypatch.setattr(module.Note, "_commit", meanwhile)
    done = run(lake, older_than=timedelta(0))
    # With what was true before, the job would be told 1 and commit 2 and 3 again.
    assert committed_checkpoint(table(lake), "job", "a") == 3
    assert committed_checkpoint(table(lake), "other", "a") == 2
    assert done.outcome == "expired"
    assert table(lake).scan().count() == 3


# Readers


def test_an_open_session_reads_what_it_pinned(lake: Settings, land: Land) -> None:
    for i in range(3):
        land(trade(i))
    with open_session(lake) as session:
        for i in range(3, 6):
            land(trade(i))
        compact(lake, [TRADES])
        done = run(lake)
        assert (done.expired, done.kept_for_readers) == (5, 1)
        assert session.sql(COUNT).rows() == [(3,)]
        older = session.sql("SELECT trade_id FROM market.trades ORDER BY 1")
        session.refresh()
        # A result of before keeps its snapshot, though the session has moved on.
        run(lake)
        assert session.sql(COUNT).rows() == [(6,)]
        assert older.rows() == [("t0",), ("t1",), ("t2",)]
        del older
    assert not list((lake.warehouse / FOLDER).iterdir())
    assert run(lake).expired == 1
    assert on_disk(lake, "*.parquet") == data_of(table(lake))


def test_time_travel_into_a_gap_is_an_error_not_an_older_state(lake: Settings, land: Land) -> None:
    first = land(trade(1))
    land(trade(2))
    between = datetime.fromtimestamp(table(lake).snapshots()[1].timestamp_ms / 1000, UTC)
    land(trade(3))
    with open_session(lake, snapshots={TRADES: first}) as session:
        run(lake)
        with pytest.raises(LakeError, match="has expired"):
            open_session(lake, as_of=between)
        with open_session(lake) as newest:
            assert newest.sql(COUNT).rows() == [(3,)]
        assert session.sql(COUNT).rows() == [(1,)]


def test_a_session_that_opens_during_the_commit_keeps_its_files(
    lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = land(trade(1))
    land(trade(2))
    compact(lake, [TRADES])
    opened = []
    entered = module._commit

    def meanwhile(*arguments: Any) -> None:
        opened.append(open_session(lake, snapshots={TRADES: first}))
        entered(*arguments)

    monkeypatch.setattr(module, "_commit", meanwhile)
    run(lake)
    (session,) = opened
    assert table(lake).snapshot_by_id(int(first or 0)) is None
    assert session.sql("SELECT trade_id FROM market.trades").rows() == [("t1",)]
    session.close()


def test_a_session_that_is_opening_holds_everything(
    lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(trade(1))
    land(trade(2))
    monkeypatch.setattr(leases, "OPENING_S", 0.1)
    monkeypatch.setattr(leases.readers, "__kwdefaults__", {"wait": 0.1})
    lease = leases.hold(lake)
    assert lease is not None
    before = on_disk(lake, "snap-*.avro")
    done = run(lake)
    assert done.note == "files left: a session is opening"
    assert on_disk(lake, "snap-*.avro") == before
    lease.release()
    lease.release()


def test_while_a_session_is_opening_what_others_have_pinned_is_kept(
    lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = land(trade(1))
    land(trade(2))
    compact(lake, [TRADES])
    monkeypatch.setattr(leases.readers, "__kwdefaults__", {"wait": 0.1})
    with open_session(lake, snapshots={TRADES: first}):
        opening = leases.hold(lake)
        assert opening is not None
        assert run(lake).kept_for_readers == 1
        opening.release()
        with open_session(lake, snapshots={TRADES: first}) as again:
            assert again.sql("SELECT trade_id FROM market.trades").rows() == [("t1",)]


HOLD = """
import sys
from pathlib import Path
from workbench.config import load_settings
from workbench.lake.session import open_session
session = open_session(load_settings(Path(sys.argv[1])))
print("open", flush=True)
sys.stdin.read()
"""


def test_the_lease_of_a_killed_process_is_free(lake: Settings, land: Land) -> None:
    land(trade(1))
    reader = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lake.project)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert reader.stdout is not None and reader.stdout.readline() == b"open\n"
        land(trade(2))
        assert run(lake).outcome == "nothing old"
        os.kill(reader.pid, signal.SIGKILL)
        reader.wait()
        assert run(lake).expired == 1
        assert not list((lake.warehouse / FOLDER).iterdir())
    finally:
        reader.kill()
        reader.communicate()


def test_a_forked_child_does_not_let_go_of_its_parents_lease(lake: Settings, land: Land) -> None:
    land(trade(1))
    lease = leases.hold(lake)
    assert lease is not None
    lease.name([])
    child = os.fork()
    if child == 0:
        lease.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert lease.path.exists()
    assert leases.readers(lake) == leases.Readers()
    assert lease.path.exists(), "it was taken for a dead one"
    lease.release()


def test_a_warehouse_that_may_not_be_written_is_read_without_a_lease(
    lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(trade(1))

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError("read-only")

    monkeypatch.setattr(leases.os, "open", refuse)
    assert leases.hold(lake) is None
    with open_session(lake) as session:
        assert session.sql(COUNT).rows() == [(1,)]


@pytest.mark.parametrize("written", [OSError("no space left on device"), 3])
def test_a_session_whose_lease_cannot_be_written_goes_on_without_one(
    lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch, written: OSError | int
) -> None:
    land(trade(1))

    def full(*_: object) -> int:
        if isinstance(written, OSError):
            raise written
        return written

    monkeypatch.setattr(leases.os, "pwrite", full)
    with open_session(lake) as session:
        assert session.sql(COUNT).rows() == [(1,)]
        assert not list((lake.warehouse / FOLDER).iterdir())
        land(trade(2))
        assert run(lake).note is None
