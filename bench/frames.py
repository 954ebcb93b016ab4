"""What the questions of the desk are in Polars and in pandas, and when their answers are right.

`frames_polars` and `frames_pandas` have one function for each question, written as one writes it
there, over the same files. Sums of money are floats; what the workbench rounds is not rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

import pyarrow as pa

#: The statuses that are volume.
EXECUTED = ["FILLED", "PARTIALLY_FILLED"]
#: Events of one time come in the order they were landed in.
ORDER = ["event_time", "source_offset", "source_partition"]
#: Days of history a volume is held against.
WINDOWS = (7, 30, 90)
#: Rates of orders, and what each counts.
RATES = {"fill": "filled", "executed": "executed", "cancel": "cancelled", "reject": "rejected"}
#: With fewer days there is no z-score.
_LEAST_DAYS = 5


@dataclass(frozen=True)
class Asked:
    """What is asked: the files of the trades, the moment, the reference data, a symbol."""

    paths: list[str]
    until: datetime
    reference: pa.Table
    symbol: str

    @property
    def since(self) -> datetime:
        """A day before the moment."""
        return self.until - timedelta(days=1)

    @property
    def midnight(self) -> datetime:
        """The beginning of the moment's day."""
        return datetime.combine(self.until.date(), time(), self.until.tzinfo)


def against(days: int, volume: float, count: int, mean: Any, deviation: Any) -> dict[str, Any]:
    """A volume against the days of one window."""
    known = count > 0
    spread = float(deviation) if count >= _LEAST_DAYS else 0.0
    return {
        f"avg_volume_{days}d": float(mean) if known else None,
        f"pct_vs_{days}d": 100 * (volume / float(mean) - 1) if known else None,
        f"days_{days}d": count,
        f"z_score_{days}d": (volume - float(mean)) / spread if spread else None,
    }


def difference(answer: pa.Table, expected: pa.Table) -> str | None:
    """Return what is wrong with an answer; None where nothing is.

    Columns that both have are compared: frames do not repeat all of them. A float is right within
    1e-9 of the value, or within one in the last decimal that the exact answer was rounded to.

    Examples
    --------
    >>> from decimal import Decimal
    >>> exact = pa.table({"vwap": [Decimal("1.2346")]})
    >>> difference(pa.table({"vwap": [1.23456]}), exact)
    >>> difference(pa.table({"vwap": [1.2344]}), exact)
    "vwap: 1.2344, Decimal('1.2346') expected"
    """
    if answer.num_rows != expected.num_rows:
        return f"{answer.num_rows} rows, {expected.num_rows} expected"
    names = [name for name in expected.column_names if name in answer.column_names]
    if not names:
        return f"no column of {', '.join(expected.column_names)}"
    for name in names:
        kind = expected.schema.field(name).type
        last = 10.0**-kind.scale if pa.types.is_decimal(kind) else 0.0
        for one, other in zip(answer[name].to_pylist(), expected[name].to_pylist(), strict=True):
            if one != other and not _close(one, other, last):
                return f"{name}: {one!r}, {other!r} expected"
    return None


def _close(one: Any, other: Any, last: float) -> bool:
    if not isinstance(one, float) or other is None:
        return False
    return abs(one - float(other)) <= max(1e-9 * abs(float(other)), last)
