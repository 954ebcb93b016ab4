"""Gaps, duplicates, late rows, dead letters, unknown symbols and the accounting, by hand."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from tests.unit.conftest import Land
from tests.unit.lake_rows import at, half_up, rows_of, trade, trades
from tests.unit.market_lake import (
    MarketLake,
    book,
    dead_letter,
    land_with_replays,
    late_row,
    until,
)
from workbench.config import Settings
from workbench.definitions.backfill import backfill
from workbench.errors import UsageError
from workbench.lake.session import Session
from workbench.lake.write import append
from workbench.market import (
    data_quality,
    dead_letters,
    duplicates,
    late_rows,
    missing_reference,
    reconciliation,
    reference_data,
    trading_gaps,
)

MINUTE = timedelta(minutes=1)


def minutes_of(market: MarketLake, moment: datetime) -> dict[str, list[datetime]]:
    """The minutes of a day in which each symbol traded."""
    found: dict[str, set[datetime]] = defaultdict(set)
    for row in market.executions:
        if row["event_time"].date() == moment.date() and row["event_time"] <= moment:
            found[row["symbol"]].add(row["event_time"].replace(second=0, microsecond=0))
    return {symbol: sorted(minutes) for symbol, minutes in found.items()}


@pytest.mark.parametrize("least", [1, 20])
@pytest.mark.parametrize("symbol", [None, "XOM"])
@pytest.mark.parametrize("as_of", [None, at(9000, days=-1)])
def test_trading_gaps(
    market: MarketLake,
    market_session: Session,
    least: int,
    symbol: str | None,
    as_of: datetime | None,
) -> None:
    moment = as_of or max(row["event_time"] for row in market.trades)
    expected = []
    for name, minutes in minutes_of(market, moment).items():
        for before, after in pairwise(minutes):
            empty = (after - before) // MINUTE - 1
            if empty >= least and symbol in (None, name):
                expected.append((name, before + MINUTE, after, empty))
    expected.sort(key=lambda row: (-row[3], row[0], row[1]))
    assert trading_gaps(market_session, least, symbol, as_of).rows() == expected


def test_silence_before_the_first_and_after_the_last_trade_is_no_gap(
    land: Land, session: Session
) -> None:
    land(
        trade(1, event_time=at(0)),
        trade(2, event_time=at(119)),
        trade(3, event_time=at(125), status="CANCELLED"),
        trade(4, event_time=at(240)),
        trade(5, event_time=at(9000), symbol="MSFT"),
    )
    assert trading_gaps(session.refresh(), 1).rows() == [("AAPL", at(120), at(240), 2)]


def test_duplicates(market: MarketLake, market_session: Session) -> None:
    since, moment = until(max(row["event_time"] for row in market.trades), hours=9000)
    by_id = defaultdict(list)
    for row in market.trades:
        assert since < row["event_time"] <= moment
        by_id[row["trade_id"]].append(row)
    expected = []
    for name, copies in by_id.items():
        said = {tuple(v for k, v in row.items() if not k.startswith("source_")) for row in copies}
        if len(copies) > 1:
            arrivals = [row["source_time"] for row in copies]
            expected.append(
                (name, copies[0]["symbol"], len(copies), len(said), copies[0]["event_time"],
                 min(arrivals), max(arrivals))
            )  # fmt: skip
    expected.sort(key=lambda row: (-row[2], row[0]))
    assert {row[3] for row in expected} == {1, 2}
    assert duplicates(market_session, hours=9000).rows() == expected


@pytest.mark.parametrize(
    ("change", "versions"),
    [
        ({"source_offset": 7, "source_time": at(9), "source_partition": 1}, 1),
        ({"event_time": at(2)}, 2),
        ({"event_type": "TRADE"}, 2),
        ({"exchange": "XNAS"}, 2),
        ({"quantity": "3"}, 2),
    ],
)
def test_a_copy_that_says_something_else_is_another_version(
    land: Land, session: Session, change: dict[str, Any], versions: int
) -> None:
    land(trade(1), trade(1, **change))
    [row] = duplicates(session.refresh()).arrow().to_pylist()
    assert (row["copies"], row["versions"]) == (2, versions)


def test_late_rows(market: MarketLake, market_session: Session) -> None:
    groups: dict[str, list[Any]] = defaultdict(list)
    for row in market.late:
        groups[row["symbol"]].append(row)
    expected = []
    for symbol, rows in groups.items():
        delays = sorted(row["lateness_ms"] for row in rows)
        times = [row["event_time"] for row in rows]
        expected.append(
            ("aggregates", symbol, len(rows), sum(row["quantity"] for row in rows),
             sum(row["quantity"] * row["price"] for row in rows),
             delays[(len(delays) - 1) // 2], delays[-1], min(times), max(times))
        )  # fmt: skip
    expected.sort(key=lambda row: (-row[2], row[1]))
    assert late_rows(market_session).rows() == expected


def test_late_rows_of_another_day_are_not_those_of_today(lake: Settings, session: Session) -> None:
    append(lake, "ops.late_rows", rows_of("ops.late_rows", [late_row(1), late_row(90_000)]))
    assert late_rows(session.refresh()).rows()[0][2] == 1


def test_dead_letters(market: MarketLake, market_session: Session) -> None:
    counted = Counter(
        (row["job"], row["source_topic"], row["topic"], row["error_type"]) for row in market.dead
    )
    rows = dead_letters(market_session).arrow().to_pylist()
    names = ("job", "source_topic", "topic", "error_type")
    assert [(tuple(row[n] for n in names), row["records"]) for row in rows] == sorted(
        counted.items(), key=lambda item: (-item[1], item[0])
    )
    assert all(row["pending"] == row["records"] for row in rows)


def test_a_letter_that_was_sent_again_is_not_pending(lake: Settings, session: Session) -> None:
    append(lake, "ops.dead_letters", rows_of("ops.dead_letters", [dead_letter(1), dead_letter(2)]))
    common = {
        "run_id": "r1", "source_topic": "raw.trades", "source_partition": 0, "source_offset": 1,
        "job": "landing", "failed_at": at(1), "edited": False, "to_topic": "raw.trades",
    }  # fmt: skip
    states = [
        {**common, "state": "intended", "replayed_at": at(5)},
        {**common, "state": "sent", "to_partition": 0, "to_offset": 9, "replayed_at": at(6)},
    ]
    append(lake, "ops.dead_letter_replays", rows_of("ops.dead_letter_replays", states))
    [row] = dead_letters(session.refresh()).arrow().to_pylist()
    assert (row["records"], row["pending"], row["unclear"], row["replayed"]) == (2, 1, 0, 1)
    assert dead_letters(session, as_of=at(1)).arrow().to_pylist()[0]["records"] == 1


def test_missing_reference(market: MarketLake, market_session: Session) -> None:
    known = {row[0] for row in reference_data(market_session).rows()}
    unknown = [row for row in market.executions if row["symbol"] not in known]
    assert {row["symbol"] for row in unknown} == {"NOBODY"}
    times = [row["event_time"] for row in unknown]
    assert missing_reference(market_session, hours=9000).rows() == [
        ("NOBODY", len(unknown), sum(row["quantity"] for row in unknown),
         sum(row["quantity"] * row["price"] for row in unknown), min(times), max(times), False)
    ]  # fmt: skip


def accounted(session: Session, **counts: int) -> dict[str, tuple[int, ...]]:
    rows = reconciliation(session, **counts).arrow().to_pylist()
    names = ("records", "good", "late", "dead", "filtered", "open", "missing")
    for row in rows:
        found = row["good"] + row["late"] + row["dead"] + row["filtered"] + row["open"]
        assert row["records"] == found + row["missing"]
    return {f"{row['job']} {row['source']}": tuple(row[name] for name in names) for row in rows}


def test_reconciliation(market: MarketLake, market_session: Session) -> None:
    events, fills = len(market.trades), len(market.executions)
    others = events - fills
    refused = sum(row["source_topic"] == "raw.trades" for row in market.dead)
    books = len(market.books)
    assert accounted(market_session) == {
        "landing raw.trades": (events + refused, events, 0, refused, 0, 0, 0),
        # The late rows of this lake are in windows as well: there twice, and so too many.
        "aggregates market.trades": (
            events, fills, len(market.late), 0, others, 0, -len(market.late),
        ),
        "enrichment market.trades": (events, fills, 0, 0, others, 0, 0),
        # One letter stands an offset behind the last book.
        "orderbook raw.orderbook": (books + 2, books, 0, 1, 0, 0, 1),
    }  # fmt: skip


def test_what_kafka_counted_wins_over_the_offsets(market_session: Session) -> None:
    flow = accounted(market_session, raw_count=10_000, book_count=125)
    assert flow["landing raw.trades"][0] == 10_000
    assert flow["orderbook raw.orderbook"][0] == 125


@pytest.mark.parametrize("count", [-1, 1.5, "many"])
def test_a_count_that_is_none_is_refused(market_session: Session, count: Any) -> None:
    with pytest.raises(UsageError, match="raw_count must be a whole number"):
        reconciliation(market_session, raw_count=count)


def test_a_record_that_vanished_is_missed(lake: Settings, session: Session) -> None:
    rows = [trade(1), trade(2), trade(5, status="NEW", event_time=at(125), source_time=at(125))]
    backfill(lake, trades(rows), topic="raw.trades")
    append(lake, "market.trades", trades([trade(9, source_topic="file:day.jsonl")]))
    append(
        lake,
        "market.orderbook_metrics",
        rows_of("market.orderbook_metrics", [book(0), book(3)]),
    )
    flow = accounted(session.refresh())
    assert flow["landing raw.trades"] == (5, 3, 0, 0, 0, 0, 2)
    assert flow["landing files"] == (1, 1, 0, 0, 0, 0, 0)
    # The execution of the file was never aggregated.
    assert flow["aggregates market.trades"] == (4, 2, 0, 0, 1, 0, 1)
    assert flow["orderbook raw.orderbook"] == (4, 2, 0, 0, 0, 0, 2)


def test_other_records_between_the_lines_of_a_file_are_not_missing(
    lake: Settings, session: Session
) -> None:
    file = {"source_topic": "file:capture.jsonl"}
    append(lake, "market.trades", trades(trade(line, **file) for line in (3, 40, 41)))
    append(
        lake,
        "market.orderbook_metrics",
        rows_of("market.orderbook_metrics", [book(line, **file) for line in (7, 9)]),
    )
    flow = accounted(session.refresh())
    assert flow["landing files"] == (3, 3, 0, 0, 0, 0, 0)
    assert flow["orderbook raw.orderbook"] == (2, 2, 0, 0, 0, 0, 0)
    # Landed twice: one line, two rows.
    append(lake, "market.trades", trades([trade(3, **file)]))
    assert accounted(session.refresh())["landing files"] == (3, 4, 0, 0, 0, 0, -1)


def test_the_end_of_a_replay_takes_an_offset_and_is_no_record(
    lake: Settings, session: Session
) -> None:
    land_with_replays(lake)
    flow = accounted(session.refresh())
    assert flow["landing raw.trades"] == (11, 7, 0, 4, 0, 0, 0)
    assert flow["orderbook raw.orderbook"] == (3, 2, 0, 1, 0, 0, 0)
    # What readers see was counted: the same.
    assert accounted(session, raw_count=11)["landing raw.trades"][-1] == 0
    assert accounted(session, raw_count=12)["landing raw.trades"][-1] == 1


def test_a_record_that_vanished_behind_a_replay_is_missed(lake: Settings, session: Session) -> None:
    land_with_replays(lake, lost=7)
    assert accounted(session.refresh())["landing raw.trades"][-1] == 1


@pytest.mark.parametrize(("ahead", "missing"), [((12, 14), 0), ((12,), 0), ((), 0)])
def test_the_router_may_be_ahead_of_landing(
    lake: Settings, session: Session, ahead: tuple[int, ...], missing: int
) -> None:
    append(lake, "market.trades", trades(trade(number, status="NEW") for number in range(10)))
    dead = [dead_letter(number, job="router") for number in ahead]
    append(lake, "ops.dead_letters", rows_of("ops.dead_letters", dead))
    flow = accounted(session.refresh())["landing raw.trades"]
    span = max(ahead, default=9) + 1
    assert flow == (span, 10, 0, len(ahead), 0, span - 10 - len(ahead), missing)


def test_data_quality(market: MarketLake, market_session: Session) -> None:
    events = len(market.trades)
    fills = len(market.executions)
    repeats = events - len({row["trade_id"] for row in market.trades})
    spanned = traded = 0
    for day in {row["event_time"].date() for row in market.trades}:
        end = at().replace(year=day.year, month=day.month, day=day.day, hour=23, minute=59)
        for minutes in minutes_of(market, end + MINUTE - timedelta(microseconds=1)).values():
            spanned += (minutes[-1] - minutes[0]) // MINUTE + 1
            traded += len(minutes)
    unknown = sum(row["symbol"] == "NOBODY" for row in market.executions)
    expected = [
        ("duplicate events", repeats, events, "events"),
        ("late executions", len(market.late), fills, "executions"),
        ("dead letters", len(market.dead), len(market.dead) + events, "records"),
        ("minutes without trades", spanned - traded, spanned, "minutes"),
        ("executions without reference data", unknown, fills, "executions"),
    ]
    assert data_quality(market_session).rows() == [
        (*row, half_up(Fraction(row[1], row[2]) * 100, 4)) for row in expected
    ]


def test_each_measure_is_the_sum_of_the_question_that_names_the_rows(
    market: MarketLake, market_session: Session
) -> None:
    found = {row[0]: row[1] for row in data_quality(market_session).rows()}
    copies = duplicates(market_session, hours=9000).pl()["copies"]
    assert found["duplicate events"] == copies.sum() - len(copies)
    assert found["dead letters"] == dead_letters(market_session).pl()["records"].sum()
    unknown = missing_reference(market_session, hours=9000).pl()["executions"].sum()
    assert found["executions without reference data"] == unknown
    days = {row["event_time"].date() for row in market.trades}
    gaps = sum(trading_gaps(market_session, 1, as_of=day).pl()["minutes"].sum() for day in days)
    assert found["minutes without trades"] == gaps


def test_nothing_landed_has_no_quality(session: Session) -> None:
    assert {row[1:] for row in data_quality(session).rows()} == {
        (0, 0, unit, None) for unit in ("events", "executions", "records", "minutes")
    }
