"""Units of an answer: of columns of the lake as they lie there, and of nothing else."""

from __future__ import annotations

from decimal import Decimal

import duckdb
import pytest

from tests.unit.conftest import Land
from tests.unit.lake_rows import trade
from workbench.contracts.records import BASE, QUOTE
from workbench.lake.column_units import column_units
from workbench.lake.session import Session

PRICED = {"price": QUOTE, "quantity": BASE}
T = "market.trades"


@pytest.fixture(scope="module")
def parser() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@pytest.mark.parametrize(
    ("sql", "units"),
    [
        (f"SELECT price, quantity, symbol FROM {T}", PRICED),
        (f"SELECT PRICE FROM {T}", {"price": QUOTE}),
        (f"SELECT price AS paid FROM {T}", {"paid": QUOTE}),
        (f'SELECT "market"."trades"."price" AS "Paid" FROM {T}', {"Paid": QUOTE}),
        (f"SELECT t.price FROM {T} AS t", {"price": QUOTE}),
        (f"FROM {T}", PRICED),
        (f"SELECT * FROM {T} ORDER BY price LIMIT 3", PRICED),
        (f"SELECT t.*, 1 AS one FROM {T} t", PRICED),
        ("SELECT price FROM market.executions", {"price": QUOTE}),
        (f"SELECT DISTINCT price FROM {T}", {"price": QUOTE}),
        (f"SELECT price, count(*) FROM {T} GROUP BY price", {"price": QUOTE}),
        (f"SELECT price FROM {T} WHERE symbol = $symbol", {"price": QUOTE}),
        # Through a query in place of a table.
        (f"SELECT paid FROM (SELECT price AS paid FROM {T})", {"paid": QUOTE}),
        (f"WITH x AS (SELECT price AS p FROM {T}), y AS (FROM x) SELECT p FROM y", {"p": QUOTE}),
        (f"SELECT q FROM (SELECT quantity AS q FROM {T}) s JOIN {T} USING (q)", {"q": BASE}),
        (f"WITH trades AS (SELECT 2 * price AS price FROM {T}) SELECT price FROM trades", {}),
        (f"SELECT price FROM (SELECT 2 * price AS price FROM {T})", {}),
        (f"SELECT price FROM (SELECT quantity AS price FROM {T})", {"price": BASE}),
        # Computed.
        (f"SELECT 2 * price, -price, price + 0 AS price FROM {T}", {}),
        (f"SELECT sum(quantity) AS quantity, max(price) AS price FROM {T}", {}),
        (f"SELECT CAST(price AS DOUBLE) AS price, round(price) FROM {T}", {}),
        (f"SELECT (SELECT price FROM {T} LIMIT 1) AS price", {}),
        (f"SELECT price, quantity AS price FROM {T}", {}),
        (f"SELECT *, 2 * price AS price FROM {T}", {"quantity": BASE}),
        (f"SELECT * REPLACE (2 * price AS price) FROM {T}", {"quantity": BASE}),
        (f"SELECT * EXCLUDE (price) FROM {T}", {"quantity": BASE}),
        (f"SELECT * EXCLUDE (quantity) RENAME (price AS quantity) FROM {T}", {"quantity": QUOTE}),
        # Where there is a doubt there is none.
        (f"SELECT price FROM {T} UNION ALL SELECT quantity FROM {T}", {}),
        (f"SELECT COLUMNS('price|quantity') FROM {T}", {}),
        (f"SELECT price FROM {T} AS t(price, trade_id)", {}),
        (f"WITH x(price) AS (SELECT quantity FROM {T}) SELECT price FROM x", {}),
        (f"SELECT price FROM (SELECT quantity FROM {T}) AS x(price)", {}),
        (f"WITH RECURSIVE r AS (SELECT price FROM {T} UNION SELECT 1 FROM r) FROM r", {}),
        (f"SELECT price FROM read_csv('x') SEMI JOIN {T} USING (symbol)", {}),
        (f"SELECT price FROM read_csv('x') JOIN {T} USING (price)", {}),
        (f"SELECT price FROM read_csv('x') NATURAL JOIN {T}", {}),
        (f"SELECT f.price, t.price AS ours FROM read_csv('x') f, {T} t", {"ours": QUOTE}),
        (f"SELECT * FROM read_csv('x') f, {T}", {}),
        (f"SELECT * FROM {T} JOIN read_csv('x') f USING (symbol)", {}),
        (f"SELECT symbol.price FROM {T} AS symbol", {}),
        ("SELECT price FROM trades", {}),
        ("SELECT price FROM other.market.trades", {}),
        ("SELECT price FROM market.mine", {}),
        (f"DESCRIBE {T}", {}),
        (f"SUMMARIZE {T}", {}),
        (f"PIVOT {T} ON side USING sum(price)", {}),
        ("SELECT 1 AS price", {}),
        ("no SQL", {}),
    ],
)
def test_only_bare_references_have_the_unit_of_their_column(parser, sql, units):
    assert column_units(parser, sql) == units


def test_columns_of_two_tables_are_told_apart(parser):
    sql = (
        "SELECT spread_bps, t.price, total_volume FROM market.orderbook_metrics "
        "JOIN market.trades t USING (symbol) JOIN market.trade_aggregates USING (symbol)"
    )
    found = {"spread_bps": "basis points", "price": QUOTE, "total_volume": BASE}
    assert column_units(parser, sql) == found


def test_an_answer_shows_its_units_and_all_digits(session: Session, land: Land):
    land(trade(1, price="12345.12345678", quantity="2"))
    session.refresh()
    answer = session.sql("SELECT price AS paid, 2 * price AS twice FROM market.trades")
    assert answer.units == {"paid": QUOTE}
    assert answer.rows() == [(Decimal("12345.12345678"), Decimal("24690.24691356"))]
    assert "[quote currency]" in repr(answer)
    assert "12345.12345678" in repr(answer)
    assert answer._repr_html_().count("quote currency") == 1


def test_a_statement_that_is_no_query_has_no_units(session: Session, land: Land):
    land(trade(1))
    session.refresh()
    made = session.sql("CREATE TEMP TABLE mine AS SELECT price FROM market.trades")
    assert made.units == {}
    assert session.sql("SELECT price FROM mine").units == {}


def test_the_axis_of_a_figure_has_the_unit(session: Session, land: Land):
    land(trade(1), trade(2, price="3"))
    session.refresh()
    drawn = session.sql("SELECT trade_id, price AS paid FROM market.trades").plot()
    assert drawn.layout.xaxis.title.text == f"paid ({QUOTE})"
