"""Figures say what they show in words and rows, read names as text, and need no colour."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio
import pyarrow as pa
import pytest

from workbench import figures
from workbench.errors import UsageError
from workbench.figures.choice import plain
from workbench.figures.data_table import MOST_ROWS
from workbench.figures.template import DARK, LIGHT, MOST_BARS, Theme, literal, theme_of

#: Markup, a template of plotly, an entity and the end of a script.
HOSTILE = "<img src=x onerror=alert(1)>%{x}&lt;</script><b>"
START = datetime(2024, 8, 9, 14, tzinfo=UTC)
MINUTES = [START + timedelta(minutes=number) for number in range(5)]
PRICES = [100.0, 101.5, 99.25, 100.0, 102.0]


def _curve() -> pa.Table:
    return pa.table(
        {
            "minute": MINUTES,
            "price": PRICES,
            "low_price": [price - 1 for price in PRICES],
            "high_price": [price + 1 for price in PRICES],
            "minute_vwap": PRICES,
            "vwap": PRICES[::-1],
            "volume": [1.0, 2.0, 3.0, 4.0, 5.0],
        }
    )


def _windows() -> pa.Table:
    return pa.table(
        {
            "window_start": MINUTES,
            "open_price": PRICES,
            "high_price": [price + 1 for price in PRICES],
            "low_price": [price - 1 for price in PRICES],
            "close_price": PRICES[::-1],
            "vwap": PRICES,
            "total_volume": PRICES,
        }
    )


def _rows(**columns: Any) -> pa.Table:
    """One row of a plain name and one of a hostile name."""
    return pa.table({name: [value, value] for name, value in columns.items()})


def _named(column: str, **columns: Any) -> pa.Table:
    return _rows(**columns).append_column(column, pa.array(["AAPL", HOSTILE]))


def _alerts() -> pa.Table:
    return _named("symbol", detected_at=START, direction="UP", severity="HIGH",
                  current_price=105.0, pct_change=5.0)  # fmt: skip


SECTORS = _named("sector", total_notional=9, return_weighted_pct=1.5, return_equal_pct=-1.0,
                 symbols=4, advancers=3, decliners=1)  # fmt: skip
HISTORY = {f"pct_vs_{days}d": 10.0 for days in (7, 30, 90)}
SCORES = {f"z_score_{days}d": 1.5 for days in (7, 30, 90)}
RATES = {"fill_rate_pct": 80.0, "cancel_rate_pct": 15.0, "reject_rate_pct": 5.0}
BOOK = pa.table({"side": ["bid", "bid", "ask"], "price": [9.0, 8.5, 11.0], "quantity": [5.0] * 3})
METRICS = pa.table(
    {
        "event_time": MINUTES,
        "spread_bps": [1.0, None, 2.0, 1.0, 1.0],
        "imbalance_5": [0.5, None, -0.5, 0.0, 1.0],
    }
)

#: Every figure: its table, and what else it is given.
CASES: dict[str, tuple[Any, ...]] = {
    "alert_timeline": (_alerts(),),
    "candles": (_windows(), HOSTILE),
    "data_quality": (_named("measure", found=4, of_all=9, unit="rows", share_pct=44.4),),
    "exposure_by_sector": (_named("sector", long_value=5000, short_value=2000, net_exposure=3000),),
    "order_book_depth": (BOOK, HOSTILE),
    "order_rates": (_named("name", orders=4, **RATES),),
    "portfolio": (_named("symbol", net_position=-2, market_value=-300, unrealised_average=25),),
    "portfolio_history": (
        _rows(valued_at=START, market_value=9.0, profit=1.0, unrealised_fifo=-2.0),
    ),
    "price_and_vwap": (_curve(), HOSTILE),
    "sector_heatmap": (SECTORS,),
    "sectors": (SECTORS,),
    "spread_and_imbalance": (METRICS, HOSTILE),
    "top_symbols": (_named("symbol", total_volume=3, total_notional=9, trade_count=1),),
    "volume_against_history": (_named("symbol", **HISTORY, **SCORES),),
    "volume_anomalies": (_named("symbol", z_score=4.0, pct_vs_history=80.0, unusual=True),),
    "volume_profile": (
        pa.table({"bucket_start": MINUTES, "volume": PRICES, "avg_volume": PRICES}),
        HOSTILE,
    ),
    "vwap_curve": (_curve(), HOSTILE),
}
#: Functions of the package that draw nothing.
NO_FIGURES = {"data_table", "figure_html"}


def draw(name: str, theme: str = "light") -> go.Figure:
    return getattr(figures, name)(*CASES[name], theme=theme)


def test_every_figure_has_a_case_here() -> None:
    assert set(CASES) == set(figures.__all__) - NO_FIGURES


every_figure = pytest.mark.parametrize("name", CASES)


@every_figure
def test_a_table_without_rows_gives_a_figure_that_says_so(name: str) -> None:
    table, *rest = CASES[name]
    drawn = getattr(figures, name)(table.slice(0, 0), *rest)
    assert drawn.layout.annotations[0].text == "no data"
    assert drawn.layout.meta["alt"].endswith(": no data.")
    assert figures.data_table(drawn) == ""


@every_figure
def test_ids_are_fixed_and_all_figures_say_what_they_show(name: str) -> None:
    first, second = draw(name), draw(name)
    assert first.to_json() == second.to_json()
    assert first.layout.meta["alt"].endswith(".")
    assert first.layout.title.text


def test_no_two_figures_share_an_id() -> None:
    ids = [draw(name).layout.meta["id"] for name in CASES]
    assert len(set(ids)) == len(ids)


class _Tags(HTMLParser):
    """The tags and handlers that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [f"{key}={value}" for key, value in attrs if key in ("src", "href")]


@every_figure
def test_names_are_text_in_the_page_and_in_the_drawing(name: str) -> None:
    drawn = draw(name)
    page = _Tags()
    page.feed(figures.figure_html(drawn))
    assert set(page.tags) <= {
        "figure", "div", "script", "figcaption", "details", "summary", "table", "caption",
        "thead", "tbody", "tfoot", "tr", "th", "td", "small", "br",
    }  # fmt: skip
    assert page.fetched == []
    assert page.tags.count("script") == 1
    # Plotly reads markup and templates in every text of a drawing.
    marks = json.loads(drawn.to_json())
    marks["layout"].pop("meta")
    texts = json.dumps(marks, ensure_ascii=False)
    assert "<img" not in texts and "<b>" not in texts and "%{x}&" not in texts


@every_figure
def test_the_rows_under_a_figure_are_those_it_shows(name: str) -> None:
    rows = CASES[name][0]
    html = figures.data_table(draw(name))
    assert html.count("<tr>") == rows.num_rows + 2  # the head and the foot
    for column in rows.column_names:
        assert f">{column}<" in html


def test_a_long_table_is_thinned_out_and_says_so() -> None:
    minutes = [START + timedelta(minutes=number) for number in range(391)]
    flat = [1.0] * len(minutes)
    table = pa.table({"minute": minutes, "minute_vwap": flat, "vwap": flat})
    kept = figures.vwap_curve(table, "A").layout.meta["table"]
    assert len(kept["rows"]) == 56 <= MOST_ROWS
    assert kept["rows"][-1][0] == "2024-08-09 20:30:00"
    assert kept["note"] == "56 of 391 rows: one in 7, and the last"


MANY = 5_000


def _many(column: str, **columns: Any) -> pa.Table:
    names = pa.array([f"N{number:04}" for number in range(MANY)])
    return pa.table({column: names, **{name: [value] * MANY for name, value in columns.items()}})


@pytest.mark.parametrize(
    ("name", "table", "most"),
    [
        ("order_rates", _many("name", orders=4, **RATES), MOST_BARS),
        (
            "portfolio",
            _many("symbol", net_position=1, market_value=9, unrealised_average=1),
            MOST_BARS,
        ),
        (
            "exposure_by_sector",
            _many("sector", long_value=5, short_value=2, net_exposure=3),
            MOST_BARS,
        ),
        (
            "top_symbols",
            _many("symbol", total_volume=3, total_notional=9, trade_count=1),
            MOST_BARS,
        ),
        (
            "sector_heatmap",
            _many("sector", return_weighted_pct=1.0, return_equal_pct=1.0, symbols=4, advancers=3,
                  decliners=1),
            MOST_BARS,
        ),
        ("volume_anomalies", _many("symbol", z_score=4.0, pct_vs_history=8.0, unusual=True), 30),
    ],
)  # fmt: skip
def test_of_many_rows_the_first_are_drawn_and_the_title_says_so(
    name: str, table: pa.Table, most: int
) -> None:
    drawn = getattr(figures, name)(table)
    told = f"(first {most} of {MANY:,})"
    assert drawn.layout.height < 1_600
    assert {len(trace.y) for trace in drawn.data} == {most}
    assert told in drawn.layout.title.text and told in drawn.layout.meta["alt"]
    kept = drawn.layout.meta["table"]
    assert "first" not in kept["caption"]
    assert kept["note"].startswith("60 of 5,000 rows")
    assert "first" not in getattr(figures, name)(table.slice(0, most)).layout.title.text


def test_of_many_symbols_those_with_the_most_alerts_are_drawn() -> None:
    rows = [
        {"detected_at": START, "symbol": f"N{number:02}", "direction": "UP", "severity": "LOW",
         "current_price": 1.0, "pct_change": 2.0}
        for number in [*range(60), *range(30, 60)]
    ]  # fmt: skip
    drawn = figures.alert_timeline(pa.Table.from_pylist(rows))
    seen = {name for trace in drawn.data for name in trace.y}
    assert seen == {f"N{number:02}" for number in [*range(10), *range(30, 60)]}
    assert drawn.layout.height < 1_600
    assert drawn.layout.title.text == "Price alerts (40 of 60 symbols, those with the most)"
    assert "90 alerts" in drawn.layout.meta["alt"]


def _spread(drawn: go.Figure) -> list[tuple[datetime, float | None]]:
    return list(zip(drawn.data[0].x, drawn.data[0].y, strict=True))


def test_no_spread_is_drawn_where_no_book_held() -> None:
    hours = [START, START + timedelta(hours=1), START + timedelta(hours=5)]
    ends = [each + timedelta(hours=1) for each in hours]
    table = pa.table(
        {"bucket_start": hours, "bucket_end": ends, "spread_bps": [1.0, 2.0, 3.0],
         "imbalance_5": [0.5, -0.5, 0.5]}
    )  # fmt: skip
    held = [(hours[0], 1.0), (hours[1], 2.0), (ends[1], 2.0), (ends[1], None), (hours[2], 3.0)]
    for each in (table, table.drop_columns("bucket_end")):
        drawn = figures.spread_and_imbalance(each)
        assert _spread(drawn) == held
        assert not drawn.data[0].connectgaps
        # Plotly fills a gap: there the area has no height, and nothing is said of it.
        bids = drawn.data[1]
        assert list(bids.y) == [0.5, 0.0, 0.0, 0.0, None, 0.0, 0.5]
        assert list(bids.x)[-3:] == [ends[1], hours[2], hours[2]]
        assert list(bids.hoverinfo)[-4:] == ["skip", "skip", "skip", "all"]
        assert len(drawn.layout.meta["table"]["rows"]) == 3


def test_a_spread_ends_where_a_side_becomes_empty() -> None:
    drawn = figures.spread_and_imbalance(METRICS)
    assert _spread(drawn) == [
        (MINUTES[0], 1.0), (MINUTES[1], 1.0), (MINUTES[1], None), (MINUTES[2], 2.0),
        (MINUTES[3], 1.0), (MINUTES[4], 1.0),
    ]  # fmt: skip


def test_a_snapshot_holds_for_five_minutes_at_most() -> None:
    times = [START, START + timedelta(minutes=5), START + timedelta(minutes=11)]
    table = pa.table({"event_time": times, "spread_bps": [1.0, 2.0, 3.0], "imbalance_5": [0.0] * 3})
    until = START + timedelta(minutes=10)
    assert _spread(figures.spread_and_imbalance(table)) == [
        (times[0], 1.0), (times[1], 2.0), (until, 2.0), (until, None), (times[2], 3.0)
    ]  # fmt: skip


def test_columns_of_any_name_are_text_on_the_axes_of_a_plain_figure() -> None:
    bars = plain(pa.table({"symbol": ["A"], HOSTILE: [1]}))
    lines = plain(pa.table({HOSTILE: MINUTES, "<b>p</b>": PRICES}), units={"<b>p</b>": "<i>"})
    assert bars.layout.xaxis.title.text == literal(HOSTILE)
    assert lines.layout.xaxis.title.text == literal(HOSTILE)
    assert lines.layout.yaxis.title.text == "&lt;b&gt;p&lt;/b&gt; (&lt;i&gt;)"


def test_a_figure_of_one_missing_side_or_value_is_drawn() -> None:
    asks_only = BOOK.filter(pa.array([False, False, True]))
    assert "No bids, best ask 11.00" in figures.order_book_depth(asks_only, "A").layout.meta["alt"]
    nulls = pa.table({"event_time": MINUTES[:1], "spread_bps": [None], "imbalance_5": [None]})
    assert "No spread, no imbalance" in figures.spread_and_imbalance(nulls, "A").layout.meta["alt"]


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2."""
    dark, light = sorted(map(_luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.template)
def test_text_and_marks_stand_out_from_the_paper(theme: Theme) -> None:
    assert contrast(theme.ink, theme.paper) >= 4.5
    assert contrast(theme.muted, theme.paper) >= 4.5
    for mark in (theme.first, theme.second, theme.third):
        assert contrast(mark, theme.paper) >= 3


#: What a protanope, a deuteranope and a tritanope see of linear RGB (Viénot et al. 1999).
SIMULATED = {
    "protanopia": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
    "deuteranopia": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    "tritanopia": [[1, 0.1446, -0.1446], [0, 0.8595, 0.1405], [0, 0.8595, 0.1405]],
}


def _seen(colour: str, matrix: list[list[float]]) -> list[float]:
    rgb = [(int(colour[at : at + 2], 16) / 255) ** 2.2 for at in (1, 3, 5)]
    mixed = [sum(m * c for m, c in zip(row, rgb, strict=True)) for row in matrix]
    return [max(value, 0) ** (1 / 2.2) for value in mixed]


@pytest.mark.parametrize("kind", SIMULATED)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.template)
def test_the_first_two_colours_are_told_apart_with_colour_blindness(kind: str, theme: Theme):
    one, other = (_seen(colour, SIMULATED[kind]) for colour in (theme.first, theme.second))
    assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 0.3


@every_figure
def test_traces_of_one_kind_differ_in_more_than_colour(name: str) -> None:
    def looks(trace: Any) -> tuple[Any, ...]:
        marker = trace.marker if "marker" in trace else None
        pattern = marker.pattern.shape if trace.type == "bar" and marker else None
        symbol = marker.symbol if trace.type == "scatter" and marker else None
        dash = trace.line.dash if trace.type == "scatter" else None
        return (trace.type, trace.mode if trace.type == "scatter" else "", dash, symbol, pattern,
                trace.fill if trace.type == "scatter" else None)  # fmt: skip

    shown = [trace for trace in draw(name).data if trace.type not in ("treemap", "heatmap")]
    shown = [trace for trace in shown if trace.showlegend is not False]
    assert len({looks(trace) for trace in shown}) == len(shown)


@every_figure
@pytest.mark.parametrize("theme", ["dark", "workbench-dark"])
def test_a_theme_goes_by_both_its_names(name: str, theme: str) -> None:
    drawn = draw(name, theme)
    template = drawn.layout.template.layout
    assert template.paper_bgcolor == DARK.paper == pio.templates[DARK.template].layout.paper_bgcolor
    assert template.font.color == DARK.ink


def test_an_unknown_theme_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'dark'"):
        theme_of("drak")


def test_a_notebook_shows_words_and_rows_with_the_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, Any]] = []
    fake: Callable[..., None] = lambda bundle, raw: shown.append(bundle)  # noqa: E731
    monkeypatch.setattr("IPython.display.display", fake)
    draw("top_symbols")._ipython_display_()
    assert set(shown[0]) == {"text/plain", "application/vnd.plotly.v1+json"}
    assert "<figcaption>" in shown[1]["text/html"] and "<table" in shown[1]["text/html"]
