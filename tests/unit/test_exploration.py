"""What is chosen in the explorer becomes one query: values bound, or written out to be copied."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

import workbench as wb
from tests.unit.conftest import Land
from tests.unit.lake_rows import at, trade
from workbench.config import Settings
from workbench.errors import UsageError
from workbench.lake.names import all_tables
from workbench.lake.session import Session
from workbench.notebook import current
from workbench.notebook.exploration import (
    BUCKETS,
    MEASURES,
    MOST_ROWS,
    OPERATORS,
    Filter,
    State,
    query_of,
)
from workbench.notebook.explorer import Explorer, explore

EVIL = "x' OR '1'='1"
TABLE = "market.trades"


@pytest.fixture
def filled(lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    land(
        trade(1, price="10"),
        trade(2, price="20.5", quantity="2", side="SELL"),
        trade(3, symbol="MSFT", price="30", event_time=at(3600)),
        trade(4, symbol=EVIL, price="40", exchange="<b>X</b>"),
    )
    monkeypatch.setenv("WORKBENCH_PROJECT", str(lake.project))
    monkeypatch.setattr(current, "_current", None)
    current._others.clear()
    yield wb.session()
    current.session().close()


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    made = InteractiveShell()
    made.run_line_magic("load_ext", "workbench")
    yield made
    made.run_line_magic("unload_ext", "workbench")
    made.history_manager.end_session()


def columns(session: Session, table: str = TABLE) -> dict[str, str]:
    return {row[0]: row[1] for row in session.sql(f"DESCRIBE {table}").rows()}


def both(session: Session, state: State) -> list[tuple[Any, ...]]:
    """The answer with bound values, which must be that of the copied text."""
    query = query_of(state, columns(session, state.table), "event_time")
    rows = session.sql(query.sql, query.parameters or None).rows()
    assert session.sql(query.copyable).rows() == rows
    return rows


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Filter("symbol", "=", "AAPL"), ["t1", "t2"]),
        (Filter("symbol", "=", EVIL), ["t4"]),
        (Filter("symbol", "≠", "AAPL"), ["t3", "t4"]),
        (Filter("symbol", "contains", "' or"), ["t4"]),
        (Filter("symbol", "is one of", "MSFT, KO"), ["t3"]),
        (Filter("price", "is one of", "10, 20.5"), ["t1", "t2"]),
        (Filter("price", ">", "20.5"), ["t3", "t4"]),
        (Filter("price", "≤", "20.50"), ["t1", "t2"]),
        (Filter("event_time", "≥", "2024-08-08 12:30"), ["t3"]),
        (Filter("exchange", "is empty"), ["t1", "t2", "t3"]),
        (Filter("exchange", "is not empty"), ["t4"]),
        (Filter("symbol", "=", "'; DROP VIEW market.trades; --"), []),
        (Filter("symbol", "=", "$v1"), []),
        (Filter("symbol", "=", "\\' OR 1=1 --"), []),
    ],
)
def test_filters_keep_the_rows_that_are_asked_for(
    filled: Session, given: Filter, expected: list[str]
) -> None:
    rows = both(filled, State(TABLE, (given,), limit=10))
    assert sorted(row[0] for row in rows) == expected


def test_several_filters_hold_together(filled: Session) -> None:
    given = (Filter("symbol", "=", "AAPL"), Filter("side", "=", "SELL"))
    assert [row[0] for row in both(filled, State(TABLE, given))] == ["t2"]


def test_rows_come_newest_first(filled: Session) -> None:
    assert both(filled, State(TABLE, limit=1))[0][0] == "t3"


@pytest.mark.parametrize(
    ("measure", "of", "expected"),
    [
        ("count", "", [("AAPL", 2), ("MSFT", 1), (EVIL, 1)]),
        ("sum", "quantity", [("AAPL", 3), ("MSFT", 1), (EVIL, 1)]),
        ("max", "price", [(EVIL, 40), ("MSFT", 30), ("AAPL", 20.5)]),
        ("avg", "price", [(EVIL, 40), ("MSFT", 30), ("AAPL", 15.25)]),
        ("distinct values", "side", [("AAPL", 2), ("MSFT", 1), (EVIL, 1)]),
        ("notional", "", [("AAPL", 51), (EVIL, 40), ("MSFT", 30)]),
        ("VWAP", "", [(EVIL, 40), ("MSFT", 30), ("AAPL", 17)]),
    ],
)
def test_measures_by_group(filled: Session, measure: str, of: str, expected: object) -> None:
    rows = both(filled, State(TABLE, (), ("symbol",), "", measure, of))
    assert [(row[0], float(row[1])) for row in rows] == expected


def test_times_are_cut_into_steps_and_come_in_order(filled: Session) -> None:
    rows = both(filled, State(TABLE, (), ("event_time", "side"), "1 hour", "count"))
    noon = at()
    assert rows == [(noon, "BUY", 2), (noon, "SELL", 1), (noon + timedelta(hours=1), "BUY", 1)]


def test_without_a_group_there_is_one_row(filled: Session) -> None:
    assert both(filled, State(TABLE, (), (), "", "count")) == [(4,)]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State(TABLE, (Filter("simbol", "=", "x"),)), "no column 'simbol': did you mean 'symbol'?"),
        (State(TABLE, (), ('x" FROM t; --',), "", "count"), "no column"),
        (State(TABLE, (), (), "", "sum"), "choose a column for sum"),
        (State(TABLE, (), (), "", "sum", "symbol"), "sum needs a number, 'symbol' is none"),
        (State(TABLE, (Filter("symbol", "=", " "),)), "symbol = needs a value"),
        (State(TABLE, (Filter("symbol", "=", "a\x00"),)), "zero byte"),
        (State(TABLE, (Filter("symbol", "; DROP", "a"),)), "no choice '; DROP'"),
        (State(TABLE, (), (), "", "count; DROP"), "no choice 'count; DROP'"),
        (State(TABLE, (), ("event_time",), "1 h'", "count"), "no choice"),
        (State(TABLE, (), ("side", "side"), "", "count"), "group by one column"),
        (State(TABLE, (), ("side",)), "rows have no groups"),
        (State(TABLE, limit=0), "rows must be from 1 to"),
        (State("ops.late_rows", (), (), "", "VWAP"), "needs the columns price and quantity"),
    ],
)
def test_what_cannot_be_is_one_line(filled: Session, state: State, said: str) -> None:
    described = columns(filled, state.table)
    if state.table == "ops.late_rows":
        described = {"symbol": "VARCHAR"}
    with pytest.raises(UsageError) as caught:
        query_of(state, described)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_value_of_the_wrong_kind_is_one_line(filled: Session) -> None:
    query = query_of(State(TABLE, (Filter("price", ">", "cheap"),)), columns(filled))
    with pytest.raises(UsageError, match='Could not convert string "cheap"'):
        filled.sql(query.sql, query.parameters).rows()


def status(explorer: Explorer) -> str:
    return str(explorer._said.value)


def test_the_widget_shows_rows_figure_and_sql(filled: Session) -> None:
    explorer = explore()
    assert explorer.result is not None
    assert "<caption" in explorer._rows.value
    assert [label for label, _ in explorer._bucket.options] == ["each value", *BUCKETS[1:]]
    explorer._measure.value = "count"
    explorer._group.value = "symbol"
    assert [row[1] for row in explorer.result.rows()] == [2, 1, 1]
    figure, told = explorer._figure.children
    assert figure.data[0].type == "bar"
    assert "AAPL 2" in told.value
    assert "count(*)" in explorer._copy.text
    explorer._add_filter()
    (row,) = explorer._filters.children
    row.column.value, row.value.value = "symbol", EVIL
    assert explorer.result.rows() == [(EVIL, 1)]
    assert explorer.query is not None
    assert explorer.query.parameters == {"v1": EVIL}
    assert filled.sql(explorer._copy.text).rows() == [(EVIL, 1)]
    explorer._remove_filter(row)
    assert len(explorer.result.rows()) == 3


def test_every_control_has_a_label(filled: Session) -> None:
    explorer = explore()
    explorer._add_filter()
    seen = 0
    todo: list[Any] = [explorer]
    while todo:
        widget = todo.pop()
        todo += list(getattr(widget, "children", ()))
        if hasattr(widget, "description") and "HTML" not in type(widget).__name__:
            seen += 1
            assert widget.description, widget
    assert seen == 14
    assert 'role="status"' in status(explorer)


def test_values_are_text_in_the_widget(filled: Session) -> None:
    explorer = explore()
    explorer._add_filter()
    row = explorer._filters.children[0]
    row.column.value, row.value.value = "exchange", "<b>X</b>"
    assert "&lt;b&gt;X&lt;/b&gt;" in explorer._rows.value
    for shown in (explorer._rows.value, explorer._sql.value):
        assert "<b>" not in shown
    row.operator.value, row.column.value = ">", "price"
    row.value.value = "<img src=x>"
    assert "<img" not in status(explorer)
    assert "error: " in status(explorer)


def test_a_mistake_is_one_line_and_the_next_choice_mends_it(filled: Session) -> None:
    explorer = explore()
    explorer._measure.value = "sum"
    assert explorer._of.value == "quantity"
    explorer._of.value = "symbol"
    assert "sum needs a number, &#x27;symbol&#x27; is none" in status(explorer)
    assert explorer.result is None
    assert explorer._copy.text == ""
    explorer._of.value = "price"
    assert "error" not in status(explorer)
    assert explorer.result is not None


def test_measure_and_groups_follow_each_other(filled: Session) -> None:
    explorer = explore()
    explorer._group.value = "symbol"
    assert explorer._measure.value == "count"
    assert "error" not in status(explorer)
    explorer._measure.value = "rows"
    assert explorer.state.group == ()
    assert "error" not in status(explorer)


def test_snapshots_and_moments_can_be_chosen(filled: Session, land: Land) -> None:
    first = filled.snapshots[TABLE]
    land(trade(9))
    wb.refresh()
    explorer = explore()
    explorer._measure.value = "count"
    assert explorer.result is not None
    assert explorer.result.rows() == [(5,)]
    offered = [value for _, value in explorer._snapshot.options]
    assert offered == ["", wb.session().snapshots[TABLE], first]
    explorer._snapshot.value = first
    assert explorer.result.rows() == [(4,)]
    assert explorer.result.snapshots == {TABLE: first}
    explorer._as_of.value = "2001-01-01"
    assert explorer.result.rows() == [(0,)]
    explorer._as_of.value = "soon"
    assert "as_of is not a time" in status(explorer)


def test_what_is_copied_asks_the_same_where_it_is_pasted(
    filled: Session, land: Land, shell: InteractiveShell
) -> None:
    first = filled.snapshots[TABLE]
    land(trade(9))
    wb.refresh()
    explorer = explore()
    explorer._measure.value = "count"
    second = wb.session().snapshots[TABLE]
    assert explorer._copy.text.startswith("-- as of 20")
    assert explorer._copy.text.splitlines()[0].endswith(f"{TABLE} @ {second}")
    assert wb.sql(explorer._copy.text).rows() == [(5,)]

    def pasted() -> list[tuple[Any, ...]]:
        done = shell.run_cell(f"{explorer._copy.text}")
        done.raise_error()
        assert explorer.result is not None
        assert done.result.snapshots == explorer.result.snapshots
        assert explorer._copy.text in unescape(explorer._sql.value)
        rows: list[tuple[Any, ...]] = done.result.rows()
        assert rows == explorer.result.rows()
        return rows

    explorer._snapshot.value = first
    assert f"%%wb --snapshot {TABLE}={first}\n-- as of 20" in explorer._copy.text
    assert pasted() == [(4,)]
    explorer._table.value = "market.executions"
    explorer._snapshot.value = first
    assert pasted() == [(4,)]
    explorer._as_of.value = "2001-01-01"
    assert explorer._copy.text.startswith("%%wb --as-of '2001-01-01'\n-- as of 2001-01-01 ")
    assert pasted() == [(0,)]


def test_of_a_series_the_newest_steps_are_kept_in_order(filled: Session) -> None:
    noon = at()
    steps = State(TABLE, (), ("event_time",), "1 hour", "count", limit=1)
    assert both(filled, steps) == [(noon + timedelta(hours=1), 1)]
    whole = [row[0] for row in both(filled, State(TABLE, (), ("event_time",), "1 hour", "count"))]
    assert whole == [noon, noon + timedelta(hours=1)]
    odd = (Filter("symbol", "≠", "a\nb"), Filter("side", "is not empty"))
    assert both(filled, State(TABLE, odd, ("event_time",), "1 hour", "count", limit=1)) == [
        (noon + timedelta(hours=1), 1)
    ]


def test_a_series_that_is_cut_says_so_and_keeps_the_newest(
    filled: Session, shell: InteractiveShell
) -> None:
    explorer = explore()
    explorer._group.value, explorer._bucket.value = "event_time", "1 hour"
    assert explorer.result is not None and "of more" not in status(explorer)
    assert explorer.result.caption == "count by event_time"
    explorer._limit.value = 1
    kept = "count by event_time, the newest 1 of more"
    assert kept in status(explorer)
    assert explorer.result.rows() == [(at(3600), 1)]
    assert kept in explorer._rows.value
    assert explorer._figure.children[0].layout.title.text == kept
    assert wb.sql(explorer._copy.text).rows() == explorer.result.rows()
    explorer._limit.value = 2
    assert "of more" not in status(explorer)
    assert explorer.result.caption == "count by event_time"


def test_groups_that_are_cut_say_so_at_the_largest_limit_too(filled: Session) -> None:
    explorer = explore()
    explorer._group.value = "symbol"
    explorer._limit.value = MOST_ROWS
    assert explorer.result is not None and "of more" not in status(explorer)
    explorer._limit.value = 2
    assert "count by symbol, the first 2 of more" in status(explorer)
    assert query_of(
        State(TABLE, group=("symbol",), measure="count", limit=MOST_ROWS),
        columns(filled),
        beyond=1,
    ).sql.endswith(f"LIMIT {MOST_ROWS + 1}")


def test_every_table_can_be_looked_at_also_where_it_is_empty(filled: Session) -> None:
    explorer = explore()
    for table in all_tables():
        explorer._table.value = table
        assert "error" not in status(explorer), table
        explorer._measure.value = "count"
        assert explorer.result is not None
        explorer._measure.value = "rows"


def test_without_a_lake_it_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(settings.project))
    monkeypatch.setattr(current, "_current", None)
    explorer = explore("market.trades")
    assert "no lake in" in status(explorer)
    explorer._measure.value = "count"
    assert explorer.result is None


def test_an_unknown_table_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'market\.trades'"):
        explore("market.trade")


def test_the_choices_are_those_of_the_model() -> None:
    assert len(set(MEASURES)) == len(MEASURES)
    assert len(set(OPERATORS)) == len(OPERATORS)
