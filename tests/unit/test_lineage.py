"""An answer names the commits, jobs and checkpoints that it comes from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.conftest import Land
from tests.unit.lake_rows import trade
from tests.unit.test_maintenance_expire import commit_like_flink
from workbench.config import Settings
from workbench.errors import UsageError, WorkbenchError
from workbench.jobs.bookmark import Bookmark, write_bookmark
from workbench.lake.lineage import lineage_of
from workbench.lake.maintenance.compact import compact
from workbench.lake.maintenance.expire import expire
from workbench.lake.pins import resolve
from workbench.lake.session import Session, open_session
from workbench.lake.tables_read import tables_read

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


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT 'no trades' AS late_rows, 1 AS trades -- market.alerts", []),
        ("SELECT 'market.trades' AS says FROM ops.late_rows", ["ops.late_rows"]),
        ("WITH late_rows AS (FROM market.trades WHERE symbol = $symbol) FROM late_rows", [TRADES]),
        ("WITH trades AS (SELECT 1 AS a), two AS (FROM trades) FROM two", []),
        ("SELECT (SELECT count(*) FROM \"MARKET\".Trades) AS alerts", [TRADES]),
        ("SELECT count(*) FROM market.executions", [TRADES]),
        ("FROM market.trade_aggregates_current", ["market.trade_aggregates"]),
        ("FROM memory.market.price_alerts a JOIN market.trades t USING (symbol)",
         ["market.price_alerts", TRADES]),
        ("EXPLAIN SELECT 'alerts' FROM market.trades", [TRADES]),
        ("DESCRIBE market.trades", [TRADES]),
        ("PIVOT market.trades ON side USING count(*)", [TRADES]),
        ("FROM query_table('market.trades')", [TRADES]),
        ("CREATE TEMP TABLE kept AS FROM market.trades", [TRADES]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("read_only", [False, True])
def test_an_answer_names_the_tables_it_reads_and_no_others(
    lake: Settings, sql: str, tables: list[str], read_only: bool
) -> None:
    values = {"symbol": "AAPL"} if "$symbol" in sql else None
    with open_session(lake, read_only=read_only) as session:
        if read_only and sql.startswith(("CREATE", "PIVOT", "FROM query_table")):
            with pytest.raises(WorkbenchError):
                session.sql(sql, values)
            return
        result = session.sql(sql, values)
        assert sorted(result.snapshots) == sorted(tables)
        result.rows()
        assert repr(result) and session.read == set(tables)
        assert sorted(row["table"] for row in result.lineage.rows()) == sorted(tables)


def test_a_name_without_a_schema_is_looked_for_where_the_session_looks(session: Session) -> None:
    assert session.sql("SELECT 1 AS trades FROM (SELECT 2) AS alerts").snapshots == {}
    with pytest.raises(UsageError):
        session.sql("FROM trades")
    session.sql("USE market")
    assert list(session.sql("FROM trades").snapshots) == [TRADES]
    assert list(session.sql("FROM executions").snapshots) == [TRADES]
    # The name inside is the table, the name outside is what WITH made of it.
    assert list(session.sql("WITH trades AS (FROM trades) FROM trades").snapshots) == [TRADES]


def test_the_tables_of_a_statement_are_looked_for_once(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(connection: Any, sql: str) -> Any:
        asked.append(sql)
        return tables_read(connection, sql)

    monkeypatch.setattr("workbench.lake.database.tables_read", counted)
    result = session.sql("SELECT count(*) FROM market.trades")
    assert (result.rows(), result.rel.fetchall()) == ([(0,)], [(0,)])
    assert asked == ["SELECT count(*) FROM market.trades"]
