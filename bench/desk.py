"""What an analyst waits for: the shell's first answer, a session, the questions; beside others.

No stack runs: this measures the reading side, on lakes of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from bench import frames_pandas, frames_polars
from bench.desk_lake import (
    ROWS_AT_ONCE,
    TRADES,
    files_of,
    lake_of_files,
    lake_of_trades,
    out_of_the_page_cache,
)
from bench.frames import Asked, difference
from workbench import market
from workbench.config import Settings
from workbench.lake.macros import load_macros
from workbench.lake.result import Result
from workbench.lake.session import Session, open_session
from workbench.lake.views import DERIVED, REFERENCE, derived_view, quote_name, quote_text

Row = dict[str, Any]
#: Files of the table that only opening is measured on.
MANY_FILES, FEW_FILES = 5_000, 200
SYMBOL = "S7"
#: How the SQL by hand is called, and a command whose files are read from the disk.
BY_HAND = "the same SQL over read_parquet"
COLD = "a new process, the lake's files not in the page cache"


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
    lake = lake_of_trades(folder / f"desk-lake-{rows}-{symbols}", rows, symbols, progress)
    files = MANY_FILES if whole else FEW_FILES
    many = lake_of_files(folder / f"desk-files-{files}", files, progress)
    found = _commands(lake, repeats, progress)
    found += _opening(many, files, repeats, progress)
    found += questions(lake, repeats, progress)
    return {"rows": [{**row, "events": rows} for row in found]}


def _commands(lake: Settings, repeats: int, progress: Callable[[str], None]) -> list[Row]:
    """A new process each time, as a person at a shell starts it."""
    found = []
    for words, how in (
        (["--help"], "a new process"),
        (["top", "--csv"], "a new process"),
        (["top", "--csv"], COLD),
    ):
        progress(f"workbench {' '.join(words)}, {how}")
        times = []
        for _ in range(repeats + 1):
            if how == COLD and not out_of_the_page_cache(files_of(lake)):
                progress("this file system keeps its files in the page cache: not measured")
                break
            times.append(_run_command(lake, words))
        if times[1:]:
            found.append(_row(f"workbench {words[0]}", how, times[1:]))
    return found


def _run_command(lake: Settings, words: list[str]) -> float:
    program = f"from workbench.cli import main; main({words!r})"
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", program],
        env={**_environment(), "WORKBENCH_PROJECT": str(lake.project)},
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - began


def _environment() -> dict[str, str]:
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
QUESTIONS: dict[str, Ask] = {
    "top_symbols": lambda session: market.top_symbols(session, n=20, hours=24),
    "sector_performance": market.sector_performance,
    "volume_vs_history": lambda session: market.volume_vs_history(session, SYMBOL),
    "vwap_curve": lambda session: market.vwap_curve(session, SYMBOL),
    "order_rates": market.order_rates,
    "spread_curve": lambda session: market.spread_curve(session, SYMBOL),
    "volume_profile": lambda session: market.volume_profile(session, SYMBOL),
    "alert_outcomes": market.alert_outcomes,
    "data_quality": market.data_quality,
}
#: Questions of which Polars and pandas have a version: those over the trades alone.
IN_FRAMES = ("top_symbols", "sector_performance", "volume_vs_history", "vwap_curve", "order_rates")
FRAMES = {"Polars": frames_polars, "pandas": frames_pandas}


def questions(lake: Settings, repeats: int, progress: Callable[[str], None]) -> list[Row]:
    """Ask each question, the same SQL over the same files by hand, and Polars and pandas.

    Parameters
    ----------
    lake
        The lake that is asked.
    repeats
        Measured runs of each.
    progress
        Told of every question.

    Returns
    -------
    list of dict
        One row per question and engine: ``task``, ``engine``, ``seconds`` of every run, and what
        is ``wrong`` with its answer, None where nothing is.
    """
    found: list[Row] = []
    with open_session(lake) as session:
        hand = _by_hand(session)
        asked = asked_of(session)
        for name, ask in QUESTIONS.items():
            progress(name)
            answer = ask(session)
            expected = answer.arrow()
            # Of no rows nothing would be compared.
            assert expected.num_rows, f"{name} has no rows in this lake"
            engines: dict[str, Callable[[], pa.Table]] = {
                "workbench": partial(_ask, ask, session),
                BY_HAND: partial(_run, hand, answer),
            }
            if name in IN_FRAMES:
                for engine, module in FRAMES.items():
                    engines[engine] = partial(getattr(module, name), asked)
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
            wrong[name] = difference(answer, expected)
    return [_row(task, name, times[name], wrong[name]) for name in engines]


def _row(task: str, engine: str, times: Sequence[float], wrong: str | None = None) -> Row:
    return {"task": task, "engine": engine, "run": "warm", "seconds": list(times), "wrong": wrong}


def _ask(ask: Ask, session: Session) -> pa.Table:
    return ask(session).arrow()


def asked_of(session: Session) -> Asked:
    """Return what frames are asked: the questions find it out by themselves."""
    until = session.newest_event(TRADES)
    assert until is not None
    paths = [file.path for file in session.pins[TRADES].files]
    return Asked(paths, until, session.arrow(f"FROM {REFERENCE}"), SYMBOL)


def _by_hand(session: Session) -> duckdb.DuckDBPyConnection:
    """DuckDB as one writes it without the workbench: views over the same files, its settings."""
    hand = duckdb.connect()
    hand.execute("SET TimeZone = 'UTC'")
    hand.execute("SET parquet_metadata_cache = true")
    load_macros(hand)
    hand.execute("CREATE SCHEMA market; CREATE SCHEMA ops; CREATE SCHEMA reference")
    for name, pin in session.pins.items():
        if pin.files:
            listed = ", ".join(quote_text(file.path) for file in pin.files)
            hand.execute(f"CREATE VIEW {quote_name(name)} AS FROM read_parquet([{listed}])")
    for name in DERIVED:
        hand.execute(derived_view(name))
    hand.register("symbols_seen", session.arrow(f"FROM {REFERENCE}"))
    hand.execute(f"CREATE TABLE {REFERENCE} AS FROM symbols_seen")
    return hand


def _run(hand: duckdb.DuckDBPyConnection, answer: Result) -> pa.Table:
    return hand.execute(str(answer.sql), answer.parameters).to_arrow_table()
