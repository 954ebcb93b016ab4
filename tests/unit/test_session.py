"""A session sees one moment of the lake, whatever others commit meanwhile."""

from __future__ import annotations

import gc
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

import workbench
from tests.unit.conftest import Land
from tests.unit.lake_rows import at, rows_of, trade
from workbench.config import Settings, load_settings
from workbench.contracts import TABLES
from workbench.contracts.records import EXECUTIONS, STATUSES
from workbench.contracts.types import duckdb_type
from workbench.errors import LakeError, QueryTimeout, UsageError
from workbench.lake.catalog import load_catalog
from workbench.lake.session import Session, open_session
from workbench.lake.times import parse_moment, show_moment
from workbench.lake.views import DERIVED
from workbench.lake.write import append
from workbench.market import top_symbols

COUNT = "SELECT count(*) FROM market.trades"


def test_what_is_landed_after_opening_is_seen_after_refresh(land: Land, session: Session) -> None:
    land(trade(1))
    assert session.sql(COUNT).rows() == [(0,)]
    session.refresh()
    land(trade(2))
    assert session.sql(COUNT).rows() == [(1,)]
    assert session.refresh().sql(COUNT).rows() == [(2,)]


def test_what_is_asked_once_is_asked_anew_after_refresh(land: Land, session: Session) -> None:
    count = "SELECT count(*) AS trades FROM market.trades WHERE trade_id <> $but"

    def trades(but: str) -> int:
        found: int = session.arrow_once(count, {"but": but}).column("trades")[0].as_py()
        return found

    before = trades("none")
    asked = session.query_s
    assert (trades("none"), session.query_s) == (before, asked), "it is not asked again"
    assert trades("none") == trades("other"), "other values are another query"
    land(trade(1))
    assert trades("none") == before
    session.refresh()
    assert trades("none") > before


def test_a_result_keeps_its_snapshots_over_refresh(land: Land, session: Session) -> None:
    first = land(trade(1))
    lazy = session.refresh().sql(COUNT)
    land(trade(2))
    session.refresh()
    gc.collect()
    assert lazy.rows() == [(1,)]
    assert lazy.snapshots == {"market.trades": first}
    assert session.sql(COUNT).rows() == [(2,)]


def test_as_of_reads_the_newest_snapshot_committed_by_then(lake: Settings, land: Land) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    first = land(trade(1))
    middle = datetime.now(UTC)
    time.sleep(0.01)
    land(trade(2))
    with open_session(lake, as_of=middle) as session:
        assert session.snapshots["market.trades"] == first
        assert session.sql(COUNT).rows() == [(1,)]
        assert session.as_of == middle
    with open_session(lake, as_of=before.isoformat()) as session:
        assert session.snapshots["market.trades"] is None
        assert session.sql(COUNT).rows() == [(0,)]


def test_as_of_says_so_when_the_snapshot_has_expired(lake: Settings, land: Land) -> None:
    first = land(trade(1))
    middle = datetime.now(UTC)
    time.sleep(0.01)
    land(trade(2))
    table = load_catalog(lake).load_table("market.trades")
    table.maintenance.expire_snapshots().by_id(int(first or 0)).commit()
    with pytest.raises(LakeError, match="it has expired"):
        open_session(lake, as_of=middle)


def test_snapshots_of_a_session_open_the_same_session_again(lake: Settings, land: Land) -> None:
    first = land(trade(1))
    with open_session(lake) as session:
        pinned = json.loads(json.dumps(session.snapshots))
    land(trade(2))
    append(lake, "ops.late_rows", rows_of("ops.late_rows", []))
    with open_session(lake, snapshots=pinned) as session:
        assert session.snapshots == pinned
        assert session.snapshots["market.trades"] == first
        assert session.sql(COUNT).rows() == [(1,)]
    with open_session(lake, snapshots={"market.trades": first}, as_of="2000-01-01") as session:
        assert session.sql(COUNT).rows() == [(1,)]


@pytest.mark.parametrize("wrong", ["1", "x", "9" * 40, ""])
def test_a_snapshot_that_is_not_there_is_named(lake: Settings, wrong: str) -> None:
    with pytest.raises(LakeError, match=rf"market\.trades has no snapshot '{wrong}'"):
        open_session(lake, snapshots={"market.trades": wrong})


def test_pinning_an_unknown_table_names_the_nearest(lake: Settings) -> None:
    with pytest.raises(UsageError, match=r"did you mean 'market\.trades'"):
        open_session(lake, snapshots={"market.trade": "1"})


def test_without_a_lake_it_says_how_to_make_one(settings: Settings) -> None:
    with pytest.raises(LakeError, match=r"no lake in .*workbench tables apply"):
        open_session(settings)
    assert not settings.warehouse.exists()


def test_empty_tables_have_the_columns_and_types_of_the_contracts(session: Session) -> None:
    for table in TABLES:
        described = session.sql(f"DESCRIBE {table.name}").rows()
        types = {
            "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
        }
        assert [(r[0], types.get(r[1], r[1]).replace(",", ", ")) for r in described] == [
            (column.name, duckdb_type(column.type)) for column in table.columns
        ]
        assert session.sql(f"FROM {table.name}").rows() == []


def test_derived_views_of_empty_tables_are_empty(session: Session) -> None:
    for view in DERIVED:
        assert session.sql(f"FROM {view}").rows() == []


def test_filled_tables_have_the_types_of_the_contracts(land: Land, session: Session) -> None:
    empty = session.sql("DESCRIBE market.trades").rows()
    land(trade(1))
    assert session.refresh().sql("DESCRIBE market.trades").rows() == empty


def test_values_come_back_exactly(land: Land, session: Session) -> None:
    row = trade(1, quantity="9999999999.99999999", price="0.00000001", symbol="É'\"; --")
    land(row)
    assert session.refresh().sql("FROM market.trades").arrow().to_pylist() == [row]


def test_files_older_than_a_column_read_null_in_it(lake: Settings, land: Land) -> None:
    from workbench.lake.tables import apply

    table = load_catalog(lake).load_table("market.trades")
    with table.update_schema(allow_incompatible_changes=True) as update:
        update.delete_column("exchange")
    columns = [c for c in rows_of("market.trades", []).column_names if c != "exchange"]
    current = load_catalog(lake).load_table("market.trades")
    assert "exchange" not in current.schema().column_names
    _append_raw(lake, columns)
    with open_session(lake) as session:
        assert session.sql("SELECT exchange FROM market.trades").rows() == [(None,)]
    apply(lake)
    land(trade(2, exchange="X"))
    with open_session(lake) as session:
        rows = session.sql("SELECT trade_id, exchange FROM market.trades ORDER BY 1").rows()
    assert rows == [("t1", None), ("t2", "X")]


def _append_raw(lake: Settings, columns: list[str]) -> None:
    """One row with fewer columns than the contract, as an older release wrote it."""
    from tests.unit.lake_rows import trades
    from workbench.contracts import table_named
    from workbench.lake.write import _data_files

    table = load_catalog(lake).load_table("market.trades")
    rows = trades([trade(1)]).select(columns)
    files = _data_files(table, table_named("market.trades"), rows)
    with table.transaction() as transaction, transaction.update_snapshot().fast_append() as new:
        for file in files:
            new.append_data_file(file)


def test_columns_are_found_by_id_so_a_rename_keeps_its_values(lake: Settings, land: Land) -> None:
    land(trade(1, trader_id="old"))
    table = load_catalog(lake).load_table("market.trades")
    with table.update_schema(allow_incompatible_changes=True) as update:
        update.rename_column("trader_id", "dealer")
    with table.update_schema() as update:
        from pyiceberg.types import StringType

        update.add_column("trader_id", StringType())
    with open_session(lake) as session:
        assert session.sql("SELECT dealer, trader_id FROM market.trades").rows() == [("old", None)]


def test_a_table_the_lake_does_not_have_yet_is_empty(lake: Settings) -> None:
    load_catalog(lake).drop_table("ops.late_rows")
    with open_session(lake) as session:
        assert session.sql("SELECT count(*) FROM ops.late_rows").rows() == [(0,)]
        assert session.snapshots["ops.late_rows"] is None


def test_executions_are_full_and_partial_fills(land: Land, session: Session) -> None:
    land(*(trade(i, status=status) for i, status in enumerate(STATUSES)))
    rows = session.refresh().sql("SELECT status FROM market.executions ORDER BY 1").rows()
    assert rows == [(status,) for status in sorted(EXECUTIONS)]


def test_parameters_are_bound_by_position_and_by_name(land: Land, session: Session) -> None:
    evil = "x' OR '1'='1"
    land(trade(1), trade(2, symbol=evil))
    session.refresh()
    query = "SELECT trade_id FROM market.trades WHERE symbol = "
    assert session.sql(query + "?", [evil]).rows() == [("t2",)]
    assert session.sql(query + "$s", {"s": evil}).rows() == [("t2",)]
    assert session.sql(query + "$s", {"s": evil}).rel.fetchall() == [("t2",)]
    assert session.sql(query + "$s", {"s": "x' OR true --"}).rows() == []


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FROM market.trade", "no table 'trade': did you mean 'market.trades'?"),
        ("SELECT * FROM market.tradez", "no table 'tradez': did you mean 'market.trades'?"),
        ("FROM late_row", "no table 'late_row': did you mean 'ops.late_rows'?"),
        ("SELECT simbol FROM market.trades", "no column 'simbol': did you mean 'symbol'?"),
        ("SELECT t.pricee FROM market.trades t", "no column 'pricee': did you mean 'price'?"),
        ("SELEC 1", "syntax error at or near \"SELEC\": line 1, near 'SELEC 1'"),
        ("SELECT 1; SELECT 2", "one statement at a time, got 2"),
        (" ; ", "the query is empty: for example FROM market.trades LIMIT 5"),
        ("SELECT coutn(*) FROM market.trades", "no function 'coutn': did you mean 'count'?"),
    ],
)
def test_mistakes_are_one_line_with_the_nearest_name(
    session: Session, query: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        session.sql(query)
    assert str(caught.value) == message


def test_a_product_that_overflows_says_what_to_use(land: Land, session: Session) -> None:
    land(trade(1, price="1000"))
    session.refresh()
    with pytest.raises(UsageError, match=r"notional\(price, quantity\)"):
        session.sql("SELECT price * quantity FROM market.trades").rows()
    exact = session.sql("SELECT notional(price, quantity) FROM market.trades").rows()
    assert exact == [(Decimal(1000),)]


def test_a_missing_parameter_is_named(session: Session) -> None:
    with pytest.raises(UsageError, match=r"no value for \$s"):
        session.sql("SELECT $s")


def test_results_come_in_every_form(land: Land, session: Session) -> None:
    land(trade(1, price="0.1"), trade(2, price="0.2"))
    result = session.refresh().sql("SELECT price, event_time FROM market.trades ORDER BY price")
    assert result.rows() == [(Decimal("0.1"), at(1)), (Decimal("0.2"), at(2))]
    assert result.columns == ["price", "event_time"]
    assert result.arrow().num_rows == 2
    frame = result.pl()
    assert isinstance(frame, pl.DataFrame)
    assert frame["price"].sum() == Decimal("0.3")
    pandas = result.df()
    assert isinstance(pandas, pd.DataFrame)
    assert pandas["price"].tolist() == [0.1, 0.2]
    assert str(pandas["event_time"].dt.tz) == "UTC"
    assert result.df(exact=True)["price"].tolist() == [Decimal("0.10000000"), Decimal("0.20000000")]
    assert result.rel.aggregate("count(*)").fetchall() == [(2,)]


def test_the_rows_of_a_result_are_read_once(land: Land, session: Session) -> None:
    land(trade(1))
    result = session.refresh().sql("SELECT random() AS r FROM market.trades")
    assert result.rows() == result.rows() == [tuple(result.df().iloc[0])]


def test_tab_finds_what_is_loaded_on_first_use() -> None:
    assert set(workbench.__all__) <= set(dir(workbench))


def test_a_repr_shows_at_most_twenty_rows_with_provenance(land: Land, session: Session) -> None:
    snapshot = land(*(trade(i) for i in range(50)))
    result = session.refresh().sql("SELECT trade_id FROM market.trades ORDER BY source_offset")
    text, html = repr(result), result._repr_html_()
    assert text.splitlines()[2:4] == ["t0", "t1"]
    assert "t19" in text
    assert "t20" not in text
    assert f"market.trades @ {snapshot}" in text
    assert "first 20 rows, there are more" in text
    assert html.count("<tr>") == 22
    # A time or an id that breaks makes every row two or three lines high.
    assert html.count("white-space:nowrap") == 21
    assert f"market.trades @ {snapshot}" in html
    result.rows()
    assert "first 20 of 50 rows" in repr(result)


def test_values_are_text_in_html_whatever_they_contain(land: Land, session: Session) -> None:
    land(trade(1, symbol="<script>alert(1)</script>"))
    query = 'SELECT symbol AS "<b>x</b>", \'"&\' AS q FROM market.trades'
    html = session.refresh().sql(query)._repr_html_()
    assert "<script>" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_queries_that_are_no_subqueries_have_a_repr(session: Session) -> None:
    for query in ("EXPLAIN SELECT 1", "SHOW TABLES", "SUMMARIZE market.trades", "SELECT 1 -- one"):
        assert repr(session.sql(query))


def test_a_pivot_is_a_query(land: Land, session: Session) -> None:
    land(trade(1), trade(2, side="SELL"))
    pivot = "PIVOT market.trades ON side USING count(*) GROUP BY symbol"
    assert session.refresh().sql(pivot).rows() == [("AAPL", 1, 1)]


def test_temporary_objects_last_until_refresh(session: Session) -> None:
    session.sql("CREATE TEMP TABLE mine AS SELECT 1 AS x")
    assert session.sql("FROM mine").rows() == [(1,)]
    with pytest.raises(UsageError, match="no table 'mine'"):
        session.refresh().sql("FROM mine")


def test_threads_ask_at_once(land: Land, session: Session) -> None:
    land(*(trade(i, symbol=f"S{i % 10}") for i in range(200)))
    session.refresh()

    def ask(i: int) -> int:
        query = "SELECT count(*) FROM market.trades WHERE symbol = $s"
        return int(session.sql(query, {"s": f"S{i % 10}"}).rows()[0][0])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(64))) == [20] * 64


def test_a_result_may_be_read_on_another_thread(land: Land, session: Session) -> None:
    land(trade(1))
    result = session.refresh().sql(COUNT)
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.append(result.rows()))
    thread.start()
    thread.join()
    assert seen == [[(1,)]]


def test_variables_of_the_caller_are_not_tables(session: Session) -> None:
    frame = pd.DataFrame({"x": [1]})
    with pytest.raises(UsageError, match="no table 'frame'"):
        session.sql("SELECT * FROM frame")
    assert len(frame) == 1


def test_the_module_level_connection_is_never_touched(land: Land, session: Session) -> None:
    session.sql("CREATE TABLE t AS SELECT 1")
    with pytest.raises(duckdb.CatalogException):
        duckdb.sql("FROM t")


def test_bounds_and_time_zone_hold_on_every_thread(
    lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounded = load_settings(
        lake.project,
        duckdb={"memory_limit": "300MB", "max_temp_directory_size": "1GB", "threads": 1},
    )
    monkeypatch.setenv("TZ", "America/New_York")
    names = ("TimeZone", "memory_limit", "max_temp_directory_size", "threads")
    query = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names)
    with open_session(bounded) as session, ThreadPoolExecutor(2) as pool:
        for rows in pool.map(lambda _: session.sql(query).rows(), range(4)):
            assert rows == [("UTC", "286.1 MiB", "953.6 MiB", 1)]


def test_a_query_beyond_its_memory_is_an_error_in_one_line(lake: Settings) -> None:
    tight = load_settings(
        lake.project, duckdb={"memory_limit": "20MB", "max_temp_directory_size": "0KB"}
    )
    with open_session(tight) as session:
        query = "SELECT list(i) FROM range(10000000) t(i)"
        with pytest.raises(LakeError, match="memory"):
            session.sql(query).rows()


def test_a_closed_session_says_so(lake: Settings) -> None:
    with open_session(lake) as session:
        pass
    with pytest.raises(LakeError, match="the session is closed"):
        session.sql("SELECT 1")


def test_tables_lists_what_can_be_queried(land: Land, session: Session) -> None:
    snapshot = land(trade(1), trade(2, event_time=at(0, days=1)))
    listed = session.refresh().tables().arrow().to_pylist()
    assert all(row["doc"] for row in listed)
    assert [row["table"] for row in listed] == [
        *(table.name for table in TABLES), *DERIVED, "reference.symbols",
            "ops.report_runs",
    ]  # fmt: skip
    first = listed[0]
    assert (first["rows"], first["files"], first["snapshot"]) == (2, 2, snapshot)
    assert first["newest_event"] == at(0, days=1)


def test_newest_event_is_none_for_an_empty_table(session: Session) -> None:
    assert session.newest_event("market.trades") is None
    assert session.newest_event("market.trades", at(0)) is None


def test_the_newest_event_up_to_a_moment_is_none_that_came_later(
    land: Land, session: Session
) -> None:
    land(trade(1), trade(2, event_time=at(0, days=3)))
    session.refresh()
    found = [session.newest_event("market.trades", at(0, days=days)) for days in (0, 1, 3, 9)]
    assert found == [None, at(1), at(0, days=3), at(0, days=3)]


def test_the_package_opens_the_session_of_the_project(
    lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(trade(1))
    monkeypatch.setenv("WORKBENCH_PROJECT", str(lake.project))
    with workbench.open() as session:
        known = f"<Session on 'lake', 1 of {len(TABLES)} tables with data, as of 20"
        assert repr(session).startswith(known)
        assert session.sql(COUNT).rows() == [(1,)]


def test_a_moment_is_read_one_way() -> None:
    noon = datetime(2024, 8, 8, 12, tzinfo=UTC)
    for text in ("2024-08-08T12:00Z", "2024-08-08 14:00+02:00", "2024-08-08 12:00:00 UTC"):
        assert parse_moment(text) == noon
    assert parse_moment(pd.Timestamp(noon)) == noon
    assert parse_moment(datetime(2024, 8, 8, 12)) == noon  # noqa: DTZ001
    assert parse_moment(date(2024, 8, 8)) == parse_moment("2024-08-08")
    for wrong in ("yesterday", "", "2024-13-01", "2024-08-08T25:00", 5, pd.NaT):
        with pytest.raises(UsageError, match="as_of"):
            parse_moment(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("query", [5, None, ["FROM market.trades"], b"SELECT 1"])
def test_a_query_is_text(session: Session, query: Any) -> None:
    with pytest.raises(UsageError) as error:
        session.sql(query)
    assert str(error.value).startswith(f"a query is text, got {type(query).__name__} {query!r}: ")


@pytest.mark.parametrize(
    "query",
    ["FROM {}", "SELECT {} FROM market.trades", "SELECT {}(1)", "{}"],
)
def test_a_long_name_is_cut_in_an_error(session: Session, query: str) -> None:
    with pytest.raises(UsageError) as error:
        session.sql(query.format("x" * 5000))
    assert len(str(error.value)) < 600
    assert "…" in str(error.value)


def test_a_moment_before_the_first_commit_says_when_that_was(lake: Settings, land: Land) -> None:
    land(trade(1))
    with open_session(lake, as_of="2001-01-01") as past, open_session(lake) as now:
        first = now.pins["market.trades"].committed_at
        assert first is not None
        hint = f"first data: market.trades was first committed at {show_moment(first)}; the as-of"
        for query in ("FROM market.trades", "SELECT count(*) FROM market.trades"):
            result = past.sql(query)
            assert repr(result).splitlines()[-1].startswith(hint)
            assert hint in result._repr_html_()
            assert "first data" not in repr(now.sql(query))
        assert "first data" not in repr(now.sql("FROM market.trades WHERE symbol = 'KO'"))
        assert hint in repr(past) and "first data" not in repr(now)
        # A table that nobody ever wrote to has no first data.
        assert "first data" not in repr(past.sql("FROM market.price_alerts"))


def test_a_moment_before_the_first_event_says_when_that_was(session: Session, land: Land) -> None:
    land(trade(1, event_time=at(1)), trade(2, event_time=at(2)))
    session.refresh()
    begins = f"first data: market.trades begins at {show_moment(at(1))}, after the as-of"
    early, later = top_symbols(session, as_of=at(0)), top_symbols(session, as_of=at(1))
    assert repr(early).splitlines()[-1] == begins and begins in early._repr_html_()
    assert "first data" not in repr(later)


#: Takes for ever, for a person.
ENDLESS = "SELECT max(hash(a.range, b.range)) FROM range(10000000) a, range(10000000) b"


@pytest.mark.parametrize("ask", ["rows", "__repr__", "statement", "EXPLAIN ANALYZE "])
def test_a_query_that_takes_too_long_is_ended(session: Session, ask: str) -> None:
    with pytest.raises(QueryTimeout, match=r"took longer than 0\.2 s and was ended") as error:
        if ask == "statement":
            session.sql(f"CREATE TEMP TABLE t AS {ENDLESS}", timeout_s=0.2)
        elif ask.startswith("EXPLAIN"):
            session.sql(f"{ask}{ENDLESS}", timeout_s=0.2)
        else:
            getattr(session.sql(ENDLESS, timeout_s=0.2), ask)()
    assert error.value.exit_code == 124
    # The session goes on, and nothing of the limit is left.
    assert session.sql("SELECT 1").rows() == [(1,)]
    assert "workbench-deadline" not in [thread.name for thread in threading.enumerate()]


def test_a_limit_that_is_not_reached_changes_nothing(session: Session) -> None:
    assert session.sql("SELECT 42 AS a", timeout_s=60).rows() == [(42,)]
    with pytest.raises(UsageError, match="no table"):
        session.sql("FROM nothing", timeout_s=60)
    for wrong in (0, -1, "5", float("nan"), float("inf"), True):
        with pytest.raises(UsageError, match="timeout_s must be seconds above 0"):
            session.sql("SELECT 1", timeout_s=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("params", [5, "AAPL", {"AAPL"}])
def test_values_are_a_list_or_a_mapping(session: Session, params: Any) -> None:
    with pytest.raises(UsageError, match="values are a list or a mapping, got"):
        session.sql("SELECT * FROM market.trades WHERE symbol = $symbol", params)


def test_a_misspelt_part_of_the_package_names_the_nearest() -> None:
    with pytest.raises(AttributeError, match="no attribute 'explor': did you mean 'explore'"):
        _ = workbench.explor
    assert not hasattr(workbench, "__path__x")


@pytest.mark.parametrize("refused", [duckdb.OutOfMemoryException, duckdb.ConversionException])
def test_a_preview_that_fails_does_not_run_the_whole_query(
    session: Session, monkeypatch: pytest.MonkeyPatch, refused: type[duckdb.Error]
) -> None:
    asked: list[str] = []

    def failing(_: Any, sql: str, parameters: Any) -> None:
        asked.append(sql)
        raise refused("no")

    result = session.sql("SELECT 1 AS a")
    monkeypatch.setattr("workbench.lake.database.run", failing)
    with pytest.raises((LakeError, UsageError)):
        repr(result)
    assert len(asked) == 1 and "LIMIT" in asked[0]
