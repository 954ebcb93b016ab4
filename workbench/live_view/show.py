"""`workbench.live`: a widget where somebody looks, one frame where nobody does."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from workbench.config import Settings, load_settings
from workbench.errors import UsageError, WorkbenchError
from workbench.live_view.kinds import Kind, kind_named

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from workbench.live_view.view import LiveView

#: How long a single frame may wait for the broker's messages.
FRAME_SECONDS = 20.0
#: More than this no browser draws twice a second.
MOST_ROWS = 50_000
# Set by the servers that start kernels for people; papermill and nbclient set none of them.
_SESSION = "JPY_SESSION_NAME"
_FRONT_ENDS = (_SESSION, "VSCODE_PID", "VSCODE_CWD", "COLAB_RELEASE_TAG")


class Frame:
    """One frame of a live view, for where no widget can be: a report, a script, a test.

    Attributes
    ----------
    figures : list
        Its figures.
    status : str
        What was read, in words.
    """

    def __init__(self, kind: Kind, figures: list[go.Figure], status: str) -> None:
        self._kind, self.figures, self.status = kind, figures, status

    def close(self) -> None:
        """Do nothing: it is over already."""

    def __repr__(self) -> str:
        told = "; ".join(figure.layout.meta["alt"] for figure in self.figures)
        return f"<one frame of {self._kind.name}: {self.status}> {told}"

    def _ipython_display_(self) -> None:
        from IPython.display import display

        for figure in self.figures:
            figure._ipython_display_()
        display({"text/plain": self.status}, raw=True)  # type: ignore[no-untyped-call]


def live(
    kind: str,
    symbol: str | None = None,
    *,
    minutes: float = 15,
    rows: int = 5_000,
    theme: str = "light",
    settings: Settings | None = None,
    interactive: bool | None = None,
) -> LiveView | Frame:
    """Follow a stream: figures that draw themselves anew as messages come.

    It begins with the newest `rows` of its topics. Where the broker goes away the figures stay,
    the status line says so, and it goes on by itself when the broker is back; a single frame says
    so, too. When more comes than the window holds, it jumps ahead and says how much it left out.

    Parameters
    ----------
    kind
        ``trades``, ``aggregates``, ``alerts`` or ``orderbook``.
    symbol
        The symbol to draw; the most active one when None, of alerts all.
    minutes
        Event time the window holds, before the newest event.
    rows
        Rows the window holds at most.
    theme
        ``light`` or ``dark``.
    settings
        The settings in force; found from the working directory when None.
    interactive
        Whether there is a front end for widgets; found out when None. Without one (papermill, a
        script) one frame is drawn and nothing goes on.

    Returns
    -------
    LiveView or Frame
        Shows itself as the last line of a cell. `close()` ends it; so does letting go of it.

    Raises
    ------
    UsageError
        For a `kind`, `minutes`, `rows` or `theme` that cannot be used.

    Examples
    --------
    >>> view = live("trades", "BTCUSDT")      # doctest: +SKIP
    >>> view.close()                          # doctest: +SKIP
    """
    from workbench.figures.template import theme_of

    wanted = kind_named(kind)
    look = theme_of(theme).template
    length = _length(minutes)
    _check_rows(rows)
    given = settings or load_settings()
    if has_front_end() if interactive is None else interactive:
        from workbench.live_view.view import LiveView

        return LiveView(given, wanted, symbol=symbol, length=length, rows=rows, theme=look)
    return _frame(given, wanted, symbol, length, rows, look)


def _length(minutes: Any) -> timedelta:
    number = isinstance(minutes, int | float) and not isinstance(minutes, bool)
    if not number or not 0 < minutes <= 7 * 24 * 60:
        raise UsageError(f"minutes must be a number above 0, at most a week, got {minutes!r}")
    return timedelta(minutes=minutes)


def _check_rows(rows: Any) -> None:
    if isinstance(rows, bool) or not isinstance(rows, int) or not 1 <= rows <= MOST_ROWS:
        raise UsageError(f"rows must be a whole number from 1 to {MOST_ROWS:,}, got {rows!r}")


def _frame(
    settings: Settings, kind: Kind, symbol: str | None, length: timedelta, rows: int, theme: str
) -> Frame:
    from workbench.live_view.feed import Feed
    from workbench.live_view.source import KafkaSource, now

    feed = Feed(kind, lambda: KafkaSource(settings, kind.topics, rows, {}), rows, length)
    try:
        feed.read_to_end(FRAME_SECONDS)
        missing = ""
    except WorkbenchError as error:
        # As in a widget: what is missing is said, and the notebook goes on.
        missing = f"nothing to follow: {error}"
    symbols, held, newest = feed.seen()
    drawn = symbol or (None if kind.all_symbols or not symbols else symbols[0])
    figures = kind.draw(feed.copy(), drawn, theme)
    status = missing or feed.state.in_words(now(), rows=held, newest=newest)
    return Frame(kind, figures, status)


def has_front_end() -> bool:
    """Return whether a person's notebook runs this, and not a report's run or a script."""
    from workbench.reports.context import context_of_run

    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    in_kernel = shell is not None and getattr(shell, "kernel", None) is not None
    names = [name for name in _FRONT_ENDS if name in os.environ]
    if _SESSION in names and _inherited(_SESSION):
        names.remove(_SESSION)
    return in_kernel and not context_of_run() and bool(names)


def _inherited(name: str) -> bool:
    """Whether a variable was there before this kernel: papermill in a cell has that notebook's."""
    import psutil

    try:
        before = psutil.Process(os.getppid()).environ()
    except psutil.Error:
        # A parent of another user, or none: then it counts as this kernel's.
        return False
    return bool(before.get(name) == os.environ[name])
