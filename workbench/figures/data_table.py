"""The rows under a figure: what it shows, for those who would rather read it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from workbench.contracts.records import BASE, QUOTE
from workbench.lake.table_text import html_table, shown

if TYPE_CHECKING:
    import plotly.graph_objects as go

_DAYS = (7, 30, 90)
_LEVELS = (5, 10, 20)
#: Units by column: a name means the same in every table of the workbench.
UNITS: dict[str, str] = {
    **dict.fromkeys(
        (
            "price", "low_price", "high_price", "open_price", "close_price", "vwap", "minute_vwap",
            "notional", "total_notional", "total_value", "baseline_price", "current_price",
            "best_bid", "best_ask", "mid_price", "spread", "market_value", "net_cost",
            "net_cost_per_unit", "cost_basis", "average_cost", "realised_average",
            "realised_fifo", "unrealised_average", "unrealised_fifo", "last_price",
            "long_value", "short_value", "gross_exposure", "net_exposure", "day_notional",
            "profit", "profit_change", "cash_flow", "price_1m", "price_5m", "price_15m",
        ),
        QUOTE,
    ),
    **dict.fromkeys(
        ("quantity", "volume", "total_volume", "net_position", "bought_qty", "sold_qty",
         "avg_volume", "day_volume", *(f"bid_depth_{n}" for n in _LEVELS),
         *(f"ask_depth_{n}" for n in _LEVELS), "order_flow_imbalance"),
        BASE,
    ),
    **dict.fromkeys(("fill_rate_pct", "cancel_rate_pct", "reject_rate_pct"), "% of orders"),
    **dict.fromkeys((f"return_{n}m_pct" for n in (1, 5, 15)), "%"),
    "share_pct": "%",
    **dict.fromkeys(("trade_count", "buy_count", "sell_count"), "executions"),
    **dict.fromkeys(("return_weighted_pct", "return_equal_pct", "price_range_pct"), "%"),
    **dict.fromkeys((f"pct_vs_{n}d" for n in _DAYS), "%"),
    **dict.fromkeys((f"avg_volume_{n}d" for n in _DAYS), f"{BASE} a day"),
    **dict.fromkeys((f"z_score_{n}d" for n in _DAYS), "standard deviations"),
    **dict.fromkeys((f"imbalance_{n}" for n in _LEVELS), "ratio from -1 to 1"),
    "z_score": "standard deviations",
    "pct_change": "% of the baseline",
    "pct_vs_history": "%",
    "spread_bps": "basis points",
    "median_spread_bps": "basis points",
}  # fmt: skip
#: A longer table is thinned out evenly; its last row always stays.
MOST_ROWS = 60


def table_meta(data: pa.Table, caption: str, units: Mapping[str, str]) -> dict[str, Any]:
    """Return the rows of a figure as they are kept in its ``layout.meta``: all of it text."""
    step = -(-data.num_rows // MOST_ROWS) or 1
    kept = list(range(data.num_rows - 1, -1, -step))[::-1]
    thinned = data.take(pa.array(kept, pa.int64())) if step > 1 else data
    columns = [column.to_pylist() for column in thinned.columns]
    known = {**UNITS, **units}
    note = f"{data.num_rows} row{'' if data.num_rows == 1 else 's'}"
    if step > 1:
        note = f"{len(kept)} of {data.num_rows:,} rows: one in {step}, and the last"
    return {
        "caption": caption,
        "columns": data.column_names,
        "numeric": [is_number(field.type) for field in data.schema],
        "units": {name: known[name] for name in data.column_names if name in known},
        "rows": [list(map(shown, row)) for row in zip(*columns, strict=True)],
        "note": note,
    }


def is_number(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds numbers."""
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def data_table(figure: go.Figure) -> str:
    """Return the rows a figure shows as an HTML table; every cell is text.

    Parameters
    ----------
    figure
        A figure of this package, or a widget made of one.

    Returns
    -------
    str
        A ``table`` with caption and units; a long one is thinned out evenly and says so. The
        empty string for a figure without rows.

    Examples
    --------
    >>> from workbench.figures import top_symbols
    >>> row = {"symbol": "<A>", "total_volume": 30, "total_notional": 1500, "trade_count": 3}
    >>> "&lt;A&gt;</td>" in data_table(top_symbols(pa.Table.from_pylist([row])))
    True
    """
    kept = (figure.layout.meta or {}).get("table")
    if not kept or not kept["rows"]:
        return ""
    rows = [
        [
            Decimal(cell) if number and cell not in ("", "nan", "inf", "-inf") else cell
            for cell, number in zip(row, kept["numeric"], strict=True)
        ]
        for row in kept["rows"]
    ]
    return html_table(
        kept["columns"], rows, kept["units"], caption=kept["caption"], note=kept["note"]
    )
