"""The exact figures as DuckDB macros: VWAP, buy/sell ratio, percent change."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@cache
def macros_sql() -> str:
    """Return the statements that create the macros."""
    return files("workbench.lake").joinpath("macros.sql").read_text(encoding="utf-8")


def load_macros(connection: DuckDBPyConnection) -> None:
    """Create the macros ``vwap``, ``buy_sell_ratio``, ``percent_change``, ... in a connection.

    Examples
    --------
    >>> import duckdb
    >>> with duckdb.connect() as connection:
    ...     load_macros(connection)
    ...     connection.execute("SELECT vwap(10.0, 3.0), buy_sell_ratio(1, 0)").fetchone()
    (Decimal('3.3333'), None)
    """
    connection.execute(macros_sql())
