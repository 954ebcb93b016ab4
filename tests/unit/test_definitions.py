"""What each job makes of a few records, computed by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from workbench.config import AlertRule, AlertSettings, Settings, load_settings
from workbench.contracts import JOBS, TABLES, table_named, topic_named
from workbench.definitions import connect, load_events, load_raw, run_definition
from workbench.definitions.alerts import Price, price_alerts
from workbench.definitions.backfill import backfill
from workbench.errors import UsageError
from workbench.ingest.generate import Defects, choose, generate_day, load_instruments
from workbench.lake.catalog import load_catalog
from workbench.lake.tables import apply

MINUTE = 1_723_161_600_000  # 2024-08-09 00:00 UTC, the start of a 1, a 5 and a 15 minute window
NOW = datetime(2024, 8, 9, 12, tzinfo=UTC)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(threads=1) as connection:
        yield connection


def trade(number: int = 1, **changes: Any) -> bytes:
    fields = {
        "trade_id": f"T{number}",
        "order_id": f"O{number}",
        "symbol": "AAPL",
        "side": "BUY",
        "quantity": "1",
        "price": "100",
        "status": "FILLED",
        "timestamp_ms": MINUTE,
    }
    return json.dumps(fields | changes).encode()


def run(
    con: duckdb.DuckDBPyConnection, job: str, values: list[bytes | None], **options: Any
) -> dict[str, pa.Table]:
    load_raw(con, values, source_time=NOW)
    return run_definition(con, job, now=NOW, **options)


def windows(con: duckdb.DuckDBPyConnection, values: list[bytes | None]) -> list[dict[str, Any]]:
    rows = run(con, "aggregates", values)["analytics.trade-aggregates"].to_pylist()
    return sorted(rows, key=lambda row: (row["window_end"] - row["window_start"], row["symbol"]))


# ---------------------------------------------------------------- aggregates


def test_the_three_windows_of_one_execution(con):
    rows = windows(con, [trade(timestamp_ms=MINUTE + 59_999)])
    assert [(r["window_size"], r["window_start"], r["window_end"]) for r in rows] == [
        ("1m", MINUTE, MINUTE + 60_000),
        ("5m", MINUTE, MINUTE + 300_000),
        ("15m", MINUTE, MINUTE + 900_000),
    ]


def test_a_window_ends_before_its_end(con):
    rows = windows(con, [trade(), trade(timestamp_ms=MINUTE + 60_000)])
    assert [(r["window_size"], r["trade_count"]) for r in rows] == [
        ("1m", 1),
        ("1m", 1),
        ("5m", 2),
        ("15m", 2),
    ]


def test_the_figures_of_a_window(con):
    row, *_ = windows(
        con,
        [
            trade(1, price="10.00", quantity="3", side="BUY", timestamp_ms=MINUTE + 3),
            trade(2, price="12.00", quantity="1", side="SELL", timestamp_ms=MINUTE + 2),
            trade(3, price="9.50", quantity="0.5", side="BUY", timestamp_ms=MINUTE + 1),
            trade(4, price="99", quantity="99", status="NEW"),
        ],
    )
    assert row == {
        "symbol": "AAPL",
        "window_start": MINUTE,
        "window_end": MINUTE + 60_000,
        "window_size": "1m",
        "total_volume": Decimal("4.5"),
        "total_value": Decimal("46.75"),
        "vwap": Decimal("10.3889"),  # 46.75 / 4.5 = 10.38888...
        "trade_count": 3,
        "buy_count": 2,
        "sell_count": 1,
        "buy_sell_ratio": Decimal("2.0000"),
        "high_price": Decimal("12"),
        "low_price": Decimal("9.5"),
        "open_price": Decimal("9.5"),
        "close_price": Decimal("10"),
        "open_time": MINUTE + 1,
        "open_offset": 2,
        "close_time": MINUTE + 3,
        "close_offset": 0,
        "late": False,
        "computed_at": int(NOW.timestamp() * 1000),
    }


def test_ties_of_event_time_are_ordered_by_arrival(con):
    row, *_ = windows(con, [trade(price="2"), trade(price="3"), trade(price="1")])
    assert (row["open_price"], row["open_offset"]) == (2, 0)
    assert (row["close_price"], row["close_offset"]) == (1, 2)


def test_a_window_without_sells_has_no_ratio(con):
    row, *_ = windows(con, [trade(side="BUY")])
    assert row["sell_count"] == 0 and row["buy_sell_ratio"] is None


def test_a_window_without_buys_has_ratio_zero(con):
    row, *_ = windows(con, [trade(side="SELL")])
    assert row["buy_sell_ratio"] == 0


def test_half_a_unit_is_rounded_up(con):
    # 1.00005 is exactly between two results of four decimals; a double would lose it.
    row, *_ = windows(con, [trade(price="1.00005")])
    assert row["vwap"] == Decimal("1.0001")
    row, *_ = windows(con, [trade(side="BUY")] + [trade(side="SELL")] * 3)
    assert row["buy_sell_ratio"] == Decimal("0.3333")


def test_large_values_are_summed_exactly(con):
    row, *_ = windows(con, [trade(price="9999999999.9999", quantity="9999.99999999")] * 2)
    assert row["total_value"] == Decimal("199999999999798.000000000002")
    assert row["vwap"] == Decimal("9999999999.9999")


# ---------------------------------------------------------------- router, landing, enrichment


def test_the_router_passes_bytes_on(con):
    odd = trade(1)[:-1] + b' ,  "note": "\\u00e9"}  '
    results = run(con, "router", [odd, trade(2, status=" new "), trade(3, status="DONE")])
    assert results["processed.trades.filled"].to_pylist() == [
        {"topic": "processed.trades.filled", "key": b"O1", "value": odd}
    ]
    assert results["processed.trades.new"]["key"].to_pylist() == [b"O2"]
    assert results["dlq.trades.unroutable"]["key"].to_pylist() == [b"T3"]
    assert results["ops.dead_letters"]["error_type"].to_pylist() == ["unknown-status"]


@pytest.mark.parametrize(
    ("status", "topic"),
    [
        ("NEW", "processed.trades.new"),
        ("filled", "processed.trades.filled"),
        ("Partially_Filled", "processed.trades.filled"),
        ("CANCELLED", "processed.trades.cancelled"),
        ("rejected ", "processed.trades.rejected"),
        ("", "dlq.trades.unroutable"),
        ("FILL", "dlq.trades.unroutable"),
    ],
)
def test_each_status_has_a_topic(con, status, topic):
    results = run(con, "router", [trade(status=status)])
    assert [name for name, rows in results.items() if name != "ops.dead_letters" and rows] == [
        topic
    ]


def test_landing_takes_every_valid_event_and_reports_the_rest(con):
    values = [trade(1), trade(1), b"oops", None, trade(2, price=-3), trade(3, status="?"), b"\xff"]
    results = run(con, "landing", values)
    assert results["market.trades"]["source_offset"].to_pylist() == [0, 1]
    letters = results["ops.dead_letters"].to_pylist()
    assert [(row["source_offset"], row["topic"], row["error_type"]) for row in letters] == [
        (2, "dlq.deserialization", "invalid-json"),
        (3, "dlq.deserialization", "tombstone"),
        (4, "dlq.processing-errors", "not-positive"),
        (6, "dlq.deserialization", "invalid-utf8"),
    ]
    assert results["dlq.processing-errors"]["original_value"].to_pylist() == [
        trade(2, price=-3).decode()
    ]


def test_every_raw_record_is_in_one_place(con):
    instruments = choose(load_instruments(load_settings().symbols_file), 3)
    day = generate_day(
        date(2024, 8, 8), 3, instruments, 500, Defects(malformed=25, duplicates=5, unroutable=4)
    )
    load_raw(con, day.values().to_pylist(), source_time=NOW)
    landing, router = run_definition(con, "landing"), run_definition(con, "router")
    found = landing["market.trades"].num_rows
    letters: dict[str, dict[str, int]] = {}
    for rows in (landing["ops.dead_letters"], router["ops.dead_letters"]):
        for row in rows.to_pylist():
            reasons = letters.setdefault(row["topic"], {})
            reasons[row["error_type"]] = reasons.get(row["error_type"], 0) + 1
    assert letters == day.truth["dead_letters"]
    assert found == day.truth["trades"]["valid"]
    assert found + sum(sum(r.values()) for r in letters.values()) == day.truth["trades"]["lines"]


def test_enrichment_joins_executions_and_says_unknown(con, tmp_path):
    symbols = tmp_path / "symbols.csv"
    symbols.write_text(
        "symbol,company_name,sector,industry,market_cap_tier,exchange\n"
        'AAPL,"Apple, Inc.",Information Technology,Hardware,MEGA,NASDAQ\n'
    )
    values = [trade(1), trade(2, symbol="XXXX"), trade(3, status="NEW")]
    results = run(con, "enrichment", values, symbols=symbols)
    rows = results["market.enriched_trades"].select(["symbol", "company_name", "sector"])
    assert rows.to_pylist() == [
        {"symbol": "AAPL", "company_name": "Apple, Inc.", "sector": "Information Technology"},
        {"symbol": "XXXX", "company_name": "UNKNOWN", "sector": "UNKNOWN"},
    ]


def test_rules_of_alerts_are_settings_also_of_one_symbol():
    rules = AlertSettings.model_validate(
        {
            "threshold_percent": 5,
            "window_s": 10,
            "cooldown_s": 0,
            "symbols": {"OWN": {"threshold_percent": "0.5", "cooldown_s": 30}},
        }
    )
    seconds_and_prices = [
        (0, "100"),
        (10, "101"),
        (20, "102"),
        (21, "108"),
        (40, "109"),
        (41, "120"),
    ]
    found = {}
    for symbol in ("COMMON", "OWN"):
        prices = [Price(symbol, Decimal(p), 1000 * s) for s, p in seconds_and_prices]
        alerts = [alert for alert in price_alerts(prices, rules) if alert]
        found[symbol] = [
            (a["detected_at_ms"] // 1000, a["baseline_price"], a["severity"]) for a in alerts
        ]
    assert found == {
        # At 20 s the window is over, and 102 is the baseline; at 40 s it is over once more.
        "COMMON": [(21, 102, "HIGH"), (41, 109, "CRITICAL")],
        # 1 % is an alert at 10 s; then the symbol is quiet for 30 s, while its baseline moves on.
        "OWN": [(10, 100, "LOW"), (41, 109, "CRITICAL")],
    }


def test_a_book_is_compared_with_one_that_is_up_to_5_minutes_away(con):
    steps = [0, 300_000, 300_001, -300_000, -300_001, -86_400_000]
    times = [MINUTE + sum(steps[: n + 1]) for n in range(len(steps))]
    sides = {"bids": [{"price": 1, "quantity": 1}], "asks": [{"price": 2, "quantity": 1}]}
    books = [json.dumps({"symbol": "A", "timestamp_ms": at, **sides}).encode() for at in times]
    found = run(con, "orderbook", books)["analytics.orderbook"].to_pylist()
    before = {row["source_offset"]: row["previous_ms"] for row in found}
    assert [before[n] for n in range(6)] == [None, times[0], None, times[2], None, None]
    assert [row["mid_change"] is None for row in found] == [
        row["previous_ms"] is None for row in found
    ]


def test_a_definition_goes_by_what_it_is_given_not_by_where_it_runs(con, tmp_path, monkeypatch):
    (tmp_path / "other.csv").write_text(
        "symbol,company_name,sector,industry,market_cap_tier,exchange\nAAPL,Other,O,O,MEGA,O\n"
    )
    settings = '[alerts]\nthreshold_percent = 50\n[reference]\nsymbols = "other.csv"\n'
    (tmp_path / "workbench.toml").write_text(settings)
    monkeypatch.chdir(tmp_path)
    values = [trade(1), trade(2, price="103")]
    alerts = run(con, "alerts", values)["market.price_alerts"]
    names = run(con, "enrichment", values)["market.enriched_trades"]["company_name"]
    assert alerts["pct_change"].to_pylist() == [3]
    assert set(names.to_pylist()) == {"Apple Inc."}
    mine = AlertSettings(symbols={"AAPL": AlertRule(threshold_percent=Decimal(4))})
    assert run(con, "alerts", values, alerts=mine)["market.price_alerts"].num_rows == 0


@pytest.mark.parametrize("job", [job.name for job in JOBS])
def test_results_have_the_columns_of_the_contracts(con, job):
    results = run(con, job, [trade()])
    for name, rows in results.items():
        if name in {table.name for table in TABLES}:
            assert rows.column_names == [column.name for column in table_named(name).columns]
        elif job == "router":
            assert rows.column_names == ["topic", "key", "value"]
        else:
            record = topic_named(name).record
            assert record is not None
            assert rows.column_names == [field.name for field in record.fields]


def test_an_unknown_job_names_the_nearest(con):
    with pytest.raises(UsageError, match="did you mean 'router'"):
        run_definition(con, "routr")


# ---------------------------------------------------------------- backfill


@pytest.fixture
def lake(tmp_path: Path) -> Settings:
    settings = load_settings(tmp_path)
    apply(settings)
    return settings


def landed(settings: Settings, table: str) -> pa.Table:
    return load_catalog(settings).load_table(table).scan().to_arrow()


def test_a_backfill_is_what_the_definitions_say_and_can_be_repeated(lake, con):
    values: list[bytes | None] = [trade(1), trade(2, side="SELL"), b"oops", trade(3, status="?")]
    for _ in range(2):
        result = backfill(lake, values, source_time=NOW, now=NOW)
    assert result.days == [date(2024, 8, 9)]
    assert result.rows["ops.dead_letters"] == 0
    assert landed(lake, "ops.dead_letters")["job"].to_pylist() == ["landing", "router"]
    load_raw(con, values, source_time=NOW)
    for job, table in (("landing", "market.trades"), ("aggregates", "market.trade_aggregates")):
        expected = run_definition(con, job, now=NOW)[table]
        assert landed(lake, table).to_pylist() == expected.to_pylist()


def test_events_that_are_known_to_be_valid_are_not_parsed(lake, con):
    instruments = choose(load_instruments(lake.symbols_file), 3)
    day = generate_day(date(2024, 8, 8), 3, instruments, 500)
    backfill(lake, day.table, source_time=NOW, now=NOW, topic="raw.trades")
    load_raw(con, day.values().to_pylist(), source_time=NOW)
    expected = run_definition(con, "landing")["market.trades"]
    order = [("source_offset", "ascending")]
    assert landed(lake, "market.trades").sort_by(order).to_pylist() == (
        expected.sort_by(order).to_pylist()
    )


def test_a_backfill_leaves_other_days_alone(lake):
    backfill(lake, [trade(1)], source_time=NOW)
    before = pc.sum(landed(lake, "market.trade_aggregates")["trade_count"]).as_py()
    backfill(lake, [trade(2, timestamp_ms=MINUTE - 1)], source_time=NOW)
    assert landed(lake, "market.trades").num_rows == 2
    after = pc.sum(landed(lake, "market.trade_aggregates")["trade_count"]).as_py()
    assert (before, after) == (3, 6)


def test_an_unknown_table_is_refused(lake):
    with pytest.raises(UsageError, match=r"no backfill of 'ops\.late_rows'"):
        backfill(lake, [], tables=["ops.late_rows"])


def test_the_ms_columns_of_loaded_events_come_from_their_times(con):
    table = pa.table({"event_time": pa.array([NOW], pa.timestamp("us", "UTC"))})
    load_events(con, table)
    [(milliseconds,)] = con.execute("SELECT timestamp_ms FROM read_trades").fetchall()
    assert milliseconds == int(NOW.timestamp() * 1000)
