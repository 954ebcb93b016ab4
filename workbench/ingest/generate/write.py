"""Generated days as files: the records, and the truth beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from gzip import GzipFile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from workbench.contracts import Record
from workbench.contracts.records import MARKET_DATA_TICK, ORDER_BOOK
from workbench.errors import UsageError, WorkbenchError
from workbench.ingest.generate.day import MarketDay
from workbench.ingest.generate.instruments import Instrument
from workbench.ingest.json_text import json_rows

FORMS = ("jsonl", "parquet")


def days_from(start: date, count: int, instruments: list[Instrument]) -> Iterator[date]:
    """Yield `count` days on which the instruments trade: weekdays, unless all are crypto.

    One day alone is the start itself, whatever day it is.

    Raises
    ------
    UsageError
        Where the calendar ends before that.

    Examples
    --------
    >>> stock = Instrument("AAPL", "Information Technology", "MEGA", "NASDAQ", 10**6, 10**8)
    >>> [str(day) for day in days_from(date(2024, 1, 5), 2, [stock])]
    ['2024-01-05', '2024-01-08']
    """
    every_day = count == 1 or all(each.is_crypto for each in instruments)
    left = count
    for ordinal in range(start.toordinal(), date.max.toordinal() + 1):
        if not left:
            return
        day = date.fromordinal(ordinal)
        if every_day or day.weekday() < 5:
            yield day
            left -= 1
    if left:
        raise UsageError(
            f"{count} days from {start} go beyond {date.max}", hint="an earlier start or fewer days"
        )


def write_day(
    day: MarketDay, folder: Path, form: str = "jsonl", *, gzip: bool = False
) -> list[Path]:
    """Write the files of a day: trades, where made quotes and books, and ``truth-DATE.json``.

    Parameters
    ----------
    day
        What to write.
    folder
        Where; made when missing.
    form
        ``jsonl`` or ``parquet``.
    gzip
        Pack JSON lines (Parquet packs its own columns).

    Returns
    -------
    list of Path
        The files, the truth last.

    Raises
    ------
    UsageError
        Where malformed records should go into Parquet, which has no place for them.
    WorkbenchError
        Where the files cannot be written.
    """
    if form not in FORMS:
        raise UsageError(f"no format {form!r}", hint="one of " + ", ".join(FORMS))
    if form == "parquet" and day.malformed:
        raise UsageError(
            f"{len(day.malformed)} malformed records cannot be typed columns",
            hint="write them with --format jsonl",
        )
    try:
        return _write(day, folder, form, gzip)
    except OSError as error:
        raise WorkbenchError(
            f"cannot write into {folder}: {error.strerror or error}",
            hint="check the disk and its rights, or take another folder",
        ) from error


def _write(day: MarketDay, folder: Path, form: str, gzip: bool) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    stamp = day.day.isoformat()
    ending = "parquet" if form == "parquet" else "jsonl.gz" if gzip else "jsonl"
    written = []
    trades = folder / f"trades-{stamp}.{ending}"
    if form == "parquet":
        _parquet(day.arrivals, trades)
    else:
        _lines(day.values(), trades)
    written.append(trades)
    parts = (("marketdata", day.quotes, MARKET_DATA_TICK), ("orderbook", day.books, ORDER_BOOK))
    for name, table, record in parts:
        if table is None:
            continue
        path = folder / f"{name}-{stamp}.{ending}"
        if form == "parquet":
            _parquet(table, path)
        else:
            _lines(_json(table, record), path)
        written.append(path)
    truth = folder / f"truth-{stamp}.json"
    truth.write_text(json.dumps(day.truth, indent=2) + "\n", encoding="utf-8")
    return [*written, truth]


def _json(table: pa.Table, record: Record) -> pa.Array:
    rows = table.combine_chunks()
    return json_rows({name: rows[name].combine_chunks() for name in rows.column_names}, record)


def _parquet(table: pa.Table, path: Path) -> None:
    pyarrow.parquet.write_table(table, path, compression="zstd", row_group_size=200_000)


def _lines(values: pa.Array, path: Path) -> None:
    data = b"\n".join(values.to_pylist()) + b"\n" if len(values) else b""
    if path.suffix == ".gz":
        # No name and no time in the header: the same day packs to the same bytes.
        with path.open("wb") as file, GzipFile("", "wb", 6, file, mtime=0) as packed:
            packed.write(data)
    else:
        path.write_bytes(data)
