"""The answer to a question: lazy, typed, and printed so that a person can read and cite it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import duckdb

from workbench.errors import UsageError
from workbench.lake.database import Parameters, PinnedDatabase
from workbench.lake.empty_past import why_empty
from workbench.lake.guard import NotAQuery
from workbench.lake.query_text import QueryText
from workbench.lake.sqlerrors import translate
from workbench.lake.table_text import html_table, rounded, text_table
from workbench.lake.times import show_moment

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go
    import polars as pl
    import pyarrow as pa

    from workbench.lake.lineage import Lineages

#: Rows a repr shows.
SHOWN_ROWS = 20
# What is refused before it runs; the guard of a read-only session has no cause.
_NO_SUB_QUERY = (
    duckdb.ParserException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.NotImplementedException,
    type(None),
)


class Result:
    """Rows of a query on pinned tables; nothing is read until it is asked for.

    The rows are read once and kept. The tables stay pinned: a result that was made before
    `Session.refresh` still shows what it was asked about.

    Parameters
    ----------
    database
        The pinned tables.
    sql
        The query.
    parameters
        Values bound to it.
    units
        Unit of each column that has one.
    as_of
        The moment the rows describe.
    snapshots
        Snapshot id of every table the rows come from.
    caption
        What the rows are, in a few words.
    table
        The rows, where they are known already.
    figure
        Name of the function of `workbench.figures` that draws these rows.
    timeout_s
        Seconds it may take to read the rows; no limit when None.
    """

    def __init__(
        self,
        database: PinnedDatabase,
        sql: str,
        parameters: Parameters = None,
        *,
        units: Mapping[str, str] | None = None,
        as_of: datetime | None = None,
        snapshots: Mapping[str, str | None] | None = None,
        caption: str = "",
        table: pa.Table | None = None,
        figure: str = "",
        timeout_s: float | None = None,
    ) -> None:
        self._database = database
        self._timeout_s = timeout_s
        self._figure = figure
        self._parameters = parameters
        self._table = table
        self._preview: pa.Table | None = None
        self._lock = threading.Lock()
        #: The query as text; a notebook shows it with the values bound to it.
        self.sql: QueryText = QueryText(sql, parameters)
        #: Unit of each column that has one.
        self.units: dict[str, str] = dict(units or {})
        #: The moment the rows describe; None where the lake is empty.
        self.as_of = as_of
        #: Snapshot id (as text; None for an empty table) of every table the rows come from.
        self.snapshots: dict[str, str | None] = dict(snapshots or {})
        #: What the rows are.
        self.caption = caption
        #: Whether values are shown with all their digits: those that were asked for as they lie.
        self.exact = False

    def arrow(self) -> pa.Table:
        """Return the rows as an Arrow table; decimals and times as they are in the lake."""
        with self._lock:
            if self._table is None:
                self._table = self._database.arrow(self.sql, self._parameters, self._timeout_s)
            return self._table

    def pl(self) -> pl.DataFrame:
        """Return the rows as a Polars frame; decimals stay decimals."""
        import polars

        frame = polars.from_arrow(self.arrow())
        assert isinstance(frame, polars.DataFrame)
        return frame

    def df(self, *, exact: bool = False) -> pd.DataFrame:
        """Return the rows as a pandas frame.

        Decimals become float64, as pandas and the figures expect; with `exact` they are
        `decimal.Decimal` objects.
        """
        import pyarrow as pa

        table = self.arrow()
        if not exact:
            fields = [
                pa.field(field.name, pa.float64()) if pa.types.is_decimal(field.type) else field
                for field in table.schema
            ]
            table = table.cast(pa.schema(fields))
        return table.to_pandas()

    @property
    def rel(self) -> duckdb.DuckDBPyRelation:
        """The rows as a DuckDB relation of this thread's cursor."""
        if self._table is not None:
            return self._database.cursor().from_arrow(self._table)
        self._database.check(self.sql)
        self._database.need(self.sql)
        try:
            cursor = self._database.cursor()
            if self._parameters is None:
                return cursor.sql(self.sql)
            return cursor.sql(self.sql, params=self._parameters)
        except duckdb.Error as error:
            raise translate(error, self._database.columns_named(self.sql)) from error

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the rows as tuples of Python values."""
        table = self.arrow()
        columns = [column.to_pylist() for column in table.columns]
        return list(zip(*columns, strict=True)) if columns else []

    @property
    def columns(self) -> list[str]:
        """Names of the columns; reads at most the rows a repr shows."""
        return list(self._head().column_names)

    def _head(self) -> pa.Table:
        """The rows a repr shows and one more, without reading all of a long answer."""
        if self._table is not None:
            return self._table.slice(0, SHOWN_ROWS + 1)
        if self._preview is None:
            limited = f"SELECT * FROM (\n{self.sql.rstrip().rstrip(';')}\n) LIMIT {SHOWN_ROWS + 1}"
            try:
                self._preview = self._database.arrow(limited, self._parameters, self._timeout_s)
            except (UsageError, NotAQuery) as error:
                if not isinstance(error.__cause__, _NO_SUB_QUERY):
                    raise
                # EXPLAIN and the like are no sub-queries; their answers are short.
                return self.arrow().slice(0, SHOWN_ROWS + 1)
            self._keep_if_whole(self._preview)
        return self._preview

    def _keep_if_whole(self, preview: pa.Table) -> None:
        """A short answer was read whole already: what is shown is what `rows` returns."""
        # A sub-query numbers names that occur twice: those are read again as they are.
        named_twice = any(re.search(r"[_:]\d+$", name) for name in preview.column_names)
        with self._lock:
            if self._table is None and preview.num_rows <= SHOWN_ROWS and not named_twice:
                self._table = preview

    def _shown(self) -> tuple[list[list[Any]], str]:
        """The rows of a repr, and how many there are as far as that is known."""
        head = self._head()
        columns = (column.to_pylist() for column in head.columns)
        rows = self.for_people(head.column_names, zip(*columns, strict=True))
        if len(rows) <= SHOWN_ROWS:
            return rows, f"{len(rows)} row{'' if len(rows) == 1 else 's'}"
        if self._table is None:
            return rows[:SHOWN_ROWS], f"first {SHOWN_ROWS} rows, there are more"
        return rows[:SHOWN_ROWS], f"first {SHOWN_ROWS} of {self._table.num_rows:,} rows"

    def for_people(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
        """Return rows with the digits that people read; all of them where they were asked for."""
        return rounded(columns, rows, {} if self.exact else self.units)

    @property
    def parameters(self) -> Parameters:
        """The values that are bound to the query."""
        return self._parameters

    @property
    def lineage(self) -> Lineages:
        """Where the rows come from: snapshots, and the Flink jobs and checkpoints behind them.

        Examples
        --------
        >>> session.sql("SELECT count(*) FROM market.trades").lineage     # doctest: +SKIP
        table          snapshot             committed_at  operation  job      job_id  ...
        -------------  -------------------  ------------  ---------  -------  ------  ---
        market.trades  8600897673341843302  2026-11-22    append     landing  055ca3  ...
        """
        from workbench.lake.lineage import lineage_of_all

        pins = [self._database.pins[name] for name in self.snapshots]
        return lineage_of_all(pins, self._database.settings)

    def plot(self, **options: Any) -> go.Figure:
        """Draw the rows.

        An answer of `workbench.market` is drawn by its own figure. Other rows are drawn where it
        is plain how: a time and numbers as lines, a name and a number as bars.

        Parameters
        ----------
        **options
            Passed to the figure; for plain ones ``x``, ``y`` (columns) and ``title``.

        Raises
        ------
        UsageError
            Where it is not plain what to draw; says which columns would be.

        Examples
        --------
        >>> session.sql("SELECT symbol, count(*) AS trades FROM market.trades "
        ...             "GROUP BY symbol ORDER BY trades DESC").plot()    # doctest: +SKIP
        """
        from workbench.figures.choice import draw

        return draw(self, self._figure, options)

    def provenance(self) -> str:
        """Return the as-of line: the moment and the snapshots the rows come from."""
        if self.as_of is None and not self.snapshots:
            return "no table of the lake"
        moment = f"as of {show_moment(self.as_of)}" if self.as_of else "as of: no data"
        tables = [
            f"{name} @ {snapshot or '(empty)'}" for name, snapshot in sorted(self.snapshots.items())
        ]
        return " · ".join([moment, *tables])

    def text(self, width: int | None = None) -> str:
        """Return what a repr shows: the first rows and where they come from.

        Parameters
        ----------
        width
            Characters of a line: columns that do not fit are named below instead.
        """
        rows, count = self._shown()
        caption = f"{self.caption}\n" if self.caption else ""
        table = text_table(self._head().column_names, rows, self.units, width=width)
        hint = self.why_empty(len(rows))
        last = f"\n{hint}" if hint else ""
        return f"{caption}{table}\n{count} · {self.provenance()}{last}"

    def why_empty(self, rows: int) -> str:
        """Return a line that says from when on there is data, where the rows are of before."""
        pins = [self._database.pins[name] for name in self.snapshots]
        return why_empty(pins, self.as_of, rows)

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        rows, count = self._shown()
        notes = [count, self.provenance(), self.why_empty(len(rows))]
        return html_table(
            self._head().column_names,
            rows,
            self.units,
            caption=self.caption or "Query result",
            note=" · ".join(note for note in notes if note),
            one_line=True,
        )
