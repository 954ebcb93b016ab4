"""The widget of a live view: figures, buttons, a symbol picker and a status line in words."""

from __future__ import annotations

import threading
import weakref
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

# Loaded before there is a thread: plotly looks at pandas as soon as it begins to be imported,
# and would meet half of it where Arrow imports it on the other thread.
import pandas  # noqa: F401
import plotly.graph_objects as go

from workbench.live_view.feed import Feed
from workbench.live_view.kinds import Kind
from workbench.live_view.pace import Pace
from workbench.live_view.source import KafkaSource, Positions, now
from workbench.live_view.state import Phase

if TYPE_CHECKING:
    from workbench.config import Settings

#: What the picker says for all symbols.
ALL = "all symbols"


class LiveView:
    """A live view in a notebook; made by `workbench.live`.

    Attributes
    ----------
    figures : list
        The figures on the screen, as plotly's widgets.
    widget : ipywidgets.VBox
        All of it.
    """

    def __init__(
        self,
        settings: Settings,
        kind: Kind,
        *,
        symbol: str | None,
        length: timedelta,
        rows: int,
        theme: str,
    ) -> None:
        self._kind, self._theme, self._wanted_symbol = kind, theme, symbol
        self._pace, self._paused_at = Pace(), None  # type: tuple[Pace, int | None]
        self._drawing = threading.RLock()
        # While the picker gets names: what it chooses then, nobody chose.
        self._offering = False
        # Messages read when it was drawn last: without new ones there is nothing to draw.
        self._drawn = 0
        me = weakref.ref(self)

        def on_tick() -> None:
            # The thread must not keep alive what nobody looks at any more.
            view = me()
            if view is not None:
                view._tick()

        positions: Positions = {}
        self._feed = Feed(
            kind,
            lambda: KafkaSource(settings, kind.topics, rows, positions),
            rows,
            length,
            on_tick,
        )
        self._build()
        self._finalizer = weakref.finalize(self, _end, self._feed, self.widget)
        self._feed.start()

    # ------------------------------------------------------------ for people

    @property
    def status(self) -> str:
        """The status line: connection, counts, lag and as-of, in words."""
        _, rows, newest = self._feed.seen()
        state = self._feed.state
        missed = None if self._paused_at is None else state.read - self._paused_at
        return state.in_words(now(), rows=rows, newest=newest, missed=missed)

    @property
    def symbol(self) -> str | None:
        """The symbol that is drawn; None for all."""
        return None if self._picker.value in (None, ALL) else str(self._picker.value)

    @symbol.setter
    def symbol(self, name: str | None) -> None:
        wanted = ALL if name is None else name
        if wanted not in self._picker.options:
            self._offer((*self._picker.options, wanted), self._picker.value)
        self._picker.value = wanted

    def pause(self) -> None:
        """Leave the figures as they are; reading goes on."""
        if self._paused_at is None and self._feed.state.phase is not Phase.STOPPED:
            self._paused_at = self._feed.state.read
            self._say()

    def resume(self) -> None:
        """Draw again, from what is in the window now."""
        self._paused_at = None
        self._redraw()

    def close(self) -> None:
        """End the thread and the connection; the last frame stays. Safe to call twice."""
        self._paused_at = None
        self._feed.stop()
        if not self._feed.state.why:
            self._redraw()
        self._say_ended()

    def __enter__(self) -> LiveView:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<live {self._kind.name}: {self.status}>"

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget)  # type: ignore[no-untyped-call]

    # ------------------------------------------------------------ how it is made

    def _build(self) -> None:
        name = self._kind.name
        self._pause = widgets.ToggleButton(
            value=False, description="Pause", icon="pause",
            tooltip=f"Leave the live view of {name} as it is; reading goes on",
        )  # fmt: skip
        self._stop = widgets.Button(
            description="Stop", icon="stop", tooltip=f"End the live view of {name} for good"
        )
        first = self._wanted_symbol or (ALL if self._kind.all_symbols else None)
        self._picker = widgets.Dropdown(
            options=[] if first is None else [first], value=first, description="Symbol",
            tooltip="The symbol that is drawn",
        )  # fmt: skip
        self._line = widgets.HTML(tooltip="Status of the live view")
        drawn = self._kind.draw(self._feed.copy(), self.symbol, self._theme)
        self.figures = [go.FigureWidget(each) for each in drawn]
        # What the figures show, for those who cannot see them.
        self._words = [widgets.HTML() for _ in self.figures]
        parts = [part for pair in zip(self.figures, self._words, strict=True) for part in pair]
        controls = widgets.HBox([self._picker, self._pause, self._stop])
        self.widget = widgets.VBox([controls, self._line, *parts])
        for part in (self.widget, controls):
            part.add_class("workbench-live")
        me = weakref.ref(self)
        self._pause.observe(_calling(me, "_on_pause"), "value")
        self._stop.on_click(_calling(me, "close"))
        self._picker.observe(_calling(me, "_on_choice"), "value")
        self._say()

    def _on_pause(self) -> None:
        if self._pause.value:
            self._pause.description, self._pause.icon = "Go on", "play"
            self.pause()
        else:
            self._pause.description, self._pause.icon = "Pause", "pause"
            self.resume()

    def _on_choice(self) -> None:
        with self._drawing:
            if not self._offering:
                self._redraw()

    def _tick(self) -> None:
        """After every step of the thread: draw where it is time, else do nothing."""
        if self._feed.state.phase is Phase.STOPPED:
            # Something failed, maybe the drawing itself; there is no further step.
            self._say_ended()
            return
        read = self._feed.state.read
        self._pace.wanted()
        if self._pace.due(now()):
            if self._paused_at is None and read != self._drawn:
                self._redraw()
            else:
                self._say()

    def _redraw(self) -> None:
        with self._drawing:
            self._drawn = self._feed.state.read
            self._offer_symbols()
            drawn = self._kind.draw(self._feed.copy(), self.symbol, self._theme)
            for shown, words, figure in zip(self.figures, self._words, drawn, strict=True):
                _update(shown, figure)
                words.value = _described(figure)
            self._say()

    def _offer_symbols(self) -> None:
        symbols, _, _ = self._feed.seen()
        known = list(self._picker.options)
        new = [name for name in sorted(symbols) if name not in known]
        if new:
            chosen = self._picker.value
            # The most traded one, until somebody chooses.
            self._offer((*known, *new), chosen if chosen is not None else symbols[0])

    def _offer(self, names: tuple[str, ...], chosen: str | None) -> None:
        """Give the picker its names as one change: by itself it goes to the first of them."""
        with self._drawing:
            self._offering = True
            try:
                with self._picker.hold_sync():
                    self._picker.options = names
                    self._picker.value = chosen
            finally:
                self._offering = False

    def _say_ended(self) -> None:
        for button in (self._pause, self._stop):
            button.disabled = True
        self._say()

    def _say(self) -> None:
        from html import escape

        said = f'<span role="status">{escape(self.status)}</span>'
        if said != self._line.value:
            self._line.value = said


def _described(figure: go.Figure) -> str:
    from workbench.figures.shown import description

    return description(figure)


def _update(shown: go.FigureWidget, figure: go.Figure) -> None:
    """Make a widget show what a figure shows, with as few messages as that takes."""
    same = [trace.type for trace in shown.data] == [trace.type for trace in figure.data]
    # The rows stand under it; they need not travel with every frame.
    layout = figure.to_plotly_json()["layout"]
    layout["meta"] = {key: layout["meta"][key] for key in ("id", "alt")}
    # Zoom and hidden lines stay as they were chosen, until something else is drawn.
    layout["uirevision"] = layout["title"]["text"]
    # The browser keeps what it is not told to drop: the words of an empty figure, hidden axes.
    layout.setdefault("annotations", [])
    for axis in ("xaxis", "yaxis"):
        layout[axis] = {"visible": True, **layout.get(axis, {})}
    with shown.batch_update():
        shown.layout.annotations = layout["annotations"]
        if same:
            for old, new in zip(shown.data, figure.data, strict=True):
                old.update(new.to_plotly_json(), overwrite=True)
    if not same:
        shown.data = []
        shown.add_traces(list(figure.data))
    shown.layout = layout


def _calling(me: Any, name: str) -> Any:
    """A callback that does not keep the view alive."""

    def call(_: object) -> None:
        view = me()
        if view is not None:
            getattr(view, name)()

    return call


def _end(feed: Feed, widget: widgets.VBox) -> None:
    """What is left to do when nobody holds the view any more."""
    feed.stop(wait=0)
    widget.close()
