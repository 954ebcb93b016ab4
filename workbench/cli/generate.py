"""``workbench generate``: seeded market days with known defects."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path

import click

from workbench.cli.output import print_rows, progress

#: A day is made in memory: 1.2 KB a trade event.
MOST_RECORDS = 5_000_000
MOST_DEFECTS = 1_000_000


@click.command("generate")
@click.option(
    "--days", default=1, show_default=True, type=click.IntRange(1, 5_000), help="Days to make."
)
@click.option(
    "--start",
    default="2024-01-02",
    show_default=True,
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day; several days skip weekends unless all symbols are crypto pairs.",
)
@click.option(
    "--symbols",
    default="20",
    show_default=True,
    help="How many of the reference data (every sector in turn), or names: AAPL,BTCUSDT.",
)
@click.option(
    "--events",
    default=20_000,
    show_default=True,
    type=click.IntRange(1, MOST_RECORDS),
    help="Good trade events a day, over all symbols.",
)
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0), help="Same seed, same bytes."
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for trades-DATE, marketdata-DATE, orderbook-DATE and truth-DATE.json.",
)
@click.option(
    "--format",
    "form",
    default="jsonl",
    show_default=True,
    type=click.Choice(["jsonl", "parquet"]),
    help="Form of the records.",
)
@click.option("--gzip", is_flag=True, help="Pack JSON lines.")
@click.option(
    "--quotes", default=0, type=click.IntRange(0, MOST_RECORDS), help="Best quotes a day."
)
@click.option("--books", default=0, type=click.IntRange(0, MOST_RECORDS), help="Order books a day.")
@click.option(
    "--malformed",
    default=0,
    type=click.IntRange(0, MOST_DEFECTS),
    help="Unreadable or wrong records a day.",
)
@click.option(
    "--duplicates", default=0, type=click.IntRange(0, MOST_DEFECTS), help="Exact repeats a day."
)
@click.option(
    "--late",
    default=0,
    type=click.IntRange(0, MOST_DEFECTS),
    help="Executions 10-30 minutes late, a day.",
)
@click.option(
    "--future",
    default=0,
    type=click.IntRange(0, MOST_DEFECTS),
    help="Records stamped ten years ahead, a day.",
)
@click.option(
    "--unroutable",
    default=0,
    type=click.IntRange(0, MOST_DEFECTS),
    help="Records of no known status, a day.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the files as JSON.")
def command(
    days: int,
    start: datetime,
    symbols: str,
    events: int,
    seed: int,
    out: Path,
    form: str,
    gzip: bool,
    quotes: int,
    books: int,
    malformed: int,
    duplicates: int,
    late: int,
    future: int,
    unroutable: int,
    as_json: bool,
) -> None:
    """Write seeded, believable market days, and the truth to reconcile them with.

    \b
    workbench generate --days 5 --symbols 20 --seed 7 --out data
    workbench generate --symbols AAPL,BTCUSDT --malformed 7 --late 5 --out data
    """
    from workbench.config import load_settings
    from workbench.errors import UsageError
    from workbench.ingest.generate import Defects, choose, generate_day, load_instruments
    from workbench.ingest.generate.write import days_from, write_day
    from workbench.ingest.reference import symbols_in_force

    if form == "parquet" and malformed:
        raise UsageError(
            "malformed records cannot be typed columns", hint="write them with --format jsonl"
        )
    # A number has few digits; any other text is a list of names.
    wanted = (
        int(symbols)
        if re.fullmatch(r"-?[0-9]{1,9}", symbols)
        else [s.strip() for s in symbols.split(",") if s.strip()]
    )
    instruments = choose(load_instruments(symbols_in_force(load_settings())), wanted)
    defects = Defects(malformed, duplicates, late, future, unroutable)
    rows: list[tuple[date, str, int, int]] = []
    # All of them before the first is written: the calendar may end before the last.
    every = list(days_from(start.date(), days, instruments))
    for number, day in enumerate(every, 1):
        made = generate_day(day, seed, instruments, events, defects, quotes=quotes, books=books)
        counts = {
            "trades": made.truth["trades"]["lines"],
            "marketdata": made.truth["quotes"],
            "orderbook": made.truth["books"],
        }
        for path in write_day(made, out, form, gzip=gzip):
            kind = path.name.split("-")[0]
            rows.append((day, str(path), counts.get(kind, 1), path.stat().st_size))
        progress(f"{day}: {counts['trades']:,} trade events ({number} of {days})")
    print_rows(("day", "file", "records", "bytes"), rows, "json" if as_json else "table")
