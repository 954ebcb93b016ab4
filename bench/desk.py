"""What an analyst waits for: the shell's first answer, a session, the questions; beside others.

A lake of its own, filled once and kept. No stack runs: this measures the reading side.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from workbench import market
from workbench.config import Settings, load_settings
from workbench.lake.macros import load_macros
from workbench.lake.result import Result
from workbench.lake.session import Session, open_session
from workbench.lake.tables import apply
from workbench.lake.views import derived_view, quote_text
from workbench.lake.write import append

Row = dict[str, Any]
TRADES = "market.trades"
ROWS_AT_ONCE = 1_000_000
DAYS = 10
#: Files of the table that only opening is measured on.
MANY_FILES, FEW_FILES = 5_000, 200
#: Files of one commit there: one for each day.
FILES_PER_COMMIT = 100
SYMBOL = "S7"
_MADE = """
SELECT
    't' || i AS trade_id,
    'o' || i AS order_id,
    'S' || (i * 7919 % $symbols) AS symbol,
    CASE WHEN i // $symbols % 2 = 0 THEN 'BUY' ELSE 'SELL' END AS side,
    CAST(1 + i % 97 AS DECIMAL(18, 8)) AS quantity,
    CAST(100 + (i * 31 % 1000) / 100 AS DECIMAL(18, 8)) AS price,
    ['FILLED', 'NEW', 'PARTIALLY_FILLED', 'CANCELLED', 'REJECTED'][
        1 + (i + i // $symbols) % 5
    ] AS status,
    'X' AS exchange,
    'A' || (i % 50) AS account_id,
    TIMESTAMPTZ '2024-06-03 00:00:00+00'
        + to_microseconds(CAST(i * $step_us AS BIGINT)) AS event_time,
    'raw.trades' AS source_topic,
    0 AS source_partition,
    i AS source_offset,
    TIMESTAMPTZ '2024-06-03 00:00:00+00'
        + to_microseconds(CAST(i * $step_us AS BIGINT)) AS source_time
FROM range($first, $last) AS made(i)
"""


def desk(
    folder: Path, rows: int, symbols: int, repeats: int, progress: Callable[[str], None]
) -> Row:
    """Measure all of it; answers are compared before a time counts.

    Parameters
    ----------
    folder
        Where the lakes are kept.
    rows
        Rows of ``market.trades``, over ten days.
    symbols
        Symbols they are of.
    repeats
        Measured runs of each.
    progress
        Told what is going on.
    """
    whole = rows >= ROWS_AT_ONCE
    lake = _lake(folder / f"desk-{rows}-{symbols}", rows, symbols, progress)
    files = MANY_FILES if whole else FEW_FILES
    many = _files(folder / f"desk-files-{files}", files, progress)
    found = _commands(lake, repeats, progress)
    found += _opening(many, files, repeats, progress)
    found += _questions(lake, repeats, progress)
    return {"rows": [{**row, "events": rows} for row in found]}


def _lake(folder: Path, rows: int, symbols: int, progress: Callable[[str], None]) -> Settings:
    """A lake with so many trades, evenly over `DAYS`."""
    return _filled(
        folder, rows, -(-rows // ROWS_AT_ONCE), 86_400e6 * DAYS / rows, symbols, progress
    )


def _files(folder: Path, files: int, progress: Callable[[str], None]) -> Settings:
    """A lake whose trades lie in so many files: each commit has one row for each day."""
    return _filled(
        folder, files, -(-files // FILES_PER_COMMIT), 86_400e6, 10, progress, FILES_PER_COMMIT
    )


def _filled(
    folder: Path,
    rows: int,
    commits: int,
    step_us: float,
    symbols: int,
    progress: Callable[[str], None],
    again_after: int | None = None,
) -> Settings:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "workbench.toml").write_text("")
    settings = load_settings(folder)
    if (folder / "filled").exists():
        return settings
    apply(settings)
    with duckdb.connect(config={"python_enable_replacements": False}) as made:
        made.execute("SET TimeZone = 'UTC'")
        for number in range(commits):
            progress(f"{folder.name}: commit {number + 1} of {commits}")
            first, last = number * rows // commits, (number + 1) * rows // commits
            if again_after:
                # The same days again: one file each in every commit.
                first, last = 0, again_after
            values = {"first": first, "last": last, "symbols": symbols, "step_us": step_us}
            append(settings, TRADES, made.execute(_MADE, values).to_arrow_table())
    (folder / "filled").touch()
    return settings


def _commands(lake: Settings, repeats: int, progress: Callable[[str], None]) -> list[Row]:
    """A new process each time, as a person at a shell starts it."""
    found = []
    for words in (["--help"], ["top", "--csv"]):
        progress(f"workbench {' '.join(words)}")
        program = f"from workbench.cli import main; main({words!r})"
        times = []
        for _ in range(repeats + 1):
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", program],
                env={**_environment(), "WORKBENCH_PROJECT": str(lake.project)},
                check=True,
                capture_output=True,
            )
            times.append(time.perf_counter() - began)
        found.append(_row(f"workbench {words[0]}", "a new process", times[1:]))
    return found


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


_OPEN = """
import json, sys, time
began = time.perf_counter()
from pathlib import Path
from workbench.config import load_settings
from workbench.lake.session import open_session
session = open_session(load_settings(Path(sys.argv[1])))
session.sql("SELECT * FROM market.trades LIMIT 1")
first = time.perf_counter()
again = open_session(session.settings)
again.sql("SELECT * FROM market.trades LIMIT 1")
print(json.dumps([first - began, time.perf_counter() - first, len(session.pins["market.trades"].files)]))
"""  # noqa: E501


def _opening(
    many: Settings, files: int, repeats: int, progress: Callable[[str], None]
) -> list[Row]:
    """A session whose first query names a table of many files: pinned, planned and bound."""
    progress(f"a session on {files:,} files")
    cold, again = [], []
    for _ in range(repeats + 1):
        done = subprocess.run(
            [sys.executable, "-c", _OPEN, str(many.project)],
            env=_environment(), check=True, capture_output=True, text=True,
        )  # fmt: skip
        first, second, seen = json.loads(done.stdout)
        assert seen == files, f"{seen} files, {files} wanted"
        cold.append(first)
        again.append(second)
    task = f"session on {files:,} files"
    return [
        _row(task, "a new process, with all imports", cold[1:]),
        _row(task, "again in that process", again[1:]),
    ]


Ask = Callable[[Session], Result]
_QUESTIONS: dict[str, Ask] = {
    "top_symbols": lambda session: market.top_symbols(session, n=20, hours=24),
    "sector_performance": market.sector_performance,
    "volume_vs_history": lambda session: market.volume_vs_history(session, SYMBOL),
    "vwap_curve": lambda session: market.vwap_curve(session, SYMBOL),
    "order_rates": market.order_rates,
}


def _questions(lake: Settings, repeats: int, progress: Callable[[str], None]) -> list[Row]:
    """Each question, the same SQL over the same files by hand, and Polars and pandas for one."""
    found: list[Row] = []
    with open_session(lake) as session:
        hand = _by_hand(session)
        for name, ask in _QUESTIONS.items():
            progress(name)
            answer = ask(session)
            expected = answer.arrow()
            engines: dict[str, Callable[[], pa.Table]] = {
                "workbench": partial(_asked, ask, session),
                "the same SQL over read_parquet": partial(_run, hand, answer),
            }
            if name == "top_symbols":
                until = session.newest_event(TRADES)
                assert until is not None
                paths = _paths(session)
                engines["Polars"] = partial(_polars, paths, until)
                engines["pandas"] = partial(_pandas, paths, until)
            found += _interleaved(name, engines, expected, repeats)
        hand.close()
    return found


def _interleaved(
    task: str, engines: dict[str, Callable[[], pa.Table]], expected: pa.Table, repeats: int
) -> list[Row]:
    """All engines once, then all of them again; the first round does not count."""
    times: dict[str, list[float]] = {name: [] for name in engines}
    wrong: dict[str, str | None] = {}
    for number in range(repeats + 1):
        for name, run in engines.items():
            began = time.perf_counter()
            answer = run()
            if number:
                times[name].append(time.perf_counter() - began)
            wrong[name] = _difference(answer, expected)
    return [_row(task, name, times[name], wrong[name]) for name in engines]


def _row(task: str, engine: str, times: Sequence[float], wrong: str | None = None) -> Row:
    return {"task": task, "engine": engine, "run": "warm", "seconds": list(times), "wrong": wrong}


def _difference(answer: pa.Table, expected: pa.Table) -> str | None:
    """What is wrong with an answer; frames of others have the first columns only, as floats."""
    names = [name for name in expected.column_names if name in answer.column_names]
    if answer.num_rows != expected.num_rows:
        return f"{answer.num_rows} rows, {expected.num_rows} expected"
    for name in names:
        for one, other in zip(answer[name].to_pylist(), expected[name].to_pylist(), strict=True):
            same = one == other
            if not same and isinstance(one, float):
                same = abs(one - float(other)) <= 1e-9 * abs(float(other))
            if not same:
                return f"{name}: {one!r}, {other!r} expected"
    return None


def _asked(ask: Ask, session: Session) -> pa.Table:
    return ask(session).arrow()


def _paths(session: Session) -> list[str]:
    return [file.path for file in session.pins[TRADES].files]


def _by_hand(session: Session) -> duckdb.DuckDBPyConnection:
    """DuckDB as one writes it without the workbench: views over the same files, its settings."""
    hand = duckdb.connect()
    hand.execute("SET TimeZone = 'UTC'")
    hand.execute("SET parquet_metadata_cache = true")
    load_macros(hand)
    hand.execute("CREATE SCHEMA market; CREATE SCHEMA reference")
    listed = ", ".join(map(quote_text, _paths(session)))
    hand.execute(f"CREATE VIEW {TRADES} AS FROM read_parquet([{listed}])")
    hand.execute(derived_view("market.executions"))
    hand.register("symbols_seen", session.arrow("FROM reference.symbols"))
    hand.execute("CREATE TABLE reference.symbols AS FROM symbols_seen")
    return hand


def _run(hand: duckdb.DuckDBPyConnection, answer: Result) -> pa.Table:
    return hand.execute(str(answer.sql), answer.parameters).to_arrow_table()


_DAY_US = 86_400_000_000
_EXECUTED = ["FILLED", "PARTIALLY_FILLED"]


def _polars(paths: list[str], until: datetime) -> pa.Table:
    """The largest volumes of the day in Polars."""
    import polars as pl

    moment = pl.lit(until)
    return (
        pl.scan_parquet(paths)
        .filter(
            pl.col("status").is_in(_EXECUTED),
            pl.col("event_time") > moment - pl.duration(microseconds=_DAY_US),
            pl.col("event_time") <= moment,
        )
        .group_by("symbol")
        .agg(
            pl.len().alias("trade_count"),
            pl.col("quantity").sum().alias("total_volume"),
            (pl.col("quantity").cast(pl.Float64) * pl.col("price").cast(pl.Float64))
            .sum()
            .alias("total_notional"),
            pl.col("price").min().alias("low_price"),
            pl.col("price").max().alias("high_price"),
        )
        .sort(["total_volume", "symbol"], descending=[True, False])
        .head(20)
        .collect()
        .to_arrow()
    )


def _pandas(paths: list[str], until: datetime) -> pa.Table:
    """The largest volumes of the day in pandas, decimals as floats."""
    from datetime import timedelta

    import pyarrow.dataset as ds

    since = until - timedelta(microseconds=_DAY_US)
    columns = ["symbol", "quantity", "price", "status", "event_time"]
    wanted = (ds.field("event_time") > since) & (ds.field("event_time") <= until)
    table = ds.dataset(paths).to_table(columns=columns, filter=wanted)
    floats = {name: pa.float64() for name in ("quantity", "price")}
    fields = [pa.field(f.name, floats.get(f.name, f.type)) for f in table.schema]
    frame = table.cast(pa.schema(fields)).to_pandas()
    frame = frame[frame["status"].isin(_EXECUTED)]
    frame = frame.assign(notional=frame["quantity"] * frame["price"])
    found = frame.groupby("symbol").agg(
        trade_count=("symbol", "size"),
        total_volume=("quantity", "sum"),
        total_notional=("notional", "sum"),
        low_price=("price", "min"),
        high_price=("price", "max"),
    )
    found = found.reset_index().sort_values(["total_volume", "symbol"], ascending=[False, True])
    return pa.Table.from_pandas(found.head(20), preserve_index=False)
