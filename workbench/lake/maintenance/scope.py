"""Which tables a maintainer works on, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from workbench.config import Settings
from workbench.contracts import TABLES, Table, table_named
from workbench.errors import LakeError, UsageError
from workbench.lake.catalog import load_catalog
from workbench.lake.damage import load_table
from workbench.lake.maintenance.lock import maintaining
from workbench.provenance import one_line

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

T = TypeVar("T")
#: Receives a line about what goes on.
Progress: TypeAlias = Callable[[str], None]


def chosen(names: Sequence[str]) -> list[Table]:
    """Return the contracts of these names; all of them for none.

    Raises
    ------
    UsageError
        For an unknown table; names the nearest.

    Examples
    --------
    >>> [table.name for table in chosen(["market.trades"])]
    ['market.trades']
    """
    return [table_named(name) for name in dict.fromkeys(names)] or list(TABLES)


def for_each(
    settings: Settings,
    names: Sequence[str],
    lock_as: str | None,
    work: Callable[[Table, IcebergTable | None], T],
    failed: Callable[[Table, LakeError], T],
) -> list[T]:
    """Do the work for tables, one after the other; a broken one does not keep the others from it.

    Parameters
    ----------
    settings
        The settings in force.
    names
        Names of tables; all when empty.
    lock_as
        What is done, where it changes something: be the only maintainer meanwhile. None else.
    work
        Receives the contract, and the table where the lake has it.
    failed
        Makes a result of an error of one table.

    Raises
    ------
    UsageError
        For an unknown table.
    LakeError
        When there is no lake, or another maintainer works on it.
    """
    contracts = chosen(names)
    catalog = load_catalog(settings, create=False)
    done = []
    with maintaining(settings, lock_as) if lock_as else nullcontext():
        for contract in contracts:
            try:
                done.append(work(contract, load_table(catalog, contract.name)))
            except LakeError as error:
                done.append(failed(contract, error))
            except UsageError:
                raise
            except Exception as error:
                # A full disk, too little memory, a library's own: the others go on all the same.
                said = LakeError(f"table {contract.name}: {one_line(error)}")
                done.append(failed(contract, said))
    return done
