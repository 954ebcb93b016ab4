"""A small lake that is always the same: what the stored outputs of the notebooks come from."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from workbench.config import Settings, load_settings
from workbench.contracts.records import ORDER_BOOK
from workbench.definitions import connect, load_raw, run_definition
from workbench.definitions.backfill import backfill
from workbench.ingest.generate import Defects, choose, generate_day, load_instruments
from workbench.ingest.json_text import json_rows
from workbench.lake.tables import apply
from workbench.lake.write import append

SEED = 20240809
SYMBOLS = ["AAPL", "BTCUSDT", "JPM", "KO", "MSFT", "XOM"]
HISTORY = [date(2024, 7, day) for day in (1, 8, 15, 22, 29)] + [
    date(2024, 8, day) for day in (1, 2, 5, 6, 7, 8)
]
DAY = date(2024, 8, 9)
ARRIVED = datetime(2024, 8, 10, tzinfo=UTC)
#: Order books of the day, over all symbols.
BOOKS = 600
CROSSED = (
    b'{"symbol":"AAPL","timestamp_ms":1723210000000,'
    b'"bids":[{"price":2,"quantity":1}],"asks":[{"price":1,"quantity":1}]}'
)
DEFECTS = Defects(malformed=15, duplicates=4, late=3, future=2, unroutable=4)


def _empty_lake(folder: Path) -> Settings:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "workbench.toml").write_text("")
    settings = load_settings(folder)
    apply(settings)
    return settings


def build_lake_of_books(folder: Path) -> Settings:
    """Make a project with the order books of one day and nothing else."""
    settings = _empty_lake(folder)
    instruments = choose(load_instruments(settings.symbols_file), SYMBOLS)
    books = generate_day(DAY, SEED, instruments, 10, books=BOOKS).books
    assert books is not None
    _land_books(settings, books)
    return settings


def build_small_lake(folder: Path) -> Settings:
    """Make a project with a lake in this folder: some history, and one day with defects."""
    settings = _empty_lake(folder)
    # The shipped reference data, whatever the machine is configured for.
    instruments = choose(load_instruments(settings.symbols_file), SYMBOLS)
    past = [generate_day(day, SEED, instruments, 400).table for day in HISTORY]
    backfill(settings, pa.concat_tables(past), source_time=ARRIVED, now=ARRIVED)
    today = generate_day(DAY, SEED, instruments, 2_000, DEFECTS, books=BOOKS)
    backfill(settings, today.values().to_pylist(), source_time=ARRIVED, now=ARRIVED)
    assert today.books is not None
    _land_books(settings, today.books)
    return settings


def _land_books(settings: Settings, books: pa.Table) -> None:
    """The rows of the order-book job, by its definition; one book is crossed and refused."""
    columns = {name: books[name].combine_chunks() for name in books.column_names}
    values = [*json_rows(columns, ORDER_BOOK).to_pylist(), CROSSED]
    with connect() as con:
        load_raw(con, values, topic="raw.orderbook", source_time=ARRIVED)
        found = run_definition(con, "orderbook", now=ARRIVED)
    for table in ("market.orderbook_metrics", "ops.dead_letters"):
        append(settings, table, found[table])
