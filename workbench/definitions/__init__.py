"""The DuckDB definition of every job: the second engine for every number.

Each ``.sql`` file says what a job's result is, over one relation `read_trades` that holds the
records of a raw topic with their verdicts. It is the oracle of the tests, the second path of
the reports' checks, the repair of a window and the fast way to land history.

>>> import duckdb
>>> con = connect()
>>> load_raw(con, [b'{"trade_id":"1","order_id":"1","symbol":"A","side":"BUY","quantity":1,'
...                b'"price":"2.50","status":"FILLED","timestamp_ms":1}', b"oops"])
>>> results = run_definition(con, "landing")
>>> results["market.trades"].num_rows, results["dlq.deserialization"]["error_type"].to_pylist()
(1, ['invalid-json'])
"""

from __future__ import annotations

from workbench.definitions.raw import connect, load_events, load_raw, read_trades
from workbench.definitions.run import run_definition

__all__ = ["connect", "load_events", "load_raw", "read_trades", "run_definition"]
