"""The whole way once, on a bare laptop: a market's history and a live day, landed and reported.

History goes through the DuckDB definitions, a few of its days through the Flink jobs in batch as
well, and the rows are compared. The live day goes through Kafka and the streaming jobs, with known
bad records in it. Then the report of the day, each of its numbers computed twice.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from workbench.broker import topics
from workbench.broker.offsets import count_messages
from workbench.config import Settings
from workbench.contracts import JOBS, TABLES, table_named
from workbench.definitions.backfill import backfill
from workbench.definitions.compare import COORDINATES, WALL_CLOCK, compare
from workbench.errors import StackError, UsageError, ValidationFailed
from workbench.ingest.generate import (
    Defects,
    Instrument,
    choose,
    generate_day,
    load_instruments,
)
from workbench.ingest.generate.write import days_from, write_day
from workbench.ingest.reference import symbols_in_force
from workbench.ingest.replay import replay
from workbench.jobs import run_batch, stop, submit
from workbench.jobs.status import running, stop_running
from workbench.lake import tables
from workbench.lake.catalog import catalog_file, is_embedded, load_catalog
from workbench.lake.session import open_session
from workbench.reports.runner import run_report
from workbench.reports.runs import ReportRun
from workbench.stack import Stack
from workbench.stack.files import check_own_folder, remove
from workbench.stack.lock import Signals

Say = Callable[[str], None]

#: The day the first demo streams; each further one streams the weekday after. It lies well in the
#: past: a record stamped ahead of the machine's clock would be refused.
FIRST_LIVE_DAY = date(2024, 6, 7)
#: Tables that history and the live day share.
COMPARED = ("market.trades", "market.trade_aggregates", "market.enriched_trades")
LANDING_TIMEOUT_S = 240


@dataclass(frozen=True)
class Scale:
    """How much a demo does."""

    history_days: int = 100
    #: Days of history that the Flink jobs compute as well.
    batch_days: int = 2
    symbols: int = 50
    history_events: int = 25_000
    live_events: int = 30_000
    live_quotes: int = 20_000
    live_books: int = 10_000
    seed: int = 7
    defects: Defects = field(
        default_factory=lambda: Defects(
            malformed=60, duplicates=40, late=25, future=15, unroutable=30
        )
    )


@dataclass(frozen=True)
class Outcome:
    """What a demo did."""

    live_day: date
    #: (what, how much) in the order it happened.
    facts: tuple[tuple[str, str], ...]
    report: ReportRun
    seconds: float


def demo(settings: Settings, scale: Scale | None = None, *, keep: bool, say: Say) -> Outcome:
    """Run the demo in a project folder.

    Parameters
    ----------
    settings
        The settings in force; the embedded stack and lake are used.
    scale
        How much to do; the shipped scale when None.
    keep
        Leave broker, cluster and jobs running.
    say
        Told what is going on.

    Raises
    ------
    UsageError
        When the scale makes no sense, or jobs run already: before anything is landed.
    ValidationFailed
        When a count, a comparison or a check of the report does not hold.
    StackError
        When the stack cannot run, or the live day does not land in time.
    Stopped
        When Ctrl-C, SIGTERM or SIGHUP ends it early; what it started is ended first.
    """
    wanted = scale or Scale()
    instruments = chosen(settings, wanted)
    signals = Signals()
    with signals.watched():
        return _demo(settings, wanted, instruments, signals, keep=keep, say=say)


def chosen(settings: Settings, scale: Scale) -> list[Instrument]:
    """Return what trades in a demo of this scale.

    Raises
    ------
    UsageError
        When the history is too short, or the reference data has fewer symbols.
    """
    if not 1 <= scale.batch_days <= scale.history_days:
        raise UsageError(
            f"{scale.history_days} days of history, {scale.batch_days} of them for Flink",
            hint="at least one, and no more than the history has",
        )
    return choose(load_instruments(symbols_in_force(settings)), scale.symbols)


def _demo(
    settings: Settings,
    wanted: Scale,
    instruments: list[Instrument],
    signals: Signals,
    *,
    keep: bool,
    say: Say,
) -> Outcome:
    started = time.monotonic()
    stack = Stack(settings)
    was_up = stack.status().healthy
    facts: list[tuple[str, str]] = []
    with _stack(stack, signals, keep=keep or was_up, say=say):
        topics.apply(settings)
        tables.apply(settings)
        if running(settings):
            raise UsageError(
                "jobs are running: " + ", ".join(running(settings)),
                hint="stop them first with `workbench jobs stop all`",
            )
        unread = _unread(settings)
        live_day, is_first = _live_day(settings, instruments)
        if is_first:
            facts += _history(settings, wanted, instruments, live_day, say)
        facts += _live(settings, wanted, instruments, live_day, unread, keep=keep, say=say)
        say("report: recomputing every headline number")
        counts = {"raw.trades": count_messages(settings, "raw.trades")}
        report = run_report(settings, "market_day", {"raw_counts": counts})
    checks = report.summary["checks"]
    facts.append(
        ("checks of the report", f"{len(checks) - len(report.failed_checks)} of {len(checks)} hold")
    )
    return Outcome(live_day, tuple(facts), report, time.monotonic() - started)


def check_start_over(settings: Settings) -> None:
    """Raise where `start_over` could remove what is not a demo's.

    Raises
    ------
    UsageError
        When the lake is not the embedded one, or its folder or the stack's is the project, the
        home folder or above one of them.
    """
    if not is_embedded(settings):
        raise UsageError(
            f"catalog {settings.lake.catalog} is not the embedded one",
            hint="its tables are not for a demo to remove",
        )
    check_own_folder(settings.warehouse, "lake.warehouse", settings.project)
    check_own_folder(settings.stack_folder, "stack.folder", settings.project)


def start_over(settings: Settings, say: Say = lambda _: None) -> None:
    """Remove the embedded lake and all data of the embedded stack, and nothing beside them.

    Raises
    ------
    UsageError
        As `check_start_over` does: nothing is touched.
    """
    check_start_over(settings)
    Stack(settings).purge(say)
    catalog = catalog_file(settings)
    # Without a catalog a folder of the same name is somebody else's.
    if not catalog.is_file():
        return
    for namespace in sorted({table.namespace for table in TABLES}):
        remove(settings.warehouse / namespace)
    # The catalog last: where this is interrupted, the next one goes on.
    for ending in ("-wal", "-shm", "-journal", ""):
        remove(catalog.with_name(catalog.name + ending))


@contextmanager
def _stack(stack: Stack, signals: Signals, *, keep: bool, say: Say) -> Iterator[None]:
    say("stack: a Kafka broker and a Flink cluster")
    stack.up(say)
    try:
        yield
    finally:
        if not keep:
            try:
                # Only what was interrupted still runs; it goes on with the next submit.
                stop_running(stack.settings, say)
            finally:
                # A signal waits: half an end would leave the other half running.
                with signals.hold():
                    say("stack: down")
                    stack.down()


def _live_day(settings: Settings, instruments: list[Instrument]) -> tuple[date, bool]:
    """The day to stream, and whether the lake is still empty."""
    summary = next(t for t in tables.list_tables(settings) if t.table == "market.trades")
    if not summary.rows or summary.newest_event is None:
        return FIRST_LIVE_DAY, True
    following = summary.newest_event.date() + timedelta(days=1)
    days = days_from(following, 2, instruments)
    return next(days), False


def _weekdays_before(day: date, count: int) -> list[date]:
    found: list[date] = []
    while len(found) < count:
        day -= timedelta(days=1)
        if day.weekday() < 5:
            found.append(day)
    return found[::-1]


def _history(
    settings: Settings,
    scale: Scale,
    instruments: list[Instrument],
    live_day: date,
    say: Say,
) -> list[tuple[str, str]]:
    days = _weekdays_before(live_day, scale.history_days)
    say(f"history: {len(days)} days from {days[0]} through the DuckDB definitions")
    started = time.monotonic()
    generated = [
        generate_day(day, scale.seed, instruments, scale.history_events).table for day in days
    ]
    landed = backfill(settings, pa.concat_tables(generated))
    seconds = time.monotonic() - started
    facts = [
        ("history", f"{landed.records:,} events of {len(days)} days in {seconds:.0f} s"),
    ]
    checked = days[-scale.batch_days :]
    say(f"history: the last {len(checked)} days once more through the Flink jobs in batch")
    rows = _compare_with_flink(settings, scale, instruments, checked, say)
    facts.append(("Flink in batch = DuckDB", f"{rows:,} rows equal"))
    return facts


def _compare_with_flink(
    settings: Settings, scale: Scale, instruments: list[Instrument], days: list[date], say: Say
) -> int:
    """Run days through the Flink jobs into a lake of their own; return how many rows are equal."""
    folder = settings.stack_folder / "demo-batch"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    scratch = settings.model_copy(
        update={"lake": settings.lake.model_copy(update={"warehouse": folder / "warehouse"})}
    )
    files = []
    for day in days:
        made = generate_day(day, scale.seed, instruments, scale.history_events)
        files += [p for p in write_day(made, folder) if p.name.startswith("trades")]
    tables.apply(scratch)
    run_batch(scratch, ["landing", "aggregates", "enrichment"], files, progress=say)
    equal = 0
    for table in COMPARED:
        flink = load_catalog(scratch).load_table(table).scan().to_arrow()
        duckdb = _rows_of(settings, table, days)
        found = compare(flink, duckdb, ignore={*WALL_CLOCK, *COORDINATES})
        if found:
            raise ValidationFailed(
                f"{table}: {found.only_left} rows only from Flink, {found.only_right} only from "
                f"DuckDB, for example {found.examples[0]}",
                hint="a definition and its job differ; please report it",
            )
        equal += found.rows[0]
    shutil.rmtree(folder, ignore_errors=True)
    return equal


def _rows_of(settings: Settings, table: str, days: list[date]) -> pa.Table:
    column = table_named(table).partition_by
    first = datetime(days[0].year, days[0].month, days[0].day, tzinfo=UTC)
    row_filter = f"{column} >= '{first.isoformat()}'"
    return load_catalog(settings).load_table(table).scan(row_filter=row_filter).to_arrow()


def _live(
    settings: Settings,
    scale: Scale,
    instruments: list[Instrument],
    live_day: date,
    unread: int,
    *,
    keep: bool,
    say: Say,
) -> list[tuple[str, str]]:
    say(f"live: starting {len(JOBS)} jobs")
    before = _counts(settings)
    names = [job.name for job in JOBS]
    submit(settings, names, progress=say)
    day = generate_day(
        live_day,
        scale.seed,
        instruments,
        scale.live_events,
        scale.defects,
        quotes=scale.live_quotes,
        books=scale.live_books,
    )
    folder = settings.stack_folder / "demo-live"
    say(f"live: {live_day} through Kafka, with {_defects(scale.defects)} bad or odd records")
    by_form = {path.name.split("-")[0]: path for path in write_day(day, folder)}
    sent = replay(settings, [by_form["trades"]], "trades").sent.total()
    books = replay(settings, [by_form["orderbook"]], "orderbook").sent.total()
    replay(settings, [by_form["marketdata"]], "marketdata")
    started = time.monotonic()
    _await_landed(settings, before, unread + sent, say)
    _await("every execution to be enriched", lambda: _enriched(settings))
    measured = before["market.orderbook_metrics"] + books
    _await(
        "every order book to be measured",
        lambda: _counts(settings)["market.orderbook_metrics"] >= measured,
    )
    landed = time.monotonic() - started
    say("live: closing the windows that are still open")
    stop(settings, names, drain=True)
    if keep:
        submit(settings, names, progress=say)
    new = {name: count - before[name] for name, count in _counts(settings).items()}
    if not unread:
        _check_truth(day.truth, sent, new)
    shutil.rmtree(folder, ignore_errors=True)
    return [
        ("live day", f"{live_day}: {sent:,} records, all landed {landed:.0f} s after the last"),
        (
            "in = good + dead",
            f"{unread + sent:,} = {new['market.trades']:,} + {new['ops.dead_letters']:,}",
        ),
        ("executions too late", f"{new['ops.late_rows']:,}, kept in ops.late_rows"),
        ("order books measured", f"{new['market.orderbook_metrics']:,}"),
        ("price alerts", f"{new['market.price_alerts']:,}"),
    ]


def _unread(settings: Settings) -> int:
    """How many records of raw.trades an interrupted run has left for the jobs to read."""
    with open_session(settings) as session:
        [(landed,)] = session.sql(
            "SELECT (SELECT count(*) FROM market.trades WHERE source_topic = $topic) "
            "+ (SELECT count(*) FROM ops.dead_letters WHERE source_topic = $topic)",
            {"topic": "raw.trades"},
        ).rows()
    held = count_messages(settings, "raw.trades")
    if held < landed:
        raise UsageError(
            f"the lake holds {landed:,} records of raw.trades and the broker {held:,}: "
            "the broker's data was removed",
            hint="start over with `workbench demo --fresh`, or run the demo in another folder",
        )
    return held - int(landed)


def _enriched(settings: Settings) -> bool:
    """Whether every execution that was landed from Kafka is enriched."""
    with open_session(settings) as session:
        [(executions, enriched)] = session.sql(
            "SELECT (SELECT count(*) FROM market.executions), "
            "(SELECT count(*) FROM market.enriched_trades)"
        ).rows()
    return bool(enriched >= executions)


def _defects(defects: Defects) -> int:
    return (
        defects.malformed + defects.duplicates + defects.late + defects.future + defects.unroutable
    )


def _counts(settings: Settings) -> dict[str, int]:
    """Rows of every table, from its newest snapshot."""
    return {summary.table: summary.rows or 0 for summary in tables.list_tables(settings)}


def _await_landed(settings: Settings, before: dict[str, int], sent: int, say: Say) -> None:
    def landed() -> bool:
        now = _counts(settings)
        arrived = sum(now[t] - before[t] for t in ("market.trades", "ops.dead_letters"))
        say(f"live: {arrived:,} of {sent:,} records landed or refused")
        return arrived >= sent

    _await("every record to be landed or refused", landed)


def _await(what: str, condition: Callable[[], bool]) -> None:
    until = time.monotonic() + LANDING_TIMEOUT_S
    while not condition():
        if time.monotonic() > until:
            raise StackError(
                f"waited {LANDING_TIMEOUT_S} s for {what}", hint="see `workbench jobs status`"
            )
        time.sleep(0.5)


def _check_truth(truth: dict[str, Any], sent: int, new: dict[str, int]) -> None:
    """Compare what landed with what the generator knows it made."""
    wanted = {
        "records": truth["trades"]["lines"],
        "market.trades": truth["trades"]["valid"],
        "ops.dead_letters": sum(
            count for reasons in truth["dead_letters"].values() for count in reasons.values()
        ),
    }
    found = {"records": sent, **{name: new[name] for name in wanted if name in new}}
    for name, count in wanted.items():
        if found[name] != count:
            raise ValidationFailed(
                f"{name}: {found[name]:,} landed and {count:,} were made",
                hint="`workbench demo` again on a fresh folder; if it stays, please report it",
            )
