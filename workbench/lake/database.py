"""One in-memory DuckDB over one set of pins: views made when a query names them."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import duckdb

from workbench.config import Settings
from workbench.errors import LakeError, UsageError
from workbench.ingest.reference import REQUIRED, read_symbols, symbols_in_force
from workbench.lake import views
from workbench.lake.binding import run
from workbench.lake.column_units import column_units
from workbench.lake.deadline import deadline
from workbench.lake.guard import check_reads_only
from workbench.lake.locations import local_path
from workbench.lake.macros import load_macros
from workbench.lake.pins import Pin
from workbench.lake.sqlerrors import translate
from workbench.lake.tables_read import tables_read

if TYPE_CHECKING:
    import pyarrow as pa

Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any] | None

# Statements that show what is there: every view has to be made for them.
_LISTING = re.compile(r"\b(information_schema|duckdb_\w+|show|pragma_\w+|query_table)\b", re.I)

_KEPT_STATEMENTS = 256


class PinnedDatabase:
    """A DuckDB connection of its own whose views show pinned snapshots.

    A cursor per thread makes it safe to ask from several at once.

    Parameters
    ----------
    settings
        The settings in force: bounds of memory, disk and threads.
    pins
        The pinned tables by name.
    read_only
        Whether DuckDB's locks are set and only queries are answered.
    """

    def __init__(self, settings: Settings, pins: Mapping[str, Pin], *, read_only: bool) -> None:
        self.pins = pins
        self.read_only = read_only
        self.settings = settings
        self._made: set[str] = set()
        # The tables of each statement, by its text: most are asked for more than once.
        self._tables: dict[str, tuple[str, ...]] = {}
        self._units: dict[str, dict[str, str]] = {}
        self._answers: dict[tuple[str, tuple[tuple[str, object], ...]], pa.Table] = {}
        #: The pinned tables that queries have read so far.
        self.read: set[str] = set()
        #: Seconds spent in queries, as far as their rows were fetched as Arrow tables.
        self.query_s = 0.0
        self._lock = threading.RLock()
        self._local = threading.local()
        #: Whether `close` was called.
        self.closed = False
        self._released: weakref.finalize[[], PinnedDatabase] | None = None
        self._connection = connect(settings)
        # Parses and asks nothing: what a thread's own cursor has begun stays as it is.
        self._parser = self._connection.cursor()
        with _enough_memory(settings):
            for schema in sorted(
                {name.split(".")[0] for name in [*pins, views.REFERENCE, views.REPORT_RUNS]}
            ):
                self._connection.execute(f"CREATE SCHEMA {views.quote_name(schema)}")
            _load_symbols(self._connection, symbols_in_force(settings))
        if any(pin.delete_count for pin in pins.values()):
            _load_iceberg(self._connection)
        if read_only:
            _lock_down(self._connection, settings, pins)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return this thread's cursor.

        Raises
        ------
        LakeError
            When the database is closed.
        """
        if self.closed:
            raise LakeError("the session is closed", hint="open another with workbench.open()")
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            with self._lock:
                cursor = self._connection.cursor()
            if not self.read_only:
                cursor.execute(f"SET enable_progress_bar = {str(_interactive()).lower()}")
            self._local.cursor = cursor
        return cursor

    def need(self, sql: str) -> tuple[str, ...]:
        """Make the views that a query may name; return the tables it reads."""
        listing = _LISTING.search(sql) is not None
        named: list[str] = []
        for name, pin in self.pins.items():
            if pin.broken:
                _refuse(sql, name, pin.broken)
                continue
            if listing or _names(sql, name):
                self._make(name)
            if _names(sql, name):
                named.append(name)
        for name, base in views.DERIVED.items():
            if base not in self.pins:
                continue
            if broken := self.pins[base].broken:
                _refuse(sql, name, broken)
                continue
            if listing or _names(sql, name):
                self._make(base)
                self._make(name)
            if _names(sql, name) and base not in named:
                named.append(base)
        if listing or _names(sql, views.REPORT_RUNS):
            self._make_report_runs()
        read = self._read_of(sql, named) if named else ()
        self.read.update(read)
        return read

    def _read_of(self, sql: str, named: Sequence[str]) -> tuple[str, ...]:
        """Of the tables that a text names, those that the query reads; all where nobody knows."""
        kept = self._tables.get(sql)
        if kept is not None:
            return kept
        with self._lock:
            found = tables_read(self._parser, sql)
        if found is None:
            return tuple(named)
        full = {f"{schema}.{name}" for schema, name in found if schema}
        if bare := {name for schema, name in found if not schema}:
            full |= {f"{schema}.{name}" for schema in self._search_path() for name in bare}
        beneath = {base for name, base in views.DERIVED.items() if name in full}
        read = tuple(name for name in named if name in full | beneath)
        if not any(schema == "" for schema, _ in found):
            _keep(self._tables, sql, read)
        return read

    def units(self, sql: str) -> dict[str, str]:
        """Return the units of an answer's columns that are columns of the lake."""
        if (kept := self._units.get(sql)) is None:
            with self._lock:
                kept = column_units(self._parser, sql)
            _keep(self._units, sql, kept)
        return kept

    def _search_path(self) -> list[str]:
        """The schemas in which this thread looks for a table that is named without one."""
        row = self.cursor().execute("SELECT current_schemas(false)").fetchone()
        return list(row[0]) if row else []

    def _make_report_runs(self) -> None:
        """Copy the history of reports once: later queries of the session see the same runs."""
        with self._lock:
            if views.REPORT_RUNS in self._made:
                return
            from workbench.lake.report_runs import report_runs

            target, cursor = views.quote_name(views.REPORT_RUNS), self.cursor()
            cursor.register("kept_report_runs", report_runs(self.settings.project))
            try:
                cursor.execute(f"CREATE TABLE {target} AS SELECT * FROM kept_report_runs")
            except duckdb.Error as error:
                raise translate(error) from error
            finally:
                cursor.unregister("kept_report_runs")
            self._made.add(views.REPORT_RUNS)

    def _make(self, name: str) -> None:
        with self._lock:
            if name in self._made:
                return
            if name in views.DERIVED:
                statement = views.derived_view(name)
            else:
                statement = views.table_view(self.pins[name])
            try:
                self.cursor().execute(statement)
            except duckdb.Error as error:
                raise translate(error) from error
            self._made.add(name)

    def kind(self, sql: str) -> str:
        """Return ``query`` or ``statement``: whether it may be asked more than once.

        Raises
        ------
        UsageError
            For a syntax error, or several statements at once.
        """
        try:
            statements = self.cursor().extract_statements(sql)
        except duckdb.Error as error:
            raise translate(error) from error
        kinds = [statement.type for statement in statements]
        # PIVOT counts as several: it first makes a type of the values it finds.
        if len(kinds) > 1 and not re.search(r"\bPIVOT\b", sql, re.IGNORECASE):
            raise UsageError(f"one statement at a time, got {len(kinds)}")
        queries = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
        return "query" if kinds and all(kind in queries for kind in kinds) else "statement"

    def split(self, text: str) -> list[str]:
        """Return the statements of a text."""
        try:
            found = [
                statement.query.strip() for statement in self.cursor().extract_statements(text)
            ]
        except duckdb.Error as error:
            raise translate(error) from error
        except IndexError:
            # DuckDB loses the texts as soon as one of the statements is a PIVOT.
            return [text]
        return found if all(found) else [text]

    def parameters(self, sql: str) -> list[str]:
        """Return the names of the values that one statement waits for; numbers for ``?``."""
        try:
            statements = self.cursor().extract_statements(sql)
        except duckdb.Error as error:
            raise translate(error) from error
        return sorted({name for statement in statements for name in statement.named_parameters})

    def bind(self, sql: str, parameters: Parameters = None, timeout_s: float | None = None) -> None:
        """Let DuckDB check names, types and parameters of a query without running it."""
        explained = re.match(r"\s*EXPLAIN\b", sql, re.IGNORECASE) is not None
        plan = sql if explained else f"EXPLAIN {sql}"
        try:
            cursor = self.cursor()
            # EXPLAIN ANALYZE runs it.
            with deadline(cursor, timeout_s):
                cursor.execute(plan) if parameters is None else cursor.execute(plan, parameters)
        except duckdb.Error as error:
            raise translate(error, self.columns_named(sql)) from error

    def check(self, sql: str) -> None:
        """Refuse what a read-only database does not answer."""
        if self.read_only:
            check_reads_only(self.cursor(), sql)

    def execute(self, sql: str, parameters: Parameters = None) -> duckdb.DuckDBPyConnection:
        """Run one statement; DuckDB's errors become ours.

        Raises
        ------
        UsageError
            For a mistake in the query.
        LakeError
            Where the lake or the machine is in the way.
        """
        self.check(sql)
        self.need(sql)
        try:
            return run(self.cursor(), sql, parameters)
        except duckdb.Error as error:
            raise translate(error, self.columns_named(sql)) from error

    def arrow(
        self, sql: str, parameters: Parameters = None, timeout_s: float | None = None
    ) -> pa.Table:
        """Return the rows of one statement.

        Raises
        ------
        QueryTimeout
            When it takes longer than it was given.
        """
        began = time.monotonic()
        try:
            with deadline(self.cursor(), timeout_s):
                return self.execute(sql, parameters).to_arrow_table()
        except duckdb.Error as error:
            raise translate(error, self.columns_named(sql)) from error
        finally:
            self.query_s += time.monotonic() - began

    def arrow_once(self, sql: str, parameters: Mapping[str, object]) -> pa.Table:
        """Return the rows of a query that is asked again and again, of tables that stand still."""
        asked = (sql, tuple(sorted(parameters.items())))
        answer = self._answers.get(asked)
        if answer is None:
            answer = self.arrow(sql, parameters)
            _keep(self._answers, asked, answer)
        return answer

    def columns_named(self, sql: str) -> list[str]:
        """Return the columns of the tables a query names."""
        names = self.need(sql) or tuple(self.pins)
        return sorted({column.name for name in names for column in self.pins[name].table.columns})

    def on_close(self, release: Callable[[], None]) -> None:
        """Call something when this is closed, or when nobody has it any more."""
        self._released = weakref.finalize(self, release)

    def close(self) -> None:
        """Close the connection; its cursors stop working."""
        with self._lock:
            self.closed = True
            self._connection.close()
        if self._released is not None:
            self._released()


_K = TypeVar("_K")
_T = TypeVar("_T")


def _keep(kept: dict[_K, _T], asked: _K, value: _T) -> None:
    """Remember what was found out of a statement, and forget the oldest ones."""
    kept[asked] = value
    while len(kept) > _KEPT_STATEMENTS:
        kept.pop(next(iter(kept)), None)


def _names(sql: str, table: str) -> bool:
    """Whether the text names a table; too often is harmless."""
    return re.search(rf"\b{re.escape(table.split('.')[1])}\b", sql, re.IGNORECASE) is not None


def _refuse(sql: str, table: str, broken: LakeError) -> None:
    """Raise why a table cannot be read where a query really reads it; others go on."""
    schema, _, name = table.partition(".")
    if re.search(rf'\b{schema}"?\s*\.\s*"?{name}\b', sql, re.IGNORECASE):
        raise broken


def _interactive() -> bool:
    """Whether somebody sits at a terminal: elsewhere a progress bar is noise in the output."""
    return sys.stderr.isatty()


def connect(settings: Settings) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB in memory with the macros alone, within the bounds of the settings.

    Raises
    ------
    UsageError
        Where DuckDB does not take one of the bounds; names the setting and its value.
    """
    config: dict[str, Any] = {
        # Local variables of the caller are not tables: a query means the same everywhere.
        "python_enable_replacements": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    connection = duckdb.connect(":memory:", config=config)
    with _enough_memory(settings):
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute("SET GLOBAL parquet_metadata_cache = true")
        # One by one: DuckDB does not say which one it refuses.
        for name, value in settings.duckdb.model_dump(exclude_none=True).items():
            try:
                connection.execute(f"SET GLOBAL {name} = {views.quote_text(str(value))}")
            except (duckdb.ParserException, duckdb.InvalidInputException) as error:
                first = translate(error).message.split(" (")[0]
                raise UsageError(
                    f"setting duckdb.{name}: {first}, got {value!r}",
                    hint="write for example 4" if name == "threads" else "write for example 2GB",
                ) from error
        load_macros(connection)
    return connection


@contextmanager
def _enough_memory(settings: Settings) -> Iterator[None]:
    """Name the setting where its bound is too low for anything at all."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise UsageError(
            "setting duckdb.memory_limit: too little to open a session, "
            f"got {settings.duckdb.memory_limit!r}",
            hint="write for example 2GB",
        ) from error


def _lock_down(
    connection: duckdb.DuckDBPyConnection, settings: Settings, pins: Mapping[str, Pin]
) -> None:
    """Set DuckDB's own locks: no files but the lake's and those allowed, no settings."""
    # Tables of another catalog may lie outside the warehouse folder.
    places = {local_path(pin.source.location()) for pin in pins.values() if pin.source}
    places |= {str(settings.warehouse), *map(str, settings.readable_folders)}
    folders = sorted({f"{place.rstrip('/')}/" for place in places})
    allowed = ", ".join(map(views.quote_text, folders))
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET allowed_directories = [{allowed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _load_iceberg(connection: duckdb.DuckDBPyConnection) -> None:
    """Load the Iceberg extension from the installed wheels; needed only where rows are deleted."""
    from duckdb_extensions import import_extension

    try:
        for name in ("avro", "iceberg"):
            import_extension(name, con=connection)
            connection.execute(f"LOAD {name}")
    except Exception as error:
        raise LakeError(
            f"a table has delete files and DuckDB's iceberg extension cannot be loaded: {error}",
            hint="install duckdb-extension-iceberg of DuckDB's version, or compact the table",
        ) from error


# Numbers of the reference data; everything else is text.
_SYMBOL_NUMBERS = {"tick_size": "DECIMAL(18, 8)", "quantity_step": "DECIMAL(18, 8)"}


def _load_symbols(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Copy the reference data, so that the session keeps what it has seen when it opened."""
    columns, rows = read_symbols(file) if file.is_file() else (list(REQUIRED), [])
    # As JSON in the text: to bind values DuckDB imports pandas, and pyarrow.dataset for a table.
    lists = {name: views.quote_text(json.dumps([row[name] for row in rows])) for name in columns}
    selected = ", ".join(
        f"CAST(nullif(unnest(CAST({values}::JSON AS VARCHAR[])), '') "
        f"AS {_SYMBOL_NUMBERS.get(name, 'VARCHAR')}) AS {views.quote_name(name)}"
        for name, values in lists.items()
    )
    target = views.quote_name(views.REFERENCE)
    connection.execute(f"CREATE TABLE {target} AS SELECT {selected}")
