"""A session on the lake: every table pinned to one snapshot, questions in DuckDB SQL."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from workbench.config import Settings, load_settings
from workbench.errors import UsageError, quoted
from workbench.lake import views
from workbench.lake.database import Parameters, PinnedDatabase
from workbench.lake.deadline import seconds
from workbench.lake.empty_past import why_empty
from workbench.lake.maintenance.leases import hold
from workbench.lake.pins import Pin, resolve
from workbench.lake.report_runs import DOC as REPORT_RUNS_DOC
from workbench.lake.result import Result
from workbench.lake.times import Moment, parse_moment, show_moment

if TYPE_CHECKING:
    import pyarrow as pa


def open_session(
    settings: Settings | None = None,
    *,
    as_of: Moment | None = None,
    snapshots: Mapping[str, str | None] | None = None,
    read_only: bool = False,
) -> Session:
    """Open a session on the lake.

    Every table is pinned to one snapshot at this moment: what others commit later is not seen
    until `Session.refresh`.

    Parameters
    ----------
    settings
        The settings in force; found from the working directory when None.
    as_of
        Pin the newest snapshot committed at or before this time; a date means its end, UTC.
    snapshots
        Snapshot ids (text) by table, for example those of an earlier result; they win over
        `as_of`. None as an id pins the table as empty.
    read_only
        Answer queries only and lock DuckDB: for text that somebody else typed.

    Raises
    ------
    LakeError
        When there is no lake, or no such snapshot.
    UsageError
        For an unknown table or a time that is none.

    Examples
    --------
    >>> import workbench as wb
    >>> with wb.open() as session:                                      # doctest: +SKIP
    ...     session.sql("SELECT count(*) FROM market.trades").rows()
    [(1250,)]
    """
    moment = parse_moment(as_of) if as_of is not None else None
    return Session(settings or load_settings(), moment, snapshots, read_only=read_only)


class Session:
    """Pinned tables and the questions asked of them; see `open_session`.

    A session may be used from several threads.
    """

    def __init__(
        self,
        settings: Settings,
        as_of: datetime | None = None,
        snapshots: Mapping[str, str | None] | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        self.settings = settings
        self._asked_as_of = as_of
        self._asked_snapshots = dict(snapshots or {})
        self._read_only = read_only
        self._lock = threading.Lock()
        # Also those of before a refresh, while a result needs them.
        self._databases: weakref.WeakSet[PinnedDatabase] = weakref.WeakSet()
        self._database = self._pin()

    def _pin(self) -> PinnedDatabase:
        # Begun before the snapshots are looked for: expiry leaves alone what a lease may name.
        lease = hold(self.settings)
        try:
            pins = resolve(self.settings, self._asked_as_of, self._asked_snapshots)
            database = PinnedDatabase(self.settings, pins, read_only=self._read_only)
            named = lease is not None and lease.name(pins.values())
        except BaseException:
            if lease:
                lease.release()
            raise
        if lease and named:
            database.on_close(lease.release)
        elif lease:
            # As for a warehouse that may not be written: only their age protects the snapshots.
            lease.release()
        with self._lock:
            self._databases.add(database)
        return database

    def sql(
        self, query: str, params: Parameters = None, *, timeout_s: float | None = None
    ) -> Result:
        """Ask in DuckDB SQL.

        Parameters
        ----------
        query
            One statement. Tables are ``market.trades`` and the others of `tables`.
        params
            Values for ``?`` (a list) or ``$name`` (a mapping); they are bound, never pasted.
        timeout_s
            Seconds it may take, each time it is asked; no limit when None. What is made of
            `Result.rel` has none.

        Returns
        -------
        Result
            Lazy. Mistakes in the query are raised here all the same. A statement that is not a
            query (a temporary table, a macro) is run at once and lasts until `refresh`. Columns
            that are columns of the lake, under whatever name, have their units; what is computed
            has none.

        Raises
        ------
        UsageError
            For a mistake in the query, in one line, with "did you mean".
        QueryTimeout
            When it takes longer than `timeout_s`.
        LakeError
            Where the lake or the machine is in the way.
        """
        database, limit = self._database, seconds(timeout_s)
        if not isinstance(query, str):
            raise UsageError(
                f"a query is text, got {type(query).__name__} {quoted(query)}",
                hint='for example "FROM market.trades LIMIT 5"',
            )
        if isinstance(params, str) or not isinstance(params, Mapping | Sequence | None):
            raise UsageError(
                f"values are a list or a mapping, got {type(params).__name__} {quoted(params)}",
                hint='for example {"symbol": "AAPL"} for $symbol',
            )
        if not query.strip().rstrip(";").strip():
            raise UsageError("the query is empty", hint="for example FROM market.trades LIMIT 5")
        kind = database.kind(query)
        tables = database.need(query)
        table = None
        if kind == "query":
            database.check(query)
            database.bind(query, params, limit)
        else:
            table = database.arrow(query, params, limit)
        units = database.units(query) if kind == "query" and tables else None
        result = self.result(
            query, params, tables=tables, units=units, table=table, database=database,
            timeout_s=limit,
        )  # fmt: skip
        result.exact = True
        return result

    def statements(self, text: str) -> list[str]:
        """Split a text at the semicolons that end statements, as DuckDB's parser sees them.

        Raises
        ------
        UsageError
            For a syntax error.
        """
        return self._database.split(text)

    def parameters(self, query: str) -> list[str]:
        """Return the names of the values that one statement waits for; numbers for ``?``.

        Raises
        ------
        UsageError
            For a syntax error.
        """
        return self._database.parameters(query)

    def result(
        self,
        sql: str,
        params: Parameters = None,
        *,
        tables: tuple[str, ...] = (),
        units: Mapping[str, str] | None = None,
        as_of: datetime | None = None,
        caption: str = "",
        table: pa.Table | None = None,
        database: PinnedDatabase | None = None,
        figure: str = "",
        timeout_s: float | None = None,
    ) -> Result:
        """Return a result of this session's pins; what the helpers answer with.

        Parameters
        ----------
        sql, params
            The query and the values bound to it.
        tables
            Tables the rows come from; their snapshots are named in the result.
        units, as_of, caption
            What the rows are; `as_of` is the session's own when None.
        table
            The rows, where they are known already.
        database
            The pins the rows belong to; the session's current ones when None.
        figure
            Name of the function of `workbench.figures` that `Result.plot` draws the rows with.
        timeout_s
            Seconds it may take to read the rows.
        """
        of = database or self._database
        return Result(
            of,
            sql,
            params,
            units=units,
            as_of=as_of or _moment_of(of.pins, self._asked_as_of),
            snapshots={name: of.pins[name].snapshot_id for name in tables},
            caption=caption,
            table=table,
            figure=figure,
            timeout_s=timeout_s,
        )

    def arrow(self, sql: str, params: Parameters = None) -> pa.Table:
        """Return the rows of one query as an Arrow table, now."""
        return self._database.arrow(sql, params)

    def arrow_once(self, sql: str, params: Mapping[str, object]) -> pa.Table:
        """Return the rows of a query as `arrow` does; asked again until `refresh`, they are kept.

        For few rows: what is the newest window, whether a name is known.
        """
        return self._database.arrow_once(sql, params)

    def tables(self) -> Result:
        """List what can be queried.

        Returns
        -------
        Result
            Columns ``table``, ``kind`` (table, view, reference), ``rows``, ``files``,
            ``snapshot`` (text), ``committed_at`` (UTC), ``newest_event`` (UTC), ``doc``.
        """
        import pyarrow as pa

        kinds: list[dict[str, Any]] = []
        for name, pin in self._database.pins.items():
            kinds.append(
                {
                    "table": name,
                    "kind": "table",
                    "rows": pin.rows,
                    "files": pin.file_count,
                    "snapshot": pin.snapshot_id,
                    "committed_at": pin.committed_at,
                    "newest_event": pin.newest_event(),
                    "doc": str(pin.broken) if pin.broken else pin.table.doc,
                }
            )
        for name, doc in views.DERIVED_DOCS.items():
            kinds.append({"table": name, "kind": "view", "doc": doc})
        kinds.append(
            {
                "table": views.REFERENCE,
                "kind": "reference",
                "doc": "Symbols, as the session opened.",
            }
        )
        kinds.append({"table": views.REPORT_RUNS, "kind": "view", "doc": REPORT_RUNS_DOC})
        moment = pa.timestamp("us", "UTC")
        schema = pa.schema(
            [
                ("table", pa.string()), ("kind", pa.string()), ("rows", pa.int64()),
                ("files", pa.int64()), ("snapshot", pa.string()), ("committed_at", moment),
                ("newest_event", moment), ("doc", pa.string()),
            ]
        )  # fmt: skip
        return self.result(
            "", table=pa.Table.from_pylist(kinds, schema=schema), caption="Tables of the session"
        )

    def newest_event(self, table: str, until: datetime | None = None) -> datetime | None:
        """Return the newest event time of a pinned table, at or before a moment where one is given.

        None where there is none.
        """
        pin = self._database.pins[table]
        known = pin.newest_event()
        if known is not None and (until is None or known <= until):
            return known
        # The statistics of the files do not say: the rows do.
        if not pin.rows:
            return None
        column, name = views.quote_name(pin.table.partition_by), views.quote_name(table)
        query, values = f"SELECT max({column}) FROM {name}", {}
        if until is not None:
            query, values = f"{query} WHERE {column} <= $until", {"until": until}
        found: datetime | None = self.arrow(query, values)[0][0].as_py()
        return found

    def history(self, table: str) -> list[tuple[str, datetime, str]]:
        """Return the kept snapshots of a table up to the pinned one, the newest first.

        Returns
        -------
        list of tuple
            Id (text), time of the commit (UTC) and operation. Empty for an empty table.
        """
        return self._database.pins[table].history()

    def refresh(self) -> Session:
        """Pin again: the newest snapshots, or the newest before the session's `as_of`.

        Results made before keep the snapshots they were made with. Temporary objects are gone.
        """
        database = self._pin()
        with self._lock:
            self._database = database
        return self

    @property
    def snapshots(self) -> dict[str, str | None]:
        """Snapshot id (text) of every table; None for an empty one. `open` takes it back."""
        pins = self._database.pins.items()
        return {name: pin.snapshot_id for name, pin in pins if not pin.broken}

    @property
    def pins(self) -> Mapping[str, Pin]:
        """The pinned tables by name."""
        return self._database.pins

    @property
    def read(self) -> set[str]:
        """The pinned tables that queries have read since the session was opened or refreshed."""
        return self._database.read

    @property
    def query_s(self) -> float:
        """Seconds spent in queries since the session was opened or refreshed."""
        return self._database.query_s

    @property
    def as_of(self) -> datetime | None:
        """The moment the session was asked for, else the newest commit it sees."""
        return _moment_of(self._database.pins, self._asked_as_of)

    @property
    def closed(self) -> bool:
        """Whether the session was closed."""
        return self._database.closed

    def close(self) -> None:
        """Close the DuckDB connection; results that were not read yet stop working."""
        with self._lock:
            databases = list(self._databases)
        for database in databases:
            database.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        pins = self._database.pins.values()
        known = sum(pin.snapshot is not None for pin in pins)
        moment = f"as of {show_moment(self.as_of)}" if self.as_of else "nothing landed yet"
        # A moment before everything is more often a mistaken clock than meant.
        hint = "" if known else why_empty(pins, self.as_of, 0)
        return (
            f"<Session on {self.settings.lake.catalog!r}, {known} of {len(pins)} tables "
            f"with data, {moment}{f'; {hint}' if hint else ''}>"
        )


def _moment_of(pins: Mapping[str, Pin], asked: datetime | None) -> datetime | None:
    if asked is not None:
        return asked
    return max((pin.committed_at for pin in pins.values() if pin.committed_at), default=None)
