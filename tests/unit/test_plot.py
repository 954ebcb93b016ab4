"""An answer is drawn where it is plain how, and says in one line where it is not."""

from __future__ import annotations

import pytest

from workbench.errors import UsageError
from workbench.lake.session import Session
from workbench.market import top_symbols


def plot(session: Session, values: str, columns: str, **options: object):  # type: ignore[no-untyped-def]
    return session.sql(f"SELECT * FROM (VALUES {values}) AS t({columns})").plot(**options)


def test_a_time_and_numbers_are_lines_in_order_of_time(session: Session) -> None:
    drawn = plot(session, "(DATE '2024-01-02', 2, 5.5), (DATE '2024-01-01', 1, NULL)", "day, a, b")
    assert [trace.name for trace in drawn.data] == ["a", "b"]
    assert [trace.type for trace in drawn.data] == ["scatter", "scatter"]
    assert list(drawn.data[0].y) == [1.0, 2.0]
    assert len({trace.line.dash for trace in drawn.data}) == 2
    assert "a from 2024-01-01 to 2024-01-02: 1 to 2, at last 2" in drawn.layout.meta["alt"]


def test_a_name_beside_the_time_makes_a_line_each(session: Session) -> None:
    rows = "(DATE '2024-01-01', 'A', 1), (DATE '2024-01-01', 'B', 2), (DATE '2024-01-02', 'A', 3)"
    drawn = plot(session, rows, "day, symbol, n")
    assert [(trace.name, list(trace.y)) for trace in drawn.data] == [("A", [1, 3]), ("B", [2])]


def test_a_name_and_a_number_are_bars(session: Session) -> None:
    drawn = plot(session, "('A', 1.5), (NULL, 2), ('A', NULL)", "symbol, n", title="Title")
    (bars,) = drawn.data
    assert (bars.type, list(bars.x)) == ("bar", [1.5, 2.0, None])
    assert drawn.layout.title.text == "Title"
    assert drawn.layout.meta["alt"] == "Title. A 1.5, (none) 2, A no value."


def test_columns_can_be_chosen(session: Session) -> None:
    drawn = plot(session, "('A', 'x', 1, 2)", "symbol, name, a, b", x="name", y="b")
    assert list(drawn.data[0].x) == [2.0]
    assert list(drawn.layout.yaxis.ticktext) == ["x"]


def test_markup_in_a_name_is_text(session: Session) -> None:
    drawn = plot(session, "('<a href=x>y</a>', 1)", "symbol, n", title="<b>t</b>")
    assert list(drawn.layout.yaxis.ticktext) == ["&lt;a href=x&gt;y&lt;/a&gt;"]
    assert drawn.layout.title.text == "&lt;b&gt;t&lt;/b&gt;"


def test_no_rows_say_so(session: Session) -> None:
    drawn = session.sql("SELECT symbol, price FROM market.trades").plot()
    assert drawn.layout.annotations[0].text == "no data"


@pytest.mark.parametrize(
    ("query", "options", "said"),
    [
        ("SELECT 'a' AS x, 'b' AS y", {}, "the columns are x string, y string"),
        ("SELECT 1 AS x, 2 AS y", {}, "it is not plain what to plot"),
        ("SELECT 'a' AS x, 1 AS y", {"x": "z"}, "no column 'z'"),
        ("SELECT 'a' AS x, 1 AS y", {"y": "x"}, "column 'x' is no number"),
        ("SELECT now() AS t, i FROM range(30000) r(i)", {}, "30,000 rows are too many to see"),
        ("SELECT now() AS t, 'n' || i, i FROM range(9) r(i)", {}, "9 lines are too many"),
    ],
)
def test_what_is_not_plain_is_one_line(
    session: Session, query: str, options: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        session.sql(query).plot(**options)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_an_answer_with_a_figure_of_its_own_is_drawn_by_it(session: Session) -> None:
    answer = session.result(
        "SELECT 'A' AS symbol, 3 AS total_volume, 4 AS total_notional, 1 AS trade_count",
        figure="top_symbols",
    )
    assert answer.plot().layout.meta["id"] == "top-symbols"
    with pytest.raises(UsageError, match=r"figure top_symbols: .*'colour'"):
        answer.plot(colour="red")
    with pytest.raises(UsageError, match=r"no figure 'top_symbol': did you mean 'top_symbols'"):
        session.result("SELECT 1", figure="top_symbol").plot()
    assert top_symbols(session)
