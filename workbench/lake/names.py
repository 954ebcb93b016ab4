"""Names of everything that can be queried, known without opening a lake."""

from __future__ import annotations

from workbench.contracts import TABLES, table_named
from workbench.errors import UsageError, did_you_mean, quoted
from workbench.ingest.reference import REQUIRED
from workbench.lake.report_runs import COLUMNS as REPORT_RUN_COLUMNS
from workbench.lake.views import DERIVED, REFERENCE, REPORT_RUNS

#: Columns that a derived view has besides those of its table.
_OWN = {"market.trade_aggregates_current": ("partials",)}


def all_tables() -> list[str]:
    """Return the names of tables, derived views, the reference data and the runs of reports."""
    return [*(table.name for table in TABLES), *DERIVED, REFERENCE, REPORT_RUNS]


def require_table(name: str) -> str:
    """Return the full name of a table or view.

    Raises
    ------
    UsageError
        For one that is not there; names the nearest.

    Examples
    --------
    >>> require_table("market.executions")
    'market.executions'
    """
    known = all_tables()
    if name not in known:
        raise UsageError(f"no table {quoted(name)}", hint=nearest_table(name))
    return name


def nearest_table(name: str) -> str:
    """Return a hint that names the nearest table, or all of them.

    >>> nearest_table("trade")
    "did you mean 'market.trades'?"
    """
    known = all_tables()
    short = {table.split(".")[1]: table for table in known}
    hint = did_you_mean(name, known)
    if hint.startswith("known"):
        near = did_you_mean(name.rsplit(".", maxsplit=1)[-1], list(short))
        if near.startswith("did"):
            return f"did you mean {short[near.split(chr(39))[1]]!r}?"
    return hint


def columns_of(name: str) -> tuple[str, ...]:
    """Return the columns of a table or view as the contracts name them.

    >>> columns_of("market.trade_aggregates_current")[-1]
    'partials'
    """
    if name == REFERENCE:
        return REQUIRED
    if name == REPORT_RUNS:
        return REPORT_RUN_COLUMNS
    contract = table_named(DERIVED.get(name, name))
    return (*(column.name for column in contract.columns), *_OWN.get(name, ()))


def units_of(name: str) -> dict[str, str]:
    """Return the unit of each column of a table or view that has one."""
    if name in (REFERENCE, REPORT_RUNS):
        return {}
    contract = table_named(DERIVED.get(name, name))
    return {column.name: column.unit for column in contract.columns if column.unit}
