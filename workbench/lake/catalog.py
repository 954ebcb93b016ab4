"""One catalog for PyIceberg and Flink: the embedded SQLite file, or another by configuration.

Both sides are described here, because they meet in one file: the name of the catalog, the
layout of its tables and the locations must be the same on both.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.config import Settings
from workbench.errors import LakeError, UsageError
from workbench.provenance import hide, hide_in_text

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

CATALOG_FILE = "catalog.db"
#: A commit of PyIceberg or Flink waits this long for another one, or for anybody else who has
#: locked the file: Iceberg does not retry SQLITE_BUSY. Held for 20 s it is a test of both.
BUSY_TIMEOUT_MS = 30_000
# Cut off or read as options by one of the three that parse the same location: urllib, SQLAlchemy,
# the JDBC driver.
_UNUSABLE = "#?%"


def is_embedded(settings: Settings) -> bool:
    """Return whether the catalog is the SQLite file in the warehouse folder."""
    return not settings.lake.properties


def catalog_file(settings: Settings) -> Path:
    """Return the path of the embedded catalog."""
    return settings.warehouse / CATALOG_FILE


def warehouse_uri(settings: Settings) -> str:
    """Return the warehouse as a location that Java and Python read alike.

    Raises
    ------
    UsageError
        Where the folder's name has a character that a URI cannot carry as it is.
    """
    path = settings.warehouse.as_posix()
    bad = sorted(set(_UNUSABLE) & set(path))
    if bad:
        raise UsageError(
            f"warehouse {path!r} has {' '.join(bad)} in its name",
            hint="choose another folder in lake.warehouse",
        )
    return f"file://{path}"


def load_catalog(settings: Settings, *, create: bool = True) -> Catalog:
    """Open the catalog of the lake.

    Parameters
    ----------
    settings
        The settings in force.
    create
        Whether an embedded catalog that is not there is made; otherwise that is an error.

    Raises
    ------
    LakeError
        When the catalog is missing or does not answer; says where it was looked for.

    Examples
    --------
    >>> from workbench.config import load_settings
    >>> load_catalog(load_settings()).name                    # doctest: +SKIP
    'lake'
    """
    if is_embedded(settings):
        return _load_embedded(settings, create=create)
    from pyiceberg.catalog import load_catalog as load

    try:
        return load(settings.lake.catalog, **settings.lake.properties)
    except Exception as error:
        properties = settings.lake.properties
        where = hide("lake.properties.uri", properties.get("uri", "no uri in lake.properties"))
        told = str(error)
        shown = hide_in_text(told, properties)
        raise LakeError(
            f"catalog {settings.lake.catalog!r} at {where} cannot be opened: "
            f"{shown.splitlines()[0] if shown else type(error).__name__}",
            hint="see lake.properties in `workbench config show`",
            # --debug prints the cause as it is.
        ) from (error if shown == told else None)


def _load_embedded(settings: Settings, *, create: bool) -> Catalog:
    from pyiceberg.catalog.sql import SqlCatalog

    file = catalog_file(settings)
    uri = warehouse_uri(settings)
    if not create and not file.exists():
        raise LakeError(
            f"no lake in {file.parent}",
            hint="`workbench tables apply` makes it, `make demo` fills it",
        )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # The mode is kept in the file; in it readers never wait for a commit.
        with closing(sqlite3.connect(file, timeout=BUSY_TIMEOUT_MS / 1000)) as connection:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode=WAL")
            _create_layout(connection)
        return SqlCatalog(
            settings.lake.catalog,
            uri=f"sqlite:///{file}?timeout={BUSY_TIMEOUT_MS // 1000}",
            warehouse=uri,
            schema_version="v1",
            init_catalog_tables="false",
        )
    except (OSError, sqlite3.Error) as error:
        raise LakeError(
            f"catalog {file} cannot be opened: {error}",
            hint="is the folder writable and the file an SQLite database?",
        ) from error


def _create_layout(connection: sqlite3.Connection) -> None:
    """Make Iceberg's two tables, in the layout V1 of its JDBC catalog.

    PyIceberg would make them too, but not safely while another process does the same.
    """
    with connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS iceberg_tables ("
            "catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, "
            "table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), "
            "previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5), "
            "PRIMARY KEY (catalog_name, table_namespace, table_name))"
        )
        connection.execute(
            "CREATE TABLE IF NOT EXISTS iceberg_namespace_properties ("
            "catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL, "
            "property_key VARCHAR(255) NOT NULL, property_value VARCHAR(1000) NOT NULL, "
            "PRIMARY KEY (catalog_name, namespace, property_key))"
        )


def flink_catalog_options(settings: Settings) -> dict[str, str]:
    """Return the options of Flink's ``CREATE CATALOG`` for the same catalog.

    Its name in Flink must be ``settings.lake.catalog``: the JDBC catalog keeps the tables of
    several catalogs apart by their name.

    Raises
    ------
    UsageError
        For a catalog type that has no counterpart in Flink.
    """
    if is_embedded(settings):
        return {
            "type": "iceberg",
            # Not 'catalog-type'='jdbc', which Flink's factory does not know.
            "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
            "uri": f"jdbc:sqlite:{catalog_file(settings)}"
            f"?journal_mode=WAL&busy_timeout={BUSY_TIMEOUT_MS}",
            "jdbc.schema-version": "V1",
            "warehouse": warehouse_uri(settings),
            # One connection: SQLite has one writer, and a second one of the same job would wait.
            "clients": "1",
            "cache-enabled": "false",
        }
    return _flink_options_of(settings.lake.properties)


# Names of PyIceberg's properties whose Java counterpart differs.
_JAVA_NAMES = {"s3.region": "client.region"}
_PYTHON_ONLY = {"type", "uri", "py-io-impl", "schema_version", "init_catalog_tables"}


def _flink_options_of(properties: dict[str, str]) -> dict[str, str]:
    uri = properties.get("uri", "")
    kind = properties.get("type") or ("rest" if uri.startswith("http") else "sql")
    options = {"type": "iceberg", "cache-enabled": "false"}
    if kind == "rest":
        options |= {"catalog-type": "rest", "uri": uri}
    elif kind == "sql" and uri.startswith("postgresql"):
        options |= {
            "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
            "jdbc.schema-version": "V1",
            **_jdbc_postgresql(uri),
        }
    else:
        raise UsageError(
            f"catalog type {kind!r} at {hide('uri', uri)!r} is not known to Flink here",
            hint="use a REST catalog, PostgreSQL, or the embedded one",
        )
    for name, value in properties.items():
        if name not in _PYTHON_ONLY:
            options[_JAVA_NAMES.get(name, name)] = value
    if properties.get("warehouse", "").startswith("s3"):
        options.setdefault("io-impl", "org.apache.iceberg.aws.s3.S3FileIO")
    return options


def _jdbc_postgresql(uri: str) -> dict[str, str]:
    """``postgresql+psycopg2://user:password@host:port/db`` as JDBC options."""
    from urllib.parse import unquote, urlsplit

    try:
        parts = urlsplit(uri)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        # What follows the first slash of a password looks like a path, what is before it like a
        # port: the message of the library would show it.
        raise UsageError(
            f"lake.properties has a uri that cannot be read: {hide('uri', uri)}",
            hint="write / as %2F and @ as %40 in its password",
        ) from None
    options = {"uri": f"jdbc:postgresql://{parts.hostname}{port}{parts.path}"}
    if parts.username:
        options["jdbc.user"] = unquote(parts.username)
    if parts.password:
        options["jdbc.password"] = unquote(parts.password)
    return options
