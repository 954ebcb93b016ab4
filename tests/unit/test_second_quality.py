"""The quality of the data by the second path: against the questions, by hand, and by its laws."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.conftest import Land
from tests.unit.lake_rows import at, rows_of, trade
from tests.unit.market_lake import MarketLake, book, dead_letter, land_with_replays, late_row
from tests.unit.running_stream import arrivals, running
from workbench.config import Settings
from workbench.lake.session import Session
from workbench.lake.write import append
from workbench.market import data_quality, reconciliation, trading_gaps
from workbench.reports.flink_results import NOTHING_SETTLED
from workbench.reports.second_quality import (
    _silence,
    accounted,
    gaps_of_day,
    measures,
    refused,
    refused_by_reason,
    sent,
    unsettled,
)


def put(lake: Settings, table: str, *rows: dict[str, Any]) -> None:
    append(lake, table, rows_of(table, rows))


@pytest.mark.parametrize(
    "moment", [at(6 * 3600), at(9000, days=-1), at(100, days=-6), at(0, days=-90)]
)
def test_every_measure_is_what_the_question_says(market_session: Session, moment: datetime) -> None:
    rows = data_quality(market_session, moment).arrow().to_pylist()
    assert measures(market_session, moment) == {
        row["measure"]: (row["found"], row["of_all"]) for row in rows
    }


def test_each_defect_is_counted_once(lake: Settings, land: Land, session: Session) -> None:
    land(
        trade(0, event_time=at(0)),
        trade(1, trade_id="t0", event_time=at(1)),
        trade(2, trade_id="t0", event_time=at(2), status="NEW"),
        # Three minutes without trades; the order that was cancelled in them is none.
        trade(3, event_time=at(240)),
        trade(4, event_time=at(120), status="CANCELLED"),
        # Another symbol has its own minutes.
        trade(5, symbol="MSFT", event_time=at(600)),
        # After the moment.
        trade(6, trade_id="t0", event_time=at(3600)),
    )
    put(lake, "ops.late_rows", late_row(1), late_row(2, event_time=at(3600)))
    put(lake, "ops.dead_letters", dead_letter(7), dead_letter(8, error_type="no-symbol"))
    found = measures(session.refresh(), at(700))
    assert found == {
        "duplicate events": (2, 6),
        "late executions": (1, 4),
        "dead letters": (2, 8),
        "minutes without trades": (3, 6),
        "executions without reference data": (0, 0),
    }


def test_an_empty_lake_has_nothing_wrong(session: Session) -> None:
    assert set(measures(session, at(0)).values()) == {(0, 0)}
    assert sent(session, "raw.trades") == sent(session, "raw.orderbook") == 0
    assert refused_by_reason(session) == {}


def test_reasons_of_refusals(market: MarketLake, market_session: Session) -> None:
    assert refused_by_reason(market_session) == {"invalid-json": 3, "no-status": 1, "crossed": 1}


def test_refusals_of_each_job(market: MarketLake, market_session: Session) -> None:
    rows = reconciliation(market_session).arrow().to_pylist()
    assert any(row["dead"] for row in rows)
    for row in rows:
        assert refused(market_session, row["job"], row["source"]) == row["dead"]


def test_refusals_in_files_are_those_of_landing(lake: Settings, session: Session) -> None:
    dead = [
        dead_letter(1, source_topic="file:a", job="landing"),
        dead_letter(2, source_topic="file:a", job="enrichment"),
        dead_letter(3, source_topic="raw.trades", job="router"),
        dead_letter(4, source_topic="raw.trades", job="enrichment"),
        dead_letter(5, source_topic="raw.orderbook", job="orderbook"),
    ]
    put(lake, "ops.dead_letters", *dead)
    found = {
        (row["job"], row["source"]): row["dead"]
        for row in reconciliation(session.refresh()).arrow().to_pylist()
    }
    assert found == {each: refused(session, *each) for each in found}
    assert found["landing", "files"] == found["landing", "raw.trades"] == 1


@pytest.mark.parametrize("minutes", [1, 3, 4])
def test_gaps_of_a_day(land: Land, session: Session, minutes: int) -> None:
    land(
        trade(0, event_time=at(-86_400)),
        trade(1, event_time=at(0)),
        trade(2, event_time=at(240)),
        trade(3, event_time=at(120), status="CANCELLED"),
        trade(4, event_time=at(360)),
        trade(5, symbol="MSFT", event_time=at(600)),
        trade(6, symbol="MSFT", event_time=at(660)),
    )
    session.refresh()
    found = gaps_of_day(session, at(700), minutes)
    assert found == trading_gaps(session, minutes, as_of=at(700)).arrow().num_rows
    assert found == {1: 2, 3: 1, 4: 0}[minutes]


def test_what_was_sent_is_the_span_of_each_partition(
    lake: Settings, land: Land, session: Session
) -> None:
    land(
        trade(1, source_offset=10),
        trade(2, source_offset=14),
        trade(3, source_partition=1, source_offset=7),
        # The topic of this deployment, by its prefix, is the same topic; a file is none.
        trade(4, source_topic=f"{lake.kafka.topic_prefix}raw.trades", source_offset=12),
        trade(5, source_topic="file:day.jsonl", source_offset=900),
    )
    put(
        lake, "ops.dead_letters",
        dead_letter(17),
        dead_letter(20, job="router"),
        # Another job's letters of the same topic say nothing of what landing has read.
        dead_letter(99, job="aggregates"),
        dead_letter(3, job="orderbook", source_topic="raw.orderbook"),
    )  # fmt: skip
    put(lake, "market.orderbook_metrics", book(5), book(8))
    session.refresh()
    assert sent(session, "raw.trades") == (20 - 10 + 1) + 1
    assert sent(session, "raw.orderbook") == 8 - 3 + 1
    rows = reconciliation(session).arrow().to_pylist()
    told = {row["source"]: row["records"] for row in rows if row["job"] in ("landing", "orderbook")}
    assert told["raw.trades"] == sent(session, "raw.trades")
    assert told["raw.orderbook"] == sent(session, "raw.orderbook")


@pytest.mark.parametrize("lost", [None, 7])
def test_what_was_sent_counts_no_ends_of_replays(
    lake: Settings, session: Session, lost: int | None
) -> None:
    land_with_replays(lake, lost)
    rows = reconciliation(session.refresh()).arrow().to_pylist()
    told = {row["source"]: row["records"] for row in rows if row["source"].startswith("raw.")}
    assert told == {topic: sent(session, topic) for topic in told} == {
        "raw.trades": 11,
        "raw.orderbook": 3,
    }  # fmt: skip


def test_what_is_not_settled_is_what_the_accounting_leaves_open(
    lake: Settings, session: Session
) -> None:
    running(arrivals(1), 330, 310, 300).write(lake)
    # The router is ahead of landing in one partition, beyond the end of a replay, and alone in
    # another.
    ahead = [dead_letter(n, job="router") for n in (500, 504)]
    alone = [dead_letter(n, job="router", source_partition=7) for n in (3, 6)]
    put(lake, "ops.dead_letters", *ahead, *alone)
    put(
        lake, "ops.dead_letter_replays",
        {
            "run_id": "r", "state": "sent", "source_topic": "raw.trades", "source_partition": 0,
            "source_offset": 1, "job": "landing", "failed_at": at(1), "edited": False,
            "to_topic": "raw.trades", "to_partition": 0, "to_offset": 501, "replayed_at": at(2),
        },
    )  # fmt: skip
    rows = reconciliation(session.refresh()).arrow().to_pylist()
    for row in rows:
        told = unsettled(session, row["job"], row["source"], row["settled_until"])
        assert told == row["open"], row
        assert accounted(row) == row["records"]
    assert [row["open"] > 0 for row in rows] == [True, True, True, False]


def test_an_accounting_with_nothing_settled_says_so(lake: Settings, session: Session) -> None:
    running(arrivals(1), 30, 30, 0).write(lake)
    rows = reconciliation(session.refresh()).arrow().to_pylist()
    assert {row["job"]: accounted(row) for row in rows if row["open"]} == {
        "aggregates": NOTHING_SETTLED,
        "enrichment": NOTHING_SETTLED,
    }


moments = st.lists(
    st.tuples(
        st.sampled_from(["AAPL", "MSFT"]), st.integers(0, 3 * 24 * 60 - 1), st.integers(0, 59)
    ),
    max_size=40,
)


@given(moments)
def test_silence_is_what_lies_between_the_first_and_last_minute_of_a_day(
    made: list[tuple[str, int, int]],
) -> None:
    begin = datetime(2024, 8, 7, tzinfo=UTC)
    times = [begin + timedelta(minutes=minute, seconds=second) for _, minute, second in made]
    executions = pl.LazyFrame(
        {"symbol": [symbol for symbol, _, _ in made], "event_time": times},
        schema={"symbol": pl.String, "event_time": pl.Datetime("us", "UTC")},
    )
    days: dict[tuple[str, int], set[int]] = {}
    for symbol, minute, _ in made:
        days.setdefault((symbol, minute // 1440), set()).add(minute)
    spanned = sum(max(minutes) - min(minutes) + 1 for minutes in days.values())
    traded = sum(map(len, days.values()))
    assert _silence(executions) == (spanned - traded, spanned)
