"""Run the definition of a job: the rows it lands and the messages it sends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from workbench.config import AlertSettings
from workbench.contracts import Field, Job, Record, job_named, table_named
from workbench.contracts.records import (
    DEAD_LETTER,
    ENRICHED_TRADE,
    EXECUTIONS,
    MARKET_DATA_TICK,
    MILLIS,
    ORDER_BOOK,
    ORDER_BOOK_METRICS,
    PREVIOUS_BOOK_MS,
    PRICE_ALERT,
    TRADE_AGGREGATE,
    TRADE_EVENT,
)
from workbench.contracts.topics import DESERIALIZATION, PROCESSING_ERRORS, ROUTES, UNROUTABLE
from workbench.contracts.types import duckdb_type
from workbench.definitions.alerts import Price, price_alerts
from workbench.definitions.raw import read_trades, sql
from workbench.definitions.strict import read_strictly
from workbench.errors import UsageError
from workbench.ingest.reference import SHIPPED

Results = dict[str, pa.Table]
#: What jobs other than those of trades read, and the relation it becomes.
_OWN_READING = {"alerts": (MARKET_DATA_TICK, "read_ticks"), "orderbook": (ORDER_BOOK, "read_books")}


@dataclass(frozen=True)
class _Given:
    """What a job goes by besides its records."""

    now: datetime
    symbols: Path
    alerts: AlertSettings


def run_definition(
    con: duckdb.DuckDBPyConnection,
    job: str,
    *,
    now: datetime | None = None,
    symbols: Path | None = None,
    alerts: AlertSettings | None = None,
    reread: bool = True,
) -> Results:
    """Return what a job makes of the records in `raw`.

    Parameters
    ----------
    con
        A connection on which `load_raw` (or `load_events`) was called.
    job
        A job of the registry. For ``alerts``, records of the topic raw.marketdata in `raw` are
        quotes, and all others trades; their order in `raw` is the order of arrival.
    now
        What ``failed_at``, ``computed_at`` and ``enriched_at`` are; the wall clock when None.
    symbols
        CSV of the reference data, for the enrichment; the file that ships when None. Of a
        project: `workbench.ingest.reference.symbols_in_force`.
    alerts
        What is an alert, ``settings.alerts`` of a project; the defaults when None.
    reread
        Whether `raw` is read again. Give False after `load_events`, and for a second job over
        the same `raw` (not for the router, which needs the original bytes).

    Returns
    -------
    dict of str to pyarrow.Table
        One entry per table and per topic of the job, with the columns of its contract; the
        topics of the router have ``topic``, ``key`` and ``value`` (binary). The definition of
        aggregates has no watermark and so no ops.late_rows.

    Raises
    ------
    UsageError
        When there is no such job, or no definition of it.
    """
    contract = job_named(job)
    if contract.name not in _RUN:
        raise UsageError(f"job {job!r} has no DuckDB definition", hint="known: " + ", ".join(_RUN))
    if contract.name in _OWN_READING:
        record, relation = _OWN_READING[contract.name]
        read_strictly(con, record, relation, TICKS if contract.name == "alerts" else None)
    elif reread:
        read_trades(con, keep_value=contract.name == "router")
    given = _Given(now or datetime.now(UTC), symbols or SHIPPED, alerts or AlertSettings())
    results = _RUN[contract.name](con, given)
    if "ops.dead_letters" in contract.tables:
        results |= _refused(con, contract, given.now)
    return results


def _landing(con: duckdb.DuckDBPyConnection, given: _Given) -> Results:
    return {"market.trades": _table(con, "market.trades", sql("landing"), {})}


def _router(con: duckdb.DuckDBPyConnection, given: _Given) -> Results:
    parameters = {
        "statuses": list(ROUTES),
        "topics": list(ROUTES.values()),
        "unroutable": UNROUTABLE,
    }
    routed = con.execute(sql("router"), parameters).to_arrow_table()
    topics = sorted({*ROUTES.values(), UNROUTABLE})
    return {name: routed.filter(pc.field("topic") == name) for name in topics}


def _aggregates(con: duckdb.DuckDBPyConnection, given: _Given) -> Results:
    parameters = {
        "executions": list(EXECUTIONS),
        "window_sizes": list(TRADE_AGGREGATE.field("window_size").symbols),
        "now": given.now,
    }
    rows = _table(con, "market.trade_aggregates", sql("aggregates"), parameters)
    return {
        "market.trade_aggregates": rows,
        "analytics.trade-aggregates": _messages(con, TRADE_AGGREGATE, rows, {}),
    }


def _enrichment(con: duckdb.DuckDBPyConnection, given: _Given) -> Results:
    parameters = {
        "executions": list(EXECUTIONS),
        "symbols": str(given.symbols),
        "now": given.now,
    }
    rows = _table(con, "market.enriched_trades", sql("enrichment"), parameters)
    times = {"timestamp_ms": "event_time", "enriched_at_ms": "enriched_at"}
    return {
        "market.enriched_trades": rows,
        "enriched.trades": _messages(con, ENRICHED_TRADE, rows, times),
    }


def _alerts(con: duckdb.DuckDBPyConnection, given: _Given) -> Results:
    read_strictly(con, TRADE_EVENT, "read_all_trades")
    rows = con.execute(
        f"""
        SELECT symbol, price, timestamp_ms,
            source_topic, source_partition, source_offset, source_time
        FROM (
            SELECT * FROM read_all_trades
            WHERE source_topic <> '{TICKS}' AND list_contains($executions, status)
            UNION ALL BY NAME SELECT * FROM read_ticks
        )
        WHERE error_topic IS NULL ORDER BY arrival
        """,
        {"executions": list(EXECUTIONS)},
    ).to_arrow_table()
    prices = (Price(r["symbol"], r["price"], r["timestamp_ms"]) for r in rows.to_pylist())
    alerts = price_alerts(prices, given.alerts)
    raised = pa.Table.from_pylist(
        [
            alert | {name: row[name] for name in row if name.startswith("source_")}
            for alert, row in zip(alerts, rows.to_pylist(), strict=True)
            if alert is not None
        ],
        schema=_ALERTS,
    )
    con.register("raised_alerts", raised)
    table = _table(con, "market.price_alerts", _ALERT_ROWS, {})
    times = {"window_start_ms": "window_start", "detected_at_ms": "detected_at"}
    return {
        "market.price_alerts": table,
        "alerts.price-movement": _messages(con, PRICE_ALERT, table, times),
    }


def _orderbook(con: duckdb.DuckDBPyConnection, given: _Given) -> Results:
    parameters = {"previous_ms": PREVIOUS_BOOK_MS}
    table = _table(con, "market.orderbook_metrics", sql("orderbook"), parameters)
    times = {"timestamp_ms": "event_time", "previous_ms": "previous_time"}
    return {
        "market.orderbook_metrics": table,
        "analytics.orderbook": _messages(con, ORDER_BOOK_METRICS, table, times),
    }


TICKS = "raw.marketdata"
_ALERTS = pa.schema(
    {
        **dict.fromkeys(("alert_id", "alert_type", "symbol", "direction"), pa.string()),
        **dict.fromkeys(("baseline_price", "current_price"), pa.decimal128(18, 8)),
        "pct_change": pa.decimal128(18, 2),
        **dict.fromkeys(("window_start_ms", "detected_at_ms"), pa.int64()),
        "severity": pa.string(),
        "source_topic": pa.string(),
        "source_partition": pa.int32(),
        "source_offset": pa.int64(),
        "source_time": pa.timestamp("us", "UTC"),
    }
)
_ALERT_ROWS = """
SELECT *, make_timestamptz(window_start_ms * 1000) AS window_start,
    make_timestamptz(detected_at_ms * 1000) AS detected_at
FROM raised_alerts
"""

_RUN = {
    "landing": _landing,
    "router": _router,
    "aggregates": _aggregates,
    "enrichment": _enrichment,
    "alerts": _alerts,
    "orderbook": _orderbook,
}


def dead_letters(con: duckdb.DuckDBPyConnection, job: str, now: datetime) -> pa.Table:
    """Return the rows of ops.dead_letters of the records that a job refuses."""
    relation = _OWN_READING[job][1] if job in _OWN_READING else "read_trades"
    con.execute(f"CREATE OR REPLACE TEMP VIEW read_owned AS SELECT * FROM {relation}")
    topics = [name for name in job_named(job).topics if name.startswith("dlq.")]
    parameters = {"job": job, "now": now, "dead_letter_topics": topics}
    return _table(con, "ops.dead_letters", sql("dead_letters"), parameters)


def _refused(con: duckdb.DuckDBPyConnection, job: Job, now: datetime) -> Results:
    """The records the job refuses: as rows, and as messages where a topic carries the reason."""
    rows = dead_letters(con, job.name, now)
    results = {"ops.dead_letters": rows}
    for name in job.topics:
        if name in (DESERIALIZATION, PROCESSING_ERRORS):
            part = rows.filter(pc.field("topic") == name)
            results[name] = _messages(con, DEAD_LETTER, part, {"timestamp_ms": "failed_at"})
    return results


def _table(
    con: duckdb.DuckDBPyConnection, name: str, query: str, parameters: dict[str, Any]
) -> pa.Table:
    """The rows of a query with the columns and types of a table of the lake, in its order."""
    contract = table_named(name)
    columns = ", ".join(
        f"CAST({c.name} AS {duckdb_type(c.type)}) AS {c.name}" for c in contract.columns
    )
    order = ", ".join(contract.sort_by)
    return con.execute(
        f"SELECT {columns} FROM ({query}) ORDER BY {order}", parameters
    ).to_arrow_table()


def _messages(
    con: duckdb.DuckDBPyConnection, record: Record, rows: pa.Table, renamed: dict[str, str]
) -> pa.Table:
    """Rows of a table as the fields of a topic's record: times are milliseconds."""

    def column(field: Field) -> str:
        source = renamed.get(field.name, field.name)
        return f"epoch_ms({source}) AS {field.name}" if field.unit == MILLIS else field.name

    columns = ", ".join(column(field) for field in record.fields)
    con.register("table_rows", rows)
    return con.execute(f"SELECT {columns} FROM table_rows").to_arrow_table()
