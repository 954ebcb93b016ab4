"""What a report costs beside its queries: the whole command, less kernel start and DuckDB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench.lab import ROOT
from bench.stats import middle
from workbench.config import Settings, load_settings
from workbench.definitions.backfill import backfill
from workbench.ingest.generate import choose, generate_day, load_instruments
from workbench.lake.tables import apply
from workbench.reports.runs import find_run

NAME = "market_day"
SYMBOLS = ["AAPL", "BTCUSDT", "JPM", "KO", "MSFT", "XOM"]
DAY = date(2024, 8, 9)
#: Days of history before it; none of them is a weekend.
HISTORY = tuple(range(1, 5))
GOAL_S = 5.0


def build(folder: Path, events: int) -> Settings:
    """Make a project whose lake holds a generated day and some history."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "workbench.toml").write_text("")
    settings = load_settings(folder)
    apply(settings)
    instruments = choose(load_instruments(settings.symbols_file), SYMBOLS)
    days = [DAY, *(DAY - timedelta(days=back) for back in HISTORY)]
    tables = [generate_day(day, 1, instruments, events // len(days)).table for day in days]
    arrived = datetime(2024, 8, 10, tzinfo=UTC)
    backfill(settings, pa.concat_tables(tables), source_time=arrived, now=arrived)
    return settings


def measure(
    folder: Path, events: int, repeats: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the report as a command, again and again, and take its times apart.

    Parameters
    ----------
    folder
        Where the project is made.
    events
        Executions in the lake.
    repeats
        Measured runs, after one that is not.
    progress
        Receives a line for each run.
    """
    settings = build(folder, events)
    command = [sys.executable, "-m", "workbench", "report", "run", NAME, "--force"]
    environment = {**os.environ, "WORKBENCH_PROJECT": str(folder), "PYTHONPATH": str(ROOT)}
    rows: list[dict[str, Any]] = []
    for number in range(repeats + 1):
        began = time.monotonic()
        subprocess.run(command, env=environment, check=True, capture_output=True)
        whole = time.monotonic() - began
        spent = find_run(settings, NAME).summary["timings_s"]
        row = {
            "run": number,
            "whole_s": whole,
            "kernel_s": spent["kernel"],
            "queries_s": spent["queries"],
            "overhead_s": whole - spent["kernel"] - spent["queries"],
            "page_s": spent["page"],
            "tags_s": spent["tags"],
        }
        progress(f"{NAME}, run {number}: {json.dumps({k: round(v, 2) for k, v in row.items()})}")
        if number:
            rows.append(row)
    return {"report": NAME, "events": events, "rows": rows}


def section(content: dict[str, Any]) -> list[str]:
    """Return the section of the page."""
    from bench.page import table, verdict

    rows = content["rows"]
    names = ("whole_s", "kernel_s", "queries_s", "page_s", "tags_s", "overhead_s")
    cells = []
    for name in names:
        spread = middle([row[name] for row in rows])
        cells.append(f"{spread['median']:.2f} s ({spread['min']:.2f}-{spread['max']:.2f})")
    overhead = middle([row["overhead_s"] for row in rows])["median"]
    return [
        f"`workbench report run {content['report']}` as a command, over {content['events']:,} "
        f"executions; {len(rows)} runs, median and spread. Overhead is the whole less the kernel's "
        "start and the queries in DuckDB: imports on both sides, the second path, figures, "
        "page, tags.",
        table(("whole", "kernel start", "DuckDB", "page", "tags", "overhead"), [cells]),
        verdict(overhead, "Goal: an overhead of less than 5 s (median)", GOAL_S, at_most=True),
    ]
