"""An answer names the commits, jobs and checkpoints that it comes from."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.conftest import Land
from tests.unit.lake_rows import trade
from tests.unit.test_maintenance_expire import commit_like_flink
from workbench.config import Settings
from workbench.jobs.bookmark import Bookmark, write_bookmark
from workbench.lake.lineage import lineage_of
from workbench.lake.maintenance.compact import compact
from workbench.lake.maintenance.expire import expire
from workbench.lake.pins import resolve
from workbench.lake.session import Session, open_session

TRADES = "market.trades"
JOB, OPERATOR = "ab" * 16, "cd" * 16


def test_a_commit_of_flink_names_job_operator_and_checkpoint(lake: Settings) -> None:
    commit_like_flink(lake, 7, JOB, OPERATOR)
    pin = resolve(lake)[TRADES]
    found = lineage_of(pin, lake)
    assert (found.table, found.snapshot, found.operation) == (TRADES, pin.snapshot_id, "append")
    assert found.committed_at == pin.committed_at
    (said,) = found.writers
    assert (said.job, said.job_id, said.operator, said.checkpoint) == ("landing", JOB, OPERATOR, 7)
    assert said.committed_at == pin.committed_at


def test_compaction_and_backfill_do_not_hide_who_wrote_the_rows(lake: Settings, land: Land) -> None:
    commit_like_flink(lake, 7, JOB, OPERATOR)
    commit_like_flink(lake, 8, JOB, OPERATOR)
    land(trade(9))
    compact(lake, [TRADES])
    found = lineage_of(resolve(lake)[TRADES], lake)
    assert found.operation == "replace"
    assert [(said.job_id, said.checkpoint) for said in found.writers] == [(JOB, 8)]


def test_expired_history_leaves_the_newest_checkpoint_known(lake: Settings, land: Land) -> None:
    commit_like_flink(lake, 7, JOB, OPERATOR)
    before = lineage_of(resolve(lake)[TRADES], lake).writers
    for number in range(8, 12):
        land(trade(number))
    compact(lake, [TRADES])
    (done,) = expire(lake, [TRADES], older_than=timedelta(0))
    assert done.expired
    assert lineage_of(resolve(lake)[TRADES], lake).writers == before


def test_a_restarted_job_is_told_by_its_last_run(lake: Settings) -> None:
    commit_like_flink(lake, 40, "11" * 16, OPERATOR)
    commit_like_flink(lake, 2, JOB, OPERATOR)
    (said,) = lineage_of(resolve(lake)[TRADES], lake).writers
    assert (said.job_id, said.checkpoint) == (JOB, 2)


def test_of_a_table_with_several_writers_the_stack_knows_the_names(
    lake: Settings,
) -> None:
    from dataclasses import replace

    commit_like_flink(lake, 1, JOB, OPERATOR)
    pin = resolve(lake)[TRADES]
    shared = replace(pin, table=replace(pin.table, job="landing, router"))
    assert lineage_of(shared, lake).writers[0].job is None
    write_bookmark(lake, "router", Bookmark(JOB))
    write_bookmark(lake, "router", Bookmark("22" * 16))
    assert lineage_of(shared, lake).writers[0].job == "router"


def test_rows_of_a_backfill_have_no_flink_writer(lake: Settings, land: Land) -> None:
    snapshot = land(trade(1))
    with open_session(lake) as session:
        found = session.sql("SELECT count(*) FROM market.executions").lineage
        assert [row["table"] for row in found.rows()] == [TRADES]
        assert found.rows()[0]["snapshot"] == snapshot
        assert found.rows()[0]["job_id"] is None
        assert str(snapshot) in repr(found)
        assert "<table" in found._repr_html_()


def test_a_result_keeps_the_lineage_it_was_made_with(lake: Settings) -> None:
    commit_like_flink(lake, 1, JOB, OPERATOR)
    with open_session(lake) as session:
        result = session.sql("FROM market.trades")
        commit_like_flink(lake, 2, JOB, OPERATOR)
        session.refresh()
        assert result.lineage[0].writers[0].checkpoint == 1


def test_a_query_shows_its_values_and_stays_a_query(session: Session) -> None:
    result = session.sql("SELECT $a AS a, $b AS b", {"a": "<b>", "b": None})
    assert session.sql(result.sql, result.parameters).rows() == [("<b>", None)]
    assert result.sql.told.splitlines() == [
        "SELECT $a AS a, $b AS b",
        "-- $a = '<b>'",
        "-- $b = NULL",
    ]
    assert "&lt;b&gt;" in result.sql._repr_html_()
