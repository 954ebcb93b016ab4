"""Tables are what the contracts say, and writing to them loses and doubles nothing."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from datetime import date
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyiceberg.types import LongType, StringType

from tests.unit.conftest import Land
from tests.unit.lake_rows import at, trade, trades
from workbench.config import Settings, load_settings
from workbench.contracts import TABLES, table_named
from workbench.errors import LakeError, UsageError
from workbench.lake import tables, write
from workbench.lake.catalog import catalog_file, flink_catalog_options, load_catalog
from workbench.lake.schema import iceberg_schema


def read(settings: Settings, name: str = "market.trades") -> pl.DataFrame:
    frame = pl.from_arrow(load_catalog(settings).load_table(name).scan().to_arrow())
    assert isinstance(frame, pl.DataFrame)
    return frame


def test_apply_makes_every_table_of_the_contracts(settings: Settings) -> None:
    assert {done.changes for done in tables.apply(settings)} == {("created",)}
    catalog = load_catalog(settings)
    for table in TABLES:
        made = catalog.load_table(table.name)
        assert made.schema().as_struct() == iceberg_schema(table).as_struct()
        assert [str(field.transform) for field in made.spec().fields] == ["day"]
        order = [made.schema().find_column_name(f.source_id) for f in made.sort_order().fields]
        assert tuple(order) == table.sort_by
        assert made.metadata.format_version == 2
        assert made.properties["workbench.job"] == table.job
        assert made.location().startswith(f"file://{settings.warehouse}/")


def test_a_second_apply_changes_nothing(lake: Settings) -> None:
    before = [load_catalog(lake).load_table(t.name).metadata_location for t in TABLES]
    assert all(done == tables.Applied(done.table) for done in tables.apply(lake))
    assert before == [load_catalog(lake).load_table(t.name).metadata_location for t in TABLES]


def test_two_that_apply_at_once_make_one_lake(settings: Settings) -> None:
    failures: list[Exception] = []

    def go() -> None:
        try:
            tables.apply(settings)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(table.exists for table in tables.list_tables(settings))


def test_a_missing_optional_column_is_added_and_old_rows_read_null(
    lake: Settings, land: Land
) -> None:
    land(trade(1))
    table = load_catalog(lake).load_table("market.trades")
    with table.update_schema(allow_incompatible_changes=True) as update:
        update.delete_column("exchange")
    assert "added column exchange" in tables.apply(lake)[0].changes
    land(trade(2, exchange="X"))
    assert read(lake).sort("trade_id")["exchange"].to_list() == [None, "X"]


def test_drift_that_needs_a_migration_is_listed_and_not_touched(lake: Settings) -> None:
    table = load_catalog(lake).load_table("ops.late_rows")
    with table.update_schema(allow_incompatible_changes=True) as update:
        update.delete_column("lateness_ms")
        update.add_column("lateness_ms", StringType())
        update.add_column("extra", LongType())
        update.make_column_optional("symbol")
    done = next(done for done in tables.apply(lake) if done.table == "ops.late_rows")
    assert done.drift == (
        "column extra is not in the contract",
        "column lateness_ms is optional, the contract has required",
        "column lateness_ms is string, the contract has long",
        "column symbol is optional, the contract has required",
    )
    assert "extra" in load_catalog(lake).load_table("ops.late_rows").schema().column_names


def test_properties_and_sort_order_come_back(lake: Settings) -> None:
    table = load_catalog(lake).load_table("market.trades")
    with table.transaction() as transaction:
        transaction.set_properties({"commit.retry.num-retries": "0"})
    with table.update_sort_order() as update:
        update.desc("price", table.sort_order().fields[0].transform)
    changes = tables.apply(lake)[0].changes
    assert changes == ("set commit.retry.num-retries", "set the sort order")
    assert tables.apply(lake)[0].changes == ()


def test_append_casts_sorts_and_cuts_at_utc_days(lake: Settings) -> None:
    loose = pa.table(
        {
            **{n: ["x", "y", "z"] for n in ("trade_id", "order_id", "side", "source_topic")},
            "symbol": ["MSFT", "AAPL", "AAPL"],
            "status": ["FILLED"] * 3,
            "quantity": [1, 2, 3],
            "price": pa.array([Decimal("1.5")] * 3, pa.decimal128(4, 1)),
            "event_time": [at(0), at(0, days=1), at(5)],
            "source_partition": [0, 0, 0],
            "source_offset": [0, 1, 2],
            "source_time": [at(0)] * 3,
        }
    )
    write.append(lake, "market.trades", loose)
    files = list(load_catalog(lake).load_table("market.trades").scan().plan_files())
    assert sorted(f.file.partition[0] for f in files) == [
        (day - date(1970, 1, 1)).days for day in (date(2024, 8, 8), date(2024, 8, 9))
    ]
    first = next(f for f in files if f.file.record_count == 2)
    symbols = pl.read_parquet(first.file.file_path.removeprefix("file://"))["symbol"]
    assert symbols.to_list() == ["AAPL", "MSFT"]
    assert read(lake)["quantity"].sort().to_list() == [Decimal(1), Decimal(2), Decimal(3)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.append_column("foo", [["x"]]), "no column 'foo'"),
        (lambda t: t.drop_columns(["symbol"]), "lack the required column 'symbol'"),
        (lambda t: t.set_column(2, "symbol", pa.nulls(1, pa.string())), "'symbol'.*1 null"),
        (lambda t: t.set_column(5, "price", pa.array(["x"])), "'price'.*decimal128"),
        (
            lambda t: t.set_column(5, "price", pa.array([Decimal("0.123456789")])),
            "'price'.*decimal128",
        ),
        (lambda t: t.set_column(5, "price", pa.array([0.1])), "not exact"),
        (lambda t: t.set_column(5, "price", pa.array([10**10])), "'price'.*does not fit"),
    ],
)
def test_rows_that_break_the_contract_are_refused_by_name(lake, change, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match=message):
        write.append(lake, "market.trades", change(trades([trade(1)])))


def test_no_rows_make_no_snapshot(lake: Settings) -> None:
    assert write.append(lake, "market.trades", trades([])) is None
    assert write.replace_days(lake, "market.trades", trades([])) is None
    assert tables.list_tables(lake)[0].snapshot is None


def test_replacing_days_twice_is_the_same_as_once_and_leaves_other_days(
    lake: Settings, land: Land
) -> None:
    land(*(trade(i, event_time=at(i, days=i % 3)) for i in range(9)))
    day_one = trades([trade(100 + i, event_time=at(i, days=1)) for i in range(2)])
    write.replace_days(lake, "market.trades", day_one)
    once = read(lake).sort("trade_id")
    write.replace_days(lake, "market.trades", day_one)
    assert read(lake).sort("trade_id").equals(once)
    assert set(once["trade_id"]) == {"t0", "t2", "t3", "t5", "t6", "t8", "t100", "t101"}
    snapshots = tables.describe(lake, "market.trades").snapshots
    assert [s["operation"] for s in snapshots] == ["overwrite", "overwrite", "append"]


def test_a_replaced_day_ends_at_midnight_utc(lake: Settings, land: Land) -> None:
    midnight = at(12 * 3600)
    land(trade(1, event_time=midnight.replace(microsecond=0)), trade(2, event_time=at(43199)))
    write.replace_days(lake, "market.trades", trades([trade(3, event_time=at(0))]))
    assert set(read(lake)["trade_id"]) == {"t1", "t3"}


def test_writers_at_once_lose_nothing(lake: Settings) -> None:
    failures: list[Exception] = []

    def go(writer: int) -> None:
        try:
            for i in range(4):
                write.append(lake, "market.trades", trades([trade(writer * 100 + i)]))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=go, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert read(lake)["trade_id"].n_unique() == read(lake).height == 16


def test_a_commit_waits_for_one_that_holds_the_catalog(lake: Settings) -> None:
    with closing(sqlite3.connect(catalog_file(lake), check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.5, other.rollback)
        timer.start()
        assert write.append(lake, "market.trades", trades([trade(1)])) is not None
        timer.join()


def test_a_conflict_in_the_replaced_day_starts_again_on_the_newer_state(
    lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(trade(1))
    written = write._data_files

    def meanwhile(*arguments):  # type: ignore[no-untyped-def]
        files = written(*arguments)
        monkeypatch.setattr(write, "_data_files", written)
        land(trade(2), trade(3, event_time=at(0, days=5)))
        return files

    monkeypatch.setattr(write, "_data_files", meanwhile)
    write.replace_days(lake, "market.trades", trades([trade(9)]))
    assert set(read(lake)["trade_id"]) == {"t9", "t3"}


def test_when_others_are_always_in_the_way_it_says_so_and_leaves_no_file(
    lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyiceberg.exceptions import CommitFailedException
    from pyiceberg.table import Transaction

    def refuse(self: Transaction) -> None:
        raise CommitFailedException("somebody else was faster")

    monkeypatch.setattr(Transaction, "commit_transaction", refuse)
    monkeypatch.setattr(write, "FIRST_WAIT_S", 0.001)
    with pytest.raises(LakeError, match="other writers were in the way 8 times"):
        write.append(lake, "market.trades", trades([trade(1)]))
    assert list(lake.warehouse.rglob("*.parquet")) == []


def test_list_counts_rows_files_and_the_newest_event(lake: Settings, land: Land) -> None:
    land(trade(1), trade(2, event_time=at(7, days=1)))
    snapshot = land(trade(3))
    first = tables.list_tables(lake)[0]
    assert (first.rows, first.files, first.snapshot) == (3, 3, snapshot)
    assert first.newest_event == at(7, days=1)


def test_unknown_tables_and_missing_lakes_are_named(settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"did you mean 'market\.trades'"):
        tables.describe(settings, "market.trade")
    with pytest.raises(LakeError, match=r"no lake in .*warehouse"):
        tables.list_tables(settings)
    with pytest.raises(LakeError, match=r"no table market\.trades .*tables apply"):
        write.append(settings, "market.trades", trades([trade(1)]))


def test_a_catalog_that_is_no_database_is_an_error_in_one_line(settings: Settings) -> None:
    settings.warehouse.mkdir()
    catalog_file(settings).write_text("not a database, but long enough to be looked at" * 40)
    with pytest.raises(LakeError, match=r"catalog\.db cannot be opened"):
        load_catalog(settings)


def test_flink_gets_the_same_catalog(settings: Settings) -> None:
    assert flink_catalog_options(settings) == {
        "type": "iceberg",
        "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
        "uri": f"jdbc:sqlite:{settings.warehouse}/catalog.db?journal_mode=WAL&busy_timeout=30000",
        "jdbc.schema-version": "V1",
        "warehouse": f"file://{settings.warehouse}",
        "clients": "1",
        "cache-enabled": "false",
    }


def test_flink_gets_other_catalogs_in_its_own_words(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rest = {"uri": "http://127.0.0.1:8181", "warehouse": "s3://lake", "s3.region": "eu-1"}
    options = flink_catalog_options(load_settings(tmp_path, lake={"properties": rest}))
    assert options["catalog-type"] == "rest"
    assert options["client.region"] == "eu-1"
    assert options["io-impl"] == "org.apache.iceberg.aws.s3.S3FileIO"
    sql = {"uri": "postgresql+psycopg2://me:p%40ss@db:5432/lake", "warehouse": "s3://lake"}
    options = flink_catalog_options(load_settings(tmp_path, lake={"properties": sql}))
    assert options["uri"] == "jdbc:postgresql://db:5432/lake"
    assert (options["jdbc.user"], options["jdbc.password"]) == ("me", "p@ss")
    with pytest.raises(UsageError, match="'glue'"):
        flink_catalog_options(load_settings(tmp_path, lake={"properties": {"type": "glue"}}))


def test_a_warehouse_no_uri_can_name_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    settings = load_settings(tmp_path, lake={"warehouse": "a#b"})
    with pytest.raises(UsageError, match="has # in its name"):
        load_catalog(settings)


def test_a_warehouse_with_blanks_and_quotes_works(tmp_path) -> None:  # type: ignore[no-untyped-def]
    settings = load_settings(tmp_path, lake={"warehouse": "my lake's"})
    tables.apply(settings)
    write.append(settings, "market.trades", trades([trade(1)]))
    assert read(settings).height == 1


def test_the_command_line_applies_lists_and_describes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.cli.tables import command

    monkeypatch.setenv("WORKBENCH_PROJECT", str(settings.project))
    run = CliRunner().invoke
    assert run(command, ["apply"]).exit_code == 0
    listed = json.loads(run(command, ["list", "--json"]).output)
    assert [row["table"] for row in listed] == [table.name for table in TABLES]
    described = json.loads(run(command, ["describe", "ops.late_rows", "--json"]).output)
    columns = [column["column"] for column in described["columns"]]
    assert columns == [column.name for column in table_named("ops.late_rows").columns]
    assert "partitioned by day(event_time)" in run(command, ["describe", "ops.late_rows"]).output
