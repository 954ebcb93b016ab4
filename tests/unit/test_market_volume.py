"""Volume that is unlike its history, against plain Python."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.unit.conftest import Land
from tests.unit.lake_rows import at, half_up, trade, z_score
from tests.unit.market_lake import MarketLake
from workbench.errors import UsageError
from workbench.lake.session import Session
from workbench.market import reference_data, volume_anomalies, volume_vs_history

D = Decimal


@pytest.mark.parametrize("days", [3, 30])
@pytest.mark.parametrize("as_of", [None, at(9000, days=-1), at(3 * 3600)])
def test_volume_anomalies(
    market: MarketLake, market_session: Session, days: int, as_of: datetime | None
) -> None:
    moment = as_of or max(row["event_time"] for row in market.trades)
    today = moment.date()
    sector_of = {row[0]: row[2] for row in reference_data(market_session).rows()}
    daily: dict[str, dict[date, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for row in market.executions:
        back = today - row["event_time"].date()
        # The same part of each day.
        if timedelta(0) <= back <= timedelta(days=days) and row["event_time"] + back <= moment:
            daily[row["symbol"]][row["event_time"].date()].append(row)
    expected = []
    for symbol, found in daily.items():
        rows = found.pop(today, [])
        volume = sum((row["quantity"] for row in rows), D(0))
        notional = sum((row["quantity"] * row["price"] for row in rows), D(0))
        history = [sum(row["quantity"] for row in each) for each in found.values()]
        mean = Fraction(sum(history)) / len(history) if history else None
        z = z_score(volume, history)
        expected.append(
            (symbol, sector_of.get(symbol, "UNKNOWN"), len(rows), volume, notional,
             half_up(mean, 8) if mean else None,
             half_up((Fraction(volume) / mean - 1) * 100, 2) if mean else None,
             z, z is not None and abs(z) >= D("1.2"), len(history))
        )  # fmt: skip
    expected.sort(key=lambda r: (r[7] is None, -abs(r[7] or 0), -r[4], r[0]))
    assert volume_anomalies(market_session, days, 1.2, as_of).rows() == expected
    if days == 30 and as_of is None:
        assert {row[8] for row in expected} == {True, False}


def test_a_day_that_is_over_scores_as_it_does_against_whole_days(market_session: Session) -> None:
    for row in volume_anomalies(market_session, as_of="2024-08-07").arrow().to_pylist():
        whole = volume_vs_history(market_session, row["symbol"], as_of="2024-08-07")
        [other] = whole.arrow().to_pylist()
        assert row["z_score"] == other["z_score_30d"]
        assert row["pct_vs_history"] == other["pct_vs_30d"]


def test_the_morning_compares_with_other_mornings(land: Land, session: Session) -> None:
    for back in range(1, 7):
        land(
            trade(back, quantity=str(10 + back), event_time=at(0, days=-back)),
            trade(back + 50, quantity="1000", event_time=at(3600, days=-back)),
        )
    land(trade(99, quantity="10", event_time=at(0)))
    [row] = volume_anomalies(session.refresh()).arrow().to_pylist()
    assert (row["avg_volume"], row["days"]) == (D("13.5"), 6)


def test_a_symbol_that_stopped_trading_is_listed(land: Land, session: Session) -> None:
    land(
        *(
            trade(n, quantity=str(5 + n), symbol="XOM", event_time=at(0, days=-n))
            for n in range(1, 7)
        )
    )
    land(trade(99, event_time=at(0)))
    rows = {row["symbol"]: row for row in volume_anomalies(session.refresh()).arrow().to_pylist()}
    assert rows["XOM"]["volume"] == 0 and rows["XOM"]["z_score"] < -3 and rows["XOM"]["unusual"]
    assert rows["AAPL"]["z_score"] is None and not rows["AAPL"]["unusual"]


@pytest.mark.parametrize("threshold", [0, -1, float("nan"), float("inf"), "x", True, None])
def test_a_threshold_that_is_none_is_refused(market_session: Session, threshold: Any) -> None:
    with pytest.raises(UsageError, match="threshold must be a number above 0"):
        volume_anomalies(market_session, threshold=threshold)
