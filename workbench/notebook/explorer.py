"""The explorer: choose a table, filters, a group and a measure; see rows, a figure and the SQL."""

from __future__ import annotations

from html import escape
from typing import Any

import anywidget
import ipywidgets as widgets
import plotly.graph_objects as go
import traitlets

from workbench.contracts import TABLES, Table
from workbench.errors import UsageError, WorkbenchError
from workbench.lake.names import all_tables, require_table
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment, show_moment
from workbench.lake.views import DERIVED, quote_name
from workbench.notebook.current import session_at
from workbench.notebook.exploration import (
    ALONE,
    BUCKETS,
    MEASURES,
    MOST_ROWS,
    OF_A_COLUMN,
    OPERATORS,
    Filter,
    Query,
    State,
    in_time,
    is_number,
    is_time,
    query_of,
    title_of,
)

_PINNED = ""
_NONE = ("(none)", "")
_WIDE = widgets.Layout(width="100%")
_ROW = widgets.Layout(flex_flow="row wrap", width="100%")


def explore(table: str | None = None, *, as_of: Moment | None = None) -> Explorer:
    """Look around in the lake by choosing: the table, rows to keep, a group and a measure.

    Shows the rows, a figure where one is plain, and the SQL that made them, which can be copied.
    `Explorer.result` is the answer and `Explorer.query` its query, to go on with in a cell.

    Parameters
    ----------
    table
        The table to begin with; ``market.trades`` when None.
    as_of
        Begin with the snapshots committed up to then; a date means its end, UTC.

    Examples
    --------
    >>> import workbench as wb
    >>> wb.explore("market.executions")                                # doctest: +SKIP
    """
    return Explorer(require_table(table) if table else "market.trades", as_of)


class _CopyButton(anywidget.AnyWidget):
    """A button that puts a text into the clipboard of the browser, and says so."""

    _esm = """
    function render({ model, el }) {
      const button = document.createElement("button");
      button.className = "jupyter-button widget-button workbench-copy";
      button.type = "button";
      button.textContent = "Copy SQL";
      const said = document.createElement("span");
      said.setAttribute("role", "status");
      said.style.marginLeft = "0.5em";
      button.addEventListener("click", async () => {
        const text = model.get("text");
        try {
          await navigator.clipboard.writeText(text);
        } catch {
          // Without https or leave to use the clipboard: the old way.
          const area = document.createElement("textarea");
          area.value = text;
          document.body.appendChild(area);
          area.select();
          document.execCommand("copy");
          area.remove();
        }
        said.textContent = "copied";
        setTimeout(() => { said.textContent = ""; }, 3000);
      });
      el.append(button, said);
    }
    export default { render };
    """
    text = traitlets.Unicode("").tag(sync=True)


class _FilterRow(widgets.HBox):  # type: ignore[misc]
    """One filter: column, operator, value and a button that takes it away."""

    def __init__(self, number: int, columns: list[str], changed: Any, removed: Any) -> None:
        self.column = widgets.Dropdown(options=columns, description=f"Filter {number}")
        self.operator = widgets.Dropdown(
            options=OPERATORS,
            description="is",
            layout=widgets.Layout(width="12em"),
            style={"description_width": "2em"},
        )
        self.value = widgets.Text(
            description="Value",
            continuous_update=False,
            placeholder="a, b for several",
            style={"description_width": "4em"},
        )
        remove = widgets.Button(
            description=f"Remove filter {number}", layout=widgets.Layout(width="auto")
        )
        remove.on_click(lambda _: removed(self))
        for each in (self.column, self.operator, self.value):
            each.observe(changed, "value")
        super().__init__([self.column, self.operator, self.value, remove], layout=_ROW)

    @property
    def filter(self) -> Filter | None:
        """What was chosen; None while the value is not typed yet."""
        typed = self.value.value
        if not typed.strip() and self.operator.value not in ALONE:
            return None
        return Filter(self.column.value or "", self.operator.value, typed)


class Explorer(widgets.VBox):  # type: ignore[misc]
    """The widget; see `explore`.

    Parameters
    ----------
    table
        The table to begin with.
    as_of
        Begin with the snapshots committed up to then.
    """

    def __init__(self, table: str, as_of: Moment | None = None) -> None:
        #: The answer that is shown; None where there is none.
        self.result: Result | None = None
        #: Its query; None where there is none.
        self.query: Query | None = None
        self._columns: dict[str, str] = {}
        self._busy = False
        self._as_of = widgets.Text(
            description="As of",
            value="" if as_of is None else str(as_of),
            placeholder="2024-08-08, empty: as pinned",
            continuous_update=False,
        )
        self._table = widgets.Dropdown(options=all_tables(), value=table, description="Table")
        self._snapshot = widgets.Dropdown(
            options=[("as the session", _PINNED)],
            description="Snapshot",
            layout=widgets.Layout(width="32em"),
        )
        self._filters = widgets.VBox([])
        add = widgets.Button(description="Add filter")
        add.on_click(lambda _: self._add_filter())
        self._group = widgets.Dropdown(options=[_NONE], description="Group by")
        self._bucket = widgets.Dropdown(
            options=[("each value", ""), *((each, each) for each in BUCKETS[1:])],
            description="in steps of",
        )
        self._second = widgets.Dropdown(options=[_NONE], description="and by")
        self._measure = widgets.Dropdown(options=MEASURES, description="Show")
        self._of = widgets.Dropdown(options=[_NONE], description="of")
        self._limit = widgets.BoundedIntText(
            value=1_000,
            min=1,
            max=MOST_ROWS,
            description="Rows at most",
            style={"description_width": "initial"},
        )
        self._said = widgets.HTML()
        self._rows = widgets.HTML(layout=widgets.Layout(width="100%", overflow="auto"))
        self._figure = widgets.VBox([], layout=_WIDE)
        self._sql = widgets.HTML(layout=_WIDE)
        self._copy = _CopyButton()
        for each in (self._table, self._as_of):
            each.observe(lambda _: self._open(), "value")
        for each in (self._snapshot, self._bucket, self._of, self._limit):
            each.observe(lambda _: self._show(), "value")
        for each in (self._group, self._second):
            each.observe(lambda _: self._agree(self._measure), "value")
        self._measure.observe(lambda _: self._agree(self._group), "value")
        super().__init__(
            [
                widgets.HTML("<h3>Explore the lake</h3>"),
                widgets.HBox([self._table, self._as_of, self._snapshot], layout=_ROW),
                self._filters,
                add,
                widgets.HBox([self._measure, self._of, self._limit], layout=_ROW),
                widgets.HBox([self._group, self._bucket, self._second], layout=_ROW),
                self._said,
                self._figure,
                self._rows,
                self._sql,
                self._copy,
            ],
            layout=_WIDE,
        )
        self._open()

    @property
    def state(self) -> State:
        """What is chosen."""
        group = tuple(name for name in (self._group.value, self._second.value) if name)
        rows = (row.filter for row in self._filters.children)
        return State(
            self._table.value,
            tuple(each for each in rows if each is not None),
            group,
            self._bucket.value if group and is_time(self._columns.get(group[0], "")) else "",
            self._measure.value,
            self._of.value if self._measure.value in OF_A_COLUMN else "",
            self._limit.value,
        )

    def _session(self) -> Session:
        """The session the answer is asked of: the notebook's, or one at another moment."""
        chosen = self._chosen_snapshot()
        return session_at(self._as_of.value.strip() or None, dict([chosen]) if chosen else None)

    def _chosen_snapshot(self) -> tuple[str, str] | None:
        base, snapshot = self._base(), self._snapshot.value
        return (base.name, snapshot) if base and snapshot else None

    def _base(self) -> Table | None:
        """The Iceberg table behind what is chosen; None for what is no table of the lake."""
        name = DERIVED.get(self._table.value, self._table.value)
        return next((table for table in TABLES if table.name == name), None)

    def _open(self) -> None:
        """Another table or moment: learn its columns and snapshots, then show it."""
        self._busy = True
        try:
            self._snapshot.options = [("as the session", _PINNED)]
            self._columns = {}
            self._columns = self._described()
            self._offer()
        except WorkbenchError as error:
            self._offer()
            self._fail(error)
            return
        finally:
            self._busy = False
        self._show()

    def _described(self) -> dict[str, str]:
        session = session_at(self._as_of.value.strip() or None)
        base = self._base()
        if base is not None:
            self._snapshot.options = [
                ("as the session", _PINNED),
                *(
                    (f"{show_moment(moment)} {operation}, {snapshot}", snapshot)
                    for snapshot, moment, operation in session.history(base.name)
                ),
            ]
        described = session.sql(f"DESCRIBE {quote_name(self._table.value)}")
        return {row[0]: row[1] for row in described.rows()}

    def _offer(self) -> None:
        """Offer the table's columns everywhere; keep what was chosen where it still can be."""
        names = list(self._columns)
        for dropdown in (self._group, self._second, self._of):
            before = dropdown.value
            dropdown.options = [_NONE, *((name, name) for name in names)]
            dropdown.value = before if before in names else ""
        for row in self._filters.children:
            before = row.column.value
            row.column.options = names
            if before in names:
                row.column.value = before

    def _agree(self, yields: widgets.Widget) -> None:
        """Make measure and groups fit; what was not touched yields, no choice is refused."""
        if self._busy:
            return
        self._busy = True
        try:
            grouped = bool(self._group.value or self._second.value)
            if grouped and self._measure.value == "rows":
                if yields is self._measure:
                    self._measure.value = "count"
                else:
                    self._group.value = self._second.value = ""
            if self._measure.value in OF_A_COLUMN and not self._of.value:
                numbers = [name for name, kind in self._columns.items() if is_number(kind)]
                self._of.value = next(iter(numbers or self._columns), "")
        finally:
            self._busy = False
        self._show()

    def _add_filter(self) -> None:
        row = _FilterRow(
            len(self._filters.children) + 1,
            list(self._columns),
            lambda _: self._show(),
            self._remove_filter,
        )
        self._filters.children = (*self._filters.children, row)

    def _remove_filter(self, row: widgets.Widget) -> None:
        self._filters.children = tuple(each for each in self._filters.children if each is not row)
        self._show()

    def _show(self) -> None:
        """Ask what is chosen and show the answer, or the one line that says why there is none."""
        if self._busy or not self._columns:
            return
        state = self.state
        try:
            base = self._base()
            query = query_of(state, self._columns, base.partition_by if base else "")
            result = self._session().sql(query.sql, query.parameters or None)
            more = bool(state.group) and self._is_cut(result, state)
            if state.group:
                result.caption = title_of(state, self._columns, more=more)
            rows = result._repr_html_()
        except WorkbenchError as error:
            self._fail(error)
            return
        self.query, self.result = query, result
        # The lines of a widget are as high as its buttons.
        self._rows.value = f'<div style="line-height:1.6">{rows}</div>'
        self._copy.text = query.cell(
            result.provenance(), self._as_of.value.strip(), self._chosen_snapshot()
        )
        self._sql.value = f"<pre><code>{escape(self._copy.text)}</code></pre>"
        self._say(self._said_of(state) if more else "")
        self._draw(result if state.measure != "rows" and state.group else None)

    def _is_cut(self, result: Result, state: State) -> bool:
        """Whether there are more groups than those that are shown."""
        if result.arrow().num_rows < state.limit:
            return False
        further = query_of(state, self._columns, beyond=1)
        found = self._session().sql(further.sql, further.parameters or None)
        return len(found.rows()) > state.limit

    def _said_of(self, state: State) -> str:
        way = "choose longer steps" if in_time(state, self._columns) else "add a filter"
        return f"{title_of(state, self._columns, more=True)}: {way}, or more rows"

    def _draw(self, result: Result | None) -> None:
        drawn = []
        if result is not None:
            try:
                figure = result.plot()
                told = escape(str(figure.layout.meta["alt"]))
                drawn = [go.FigureWidget(figure), widgets.HTML(f"<p><small>{told}</small></p>")]
            except UsageError as error:
                drawn = [widgets.HTML(f"<p><small>no figure: {escape(str(error))}</small></p>")]
        before, self._figure.children = self._figure.children, tuple(drawn)
        for each in before:
            each.close()

    def _fail(self, error: WorkbenchError) -> None:
        self.query = self.result = None
        self._rows.value = self._sql.value = self._copy.text = ""
        self._draw(None)
        self._say(f"error: {error}")

    def _say(self, text: str) -> None:
        # A screen reader says it when it changes.
        self._said.value = f'<div role="status" aria-live="polite">{escape(text)}</div>'
