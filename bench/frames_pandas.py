"""The questions of the desk in pandas."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from bench.frames import EXECUTED, ORDER, RATES, WINDOWS, Asked, against


def _frame(asked: Asked, columns: list[str], wanted: Any) -> pd.DataFrame:
    """The rows that are wanted, decimals as floats."""
    table = ds.dataset(asked.paths).to_table(columns=columns, filter=wanted)
    floats = {name: pa.float64() for name in ("quantity", "price")}
    fields = [pa.field(f.name, floats.get(f.name, f.type)) for f in table.schema]
    frame: pd.DataFrame = table.cast(pa.schema(fields)).to_pandas()
    return frame


def _executions(asked: Asked, since: Any, *columns: str) -> pd.DataFrame:
    """Executions of a span of time with what they were worth."""
    names = ["symbol", "quantity", "price", "status", *columns, "event_time"]
    frame = _frame(asked, names, since & (ds.field("event_time") <= asked.until))
    frame = frame[frame["status"].isin(EXECUTED)]
    return frame.assign(notional=frame["quantity"] * frame["price"])


def _arrow(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


def top_symbols(asked: Asked) -> pa.Table:
    """The largest volumes of the day."""
    frame = _executions(asked, ds.field("event_time") > asked.since)
    found = frame.groupby("symbol").agg(
        trade_count=("symbol", "size"),
        total_volume=("quantity", "sum"),
        total_notional=("notional", "sum"),
        low_price=("price", "min"),
        high_price=("price", "max"),
    )
    found["vwap"] = found["total_notional"] / found["total_volume"]
    found["price_range_pct"] = 100 * (found["high_price"] / found["low_price"] - 1)
    found = found.reset_index().sort_values(["total_volume", "symbol"], ascending=[False, True])
    return _arrow(found.head(20))


def sector_performance(asked: Asked) -> pa.Table:
    """Trading, return and breadth of the sectors in a day."""
    since = ds.field("event_time") > asked.since
    frame = _executions(asked, since, *ORDER[1:]).sort_values(ORDER)
    symbols = frame.groupby("symbol").agg(
        trade_count=("symbol", "size"),
        volume=("quantity", "sum"),
        notional=("notional", "sum"),
        first_price=("price", "first"),
        last_price=("price", "last"),
    )
    sectors = asked.reference.select(["symbol", "sector"]).to_pandas().set_index("symbol")
    symbols = symbols.join(sectors)
    symbols["sector"] = symbols["sector"].fillna("UNKNOWN")
    symbols["change"] = symbols["last_price"] / symbols["first_price"] - 1
    symbols["weighted"] = symbols["change"] * symbols["notional"]
    symbols["up"] = symbols["last_price"] > symbols["first_price"]
    symbols["down"] = symbols["last_price"] < symbols["first_price"]
    found = symbols.groupby("sector").agg(
        trade_count=("trade_count", "sum"),
        total_volume=("volume", "sum"),
        total_notional=("notional", "sum"),
        symbols=("change", "size"),
        weighted=("weighted", "sum"),
        change=("change", "mean"),
        advancers=("up", "sum"),
        decliners=("down", "sum"),
    )
    found["return_weighted_pct"] = 100 * found["weighted"] / found["total_notional"]
    found["return_equal_pct"] = 100 * found["change"]
    found = found.reset_index().sort_values(["total_notional", "sector"], ascending=[False, True])
    return _arrow(found)


def volume_vs_history(asked: Asked) -> pa.Table:
    """A symbol's day against its mean day."""
    first = asked.midnight - timedelta(days=max(WINDOWS))
    wanted = (ds.field("symbol") == asked.symbol) & (ds.field("event_time") >= first)
    frame = _executions(asked, wanted)
    daily = frame.groupby(frame["event_time"].dt.date)["quantity"].sum()
    day = asked.midnight.date()
    volume = float(daily.get(day, 0.0))
    before = daily[daily.index < day]
    row: dict[str, Any] = {"symbol": asked.symbol, "day": day, "volume": volume}
    for days in WINDOWS:
        those = before[before.index >= day - timedelta(days=days)]
        row |= against(days, volume, len(those), those.mean(), those.std())
    return pa.Table.from_pylist([row])


def vwap_curve(asked: Asked) -> pa.Table:
    """A symbol's day by the minute, and the VWAP so far."""
    wanted = (ds.field("symbol") == asked.symbol) & (ds.field("event_time") >= asked.midnight)
    frame = _executions(asked, wanted, *ORDER[1:]).sort_values(ORDER)
    found = frame.groupby(frame["event_time"].dt.floor("min").rename("minute")).agg(
        symbol=("symbol", "first"),
        price=("price", "last"),
        low_price=("price", "min"),
        high_price=("price", "max"),
        trade_count=("symbol", "size"),
        volume=("quantity", "sum"),
        notional=("notional", "sum"),
    )
    found["minute_vwap"] = found["notional"] / found["volume"]
    found["day_volume"] = found["volume"].cumsum()
    found["day_notional"] = found["notional"].cumsum()
    found["vwap"] = found["day_notional"] / found["day_volume"]
    return _arrow(found.reset_index())


def order_rates(asked: Asked) -> pa.Table:
    """What became of the orders of a day, by symbol."""
    time = ds.field("event_time")
    before = _frame(asked, ["order_id"], time <= asked.since)["order_id"]
    columns = ["order_id", "trade_id", "symbol", "status", *ORDER]
    frame = _frame(asked, columns, (time > asked.since) & (time <= asked.until))
    frame = frame[~frame["order_id"].isin(before)].sort_values(ORDER)
    frame["executed"] = frame["status"].isin(EXECUTED)
    for state in ("FILLED", "REJECTED", "CANCELLED"):
        frame[state] = frame["status"] == state
    events = frame.drop_duplicates(["order_id", "trade_id"])
    executions = frame[frame["executed"]].drop_duplicates(["order_id", "trade_id"])
    orders = frame.groupby("order_id").agg(
        name=("symbol", "first"),
        filled=("FILLED", "any"),
        was_rejected=("REJECTED", "any"),
        was_cancelled=("CANCELLED", "any"),
    )
    orders["events"] = events.groupby("order_id").size()
    orders["executions"] = executions.groupby("order_id").size()
    orders["executions"] = orders["executions"].fillna(0).astype("int64")
    orders["rejected"] = orders["was_rejected"] & ~orders["filled"]
    orders["cancelled"] = orders["was_cancelled"] & ~orders["was_rejected"] & ~orders["filled"]
    orders["open"] = ~orders["filled"] & ~orders["was_rejected"] & ~orders["was_cancelled"]
    orders["executed"] = orders["executions"] > 0
    counts = ("filled", "cancelled", "rejected", "open", "executed", "events", "executions")
    found = orders.groupby("name")[list(counts)].sum()
    found.insert(0, "orders", orders.groupby("name").size())
    for rate, of in RATES.items():
        found[f"{rate}_rate_pct"] = 100 * found[of] / found["orders"]
    found = found.reset_index().sort_values(["orders", "name"], ascending=[False, True])
    return _arrow(found)
