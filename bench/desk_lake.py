"""The lakes that waiting is measured on: filled once and kept, the same rows each time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa

from workbench.config import Settings, load_settings
from workbench.contracts.records import EXECUTIONS, TRADE_AGGREGATE
from workbench.definitions.raw import sql as definition
from workbench.lake.macros import load_macros
from workbench.lake.tables import apply
from workbench.lake.write import append

Progress = Callable[[str], None]
TRADES, AGGREGATES = "market.trades", "market.trade_aggregates"
#: What is made of the trades besides, each by its text in ``desk_tables``.
MADE_OF_TRADES = (
    "market.enriched_trades",
    "market.price_alerts",
    "market.orderbook_metrics",
    "ops.late_rows",
    "ops.dead_letters",
)
ROWS_AT_ONCE = 1_000_000
DAYS = 10
#: Files of one commit of the lake of many files: one for each day.
FILES_PER_COMMIT = 100
SECTORS = ("Energy", "Financials", "Health Care", "Industrials", "Materials")
#: When everything was computed; the wall clock would make each lake another one.
_NOW = datetime(2024, 6, 13, tzinfo=UTC)
_ATTEMPTS = 5


def lake_of_trades(folder: Path, rows: int, symbols: int, progress: Progress) -> Settings:
    """Return a lake with so many trades, evenly over `DAYS`, and what the jobs make of them.

    Parameters
    ----------
    folder
        Where it is kept; a lake that is there and whole is taken.
    rows
        Rows of ``market.trades``.
    symbols
        Symbols they are of; one in twelve is not in the reference data.
    progress
        Told of every commit.
    """
    commits = -(-rows // ROWS_AT_ONCE)
    ranges = [(n * rows // commits, (n + 1) * rows // commits) for n in range(commits)]
    return _filled(folder, ranges, 86_400e6 * DAYS / rows, symbols, progress, whole=True)


def lake_of_files(folder: Path, files: int, progress: Progress) -> Settings:
    """Return a lake whose trades lie in so many files: each commit has one row for each day."""
    # The same days again: one file each in every commit.
    ranges = [(0, FILES_PER_COMMIT)] * -(-files // FILES_PER_COMMIT)
    return _filled(folder, ranges, 86_400e6, 10, progress, whole=False)


def _filled(
    folder: Path,
    ranges: list[tuple[int, int]],
    step_us: float,
    symbols: int,
    progress: Progress,
    *,
    whole: bool,
) -> Settings:
    if not (folder / "filled").exists():
        # Half a lake, of a run that was ended, would be filled twice.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    (folder / "workbench.toml").write_text('[reference]\nsymbols = "symbols.csv"\n')
    (folder / "symbols.csv").write_text(_reference(symbols))
    settings = load_settings(folder)
    if (folder / "filled").exists():
        return settings
    apply(settings)
    with duckdb.connect(config={"python_enable_replacements": False}) as made:
        made.execute("SET TimeZone = 'UTC'")
        load_macros(made)
        made.read_csv(str(settings.symbols_file)).create("reference")
        for number, (first, last) in enumerate(ranges):
            progress(f"{folder.name}: commit {number + 1} of {len(ranges)}")
            values = {"first": first, "last": last, "symbols": symbols, "step_us": step_us}
            trades = made.execute(_text("trades"), values).to_arrow_table()
            append(settings, TRADES, trades)
            if whole:
                _append_the_rest(settings, made, trades)
    (folder / "filled").touch()
    return settings


def _append_the_rest(settings: Settings, made: duckdb.DuckDBPyConnection, trades: pa.Table) -> None:
    """What the jobs make of these trades; windows by their own definition, as partial results."""
    made.register("trades", trades)
    made.execute(_text("read_trades"))
    windows = {
        "executions": list(EXECUTIONS),
        "window_sizes": list(TRADE_AGGREGATE.field("window_size").symbols),
        "now": _NOW,
    }
    append(settings, AGGREGATES, made.execute(definition("aggregates"), windows).to_arrow_table())
    for table in MADE_OF_TRADES:
        text = _text(table.split(".")[1])
        values = {"executions": list(EXECUTIONS)} if "$executions" in text else None
        append(settings, table, made.execute(text, values).to_arrow_table())
    made.unregister("trades")


@cache
def _text(name: str) -> str:
    return (Path(__file__).parent / "desk_tables" / f"{name}.sql").read_text(encoding="utf-8")


def _reference(symbols: int) -> str:
    lines = ["symbol,company_name,sector,industry,market_cap_tier,exchange"]
    lines += [
        f"S{number},Company {number},{SECTORS[number % len(SECTORS)]},Industry,MID,X"
        for number in range(symbols)
        if number % 12 != 11
    ]
    return "\n".join(lines) + "\n"


def files_of(lake: Settings) -> list[Path]:
    """Return every file of a lake that is read: its catalog, metadata and data."""
    # SQLite's shared memory is mapped while anybody has the catalog open: no disk is read for it.
    files = (path for path in lake.project.rglob("*") if not path.name.endswith("-shm"))
    return [path for path in files if path.is_file()]


def out_of_the_page_cache(files: Iterable[Path]) -> bool:
    """Let the system forget files, so that the next reader waits for the disk.

    Returns
    -------
    bool
        Whether it did: not every file system does as it is asked.
    """
    kept = list(files)
    # A page that was just read may not be ready to go the first time.
    for _ in range(_ATTEMPTS):
        kept = [path for path in kept if not _forgotten(path)]
    return not kept


def _forgotten(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        # What is not on the disk yet stays.
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        return not _is_cached(descriptor)
    finally:
        os.close(descriptor)


def _is_cached(descriptor: int) -> bool:
    """Whether the first byte comes without waiting; true where the system does not tell."""
    if not os.fstat(descriptor).st_size:
        return False
    try:
        return os.preadv(descriptor, [bytearray(1)], 0, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False
    except OSError:
        return True
